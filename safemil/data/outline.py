"""What a labelled file says about its trajectories, without their observations and actions.

An outline is small (some ten bytes a transition), and it is all that a split is decided by. So a file of a
gigabyte is split by its outline first, and of its observations and actions only the drawn trajectories'
are ever held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safemil.data.trajectories import (
    BoolArray,
    FloatArray,
    IndexArray,
    LabelledTrajectories,
    episode_sums,
    transition_rows,
)


@dataclass(frozen=True, eq=False)
class Outline:
    """Labels and boundaries of M trajectories with N transitions in all.

    Attributes:
        rewards: (N,) float32, reward of each transition.
        costs: (N,) float32, cost of each transition.
        terminals: (N,) bool, true terminations.
        timeouts: (N,) bool, ends by the time limit.
        starts: (M,) int64, index of the first transition of each trajectory.
        provenance: where each trajectory is from: columns (M,) by name; may be empty.
    """

    rewards: FloatArray
    costs: FloatArray
    terminals: BoolArray
    timeouts: BoolArray
    starts: IndexArray
    provenance: Mapping[str, NDArray[Any]]

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories M."""
        return len(self.starts)

    @property
    def n_transitions(self) -> int:
        """Number of transitions N."""
        return len(self.rewards)

    @property
    def lengths(self) -> IndexArray:
        """Number of transitions (M,) of each trajectory."""
        return np.diff(self.starts, append=self.n_transitions)

    @property
    def returns(self) -> NDArray[np.float64]:
        """Undiscounted sum of rewards (M,) of each episode."""
        return episode_sums(self.rewards, self.starts)

    @property
    def episode_costs(self) -> NDArray[np.float64]:
        """Undiscounted sum of costs (M,) of each episode."""
        return episode_sums(self.costs, self.starts)

    def transition_indices(self, indices: Sequence[int] | IndexArray) -> IndexArray:
        """Return the indices of all transitions of the trajectories `indices`, in that order.

        Raises:
            UserError: none is chosen, or one does not exist.
        """
        return transition_rows(self.starts, self.n_transitions, indices)


def outline_of(data: LabelledTrajectories) -> Outline:
    """Return the outline of trajectories that are in memory; the arrays are shared."""
    return Outline(
        rewards=data.rewards,
        costs=data.costs,
        terminals=data.trajectories.terminals,
        timeouts=data.timeouts,
        starts=data.trajectories.starts,
        provenance=data.provenance,
    )
