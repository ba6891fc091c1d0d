"""How well single state-action pairs already tell non-preferred from preferred trajectories.

A plain linear classifier is a yardstick for the data card: where it separates the two nearly perfectly, bags
and segments have nothing left to add, and a comparison of methods says little.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

from safemil.data.trajectories import IndexArray, Trajectories
from safemil.errors import UserError

MAX_PAIRS = 20_000
RIDGE = 1e-3

Matrix = NDArray[np.float64]


def auroc(scores: NDArray[np.floating[Any]], positive: NDArray[np.bool_]) -> float:
    """Return the area under the receiver operating characteristic: how well `scores` put positives on top.

    It is the share of pairs of a positive and a negative in which the positive has the higher score, ties
    counted as half: 0.5 is chance, 1 perfect, 0 perfectly wrong.

    Args:
        scores: (n,).
        positive: (n,) bool, with at least one true and one false.

    Raises:
        ValueError: a class is missing.

    Source: Hanley and McNeil, Radiology 143 (1982): the Mann-Whitney statistic from midranks.
    """
    n_positive = int(np.count_nonzero(positive))
    n_negative = len(scores) - n_positive
    if not n_positive or not n_negative:
        raise ValueError(f"need both classes, got {n_positive} positive of {len(scores)}")
    rank_sum = rankdata(scores)[positive].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def _pairs(trajectories: Trajectories, chosen: NDArray[np.int64], generator: np.random.Generator) -> Matrix:
    """Return state-action pairs (n, d_s + d_a) of the chosen trajectories, some of them if there are many."""
    rows = trajectories.transition_indices(chosen)
    # Two classes, each in a training and a test half.
    limit = MAX_PAIRS // 4
    if len(rows) > limit:
        rows = np.sort(generator.choice(rows, size=limit, replace=False))
    return np.concatenate(
        [trajectories.observations[rows], trajectories.actions[rows]], axis=1, dtype=np.float64
    )


def _halves(
    trajectories: Trajectories, chosen: IndexArray, generator: np.random.Generator
) -> tuple[Matrix, Matrix]:
    """Return pairs of one random half of the chosen trajectories, and of the other half."""
    n = len(chosen)
    if n < 2:
        raise UserError("separability needs trajectories to train and to test on", expected="2", found=n)
    order = chosen[generator.permutation(n)]
    training = _pairs(trajectories, order[: n // 2], generator)
    return training, _pairs(trajectories, order[n // 2 :], generator)


def _fit_logistic(features: Matrix, signs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (d + 1,), the last one the intercept, that minimise the ridge logistic loss."""

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = signs * (features @ weights[:-1] + weights[-1])
        pull = -signs * np.exp(-np.logaddexp(0.0, margins)) / len(signs)
        gradient = np.append(features.T @ pull + RIDGE * weights[:-1], pull.sum())
        value = np.logaddexp(0.0, -margins).mean() + 0.5 * RIDGE * (weights[:-1] @ weights[:-1])
        return float(value), gradient

    start = np.zeros(features.shape[1] + 1)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x, dtype=np.float64)


def separability(
    non_preferred: Trajectories,
    unlabelled: Trajectories,
    generator: np.random.Generator,
    *,
    preferred: IndexArray | None = None,
) -> float:
    """Return the AUROC of a logistic classifier on single standardised state-action pairs.

    It is trained on a random half of the trajectories of each kind and tested on the other half, so that it
    cannot recognise a trajectory. At most `MAX_PAIRS` pairs are used in all. 0.5 is chance; 1 is perfect.

    Args:
        non_preferred: trajectories of the one kind.
        unlabelled: holds those of the other kind.
        generator: halves and pairs are drawn from it.
        preferred: which trajectories of `unlabelled` are of the other kind; all, if None.

    Raises:
        UserError: there are fewer than two trajectories of a kind.
    """
    everything = np.arange(unlabelled.n_trajectories)
    costly, costly_test = _halves(non_preferred, np.arange(non_preferred.n_trajectories), generator)
    safe, safe_test = _halves(unlabelled, everything if preferred is None else preferred, generator)
    features = np.concatenate([costly, safe])
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    signs = np.concatenate([np.ones(len(costly)), -np.ones(len(safe))])
    weights = _fit_logistic((features - mean) / deviation, signs)[:-1] / deviation
    positive = np.repeat([True, False], [len(costly_test), len(safe_test)])
    return auroc(np.concatenate([costly_test, safe_test]) @ weights, positive)
