"""The main figure shows the table's numbers, all of them, and nothing is cut off."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from safemil.catalogue import method_named
from safemil.errors import UserError
from safemil.figures.main_comparison import PLOTTED_COLUMNS, main_comparison
from safemil.figures.style import save_figure
from safemil.statistics.scores import main_table, seed_scores

TASKS = [
    *["walker_velocity", "swimmer_velocity", "ant_velocity"],
    *["point_circle2", "point_goal1", "point_button1"],
]
METHODS = ["bc", "dwbc_nu", "trex_wbc", "safedice", "safemil", "bc_safe", "coptidice"]


def _draw(episodes, **changes):
    table = main_table(episodes, n_resamples=200, **changes)
    return (*main_comparison(episodes, table, **changes), table)


def _texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.parametrize(("n_tasks", "n_methods"), [(1, 2), (2, 2), (6, 7)])
def test_everything_lies_on_the_page(invent, n_tasks, n_methods):
    names = ["bc", "safemil"] if n_methods == 2 else METHODS
    figure, data, _ = _draw(invent(TASKS[:n_tasks], names))
    assert len(figure.axes) == 3 * n_tasks
    assert len(data) == n_tasks * (3 * n_methods * (3 + 1) + 3 + 1 + 2)
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()
    titles = [axes.title.get_window_extent() for axes in figure.axes[:n_tasks]]
    assert all(left.x1 < right.x0 for left, right in pairwise(titles))
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels[0] == "BC-Unlabeled"
    assert len(labels) == n_methods


def test_plotted_numbers_are_those_of_the_table_and_the_seeds(invent):
    episodes = invent(TASKS[:2], ["bc", "safemil"])
    _, data, table = _draw(episodes)
    assert list(data.columns) == PLOTTED_COLUMNS
    mean = data.query("element == 'mean' and quantity == 'cost' and method == 'bc'").set_index("task")
    bc = table[table["method"] == "bc"].set_index("task")
    assert mean["value"].tolist() == bc["cost"].tolist()
    assert mean["low"].tolist() == bc["cost_low"].tolist()
    seeds = data.query("element == 'seed' and quantity == 'cvar20' and task == 'swimmer_velocity'")
    scores = seed_scores(episodes).query("task == 'swimmer_velocity' and step > 0")
    assert seeds["value"].tolist() == scores["cvar20"].tolist()
    assert seeds["seed"].tolist() == scores["seed"].tolist()
    lines = data[data["element"].isin(["constrained_reference", "random_reference", "cost_limit"])]
    assert sorted(lines.groupby("element")["quantity"].unique().map(sorted).map(tuple)) == [
        ("cost", "cvar20"),
        ("cost", "cvar20", "return"),
        ("return",),
    ]


def test_what_is_drawn_is_what_the_data_say(invent):
    figure, data, _ = _draw(invent(TASKS[:1], ["bc", "safemil"]))
    panel = figure.axes[1]
    bars = [end[1] for bar in panel.collections for path in bar.get_paths() for end in path.vertices]
    drawn = np.array(
        [*np.concatenate([np.atleast_1d(line.get_ydata()) for line in panel.lines]), *bars], float
    )
    values = data.loc[data["quantity"] == "cost", ["value", "low", "high"]].to_numpy(dtype=float).ravel()
    for value in values[~np.isnan(values)]:
        assert np.isclose(drawn, value).any()


def test_each_method_has_its_colour_and_marker_in_every_panel(invent):
    figure, _, _ = _draw(invent(TASKS[:2], ["bc", "safemil"]))
    for axes in figure.axes:
        styles = {(to_hex(line.get_color()).upper(), line.get_marker()) for line in axes.lines}
        for method in ("bc", "safemil"):
            style = method_named(method)
            assert (style.colour, style.marker) in styles


def test_the_caption_states_source_and_budget(invent):
    figure, _, _ = _draw(invent(TASKS[:1], ["bc", "safemil"]))
    caption = figure.get_suptitle().replace("\n", " ")
    assert caption == (
        "Source collected; learners: 3 seeds × 5 episodes, 100,000 gradient steps; "
        "references: 1 seed × 5 episodes. Bars: 95 % bootstrap interval over seeds."
    )
    texts = _texts(figure)
    for label in ("cost limit 25", "Constrained RL (reference)", "Random (return)", "Walker-Velocity"):
        assert label in texts


def test_two_seeds_have_no_bars_and_the_caption_says_so(invent):
    figure, data, _ = _draw(invent(TASKS[:1], ["bc"], n_seeds=2))
    assert "No bars: fewer than 3 seeds." in figure.get_suptitle().replace("\n", " ")
    assert data[["low", "high"]].isna().all(axis=None)
    assert not any(axes.collections for axes in figure.axes)


def test_variants_are_left_out_and_gaps_are_marked(invent):
    episodes = invent(TASKS[:2], ["bc", "safemil"])
    variant = episodes[episodes["method"] == "safemil"].assign(variant="bag_8", cost=999.0)
    gap = (episodes["method"] == "safemil") & (episodes["task"] == TASKS[1])
    figure, data, _ = _draw(pd.concat([episodes[~gap], variant], ignore_index=True))
    assert set(data["variant"].dropna()) == {"default"}
    assert data["value"].max() < 999
    assert _texts(figure).count("not run") == 3


@pytest.fixture
def published(invent):
    """Published data, for which COptiDICE is the reference: its cost is about 70."""

    def make(tasks, methods):
        episodes = invent(tasks, methods)
        return episodes[episodes["method"] != "constrained_rl"].assign(source="dsrl")

    return make


def test_the_source_decides_the_reference_line(published):
    figure, data, table = _draw(published(TASKS[:1], ["bc", "safemil", "coptidice"]), cost_limit=200.0)
    reference = data[data["element"] == "constrained_reference"]
    assert set(reference["method"]) == {"coptidice"}
    costs = table.set_index("method")["cost"]
    assert reference.set_index("quantity").loc["cost", "value"] == costs["coptidice"]
    drawn = [line.get_ydata()[0] for line in figure.axes[1].lines if len(line.get_ydata()) == 2]
    assert costs["coptidice"] in drawn
    texts = _texts(figure)
    assert "COptiDICE (reference)" in texts
    assert "Random (return)" in texts
    assert "cost limit 200" in texts
    assert "mean of an oracle" in texts
    assert not any("second reference" in text or "Constrained RL" in text for text in texts)
    assert "second_reference" not in set(data["element"])


def test_bc_safe_is_a_second_line_where_the_reference_is_too_costly(published):
    episodes = published(TASKS[:2], ["bc", "safemil", "bc_safe", "coptidice"])
    cheap = (episodes["task"] == TASKS[1]) & (episodes["method"] == "coptidice")
    figure, data, table = _draw(episodes.assign(cost=episodes["cost"].where(~cheap, 1.0)))
    second = data[data["element"] == "second_reference"]
    assert set(second["task"]) == {TASKS[0]}
    assert set(second["method"]) == {"bc_safe"}
    expected = table.query("task == @TASKS[0] and method == 'bc_safe'").iloc[0]
    assert second.set_index("quantity")["value"].to_dict() == {
        quantity: expected[quantity] for quantity in ("return", "cost", "cvar20")
    }
    drawn = [line.get_ydata()[0] for line in figure.axes[2].lines if len(line.get_ydata()) == 2]
    assert expected["cost"] in drawn
    assert "BC-Safe (second reference)" in _texts(figure)


def test_oracles_are_hollow_behind_a_line_and_the_caption_says_so(invent):
    figure, _, _ = _draw(invent(TASKS[:1], ["bc", "safemil", "bc_safe", "coptidice"]))
    caption = figure.get_suptitle().replace("\n", " ")
    assert caption.endswith(
        "Oracles are trained on true labels, which no learner sees: hollow points, right of the line."
    )
    for axes in figure.axes:
        points = [line for line in axes.lines if len(line.get_xdata()) == 1]
        for place, method in enumerate(["bc", "safemil", "bc_safe", "coptidice"]):
            style = method_named(method)
            (mean,) = [p for p in points if p.get_marker() == style.marker]
            assert round(float(mean.get_xdata()[0])) == place
            face = "#FFFFFF" if place > 1 else style.colour
            assert to_hex(mean.get_markerfacecolor()).upper() == face
        assert [line.get_xdata() for line in axes.lines if list(line.get_xdata()) == [1.5, 1.5]]


def test_a_table_of_other_episodes_is_refused(invent):
    episodes = invent(TASKS[:1], ["bc"])
    with pytest.raises(UserError, match="not made of these episodes"):
        main_comparison(episodes.assign(cost=1.0), main_table(episodes, n_resamples=200))
    with pytest.raises(UserError, match="no method to draw"):
        main_comparison(episodes, main_table(episodes, n_resamples=200).query("method == 'random'"))


def test_the_same_episodes_give_the_same_bytes(invent, tmp_path):
    episodes = invent(TASKS[:2], ["bc", "safemil"])
    files = [save_figure(*_draw(episodes)[:2], tmp_path / name) for name in ("a", "b")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
