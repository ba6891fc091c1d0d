"""What is finished so far of the runs of a configuration, and what lies there that is not what it asks for.

`check_complete` refuses a table that is not whole. Here a run may be missing; but what is there is held to
the same checks, and to its own record, so that nothing of an older configuration is taken for a new one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from safemil.errors import UserError
from safemil.files import sha256
from safemil.methods.budget import INDECISIVE
from safemil.records.episodes import CELL, SHOWN, gather, read_episodes
from safemil.records.expected import WantedRun
from safemil.records.identity import recorded_run_id, run_id

FINISHED, NOT_FINISHED, LEFT_OUT = "finished", "not finished", "left out"

RUN = [*CELL, "seed"]
STATUS_COLUMNS = [*RUN, "status", "reason", "code"]


@dataclass(frozen=True)
class FinishedRuns:
    """The finished runs of a configuration.

    Attributes:
        episodes: their rows, as from `gather`.
        status: one row per configured run, columns `STATUS_COLUMNS`: status is finished, not finished or
            left out, reason why it was left out, code the digest of the code that trained it, if any.
    """

    episodes: pd.DataFrame
    status: pd.DataFrame


def gather_finished(
    wanted: Sequence[WantedRun],
    kept: pd.DataFrame | None = None,
    codes: Mapping[tuple[str, str, str, str, int], str] | None = None,
) -> FinishedRuns:
    """Return the episodes of the runs that are finished, and the status of all.

    A run is finished if it has a file of episodes. It is left out if that file does not fit the schema, holds
    other rows than the run's with the configured budget, or if run.json is missing, states other settings,
    other data or another run id than the episodes; of a reference, if it was rolled out from other files.

    Args:
        wanted: every run of the configuration.
        kept: episodes of runs that are finished elsewhere and count as finished here.
        codes: the digest of the code that trained each of these, by the run's key.

    Raises:
        UserError: no run is finished, or the finished ones are not comparable (`check_comparable`).
    """
    known = codes or {}
    rows = [_kept_status(run, known[run.run.key]) if run.run.key in known else _status(run) for run in wanted]
    status = pd.DataFrame(rows, columns=STATUS_COLUMNS)
    is_finished = status["status"] == FINISHED
    if not is_finished.any():
        reasons = [f"; {line}" for line in left_out_lines(status)[:SHOWN]]
        raise UserError(
            "no run of this configuration is finished",
            expected=f"episodes of at least one of {len(wanted)} runs",
            found=f"0 finished, {(status['status'] == LEFT_OUT).sum()} left out{''.join(reasons)}",
            hint="snakemake --cores all all, and ask again later",
        )
    finished = [run for run, is_one in zip(wanted, is_finished, strict=True) if is_one]
    files = [run.episodes for run in finished if run.run.key not in known]
    return FinishedRuns(gather(files, kept), status)


def check_records(wanted: Sequence[WantedRun]) -> None:
    """Make sure that the records of trainings state the settings and the data that are asked for.

    A record may be older than the configuration, if a setting was changed and the run was not made again.

    Raises:
        UserError: names every such run, and in what its record differs.
    """
    found = [
        f"{run_text(_named(each))}: {problem}"
        for each in wanted
        if each.record is not None and each.record.is_file()
        for problem in _record_problems(each, _read(each.record))
    ]
    if found:
        raise UserError(
            "records are of other settings or data than the configuration asks for",
            expected="runs of this configuration",
            found="; ".join(found[:SHOWN]) + (f"; and {len(found) - SHOWN} more" if found[SHOWN:] else ""),
            hint="snakemake --cores all train, which makes what is missing",
        )


def left_out_lines(status: pd.DataFrame) -> list[str]:
    """Return one line for each run that was left out: which, and why."""
    rows = status[status["status"] == LEFT_OUT]
    return [f"{run_text(row)}: {row['reason']}" for row in rows.to_dict("records")]


def run_text(row: Mapping[Any, Any]) -> str:
    """Return which run a row is of."""
    return "{task}/{method}/{variant} seed {seed}".format(**row)


def _kept_status(wanted: WantedRun, code: str) -> dict[str, Any]:
    return dict(zip(RUN, wanted.run.key, strict=True)) | {"status": FINISHED, "reason": "", "code": code}


def _status(wanted: WantedRun) -> dict[str, Any]:
    row = dict(zip(RUN, wanted.run.key, strict=True)) | {"status": NOT_FINISHED, "reason": "", "code": ""}
    if not wanted.episodes.is_file():
        return row
    try:
        reason = "; ".join(_problems(wanted, read_episodes(wanted.episodes)))
    except UserError as error:
        reason = " ".join(str(error).split())
    if reason:
        return row | {"status": LEFT_OUT, "reason": reason}
    return row | {"status": FINISHED, "code": _read(wanted.record).get("code", "")}


def _problems(wanted: WantedRun, rows: pd.DataFrame) -> Iterator[str]:
    """Say how a run's files differ from what the configuration asks for."""
    run = wanted.run
    keys = list(rows[RUN].drop_duplicates().itertuples(index=False, name=None))
    if keys != [run.key]:
        yield "its file holds rows of " + ", ".join("{}/{}/{}/{} seed {}".format(*key) for key in keys)
        return
    yield from _budget_problems(wanted, rows)
    found = rows["run_id"].unique().tolist()
    if wanted.record is None:
        if all(file.is_file() for file in wanted.files) and found != [_reference_id(wanted)]:
            yield "rolled out from other files than the present ones"
        return
    if found != [recorded_run_id(wanted.record, _named(wanted))]:
        yield f"the episodes are of run {', '.join(found)}, and the record is of another"
    yield from _record_problems(wanted, _read(wanted.record))


def _budget_problems(wanted: WantedRun, rows: pd.DataFrame) -> Iterator[str]:
    run, steps = wanted.run, sorted(rows["step"].unique().tolist())
    if run.step is not None and steps != [run.step]:
        yield f"step {', '.join(map(str, steps))}, configured {run.step}"
    if len(rows) != run.episodes:
        yield f"{len(rows)} episodes, configured {run.episodes}"


def _record_problems(wanted: WantedRun, record: Mapping[str, Any]) -> Iterator[str]:
    for name, asked in wanted.asked.items():
        stated = record.get(name, {})
        for key in sorted({*asked, *stated} - INDECISIVE):
            if (key in asked, asked.get(key)) != (key in stated, stated.get(key)):
                yield f"{name}.{key} is {_value(stated, key)}, configured {_value(asked, key)}"
    data = wanted.data if wanted.data is not None and wanted.data.is_file() else None
    if data and record.get("data", {}).get("sha256") != sha256(data):
        yield "trained on other data than the present ones"


def _value(settings: Mapping[str, Any], key: str) -> str:
    return json.dumps(settings[key]) if key in settings else "absent"


def _named(wanted: WantedRun) -> dict[str, str | int]:
    return dict(zip(RUN, wanted.run.key, strict=True))


def _reference_id(wanted: WantedRun) -> str:
    """Return the id that the present files give a reference, as `evaluate_reference` makes it."""
    return run_id(_named(wanted) | {"files": [sha256(file) for file in wanted.files]})


def _read(record: Path | None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(record.read_text()) if record else {}
    return content
