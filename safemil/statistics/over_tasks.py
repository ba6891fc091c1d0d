"""What the runs say over all tasks: one row per statistic, score and method, or pair of methods.

statistic `iqm`: interquartile mean of a score over tasks and seeds, for every learner and oracle.
`probability_of_improvement`: of SafeMIL over every other learner. `improvement_factor`: the readings of the
paper's "3.7 times" (`improvement`). Default variants that were run on every task of the table; the others
are left out, and `left_out` names them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import method_named, method_order, task_display, task_order
from safemil.protocol import DEFAULT_VARIANT
from safemil.records.completeness import check_same_budget
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.aggregate import interquartile_mean, probability_of_improvement
from safemil.statistics.improvement import (
    SUBJECT,
    TOO_FEW_SEEDS,
    baselines_text,
    improvement_factors,
    methods_on_all_tasks,
    strata_of,
    tasks_in_order,
)
from safemil.statistics.intervals import Strata, stratified_interval

IQM = "iqm"
PROBABILITY = "probability_of_improvement"
FACTOR = "improvement_factor"

IQM_SCORES = ["return_norm", "cost", "cost_diff", "cvar20", "cvar20_diff", "share_within_limit"]

# Whether more of a score is better.
COMPARED_SCORES = {"cost": False, "cvar20": False, "return": True}

TABLE_COLUMNS = [
    *["statistic", "score", "method", "kind", "baseline", "source"],
    *["n_tasks", "n_seeds", "n_episodes", "step", "value", "low", "high", "missing"],
]

Row = dict[str, Any]


def aggregate_table(scores: pd.DataFrame, settings: EvaluationSettings) -> pd.DataFrame:
    """Return the statistics over all tasks, with 95 % stratified bootstrap intervals over seeds.

    Args:
        scores: as from `scores.relative_seed_scores`.
        settings: of the bootstrap.

    Returns:
        Columns `TABLE_COLUMNS`. n_seeds is per task, n_episodes counts all episodes of `method`, step is its
        gradient steps; baseline is what `method` is compared with; missing says why there is no value or no
        interval. Learners, then oracles, in the tables' order.

    Raises:
        UserError: the methods were not given the same budget or seeds (see `check_same_budget`).
    """
    default = scores[scores["variant"] == DEFAULT_VARIANT]
    check_same_budget(default)
    rows = [*_iqm_rows(default, settings), *_probability_rows(default, settings)]
    rows += _factor_rows(default, settings)
    return pd.DataFrame(rows, columns=TABLE_COLUMNS)


def left_out(scores: pd.DataFrame) -> list[str]:
    """Return a sentence for each method that does not stand in the table because a task of it is missing."""
    default = scores[scores["variant"] == DEFAULT_VARIANT]
    sentences = []
    for method in sorted(methods_on_all_tasks(scores)[1], key=method_order):
        ran = set(default.loc[default["method"] == method, "task"])
        lacking = [task_display(task) for task in tasks_in_order(scores) if task not in ran]
        name = method_named(method).display
        sentences.append(f"{name} was not run on {', '.join(lacking)} and is left out.")
    return sentences


def compared_methods(scores: pd.DataFrame) -> list[str]:
    """Return the learners and oracles that were run on every task, in the tables' order."""
    everywhere, _ = methods_on_all_tasks(scores)
    return sorted((m for m in everywhere if method_named(m).kind != "reference"), key=method_order)


def cells_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Return task, method, kind, source, step, n_seeds and n_episodes of each cell, for captions, by task."""
    keys = ["task", "source", "method", "variant", "step"]
    counts = scores.groupby(keys, sort=False)["n_episodes"].agg(n_seeds="size", n_episodes="sum")
    cells = counts.reset_index().sort_values("task", key=lambda tasks: tasks.map(task_order), kind="stable")
    return cells.assign(kind=cells["method"].map(lambda method: method_named(method).kind))


def _context(default: pd.DataFrame, method: str) -> Row:
    rows = default[default["method"] == method]
    return {
        "method": method,
        "kind": method_named(method).kind,
        "baseline": "",
        "source": rows["source"].iloc[0],
        "n_tasks": rows["task"].nunique(),
        "n_seeds": int(rows.groupby("task")["seed"].nunique().min()),
        "n_episodes": int(rows["n_episodes"].sum()),
        "step": int(rows["step"].max()),
    }


def _resampling(settings: EvaluationSettings) -> dict[str, int]:
    return {"n_resamples": settings.bootstrap_resamples, "seed": settings.bootstrap_seed}


def _iqm_rows(default: pd.DataFrame, settings: EvaluationSettings) -> Iterator[Row]:
    tasks = tasks_in_order(default)
    for method in compared_methods(default):
        for score in IQM_SCORES:
            strata = strata_of(default, method, score, tasks)
            low, high = stratified_interval(interquartile_mean, strata, **_resampling(settings))
            row = {"value": float(interquartile_mean(strata)), "low": float(low), "high": float(high)}
            missing = _missing(strata, tasks, bool(np.isnan(low)))
            yield {"statistic": IQM, "score": score, **_context(default, method), **row, "missing": missing}


def _missing(strata: Strata, tasks: Sequence[str], without_interval: bool) -> str:
    undefined = [
        task_display(task) for task, values in zip(tasks, strata, strict=True) if np.isnan(values).any()
    ]
    if undefined:
        return f"undefined on {', '.join(undefined)}"
    return TOO_FEW_SEEDS if without_interval else ""


def _probability_rows(default: pd.DataFrame, settings: EvaluationSettings) -> Iterator[Row]:
    tasks, methods = tasks_in_order(default), compared_methods(default)
    others = [m for m in methods if m != SUBJECT and method_named(m).kind == "learner"]
    for baseline in others if SUBJECT in methods else ():
        for score, more_is_better in COMPARED_SCORES.items():
            samples = [strata_of(default, method, score, tasks) for method in (SUBJECT, baseline)]
            larger, smaller = samples if more_is_better else samples[::-1]
            low, high = stratified_interval(
                probability_of_improvement, larger, smaller, **_resampling(settings)
            )
            value = float(probability_of_improvement(larger, smaller))
            yield {
                **{"statistic": PROBABILITY, "score": score},
                **_context(default, SUBJECT),
                **{"baseline": baseline, "value": value, "low": float(low), "high": float(high)},
                "missing": TOO_FEW_SEEDS if np.isnan(low) else "",
            }


def _factor_rows(default: pd.DataFrame, settings: EvaluationSettings) -> Iterator[Row]:
    for factor in improvement_factors(default, settings):
        yield {
            **{"statistic": FACTOR, "score": factor.reading},
            **_context(default, SUBJECT),
            "baseline": f"{factor.choice}: {baselines_text(factor)}",
            **{"value": factor.value, "low": factor.low, "high": factor.high, "missing": factor.missing},
        }
