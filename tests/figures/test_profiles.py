"""The figure of profiles draws the profiles' numbers, says what they are, and nothing is cut off."""

import numpy as np
import pandas as pd
import pytest

from safemil.catalogue import method_named
from safemil.errors import UserError
from safemil.figures.profiles import profiles_figure
from safemil.figures.style import save_figure
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.over_tasks import cells_of
from safemil.statistics.profiles import PROFILE_COLUMNS, performance_profiles
from safemil.statistics.scores import relative_seed_scores

SETTINGS = EvaluationSettings(bootstrap_resamples=100)
TASKS = ["swimmer_velocity", "point_circle2"]
METHODS = ["bc", "dwbc_nu", "trex_wbc", "safedice", "safemil", "bc_safe", "coptidice"]


def draw(episodes):
    scores = relative_seed_scores(episodes)
    return profiles_figure(performance_profiles(scores, SETTINGS), cells_of(scores))


@pytest.fixture(scope="module")
def drawn():
    from tests.figures.conftest import invented_episodes

    return draw(invented_episodes(TASKS, METHODS))


def test_curves_are_the_profiles(drawn):
    figure, data = drawn
    assert list(data.columns) == PROFILE_COLUMNS
    for axes, score in zip(figure.axes, ("return_norm", "cost_diff"), strict=True):
        panel = data[data["score"] == score]
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        assert len(lines) == len(METHODS)
        for line, (method, curve) in zip(lines, panel.groupby("method", sort=False), strict=True):
            assert line.get_color() == method_named(method).colour
            np.testing.assert_array_equal(line.get_xdata(), curve["threshold"])
            np.testing.assert_array_equal(line.get_ydata(), curve["share"])


def test_learners_have_bands_and_oracles_dashes(drawn):
    figure, data = drawn
    for axes in figure.axes:
        assert len(axes.collections) == 5
        dashed = [line.get_linestyle() for line in axes.lines if len(line.get_xdata()) > 2]
        assert dashed == ["-"] * 5 + ["--"] * 2
    low, high = (data.loc[data["method"] == "safemil", end] for end in ("low", "high"))
    ends = np.concatenate([path.vertices for path in figure.axes[0].collections[4].get_paths()])
    assert ends[:, 1].min() == pytest.approx(low.min())
    assert ends[:, 1].max() == pytest.approx(high.max())


def test_the_caption_says_source_budget_and_rule(drawn):
    caption = drawn[0].get_suptitle().replace("\n", " ")
    for words in (
        "(Swimmer-Velocity, Point-Circle2)",
        "Source collected; learners and oracles: 3 seeds × 5 episodes, 100,000 gradient steps",
        "pointwise 95 % bootstrap intervals",
        "Oracles are trained on true labels",
    ):
        assert words in caption
    assert "references:" not in caption


@pytest.mark.parametrize(("tasks", "methods"), [(TASKS[:1], ["bc", "safemil"]), (TASKS, METHODS)])
def test_everything_lies_on_the_page(invent, tasks, methods):
    figure, _ = draw(invent(tasks, methods))
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()


def test_with_two_seeds_there_are_no_bands(invent):
    figure, data = draw(invent(TASKS, ["bc", "safemil"], n_seeds=2))
    assert data["low"].isna().all()
    assert not any(axes.collections for axes in figure.axes)
    assert "No bands: fewer than 3 seeds" in figure.get_suptitle().replace("\n", " ")


def test_an_undefined_return_leaves_its_panel_empty(invent):
    episodes = invent(TASKS, ["bc", "safemil"])
    figure, data = draw(episodes.assign(**{"return": 1.0}))
    assert set(data["score"]) == {"cost_diff"}
    assert "undefined" in [text.get_text() for text in figure.axes[0].texts]


def test_csv_holds_what_is_drawn_and_bytes_repeat(drawn, tmp_path, invent):
    first = save_figure(*drawn, tmp_path / "a")
    second = save_figure(*draw(invent(TASKS, METHODS)), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    pd.testing.assert_frame_equal(pd.read_csv(first[2]), drawn[1], rtol=1e-9, check_dtype=False)


def test_nothing_to_draw_is_an_error():
    with pytest.raises(UserError, match="no profile to draw"):
        profiles_figure(pd.DataFrame(columns=PROFILE_COLUMNS), pd.DataFrame())
