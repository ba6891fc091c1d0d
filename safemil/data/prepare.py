"""From one labelled file to the stripped training file, the oracle labels and the data card of a split."""

from pathlib import Path

import numpy as np

from safemil.data.card import split_card, write_card
from safemil.data.card_plot import plot_split
from safemil.data.hdf5 import read_labelled
from safemil.data.labels import strip, write_oracle_labels
from safemil.data.separability import separability
from safemil.data.split import BuiltSplit, SplitSettings, build_split
from safemil.data.stripped import TrainingMetadata, write_training_data
from safemil.data.trajectories import LabelledTrajectories
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
) -> None:
    """Filter, draw D_N and D_U, strip them, and write the three outputs.

    Args:
        task: which task the file must be of.
        source: name of the source, for the record.
        source_path: an HDF5 file in DSRL's form.
        settings: the split.
        training_path: gets D_N and D_U without labels.
        labels_path: gets their labels, for oracles and diagnostics only.
        card_directory: gets card.json, card.md and card.png.

    Raises:
        UserError: the file is not usable, or too few trajectories are left.
    """
    data = read_labelled(source_path, task=task)
    try:
        built = build_split(data.returns, data.episode_costs, settings, np.random.default_rng(settings.seed))
    except UserError as error:
        raise UserError(f"{task.name} from {source}: {error}", where=source_path) from error
    training_data, labels = strip(data, built.split)
    write_training_data(training_path, training_data, TrainingMetadata(task=task.name, source=source))
    write_oracle_labels(labels_path, labels)
    card = split_card(
        data,
        built,
        settings,
        task=task.name,
        source=source,
        separability=_separability(data, built, settings),
    )
    title = f"{task.paper_name}, {source}: D_N and D_U (data seed {settings.seed})"
    write_card(card_directory, card, plot_split(data.returns, data.episode_costs, built, title))


def _separability(data: LabelledTrajectories, built: BuiltSplit, settings: SplitSettings) -> float | None:
    """How well single state-action pairs tell D_N from the preferred part of D_U; None if that is empty."""
    preferred = built.split.unlabelled[built.split.unlabelled_is_preferred]
    if len(preferred) < 2 or len(built.split.non_preferred) < 2:
        return None
    trajectories = data.unlabelled()
    generator = np.random.default_rng([settings.seed, 1])
    return separability(
        trajectories.select(built.split.non_preferred), trajectories.select(preferred), generator
    )
