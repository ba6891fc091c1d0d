"""Weights of imitation: how a learned segment cost becomes a share of the policy's loss.

Weighted methods log how much of a batch is left: where weights vanish, the policy has seen nothing.
"""

import torch
from torch import Tensor

from safemil.errors import UserError

# Rounding of a sum of equal costs must not decide whether a segment lies at the threshold.
RELATIVE_TOLERANCE = 1e-5


def softmax_weights(costs: Tensor, temperature: float) -> Tensor:
    """Return w_i proportional to exp(-C_i / temperature) with mean 1, (n,) -> (n,).

    Softmax subtracts the maximum first: exp alone underflows at long segments.
    """
    return torch.softmax(-costs / temperature, dim=0) * costs.numel()


def cost_threshold(non_preferred_costs: Tensor, deviations: float) -> float:
    """Return mean - deviations * std of the non-preferred segments' costs (population std)."""
    mean = non_preferred_costs.mean()
    std = non_preferred_costs.std(correction=0)
    return (mean - deviations * std).item()


def threshold_weights(costs: Tensor, threshold: float) -> Tensor:
    """Return 1 where C_i <= threshold and 0 elsewhere, scaled to mean 1, (n,) -> (n,).

    Raises:
        UserError: no segment lies below the threshold.
    """
    selected = (costs <= threshold + RELATIVE_TOLERANCE * abs(threshold)).to(costs.dtype)
    count = selected.sum()
    if count == 0:
        raise UserError(
            "the hard threshold selects no segment",
            expected=f"at least one segment cost <= {threshold:.6g} (the threshold)",
            found=f"segment costs from {costs.min().item():.6g} to {costs.max().item():.6g}",
            where="safemil settings, cost_threshold",
            hint="raise cost_threshold, leave it out to have it estimated, or use weighting: trajectory",
        )
    return selected * (costs.numel() / count)


def effective_share(weights: Tensor) -> float:
    """Return the effective sample size (sum w)^2 / sum w^2 as a share of n, in (0, 1]."""
    flat = weights.reshape(-1)
    return (flat.sum().square() / (flat.square().sum() * flat.numel()).clamp_min(1e-30)).item()


def trajectory_share(weights: Tensor, trajectories: Tensor) -> float:
    """Return the effective number of trajectories behind the weights, as a share of those in the batch.

    With W_m the sum of the weights of trajectory m: (sum_m W_m)^2 / sum_m W_m^2 over the number of
    trajectories present, in (0, 1]. Near 0 a few trajectories carry all of the policy's loss.

    Args:
        weights: (n,), not negative.
        trajectories: int64, the trajectory of each weight, (n,).
    """
    _, places = torch.unique(trajectories, return_inverse=True)
    totals = torch.bincount(places, weights=weights)
    return effective_share(totals)


def weight_metrics(weights: Tensor, trajectories: Tensor) -> dict[str, float]:
    """Return what every weighted method logs: `effective_share` and `effective_trajectory_share`."""
    return {
        "effective_share": effective_share(weights),
        "effective_trajectory_share": trajectory_share(weights, trajectories),
    }
