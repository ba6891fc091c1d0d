"""Writes the tables of episodes and of runs as CSV, for programs that read no Parquet."""

from pathlib import Path

import pandas as pd
import pyarrow
from pyarrow import parquet

from safemil.errors import UserError
from safemil.files import write_text
from safemil.records.episodes import read_episodes
from safemil.records.trainings import join_runs, read_runs


def export_csv(table: Path, output: Path, runs: Path | None = None) -> Path:
    """Write a table of episodes or of runs as CSV; every number reads back as the same number.

    Args:
        table: Parquet file of episodes or of runs; which of them, its columns say.
        output: the CSV file; missing values are empty.
        runs: table of runs to join to the episodes by the run's id.

    Raises:
        UserError: a file is missing or not valid, or the runs do not fit the episodes.
    """
    if "episode" in _columns(table):
        frame = read_episodes(table)
        frame = frame if runs is None else join_runs(frame, read_runs(runs))
    elif runs is None:
        frame = read_runs(table)
    else:
        raise UserError("runs can be joined to episodes only", expected="a table of episodes", where=table)
    return write_text(output, csv_of(frame))


def csv_of(frame: pd.DataFrame) -> str:
    """Return a frame as CSV with Unix line ends; the shortest digits that give the same number back."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def _columns(table: Path) -> list[str]:
    if not table.is_file():
        raise UserError("no table here", expected="a Parquet file", found="no such file", where=table)
    try:
        names: list[str] = parquet.read_schema(table).names
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError("the table cannot be read", found=error, where=table) from error
    return names
