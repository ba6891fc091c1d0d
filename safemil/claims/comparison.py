"""Claims 1, 2, 3 and 7: SafeMIL against the baselines."""

import math
from collections.abc import Iterator
from dataclasses import replace

from safemil.catalogue import method_named, task_display
from safemil.claims.inputs import ClaimInputs, SeedScores
from safemil.claims.parts import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_MEASURED,
    Claim,
    Judge,
    Part,
    Rows,
)
from safemil.protocol import DEFAULT_VARIANT
from safemil.statistics.improvement import (
    MEDIAN_OF_SHIFTED_RATIOS,
    PAPER_BASELINES,
    READINGS,
    SUBJECT,
    Factor,
    baselines_text,
    improvement_factors,
    methods_on_all_tasks,
)
from safemil.tasks import paper_tasks

VELOCITY_TASKS = ("walker_velocity", "swimmer_velocity", "ant_velocity")
BEST_TASKS = ("point_goal1",)
COMPETITIVE_TASKS = ("point_circle2", "point_button1")

SAFEMIL = (SUBJECT, DEFAULT_VARIANT)


def _against(
    scores: SeedScores, judge: Judge, task: str, baseline: str, *, competitive: bool = False
) -> Part:
    statement = f"{task_display(task)}: cost of SafeMIL − {method_named(baseline).display}"
    sample = scores.paired(task, SAFEMIL, (baseline, DEFAULT_VARIANT), "cost", statement)
    return judge.decide(sample, judge.cost_at_most() if competitive else judge.cost_below_zero())


def below_unlabelled(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 1: paired difference in cost to BC-Unlabeled, on each of the paper's tasks."""
    parts = [_against(inputs.main, judge, task, "bc") for task in paper_tasks()]
    return Claim(1, "SafeMIL's cost is below BC-Unlabeled's on all six tasks.", tuple(parts))


def near_reference(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 2: on the velocity tasks near the constrained cost, and below every baseline.

    Near is one-sided: a cost below that of the constrained reference is no failure.
    """
    parts = []
    for task in VELOCITY_TASKS:
        near = inputs.main.single(task, SAFEMIL, "cost_diff", f"{task_display(task)}: C − C_con of SafeMIL")
        parts.append(judge.decide(near, judge.cost_at_most()))
        parts += [_against(inputs.main, judge, task, baseline) for baseline in PAPER_BASELINES]
    statement = (
        "On the three velocity tasks SafeMIL's C − C_con is about 0, and its cost is lower than that of "
        "every baseline."
    )
    return Claim(2, statement, tuple(parts))


def best_or_competitive(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 3, with the tables' rule of what is best: the lowest cost at a sufficient return."""
    parts: list[Part] = []
    for task in (*BEST_TASKS, *COMPETITIVE_TASKS):
        parts += _ranked(inputs.main, judge, task, competitive=task in COMPETITIVE_TASKS)
    statement = "SafeMIL is best on Point-Goal1, and competitive on Point-Circle2 and Point-Button1."
    return Claim(3, statement, tuple(parts))


def _ranked(scores: SeedScores, judge: Judge, task: str, *, competitive: bool) -> Iterator[Part]:
    enough = f"{task_display(task)}: normalised return of SafeMIL"
    yield judge.decide(scores.single(task, SAFEMIL, "return_norm", enough), judge.return_enough())
    for baseline in PAPER_BASELINES:
        part = _against(scores, judge, task, baseline, competitive=competitive)
        returns = scores.cell(task, baseline)["return_norm"]
        if len(returns) and not returns.mean() >= judge.claims.minimum_return:
            note = f"{part.statement} (returns {returns.mean():.2f}, does not compete)"
            yield replace(part, statement=note, decides=False)
        else:
            yield part


def improvement(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 7: all readings of the factor; the one that is defined for every outcome decides."""
    statement = f"The median safety improvement over the strongest baseline is {judge.claims.factor:g} times."
    frame = inputs.main.frame
    scores = replace(inputs.main, frame=frame[frame["task"].isin(paper_tasks())])
    factors = improvement_factors(scores.frame, judge.evaluation)
    if not factors:
        reason = "SafeMIL, or every baseline, was not run on all tasks of the table"
        return Claim(
            7, statement, (Part(READINGS[MEDIAN_OF_SHIFTED_RATIOS], "", NOT_MEASURED, reason=reason),)
        )
    parts = [_factor_part(scores, judge, factor) for factor in factors]
    return Claim(7, statement, tuple(sorted(parts, key=lambda part: not part.decides)))


def _factor_part(scores: SeedScores, judge: Judge, factor: Factor) -> Part:
    claimed = judge.claims.factor
    part = Part(
        f"{READINGS[factor.reading]}, best baseline {factor.choice}: {baselines_text(factor)}",
        f"interval above 1 and not all below {claimed:g}",
        NOT_MEASURED,
        value=None if math.isnan(factor.value) else factor.value,
        interval=None if math.isnan(factor.low) else (factor.low, factor.high),
        n=factor.n_seeds,
        rows=_factor_rows(scores, factor),
        decides=factor.reading == MEDIAN_OF_SHIFTED_RATIOS,
    )
    reason = _not_measured(scores, judge, factor)
    if reason:
        return replace(part, reason=reason)
    holds = factor.low > 1.0 and factor.high >= claimed
    slack = min(factor.low - 1.0, factor.high - claimed)
    return replace(part, verdict=HOLDS if holds else DOES_NOT_HOLD, slack=slack)


def _not_measured(scores: SeedScores, judge: Judge, factor: Factor) -> str:
    lacking = [task_display(task) for task in paper_tasks() if task not in factor.tasks]
    if lacking:
        return f"the median is over the paper's six tasks, and not run were {', '.join(lacking)}"
    everywhere, _ = methods_on_all_tasks(scores.frame)
    absent = [method_named(name).display for name in PAPER_BASELINES if name not in everywhere]
    if absent:
        return f"not run on all tasks: {', '.join(absent)}"
    if factor.n_seeds < judge.claims.minimum_seeds:
        return judge.too_few(factor.n_seeds)
    return factor.missing


def _factor_rows(scores: SeedScores, factor: Factor) -> tuple[Rows, ...]:
    """Return the rows of all methods that the choice of the baseline and the factor stand on."""
    everywhere, _ = methods_on_all_tasks(scores.frame)
    methods = [name for name in (SUBJECT, *PAPER_BASELINES) if name in everywhere]
    cells = [(task, name, scores.cell(task, name)) for task in factor.tasks for name in methods]
    own = [scores.rows(task, name, DEFAULT_VARIANT, cell.index.tolist()) for task, name, cell in cells]
    return (*own, *(rows for task in factor.tasks for rows in scores.reference_rows(task)))
