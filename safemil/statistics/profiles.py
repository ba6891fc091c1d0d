"""Performance profiles as data: which share of the runs is above, or at most at, each level of a score."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from safemil.catalogue import method_named
from safemil.protocol import DEFAULT_VARIANT
from safemil.records.completeness import check_same_budget
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.aggregate import performance_profile
from safemil.statistics.improvement import strata_of, tasks_in_order
from safemil.statistics.intervals import Strata, stratified_interval
from safemil.statistics.over_tasks import compared_methods

N_THRESHOLDS = 201

# Score -> whether more is better: the share of runs above the level is drawn, else the share at or below it.
PROFILED_SCORES = {"return_norm": True, "cost_diff": False}

PROFILE_COLUMNS = [
    *["score", "source", "method", "kind", "threshold", "share", "low", "high"],
    *["n_tasks", "n_seeds", "n_episodes", "step"],
]


def performance_profiles(scores: pd.DataFrame, settings: EvaluationSettings) -> pd.DataFrame:
    """Return the profile of every learner and oracle, with pointwise 95 % stratified bootstrap intervals.

    A run is one task and seed; every task counts alike. Levels are spread evenly from the lowest score of
    all methods to the highest. A score that is undefined on a task has no profile.

    Args:
        scores: as from `scores.relative_seed_scores`; methods that lack a task are left out.
        settings: of the bootstrap.

    Returns:
        Columns `PROFILE_COLUMNS`, one row per score, method and level: share of runs above the level for the
        normalised return, at most at it for cost − ref.; interval NaN with fewer than 3 seeds.

    Raises:
        UserError: the methods were not given the same budget or seeds (see `check_same_budget`).
    """
    default = scores[scores["variant"] == DEFAULT_VARIANT]
    check_same_budget(default)
    parts = list(_profiles(default, settings))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=PROFILE_COLUMNS)


def _profiles(default: pd.DataFrame, settings: EvaluationSettings) -> Iterator[pd.DataFrame]:
    tasks, methods = tasks_in_order(default), compared_methods(default)
    for score, above in PROFILED_SCORES.items():
        samples = {method: strata_of(default, method, score, tasks) for method in methods}
        values = np.concatenate([seeds for strata in samples.values() for seeds in strata])
        if np.isnan(values).any():
            continue
        # One step beyond either end, so that every curve is seen to reach 0 and 1.
        margin = max(values.max() - values.min(), 1e-6) / (N_THRESHOLDS - 1)
        thresholds = np.linspace(values.min() - margin, values.max() + margin, N_THRESHOLDS)
        for method, strata in samples.items():
            rows = default[default["method"] == method]
            yield _profile(strata, thresholds, above, settings).assign(
                score=score,
                source=rows["source"].iloc[0],
                method=method,
                kind=method_named(method).kind,
                n_tasks=len(tasks),
                n_seeds=min(map(len, strata)),
                n_episodes=int(rows["n_episodes"].sum()),
                step=int(rows["step"].max()),
            )[PROFILE_COLUMNS]


def _profile(
    strata: Strata, thresholds: NDArray[np.float64], above: bool, settings: EvaluationSettings
) -> pd.DataFrame:
    def share(resampled: Strata) -> NDArray[np.float64]:
        is_above = performance_profile(resampled, thresholds)
        return is_above if above else 1.0 - is_above

    low, high = stratified_interval(
        share, strata, n_resamples=settings.bootstrap_resamples, seed=settings.bootstrap_seed
    )
    return pd.DataFrame({"threshold": thresholds, "share": share(strata), "low": low, "high": high})
