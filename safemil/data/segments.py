"""Draws the segments that bags are made of, and single transitions.

A segment is drawn in two steps: a trajectory uniformly among those that are long enough, then a start
uniformly among the t0 with t0 + H <= the trajectory's true length. A segment therefore never crosses an
episode's end, and a long trajectory counts no more than a short one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safemil.data.trajectories import BoolArray, IndexArray
from safemil.errors import UserError

Horizon = int | Literal["full"]

_TRUE = np.ones((1, 1), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Segments:
    """A batch of n segments as indices of transitions.

    Attributes:
        indices: (n, H) int64, flat indices of transitions. Where `mask` is false, the segment's last
            transition is repeated, so that every index may be looked up.
        mask: (n, H) bool, true where the segment has a transition. All true for a fixed horizon (then a
            read-only broadcast without memory of its own).
    """

    indices: IndexArray
    mask: BoolArray


def _checked_lengths(lengths: IndexArray) -> IndexArray:
    array = np.asarray(lengths, dtype=np.int64)
    if array.ndim != 1 or len(array) == 0 or array.min() < 1:
        expected = "lengths (M,) >= 1 of at least one trajectory"
        raise UserError("no segments can be drawn", expected=expected, found=array.tolist())
    return array


class SegmentSampler:
    """Draws segments of H transitions, or whole trajectories, of trajectories that lie one behind the other.

    Args:
        lengths: (M,) number of transitions of each trajectory.
        horizon: segment length H >= 1, or `full`: a segment is a whole trajectory.

    Raises:
        UserError: no trajectory is as long as the horizon.
    """

    def __init__(self, lengths: IndexArray, horizon: Horizon) -> None:
        lengths = _checked_lengths(lengths)
        starts = np.cumsum(lengths) - lengths
        self.horizon = horizon
        if horizon == "full":
            self.width = int(lengths.max())
            self._counts = np.ones(len(lengths), dtype=np.int64)
            self._starts = starts
            self._lengths = lengths
        else:
            if horizon < 1:
                raise UserError("a segment needs a length", expected="horizon >= 1 or 'full'", found=horizon)
            long_enough = lengths >= horizon
            if not long_enough.any():
                raise UserError(
                    "no trajectory is as long as a segment",
                    expected=f"a trajectory of at least {horizon} transitions",
                    found=f"{len(lengths)} trajectories of at most {lengths.max()}",
                    hint="choose a shorter segment length H",
                )
            self.width = horizon
            self._counts = lengths[long_enough] - horizon + 1
            self._starts = starts[long_enough]
            self._lengths = lengths[long_enough]
        self._offsets = np.arange(self.width, dtype=np.int64)

    def sample(self, n: int, generator: np.random.Generator) -> IndexArray:
        """Draw the first transitions (n,) of n segments, with replacement."""
        chosen = generator.integers(len(self._starts), size=n)
        # Drawing reals and rounding down is several times faster than integers with a bound for each; the
        # product stays below the count, for counts are below 2**53 and reals below 1.
        steps = (generator.random(n) * self._counts[chosen]).astype(np.int64)
        return np.asarray(self._starts[chosen] + steps, dtype=np.int64)

    def segment_indices(self, first: IndexArray) -> Segments:
        """Return the segments whose first transitions are `first` (n,), as `sample` draws them."""
        if self.horizon != "full":
            indices = first[:, None] + self._offsets
            return Segments(indices, np.broadcast_to(_TRUE, indices.shape))
        lengths = self._lengths[np.searchsorted(self._starts, first)][:, None]
        return Segments(first[:, None] + np.minimum(self._offsets, lengths - 1), self._offsets < lengths)

    def sample_segments(self, n: int, generator: np.random.Generator) -> Segments:
        """Draw n segments, with replacement: `segment_indices(sample(n, generator))`."""
        return self.segment_indices(self.sample(n, generator))


def sample_transitions(n_transitions: int, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw n indices (n,) of transitions uniformly out of `n_transitions`, with replacement."""
    return generator.integers(n_transitions, size=n)
