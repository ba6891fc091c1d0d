"""The files that the evaluation of a learned cost leaves for each run: their columns, checks and gathering.

Rows: one for each held-out set and score of a run. Traces: one for each step of the example episodes.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from safemil.errors import UserError
from safemil.files import csv_text, write_text
from safemil.records.episodes import CELL
from safemil.records.parquet_file import read_parquet, write_parquet

_HINT = "score the runs first"

SCORES = ["step_auroc", "step_spearman", "trajectory_auroc", "trajectory_spearman"]
COUNTS = ["n_trajectories", "n_unsafe", "n_transitions", "n_costly"]
RUN = [*CELL, "seed", "step"]
ROW_COLUMNS = [*RUN, "held_out", *COUNTS, "score", "value", "missing"]
TRACE_COLUMNS = [*RUN, "episode", "source_index", "environment_step", "cost", "learned_cost"]

_IDENTITY = {
    **{name: pa.Column(str, pa.Check.str_length(min_value=1)) for name in CELL},
    **{name: pa.Column("int64", pa.Check.ge(0)) for name in ("seed", "step")},
}
ROW_SCHEMA = pa.DataFrameSchema(
    {
        **_IDENTITY,
        "held_out": pa.Column(str),
        **{name: pa.Column("int64", pa.Check.ge(0)) for name in COUNTS},
        "score": pa.Column(str, pa.Check.isin(SCORES)),
        "value": pa.Column("float64", pa.Check.in_range(-1, 1), nullable=True),
        "missing": pa.Column(str),
    },
    checks=pa.Check(
        lambda rows: rows["value"].isna() == (rows["missing"] != ""),
        error="a score has either a value or a reason",
    ),
    strict=True,
    unique=[*CELL, "seed", "held_out", "score"],
)
TRACE_SCHEMA = pa.DataFrameSchema(
    {
        **_IDENTITY,
        "episode": pa.Column(str, pa.Check.isin(["safe", "unsafe"])),
        **{name: pa.Column("int64", pa.Check.ge(0)) for name in ("source_index", "environment_step")},
        "cost": pa.Column("float64", pa.Check.ge(0)),
        "learned_cost": pa.Column("float64"),
    },
    strict=True,
    unique=[*CELL, "seed", "episode", "environment_step"],
)


# As pandas has to read them from CSV; a score of exactly 1 and a task called 1 would be integers otherwise.
_DTYPES = {
    **dict.fromkeys([*CELL, "held_out", "score", "missing"], "str"),
    "value": "float64",
}


def _validated(frame: pd.DataFrame, schema: pa.DataFrameSchema, where: object) -> pd.DataFrame:
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases[["column", "check", "failure_case"]].drop_duplicates()
        raise UserError(
            "these are not the rows of a learned cost",
            expected=f"columns {', '.join(schema.columns)}",
            found="; ".join(" ".join(map(str, case)) for case in failures.head(5).itertuples(index=False)),
            where=where,
        ) from error
    return frame.loc[:, list(schema.columns)]


def write_rows(path: Path, rows: pd.DataFrame) -> None:
    """Check and write the scores of one run as CSV, atomically; columns `ROW_COLUMNS`.

    step is the number of gradient steps; held_out names the set (`safemil.data.held_out`); n_unsafe counts
    its trajectories above the cost limit and n_costly its transitions with a cost; value is a score, empty
    where `missing` says why.

    Raises:
        UserError: the rows do not fit the schema.
    """
    write_text(path, csv_text(_validated(rows, ROW_SCHEMA, path)))


def write_traces(path: Path, traces: pd.DataFrame) -> None:
    """Check and write the example episodes of one run as Parquet, atomically; columns `TRACE_COLUMNS`.

    episode is `safe` or `unsafe`; source_index its place in the source; environment_step counts from 0;
    cost is the true cost of the step, learned_cost the method's.

    Raises:
        UserError: the rows do not fit the schema.
    """
    write_parquet(path, _validated(traces, TRACE_SCHEMA, path))


def write_all_rows(path: Path, rows: pd.DataFrame) -> Path:
    """Check and write the scores of many runs as Parquet, atomically; raises as `write_rows`."""
    return write_parquet(path, _validated(rows, ROW_SCHEMA, path))


def read_all_rows(path: Path) -> pd.DataFrame:
    """Read what `write_all_rows` wrote; raises if it is missing or not valid."""
    return _validated(read_parquet(path, "learned costs", _HINT), ROW_SCHEMA, path)


def read_all_traces(path: Path) -> pd.DataFrame:
    """Read the example episodes of many runs; raises if they are missing or not valid."""
    return _validated(read_parquet(path, "learned costs", _HINT), TRACE_SCHEMA, path)


def gather_rows(paths: Iterable[Path], kept: pd.DataFrame | None = None) -> pd.DataFrame:
    """Read the scores of many runs into one table; `kept` are those of further runs.

    Raises:
        UserError: a file is missing or not valid, rows are repeated, or the rows of a task are not of one
            source, one budget for each method and variant, and the same held-out trajectories.
    """
    rows = _gathered(paths, ROW_SCHEMA, _read_csv, kept)
    _check_same(rows, "source", ["task"])
    _check_same(rows, "step", CELL)
    for name in COUNTS:
        _check_same(rows, name, ["task", "held_out"])
    return rows


def gather_traces(paths: Iterable[Path], kept: pd.DataFrame | None = None) -> pd.DataFrame:
    """Read the example episodes of many runs into one table; `kept` are those of further runs.

    Raises:
        UserError: a file is missing or not valid, rows are repeated, or the runs of a task do not show the
            same episodes.
    """
    traces = _gathered(paths, TRACE_SCHEMA, pd.read_parquet, kept)
    _check_same(traces, "source", ["task"])
    _check_same(traces, "source_index", ["task", "episode"])
    _check_same(traces, "cost", ["task", "episode", "environment_step"])
    return traces


def _gathered(
    paths: Iterable[Path],
    schema: pa.DataFrameSchema,
    read: Callable[[Path], pd.DataFrame],
    kept: pd.DataFrame | None,
) -> pd.DataFrame:
    files = sorted({Path(path) for path in paths})
    missing = [path for path in files if not path.is_file()]
    if missing or (not files and kept is None):
        found = f"{len(missing)} missing, first {missing[0]}" if missing else "none"
        raise UserError("files of learned costs are missing", found=found, hint=_HINT)
    frames = [_validated(_read(path, read), schema, path) for path in files]
    if kept is not None:
        frames.append(_validated(kept, schema, "kept runs"))
    return _validated(pd.concat(frames, ignore_index=True), schema, "all files together")


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=_DTYPES, keep_default_na=False, na_values={"value": ["NaN"]})


def _read(path: Path, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    try:
        return read(path)
    except ValueError as error:
        raise UserError("a file of learned costs cannot be read", found=error, where=path) from error


def _check_same(frame: pd.DataFrame, column: str, group: Sequence[str]) -> None:
    counts = frame.groupby(list(group))[column].nunique()
    if (counts > 1).any():
        raise UserError(
            f"learned costs of different runs do not belong together: {column}",
            expected=f"one {column} for each {', '.join(group)}",
            found=f"{counts.max()} in {counts.idxmax()}",
            hint="score all runs again with one configuration",
        )
