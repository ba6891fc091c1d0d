"""The table of an ablation: every point gets the scores of the variant that it shows."""

from pathlib import Path

import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.plan.ablation_cells import ShownPoint
from safemil.statistics.ablation import ABLATION_COLUMNS, ablation_table
from safemil.statistics.scores import main_table
from safemil.tables.ablation import document
from safemil.tables.document import write_document
from safemil.tables.request import TableRun
from tests.conftest import episode_rows

TASK = "swimmer_velocity"
POINTS = (
    ShownPoint("safemil", "k1", "bags", 1),
    ShownPoint("safemil", "default", "bags", 8),
    ShownPoint("safemil", "default", "segments", 8),
)


@pytest.fixture
def scores(tiny: pd.DataFrame) -> pd.DataFrame:
    small = [episode_rows("safemil", seed, [40] * 5, [10 * seed] * 5, variant="k1") for seed in range(3)]
    return main_table(pd.concat([tiny, *small], ignore_index=True), n_resamples=200)


def test_points_come_in_the_order_of_the_curves_with_their_scores(scores: pd.DataFrame) -> None:
    table = ablation_table(scores, POINTS, [TASK])
    assert list(table.columns) == ABLATION_COLUMNS
    assert table[["series", "x", "variant", "n_seeds"]].to_numpy().tolist() == [
        ["bags", 1, "k1", 3],
        ["bags", 8, "default", 2],
        ["segments", 8, "default", 2],
    ]
    # Means over seeds of the costs 0, 10, 20 and of 0, 4.
    assert table["cost"].tolist() == [10.0, 2.0, 2.0]
    assert table["return"].tolist() == [40.0, 74.0, 74.0]
    assert table["n_episodes"].dtype == "int64"


def test_a_point_without_episodes_is_an_error_that_names_it(scores: pd.DataFrame) -> None:
    points = (*POINTS, ShownPoint("safemil", "k64", "bags", 64))
    with pytest.raises(UserError, match=r"none of swimmer_velocity/safemil/k64$"):
        ablation_table(scores, points, [TASK])
    with pytest.raises(UserError, match="none of point_goal1/safemil/k1, point_goal1/safemil/default"):
        ablation_table(scores, POINTS, [TASK, "point_goal1"])


def test_files_say_source_budget_and_missing_intervals(scores: pd.DataFrame, tmp_path: Path) -> None:
    table = ablation_table(scores, POINTS, [TASK])
    paths = write_document(document(TableRun("a_b"), table, "k", "Bag_size", "bag size K"), tmp_path)
    assert [path.name for path in paths] == ["ablation_k.csv", "ablation_k.md", "ablation_k.tex"]
    pd.testing.assert_frame_equal(pd.read_csv(paths[0]), table, check_dtype=False)
    markdown = paths[1].read_text()
    assert "Source collected; learners: 2 to 3 seeds × 5 episodes, 1,000 gradient steps." in markdown
    lines = [line for line in markdown.splitlines() if line.startswith("| bags")]
    assert lines[0].startswith("| bags | 1 | SafeMIL | 3 | 40.00 [40.00, 40.00] | 10.00 [0.00, 20.00] |")
    assert lines[1].startswith("| bags | 8 | SafeMIL | 2 | 74.00 (n\\<3) | 2.00 (n\\<3) |")
    latex = paths[2].read_text()
    assert r"Bag\_size on Swimmer-Velocity, run a\_b" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert r"bags & 1 & SafeMIL & 3 & 40.00 {[}40.00, 40.00{]}" in latex
