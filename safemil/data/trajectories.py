"""The types of the data: `Trajectories` for learners, `LabelledTrajectories` before the split and in oracles.

Rewards and costs leave by type: `Trajectories` has no field that could hold them, so code that is handed
`Trajectories` cannot read a label by mistake. Transitions of all trajectories lie one behind the other in
flat arrays; `starts` says where each trajectory begins.

Notation of the shapes: N transitions, M trajectories, d_s observation and d_a action components.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from safemil.errors import UserError

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.int64]

_DTYPES: Mapping[str, type[np.generic]] = {
    "observations": np.float32,
    "actions": np.float32,
    "next_observations": np.float32,
    "terminals": np.bool_,
    "starts": np.int64,
    "rewards": np.float32,
    "costs": np.float32,
    "timeouts": np.bool_,
}
_MATRICES = ("observations", "actions", "next_observations")


def _array_problems(name: str, array: object) -> Iterator[str]:
    """Say how the array called `name` differs from its type and number of dimensions."""
    if not isinstance(array, np.ndarray):
        yield f"{name}: expected a NumPy array, found {type(array).__name__}"
        return
    dtype = np.dtype(_DTYPES[name])
    if array.dtype != dtype:
        yield f"{name}: expected dtype {dtype}, found {array.dtype}"
    dimensions = 2 if name in _MATRICES else 1
    if array.ndim != dimensions:
        yield f"{name}: expected {dimensions} dimension(s), found shape {array.shape}"


def _starts_problems(starts: IndexArray, n_transitions: int) -> Iterator[str]:
    if len(starts) == 0:
        yield "starts: expected at least one trajectory, found none"
        return
    if starts[0] != 0:
        yield f"starts: expected the first trajectory at 0, found {starts[0]}"
    if np.any(np.diff(starts) <= 0):
        yield "starts: expected strictly ascending indices, found a repetition or a step back"
    if starts.max() >= n_transitions:
        yield f"starts: expected indices below {n_transitions} transitions, found {starts.max()}"


def _last_of_each(starts: IndexArray, n_transitions: int) -> BoolArray:
    """Return a mask (N,) of the transitions that are the last of their trajectory."""
    last = np.zeros(n_transitions, dtype=np.bool_)
    last[starts[1:] - 1] = True
    last[-1] = True
    return last


def transition_rows(
    starts: IndexArray, n_transitions: int, indices: Sequence[int] | IndexArray
) -> IndexArray:
    """Return the indices of all transitions of the trajectories `indices`, in that order.

    Args:
        starts: (M,) index of the first transition of each trajectory.
        n_transitions: number of transitions of all trajectories.
        indices: the trajectories.

    Raises:
        UserError: none is chosen, or one does not exist.
    """
    chosen = np.asarray(indices, dtype=np.int64)
    if chosen.ndim != 1 or len(chosen) == 0 or chosen.min() < 0 or chosen.max() >= len(starts):
        raise UserError(
            "these trajectories cannot be selected",
            expected=f"one or more indices from 0 to {len(starts) - 1}",
            found=chosen.tolist(),
        )
    stops = np.append(starts[1:], n_transitions)
    return np.concatenate([np.arange(starts[i], stops[i], dtype=np.int64) for i in chosen])


def episode_sums(values: FloatArray, starts: IndexArray) -> NDArray[np.float64]:
    """Return the undiscounted sum (M,) of `values` (N,) over each trajectory."""
    # Episode by episode, so that a sum does not depend on the other trajectories of the file.
    bounds = zip(starts, np.append(starts[1:], len(values)), strict=True)
    return np.array([values[start:stop].sum(dtype=np.float64) for start, stop in bounds])


def provenance_problems(provenance: Mapping[str, NDArray[Any]], n_trajectories: int) -> Iterator[str]:
    """Say which columns are not integers or strings, one for each trajectory."""
    for name, column in provenance.items():
        if column.shape != (n_trajectories,) or column.dtype.kind not in "iuU":
            yield (
                f"provenance {name}: expected integers or strings for {n_trajectories} trajectories, "
                f"found {column.dtype} of shape {column.shape}"
            )


def _refuse(problems: Sequence[str], kind: str) -> None:
    if problems:
        raise UserError(f"{kind} are not consistent: {len(problems)} problem(s)\n  " + "\n  ".join(problems))


def _freeze(owner: object) -> None:
    """Replace each array of a frozen dataclass by a read-only view of it: no copy is made."""
    for item in fields(owner):  # type: ignore[arg-type]  # both callers are dataclasses
        value: Any = getattr(owner, item.name)
        if isinstance(value, np.ndarray):
            view = value.view()
            view.flags.writeable = False
            object.__setattr__(owner, item.name, view)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Trajectories without any reward or cost: all that a learner may see.

    The arrays are read-only views of the ones given, which the caller hands over and no longer changes.

    Attributes:
        observations: (N, d_s) float32.
        actions: (N, d_a) float32.
        next_observations: (N, d_s) float32.
        terminals: (N,) bool, true terminations only, never a time limit.
        starts: (M,) int64, index of the first transition of each trajectory, ascending, `starts[0] == 0`.

    Raises:
        UserError: arrays disagree in type or shape, or boundaries make no sense; names every problem.
    """

    observations: FloatArray
    actions: FloatArray
    next_observations: FloatArray
    terminals: BoolArray
    starts: IndexArray

    def __post_init__(self) -> None:
        problems = [p for item in fields(self) for p in _array_problems(item.name, getattr(self, item.name))]
        _refuse(problems or list(self._shape_problems()), "trajectories")
        _freeze(self)

    def _shape_problems(self) -> Iterator[str]:
        n = len(self.observations)
        for name in ("actions", "next_observations", "terminals"):
            if len(getattr(self, name)) != n:
                yield f"{name}: expected {n} transitions as in observations, found {len(getattr(self, name))}"
        if self.next_observations.shape[1] != self.observations.shape[1]:
            expected, found = self.observations.shape[1], self.next_observations.shape[1]
            yield f"next_observations: expected {expected} components as in observations, found {found}"
        boundaries = list(_starts_problems(self.starts, n))
        yield from boundaries
        if not boundaries and len(self.terminals) == n:
            early = int(np.sum(self.terminals & ~_last_of_each(self.starts, n)))
            if early:
                yield f"terminals: expected none before the last transition of a trajectory, found {early}"

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories M."""
        return len(self.starts)

    @property
    def n_transitions(self) -> int:
        """Number of transitions N."""
        return len(self.observations)

    @property
    def observation_size(self) -> int:
        """Number of observation components d_s."""
        return int(self.observations.shape[1])

    @property
    def action_size(self) -> int:
        """Number of action components d_a."""
        return int(self.actions.shape[1])

    @property
    def stops(self) -> IndexArray:
        """Index (M,) one past the last transition of each trajectory."""
        return np.append(self.starts[1:], self.n_transitions)

    @property
    def lengths(self) -> IndexArray:
        """Number of transitions (M,) of each trajectory."""
        return self.stops - self.starts

    def transition_indices(self, indices: Sequence[int] | IndexArray) -> IndexArray:
        """Return the indices of all transitions of the trajectories `indices`, in that order.

        Raises:
            UserError: none is chosen, or one does not exist.
        """
        return transition_rows(self.starts, self.n_transitions, indices)

    def select(self, indices: Sequence[int] | IndexArray) -> "Trajectories":
        """Return copies of the trajectories `indices`, in that order.

        Raises:
            UserError: none is chosen, or one does not exist.
        """
        rows = self.transition_indices(indices)
        lengths = self.lengths[np.asarray(indices, dtype=np.int64)]
        return Trajectories(
            observations=self.observations[rows],
            actions=self.actions[rows],
            next_observations=self.next_observations[rows],
            terminals=self.terminals[rows],
            starts=np.cumsum(lengths) - lengths,
        )


@dataclass(frozen=True, eq=False)
class LabelledTrajectories:
    """Trajectories with rewards and costs: exist before the split and in oracles, never in a learner.

    Attributes:
        trajectories: the trajectories themselves.
        rewards: (N,) float32, reward of each transition.
        costs: (N,) float32, cost of each transition.
        timeouts: (N,) bool, the time limit ended the trajectory here. The last transition of every
            trajectory, and no other, is terminal or timed out.
        provenance: where each trajectory is from: columns (M,) of integers or strings by name; may be empty.

    Raises:
        UserError: arrays disagree in type or shape, or an end is unmarked; names every problem.
    """

    trajectories: Trajectories
    rewards: FloatArray
    costs: FloatArray
    timeouts: BoolArray
    provenance: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("rewards", "costs", "timeouts")
        problems = [p for name in names for p in _array_problems(name, getattr(self, name))]
        _refuse(problems or list(self._shape_problems()), "labelled trajectories")
        _freeze(self)

    def _shape_problems(self) -> Iterator[str]:
        n = self.trajectories.n_transitions
        for name in ("rewards", "costs", "timeouts"):
            if len(getattr(self, name)) != n:
                yield f"{name}: expected {n} transitions as in observations, found {len(getattr(self, name))}"
        if len(self.timeouts) == n:
            ends = self.trajectories.terminals | self.timeouts
            wrong = int(np.sum(ends != _last_of_each(self.trajectories.starts, n)))
            if wrong:
                yield (
                    "timeouts: expected a terminal or a timeout at the last transition of each trajectory "
                    f"and nowhere else, found {wrong} transition(s) otherwise"
                )
        yield from provenance_problems(self.provenance, self.trajectories.n_trajectories)

    @property
    def returns(self) -> NDArray[np.float64]:
        """Undiscounted sum of rewards (M,) of each episode."""
        return episode_sums(self.rewards, self.trajectories.starts)

    @property
    def episode_costs(self) -> NDArray[np.float64]:
        """Undiscounted sum of costs (M,) of each episode."""
        return episode_sums(self.costs, self.trajectories.starts)

    def unlabelled(self) -> Trajectories:
        """Return the trajectories without their labels."""
        return self.trajectories

    def select(self, indices: Sequence[int] | IndexArray) -> Self:
        """Return copies of the trajectories `indices` with their labels, in that order.

        Raises:
            UserError: none is chosen, or one does not exist.
        """
        rows = self.trajectories.transition_indices(indices)
        chosen = np.asarray(indices, dtype=np.int64)
        return type(self)(
            trajectories=self.trajectories.select(indices),
            rewards=self.rewards[rows],
            costs=self.costs[rows],
            timeouts=self.timeouts[rows],
            provenance={name: column[chosen] for name, column in self.provenance.items()},
        )
