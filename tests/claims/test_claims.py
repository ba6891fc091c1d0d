"""Every claim on runs made by hand: holds, does not hold, not measured, with figures worked out here."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from safemil.claims.inputs import ClaimInputs, Table, read_ablation
from safemil.claims.parts import DOES_NOT_HOLD, HOLDS, NOT_MEASURED, Bound, Claim, Part
from safemil.claims.report import decide_claims
from safemil.errors import UserError
from safemil.files import csv_text, write_text
from safemil.plan.ablation_cells import ablation_runs
from safemil.plan.claim_settings import ClaimsSettings
from safemil.plan.configuration import parse_config
from safemil.plan.rules import CLAIMED_ABLATIONS
from safemil.records.episodes import write_episodes
from safemil.statistics.ablation import ablation_table
from safemil.statistics.scores import main_table
from safemil.tables.text import MINIMUM_RETURN_NORM
from tests.claims.claims_by_hand import (
    BAGS,
    K_COSTS,
    SEGMENTS,
    TASKS,
    ablation,
    bag_sizes,
    cell,
    decided,
    episodes,
    inputs,
    judge,
    learned_cost,
    references,
    table,
    theory,
)

SWIMMER, GOAL = "swimmer_velocity", "point_goal1"


def check(claim: Claim, verdict: str, value: float | None = None, interval=None, words: str = "") -> None:
    part = claim.deciding_part
    assert claim.verdict == verdict, (claim.verdict, part)
    assert part.value == (None if value is None else pytest.approx(value))
    if interval is not None:
        assert part.interval == pytest.approx(interval)
    assert words in part.statement + " " + part.reason


def test_a_claim_is_decided_by_the_part_that_is_kept_least_or_broken_most():
    def part(verdict, slack=0.0, decides=True):
        return Part(f"{verdict} {slack}", "", verdict, slack=slack, decides=decides)

    kept = [part(HOLDS, 2.0), part(HOLDS, 0.5), part(HOLDS, 0.1, decides=False)]
    assert Claim(0, "", tuple(kept)).deciding_part.slack == 0.5
    unknown = [*kept, part(NOT_MEASURED), part(DOES_NOT_HOLD, -9.0, decides=False)]
    assert Claim(0, "", tuple(unknown)).verdict == NOT_MEASURED
    broken = [*unknown, part(DOES_NOT_HOLD, -0.2), part(DOES_NOT_HOLD, -3.0)]
    assert Claim(0, "", tuple(broken)).verdict == DOES_NOT_HOLD
    assert Claim(0, "", tuple(broken)).deciding_part.slack == -3.0
    assert Claim(0, "", ()).verdict == NOT_MEASURED


def test_bounds_take_or_leave_their_ends():
    strict, at_most = Bound("", high=0.0, strict=True), Bound("", low=-5.0, high=5.0, unit=10.0)
    assert not strict.holds(-1.0, 0.0)
    assert strict.holds(-1.0, -1e-6)
    assert not strict.holds(-1.0, -1e-15)
    assert at_most.holds(-5.0, 5.0)
    assert not at_most.holds(-5.1, 0.0)
    assert at_most.slack(-4.0, 2.0) == pytest.approx(0.1)
    assert at_most.slack(-4.0, 7.0) == pytest.approx(-0.2)


def test_the_return_that_competes_is_that_of_the_tables():
    assert ClaimsSettings().minimum_return == MINIMUM_RETURN_NORM


def test_every_threshold_has_its_reason():
    for name, field in ClaimsSettings.model_fields.items():
        assert "Reason:" in str(field.description), name


# Claim 1: SafeMIL's cost is below BC-Unlabeled's on all six tasks.


def test_1_holds_where_every_interval_is_below_zero():
    claim = decided(1, inputs(episodes({("ant_velocity", "bc"): 40})))
    check(claim, HOLDS, 10 - 40, (-30, -30), "Ant-Velocity")
    assert len(claim.parts) == 6
    assert claim.deciding_part.n == 5


def test_1_does_not_hold_where_an_interval_contains_zero():
    """Differences 5, 5, -10, -10, -10: of five draws k are a 5, and their mean is 3 k - 10.

    k is Binomial(5, 0.4). P(k = 0) = 0.078 > 0.025 gives the lower end -10; P(k <= 3) = 0.913 and
    P(k <= 4) = 0.990 the upper end 2.
    """
    claim = decided(1, inputs(episodes({("ant_velocity", "bc"): [5, 5, 20, 20, 20]})), judge(20_000))
    check(claim, DOES_NOT_HOLD, -4, (-10, 2), "Ant-Velocity")


def test_1_pairs_the_seeds():
    """Unpaired, costs of 0 to 400 would overlap by far; seed by seed the difference is always 10."""
    spread = [0, 100, 200, 300, 400]
    costs = {("ant_velocity", "safemil"): spread, ("ant_velocity", "bc"): [cost + 10 for cost in spread]}
    check(decided(1, inputs(episodes(costs))), HOLDS, -10, (-10, -10))


def test_1_is_not_measured_without_a_task_or_with_few_seeds():
    frame = episodes(tasks=[task for task in TASKS if task != "ant_velocity"])
    check(decided(1, inputs(frame)), NOT_MEASURED, words="not run on Ant-Velocity")
    few = decided(1, inputs(episodes(n_seeds=4)))
    check(few, NOT_MEASURED, -90, words="4 seeds, fewer than the 5")
    two = decided(1, inputs(episodes(n_seeds=2)), judge(minimum_seeds=3))
    check(two, NOT_MEASURED, -90, words="2 seeds, fewer than the 3")
    assert two.deciding_part.interval is None
    assert decided(1, inputs(episodes(n_seeds=4)), judge(minimum_seeds=4)).verdict == HOLDS


def test_1_does_not_hold_on_one_task_whatever_the_others_are():
    frame = episodes({(SWIMMER, "bc"): 10}, tasks=[SWIMMER])
    check(decided(1, inputs(frame)), DOES_NOT_HOLD, 0, (0, 0), "Swimmer-Velocity")


# Claim 2: near the constrained cost on the velocity tasks, and below every baseline.


def test_2_near_means_a_fifth_of_the_limit_at_most():
    check(decided(2, inputs(episodes())), HOLDS, 10 - 15, (-5, -5), "C − C_con")
    check(decided(2, inputs(episodes({("walker_velocity", "safemil"): 20}))), HOLDS, 5, (5, 5))
    too_much = decided(2, inputs(episodes({("walker_velocity", "safemil"): 21})))
    check(too_much, DOES_NOT_HOLD, 6, (6, 6), "Walker-Velocity: C − C_con")


def test_2_every_baseline_must_cost_more():
    claim = decided(2, inputs(episodes({(SWIMMER, "trex_wbc"): 10})))
    check(claim, DOES_NOT_HOLD, 0, (0, 0), "Swimmer-Velocity: cost of SafeMIL − T-REX-WBC")
    assert sum(part.verdict == DOES_NOT_HOLD for part in claim.parts) == 1


def test_2_is_not_measured_without_a_baseline():
    frame = episodes(methods=["bc", "trex_wbc", "safedice", "safemil"])
    check(decided(2, inputs(frame)), NOT_MEASURED, words="DWBC-NU not run on Walker-Velocity")


# Claim 3: best on Point-Goal1, competitive on Point-Circle2 and Point-Button1.


def test_3_best_is_the_lowest_cost_among_those_that_return_enough():
    check(decided(3, inputs(episodes())), HOLDS, 0.8, words="normalised return")
    tied = {(GOAL, "safedice"): 10}
    check(decided(3, inputs(episodes(tied))), DOES_NOT_HOLD, 0, words="SafeDICE")
    # A normalised return of 0.4 does not compete.
    claim = decided(3, inputs(episodes(tied, {(GOAL, "safedice"): 44})))
    assert claim.verdict == HOLDS
    (beside,) = [part for part in claim.parts if not part.decides]
    assert "returns 0.40, does not compete" in beside.statement


def test_3_competitive_is_within_the_margin_of_every_baseline():
    near, far = ({("point_circle2", "safedice"): cost} for cost in (6, 4))
    check(decided(3, inputs(episodes(near))), HOLDS, 4, words="Point-Circle2")
    check(decided(3, inputs(episodes(far))), DOES_NOT_HOLD, 6, words="Point-Circle2")
    goal = decided(3, inputs(episodes({(GOAL, "safedice"): 9})))
    check(goal, DOES_NOT_HOLD, 1, words="Point-Goal1")


def test_3_safemil_must_return_enough_itself():
    claim = decided(3, inputs(episodes(returns={("point_button1", "safemil"): 44})))
    check(claim, DOES_NOT_HOLD, 0.4, words="Point-Button1: normalised return")


def test_3_is_not_measured_without_the_task():
    frame = episodes(tasks=[task for task in TASKS if task != GOAL])
    check(decided(3, inputs(frame)), NOT_MEASURED, words="SafeMIL was not run on Point-Goal1")


# Claim 4: cost falls with K on Swimmer-Velocity, near 0 from K = 64, return level.


def test_4_by_hand(tmp_path):
    """Doublings 0, 3, 4, 6, 7 and costs 100, 70, 60, 20, 10: a slope of -400 / 30. At K = 64, 20 - 15 = 5."""
    claim = decided(4, inputs(episodes(), tmp_path, k=bag_sizes()))
    check(claim, HOLDS, 5, (5, 5), "C − C_con at K = 64")
    slope = claim.parts[0]
    assert slope.value == pytest.approx(-400 / 30)
    statements = [part.statement for part in claim.parts]
    assert sum("C − C_con at K" in each for each in statements) == 2
    assert sum("normalised return" in each for each in statements) == 4


@pytest.mark.parametrize(
    ("costs", "returns", "value", "words"),
    [
        (K_COSTS | {64: 21}, {}, 6, "C − C_con at K = 64"),
        (dict.fromkeys(K_COSTS, 10), {}, 0, "change of cost for each doubling"),
        (K_COSTS, {1: 59}, -0.25, "normalised return at K = 1 − at K = 128"),
        (K_COSTS, {8: 109}, 0.25, "normalised return at K = 8"),
    ],
)
def test_4_does_not_hold(tmp_path, costs, returns, value, words):
    claim = decided(4, inputs(episodes(), tmp_path, k=bag_sizes(costs, returns)))
    check(claim, DOES_NOT_HOLD, value, (value, value), words)


def test_4_the_series_of_equal_batches_stands_beside(tmp_path):
    fixed_segments = [(SWIMMER, SEGMENTS, str(k), 10, 84) for k in K_COSTS]
    claim = decided(4, inputs(episodes(), tmp_path, k=bag_sizes() + fixed_segments))
    assert claim.verdict == HOLDS
    (beside,) = [part for part in claim.parts if not part.decides]
    assert beside.verdict == DOES_NOT_HOLD
    assert beside.value == pytest.approx(0)
    assert "number of segments fixed" in beside.statement


@pytest.mark.parametrize(
    ("costs", "words"),
    [({16: 60, 128: 10}, "2 values of K"), ({1: 90, 8: 70, 16: 60}, "no such K was run")],
)
def test_4_is_not_measured_without_the_values(tmp_path, costs, words):
    claim = decided(4, inputs(episodes(), tmp_path, k=bag_sizes(costs)))
    check(claim, NOT_MEASURED, words=words)


def test_4_5_6_are_not_measured_without_ablations():
    given = inputs(episodes())
    check(decided(4, given), NOT_MEASURED, words="the ablation k was not run")
    check(decided(5, given), NOT_MEASURED, words="the ablation h was not run")
    check(decided(6, given), NOT_MEASURED, words="the ablation weighting was not run")


# Claim 5: cost level in H.


def lengths(*costs):
    return [(SWIMMER, BAGS, h, cost, 84) for h, cost in zip(("1", "5", "10"), costs, strict=False)]


def test_5_by_hand(tmp_path):
    claim = decided(5, inputs(episodes(), tmp_path, h=lengths(10, 12, 14)))
    check(claim, HOLDS, 4, (4, 4), "H = 10 − at H = 1")
    assert [part.value for part in claim.parts] == pytest.approx([2, 4, 2])


@pytest.mark.parametrize(("costs", "value"), [((10, 12, 16), 6), ((16, 12, 10), -6)])
def test_5_does_not_hold_in_either_direction(tmp_path, costs, value):
    claim = decided(5, inputs(episodes(), tmp_path, h=lengths(*costs)))
    check(claim, DOES_NOT_HOLD, value, (value, value), "H = 10 − at H = 1")


def test_5_is_not_measured_without_a_length(tmp_path):
    check(decided(5, inputs(episodes(), tmp_path, h=lengths(10, 12))), NOT_MEASURED, words="no 10")


# Claim 6: either weighting alike.


def weightings(second_cost=13, second_return=94, tasks=(SWIMMER, GOAL)):
    rows = [("trajectory", 10, 84), ("state-action", second_cost, second_return), ("hard threshold", 90, 4)]
    return [(task, "", *row) for task in tasks for row in rows]


def test_6_by_hand(tmp_path):
    """Cost 10 - 13 leaves 2 of 25, that is 0.08; return (84 - 94) / 100 leaves 0.1: the cost decides."""
    claim = decided(6, inputs(episodes(), tmp_path, weighting=weightings()))
    check(claim, HOLDS, -3, (-3, -3), "Swimmer-Velocity: cost")
    assert [part.value for part in claim.parts] == pytest.approx([-3, -0.1, -3, -0.1])


@pytest.mark.parametrize(
    ("cost", "value", "figure", "words"), [(16, 84, -6, "cost"), (10, 109, -0.25, "normalised return")]
)
def test_6_does_not_hold(tmp_path, cost, value, figure, words):
    claim = decided(6, inputs(episodes(), tmp_path, weighting=weightings(cost, value)))
    check(claim, DOES_NOT_HOLD, figure, (figure, figure), words)


def test_6_is_not_measured_on_one_task_alone(tmp_path):
    claim = decided(6, inputs(episodes(), tmp_path, weighting=weightings(tasks=[SWIMMER])))
    check(claim, NOT_MEASURED, words="on Point-Goal1")


# Claim 7: 3.7 times safer than the strongest baseline.


def test_7_by_hand():
    """SafeDICE is best everywhere: (60 + 1) / (10 + 1); the other readings stand beside it."""
    claim = decided(7, inputs(episodes()))
    check(claim, HOLDS, 61 / 11, (61 / 11, 61 / 11), "(iii)")
    beside = {part.statement[:4]: part for part in claim.parts if not part.decides}
    assert beside["(i) "].value == pytest.approx(6)
    assert beside["(ii)"].value is None
    assert "45.00 / -5.00 of medians" in beside["(ii)"].reason


def test_7_either_choice_of_the_baseline_must_hold():
    """T-REX-WBC at 30 on three tasks is the best overall, by the IQM of C - C_con.

    Its own is (15 + 55) / 2 = 35, SafeDICE's 45. Overall: median of 31/11 and 71/11. Per task: of 31/11 and
    61/11.
    """
    three = ("point_circle2", "point_goal1", "point_button1")
    claim = decided(7, inputs(episodes({(task, "trex_wbc"): 30 for task in three})))
    check(claim, HOLDS, (31 + 61) / 22, words="per task")
    overall = next(part for part in claim.parts if part.decides and "overall" in part.statement)
    assert overall.value == pytest.approx((31 + 71) / 22)
    assert "overall: T-REX-WBC" in overall.statement


@pytest.mark.parametrize(("cost", "value"), [(30, 31 / 11), (10, 1.0), (4, 5 / 11)])
def test_7_does_not_hold_below_the_figure_or_without_an_improvement(cost, value):
    claim = decided(7, inputs(episodes({(task, "safedice"): cost for task in TASKS})))
    check(claim, DOES_NOT_HOLD, value, (value, value))


def test_7_a_wide_interval_around_one_does_not_hold():
    """It reaches from below 1 to above 3.7: no improvement is shown, however large it may be."""
    costs = {(task, "safedice"): [3, 3, 3, 3, 400] for task in TASKS}
    costs |= {(task, other): 500 for task in TASKS for other in ("bc", "dwbc_nu", "trex_wbc")}
    part = decided(7, inputs(episodes(costs)), judge(2000)).deciding_part
    assert part.verdict == DOES_NOT_HOLD
    assert part.interval[1] > 3.7


def test_7_is_not_measured_without_a_task_a_baseline_or_seeds():
    five = decided(7, inputs(episodes(tasks=TASKS[:5])))
    check(five, NOT_MEASURED, 61 / 11, words="not run were Point-Button1")
    frame = episodes(methods=["bc", "safedice", "safemil"])
    check(decided(7, inputs(frame)), NOT_MEASURED, 61 / 11, words="DWBC-NU, T-REX-WBC")
    check(decided(7, inputs(episodes(n_seeds=3))), NOT_MEASURED, 61 / 11, words="3 seeds")
    check(decided(7, inputs(episodes(methods=["bc", "safedice"]))), NOT_MEASURED, words="SafeMIL")


# Claim 8: the learned cost.


def with_learned_cost(*rows) -> ClaimInputs:
    return replace(inputs(episodes()), learned_cost=table(rows))


def test_8_by_hand():
    """AUROC 0.9 - 0.05 leaves 0.05 above 0.8, the correlation of 0.4 leaves 0.35 above 0."""
    claim = decided(8, with_learned_cost(learned_cost(), learned_cost(held_out="all", step_auroc_low=0.1)))
    check(claim, HOLDS, 0.9, (0.85, 0.95), "step AUROC")
    assert [part.decides for part in claim.parts] == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step_auroc_low": 0.79}, "step AUROC"),
        ({"trajectory_auroc_low": 0.5}, "episode AUROC"),
        ({"step_spearman_low": 0.0}, "step rank correlation"),
        ({"trajectory_spearman_low": -0.3}, "episode rank correlation"),
    ],
)
def test_8_does_not_hold(changes, words):
    claim = decided(8, with_learned_cost(learned_cost(task=GOAL), learned_cost(**changes)))
    assert claim.verdict == DOES_NOT_HOLD
    assert words in claim.deciding_part.statement


def test_8_is_not_measured():
    check(decided(8, inputs(episodes())), NOT_MEASURED, words="no learned cost")
    few = {"n_seeds": 2} | {f"step_auroc_{end}": float("nan") for end in ("low", "high")}
    check(decided(8, with_learned_cost(learned_cost(**few))), NOT_MEASURED, 0.9, words="2 seeds")
    undefined = {"step_auroc": float("nan"), "step_auroc_missing": "no costly step"}
    claim = decided(8, with_learned_cost(learned_cost(**undefined)))
    check(claim, NOT_MEASURED, words="undefined: no costly step")
    other = decided(8, with_learned_cost(learned_cost(method="trex_wbc")))
    check(other, NOT_MEASURED, words="no learned cost of SafeMIL")


def test_8_refuses_learned_costs_of_another_run():
    for changes in ({"step": 999}, {"source": "dsrl"}):
        with pytest.raises(UserError, match=r"swimmer_velocity/.*/safemil/default"):
            decide_claims(with_learned_cost(learned_cost(**changes)), judge())


# Claim 9: the theory.


def with_theory(frame: pd.DataFrame) -> ClaimInputs:
    return replace(inputs(episodes()), theory=Table("results/x/tables/theory.csv", frame))


def test_9_holds_where_no_frequency_contradicts():
    """Of 10 000 draws 5050 are a deviation of one standard error, 0.005."""
    check(decided(9, with_theory(theory(0.505))), HOLDS, 0.005, words="Theorem 1, equal costs")


@pytest.mark.parametrize(("costs", "words"), [("any", "Lemma 1"), ("equal", "Theorem 1, equal")])
def test_9_does_not_hold_where_one_does(costs, words):
    """Twelve standard errors."""
    check(decided(9, with_theory(theory(0.56, costs=costs))), DOES_NOT_HOLD, 0.06, words=words)


def test_9_theorem_1_beyond_its_assumption_decides_nothing():
    claim = decided(9, with_theory(theory(0.75, costs="wide")))
    assert claim.verdict == HOLDS
    assert [part.verdict for part in claim.parts if not part.decides] == [HOLDS, DOES_NOT_HOLD]


def test_9_is_not_measured_with_few_draws_or_none():
    check(decided(9, with_theory(theory(n=100))), NOT_MEASURED, 0, words="wide, more than 0.05")
    check(decided(9, inputs(episodes())), NOT_MEASURED, words="not simulated")
    lemma = theory()[lambda rows: rows["statement"] == "lemma1"]
    check(decided(9, with_theory(lemma)), NOT_MEASURED, words="not simulated")


# Inputs that do not belong together.


def test_learners_of_different_budgets_are_not_compared():
    frame = episodes()
    is_bc = (frame["method"] == "bc") & (frame["task"] == SWIMMER)
    with pytest.raises(
        UserError, match=r"gradient steps[\s\S]*500 in swimmer_velocity/collected/bc/default;"
    ):
        decide_claims(inputs(frame.assign(step=frame["step"].mask(is_bc, 500))), judge())
    few = frame[~(is_bc & (frame["episode"] > 2))]
    with pytest.raises(
        UserError, match=r"episodes per seed[\s\S]*3 in swimmer_velocity/collected/bc/default;"
    ):
        decide_claims(inputs(few), judge())
    fewer_seeds = frame[~(is_bc & (frame["seed"] == 4))]
    with pytest.raises(
        UserError,
        match=r"seeds[\s\S]*0 1 2 3 in swimmer_velocity/collected/bc/default; 0 1 2 3 4 in .* and 24 more",
    ):
        decide_claims(inputs(fewer_seeds.reset_index(drop=True)), judge())


def test_variants_of_different_budgets_are_not_compared(tmp_path):
    main = write_episodes(tmp_path / "episodes.parquet", episodes(tasks=[SWIMMER]))
    files = ablation(tmp_path, "k", bag_sizes())
    frame = pd.read_parquet(files[1])
    frame["step"] = frame["step"].mask(frame["variant"] == "k_8", 500)
    write_episodes(files[1], frame)
    given = replace(inputs(episodes()), ablations={"k": read_ablation("k", *files, main, 25.0)})
    with pytest.raises(UserError, match=r"gradient steps[\s\S]*500 in .*/safemil/k_8; 1000 in"):
        decided(4, given)


def test_a_trend_over_different_budgets_is_refused(tmp_path):
    main = write_episodes(tmp_path / "episodes.parquet", episodes(tasks=[SWIMMER]))
    fixed_segments = [(SWIMMER, SEGMENTS, str(k), 10, 84) for k in K_COSTS]
    files = ablation(tmp_path, "k", bag_sizes() + fixed_segments)
    frame = pd.read_parquet(files[1])
    frame["step"] = frame["step"].mask(frame["variant"] == "k_8_segments", 500)
    write_episodes(files[1], frame)
    given = replace(inputs(episodes()), ablations={"k": read_ablation("k", *files, main, 25.0)})
    with pytest.raises(UserError, match=r"gradient steps[\s\S]*500 in .*/safemil/k_8_segments; 1000 in"):
        decided(4, given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.assign(cost=rows["cost"] + 1), r"not made of these episodes[\s\S]*k_1: cost 101 "),
        (lambda rows: rows.assign(n_seeds=3), r"cost 100 of 3, in the episodes 100 of 5 seeds"),
        (lambda rows: rows.assign(variant="gone"), r"safemil/gone"),
        (lambda rows: pd.concat([rows, rows.head(1)]), r"duplicate rows[\s\S]*number of bags fixed/1/k_1"),
        (lambda rows: rows.drop(columns="x"), "without x"),
        (lambda rows: rows.head(0), "no rows"),
    ],
)
def test_ablation_tables_that_cannot_be_used_are_refused(tmp_path, change, message):
    main = write_episodes(tmp_path / "episodes.parquet", episodes(tasks=[SWIMMER]))
    path, rollouts = ablation(tmp_path, "k", bag_sizes())
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(UserError, match=message):
        read_ablation("k", path, rollouts, main, 25.0)
    with pytest.raises(UserError, match="no table of the ablation k"):
        read_ablation("k", tmp_path / "gone.csv", rollouts, main, 25.0)


def test_an_ablation_of_another_source_is_refused(tmp_path):
    main = write_episodes(tmp_path / "episodes.parquet", episodes(tasks=[SWIMMER]))
    path, rollouts = ablation(tmp_path, "k", bag_sizes(), source="dsrl")
    with pytest.raises(UserError, match="sources are mixed"):
        read_ablation("k", path, rollouts, main, 25.0)


# The tables that the pipeline makes.


def shipped_ablations(folder: Path, costs: Mapping[str, float]) -> ClaimInputs:
    """Every ablation that a claim is about, by the pipeline's own table; costs are by variant."""
    raw = {"run_name": "x", "tasks": [SWIMMER, GOAL], "seeds": list(range(5))}
    config = parse_config({**raw, "methods": {"safemil": {"default": {}}}}, "here")
    main = write_episodes(folder / "episodes.parquet", episodes(tasks=[SWIMMER, GOAL], methods=["safemil"]))
    found = {}
    for name in CLAIMED_ABLATIONS:
        runs = ablation_runs(config, name)
        parts = [part for task in runs.tasks for part in references(task)]
        for task, (method, variant) in product(runs.tasks, runs.cells()):
            parts += cell(task, method, costs[variant], variant=variant)
        rows = pd.concat(parts, ignore_index=True)
        points = ablation_table(main_table(rows, n_resamples=50), runs.points, runs.tasks)
        written = write_text(folder / f"ablation_{name}.csv", csv_text(points))
        rollouts = write_episodes(folder / f"{name}.parquet", rows)
        found[name] = read_ablation(name, written, rollouts, main, 25.0)
    return replace(inputs(pd.read_parquet(main)), ablations=found)


# K with B fixed, K with B * K fixed, H, weightings; `default` is K = 128, H = 5, weights by trajectory.
SHIPPED = {
    **{"k1": 100, "k8": 70, "k16": 60, "k64": 20, "default": 10},
    **{"k1_same_segments": 20, "k8_same_segments": 20, "k16_same_segments": 20, "k64_same_segments": 20},
    **{"h1": 12, "h10": 14, "state_action": 13, "threshold": 90},
}


def test_4_5_and_6_read_the_tables_of_the_shipped_ablations(tmp_path):
    given = shipped_ablations(tmp_path, SHIPPED)
    by_size = decided(4, given)
    assert by_size.verdict == HOLDS, by_size.deciding_part
    # Slopes as in the test of 4; with the number of segments fixed they are beside.
    assert [part.statement.split(":")[0] for part in by_size.parts if not part.decides] == [
        f"Swimmer-Velocity, {SEGMENTS}"
    ]
    check(decided(5, given), HOLDS, 14 - 10, (4, 4), "H = 10 − at H = 5")
    alike = decided(6, given)
    check(alike, HOLDS, 10 - 13, (-3, -3), "trajectory − state-action")
    assert len(alike.parts) == 4
    worse = shipped_ablations(tmp_path, SHIPPED | {"state_action": 30, "h1": 40, "k64": 40})
    assert [decided(number, worse).verdict for number in (4, 5, 6)] == [DOES_NOT_HOLD] * 3


def test_points_that_are_no_numbers_and_other_methods_are_no_bag_sizes(tmp_path):
    table_path, rollouts = ablation(tmp_path, "k", bag_sizes())
    rows = pd.read_csv(table_path, dtype={"x": str})
    other = rows.assign(method="bc")
    odd = rows.head(1).assign(x="small")
    frame = pd.read_parquet(rollouts)
    trained = frame[frame["method"] == "safemil"]
    copied = trained.assign(method="bc", run_id="bc/" + trained["variant"] + trained["seed"].astype(str))
    write_episodes(rollouts, pd.concat([frame, copied]))
    pd.concat([other, rows, odd]).to_csv(table_path, index=False)
    main = write_episodes(tmp_path / "episodes.parquet", episodes())
    found = read_ablation("k", table_path, rollouts, main, 25.0)
    given = replace(inputs(episodes()), ablations={"k": found})
    assert decided(4, given) == replace(decided(4, inputs(episodes(), tmp_path, k=bag_sizes())))
