"""Statistics over tasks and seeds: interquartile mean, probability of improvement, performance profile.

Each takes samples as `intervals.Strata` has them, one array of seeds per task, so that the same function
gives the figure and, under `intervals.stratified_interval`, its interval. What they mean and what they cannot
say: `docs/statistics.md`.

Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice (NeurIPS 2021).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from safemil.statistics.intervals import Strata

# Cut off at either end; of n runs, floor(n / 4).
TRIMMED_SHARE = 0.25


def interquartile_mean(strata: Strata) -> NDArray[np.float64]:
    """Return the mean of the middle half of all runs, tasks and seeds pooled.

    Args:
        strata: scores, (..., n_seeds) for each task.

    Returns:
        Shape (...), in the units of the scores. Of n runs floor(n / 4) are cut off at either end.
    """
    return np.asarray(stats.trim_mean(np.concatenate(strata, axis=-1), TRIMMED_SHARE, axis=-1))


def probability_of_improvement(larger: Strata, smaller: Strata) -> NDArray[np.float64]:
    """Return P(X > Y) + P(X = Y) / 2 for a random seed of either sample, averaged over tasks.

    Per task this is the statistic U of Mann and Whitney over the number of pairs of seeds.

    Args:
        larger: scores X, (..., n) for each task.
        smaller: scores Y, (..., m) for the same tasks.

    Returns:
        Shape (...), from 0 to 1; 0.5 where neither is better.
    """
    shares = [_share_above(x, y) for x, y in zip(larger, smaller, strict=True)]
    return np.asarray(np.mean(shares, axis=0))


def _share_above(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    difference = x[..., :, None] - y[..., None, :]
    return np.asarray(((np.sign(difference) + 1.0) / 2.0).mean(axis=(-2, -1)))


def performance_profile(strata: Strata, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of runs whose score is above each threshold, every task counting alike.

    Args:
        strata: scores, (..., n_seeds) for each task.
        thresholds: (k,), in the units of the scores.

    Returns:
        Shape (..., k), from 0 to 1.
    """
    shares = [(scores[..., :, None] > thresholds).mean(axis=-2) for scores in strata]
    return np.asarray(np.mean(shares, axis=0))
