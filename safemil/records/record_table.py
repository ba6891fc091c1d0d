"""The records of many runs in one table: the text of each run.json, and how much memory the run took."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from safemil.records.parquet_file import read_parquet, write_parquet
from safemil.records.training_records import (
    ProgramRecord,
    RunRecord,
    read_peak_memory,
    record_of,
    record_text,
    run_record_of,
)

RUN = ["task", "source", "method", "variant", "seed"]
COLUMNS = [*RUN, "record", "peak_memory_mb"]


class _Key(BaseModel):
    task: str
    source: str
    method: str
    variant: str
    seed: int


def gather_record_table(runs: Iterable[tuple[Path, Path]], kept: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row per run, sorted by run.

    Args:
        runs: run.json and Snakemake's benchmark of each; the latter may be missing.
        kept: rows of further runs.

    Returns:
        Columns `COLUMNS`; record is the text of run.json, peak_memory_mb NaN where unknown.
    """
    rows = [_row(record, read_peak_memory(benchmark)) for record, benchmark in runs]
    frames = [pd.DataFrame(rows, columns=COLUMNS)] if rows else []
    if kept is not None:
        frames.append(kept[COLUMNS])
    return pd.concat(frames).sort_values(RUN, ignore_index=True)


def _row(path: Path, memory: float) -> dict[str, object]:
    text = record_text(path)
    return {**record_of(text, _Key, path).model_dump(), "record": text, "peak_memory_mb": memory}


def records_of(table: pd.DataFrame) -> list[tuple[RunRecord | ProgramRecord, float]]:
    """Return the record of each row of the table, with its peak memory in MB."""
    return [
        (run_record_of(text, "the record of a gathered run"), float(memory))
        for text, memory in table[["record", "peak_memory_mb"]].itertuples(index=False, name=None)
    ]


def write_record_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a table of records."""
    return write_parquet(path, table)


def read_record_table(path: Path) -> pd.DataFrame:
    """Read a table of records; raises as `read_parquet`."""
    return read_parquet(path, "records of runs", "train the runs first")
