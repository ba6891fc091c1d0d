"""What trainings logged, of many runs in one table: a row for each value that a row of train.csv holds."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from safemil.errors import UserError
from safemil.records.parquet_file import read_parquet, write_parquet

RUN = ["task", "source", "method", "variant", "seed"]
COLUMNS = [*RUN, "row", "step", "name", "value"]
Key = tuple[str, str, str, str, int]

_HINT = "train the run again"


def read_log(path: Path, key: Key) -> pd.DataFrame:
    """Read the train.csv of one run.

    Args:
        path: the file.
        key: task, source, method, variant and seed.

    Returns:
        Columns `COLUMNS`: row counts the rows of the log, step is the policy's; name and value, NaN where the
        log has none, of every other column in its order.

    Raises:
        UserError: it is no log, or has no row.
    """
    try:
        log = pd.read_csv(path)
        if log.empty or "step" not in log:
            raise ValueError(f"{len(log)} rows with columns {', '.join(log.columns)}")
    except (OSError, ValueError) as problem:
        raise UserError(
            "not the log of a training",
            expected="a CSV file with a row for every so many steps",
            found=problem,
            where=path,
            hint=_HINT,
        ) from problem
    log.insert(0, "row", range(len(log)))
    rows = log.melt(["row", "step"], var_name="name").astype({"value": "float64"})
    parts: list[str | int] = list(key)
    for name, part in zip(RUN, parts, strict=True):
        rows[name] = part
    return rows.sort_values("row", kind="stable", ignore_index=True)[COLUMNS]


def gather_losses(logs: Iterable[tuple[Path, Key]], kept: pd.DataFrame | None) -> pd.DataFrame:
    """Return the logs of many runs, each with its key, and those that are kept, sorted by run."""
    frames = [read_log(path, key) for path, key in logs]
    frames += [] if kept is None else [kept[COLUMNS]]
    return pd.concat(frames).sort_values(RUN, kind="stable", ignore_index=True)


def write_losses(path: Path, losses: pd.DataFrame) -> Path:
    """Write a table of logs."""
    return write_parquet(path, losses)


def read_losses(path: Path) -> pd.DataFrame:
    """Read a table of logs; raises as `read_parquet`."""
    return read_parquet(path, "losses", _HINT)[COLUMNS]
