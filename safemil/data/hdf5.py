"""DSRL's own file form: flat arrays over all transitions, with rewards and costs, in one HDF5 file.

The `dsrl` package loads the files written here, and files published by DSRL are read here. A trajectory
ends where `terminals` or `timeouts` is true; nothing else marks the boundaries. Provenance of the
trajectories lies in attributes of a group, because `dsrl` takes every dataset of a file, in whatever group,
for an array over transitions.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from safemil.data.outline import Outline
from safemil.data.storage import (
    count_non_finite,
    existing_file,
    new_file,
    non_finite_problems,
    refuse,
    write_array,
    write_attributes,
)
from safemil.data.trajectories import (
    BoolArray,
    IndexArray,
    LabelledTrajectories,
    Trajectories,
    provenance_problems,
)
from safemil.tasks import Task

MATRICES = ("observations", "next_observations", "actions")
VALUES = ("rewards", "costs")
FLAGS = ("terminals", "timeouts")
KEYS = (*MATRICES, *VALUES, *FLAGS)

_PROVENANCE = "provenance"
_BLOCK_BYTES = 1 << 22
_DAMAGED = "the file may be cut off or of another project: make or download it again"


def write_labelled(path: Path, data: LabelledTrajectories, attributes: Mapping[str, str]) -> None:
    """Write trajectories in DSRL's form, atomically; equal content gives equal bytes.

    Args:
        path: where the file appears once it is complete.
        data: the trajectories; floats are stored as float32, flags as bool, all compressed with gzip.
        attributes: text about the whole file, e.g. its source and versions, kept as HDF5 attributes.

    Raises:
        UserError: an array holds infinite or undefined values.
    """
    arrays = _arrays(data)
    counts = {name: count_non_finite(arrays[name]) for name in (*MATRICES, *VALUES)}
    problems = list(non_finite_problems(counts))
    refuse(problems, "trajectories cannot be written", where=path)
    with new_file(path) as file:
        write_attributes(file, attributes)
        for name in KEYS:
            write_array(file, name, arrays[name])
        if data.provenance:
            _write_provenance(file.create_group(_PROVENANCE), data.provenance)


def read_outline(path: Path, *, task: Task | None) -> Outline:
    """Check a whole file in DSRL's form, and return its labels and boundaries.

    Columns (N, 1) are flattened and other number types cast to float32, as `dsrl` does. Observations and
    actions are checked block by block and not kept. Transitions behind the last marked end are an error
    rather than dropped: published and collected files hold whole trajectories only, so such a tail means a
    cut file.

    Args:
        path: the HDF5 file.
        task: checks sizes and episode lengths against this task; None checks the file against itself only.

    Raises:
        UserError: the file is missing, damaged or not what it should be; names every problem found.
    """
    summary = "data file cannot be used"
    with existing_file(path) as file:
        refuse(list(_layout_problems(file, task)), summary, where=path, hint=_DAMAGED)
        counts = {name: sum(count_non_finite(rows) for _, rows in _blocks(file[name])) for name in MATRICES}
        values = {name: _read_floats(file[name]) for name in VALUES}
        raw_flags = {name: file[name][()].reshape(-1) for name in FLAGS}
        provenance = _read_provenance(file)
    counts |= {name: count_non_finite(array) for name, array in values.items()}
    problems = [*non_finite_problems(counts), *_flag_problems(raw_flags)]
    flags = {name: flag.astype(np.bool_, copy=False) for name, flag in raw_flags.items()}
    ends = flags["terminals"] | flags["timeouts"]
    problems += [*_end_problems(ends, task), *provenance_problems(provenance, int(ends.sum()))]
    refuse(problems, summary, where=path, hint=_DAMAGED)
    starts = np.append(0, np.flatnonzero(ends)[:-1] + 1)
    return Outline(
        rewards=values["rewards"],
        costs=values["costs"],
        terminals=flags["terminals"],
        timeouts=flags["timeouts"],
        starts=starts,
        provenance=provenance,
    )


def read_sets(path: Path, outline: Outline, sets: Sequence[IndexArray]) -> list[LabelledTrajectories]:
    """Read sets of trajectories out of a file, in one pass and without holding any other.

    Args:
        path: the HDF5 file.
        outline: what `read_outline` returned for it.
        sets: indices of the trajectories of each set, in the order in which they are returned.

    Raises:
        UserError: the file is missing or damaged, or a trajectory does not exist.
    """
    rows = [outline.transition_indices(indices) for indices in sets]
    stops = np.cumsum([len(each) for each in rows])[:-1]
    with existing_file(path) as file:
        read = {name: _read_rows(file[name], np.concatenate(rows)) for name in MATRICES}
    parts = {name: np.split(values, stops) for name, values in read.items()}
    return [
        _labelled(outline, indices, rows[number], {name: part[number] for name, part in parts.items()})
        for number, indices in enumerate(sets)
    ]


def read_labelled(path: Path, *, task: Task | None) -> LabelledTrajectories:
    """Check and read a whole file in DSRL's form; see `read_outline`.

    Raises:
        UserError: the file is missing, damaged or not what it should be; names every problem found.
    """
    outline = read_outline(path, task=task)
    return read_sets(path, outline, [np.arange(outline.n_trajectories)])[0]


def read_attributes(path: Path) -> dict[str, str]:
    """Return the text attributes of the file at `path`, by name.

    Raises:
        UserError: the file is missing, is not an HDF5 file, or is damaged.
    """
    with existing_file(path) as file:
        return {name: value for name, value in sorted(file.attrs.items()) if isinstance(value, str)}


def _arrays(data: LabelledTrajectories) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        name: getattr(data.trajectories, name) for name in (*MATRICES, "terminals")
    }
    return {**arrays, "rewards": data.rewards, "costs": data.costs, "timeouts": data.timeouts}


def _flat_shape(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return the shape with a second dimension of one dropped, unless the array has components anyway."""
    shape = tuple(dataset.shape)
    name = str(dataset.name).rsplit("/", maxsplit=1)[-1]
    return shape[:1] if name not in MATRICES and len(shape) == 2 and shape[1] == 1 else shape


def _layout_problems(file: h5py.File, task: Task | None) -> Iterator[str]:
    """Say which arrays are missing, of the wrong kind, or of a shape that does not fit."""
    present = {name: file[name] for name in KEYS if isinstance(file.get(name), h5py.Dataset)}
    missing = [name for name in KEYS if name not in present]
    if missing:
        yield f"expected the arrays {', '.join(KEYS)}, found none called {', '.join(missing)}"
    for name, dataset in present.items():
        if dataset.dtype.kind not in ("fiub" if name in FLAGS else "fiu"):
            yield f"{name}: expected numbers, found {dataset.dtype}"
    shapes = {name: _flat_shape(dataset) for name, dataset in present.items()}
    n = next((shape[0] for shape in shapes.values() if shape), 0)
    if not n:
        yield "expected at least one transition, found none"
    sizes = _expected_sizes(shapes, task)
    for name, shape in shapes.items():
        expected = (n, sizes[name]) if name in MATRICES else (n,)
        if shape != expected:
            yield f"{name}: expected shape {expected}, found {shape}"


def _expected_sizes(shapes: Mapping[str, tuple[int, ...]], task: Task | None) -> dict[str, int]:
    """Return the number of components of each matrix: the task's, or else the file's own."""
    if task is not None:
        observation, action = task.observation_size, task.action_size
    else:
        observation, action = ((*shapes.get(name, ()), 0, 0)[1] for name in ("observations", "actions"))
    return {"observations": observation, "next_observations": observation, "actions": action}


def _blocks(dataset: h5py.Dataset) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the first row's index and the rows of one block after the other, in one array used again."""
    rows = max(1, _BLOCK_BYTES // (4 * max(1, dataset.shape[1])))
    chunk = dataset.chunks[0] if dataset.chunks else 1
    # Whole chunks, so that none is decompressed twice, unless a single one is larger than a block.
    rows = rows // chunk * chunk or rows
    buffer = np.empty((min(rows, len(dataset)), dataset.shape[1]), dtype=np.float32)
    for start in range(0, len(dataset), rows):
        block = buffer[: min(rows, len(dataset) - start)]
        dataset.read_direct(block, np.s_[start : start + len(block)])
        yield start, block


def _read_rows(dataset: h5py.Dataset, rows: IndexArray) -> NDArray[np.float32]:
    """Return the rows of a matrix with the indices `rows`, in that order, reading front to back."""
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    values = np.empty((len(rows), dataset.shape[1]), dtype=np.float32)
    for start, block in _blocks(dataset):
        first, last = np.searchsorted(ascending, (start, start + len(block)))
        values[order[first:last]] = block[ascending[first:last] - start]
    return values


def _labelled(
    outline: Outline, indices: IndexArray, rows: IndexArray, matrices: Mapping[str, NDArray[np.float32]]
) -> LabelledTrajectories:
    lengths = outline.lengths[indices]
    return LabelledTrajectories(
        Trajectories(**matrices, terminals=outline.terminals[rows], starts=np.cumsum(lengths) - lengths),
        rewards=outline.rewards[rows],
        costs=outline.costs[rows],
        timeouts=outline.timeouts[rows],
        provenance={name: column[indices] for name, column in outline.provenance.items()},
    )


def _read_floats(dataset: h5py.Dataset) -> NDArray[np.float32]:
    # HDF5 converts chunk by chunk while reading: a float64 file never lies in memory as a whole.
    values = np.empty(dataset.shape, dtype=np.float32)
    dataset.read_direct(values)
    return values.reshape(_flat_shape(dataset))


def _flag_problems(flags: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    for name, flag in flags.items():
        if flag.dtype != np.bool_:
            wrong = int(np.count_nonzero((flag != 0) & (flag != 1)))
            if wrong:
                yield f"{name}: expected 0 or 1, found {wrong} other value(s)"


def _end_problems(ends: BoolArray, task: Task | None) -> Iterator[str]:
    last = np.flatnonzero(ends)
    tail = len(ends) - (int(last[-1]) + 1 if len(last) else 0)
    if tail:
        yield (
            "timeouts: expected a terminal or a timeout at the last transition, found "
            f"{tail} transition(s) behind the last end"
        )
    lengths = np.diff(last, prepend=-1)
    if task is not None and len(lengths) and lengths.max() > task.episode_length:
        yield (
            f"timeouts: expected episodes of at most {task.episode_length} transitions in {task.name}, found "
            f"{int(np.sum(lengths > task.episode_length))} longer, up to {lengths.max()}"
        )


def _write_provenance(group: h5py.Group, provenance: Mapping[str, NDArray[Any]]) -> None:
    for name in sorted(provenance):
        column = provenance[name]
        group.attrs[name] = np.char.encode(column, "utf-8") if column.dtype.kind == "U" else column


def _read_provenance(file: h5py.File) -> dict[str, NDArray[Any]]:
    group = file.get(_PROVENANCE)
    if not isinstance(group, h5py.Group):
        return {}
    columns = {name: np.asarray(value) for name, value in sorted(group.attrs.items())}
    return {
        name: np.char.decode(column, "utf-8") if column.dtype.kind == "S" else column
        for name, column in columns.items()
    }
