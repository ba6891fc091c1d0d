"""The training file: all that a learner reads, and nothing from which a reward or a cost can be read.

It holds the groups `non_preferred` (D_N) and `unlabelled` (D_U), each with exactly the five arrays of
`Trajectories`, and three short text attributes on the file itself. The reader accepts exactly that: any
other dataset, group, link, attribute or number type is refused, so a labelled file cannot be passed off as
a training file. The order of D_U carries no information, for the draw shuffles it (`split.py`).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from safemil.data.storage import (
    count_non_finite,
    existing_file,
    new_file,
    non_finite_problems,
    refuse,
    write_array,
    write_attributes,
)
from safemil.data.trajectories import Trajectories
from safemil.errors import UserError

FORMAT = "safemil-training-data-1"

_DTYPES = {
    "observations": np.float32,
    "actions": np.float32,
    "next_observations": np.float32,
    "terminals": np.bool_,
    "starts": np.int64,
}
_GROUPS = ("non_preferred", "unlabelled")
_ATTRIBUTES = ("format", "source", "task")
# Names, not prose: too short and too plain to carry a label for each trajectory.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HINT = "a learner reads only the stripped file that the split writes, never a labelled or an oracle file"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The two sets a learner is given.

    Attributes:
        non_preferred: D_N, trajectories known to be costly.
        unlabelled: D_U, a mix of preferred and non-preferred trajectories, in random order.

    Raises:
        UserError: the two sets differ in their observation or action size.
    """

    non_preferred: Trajectories
    unlabelled: Trajectories

    def __post_init__(self) -> None:
        sizes = [
            (group.observation_size, group.action_size) for group in (self.non_preferred, self.unlabelled)
        ]
        if sizes[0] != sizes[1]:
            expected, found = (f"{observation} and {action}" for observation, action in sizes)
            raise UserError(
                "unlabelled and non-preferred trajectories differ in observation and action size",
                expected=expected,
                found=found,
            )


@dataclass(frozen=True)
class TrainingMetadata:
    """What the training file says about itself.

    Attributes:
        task: the task's short id, e.g. `swimmer_velocity`.
        source: where the data are from, e.g. `collected` or `dsrl`.

    Raises:
        UserError: a value is anything but a plain name of at most 64 characters.
    """

    task: str
    source: str

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not _PLAIN_NAME.fullmatch(value):
                expected = "1 to 64 letters, digits, dots, hyphens or underscores"
                raise UserError(f"{item.name} is not a plain name", expected=expected, found=repr(value))


def training_digest(data: TrainingData) -> str:
    """Return the SHA-256 of all arrays, by which an oracle file knows the training data it belongs to."""
    digest = hashlib.sha256()
    for group in (data.non_preferred, data.unlabelled):
        for name in _DTYPES:
            array = getattr(group, name)
            digest.update(f"{name} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_training_data(path: Path, data: TrainingData, metadata: TrainingMetadata) -> None:
    """Write D_N and D_U without labels, atomically; equal content gives equal bytes.

    Raises:
        UserError: an array holds infinite or undefined values.
    """
    sets = {name: getattr(data, name) for name in _GROUPS}
    problems = [problem for name, group in sets.items() for problem in _content_problems(name, group)]
    refuse(problems, "training data cannot be written", where=path)
    with new_file(path) as file:
        write_attributes(file, {"format": FORMAT, "task": metadata.task, "source": metadata.source})
        for group_name, trajectories in sets.items():
            group = file.create_group(group_name)
            for name in _DTYPES:
                write_array(group, name, getattr(trajectories, name))


def read_training_data(path: Path) -> TrainingData:
    """Read D_N and D_U, after making sure that the file holds nothing else.

    Raises:
        UserError: the file is missing or damaged, holds labels or anything else than the training data, or
            its arrays are inconsistent.
    """
    with existing_file(path) as file:
        refuse(list(_layout_problems(file)), "this is not a stripped training file", where=path, hint=_HINT)
        non_preferred, unlabelled = (_read_group(file[name], path) for name in _GROUPS)
    problems = [
        *_content_problems("non_preferred", non_preferred),
        *_content_problems("unlabelled", unlabelled),
    ]
    refuse(problems, "training data are not usable", where=path)
    return TrainingData(non_preferred, unlabelled)


def read_training_metadata(path: Path) -> TrainingMetadata:
    """Read what the training file at `path` says about itself.

    Raises:
        UserError: as `read_training_data`.
    """
    with existing_file(path) as file:
        refuse(list(_layout_problems(file)), "this is not a stripped training file", where=path, hint=_HINT)
        return TrainingMetadata(task=file.attrs["task"], source=file.attrs["source"])


@dataclass(frozen=True, eq=False)
class TrainingFile:
    """A stripped training file that has been read.

    Attributes:
        path: where it lies.
        source: where its trajectories are from.
        data: its content.
    """

    path: Path
    source: str
    data: TrainingData


def read_training_file(task: str, path: Path) -> TrainingFile:
    """Read a stripped training file.

    Raises:
        UserError: it is of another task, or anything but a stripped training file.
    """
    metadata = read_training_metadata(path)
    if metadata.task != task:
        raise UserError(
            "the training file is of another task", expected=task, found=metadata.task, where=path
        )
    return TrainingFile(path, metadata.source, read_training_data(path))


def _read_group(group: h5py.Group, path: Path) -> Trajectories:
    try:
        return Trajectories(**{name: group[name][()] for name in _DTYPES})
    except UserError as error:
        raise UserError(f"{group.name} in a training file: {error}", where=path) from error


def _content_problems(group_name: str, trajectories: Trajectories) -> Iterator[str]:
    matrices = ("observations", "actions", "next_observations")
    counts = {f"{group_name}/{name}": count_non_finite(getattr(trajectories, name)) for name in matrices}
    return non_finite_problems(counts)


def _layout_problems(file: h5py.File) -> Iterator[str]:
    """Say everything that is in the file and not allowed, or allowed and not there."""
    yield from _member_problems(file, dict.fromkeys(_GROUPS, h5py.Group))
    yield from _attribute_problems(file)
    for group_name in _GROUPS:
        group = file.get(group_name)
        if not isinstance(group, h5py.Group):
            continue
        yield from _member_problems(group, dict.fromkeys(_DTYPES, h5py.Dataset))
        yield from _foreign_attributes(group)
        for name, dtype in _DTYPES.items():
            dataset = group.get(name)
            if isinstance(dataset, h5py.Dataset):
                yield from _foreign_attributes(dataset)
                # Exactly this type: the low digits of a wider one could carry a label.
                if dataset.dtype != np.dtype(dtype):
                    yield f"{dataset.name}: expected dtype {np.dtype(dtype)}, found {dataset.dtype}"


def _member_problems(group: h5py.Group, expected: Mapping[str, type]) -> Iterator[str]:
    for name in sorted(set(group) - set(expected)):
        yield f"{_path(group, name)}: expected nothing of this name, found it"
    for name, kind in expected.items():
        if name not in group:
            yield f"{_path(group, name)}: expected a {kind.__name__.lower()}, found nothing"
        elif not isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield f"{_path(group, name)}: expected data in the file itself, found a link to elsewhere"
        elif not isinstance(group[name], kind):
            yield f"{_path(group, name)}: expected a {kind.__name__.lower()}, found something else"


def _path(group: h5py.Group, name: str) -> str:
    return f"{str(group.name).rstrip('/')}/{name}"


def _attribute_problems(file: h5py.File) -> Iterator[str]:
    for name in sorted(set(file.attrs) - set(_ATTRIBUTES)):
        yield f"attribute {name}: expected none of this name, found it"
    for name in _ATTRIBUTES:
        value = file.attrs.get(name)
        if not isinstance(value, str) or not _PLAIN_NAME.fullmatch(value):
            yield f"attribute {name}: expected a plain name, found {'nothing' if value is None else 'other'}"
        elif name == "format" and value != FORMAT:
            yield f"attribute format: expected {FORMAT}, found {value}"


def _foreign_attributes(owner: h5py.Group | h5py.Dataset) -> Iterator[str]:
    for name in sorted(owner.attrs):
        yield f"attribute {name} of {owner.name}: expected no attributes here, found it"
