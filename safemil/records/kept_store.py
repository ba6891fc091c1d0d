"""The tables of kept runs: what a folder `kept` holds, and whether it is whole.

    runs.parquet                  a row per run: its record, what decided its numbers, digests of its rows
    episodes.parquet, ...         the rows of all runs, as in the table of that name in the run's folder
    cards.parquet                 the data cards: a row per file

runs.parquet is written last and has the digest of every other file. So a whole folder is known at a glance,
without pandas; only of one that is not, the rows are looked at.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow
from pyarrow import parquet

from safemil.errors import UserError
from safemil.files import replacing, sha256

if TYPE_CHECKING:
    import pandas as pd

RUN = ["task", "source", "method", "variant", "seed"]
RUNS, CARDS = "runs", "cards"
ROWS = ("episodes", "curve_episodes", "losses", "learned_cost", "learned_cost_traces")

Key = tuple[str, str, str, str, int]

_SCHEMA = pyarrow.schema(
    [(name, pyarrow.int64() if name == "seed" else pyarrow.string()) for name in RUN]
    + [("record", pyarrow.string()), ("peak_memory_mb", pyarrow.float64())]
    + [(name, pyarrow.string()) for name in ("origin", "rows")]
)
_CARDS = pyarrow.schema(
    [*((name, pyarrow.string()) for name in ("task", "origin", "path")), ("content", pyarrow.binary())]
)


@dataclass(frozen=True)
class KeptRun:
    """A run that is kept.

    Attributes:
        key: task, source, method, variant and seed.
        record: the text of its run.json; empty for a reference.
        peak_memory_mb: of its training; NaN if unknown.
        origin: what decided its numbers, as JSON.
        rows: digest of its rows in each table that has some, by the table's name.
    """

    key: Key
    record: str
    peak_memory_mb: float
    origin: str
    rows: Mapping[str, str]


@dataclass(frozen=True)
class Card:
    """A file that describes a task's data.

    Attributes:
        task: which task.
        origin: what decided the data, as JSON.
        path: where it belongs, below the project.
        content: its bytes.
    """

    task: str
    origin: str
    path: str
    content: bytes


def table_path(directory: Path, name: str) -> Path:
    """Return where a table of kept runs lies."""
    return directory / f"{name}.parquet"


def read_kept(directory: Path) -> tuple[list[KeptRun], set[str]]:
    """Return the kept runs, and the names of the tables that are missing or not the ones written with them.

    Raises:
        UserError: the table of runs is not one.
    """
    path = table_path(directory, RUNS)
    if not path.is_file():
        return [], set()
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
        files: dict[str, str] = json.loads(table.schema.metadata[b"files"])
        rows = table.cast(_SCHEMA).to_pylist()
    except (pyarrow.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(
            "the table of kept runs cannot be read",
            found=error,
            where=path,
            hint="get it again from the repository, or remove the folder: all runs are made then",
        ) from error
    damaged = {name for name, digest in files.items() if _digest(table_path(directory, name)) != digest}
    return [_kept_run(row) for row in rows], damaged


def _kept_run(row: Mapping[str, object]) -> KeptRun:
    task, source, method, variant, seed = (row[name] for name in RUN)
    key = (str(task), str(source), str(method), str(variant), int(str(seed)))
    memory = float("nan") if row["peak_memory_mb"] is None else float(str(row["peak_memory_mb"]))
    return KeptRun(key, str(row["record"]), memory, str(row["origin"]), json.loads(str(row["rows"])))


def _digest(path: Path) -> str:
    return sha256(path) if path.is_file() else ""


def read_rows(directory: Path, name: str, keys: Iterable[Key]) -> "pd.DataFrame":
    """Return the rows of some runs in a table of kept runs.

    Args:
        directory: the folder.
        name: of the table; `runs` for what `record_table` knows of a run.
        keys: which runs.

    Raises:
        UserError: the table is missing, or is no Parquet file.
    """
    from safemil.records.parquet_file import read_parquet

    rows = read_parquet(table_path(directory, name), "kept runs", "get it from the repository again")
    wanted = set(keys)
    return rows[[key in wanted for key in rows[RUN].itertuples(index=False, name=None)]]


def row_digests(rows: "pd.DataFrame") -> dict[Key, str]:
    """Return a digest of each run's rows, in their order."""
    return {
        key: hashlib.sha256(each.to_csv(index=False).encode()).hexdigest()[:16]  # type: ignore[misc]
        for key, each in rows.groupby(RUN)
    }


def damaged_runs(directory: Path, runs: Iterable[KeptRun], tables: Iterable[str]) -> set[Key]:
    """Return the runs whose rows in these tables are not those that were written, or are missing."""
    runs = list(runs)
    found = set()
    for name in tables:
        if name not in ROWS:
            continue
        try:
            digests = row_digests(read_rows(directory, name, [run.key for run in runs]))
        except UserError:  # all of its runs are damaged
            digests = {}
        found |= {run.key for run in runs if run.rows.get(name) != digests.get(run.key)}
    return found


def write_kept(
    directory: Path, runs: Iterable[KeptRun], rows: Mapping[str, "pd.DataFrame"], cards: Iterable[Card]
) -> None:
    """Write all tables; that of the runs last.

    Args:
        directory: the folder.
        runs: every run; the digests of their rows are computed here.
        rows: of all runs, by the table's name.
        cards: of every task's data.
    """
    from safemil.records.parquet_file import write_parquet

    digests = {name: row_digests(frame) for name, frame in rows.items() if not frame.empty}
    for name in digests:
        write_parquet(table_path(directory, name), rows[name].reset_index(drop=True))
    ordered = sorted(cards, key=lambda card: card.path)
    table = pyarrow.Table.from_pylist([vars(card) for card in ordered], schema=_CARDS)
    _write(table_path(directory, CARDS), table)
    files = {name: sha256(table_path(directory, name)) for name in (*digests, CARDS)}
    written = [
        {
            **dict(zip(RUN, run.key, strict=True)),
            "record": run.record,
            "peak_memory_mb": run.peak_memory_mb,
            "origin": run.origin,
            "rows": json.dumps({name: each[run.key] for name, each in digests.items() if run.key in each}),
        }
        for run in sorted(runs, key=lambda run: run.key)
    ]
    table = pyarrow.Table.from_pylist(written, schema=_SCHEMA)
    _write(table_path(directory, RUNS), table.replace_schema_metadata({"files": json.dumps(files)}))


def read_cards(directory: Path) -> list[Card]:
    """Return the kept data cards; none where the file is missing or damaged."""
    try:
        with parquet.ParquetFile(table_path(directory, CARDS)) as file:
            return [Card(**row) for row in file.read().cast(_CARDS).to_pylist()]
    except (pyarrow.ArrowException, ValueError, OSError):
        return []


def _write(path: Path, table: pyarrow.Table) -> None:
    with replacing(path) as part:
        parquet.write_table(table, part, compression="zstd")
