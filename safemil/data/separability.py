"""How well single state-action pairs already tell non-preferred from preferred trajectories.

A plain linear classifier is a yardstick for the data card: where it separates the two nearly perfectly, bags
and segments have nothing left to add, and a comparison of methods says little.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import mannwhitneyu

from safemil.data.trajectories import Trajectories
from safemil.errors import UserError

MAX_PAIRS = 20_000
RIDGE = 1e-3

Matrix = NDArray[np.float64]


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


def _halves(trajectories: Trajectories, generator: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Return pairs of one random half of the trajectories, and of the other half."""
    n = trajectories.n_trajectories
    if n < 2:
        raise UserError("separability needs trajectories to train and to test on", expected="2", found=n)
    order = generator.permutation(n)
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
    non_preferred: Trajectories, preferred: Trajectories, generator: np.random.Generator
) -> float:
    """Return the AUROC of a logistic classifier on single standardised state-action pairs.

    It is trained on a random half of the trajectories of each kind and tested on the other half, so that it
    cannot recognise a trajectory. At most `MAX_PAIRS` pairs are used in all. 0.5 is chance; 1 is perfect.

    Raises:
        UserError: there are fewer than two trajectories of a kind.
    """
    costly, costly_test = _halves(non_preferred, generator)
    safe, safe_test = _halves(preferred, generator)
    features = np.concatenate([costly, safe])
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    signs = np.concatenate([np.ones(len(costly)), -np.ones(len(safe))])
    weights = _fit_logistic((features - mean) / deviation, signs)[:-1] / deviation
    statistic = mannwhitneyu(costly_test @ weights, safe_test @ weights).statistic
    return float(statistic) / (len(costly_test) * len(safe_test))
