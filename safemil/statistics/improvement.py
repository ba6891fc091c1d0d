"""By which factor SafeMIL is safer than the strongest baseline: three readings, because the paper has none.

The paper says "3.7 times" (median over tasks) without a formula. With C the mean cost per episode of a
baseline, C' that of SafeMIL and C_con that of the constrained reference, all on one task:

    median_of_ratios           median over tasks of C / C'
    ratio_of_medians           median over tasks of (C - C_con), divided by that of (C' - C_con)
    median_of_shifted_ratios   median over tasks of (C + 1) / (C' + 1)

The strongest baseline has the lowest cost, whatever it returns, among the paper's baselines that were run:
`overall`, one for all tasks, by the lowest interquartile mean of C - C_con over tasks and seeds; or
`per task`, by the lowest mean cost. A ratio whose denominator is not above 0 has no value and is printed as
the fraction it is. Source: the protocol, section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from safemil.catalogue import known_methods, method_named, task_display, task_order
from safemil.protocol import DEFAULT_VARIANT
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.aggregate import interquartile_mean
from safemil.statistics.intervals import MINIMUM_SEEDS, Strata, stratified_interval

SUBJECT = "safemil"
PAPER_BASELINES = tuple(
    name
    for name, method in known_methods().items()
    if method.kind == "learner" and method.in_paper and name != SUBJECT
)

MEDIAN_OF_RATIOS = "median_of_ratios"
RATIO_OF_MEDIANS = "ratio_of_medians"
MEDIAN_OF_SHIFTED_RATIOS = "median_of_shifted_ratios"
READINGS = {
    MEDIAN_OF_RATIOS: "(i) median over tasks of C / C'",
    RATIO_OF_MEDIANS: "(ii) median of C − C_con over median of C' − C_con",
    MEDIAN_OF_SHIFTED_RATIOS: "(iii) median over tasks of (C + 1) / (C' + 1)",
}
OVERALL, PER_TASK = "overall", "per task"
TOO_FEW_SEEDS = f"fewer than {MINIMUM_SEEDS} seeds"

Means = NDArray[np.float64]


@dataclass(frozen=True)
class Factor:
    """One reading of the factor, against one choice of the strongest baseline.

    Attributes:
        reading: one of `READINGS`.
        choice: `overall` or `per task`.
        baselines: the baseline of each task, in the order of `tasks`.
        tasks: over which the median is taken.
        n_seeds: of each task and method; the smallest where they differ.
        value: the factor, NaN where a denominator is not above 0.
        low, high: 95 % stratified bootstrap interval; NaN where there is none.
        missing: why there is no value or no interval; empty where there are both.
    """

    reading: str
    choice: str
    baselines: tuple[str, ...]
    tasks: tuple[str, ...]
    n_seeds: int
    value: float
    low: float
    high: float
    missing: str


def strata_of(scores: pd.DataFrame, method: str, score: str, tasks: Sequence[str]) -> Strata:
    """Return a score of the default variant of a method, one array of seeds for each task."""
    chosen = scores[(scores["method"] == method) & (scores["variant"] == DEFAULT_VARIANT)]
    return [
        rows.sort_values("seed")[score].to_numpy(dtype=np.float64)
        for rows in (chosen[chosen["task"] == task] for task in tasks)
    ]


def methods_on_all_tasks(scores: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the methods whose default variant was run on every task of the table, and the others."""
    default = scores[scores["variant"] == DEFAULT_VARIANT]
    counts = default.groupby("method", sort=False)["task"].nunique()
    everywhere = counts == scores["task"].nunique()
    return list(counts.index[everywhere]), list(counts.index[~everywhere])


def tasks_in_order(scores: pd.DataFrame) -> list[str]:
    """Return the tasks of a table in the paper's order."""
    return sorted(scores["task"].unique(), key=task_order)


def improvement_factors(scores: pd.DataFrame, settings: EvaluationSettings) -> list[Factor]:
    """Return every reading for either choice of the baseline.

    The interval resamples the seeds of SafeMIL and of the baselines, each by itself and within each task;
    C_con and the choice of the baseline stay as they are.

    Args:
        scores: as from `relative_seed_scores`.
        settings: of the bootstrap.

    Returns:
        Six factors; none where SafeMIL or all baselines were not run on every task.
    """
    tasks = tasks_in_order(scores)
    everywhere, _ = methods_on_all_tasks(scores)
    baselines = [method for method in PAPER_BASELINES if method in everywhere]
    if SUBJECT not in everywhere or not baselines:
        return []
    costs = {method: strata_of(scores, method, "cost", tasks) for method in [SUBJECT, *baselines]}
    chosen = _strongest(scores, costs, baselines, tasks)
    differences = strata_of(scores, SUBJECT, "cost_diff", tasks)
    constrained = np.array(
        [cost.mean() - diff.mean() for cost, diff in zip(costs[SUBJECT], differences, strict=True)]
    )
    return [
        _factor(reading, choice, names, costs, constrained, tasks, settings)
        for choice, names in chosen.items()
        for reading in READINGS
    ]


def _strongest(
    scores: pd.DataFrame, costs: Mapping[str, Strata], baselines: Sequence[str], tasks: Sequence[str]
) -> dict[str, list[str]]:
    """Return the strongest baseline of each task, by either choice; of equals the first."""
    middle = [float(interquartile_mean(strata_of(scores, name, "cost_diff", tasks))) for name in baselines]
    means = np.array([[seeds.mean() for seeds in costs[name]] for name in baselines])
    overall = baselines[int(np.argmin(middle))]
    per_task = [baselines[best] for best in means.argmin(axis=0)]
    return {OVERALL: [overall] * len(tasks), PER_TASK: per_task}


def _factor(
    reading: str,
    choice: str,
    baselines: Sequence[str],
    costs: Mapping[str, Strata],
    constrained: Means,
    tasks: Sequence[str],
    settings: EvaluationSettings,
) -> Factor:
    baseline = [costs[name][i] for i, name in enumerate(baselines)]
    subject = costs[SUBJECT]

    def terms(larger: Strata, smaller: Strata) -> tuple[Means, Means]:
        return _terms(reading, _means(larger), _means(smaller), constrained)

    def statistic(larger: Strata, smaller: Strata) -> Means:
        return _median_ratio(*terms(larger, smaller))

    value = float(statistic(baseline, subject))
    resampling = {"n_resamples": settings.bootstrap_resamples, "seed": settings.bootstrap_seed}
    low, high = stratified_interval(statistic, baseline, subject, **resampling)
    n_seeds = min(map(len, [*baseline, *subject]))
    missing = ""
    if np.isnan(value):
        names = ["of medians"] if reading == RATIO_OF_MEDIANS else [f"on {task_display(t)}" for t in tasks]
        missing = _undefined(*terms(baseline, subject), names)
    elif np.isnan(low):
        few = n_seeds < MINIMUM_SEEDS
        missing = TOO_FEW_SEEDS if few else "in some resamples a denominator is not above 0"
    ends = float(low), float(high)
    return Factor(reading, choice, tuple(baselines), tuple(tasks), n_seeds, value, *ends, missing)


def _means(strata: Strata) -> Means:
    """Return the mean over seeds of each task, (..., n_tasks)."""
    return np.stack([seeds.mean(axis=-1) for seeds in strata], axis=-1)


def _terms(reading: str, baseline: Means, subject: Means, constrained: Means) -> tuple[Means, Means]:
    """Return numerators and denominators from means over seeds, (..., n_ratios)."""
    if reading == MEDIAN_OF_RATIOS:
        return baseline, subject
    if reading == MEDIAN_OF_SHIFTED_RATIOS:
        return baseline + 1.0, subject + 1.0
    above = [np.median(costs - constrained, axis=-1, keepdims=True) for costs in (baseline, subject)]
    return above[0], above[1]


def _median_ratio(numerators: Means, denominators: Means) -> Means:
    undefined = np.full(numerators.shape, np.nan)
    ratios = np.divide(numerators, denominators, out=undefined, where=denominators > 0)
    return np.asarray(np.median(ratios, axis=-1))


def _undefined(numerators: Means, denominators: Means, names: Sequence[str]) -> str:
    """Return the ratios that have no value, as the fractions they are."""
    fractions = [
        f"{top:z.2f} / {bottom:z.2f} {name}"
        for top, bottom, name in zip(numerators, denominators, names, strict=True)
        if not bottom > 0
    ]
    return f"denominator not above 0: {', '.join(fractions)}"


def baselines_text(factor: Factor) -> str:
    """Return which baseline a factor is relative to, for readers."""
    names = [method_named(name).display for name in factor.baselines]
    if factor.choice == OVERALL:
        return names[0]
    pairs = zip(names, factor.tasks, strict=True)
    return ", ".join(f"{name} on {task_display(task)}" for name, task in pairs)
