"""The table of the theory: what was drawn agrees with what holds, and not with what does not."""

import numpy as np
import pandas as pd
import pytest
import yaml

from safemil.errors import UserError
from safemil.tables.document import to_markdown, write_document
from safemil.tables.request import TableRun
from safemil.tables.theory import document
from safemil.theory.bags import COST_LAWS
from safemil.theory.settings import TheorySettings
from safemil.theory.table import (
    COLUMNS,
    exact_interval,
    outside,
    read_theory_table,
    theory_table,
)

SETTINGS = TheorySettings(draws=20_000, alphas=(0.05, 0.5), bag_sizes=(1, 4, 32))


@pytest.fixture(scope="module")
def table():
    return theory_table(SETTINGS)


def test_one_row_per_statement_costs_alpha_and_size(table):
    assert list(table.columns) == COLUMNS
    assert len(table) == (1 + len(COST_LAWS)) * 2 * 3
    assert not table.duplicated(["statement", "costs", "alpha", "bag_size"]).any()
    assert table["formula"].tolist() == pytest.approx(
        (1 - (1 - table["alpha"]) ** table["bag_size"]).tolist()
    )
    assert (table["low"] <= table["frequency"]).all()
    assert (table["frequency"] <= table["high"]).all()
    assert set(table["n"]) == {20_000}
    assert set(table["seed"]) == {0}


def test_every_frequency_agrees_with_the_exact_value(table):
    assert outside(table, "exact", simultaneous=True).empty
    alone = outside(table, "exact", simultaneous=False)
    assert len(alone) <= 0.15 * len(table)
    assert ((alone["exact"] < alone["low"]) | (alone["exact"] > alone["high"])).all()


def test_the_formula_agrees_where_costs_are_equal_and_nowhere_else(table):
    missed = outside(table, "formula", simultaneous=True)
    assert set(missed["costs"]) == {"filtered", "wide"}
    both = missed.set_index(["costs", "alpha", "bag_size"])
    assert both.loc[("wide", 0.05, 1), "frequency"] > 0.5  # a coin flip, not 0.05
    assert both.loc[("wide", 0.05, 32), "frequency"] < both.loc[("wide", 0.05, 32), "formula"]


def test_the_interval_by_hand():
    # None of n: the high end is the probability of which n failures have a chance of 2.5 %.
    assert exact_interval(0, 50) == pytest.approx((0.0, 1 - 0.025 ** (1 / 50)))
    assert exact_interval(50, 50)[1] == 1.0
    narrow, wide = exact_interval(20, 50), exact_interval(20, 50, 0.999)
    assert wide[0] < narrow[0] < 0.4 < narrow[1] < wide[1]


def test_rows_are_independent_and_the_seed_decides_them():
    settings = TheorySettings(draws=500, alphas=(0.2,), bag_sizes=(2, 8))
    first = theory_table(settings)
    pd.testing.assert_frame_equal(first, theory_table(settings))
    other = theory_table(settings.model_copy(update={"seed": 1}))
    assert (first["frequency"] != other["frequency"]).any()
    lemma, theorem = (first[first["costs"] == costs]["frequency"].to_numpy() for costs in ("any", "equal"))
    assert (lemma != theorem).all()  # the same probabilities, other draws


def test_files(table, tmp_path):
    paths = write_document(document(TableRun("tiny"), table), tmp_path / "new")
    assert [path.name for path in paths] == ["theory.csv", "theory.md", "theory.tex"]
    pd.testing.assert_frame_equal(read_theory_table(paths[0]), table, rtol=1e-9)
    text = paths[1].read_text(encoding="utf-8")
    assert "20,000 bags or pairs of bags per row, seed 0" in text
    assert text.count("| 0.05 | 4 |") == 1 + len(COST_LAWS)
    assert text.count("the formula value in") == 2  # of the two laws under which it does not hold
    assert text.count("at the simultaneous level in 6 of 6") == 4
    row = table[(table["costs"] == "wide") & (table["alpha"] == 0.5) & (table["bag_size"] == 4)].iloc[0]
    line = f"| 0.5 | 4 | {row.formula:.4f} | {row.exact:.4f} | {row.frequency:.4f} ["
    assert line in text


def test_a_wrong_frequency_shows_in_the_page(table):
    wrong = table.copy()
    wrong.loc[0, ["frequency", "low", "high"]] = [0.9, 0.89, 0.91]
    assert "at the simultaneous level in 5 of 6" in to_markdown(document(TableRun("tiny"), wrong))


def test_another_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="no table of the theory"):
        read_theory_table(tmp_path / "absent.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"other\.csv"):
        read_theory_table(tmp_path / "other.csv")


def test_settings_are_part_of_the_configuration():
    from safemil.plan.configuration import parse_config

    raw = yaml.safe_load("{run_name: a, tasks: [swimmer_velocity], seeds: [0], methods: {bc: {default: {}}}}")
    assert parse_config(raw, "here").theory == TheorySettings()
    with pytest.raises(UserError, match=r"theory\.alphas"):
        parse_config({**raw, "theory": {"alphas": [1.5]}}, "here")


def test_default_draws_keep_intervals_as_narrow_as_the_description_says():
    widest = np.subtract(*reversed(exact_interval(10_000, TheorySettings().draws)))
    assert widest < 0.014
