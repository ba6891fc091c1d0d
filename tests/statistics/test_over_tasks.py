"""The table over all tasks, the factors of safety and the grid of tasks: numbers by hand, rules, files."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.aggregate import interquartile_mean
from safemil.statistics.improvement import OVERALL, PER_TASK, READINGS, improvement_factors
from safemil.statistics.intervals import stratified_interval
from safemil.statistics.over_tasks import (
    FACTOR,
    IQM,
    PROBABILITY,
    TABLE_COLUMNS,
    aggregate_table,
    cells_of,
    left_out,
)
from safemil.statistics.profiles import N_THRESHOLDS, PROFILE_COLUMNS, performance_profiles
from safemil.statistics.scores import SCORES, main_table, relative_seed_scores
from safemil.tables import aggregate, per_task
from safemil.tables.aggregate import best_aggregate
from safemil.tables.document import write_document
from safemil.tables.per_task import per_task_table
from safemil.tables.request import TableRun
from tests.claims.claims_by_hand import episodes

SETTINGS = EvaluationSettings(bootstrap_resamples=300)
TWO = ("swimmer_velocity", "point_circle2")
# SafeMIL and BC on two tasks; C_con is 15 everywhere.
COSTS = {
    (TWO[0], "safemil"): [0, 10, 20, 30],
    (TWO[1], "safemil"): [4, 4, 4, 108],
    (TWO[0], "bc"): [25, 25, 65, 65],
    (TWO[1], "bc"): [5, 5, 5, 5],
}


def scores_of(costs=COSTS, returns=None, tasks=TWO, methods=("bc", "safemil"), n_seeds=4):
    return relative_seed_scores(episodes(costs, returns, tasks=tasks, methods=methods, n_seeds=n_seeds))


@pytest.fixture
def scores():
    return scores_of()


@pytest.fixture
def table(scores):
    return aggregate_table(scores, SETTINGS)


def value(table, statistic, score, method="safemil", column="value"):
    rows = table[table["statistic"] == statistic]
    (found,) = rows.loc[(rows["score"] == score) & (rows["method"] == method), column]
    return found


def test_interquartile_means_by_hand(table):
    # SafeMIL's eight costs: 0 4 [4 4 10 20] 30 108; BC's: 5 5 [5 5 25 25] 65 65.
    assert value(table, IQM, "cost") == pytest.approx(38 / 4)
    assert value(table, IQM, "cost_diff") == pytest.approx(38 / 4 - 15)
    assert value(table, IQM, "cost", "bc") == pytest.approx(15)
    assert value(table, IQM, "return_norm") == pytest.approx(0.8)
    # Within 25: six of SafeMIL's eight runs, so 0 0 [1 1 1 1] 1 1.
    assert value(table, IQM, "share_within_limit") == pytest.approx(1)


def test_probability_by_hand(table):
    # Swimmer: 0, 10, 20 are below all of BC's, 30 is below two of four: 14 of 16. Circle: 4 < 5 in 12 of 16.
    assert value(table, PROBABILITY, "cost") == pytest.approx((14 / 16 + 12 / 16) / 2)
    assert value(table, PROBABILITY, "return") == pytest.approx(0.5)
    assert value(table, PROBABILITY, "cost", column="baseline") == "bc"


def test_more_return_is_better_and_more_cost_is_not():
    table = aggregate_table(scores_of({}, {(task, "safemil"): 94 for task in TWO}), SETTINGS)
    for score in ("return", "cost", "cvar20"):
        assert value(table, PROBABILITY, score) == 1.0


def test_context_and_order(table):
    assert list(table.columns) == TABLE_COLUMNS
    assert list(dict.fromkeys(table["statistic"])) == [IQM, PROBABILITY, FACTOR]
    assert set(zip(table["n_tasks"], table["n_seeds"], table["n_episodes"], strict=True)) == {(2, 4, 40)}
    assert set(table["step"]) == {1000}
    assert table.loc[table["statistic"] == IQM, "method"].unique().tolist() == ["bc", "safemil"]


def test_intervals_are_stratified(table):
    low, high = (value(table, IQM, "cost_diff", column=end) for end in ("low", "high"))
    strata = [np.array([-15.0, -5, 5, 15]), np.array([-11.0, -11, -11, 93])]
    expected = stratified_interval(interquartile_mean, strata, n_resamples=300)
    assert (low, high) == pytest.approx(tuple(map(float, expected)))
    assert low < 38 / 4 - 15 < high


def test_a_row_does_not_change_when_a_method_joins(table):
    more = {(task, "trex_wbc"): [1, 2, 3, 4] for task in TWO}
    wider = aggregate_table(scores_of(COSTS | more, methods=("bc", "trex_wbc", "safemil")), SETTINGS)
    both = wider.merge(table, on=["statistic", "score", "method"], suffixes=("", "_before"))
    kept = both[(both["statistic"] == IQM) | (both["baseline"] == "bc")]
    assert len(kept) == 15
    for column in ("value", "low", "high"):
        assert kept[column].tolist() == kept[f"{column}_before"].tolist()


def test_factors_by_hand(scores):
    """Means: SafeMIL 15 and 30, BC 45 and 5."""
    factors = {(f.reading, f.choice): f for f in improvement_factors(scores, SETTINGS)}
    assert len(factors) == 2 * len(READINGS)
    assert factors["median_of_ratios", OVERALL].value == pytest.approx((45 / 15 + 5 / 30) / 2)
    assert factors["ratio_of_medians", OVERALL].value == pytest.approx((30 - 10) / (0 + 15))
    assert factors["median_of_shifted_ratios", OVERALL].value == pytest.approx((46 / 16 + 6 / 31) / 2)
    assert not np.isnan(factors["median_of_shifted_ratios", OVERALL].low)


def test_the_best_baseline_is_chosen_overall_and_per_task():
    costs = {(TWO[0], "bc"): 60, (TWO[1], "bc"): 60, (TWO[0], "safedice"): 20, (TWO[1], "safedice"): 110}
    costs |= {(task, "safemil"): 9 for task in TWO}
    factors = improvement_factors(scores_of(costs, methods=("bc", "safedice", "safemil")), SETTINGS)
    chosen = {f.choice: f.baselines for f in factors}
    # C - C_con of SafeDICE: 5 5 [5 5 95 95] 95 95, a middle of 50; of BC 45 throughout.
    assert chosen == {OVERALL: ("bc", "bc"), PER_TASK: ("safedice", "bc")}
    values = {(f.reading, f.choice): f.value for f in factors}
    assert values["median_of_ratios", OVERALL] == pytest.approx(60 / 9)
    assert values["median_of_ratios", PER_TASK] == pytest.approx((20 / 9 + 60 / 9) / 2)
    assert values["median_of_shifted_ratios", PER_TASK] == pytest.approx((21 / 10 + 61 / 10) / 2)


def test_the_best_baseline_overall_is_that_of_the_interquartile_mean():
    """SafeDICE: -15 -15 [-15 5 5 5] 5 385, a middle of 0, though one of eight makes its mean 45; BC: 35."""
    costs = {(TWO[0], "safedice"): [0, 0, 0, 400], (TWO[1], "safedice"): 20}
    costs |= {(task, "bc"): 50 for task in TWO}
    factors = improvement_factors(scores_of(costs, methods=("bc", "safedice", "safemil")), SETTINGS)
    assert {f.choice: f.baselines for f in factors} == {
        OVERALL: ("safedice", "safedice"),
        PER_TASK: ("bc", "safedice"),
    }


def test_denominators_that_are_not_positive_are_printed_as_they_are():
    costs = {(TWO[0], "safemil"): 0, (TWO[1], "safemil"): 30, (TWO[0], "bc"): 45, (TWO[1], "bc"): 5}
    factors = {(f.reading, f.choice): f for f in improvement_factors(scores_of(costs), SETTINGS)}
    ratios = factors["median_of_ratios", OVERALL]
    assert np.isnan([ratios.value, ratios.low, ratios.high]).all()
    assert ratios.missing == "denominator not above 0: 45.00 / 0.00 on Swimmer-Velocity"
    medians = factors["ratio_of_medians", PER_TASK]
    assert medians.missing == "denominator not above 0: 10.00 / 0.00 of medians"
    safer = improvement_factors(scores_of(costs | {(TWO[1], "safemil"): 10}), SETTINGS)[1]
    assert safer.missing == "denominator not above 0: 10.00 / -10.00 of medians"
    shifted = factors["median_of_shifted_ratios", OVERALL]
    assert shifted.value == pytest.approx((46 / 1 + 6 / 31) / 2)


def test_a_factor_that_some_resamples_leave_undefined_has_no_interval():
    costs = COSTS | {(TWO[0], "safemil"): [0, 0, 0, 60]}
    ratios = improvement_factors(scores_of(costs), SETTINGS)[0]
    assert ratios.value == pytest.approx((45 / 15 + 5 / 30) / 2)
    assert np.isnan(ratios.low)
    assert ratios.missing == "in some resamples a denominator is not above 0"


def test_two_seeds_give_values_without_intervals():
    table = aggregate_table(scores_of({}, n_seeds=2), SETTINGS)
    assert table["low"].isna().all()
    assert set(table.loc[table["value"].notna(), "missing"]) == {"fewer than 3 seeds"}


def test_an_undefined_return_is_not_a_number_of_the_other_tasks():
    frame = episodes(COSTS, tasks=TWO, methods=("bc", "safemil"), n_seeds=4)
    weak = (frame["task"] == TWO[1]) & (frame["method"] == "constrained_rl")
    scores = relative_seed_scores(frame.assign(**{"return": frame["return"].mask(weak, 4.0)}))
    table = aggregate_table(scores, SETTINGS)
    assert np.isnan(value(table, IQM, "return_norm"))
    assert value(table, IQM, "return_norm", column="missing") == "undefined on Point-Circle2"
    assert value(table, IQM, "cost") == pytest.approx(38 / 4)
    assert best_aggregate(table, 25.0) is None
    profiles = performance_profiles(scores, SETTINGS)
    assert set(profiles["score"]) == {"cost_diff"}


def test_a_method_that_lacks_a_task_is_left_out_and_named():
    frame = episodes(COSTS, tasks=TWO, methods=("bc", "dwbc_nu", "safemil"), n_seeds=4)
    gone = (frame["method"] == "dwbc_nu") & (frame["task"] == TWO[1])
    scores = relative_seed_scores(frame[~gone].reset_index(drop=True))
    table = aggregate_table(scores, SETTINGS)
    assert set(table["method"]) == {"bc", "safemil"}
    assert left_out(scores) == ["DWBC-NU was not run on Point-Circle2 and is left out."]
    assert "dwbc_nu" not in set(performance_profiles(scores, SETTINGS)["method"])


def test_different_budgets_are_refused(scores):
    wrong = scores.assign(step=scores["step"].mask(scores["method"] == "bc", 7))
    for make in (aggregate_table, performance_profiles):
        with pytest.raises(UserError, match="different gradient steps"):
            make(wrong, SETTINGS)


def test_bold_is_the_lowest_cost_of_a_safe_learner_with_a_return():
    costs = COSTS | {(task, "safedice"): 1 for task in TWO}
    methods = ("bc", "safedice", "safemil")
    assert best_aggregate(aggregate_table(scores_of(costs, methods=methods), SETTINGS), 25.0) == "safedice"
    idle = aggregate_table(scores_of(costs, {(t, "safedice"): 44 for t in TWO}, methods=methods), SETTINGS)
    assert best_aggregate(idle, 25.0) == "safemil"
    # SafeMIL's IQM of the cost is 38 / 4.
    assert best_aggregate(idle, 9.5) == "safemil"
    assert best_aggregate(idle, 9.4) is None


@pytest.fixture
def texts(tmp_path, scores, table):
    made = aggregate.document(TableRun("quick_run"), table, cells_of(scores), ["A_note."])
    paths = write_document(made, tmp_path / "new")
    assert [path.name for path in paths] == ["aggregate.csv", "aggregate.md", "aggregate.tex"]
    return [path.read_text(encoding="utf-8") for path in paths]


@pytest.mark.usefixtures("texts")
def test_csv_holds_every_number(tmp_path, table):
    read = pd.read_csv(tmp_path / "new" / "aggregate.csv", keep_default_na=False, na_values=["NaN"])
    pd.testing.assert_frame_equal(read, table, rtol=1e-9, check_dtype=False)


def test_markdown_says_what_its_numbers_are(texts):
    _, markdown, _ = texts
    lines = markdown.splitlines()
    assert lines[0] == "# Over all tasks: run `quick_run`, source `collected`"
    assert lines[2] == (
        "2 tasks: Swimmer-Velocity, Point-Circle2. Source collected; learners: 4 seeds × 5 episodes, "
        "1,000 gradient steps."
    )
    safemil = next(line for line in lines if line.startswith("| SafeMIL"))
    assert safemil.startswith("| SafeMIL | 0.80 [0.80, 0.80] | 9.50 [")
    assert " | **-5.50** [" in safemil
    factors = [line for line in lines if line.startswith("| (i")]
    assert [line.count("|") for line in factors] == [4, 4, 4]
    for words in (
        "- A\\_note.",
        "Strongest baseline overall: BC-Unlabeled.",
        "It says nothing about other tasks",
    ):
        assert words in markdown
    rows = [line for line in lines if line.startswith("| ")]
    assert {line.count(" | ") for line in rows} == {6, 3, 2}


def test_latex_is_well_formed(texts):
    _, _, latex = texts
    assert re.findall(r"\\begin\{(\S+?)\}", latex) == ["table*", "tabular"] * 3 + ["itemize"]
    bare = re.sub(r"\\[{}&%_$#]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert "_" not in bare
    assert latex.isascii()
    assert r"$\mathbf{-5.50}$" in latex
    assert r"run quick\_run" in latex


def test_reasons_are_printed(tmp_path):
    costs = {(task, "safemil"): 0 for task in TWO}
    scores = scores_of(costs, n_seeds=2)
    made = aggregate.document(TableRun("x"), aggregate_table(scores, SETTINGS), cells_of(scores))
    paths = write_document(made, tmp_path)
    _, markdown, latex = (path.read_text(encoding="utf-8") for path in paths)
    assert (
        "no value, denominator not above 0: 100.00 / 0.00 on Swimmer-Velocity, 100.00 / 0.00 on" in markdown
    )
    assert (
        "(iii) median over tasks of (C + 1) / (C' + 1), baseline overall: no interval, fewer than 3"
        in markdown
    )
    assert "n\\<3: fewer than 3 seeds" in markdown
    assert "nan" not in (markdown + latex).lower()


def test_profiles_by_hand(scores):
    profiles = performance_profiles(scores, SETTINGS)
    assert list(profiles.columns) == PROFILE_COLUMNS
    assert len(profiles) == 2 * 2 * N_THRESHOLDS
    curve = profiles[(profiles["score"] == "cost_diff") & (profiles["method"] == "safemil")]
    assert curve["threshold"].is_monotonic_increasing
    assert (curve["share"].iloc[0], curve["share"].iloc[-1]) == (0, 1)
    # At most 0: Swimmer -15 and -5, Circle three times -11.
    level = curve[curve["threshold"] <= 0].iloc[-1]
    assert level["share"] == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert level["low"] <= level["share"] <= level["high"]
    assert (level["n_tasks"], level["n_seeds"], level["n_episodes"]) == (2, 4, 40)
    returns = profiles[(profiles["score"] == "return_norm") & (profiles["method"] == "safemil")]
    assert (returns["share"].iloc[0], returns["share"].iloc[-1]) == (1, 0)


@pytest.fixture
def main():
    frame = episodes(COSTS, tasks=TWO, methods=("bc", "dwbc_nu", "safemil"), n_seeds=4)
    gone = (frame["method"] == "dwbc_nu") & (frame["task"] == TWO[1])
    oracle = frame[frame["method"] == "bc"].assign(method="bc_safe", cost=0.0)
    variant = frame[frame["method"] == "bc"].assign(variant="other")
    together = pd.concat([frame[~gone], oracle, variant], ignore_index=True)
    return main_table(together, n_resamples=100)


def test_the_grid_of_tasks_is_the_main_table(main):
    grid = per_task_table(main, cost_limit=25.0)
    default = main[main["variant"] == "default"]
    assert len(grid) == len(SCORES) * len(default)
    for score in SCORES:
        rows = grid[grid["score"] == score]
        for column, end in (("value", ""), ("low", "_low"), ("high", "_high")):
            np.testing.assert_array_equal(rows[column], default[score + end])
    assert grid.loc[grid["bold"], ["score", "task", "method"]].to_numpy().tolist() == [
        ["cost", TWO[0], "safemil"],
        ["cost", TWO[1], "bc"],
    ]


def test_the_grid_as_text(main, tmp_path):
    paths = write_document(per_task.document(TableRun("quick"), main, ["Note."]), tmp_path)
    assert [path.name for path in paths] == ["per_task.csv", "per_task.md", "per_task.tex"]
    _, markdown, latex = (path.read_text(encoding="utf-8") for path in paths)
    lines = markdown.splitlines()
    start = lines.index("## cost")
    assert lines[start + 2 : start + 4] == [
        "| method | Swimmer-Velocity | Point-Circle2 |",
        "| :--- | ---: | ---: |",
    ]
    rows = lines[start + 4 : start + 12]
    assert rows[0].startswith("| BC-Unlabeled | 45.00 [")
    assert rows[0].endswith("| **5.00** [5.00, 5.00] |")
    assert rows[1] == "| DWBC-NU | 80.00 [80.00, 80.00] | not run |"
    assert rows[2].startswith("| SafeMIL | **15.00** [")
    assert rows[3] == "| *oracles, trained on true labels* |  |  |"
    assert rows[4].startswith("| BC-Safe | 0.00 [0.00, 0.00] |")
    assert rows[6] == "| Constrained RL | 15.00 (one policy) | 15.00 (one policy) |"
    assert "other" not in markdown
    assert latex.count(r"\begin{tabular}") == len(SCORES)
    assert "& not run" in latex
    assert latex.isascii()
    assert latex.index("SafeMIL &") < latex.index(r"\emph{oracles") < latex.index("BC-Safe &")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_with_booktabs_alone(tmp_path, texts, main):
    (tmp_path / "aggregate.tex").write_text(texts[2])
    write_document(per_task.document(TableRun("quick"), main), tmp_path)
    inputs = r"\input{aggregate}\input{per_task}"
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + inputs + r"\end{document}"
    (tmp_path / "document.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "document.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
