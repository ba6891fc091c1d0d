"""Separability beside the cost that methods avoid: shares and orders known by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.statistics.avoided_cost import (
    FEW_SEEDS,
    NO_ROOM,
    rank_correlations,
    read_separability,
    separability_table,
)
from safemil.tables.document import to_markdown, write_document
from safemil.tables.request import TableRun
from safemil.tables.separability import document

TASKS = ["walker_velocity", "swimmer_velocity", "ant_velocity", "point_circle2"]


def seeds(task, method, costs, variant="default"):
    known = {"task": task, "source": "collected", "method": method, "variant": variant, "step": 5000}
    rows = {"seed": range(len(costs)), "cost": [float(cost) for cost in costs], "n_episodes": 50}
    return pd.DataFrame({**known, **rows})


def bounds(task, worst=(100, 100, 100), best=(20, 20, 20)):
    return [seeds(task, "bc", worst), seeds(task, "bc_safe", best)]


def test_the_share_is_0_at_bc_1_at_bc_safe_and_linear_between():
    rows = pd.concat(
        [
            *bounds(TASKS[0]),
            seeds(TASKS[0], "dwbc_nu", [100, 100, 100]),
            seeds(TASKS[0], "trex_wbc", [20, 20, 20]),
            seeds(TASKS[0], "safedice", [120, 120, 120]),
            seeds(TASKS[0], "safemil", [60, 40, 20]),
            seeds(TASKS[0], "safemil", [0, 0, 0], variant="other"),
            seeds(TASKS[0], "coptidice", [5, 5, 5]),
        ]
    )
    table = separability_table(rows, {TASKS[0]: 0.8}).set_index("method")
    assert list(table.index) == ["dwbc_nu", "trex_wbc", "safedice", "safemil"]
    assert table["avoided"].to_list() == pytest.approx([0, 1, -0.25, 0.75])
    # With three seeds the interval of the one mean that varies is its range.
    assert table.loc["safemil", ["avoided_low", "avoided_high"]].to_list() == pytest.approx([0.5, 1.0])
    assert table.loc["safemil", "n_episodes"] == 150


def test_the_interval_holds_the_spread_of_the_bounds_too():
    fixed = separability_table(
        pd.concat([*bounds(TASKS[0]), seeds(TASKS[0], "safemil", [40, 40, 40])]), {TASKS[0]: 0.8}
    ).iloc[0]
    assert fixed["avoided_low"] == fixed["avoided_high"] == 0.75
    wide = separability_table(
        pd.concat([*bounds(TASKS[0], worst=(80, 100, 120)), seeds(TASKS[0], "safemil", [40, 40, 40])]),
        {TASKS[0]: 0.8},
    ).iloc[0]
    assert (wide["avoided_low"], wide["avoided_high"]) == pytest.approx((40 / 60, 80 / 100))


@pytest.mark.parametrize(
    ("worst", "own", "reason"),
    [
        ((10, 20, 60), (5, 5, 5), NO_ROOM),
        ((100, 100), (5, 5, 5), FEW_SEEDS),
        ((99, 99, 99), (5, 5), FEW_SEEDS),
    ],
)
def test_a_share_that_means_nothing_is_not_stated(worst, own, reason):
    rows = pd.concat([*bounds(TASKS[0], worst=worst), seeds(TASKS[0], "safemil", own)])
    row = separability_table(rows, {TASKS[0]: 0.8}).iloc[0]
    assert np.isnan(row["avoided"])
    assert row["missing"] == reason
    markdown = to_markdown(document(TableRun("tiny"), separability_table(rows, {TASKS[0]: 0.8})))
    assert reason in markdown


def four_tasks(costs):
    parts = []
    for task, cost in zip(TASKS, costs, strict=True):
        parts += [*bounds(task), seeds(task, "safemil", [cost] * 3), seeds(task, "trex_wbc", [60] * 3)]
    auroc = dict(zip(TASKS, [0.7, 0.8, 0.6, 0.9], strict=True))
    return separability_table(pd.concat(parts), auroc)


def test_tasks_are_in_the_order_of_their_separability_and_ranks_follow():
    table = four_tasks([70, 60, 80, 50])  # the more separable, the cheaper
    assert table["task"].unique().tolist() == [TASKS[3], TASKS[1], TASKS[0], TASKS[2]]
    ranks = rank_correlations(table).set_index("method")
    assert ranks.loc["safemil", "spearman"] == pytest.approx(1)
    # Of the 24 orders of four tasks, one is perfect and one perfectly wrong.
    assert ranks.loc["safemil", "p_value"] == pytest.approx(2 / 24)
    assert np.isnan(ranks.loc["trex_wbc", "spearman"])
    swapped = rank_correlations(four_tasks([60, 70, 80, 50])).set_index("method")
    assert swapped.loc["safemil", "spearman"] == pytest.approx(0.8)  # 1 - 6 (1 + 1) / (4 (16 - 1))
    fewer = rank_correlations(table[table["task"] != TASKS[0]]).set_index("method")
    assert np.isnan(fewer.loc["safemil", "spearman"])


def test_a_task_that_was_not_measured_is_last_and_in_no_correlation():
    parts = [each for task in TASKS for each in (*bounds(task), seeds(task, "safemil", [50] * 3))]
    auroc = {TASKS[0]: float("nan"), TASKS[1]: 0.6, TASKS[2]: 0.7, TASKS[3]: 0.8}
    table = separability_table(pd.concat(parts), auroc)
    assert table["task"].to_list() == [TASKS[3], TASKS[2], TASKS[1], TASKS[0]]
    assert rank_correlations(table)["n_tasks"].to_list() == [3]


def test_files_say_n_steps_and_source(tmp_path):
    table = four_tasks([70, 60, 80, 50])
    csv, markdown, latex = write_document(document(TableRun("tiny"), table), tmp_path)
    assert len(pd.read_csv(csv)) == 8
    text = markdown.read_text()
    assert "run `tiny`, source `collected`" in text
    assert "3 seeds after 5,000 gradient steps" in text
    assert "| Point-Circle2 | 0.900 | 0.50 [0.50, 0.50] | 0.62 [0.62, 0.62] |" in text
    assert "| rank correlation |  | n/a | 1.00 (n = 4, p = 0.08) |" in text
    assert r"\bottomrule" in latex.read_text()


def test_cards(tmp_path):
    card, other = tmp_path / "card.json", tmp_path / "other.json"
    card.write_text(json.dumps({"task": "ant_velocity", "separability": 0.7}))
    other.write_text(json.dumps({"task": "point_goal1", "separability": None}))
    found = read_separability([card, other])
    assert found["ant_velocity"] == 0.7
    assert np.isnan(found["point_goal1"])
    other.write_text(json.dumps({"task": "point_goal1"}))
    with pytest.raises(UserError, match="not a data card of a split"):
        read_separability([other])
