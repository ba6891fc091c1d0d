"""The held-out file: labelled trajectories that are neither in D_N nor in D_U, to judge a learned cost on.

Two sets of at most `SET_SIZE` trajectories each, drawn at random from what the split left over; a trajectory
may be in both:

- `all`: of the whole source, so over its whole range of costs and returns, filtered parts included;
- `classes`: as D_N and D_U, half of those that the split classes as preferred and half of the non-preferred
  ones; fewer of the class of which fewer are left.

Every method and seed of a task is judged on the same file. It is in DSRL's own form, with labels: diagnostics
alone may read it, and no rule that trains has it as an input.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from safemil.data.hdf5 import read_attributes, read_labelled, read_outline, read_sets, write_labelled
from safemil.data.labels import OracleLabels, read_oracle_labels
from safemil.data.outline import Outline
from safemil.data.split import Classes, SplitSettings, build_split
from safemil.data.trajectories import IndexArray, LabelledTrajectories
from safemil.errors import UserError
from safemil.tasks import Task

FORMAT = "safemil-held-out-1"
SETS = ("all", "classes")
SET_SIZE = 200

# The data seed's streams: the split draws from [seed], its data card from [seed, 1].
_STREAM = 2
_SOURCE_INDEX = "source_index"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out trajectories of one task and split.

    Attributes:
        data: the trajectories of both sets, in the order of the source.
        sets: by the names in `SETS`, indices of each set's trajectories in `data`, ascending.
        source_indices: (M,) int64, place of each trajectory in the source.
        training_digest: `stripped.training_digest` of the training data that they are held out from.
    """

    data: LabelledTrajectories
    sets: Mapping[str, IndexArray]
    source_indices: IndexArray
    training_digest: str


def draw_held_out(
    drawn: IndexArray, classes: Classes, generator: np.random.Generator, size: int = SET_SIZE
) -> dict[str, IndexArray]:
    """Draw both sets out of the trajectories that the split has not drawn.

    Args:
        drawn: indices of D_N and D_U in the source; never in the result.
        classes: which of the source's trajectories are preferred or non-preferred.
        generator: the stream of the draw.
        size: most trajectories of a set.

    Returns:
        Indices into the source by the names in `SETS`, ascending; fewer than `size`, or none, where the
        split has left fewer.
    """
    rest = np.setdiff1d(np.arange(len(classes.preferred)), drawn)
    preferred, non_preferred = (rest[of[rest]] for of in (classes.preferred, classes.non_preferred))

    def some(pool: IndexArray, count: int) -> IndexArray:
        return generator.permutation(pool)[:count]

    everything = some(rest, size)
    halves = [some(pool, size // 2) for pool in (preferred, non_preferred)]
    return {"all": np.sort(everything), "classes": np.sort(np.concatenate(halves))}


def hold_out(
    task: Task, source: str, source_path: Path, labels_path: Path, settings: SplitSettings, output: Path
) -> None:
    """Draw the held-out sets of a split and write their trajectories.

    Args:
        task: which task the file must be of.
        source: name of the source, for the record.
        source_path: the labelled file that the split was drawn from.
        labels_path: the split's oracle labels, which know what was drawn.
        settings: the split.
        output: the file to write.

    Raises:
        UserError: a file is not usable, the labels are of another source file, or nothing is left over.
    """
    outline = read_outline(source_path, task=task)
    labels = read_oracle_labels(labels_path)
    _check_labels(outline, labels, labels_path)
    sums = outline.returns, outline.episode_costs
    classes = build_split(*sums, settings, np.random.default_rng(settings.seed)).classes
    drawn = np.concatenate([labels.non_preferred_indices, labels.unlabelled_indices])
    generator = np.random.default_rng([settings.seed, _STREAM])
    sets = draw_held_out(drawn, classes, generator)
    chosen = np.union1d(*sets.values())
    if not len(chosen):
        raise UserError(
            "no trajectory is held out: D_N and D_U are the whole source",
            where=source_path,
            hint="make the split smaller, or leave out the methods that learn a cost",
        )
    (data,) = read_sets(source_path, outline, [chosen])
    members = {name: np.isin(chosen, sets[name]).astype(np.int64) for name in SETS}
    data = replace(data, provenance={**data.provenance, _SOURCE_INDEX: chosen, **members})
    attributes = {"format": FORMAT, "task": task.name, "source": source}
    write_labelled(output, data, {**attributes, "training_digest": labels.training_digest})


def _check_labels(outline: Outline, labels: OracleLabels, where: Path) -> None:
    """Make sure that the labels' indices point into this source, by the costs they point at."""
    pairs = [
        (labels.non_preferred_indices, labels.non_preferred_costs),
        (labels.unlabelled_indices, labels.unlabelled_costs),
    ]
    for indices, costs in pairs:
        if not np.array_equal(outline.costs[outline.transition_indices(indices)], costs):
            raise UserError(
                "the oracle labels were drawn from another source file",
                expected="the costs of the trajectories that the labels name",
                found="other costs",
                where=where,
                hint="make the split again",
            )


def read_held_out(path: Path, *, task: Task) -> HeldOut:
    """Read the file that `hold_out` wrote.

    Raises:
        UserError: the file is missing, damaged, of another task, or not a held-out file.
    """
    attributes = read_attributes(path)
    found = attributes.get("format"), attributes.get("task")
    if found != (FORMAT, task.name):
        raise UserError(
            "this is not a held-out file of the task", expected=(FORMAT, task.name), found=found, where=path
        )
    data = read_labelled(path, task=task)
    return HeldOut(
        data=data,
        sets={name: np.flatnonzero(data.provenance[name]) for name in SETS},
        source_indices=data.provenance[_SOURCE_INDEX],
        training_digest=attributes["training_digest"],
    )
