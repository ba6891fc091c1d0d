"""The table of learned costs from rows made by hand: means, intervals, reasons, order, files."""

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.learned_cost.rows import ROW_COLUMNS, SCORES, gather_rows, gather_traces, write_rows
from safemil.statistics.learned_cost import TABLE_COLUMNS, learned_cost_table
from safemil.tables.document import write_document
from safemil.tables.learned_cost import document
from safemil.tables.request import TableRun


def score_rows(method, seed, values, *, held_out="all", missing=("", "", "", ""), **changes):
    rows = {
        "task": "swimmer_velocity",
        "source": "collected",
        "method": method,
        "variant": "default",
        "seed": seed,
        "step": 3000,
        "held_out": held_out,
        "n_trajectories": 10,
        "n_unsafe": 4,
        "n_transitions": 10_000,
        "n_costly": 1234,
        "score": SCORES,
        "value": [float(value) for value in values],
        "missing": list(missing),
    }
    return pd.DataFrame(rows | changes)[ROW_COLUMNS]


@pytest.fixture
def rows():
    """SafeMIL with three seeds on both sets, T-REX-WBC with two on one, one of them undefined."""
    reasons = ["no costly step", "", "", ""]
    parts = [
        score_rows("safemil", 0, [0.6, 0.1, 0.5, -0.2]),
        score_rows("safemil", 1, [0.7, 0.2, 0.5, -0.1]),
        score_rows("safemil", 2, [0.9, 0.6, 0.5, 0.3]),
        *(score_rows("safemil", seed, [1, 1, 1, 1], held_out="classes", n_unsafe=5) for seed in range(3)),
        score_rows("trex_wbc", 0, [0.8, 0.3, 0.4, 0.2]),
        score_rows("trex_wbc", 1, [np.nan, 0.3, 0.4, 0.4], missing=reasons),
    ]
    return pd.concat(parts, ignore_index=True)


def test_means_intervals_and_order(rows):
    table = learned_cost_table(rows)
    assert list(table.columns) == TABLE_COLUMNS
    keys = table[["held_out", "method", "n_seeds"]].to_numpy().tolist()
    assert keys == [["all", "trex_wbc", 2], ["all", "safemil", 3], ["classes", "safemil", 3]]
    safemil = table.iloc[1]
    assert safemil["step_auroc"] == pytest.approx(2.2 / 3)
    # With three seeds the interval is their range.
    assert safemil[["step_auroc_low", "step_auroc_high"]].tolist() == pytest.approx([0.6, 0.9])
    assert safemil[["trajectory_spearman", "n_unsafe", "step"]].tolist() == pytest.approx([0.0, 4, 3000])
    assert table.iloc[2]["n_unsafe"] == 5


def test_undefined_scores_have_a_reason_and_few_seeds_no_interval(rows):
    trex = learned_cost_table(rows).iloc[0]
    assert np.isnan(trex["step_auroc"])
    assert trex["step_auroc_missing"] == "no costly step in 1 of 2 seeds"
    assert trex["trajectory_spearman"] == pytest.approx(0.3)
    assert np.isnan(trex["trajectory_spearman_low"])
    every = rows[rows["method"] == "trex_wbc"].assign(value=np.nan, missing="no costly step")
    assert set(learned_cost_table(every).iloc[0][[f"{s}_missing" for s in SCORES]]) == {"no costly step"}


def test_files(rows, tmp_path):
    table = learned_cost_table(rows)
    written = write_document(document(TableRun("quick_run"), table), tmp_path)
    csv, markdown, latex = (path.read_text() for path in written)
    read = pd.read_csv(tmp_path / "learned_cost.csv", keep_default_na=False, na_values="NaN")
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    assert csv.count("\n") == 4
    lines = markdown.splitlines()
    assert lines[0] == "# What the learned cost knows: run `quick_run`, source `collected`"
    assert (
        "| T-REX-WBC | all | 2 | n/a (no costly step in 1 of 2 seeds) | 0.30 (n\\<3) | 0.40 (n\\<3) "
        "| 0.30 (n\\<3) |"
    ) in lines
    assert (
        "| SafeMIL | all | 3 | 0.73 [0.60, 0.90] | 0.30 [0.10, 0.60] | 0.50 [0.50, 0.50] "
        "| 0.00 [-0.20, 0.30] |"
    ) in lines
    held_out = "Held out, all: 10 episodes, 4 unsafe, 10,000 steps, 1,234 costly; classes: 10 episodes, 5"
    assert any(line.startswith(held_out) for line in lines)
    for words in ("3,000 gradient steps", "at most 200 trajectories", "above 25 (unsafe)", "n\\<3: fewer"):
        assert words in markdown
    assert latex.isascii()
    assert r"run quick\_run" in latex
    assert r"SafeMIL & all & 3 & 0.73 {[}0.60, 0.90{]}" in latex
    assert "nan" not in (markdown + latex).lower()


def test_rows_survive_the_file(rows, tmp_path):
    one = rows[(rows["method"] == "trex_wbc") & (rows["seed"] == 1)].reset_index(drop=True)
    write_rows(tmp_path / "rows.csv", one)
    pd.testing.assert_frame_equal(gather_rows([tmp_path / "rows.csv"]), one)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 0}, "multiple_fields_uniqueness"),
        ({"source": "dsrl"}, "source"),
        ({"step": 4000}, "step"),
        ({"n_unsafe": 3}, "n_unsafe"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(tmp_path, change, named):
    write_rows(tmp_path / "a.csv", score_rows("safemil", 0, [0.5] * 4))
    write_rows(tmp_path / "b.csv", score_rows("safemil", **({"seed": 1, "values": [0.5] * 4} | change)))
    with pytest.raises(UserError, match=named):
        gather_rows([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_rows_that_are_wrong_are_refused(tmp_path):
    for values in ([np.nan, 1, 1, 1], [1.5, 1, 1, 1]):
        with pytest.raises(UserError, match="not the rows of a learned cost"):
            write_rows(tmp_path / "a.csv", score_rows("safemil", 0, values))
    with pytest.raises(UserError, match="1 missing"):
        gather_rows([tmp_path / "absent.csv"])
    (tmp_path / "text.csv").write_text("value\nabc\n")
    for gather in (gather_rows, gather_traces):
        with pytest.raises(UserError, match=r"text\.csv"):
            gather([tmp_path / "text.csv"])
