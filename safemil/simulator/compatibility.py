"""Makes Safety-Gymnasium 0.4.0 importable on Python 3.11, without changing its physics.

Python 3.11 refuses unhashable dataclass defaults, and the package's colour table consists of NumPy
arrays used as such defaults. Viewing them as a hashable subclass of `ndarray` before the tasks are
imported satisfies the check; the colours, which are visual only, keep their values.
"""

from typing import Any

import numpy as np
from safety_gymnasium.assets import color


class HashableArray(np.ndarray[Any, np.dtype[Any]]):
    """An array that may stand as a dataclass default; equal in every other respect."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # ndarray declares __hash__ = None


def allow_array_defaults() -> None:
    """Replace each array of the colour table by a hashable view of itself. Idempotent."""
    for name, value in color.COLOR.items():
        color.COLOR[name] = value.view(HashableArray)
