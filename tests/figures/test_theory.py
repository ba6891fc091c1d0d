"""The figure of the theory draws the table's numbers and the formulas, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.figures.style import save_figure
from safemil.figures.theory import PLOTTED_COLUMNS, theory_figure
from safemil.theory.settings import TheorySettings
from safemil.theory.table import theory_table


@pytest.fixture(scope="module")
def table():
    return theory_table(TheorySettings(draws=300, alphas=(0.05, 0.5), bag_sizes=(1, 4, 16)))


@pytest.fixture(scope="module")
def drawn(table):
    return theory_figure(table)


def test_points_are_the_tables_rows(table, drawn):
    _, data = drawn
    assert list(data.columns) == PLOTTED_COLUMNS
    points = data[data["element"] == "frequency"].reset_index(drop=True)
    for column, of_table in {"value": "frequency", "low": "low", "high": "high", "n": "n"}.items():
        assert points[column].tolist() == table[of_table].tolist()


def test_lines_pass_through_the_tables_values(table, drawn):
    _, data = drawn
    for element in ("formula", "exact"):
        lines = data[data["element"] == element]
        met = table.merge(lines, on=["statement", "costs", "alpha", "bag_size"], suffixes=("", "_drawn"))
        assert len(met) == len(table)
        assert met["value"].tolist() == pytest.approx(met[element].tolist(), abs=1e-9)


def test_what_is_drawn_is_what_the_data_say(drawn):
    figure, data = drawn
    assert len(figure.axes) == 4
    panels = data.groupby(["statement", "costs"], sort=False)
    # The panels stand in the table's order: points come last in the data, lines in order of the panels.
    for axes, (_, panel) in zip(figure.axes, panels, strict=True):
        points = np.concatenate([line.get_xydata() for line in axes.lines])
        bars = [end for bar in axes.collections for path in bar.get_paths() for end in path.vertices]
        on_page = np.concatenate([points, np.array(bars)])
        for name in ("value", "low", "high"):
            expected = panel[["bag_size", name]].dropna().to_numpy(dtype=float)
            for place in expected:
                assert np.isclose(on_page, place).all(axis=1).any()


def test_shares_differ_in_marker_and_lines_in_dashes(drawn):
    figure, _ = drawn
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["α = 0.05", "α = 0.5", "exact for these costs", "1 − (1 − α)$^K$ (the paper)"]
    handles = figure.legends[0].legend_handles
    assert len({handle.get_marker() for handle in handles[:2]}) == 2
    assert [handle.get_linestyle() for handle in handles[2:]] == ["-", "--"]


@pytest.mark.parametrize("n_shares", [1, 2, 3, 4])
def test_the_caption_says_n_and_everything_lies_on_the_page(n_shares):
    settings = TheorySettings(draws=300, alphas=(0.05, 0.1, 0.2, 0.5)[:n_shares], bag_sizes=(1, 128))
    figure, _ = theory_figure(theory_table(settings))
    caption = figure.get_suptitle().replace("\n", " ")
    assert "n = 300 drawn bags" in caption
    assert "strictly more" in caption
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()


def test_csv_holds_what_is_drawn_and_bytes_repeat(table, drawn, tmp_path):
    first = save_figure(*drawn, tmp_path / "a")
    second = save_figure(*theory_figure(table), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    pd.testing.assert_frame_equal(pd.read_csv(first[2]), drawn[1], rtol=1e-9)


def test_more_shares_than_styles_are_refused(table):
    many = pd.concat([table.assign(alpha=alpha) for alpha in (0.1, 0.2, 0.3, 0.4, 0.5)])
    with pytest.raises(UserError, match="at most 4"):
        theory_figure(many)
