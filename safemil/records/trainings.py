"""The table of runs: one row per training, from its run.json, joined to episodes by the run's id.

References that are rolled out without a training, and programs of the user's own, have no row: their ids
are in the episodes alone.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pydantic import BaseModel

from safemil.errors import UserError
from safemil.records.parquet_file import read_parquet, write_parquet
from safemil.records.training_records import record_of

KEY = ["task", "source", "method", "variant", "seed"]

_TEXT = ("task", "source", "method", "kind", "variant", "training", "settings", "estimates")
_DIGESTS = ("data_sha256", "code", "commit", "versions")
_COUNTS = ("policy_steps", "pretraining_steps", "transitions_per_step", "parameters")
_LAST_SITTING = ("resumed_from_step", "timed_steps")


def _text() -> pa.Column:
    return pa.Column(str, pa.Check.str_length(min_value=1))


RUN_SCHEMA = pa.DataFrameSchema(
    {
        "run_id": pa.Column(str, pa.Check.str_length(min_value=1), unique=True),
        **{name: _text() for name in (*_TEXT, *_DIGESTS)},
        "labels_sha256": pa.Column(str),  # empty for learners, which are given no labels
        **{name: pa.Column("int64", pa.Check.ge(0)) for name in ("seed", *_COUNTS, *_LAST_SITTING)},
        "seconds": pa.Column("float64", pa.Check.ge(0)),
    },
    strict=True,
    unique=KEY,
)
COLUMNS = [
    *["run_id", "task", "source", "method", "kind", "variant", "seed", *_COUNTS],
    *["training", "settings", "estimates", "data_sha256", "labels_sha256", "code", "commit", "versions"],
    *["seconds", *_LAST_SITTING],
]


class _Timing(BaseModel):
    seconds: float
    steps: int
    resumed_from_step: int


class _Record(BaseModel):
    """What this table takes from run.json."""

    run_id: str
    task: str
    source: str
    method: str
    kind: str
    variant: str
    seed: int
    pretraining_steps: int
    transitions_per_policy_step: int
    parameters: dict[str, int]
    training: dict[str, Any]
    settings: dict[str, Any]
    estimates: dict[str, float]
    data: dict[str, Any]
    code: str
    commit: str
    versions: dict[str, str]
    timing: _Timing


def runs_of(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row per training, sorted by task, source, method, variant and seed.

    Args:
        records: the text of each run.json, as from `record_table.gather_record_table`.

    Columns: run_id; the key; kind; policy_steps, pretraining_steps, transitions_per_step; parameters (of all
    networks); training, settings, estimates, versions (JSON); data_sha256; labels_sha256 (empty for
    learners); code (digest); commit; seconds, timed_steps and resumed_from_step of the run's last sitting.

    Raises:
        UserError: a record is missing or not valid, two are of the same run, or the runs of a task were
            trained on different data.
    """
    texts = records[["record", *KEY]].to_dict("records")
    rows = pd.DataFrame([_row(record_of(row["record"], _Record, _name(row))) for row in texts])
    runs = validate_runs(rows).sort_values(KEY).reset_index(drop=True)
    _check_one_data_set(runs)
    return runs


def _check_one_data_set(runs: pd.DataFrame) -> None:
    """Refuse a task whose runs are of different training data, bit for bit.

    Collecting gives other bits on another processor or with another version of the simulator, so that runs
    which were kept elsewhere (`safemil.plan.kept`) and runs made here may differ in their data.
    """
    for task, rows in runs.groupby("task"):
        first = rows.drop_duplicates("data_sha256")
        if len(first) > 1:
            names = [
                f"{run['method']}/{run['variant']} seed {run['seed']}" for run in first.to_dict("records")
            ]
            raise UserError(
                f"runs on {task} were trained on different data",
                expected="one training file, bit for bit, for all methods and seeds of a task",
                found=f"{len(first)}, the first of {' and of '.join(names)}",
                hint="move the folder of kept runs away, and all runs are made on the data of this machine",
            )


def _name(row: Mapping[Any, Any]) -> str:
    return "the record of {task}/{method}/{variant} seed {seed}".format(**row)


def _row(record: _Record) -> dict[str, Any]:
    return {
        **record.model_dump(include={"run_id", "kind", "pretraining_steps", "code", "commit", *KEY}),
        "policy_steps": record.training["steps"],
        "transitions_per_step": record.transitions_per_policy_step,
        "parameters": sum(record.parameters.values()),
        **{name: _json(getattr(record, name)) for name in ("training", "settings", "estimates", "versions")},
        "data_sha256": record.data["sha256"],
        "labels_sha256": record.data.get("labels_sha256", ""),
        "seconds": record.timing.seconds,
        "timed_steps": record.timing.steps,
        "resumed_from_step": record.timing.resumed_from_step,
    }


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def validate_runs(frame: pd.DataFrame, *, where: object = None) -> pd.DataFrame:
    """Return `frame` with its columns in the schema's order, after checking every row.

    Raises:
        UserError: a column is missing, unknown or of a wrong type, or two rows are of the same run.
    """
    try:
        RUN_SCHEMA.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "check"])
        found = [f"{case.column}: {case.check} ({case.failure_case})" for case in cases.itertuples()]
        raise UserError(
            "the rows of the table of runs do not fit the schema",
            expected=f"columns {', '.join(COLUMNS)}; one row per run",
            found="; ".join(found),
            where=where,
        ) from error
    return frame.loc[:, COLUMNS]


def write_runs(path: Path, frame: pd.DataFrame) -> Path:
    """Validate the rows, sort them by their key and write them to a Parquet file, atomically."""
    rows = validate_runs(frame, where=path).sort_values(KEY)
    return write_parquet(path, rows)


def read_runs(path: Path) -> pd.DataFrame:
    """Read and validate a table of runs.

    Raises:
        UserError: the file is missing, is not a Parquet file, or its rows do not fit the schema.
    """
    return validate_runs(read_parquet(path, "runs", "make it: safemil gather runs"), where=path)


def join_runs(episodes: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return each episode with what the table of runs says of its run.

    Rows without a training, such as those of references, have nothing there.

    Raises:
        UserError: an episode and the row of its run disagree on whose they are, or no row fits at all.
    """
    counts = runs.select_dtypes("int64").columns
    nullable = runs.astype(dict.fromkeys(counts, "Int64"))  # counts stay whole numbers beside missing ones
    joined = episodes.merge(
        nullable, on="run_id", how="left", suffixes=("", "_of_run"), validate="many_to_one"
    )
    known = joined["kind"].notna()
    others = [f"{name}_of_run" for name in KEY]
    keys, keys_of_run = (joined[names].astype(str).to_numpy() for names in (KEY, others))
    differ = known & (keys != keys_of_run).any(axis=1)
    if differ.any() or not known.any():
        first = joined[differ if differ.any() else ~known].iloc[0]
        raise UserError(
            "episodes and runs do not belong together",
            expected="a run id that stands for the same run in both tables",
            found=f"{first['run_id']}: {'/'.join(str(first[name]) for name in KEY)} in the episodes, "
            f"{'/'.join(str(first[name]) for name in others)} in the runs",
            hint="gather both from one set of runs",
        )
    return joined.drop(columns=others)
