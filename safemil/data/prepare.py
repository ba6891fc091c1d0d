"""From one labelled file to the stripped training file and the oracle labels of a split.

The split is decided by the file's outline (rewards, costs and ends); then the drawn trajectories are read,
and no others. So a file of a gigabyte needs little more memory than what is kept of it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safemil.data.dsrl_table import DSRL_TABLE
from safemil.data.hdf5 import read_outline, read_sets
from safemil.data.labels import strip, write_oracle_labels
from safemil.data.outline import Outline
from safemil.data.source_checks import CheckedFile, check_source
from safemil.data.split import BuiltSplit, SplitSettings, build_split
from safemil.data.stripped import TrainingMetadata, write_training_data
from safemil.errors import UserError
from safemil.tasks import Task


@dataclass(frozen=True, eq=False)
class SplitSource:
    """A labelled file that has been looked at, and the split that its settings draw from it.

    Attributes:
        outline: rewards, costs and ends of the file.
        checked: digest and licence of the file.
        built: what the filter left, the classes, and what was drawn.
    """

    outline: Outline
    checked: CheckedFile
    built: BuiltSplit


def draw_split(
    task: Task, source: str, source_path: Path, settings: SplitSettings, dsrl_table: Path = DSRL_TABLE
) -> SplitSource:
    """Check a labelled file, filter its trajectories and draw D_N and D_U.

    Args:
        task: which task the file must be of.
        source: name of the source: decides what is checked, and is recorded.
        source_path: an HDF5 file in DSRL's form.
        settings: the split; its seed alone decides what is drawn from one file.
        dsrl_table: the table of published files.

    Raises:
        UserError: the file is not usable, or too few trajectories are left.
    """
    outline = read_outline(source_path, task=task)
    checked = check_source(source, source_path, task, outline, dsrl_table)
    generator = np.random.default_rng(settings.seed)
    try:
        built = build_split(outline.returns, outline.episode_costs, settings, generator)
    except UserError as error:
        raise UserError(f"{task.name} from {source}: {error}", where=source_path) from error
    return SplitSource(outline, checked, built)


def prepare(
    task: Task,
    source: str,
    source_path: Path,
    settings: SplitSettings,
    *,
    training_path: Path,
    labels_path: Path,
    dsrl_table: Path = DSRL_TABLE,
) -> None:
    """Draw D_N and D_U (`draw_split`), strip them, and write both files.

    Args:
        task: which task the file must be of.
        source: name of the source.
        source_path: an HDF5 file in DSRL's form.
        settings: the split.
        training_path: gets D_N and D_U without labels.
        labels_path: gets their labels, for oracles and diagnostics only.
        dsrl_table: the table of published files.

    Raises:
        UserError: the file is not usable, or too few trajectories are left.
    """
    found = draw_split(task, source, source_path, settings, dsrl_table)
    split = found.built.split
    non_preferred, unlabelled = read_sets(source_path, found.outline, [split.non_preferred, split.unlabelled])
    training_data, labels = strip(non_preferred, unlabelled, split)
    write_training_data(training_path, training_data, TrainingMetadata(task=task.name, source=source))
    write_oracle_labels(labels_path, labels)
