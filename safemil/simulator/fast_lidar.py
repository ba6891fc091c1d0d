"""The pseudo lidar of all kinds of objects at once.

A lidar divides the circle around the agent into bins. A bin reads the closeness 1 - distance / range of the
nearest object in its direction, 0 if there is none; an object also shows in the two neighbouring bins,
in proportion to how near it is to them, so that the reading changes continuously with its angle.
"""

import math

import numpy as np
from numpy.typing import NDArray


def pseudo_lidar(
    offsets: NDArray[np.float64], kinds: list[int], n_kinds: int, n_bins: int, reach: float
) -> list[float]:
    """Read one lidar per kind of object.

    There are a dozen objects at most. At that number one loop over them costs two thirds of the same
    formulas as array operations, whose fixed cost each exceeds the whole work on an object.

    Args:
        offsets: (n, 2) positions relative to the agent in the agent's frame, metres.
        kinds: for each object the number of the lidar that sees it.
        n_kinds: number of lidars.
        n_bins: bins per lidar.
        reach: distance from which on an object is not seen, metres.

    Returns:
        n_kinds * n_bins readings in [0, 1], one lidar after the other.
    """
    readings = [0.0] * (n_kinds * n_bins)
    bins_per_radian = n_bins / math.tau
    for kind, (x, y) in zip(kinds, offsets.tolist(), strict=True):
        closeness = 1.0 - math.hypot(x, y) / reach
        if closeness <= 0.0:
            continue
        place = (math.atan2(y, x) * bins_per_radian) % n_bins
        bin_ = int(place)
        after = (place - bin_) * closeness
        first = kind * n_bins
        for index, reading in (
            (first + bin_ % n_bins, closeness),
            (first + (bin_ + 1) % n_bins, after),
            (first + (bin_ - 1) % n_bins, closeness - after),
        ):
            if reading > readings[index]:
                readings[index] = reading
    return readings
