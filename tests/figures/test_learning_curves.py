"""The figure of learning curves shows what its CSV says, computed from the episodes; nothing is cut off."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from safemil.catalogue import method_named
from safemil.errors import UserError
from safemil.figures.learning_curves import PLOTTED_COLUMNS, learning_curves
from safemil.figures.style import COLUMN_WIDTH, save_figure
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.scores import seed_scores

TASKS = [
    *["walker_velocity", "swimmer_velocity", "ant_velocity"],
    *["point_circle2", "point_goal1", "point_button1"],
]
METHODS = ["bc", "dwbc_nu", "trex_wbc", "safedice", "safemil", "bc_safe", "coptidice"]
SETTINGS = EvaluationSettings(bootstrap_resamples=200)


@pytest.mark.parametrize(("n_tasks", "n_methods"), [(1, 2), (2, 7), (6, 7)])
def test_everything_lies_on_the_page(invent, invent_curves, n_tasks, n_methods):
    finals = invent(TASKS[:n_tasks], METHODS[:n_methods])
    figure, data = learning_curves(invent_curves(finals), finals, SETTINGS)
    assert len(figure.axes) == 2 * n_tasks
    assert len(data) == n_tasks * (n_methods * 10 * 2 + 2 + 1 + 1)
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth() == COLUMN_WIDTH
    assert box.y1 <= figure.get_figheight()


def test_numbers_are_means_over_seeds_at_each_step(invent, invent_curves):
    finals = invent(TASKS[:2], ["bc", "safemil"])
    curves = invent_curves(finals)
    _, data = learning_curves(curves, finals, SETTINGS)
    assert list(data.columns) == PLOTTED_COLUMNS
    drawn = data[data["element"] == "curve"]
    assert set(drawn["n_seeds"]) == {3}
    assert set(drawn["n_episodes"]) == {5}
    for quantity in ("return", "cost"):
        expected = seed_scores(curves).groupby(["task", "method", "step"])[quantity].mean()
        found = drawn[drawn["quantity"] == quantity].set_index(["task", "method", "step"])["value"]
        assert found.to_dict() == pytest.approx(expected.to_dict())
    assert (drawn["low"] <= drawn["value"]).all()
    assert (drawn["high"] >= drawn["value"]).all()
    # The references are those of the final episodes.
    means = finals.groupby(["task", "method"])[["return", "cost"]].mean()
    lines = data[data["element"] == "constrained_reference"].set_index(["task", "quantity"])["value"]
    assert lines["swimmer_velocity", "cost"] == means.loc[("swimmer_velocity", "constrained_rl"), "cost"]
    random = data[data["element"] == "random_reference"].set_index("task")["value"]
    assert random["swimmer_velocity"] == means.loc[("swimmer_velocity", "random"), "return"]
    assert (
        data.loc[data["element"] == "cost_limit", ["quantity", "value"]].values.tolist()
        == [["cost", 25.0]] * 2
    )


def test_what_is_drawn_is_what_the_data_say(invent, invent_curves):
    finals = invent(TASKS[:2], ["bc", "safemil", "bc_safe"])
    figure, data = learning_curves(invent_curves(finals), finals, SETTINGS)
    panels = [(task, quantity) for task in TASKS[:2] for quantity in ("return", "cost")]
    for axes, (task, quantity) in zip(figure.axes, panels, strict=True):
        shown = data[(data["task"] == task) & (data["quantity"] == quantity)]
        lines = {to_hex(line.get_color()).upper(): line for line in axes.lines}
        for method in ("bc", "safemil", "bc_safe"):
            expected, style = shown[shown["method"] == method], method_named(method)
            line = lines[style.colour]
            assert line.get_marker() == style.marker
            assert line.get_xdata().tolist() == expected["step"].tolist()
            assert line.get_ydata().tolist() == expected["value"].tolist()
            hollow = method == "bc_safe"
            assert to_hex(line.get_markerfacecolor()).upper() == ("#FFFFFF" if hollow else style.colour)
        assert len(axes.collections) == 3
        ends = np.concatenate([band.get_paths()[0].vertices[:, 1] for band in axes.collections])
        for value in shown.loc[shown["element"] == "curve", ["low", "high"]].to_numpy(dtype=float).ravel():
            assert np.isclose(ends, value).any()


def test_the_caption_states_what_the_numbers_are(invent, invent_curves):
    finals = invent(TASKS[:1], ["bc", "bc_safe"])
    figure, _ = learning_curves(invent_curves(finals), finals, SETTINGS)
    assert figure.get_suptitle().replace("\n", " ") == (
        "Source collected. Each point: 3 seeds × 5 episodes, mean action. Lines: mean over seeds; "
        "bands: 95 % bootstrap interval over seeds. Hollow: oracles, trained on true labels."
    )


def test_two_seeds_have_no_bands_and_the_caption_says_so(invent, invent_curves):
    finals = invent(TASKS[:1], ["bc"], n_seeds=2)
    figure, data = learning_curves(invent_curves(finals), finals, SETTINGS)
    assert "no bands: fewer than 3 seeds." in figure.get_suptitle().replace("\n", " ")
    assert data[["low", "high"]].isna().all(axis=None)
    assert not any(axes.collections for axes in figure.axes)


def test_methods_without_a_curve_are_left_out_and_named(invent, invent_curves):
    finals = invent(TASKS[:2], ["bc", "trex_wbc", "safemil"])
    curves = invent_curves(finals, without=["trex_wbc"])
    gap = (curves["method"] == "safemil") & (curves["task"] == TASKS[1])
    figure, data = learning_curves(curves[~gap].reset_index(drop=True), finals, SETTINGS)
    caption = figure.get_suptitle().replace("\n", " ")
    assert caption.endswith("No curve: T-REX-WBC; SafeMIL (Swimmer-Velocity).")
    assert "trex_wbc" not in set(data["method"])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "T-REX-WBC" not in texts
    assert "SafeMIL" in texts


def test_variants_are_left_out(invent, invent_curves):
    finals = invent(TASKS[:1], ["bc", "safemil"])
    curves = invent_curves(finals)
    variant = curves[curves["method"] == "safemil"].assign(variant="k1", cost=999.0, run_id="k1")
    _, data = learning_curves(pd.concat([curves, variant], ignore_index=True), finals, SETTINGS)
    assert data["value"].max() < 999
    with pytest.raises(UserError, match="no learning curve to draw"):
        learning_curves(variant, finals, SETTINGS)


def test_curves_of_other_runs_are_refused(invent, invent_curves):
    finals = invent(TASKS[:1], ["bc"])
    curves = invent_curves(finals.assign(run_id=finals["run_id"] + "older"))
    with pytest.raises(UserError, match="different runs"):
        learning_curves(curves, finals, SETTINGS)


def test_the_same_episodes_give_the_same_bytes(invent, invent_curves, tmp_path):
    finals = invent(TASKS[:1], ["bc", "safemil"])
    curves = invent_curves(finals)
    files = [save_figure(*learning_curves(curves, finals, SETTINGS), tmp_path / name) for name in ("a", "b")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
