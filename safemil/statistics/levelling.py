"""Has a learning curve levelled off? A criterion that can say no, and can say that it cannot tell.

The points of a curve are cut into quarters. For each seed, the change is the mean over the points of the
last quarter minus that over the quarter before. It is judged against a tolerance, a share of what the task's
numbers are measured in: of the return's distance between random actions and the constrained reference, and
of the cost limit, or of the curve's own mean cost over both quarters where that is larger.

- `level`: the whole 95 % bootstrap interval over seeds of the change lies within plus or minus the tolerance.
- `rising`, `falling`: the change is beyond the tolerance and its interval excludes 0.
- `unclear`: neither. More seeds, more points or more episodes would tell.
- no verdict: fewer than 4 points, fewer than 3 seeds, or no scale.

Over tasks, the changes of a method are divided by what the tolerance is a share of, averaged over seeds and
tasks, and judged against the tolerance in the same way; the interval resamples seeds within each task. It
tells more than one task's few seeds can, and says nothing of one task: opposite changes cancel.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from safemil.catalogue import method_named
from safemil.records.episodes import CELL
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.curves import (
    QUANTITIES,
    check_same_runs,
    in_reading_order,
    reference_means,
    seed_curves,
)
from safemil.statistics.intervals import MINIMUM_SEEDS, Strata, bootstrap_interval, stratified_interval

MINIMUM_POINTS = 4  # a quarter needs a point

LEVEL, RISING, FALLING, UNCLEAR = "level", "rising", "falling", "unclear"
TOO_FEW_POINTS = f"fewer than {MINIMUM_POINTS} points"
TOO_FEW_SEEDS = f"fewer than {MINIMUM_SEEDS} seeds"
NO_SCALE = "no scale"
NO_SCALE_OR_POINTS = f"a task has {NO_SCALE} or {TOO_FEW_POINTS}"
YES, NO, CANNOT_TELL = "yes", "no", "cannot tell"

TABLE_COLUMNS = [
    *["task", "source", "method", "variant", "kind", "levelled_off"],
    *["n_seeds", "n_episodes", "n_points", "points_per_quarter", "first_step", "last_step"],
    *[
        f"{quantity}_{name}"
        for quantity in QUANTITIES
        for name in ("before", "last", "change", "low", "high", "tolerance", "verdict")
    ],
]

OVER_TASKS_COLUMNS = [
    *["method", "variant", "source", "kind", "levelled_off", "n_tasks", "n_seeds"],
    *[f"{quantity}_{name}" for quantity in QUANTITIES for name in ("change", "low", "high", "verdict")],
]


def verdict(change: float, low: float, high: float, tolerance: float) -> str:
    """Judge the change of one quantity at a curve's end, as this module says.

    Args:
        change: mean over seeds, last quarter minus the one before.
        low: lower end of its interval.
        high: upper end of its interval.
        tolerance: change that counts as none, in the same units; all four finite.
    """
    if max(abs(low), abs(high)) <= tolerance:
        return LEVEL
    if abs(change) > tolerance and (low > 0 or high < 0):
        return RISING if change > 0 else FALLING
    return UNCLEAR


def levelled_off(verdicts: list[str]) -> str:
    """Return whether a curve has levelled off, from the verdicts on its return and on its cost."""
    if RISING in verdicts or FALLING in verdicts:
        return NO
    return YES if set(verdicts) == {LEVEL} else CANNOT_TELL


def levelling_table(curves: pd.DataFrame, finals: pd.DataFrame, settings: EvaluationSettings) -> pd.DataFrame:
    """Return one row per task, method and variant that has a learning curve.

    Args:
        curves: episodes of learning curves.
        finals: episodes of final policies and references, of which the references give the scale.
        settings: tolerance, cost limit and bootstrap.

    Returns:
        Columns `TABLE_COLUMNS`, where before and last are means over the seeds in the two quarters, low and
        high the 95 % interval of the change; NaN where there are too few points or seeds. Undiscounted sums
        per episode.

    Raises:
        UserError: the rows are not valid or not comparable, or a task lacks a reference.
    """
    check_same_runs(curves, finals)
    ranges = _return_ranges(finals)
    rows = []
    for key, seeds in seed_curves(curves).groupby(CELL, sort=True):
        cell = dict(zip(CELL, key, strict=True))
        rows.append(cell | _cell(seeds, float(ranges[str(cell["task"])]), settings))
    table = pd.DataFrame(rows)
    table["kind"] = [method_named(method).kind for method in table["method"]]
    return in_reading_order(table[TABLE_COLUMNS])


def levelling_over_tasks(
    curves: pd.DataFrame, finals: pd.DataFrame, settings: EvaluationSettings
) -> pd.DataFrame:
    """Return one row per method and variant that has curves on several tasks: its mean change over them.

    Args:
        curves: as `levelling_table`.
        finals: as `levelling_table`.
        settings: tolerance, cost limit and bootstrap.

    Returns:
        Columns `OVER_TASKS_COLUMNS`. Changes and interval as shares of the scale that the tolerance is a
        share of; NaN with fewer than 4 points or 3 seeds, or without a scale, in any task. n_seeds counts
        runs: those of all tasks together.
    """
    check_same_runs(curves, finals)
    ranges = _return_ranges(finals)
    rows = []
    for key, cells in seed_curves(curves).groupby(["method", "variant", "source"], sort=True):
        tasks = {str(task): seeds for task, seeds in cells.groupby("task", sort=True)}
        if len(tasks) < 2:
            continue
        row: dict[str, Any] = dict(zip(["method", "variant", "source"], key, strict=True))
        row |= {"n_tasks": len(tasks), "n_seeds": sum(seeds["seed"].nunique() for seeds in tasks.values())}
        for quantity in QUANTITIES:
            changes = [_shares(tasks[task], quantity, float(ranges[task]), settings) for task in tasks]
            row |= {f"{quantity}_{name}": value for name, value in _judge_shares(changes, settings).items()}
        verdicts = [row[f"{quantity}_verdict"] for quantity in QUANTITIES]
        kind = method_named(str(row["method"])).kind
        rows.append({**row, "kind": kind, "levelled_off": levelled_off(verdicts)})
    return in_reading_order(pd.DataFrame(rows, columns=OVER_TASKS_COLUMNS))


def _shares(
    seeds: pd.DataFrame, quantity: str, return_range: float, settings: EvaluationSettings
) -> NDArray[np.float64]:
    """Return each seed's change as a share of what the tolerance is a share of, (n_seeds,)."""
    means = _quarter_means(seeds, quantity, _quarters(seeds))
    return np.asarray((means[:, 1] - means[:, 0]) / _scale(means, quantity, return_range, settings))


def _judge_shares(changes: Strata, settings: EvaluationSettings) -> dict[str, Any]:
    def mean(strata: Strata) -> NDArray[np.float64]:
        return np.asarray(np.mean([shares.mean(axis=-1) for shares in strata], axis=0))

    low, high = stratified_interval(
        mean, changes, n_resamples=settings.bootstrap_resamples, seed=settings.bootstrap_seed
    )
    judged = {"change": float(mean(changes)), "low": float(low), "high": float(high)}
    if np.isnan(judged["change"]):
        return judged | {"verdict": NO_SCALE_OR_POINTS}
    if np.isnan(judged["low"]):
        return judged | {"verdict": TOO_FEW_SEEDS}
    return judged | {"verdict": verdict(**judged, tolerance=settings.level_tolerance)}


def _return_ranges(finals: pd.DataFrame) -> "pd.Series[float]":
    """Return by task the distance in return between random actions and the constrained reference."""
    references = reference_means(finals).pivot_table(index="task", columns="element", values="return")
    return references["constrained_reference"] - references["random_reference"]


def _quarters(seeds: pd.DataFrame) -> tuple[Any, Any]:
    """Return the steps of the quarter before the last one and of the last one; empty with too few points."""
    steps = np.sort(seeds["step"].unique())
    size = len(steps) // MINIMUM_POINTS
    return steps[len(steps) - 2 * size : len(steps) - size], steps[len(steps) - size :]


def _cell(seeds: pd.DataFrame, return_range: float, settings: EvaluationSettings) -> dict[str, Any]:
    steps = np.sort(seeds["step"].unique())
    quarters = _quarters(seeds)
    row: dict[str, Any] = {
        "n_seeds": seeds["seed"].nunique(),
        "n_episodes": int(seeds["n_episodes"].iloc[0]),
        "n_points": len(steps),
        "points_per_quarter": len(quarters[1]),
        "first_step": int(steps[0]),
        "last_step": int(steps[-1]),
    }
    for quantity in QUANTITIES:
        judged = _judge(_quarter_means(seeds, quantity, quarters), quantity, return_range, settings)
        row |= {f"{quantity}_{name}": value for name, value in judged.items()}
    row["levelled_off"] = levelled_off([row[f"{quantity}_verdict"] for quantity in QUANTITIES])
    return row


def _quarter_means(seeds: pd.DataFrame, quantity: str, quarters: tuple[Any, Any]) -> Any:
    """Return (n_seeds, 2) means over the points of the quarter before the last one and of the last one."""
    wide = seeds.pivot_table(index="seed", columns="step", values=quantity)
    return np.stack([wide[list(quarter)].mean(axis=1) for quarter in quarters], axis=1)


def _judge(means: Any, quantity: str, return_range: float, settings: EvaluationSettings) -> dict[str, Any]:
    """Judge the change of one quantity, given (n_seeds, 2) means over the last two quarters."""
    before, last = means.mean(axis=0)
    changes = means[:, 1:] - means[:, :1]
    low, high = bootstrap_interval(
        changes, n_resamples=settings.bootstrap_resamples, seed=settings.bootstrap_seed
    )
    tolerance = settings.level_tolerance * _scale(means, quantity, return_range, settings)
    judged = {
        "before": before,
        "last": last,
        "change": last - before,
        "low": low[0],
        "high": high[0],
        "tolerance": tolerance,
    }
    return judged | {"verdict": _verdict_or_reason(judged, n_seeds=len(means))}


def _scale(means: Any, quantity: str, return_range: float, settings: EvaluationSettings) -> float:
    """Return what the tolerance is a share of; NaN where there is no such scale."""
    scale = return_range if quantity == "return" else max(settings.cost_limit, float(means.mean()))
    return scale if scale > 0 else np.nan


def _verdict_or_reason(judged: dict[str, Any], n_seeds: int) -> str:
    if np.isnan(judged["change"]):
        return TOO_FEW_POINTS
    if n_seeds < MINIMUM_SEEDS:
        return TOO_FEW_SEEDS
    if np.isnan(judged["tolerance"]):
        return NO_SCALE
    return verdict(*(judged[name] for name in ("change", "low", "high", "tolerance")))
