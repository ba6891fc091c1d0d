"""Makes the data cards: of a collected file, and of a split. Nothing that decides numbers comes by here."""

from pathlib import Path

import numpy as np

from safemil.data.card import SourceFile, source_card, split_card, write_card
from safemil.data.card_plot import plot_source, plot_split
from safemil.data.dsrl_table import DSRL_TABLE
from safemil.data.hdf5 import read_attributes, read_outline
from safemil.data.prepare import SplitSource, draw_split
from safemil.data.separability import separability
from safemil.data.split import SplitSettings
from safemil.data.stripped import TrainingData, read_training_file
from safemil.errors import UserError
from safemil.tasks import Task


def make_source_card(task: Task, data_path: Path, directory: Path) -> None:
    """Describe a collected file: counts, quantiles, provenance, versions and a picture.

    Args:
        task: which task the file must be of.
        data_path: an HDF5 file in DSRL's form.
        directory: gets card.json, card.md and card.png.

    Raises:
        UserError: the file is not usable.
    """
    outline, attributes = read_outline(data_path, task=task), read_attributes(data_path)
    title = f"{task.paper_name}, collected: {outline.n_trajectories} trajectories"
    card = source_card(outline, task=task.name, source="collected", attributes=attributes)
    write_card(directory, card, plot_source(outline.returns, outline.episode_costs, title))


def make_split_card(
    task: Task,
    source: str,
    source_path: Path,
    settings: SplitSettings,
    *,
    training_path: Path,
    directory: Path,
    dsrl_table: Path = DSRL_TABLE,
) -> None:
    """Describe a split: what was filtered, drawn, and how well single pairs tell the classes apart.

    Args:
        task: which task the files must be of.
        source: name of the source.
        source_path: the labelled file that was split; it is split again here.
        settings: the split.
        training_path: the stripped file that was made of it.
        directory: gets card.json, card.md and card.png.
        dsrl_table: the table of published files.

    Raises:
        UserError: a file is not usable, or the stripped file is not of this split.
    """
    found = draw_split(task, source, source_path, settings, dsrl_table)
    data = read_training_file(task.name, training_path).data
    _check_same_split(found, data, training_path)
    outline, built = found.outline, found.built
    card = split_card(
        outline,
        built,
        settings,
        task=task.name,
        source=source,
        source_file=SourceFile(
            name=source_path.name, sha256=found.checked.sha256, licence=found.checked.licence
        ),
        separability=_separability(data, found, settings.seed),
    )
    title = f"{task.paper_name}, {source}: D_N and D_U (data seed {settings.seed})"
    write_card(directory, card, plot_split(outline.returns, outline.episode_costs, built, title))


def _check_same_split(found: SplitSource, data: TrainingData, where: Path) -> None:
    split, lengths = found.built.split, found.outline.lengths
    for drawn, stripped in (
        (split.non_preferred, data.non_preferred),
        (split.unlabelled, data.unlabelled),
    ):
        if not np.array_equal(lengths[drawn], stripped.lengths):
            raise UserError(
                "the stripped file is of another split",
                expected=f"{len(drawn)} trajectories as drawn from the source",
                found=f"{stripped.n_trajectories}, or others",
                where=where,
                hint="split the source again",
            )


def _separability(data: TrainingData, found: SplitSource, seed: int) -> float | None:
    """How well single state-action pairs tell D_N from the preferred part of D_U; None if that is empty."""
    preferred = np.flatnonzero(found.built.split.unlabelled_is_preferred)
    if len(preferred) < 2 or data.non_preferred.n_trajectories < 2:
        return None
    generator = np.random.default_rng([seed, 1])
    return separability(data.non_preferred, data.unlabelled, generator, preferred=preferred)
