"""From one labelled file to the stripped training file, the oracle labels and the data card of a split.

The split is decided by the file's outline (rewards, costs and ends); then the drawn trajectories are read,
and no others. So a file of a gigabyte needs little more memory than what is kept of it.
"""

from pathlib import Path

import numpy as np

from safemil.data.card import SourceFile, split_card, write_card
from safemil.data.card_plot import plot_split
from safemil.data.dsrl_table import DSRL_TABLE
from safemil.data.hdf5 import read_outline, read_sets
from safemil.data.labels import strip, write_oracle_labels
from safemil.data.separability import separability
from safemil.data.source_checks import check_source
from safemil.data.split import BuiltSplit, SplitSettings, build_split
from safemil.data.stripped import TrainingData, TrainingMetadata, write_training_data
from safemil.errors import UserError
from safemil.tasks import Task


def prepare(
    task: Task,
    source: str,
    source_path: Path,
    settings: SplitSettings,
    *,
    training_path: Path,
    labels_path: Path,
    card_directory: Path,
    dsrl_table: Path = DSRL_TABLE,
) -> None:
    """Filter, draw D_N and D_U, strip them, and write the three outputs.

    Args:
        task: which task the file must be of.
        source: name of the source: decides what is checked, and is recorded.
        source_path: an HDF5 file in DSRL's form.
        settings: the split.
        training_path: gets D_N and D_U without labels.
        labels_path: gets their labels, for oracles and diagnostics only.
        card_directory: gets card.json, card.md and card.png.
        dsrl_table: the table of published files.

    Raises:
        UserError: the file is not usable, or too few trajectories are left.
    """
    outline = read_outline(source_path, task=task)
    checked = check_source(source, source_path, task, outline, dsrl_table)
    returns, costs = outline.returns, outline.episode_costs
    try:
        built = build_split(returns, costs, settings, np.random.default_rng(settings.seed))
    except UserError as error:
        raise UserError(f"{task.name} from {source}: {error}", where=source_path) from error
    non_preferred, unlabelled = read_sets(
        source_path, outline, [built.split.non_preferred, built.split.unlabelled]
    )
    training_data, labels = strip(non_preferred, unlabelled, built.split)
    write_training_data(training_path, training_data, TrainingMetadata(task=task.name, source=source))
    write_oracle_labels(labels_path, labels)
    card = split_card(
        outline,
        built,
        settings,
        task=task.name,
        source=source,
        source_file=SourceFile(name=source_path.name, sha256=checked.sha256, licence=checked.licence),
        separability=_separability(training_data, built, settings),
    )
    title = f"{task.paper_name}, {source}: D_N and D_U (data seed {settings.seed})"
    write_card(card_directory, card, plot_split(returns, costs, built, title))


def _separability(data: TrainingData, built: BuiltSplit, settings: SplitSettings) -> float | None:
    """How well single state-action pairs tell D_N from the preferred part of D_U; None if that is empty."""
    preferred = np.flatnonzero(built.split.unlabelled_is_preferred)
    if len(preferred) < 2 or data.non_preferred.n_trajectories < 2:
        return None
    generator = np.random.default_rng([settings.seed, 1])
    return separability(data.non_preferred, data.unlabelled, generator, preferred=preferred)
