"""What is learned and what is left to imitate, beside the cost avoided: orders known by hand."""

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.files import csv_text
from safemil.records.losses import gather_losses
from safemil.statistics.avoided_cost import FEW_SEEDS, TABLE_COLUMNS, read_separability_table
from safemil.statistics.selection import PERMUTATIONS, last_shares, rank_correlations, selection_table
from safemil.tables.document import to_markdown, write_document
from safemil.tables.request import TableRun
from safemil.tables.selection import document

TASKS = ["walker_velocity", "swimmer_velocity", "ant_velocity"]
METHODS = ["dwbc_nu", "trex_wbc", "safedice", "safemil"]


def avoided_rows(shares, tasks=TASKS):
    """Shares of the cost avoided, by method, the same on every task."""
    known = {"separability": 0.8, "source": "collected", "n_seeds": 3, "n_episodes": 150, "step": 5000}
    rows = [
        {**known, "task": task, "method": method, "cost": 1.0, "avoided": share}
        for task in tasks
        for method, share in zip(METHODS, shares, strict=True)
    ]
    table = pd.DataFrame(rows).assign(missing="")
    return table.assign(avoided_low=table["avoided"], avoided_high=table["avoided"])[TABLE_COLUMNS]


def learned_rows(values, tasks=TASKS):
    """Episode AUROCs by method, of three seeds that lie symmetrically around it; other rows are decoys."""
    rows = []
    for task in tasks:
        for method, value in zip(METHODS, values, strict=True):
            for seed in range(3):
                own = {"task": task, "method": method, "seed": seed, "variant": "default"}
                right = {
                    "held_out": "classes",
                    "score": "trajectory_auroc",
                    "value": value + 0.01 * (seed - 1),
                }
                rows += [
                    {**own, **right},
                    {**own, **right, "variant": "other", "value": 0.0},
                    {**own, **right, "held_out": "all", "value": 0.0},
                    {**own, **right, "score": "step_auroc", "value": 0.0},
                ]
    return pd.DataFrame(rows)


def share_rows(values, tasks=TASKS):
    rows = [
        {"task": task, "method": method, "seed": seed, "share_left": value + 0.01 * (seed - 1)}
        for task in tasks
        for method, value in zip(METHODS, values, strict=True)
        for seed in range(3)
    ]
    return pd.DataFrame(rows)


def make(avoided=(0.6, 0.9, 0.8, 1.0), learned=(0.9, 0.7, 0.6, 0.8), left=(0.6, 0.4, 0.5, 0.3), tasks=TASKS):
    return selection_table(
        avoided_rows(avoided, tasks), learned_rows(learned, tasks), share_rows(left, tasks)
    )


def test_numbers_are_means_over_the_seeds_of_the_default_variant():
    row = make().set_index(["task", "method"]).loc["ant_velocity", "safedice"]
    assert row["episode_auroc"] == pytest.approx(0.6)
    assert row["share_left"] == pytest.approx(0.5)
    assert row["avoided"] == 0.8


def test_the_rank_correlations_are_those_by_hand():
    """The share left is in the exact opposite order of the cost avoided; the AUROCs are ranked 4 2 1 3."""
    ranks = rank_correlations(make()).set_index("predictor")
    assert ranks.loc["share_left", "mean_spearman"] == pytest.approx(-1)
    # Ranks of the cost avoided 1 3 2 4, differences 3 -1 -1 -1: 1 - 6 * 12 / (4 * 15).
    assert ranks.loc["episode_auroc", "mean_spearman"] == pytest.approx(1 - 72 / 60)
    assert ranks.loc["share_left", ["n_tasks", "n_methods"]].to_list() == [3, 12]
    # Two of the (4!)^3 orders are as far from 0 as a perfect one.
    chance = 2 / 24**3
    allowed = 5 * np.sqrt(chance / PERMUTATIONS)
    assert ranks.loc["share_left", "p_value"] == pytest.approx(chance, abs=allowed + 1 / PERMUTATIONS)


def test_the_p_value_is_that_of_all_permutations():
    """One task with four methods: all 24 orders can be counted."""
    ranks = rank_correlations(make(tasks=TASKS[:1])).set_index("predictor")
    assert ranks.loc["share_left", "p_value"] == pytest.approx(2 / 24, abs=0.015)
    # |r| >= 0.2 in 22 of the 24 orders: all but the two with sum d^2 = 10, where r is 0.
    assert ranks.loc["episode_auroc", "p_value"] == pytest.approx(22 / 24, abs=0.015)


def test_a_task_without_an_order_does_not_count():
    table = make()
    same = table["task"] == TASKS[0]
    table.loc[same, "episode_auroc"] = 1.0
    ranks = rank_correlations(table).set_index("predictor")
    assert ranks["n_tasks"].to_dict() == {"episode_auroc": 2, "share_left": 3}
    few = table[table["method"].isin(METHODS[:2])]
    assert rank_correlations(few)["mean_spearman"].isna().all()
    undefined = table.assign(avoided=np.nan, missing=FEW_SEEDS)
    assert rank_correlations(undefined)["n_tasks"].to_list() == [0, 0]
    assert "n<3" in to_markdown(document(TableRun("tiny"), undefined)).replace("\\", "")


def test_an_undefined_score_is_not_averaged_away():
    learned = learned_rows((0.9, 0.7, 0.6, 0.8))
    hit = (learned["method"] == "safemil") & (learned["seed"] == 1)
    learned.loc[hit, "value"] = np.nan
    table = selection_table(avoided_rows((0.6, 0.9, 0.8, 1.0)), learned, share_rows((0.6, 0.4, 0.5, 0.3)))
    assert table.loc[table["method"] == "safemil", "episode_auroc"].isna().all()
    assert table.loc[table["method"] != "safemil", "episode_auroc"].notna().all()


def test_shares_are_those_of_the_last_row_of_each_log(tmp_path):
    log, plain, empty = (tmp_path / name for name in ("log.csv", "plain.csv", "empty.csv"))
    keys = [
        ("ant_velocity", "collected", method, "default", seed)
        for method, seed in (("safemil", 1), ("own", 0))
    ]
    log.write_text("step,effective_trajectory_share\n100,0.9\n200,0.4\n")
    plain.write_text("step,policy_loss\n100,0.9\n")
    empty.write_text("step,policy_loss\n")
    found = last_shares(gather_losses(zip((log, plain), keys, strict=True), None))
    assert found.to_dict("records") == [
        {"task": "ant_velocity", "method": "safemil", "seed": 1, "share_left": 0.4}
    ]
    for wrong in (empty, tmp_path / "gone.csv"):
        with pytest.raises(UserError, match="not the log of a training"):
            gather_losses([(wrong, keys[0])], None)


def test_files_say_n_steps_and_source(tmp_path):
    csv, markdown, latex = write_document(document(TableRun("tiny"), make()), tmp_path)
    assert len(pd.read_csv(csv)) == 12
    text = markdown.read_text()
    assert "run `tiny`, source `collected`" in text
    assert "Means over 3 seeds after 5,000 gradient steps." in text
    assert "| Walker-Velocity | DWBC-NU | 0.90 | 0.60 | 0.60 [0.60, 0.60] |" in text
    assert "|  | SafeMIL | 0.80 | 0.30 | 1.00 [1.00, 1.00] |" in text
    assert "| rank correlation | with the cost avoided | -0.20 (p = " in text
    assert "-1.00 (p = 0.000, 3 tasks)" in text
    assert r"\bottomrule" in latex.read_text()


def test_without_a_method_that_has_both_the_table_says_so():
    nothing = selection_table(
        avoided_rows((1, 1, 1, 1)), learned_rows((1, 1, 1, 1)), share_rows((1, 1, 1, 1))[:0]
    )
    assert "No finished method has a learned cost" in to_markdown(document(TableRun("tiny"), nothing))


def test_the_table_of_separability_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "separability.csv"
    table = avoided_rows((0.6, 0.9, 0.8, 1.0))
    undefined = ["avoided", "avoided_low", "avoided_high"]
    table.loc[0, [*undefined, "missing"]] = [np.nan, np.nan, np.nan, FEW_SEEDS]
    path.write_text(csv_text(table))
    pd.testing.assert_frame_equal(read_separability_table(path), table, check_dtype=False)
    path.write_text("task,method\n")
    with pytest.raises(UserError, match="not a table of separability"):
        read_separability_table(path)
    with pytest.raises(UserError, match="no table of separability"):
        read_separability_table(tmp_path / "gone.csv")
