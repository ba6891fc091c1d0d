"""Opens and writes HDF5 files for this room: atomic, byte-deterministic, with errors a person can act on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from safemil.errors import UserError
from safemil.files import replacing

# One fixed version of the file format: it is what HDF5 1.8 and later read, it allows attributes above 64 KB
# (provenance of many trajectories), and it keeps the bytes from depending on the library's default.
_FORMAT_VERSION = ("v108", "v108")

_COMPRESSION = {"compression": "gzip", "compression_opts": 4, "shuffle": True}


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """Open a new HDF5 file that appears at `path` only once it is complete."""
    with replacing(path) as partial, h5py.File(partial, "w", libver=_FORMAT_VERSION) as file:
        yield file


@contextmanager
def existing_file(path: Path) -> Iterator[h5py.File]:
    """Open the HDF5 file at `path` for reading.

    Raises:
        UserError: the file is missing, is not an HDF5 file, or is damaged.
    """
    if not path.is_file():
        raise UserError("data file is missing", expected="an HDF5 file", found="no file", where=path)
    hint = "the file may be cut off: delete it and make or download it again"
    if not h5py.is_hdf5(path):
        raise UserError("not an HDF5 file", expected="an HDF5 file", found="other", where=path, hint=hint)
    try:
        # No lock: a file is never changed once it has its name, and not every file system has locks.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except OSError as error:
        raise UserError(f"HDF5 file is damaged: {error}", where=path, hint=hint) from error


def write_array(group: h5py.Group, name: str, array: NDArray[Any]) -> None:
    """Write one compressed array, without the time of writing."""
    group.create_dataset(name, data=array, track_times=False, **_COMPRESSION)


def write_attributes(group: h5py.Group, attributes: Mapping[str, str]) -> None:
    """Write text attributes in the order of their names, so that the bytes do not depend on the caller's."""
    for name in sorted(attributes):
        group.attrs[name] = attributes[name]


def count_non_finite(array: NDArray[np.float32]) -> int:
    """Return how many values of the array are infinite or undefined."""
    return array.size - int(np.count_nonzero(np.isfinite(array)))


def non_finite_problems(counts: Mapping[str, int]) -> Iterator[str]:
    """Say which arrays hold infinite or undefined values, given how many each holds."""
    for name, count in counts.items():
        if count:
            yield f"{name}: expected finite values, found {count} infinite or undefined"


def refuse(problems: Sequence[str], summary: str, *, where: Path, hint: str | None = None) -> None:
    """Raise one error that lists all problems, if there are any.

    Raises:
        UserError: `problems` is not empty.
    """
    if problems:
        raise UserError("\n  - ".join([summary, *problems]), where=where, hint=hint)
