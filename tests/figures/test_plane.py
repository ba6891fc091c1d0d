"""The plane of cost and return shows the table's numbers, all of them, and nothing is cut off."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from safemil.catalogue import method_named
from safemil.errors import UserError
from safemil.figures.plane import PLOTTED_COLUMNS, plane
from safemil.figures.style import COLUMN_WIDTH, save_figure
from safemil.statistics.scores import main_table, seed_scores

TASKS = [
    *["walker_velocity", "swimmer_velocity", "ant_velocity"],
    *["point_circle2", "point_goal1", "point_button1"],
]
METHODS = ["bc", "dwbc_nu", "trex_wbc", "safedice", "safemil", "bc_safe", "coptidice"]


def draw(episodes, **changes):
    table = main_table(episodes, n_resamples=200, **changes)
    return (*plane(episodes, table, **changes), table)


def points(axes, marker):
    """Return (x, y, size, face) of everything drawn with a marker in a panel."""
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return [
        (*line.get_xydata()[0], line.get_markersize(), to_hex(line.get_markerfacecolor()).upper())
        for line in lines
    ]


@pytest.mark.parametrize(("n_tasks", "n_methods"), [(1, 2), (2, 7), (3, 2), (6, 7)])
def test_everything_lies_on_the_page(invent, n_tasks, n_methods):
    figure, data, _ = draw(invent(TASKS[:n_tasks], METHODS[:n_methods]))
    assert len(data) == n_tasks * (n_methods * (3 + 1) + 3)
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == n_tasks
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth() == COLUMN_WIDTH
    assert box.y1 <= figure.get_figheight()
    for axes in shown:
        # The ring of the reference is whole.
        (x, y, size, _) = max(points(axes, "o"), key=lambda point: point[2])
        centre = axes.transData.transform((x, y))
        radius = size / 2 * figure.dpi / 72
        panel = axes.get_window_extent()
        assert panel.x0 < centre[0] - radius
        assert panel.y1 > centre[1] + radius
    # Every column says below its last panel what its axis is.
    labelled = [axes.get_xlabel() for axes in shown if axes.get_xlabel()]
    assert labelled == ["cost per episode"] * min(n_tasks, 2)


def test_plotted_numbers_are_those_of_the_table_and_the_seeds(invent):
    episodes = invent(TASKS[:2], ["bc", "safemil"])
    _, data, table = draw(episodes)
    assert list(data.columns) == PLOTTED_COLUMNS
    numbers = PLOTTED_COLUMNS[6:]
    means = data[data["element"] == "mean"].reset_index(drop=True)
    expected = table[table["kind"] != "reference"].reset_index(drop=True)
    pd.testing.assert_frame_equal(means[["task", "method", *numbers]], expected[["task", "method", *numbers]])
    seeds = data[(data["element"] == "seed") & (data["task"] == "swimmer_velocity")]
    scores = seed_scores(episodes).query("task == 'swimmer_velocity' and step > 0")
    assert seeds[["cost", "return"]].values.tolist() == scores[["cost", "return"]].values.tolist()
    assert seeds["seed"].tolist() == scores["seed"].tolist()
    random, rows = data[data["element"] == "random_reference"], table[table["method"] == "random"]
    assert random[["cost", "return"]].values.tolist() == rows[["cost", "return"]].values.tolist()


def test_what_is_drawn_is_what_the_data_say(invent):
    figure, data, _ = draw(invent(TASKS[:2], ["bc", "safemil", "bc_safe"]))
    for axes, task in zip(figure.axes, TASKS[:2], strict=True):
        shown = data[data["task"] == task]
        for method in ("safemil", "bc_safe"):
            style = method_named(method)
            rows = shown[shown["method"] == method]
            drawn = sorted(points(axes, style.marker), key=lambda point: point[2])
            seeds, (mean,) = drawn[:3], drawn[3:]
            assert [point[:2] for point in seeds] == list(
                rows.loc[rows["element"] == "seed", ["cost", "return"]].itertuples(index=False, name=None)
            )
            row = rows[rows["element"] == "mean"].iloc[0]
            assert mean[:2] == (row["cost"], row["return"])
            assert mean[3] == ("#FFFFFF" if method == "bc_safe" else style.colour)
            crosses = [
                line.get_xydata().tolist()
                for line in axes.lines
                if line.get_marker() == "None" and to_hex(line.get_color()).upper() == style.colour
            ]
            assert crosses == [
                [[row["cost_low"], row["return"]], [row["cost_high"], row["return"]]],
                [[row["cost"], row["return_low"]], [row["cost"], row["return_high"]]],
            ]
        reference = shown[shown["element"] == "constrained_reference"].iloc[0]
        ring = max(points(axes, "o"), key=lambda point: point[2])
        assert ring[:2] == (reference["cost"], reference["return"])
        assert points(axes, method_named("constrained_rl").marker)[0][:2] == ring[:2]
        assert [25.0, 25.0] in [list(line.get_xdata()) for line in axes.lines]


def test_random_actions_are_told_in_words_and_do_not_squeeze_the_others(invent):
    """They return about 1 at a cost of about 60; the methods return 120 or more."""
    figure, data, _ = draw(invent(TASKS[:1], ["bc", "safemil"]))
    (axes,) = figure.axes
    random = data[data["element"] == "random_reference"].iloc[0]
    (told,) = [text.get_text() for text in axes.texts]
    assert told == f"random: cost {random['cost']:.0f}, return {random['return']:.1f}"
    assert axes.get_ylim()[0] > 100
    near = invent(TASKS[:1], ["bc", "safemil"])
    near.loc[near["method"] == "random", "return"] += 130
    figure, data, _ = draw(near)
    (mark,) = points(figure.axes[0], "x")
    low, high = figure.axes[0].get_ylim()
    assert low < mark[1] < high
    assert mark[1] == data.loc[data["element"] == "random_reference", "return"].iloc[0]


def test_returns_that_are_all_but_equal_do_not_fill_the_panel(invent):
    """Random actions return about 1, the reference about 200: the axis spans at least half of that."""
    episodes = invent(TASKS[:1], ["bc"])
    episodes.loc[episodes["method"] == "bc", "return"] += 75  # 195, give or take 1
    figure, data, _ = draw(episodes)
    low, high = figure.axes[0].get_ylim()
    returns = data.set_index("element")["return"]
    distance = returns["constrained_reference"] - returns["random_reference"]
    assert high - low == pytest.approx(distance / 2)
    assert low < returns["mean"] < returns["constrained_reference"] < high
    episodes.loc[episodes["method"] == "bc", "return"] -= 170  # a span of its own of about 175
    figure, _, _ = draw(episodes)
    assert np.diff(figure.axes[0].get_ylim()) == pytest.approx(1.2 * 175, rel=0.03)


def test_the_ring_is_around_the_oracle_where_that_is_the_reference(invent):
    episodes = invent(TASKS[:1], ["bc", "safemil", "coptidice"])
    episodes = episodes[episodes["method"] != "constrained_rl"].assign(source="dsrl")
    figure, _, table = draw(episodes, cost_limit=200.0)
    row = table[table["method"] == "coptidice"].iloc[0]
    ring = max(points(figure.axes[0], "o"), key=lambda point: point[2])
    assert ring[:2] == (row["cost"], row["return"])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [
        *["BC-Unlabeled", "SafeMIL", "COptiDICE"],
        *["COptiDICE (reference)", "cost limit 200"],
    ]


def test_the_caption_states_source_and_budget(invent):
    figure, _, _ = draw(invent(TASKS[:1], ["bc", "bc_safe"]))
    assert figure.get_suptitle().replace("\n", " ") == (
        "Source collected; learners and oracles: 3 seeds × 5 episodes, 100,000 gradient steps. Large: mean "
        "over seeds; crosses: 95 % bootstrap intervals over seeds. Hollow: oracles, trained on true labels. "
        "Better: up, and left of the limit."
    )


def test_two_seeds_have_no_crosses_and_the_caption_says_so(invent):
    figure, data, _ = draw(invent(TASKS[:1], ["bc"], n_seeds=2))
    assert "no crosses: fewer than 3 seeds." in figure.get_suptitle().replace("\n", " ")
    assert data[["cost_low", "return_high"]].isna().all(axis=None)
    assert sum(len(line.get_xdata()) > 1 for line in figure.axes[0].lines) == 1  # the limit


def test_variants_are_left_out_and_strange_tables_refused(invent):
    episodes = invent(TASKS[:1], ["bc", "safemil"])
    variant = episodes[episodes["method"] == "safemil"].assign(variant="k1", cost=999.0)
    _, data, _ = draw(pd.concat([episodes, variant], ignore_index=True))
    assert np.nanmax(data["cost"]) < 999
    with pytest.raises(UserError, match="not made of these episodes"):
        plane(episodes.assign(cost=1.0), main_table(episodes, n_resamples=200))
    with pytest.raises(UserError, match="no method to draw"):
        plane(episodes, main_table(episodes, n_resamples=200).query("method == 'random'"))


def test_the_same_episodes_give_the_same_bytes(invent, tmp_path):
    episodes = invent(TASKS[:1], ["bc", "safemil"])
    files = [save_figure(*draw(episodes)[:2], tmp_path / name) for name in ("a", "b")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
