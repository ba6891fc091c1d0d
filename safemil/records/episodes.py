"""The table of episodes: its schema, its files, and the checks that make the rows of many runs comparable.

One row is one evaluation episode (specification: protocol, section 4). All scores, tables and figures
are computed from these rows and from nothing else, so what is wrong here is refused here, by name.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow

from safemil.errors import UserError
from safemil.records.parquet_file import read_parquet, write_parquet

CELL = ["task", "source", "method", "variant"]
KEY = [*CELL, "seed", "step", "episode"]
COLUMNS = [*KEY, "environment_seed", "return", "cost", "length", "run_id"]

# How many offending rows or groups an error message names before it only counts the rest.
SHOWN = 5


def _finite() -> pa.Check:
    return pa.Check(np.isfinite, name="finite", error="finite")


def _text() -> pa.Column:
    return pa.Column(str, pa.Check.str_length(min_value=1))


def _count(minimum: int) -> pa.Column:
    return pa.Column("int64", pa.Check.ge(minimum))


EPISODE_SCHEMA = pa.DataFrameSchema(
    {
        **{name: _text() for name in CELL},
        "seed": _count(0),
        "step": _count(0),
        "episode": _count(0),
        "environment_seed": pa.Column("int64"),
        "return": pa.Column("float64", _finite()),
        "cost": pa.Column("float64", [pa.Check.ge(0), _finite()]),
        "length": _count(1),
        "run_id": _text(),
    },
    strict=True,
    unique=KEY,
)

ARROW_SCHEMA = pyarrow.schema(
    [(name, pyarrow.string()) for name in CELL]
    + [(name, pyarrow.int64()) for name in ("seed", "step", "episode", "environment_seed")]
    + [
        ("return", pyarrow.float64()),
        ("cost", pyarrow.float64()),
        ("length", pyarrow.int64()),
        ("run_id", pyarrow.string()),
    ]
)


def validate_episodes(frame: pd.DataFrame, *, where: object = None) -> pd.DataFrame:
    """Return `frame` with its columns in the schema's order, after checking every row.

    Columns: task, source, method, variant (text); seed; step (gradient steps of the checkpoint, 0 for
    references); episode; environment_seed; return and cost (undiscounted sums of one episode, cost >= 0);
    length (environment steps, > 0); run_id (of the training, or of the reference; joins the table of runs).

    Args:
        frame: the rows of one file, or of many.
        where: the file the rows came from, for the error message.

    Raises:
        UserError: no rows, a missing or unknown column, a wrong type, NaN or infinity, a value out of its
            range, or two rows for the same episode. The message names columns and rows.
    """
    if frame.empty:
        raise UserError("the episode table has no rows", expected="one row per episode", where=where)
    try:
        EPISODE_SCHEMA.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise UserError(
            "the episode rows do not fit the schema",
            expected=f"columns {', '.join(COLUMNS)}; no NaN; one row per episode",
            found="; ".join(_failures(frame, error.failure_cases)),
            where=where,
        ) from error
    return frame.loc[:, COLUMNS]


def _failures(frame: pd.DataFrame, cases: pd.DataFrame) -> Iterator[str]:
    for name, group in cases.groupby(cases["check"].astype(str), sort=True):
        check = str(name)
        if check == "multiple_fields_uniqueness":
            yield f"duplicate rows: {_rows(frame[frame.duplicated(KEY, keep=False)])}"
        elif check == "column_in_schema":
            yield f"unknown column {', '.join(map(str, group['failure_case']))}"
        elif check == "column_in_dataframe":
            yield f"missing column {', '.join(map(str, group['failure_case']))}"
        else:
            yield from _column_failures(check, group)


def _column_failures(check: str, group: pd.DataFrame) -> Iterator[str]:
    for column, failed in group.groupby("column"):
        if check.startswith("dtype"):
            yield f"column {column} is {failed['failure_case'].iloc[0]}, not {check}"
            continue
        kind = "NaN" if check == "not_nullable" else f"not {check}"
        values = zip(failed["index"], failed["failure_case"], strict=True)
        yield f"column {column}, {kind}: {some([f'row {row} ({value})' for row, value in values])}"


def some(items: Sequence[str], separator: str = ", ") -> str:
    """Return the first `SHOWN` items and how many more there are, for messages."""
    left = len(items) - SHOWN
    more = f"{separator.replace(',', '').rstrip()} and {left} more" if left > 0 else ""
    return separator.join(items[:SHOWN]) + more


def _rows(frame: pd.DataFrame) -> str:
    """Name rows by index and key; the index of gathered rows is (file, row)."""
    names = [" row ".join(map(str, i)) if isinstance(i, tuple) else f"row {i}" for i in frame.index]
    keys = ["/".join(map(str, key)) for key in frame[KEY].itertuples(index=False)]
    return some([f"{name} ({key})" for name, key in zip(names, keys, strict=True)])


def write_episodes(path: Path, frame: pd.DataFrame) -> Path:
    """Validate the rows, sort them by their key and write them to a Parquet file, atomically.

    The bytes depend on the rows and the version of Arrow only: not on the order of the rows, the index
    or the time. See `validate_episodes` for the columns.

    Raises:
        UserError: the rows do not fit the schema.
    """
    valid = validate_episodes(frame, where=path).sort_values(KEY)
    return write_parquet(path, valid, ARROW_SCHEMA)


def read_episodes(path: Path) -> pd.DataFrame:
    """Read and validate one file of episode rows.

    Raises:
        UserError: the file is missing, is not a Parquet file, or its rows do not fit the schema.
    """
    return validate_episodes(read_parquet(path, "episode rows", "roll the policy out first"), where=path)


def gather(paths: Iterable[Path], kept: pd.DataFrame | None = None) -> pd.DataFrame:
    """Read many files of episode rows into one table that is safe to compare, sorted by its key.

    Args:
        paths: the files.
        kept: rows of further runs, which are kept in a table.

    Raises:
        UserError: no path is given, a file is missing (all missing ones are named) or not valid, or the
            rows are not comparable (see `check_comparable`). The message names files and rows.
    """
    files = sorted({Path(path) for path in paths})
    if not files and kept is None:
        raise UserError("there are no episode files to gather", expected="at least one file")
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UserError(
            "files of episode rows are missing",
            expected=f"{len(files)} files",
            found=f"{len(missing)} missing: {some(missing)}",
            hint="roll the policies out first",
        )
    frames = {str(path): read_episodes(path) for path in files}
    if kept is not None:
        frames["kept runs"] = validate_episodes(kept, where="kept runs")
    rows = pd.concat(frames, names=["file", "row"])
    check_comparable(rows)
    return rows.sort_values(KEY).reset_index(drop=True)


def check_comparable(frame: pd.DataFrame) -> None:
    """Refuse rows that do not belong in one table.

    Args:
        frame: rows that fit the schema. An index of (file, row) lets the message name files.

    Raises:
        UserError: duplicate rows; more than one source; rows of one seed that come from different runs; an
            episode of a task that started from different environment seeds (common random numbers violated);
            or a cell of task, method and variant whose seeds differ in episodes or gradient steps (mixed
            budgets).
    """
    _check_unique(frame)
    _check_one_source(frame)
    _check_one_run(frame)
    _check_common_random_numbers(frame)
    _check_budgets(frame)


def _check_unique(frame: pd.DataFrame) -> None:
    duplicates = frame[frame.duplicated(KEY, keep=False)].sort_values(KEY)
    if not duplicates.empty:
        raise UserError("duplicate episode rows", expected="one row per episode", found=_rows(duplicates))


def _check_one_source(frame: pd.DataFrame) -> None:
    if frame["source"].nunique() > 1:
        groups = frame.groupby("source", sort=True)
        found = [f"{source}: {len(rows)} rows, first {_rows(rows.head(1))}" for source, rows in groups]
        raise UserError(
            "episode rows of different sources are mixed",
            expected="one source of data per table",
            found="; ".join(found),
            hint="gather each source on its own",
        )


def _check_one_run(frame: pd.DataFrame) -> None:
    cell = [*CELL, "seed"]
    mixed = frame[frame.groupby(cell)["run_id"].transform("nunique") > 1]
    if not mixed.empty:
        firsts = mixed.drop_duplicates([*cell, "run_id"]).sort_values([*cell, "run_id"])
        found = [f"run {id_}: {_rows(firsts.iloc[[i]])}" for i, id_ in enumerate(firsts["run_id"])]
        raise UserError(
            "episode rows of one seed come from different runs",
            expected="one run for each task, method, variant and seed",
            found=some(found),
            hint="code, data or settings have changed in between: roll the present policies out again",
        )


def _check_common_random_numbers(frame: pd.DataFrame) -> None:
    seeds = frame.groupby(["task", "episode"])["environment_seed"].transform("nunique")
    if (seeds > 1).any():
        groups = frame[seeds > 1].groupby(["task", "episode"], sort=True)
        found = [f"{task} episode {episode}: {_environment_seeds(rows)}" for (task, episode), rows in groups]
        raise UserError(
            "an episode did not start from the same environment seed everywhere",
            expected="one environment seed per task and episode, for every method, variant and seed",
            found=some(found),
            hint="roll these policies out again with the same list of environment seeds",
        )


def _environment_seeds(rows: pd.DataFrame) -> str:
    firsts = rows.drop_duplicates("environment_seed")
    seeds = firsts["environment_seed"]
    return " but ".join(f"{seed} in {_rows(firsts.iloc[[i]])}" for i, seed in enumerate(seeds.head(2)))


def _check_budgets(frame: pd.DataFrame) -> None:
    """Compare the whole list of (step, episodes) of each seed, so that learning curves pass too."""
    episodes = frame.groupby([*CELL, "seed", "step"])["episode"].agg(["size", "min", "max"]).reset_index()
    episodes["budget"] = [
        f"step {step}: {size} episodes ({low} to {high})"
        for step, size, low, high in episodes[["step", "size", "min", "max"]].itertuples(index=False)
    ]
    budgets = episodes.groupby([*CELL, "seed"])["budget"].agg(", ".join).reset_index()
    mixed = budgets[budgets.groupby(CELL)["budget"].transform("nunique") > 1]
    if not mixed.empty:
        found = [
            f"{task}/{method}/{variant} seed {seed} has {budget}"
            for task, _, method, variant, seed, budget in mixed.itertuples(index=False)
        ]
        raise UserError(
            "the seeds of one method have different budgets",
            expected="the same gradient steps and episodes for every seed of a task, method and variant",
            found=some(found),
            hint="finish the missing seeds, or leave out those of an older run",
        )


def final_checkpoint(episodes: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last gradient step of each task, method and variant (drops curve points)."""
    last = episodes.groupby(CELL)["step"].transform("max")
    return episodes[episodes["step"] == last].reset_index(drop=True)
