"""The figure of an ablation: every number in it, and where it stands on the axis."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from safemil.errors import UserError
from safemil.figures.ablation import PLOTTED_COLUMNS, ablation_figure
from safemil.plan.ablation_cells import ShownPoint
from safemil.plan.ablations import Ablation
from safemil.statistics.ablation import ablation_table
from safemil.statistics.scores import main_table

TASK = "swimmer_velocity"


def describe(scale: str, xs: list[float] | list[str]) -> Ablation:
    points = [{"x": x, "variant": f"v{place}"} for place, x in enumerate(xs)]
    return Ablation.model_validate(
        {
            "title": "Bag size",
            "axis": "bag size K",
            "scale": scale,
            "methods": ["safemil"],
            "tasks": [TASK],
            "series": {"bags": {"points": points}},
        }
    )


def draw(invent, ablation: Ablation, n_seeds: int = 3) -> tuple[Figure, pd.DataFrame, pd.DataFrame]:
    xs = [point.x for point in ablation.series["bags"].points]
    episodes = invent([TASK], ["safemil"], n_seeds=n_seeds)
    other = episodes[episodes["method"] == "safemil"].assign(variant="v0", cost=3.0)
    episodes = pd.concat([episodes, other], ignore_index=True)
    shown = [
        ShownPoint("safemil", "v0", "bags", xs[0]),
        ShownPoint("safemil", "default", "bags", xs[1]),
        ShownPoint("safemil", "default", "segments", xs[1]),
    ]
    scores = main_table(episodes, n_resamples=100)
    table = ablation_table(scores, shown, [TASK])
    figure, plotted = ablation_figure(episodes, table, scores, ablation)
    return figure, plotted, table


def test_every_number_is_in_the_csv(invent) -> None:
    _, plotted, table = draw(invent, describe("log", [1, 8]))
    assert list(plotted.columns) == PLOTTED_COLUMNS
    means = plotted[(plotted["element"] == "mean") & (plotted["quantity"] == "cost")]
    assert means["value"].tolist() == table["cost"].tolist()
    assert means["low"].tolist() == table["cost_low"].tolist()
    assert means["position"].tolist() == [1.0, 8.0, 8.0]
    seeds = plotted[(plotted["element"] == "seed") & (plotted["quantity"] == "cost")]
    assert len(seeds) == 9
    assert (seeds.loc[seeds["variant"] == "v0", "value"] == 3.0).all()
    lines = plotted[plotted["element"].str.endswith("reference") & (plotted["quantity"] == "return")]
    assert lines["method"].tolist() == ["constrained_rl", "random"]


def test_axes_state_what_they_show(invent) -> None:
    figure, _, _ = draw(invent, describe("log", [1, 8]))
    cost, returns = figure.axes
    assert (cost.get_ylabel(), returns.get_ylabel()) == ("cost per episode", "return per episode")
    assert returns.get_xlabel() == "bag size K"
    assert (returns.get_xscale(), returns.get_xticks().tolist()) == ("log", [1.0, 8.0])
    limit = [line for line in cost.get_lines() if list(line.get_ydata()) == [25.0, 25.0]]
    assert len(limit) == 1
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["bags", "segments"]
    assert "Constrained RL (reference)" in labels
    caption = figure.get_suptitle().replace("\n", " ")
    assert "3 seeds × 5 episodes, 100,000 gradient steps" in caption
    assert "Bars: 95 % bootstrap interval over seeds" in caption


def test_every_point_of_many_curves_is_inside_the_axes(invent) -> None:
    ablation = describe("log", [1, 8])
    episodes = invent([TASK], ["safemil"], n_seeds=3)
    shown = [
        ShownPoint("safemil", "default", f"series {number}", float(x)) for number in range(5) for x in (1, 8)
    ]
    scores = main_table(episodes, n_resamples=100)
    figure, _ = ablation_figure(episodes, ablation_table(scores, shown, [TASK]), scores, ablation)
    figure.draw_without_rendering()
    for axes in figure.axes:
        curves = [line for line in axes.get_lines() if line.get_marker() == "*"]
        assert len(curves) == 5
        for line in curves:
            places = line.get_transform().transform(line.get_xydata())
            left, right = places[:, 0].min(), places[:, 0].max()
            assert axes.bbox.x0 < left < right < axes.bbox.x1


def test_categories_stand_in_the_order_of_the_curve(invent) -> None:
    figure, plotted, _ = draw(invent, describe("categories", ["trajectory", "state-action"]))
    ticks = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert ticks == ["trajectory", "state-action"]
    assert plotted.loc[plotted["element"] == "mean", "position"].tolist()[:2] == [0.0, 1.0]
    joined = [line for line in figure.axes[1].get_lines() if line.get_marker() == "*"]
    assert [line.get_linestyle() for line in joined] == ["None", "None"]


def test_too_few_seeds_have_no_bars(invent) -> None:
    figure, plotted, _ = draw(invent, describe("log", [1, 8]), n_seeds=2)
    assert plotted["low"].isna().all()
    assert "No bars: fewer than 3 seeds" in figure.get_suptitle().replace("\n", " ")


def test_nothing_to_draw_is_an_error(invent) -> None:
    _, _, table = draw(invent, describe("log", [1, 8]))
    with pytest.raises(UserError, match="no point to draw"):
        ablation_figure(table, table.iloc[:0], table, describe("log", [1, 8]))
