"""The figure of learned costs shows what its CSV says, computed from the traces as the caption says."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from safemil.catalogue import method_named
from safemil.errors import UserError
from safemil.figures.learned_cost import PLOTTED_COLUMNS, WINDOW, learned_cost_figure
from safemil.figures.style import COLUMN_WIDTH, save_figure
from safemil.learned_cost.rows import TRACE_COLUMNS, gather_traces, write_traces

LENGTH = 50


def trace(task, method, seed, episode="safe", **changes):
    """An episode with a learned cost of seed + 1 in step 25 alone, and a true one of 1 in steps 30 to 33."""
    step = np.arange(LENGTH)
    rows = {
        "task": task,
        "source": "collected",
        "method": method,
        "variant": "default",
        "seed": seed,
        "step": 3000,
        "episode": episode,
        "source_index": 7 if episode == "safe" else 8,
        "environment_step": step,
        "cost": ((step >= 30) & (step < 34)).astype(float),
        "learned_cost": np.where(step == 25, seed + 1.0, 0.0),
    }
    return pd.DataFrame(rows | changes)[TRACE_COLUMNS]


@pytest.fixture
def traces():
    parts = [
        trace(task, method, seed, episode)
        for task in ("swimmer_velocity", "point_circle2")
        for method in ("safemil", "trex_wbc", "dwbc_nu", "safedice")
        for seed in (0, 1)
        for episode in ("safe", "unsafe")
    ]
    return pd.concat(parts, ignore_index=True)


def test_numbers_are_moving_means_over_the_seeds(traces):
    _, data = learned_cost_figure(traces)
    assert list(data.columns) == PLOTTED_COLUMNS
    assert len(data) == 2 * 2 * (1 + 4) * LENGTH
    one = data.query("task == 'point_circle2' and episode == 'unsafe' and method == 'safemil'")
    at = one.set_index("environment_step")
    # A window of 20 steps around step 25 holds the one step with a cost: 1 and 2 of the two seeds.
    assert at.loc[25, ["value", "low", "high"]].tolist() == pytest.approx(
        [1.5 / WINDOW, 1 / WINDOW, 2 / WINDOW]
    )
    assert at.loc[25 + WINDOW, "value"] == 0
    assert set(one["n_seeds"]) == {2}
    true = data.query("task == 'point_circle2' and episode == 'safe' and element == 'true_cost'")
    assert true["value"].tolist() == trace("a", "b", 0)["cost"].tolist()


def test_what_is_drawn_is_what_the_data_say(traces):
    figure, data = learned_cost_figure(traces)
    assert len(figure.axes) == 4
    for axes, (task, episode) in zip(
        figure.axes,
        [(t, e) for t in ("swimmer_velocity", "point_circle2") for e in ("safe", "unsafe")],
        strict=True,
    ):
        shown = data[(data["task"] == task) & (data["episode"] == episode)]
        lines = {to_hex(line.get_color()).upper(): line for line in axes.lines}
        for method in ("safemil", "trex_wbc", "dwbc_nu", "safedice"):
            expected = shown[shown["method"] == method]
            line = lines[method_named(method).colour]
            assert line.get_ydata().tolist() == expected["value"].tolist()
            assert line.get_xdata().tolist() == expected["environment_step"].tolist()
        assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in axes.lines}) == 4
        assert axes.get_title() == f"{episode}, cost 4"
        low, high = axes.get_ylim()
        assert low < shown["low"].min()
        assert high > max(1, shown["high"].max())


def test_everything_lies_on_the_page(traces):
    figure, _ = learned_cost_figure(traces)
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth() == COLUMN_WIDTH
    assert box.y1 <= figure.get_figheight()


def test_the_caption_states_what_the_numbers_are(traces):
    figure, _ = learned_cost_figure(traces)
    caption = figure.get_suptitle().replace("\n", " ")
    for words in (
        "Source collected",
        "nearest to the median cost",
        "3,000 gradient steps",
        "mean of 2 seeds",
    ):
        assert words in caption
    assert f"moving mean over {WINDOW} environment steps" in caption


def test_variants_are_left_out_and_a_missing_class_is_said(traces):
    variant = trace("swimmer_velocity", "safemil", 0, variant="k1", learned_cost=5.0)
    safe_only = traces[(traces["task"] != "point_circle2") | (traces["episode"] == "safe")]
    figure, data = learned_cost_figure(pd.concat([safe_only, variant], ignore_index=True))
    assert data["value"].max() <= 1
    assert [axes.get_title() for axes in figure.axes][-1] == "unsafe: no episode held out"
    with pytest.raises(UserError, match="no learned cost to draw"):
        learned_cost_figure(variant)


def test_traces_of_different_episodes_are_refused(tmp_path):
    write_traces(tmp_path / "a.parquet", trace("swimmer_velocity", "safemil", 0))
    write_traces(tmp_path / "b.parquet", trace("swimmer_velocity", "safemil", 1, source_index=9))
    write_traces(tmp_path / "c.parquet", trace("swimmer_velocity", "safemil", 1, cost=1.0))
    for other, named in (("b.parquet", "source_index"), ("c.csv", "cost")):
        with pytest.raises(UserError, match=named):
            gather_traces([tmp_path / "a.parquet", tmp_path / other])


def test_the_same_traces_give_the_same_bytes(traces, tmp_path):
    files = [save_figure(*learned_cost_figure(traces), tmp_path / name) for name in ("a", "b")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    csv = pd.read_csv(files[0][2])
    assert csv["value"].tolist() == pytest.approx(learned_cost_figure(traces)[1]["value"].tolist())
