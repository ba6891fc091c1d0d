"""Reads what is on record of each run: run.json, and Snakemake's benchmark beside it.

Trainings write what they were given; of a program of the user's own, the record holds what its policy file
says.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from safemil.errors import UserError

IDENTITY = {"task", "source", "method", "kind", "variant", "seed"}

RecordType = TypeVar("RecordType", bound=BaseModel)
_Read = TypeVar("_Read")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)  # other keys of run.json are none of this table's business


class Budget(_Record):
    """The shared training settings of a run; without defaults, so that nothing is made up for old records."""

    steps: int
    gradient_clip: float
    policy_loss: str


class NetworkRecord(_Record):
    """Linear layers as (inputs, outputs), and the optimiser's settings before the first step."""

    layers: tuple[tuple[int, int], ...]
    learning_rates: tuple[float, ...]
    weight_decays: tuple[float, ...]


class Timing(_Record):
    """Wall time of the last sitting of a run, and the gradient steps taken in it, pretraining included."""

    seconds: float
    steps: int


class RunRecord(_Record):
    """The part of run.json that says what a run was given."""

    task: str
    source: str
    method: str
    kind: Literal["learner", "oracle"]
    variant: str
    seed: int
    training: Budget
    pretraining_steps: int
    transitions_per_policy_step: int
    parameters: dict[str, int]
    networks: dict[str, NetworkRecord]
    gradient_steps: dict[str, int]
    timing: Timing


class ProgramRecord(_Record):
    """The part of the run.json of a program that is known: its policy; `steps` are what its file states."""

    task: str
    source: str
    method: str
    kind: Literal["program"]
    variant: str
    seed: int
    steps: int
    layers: tuple[tuple[int, int], ...]
    parameters: int


AnyRecord = Annotated[RunRecord | ProgramRecord, Field(discriminator="kind")]
_ANY_RECORD: TypeAdapter[RunRecord | ProgramRecord] = TypeAdapter(AnyRecord)


def read_run_record(path: Path) -> RunRecord | ProgramRecord:
    """Read what the table of what methods were given takes from one run.json; raises as `read_record`."""
    return _read(path, _ANY_RECORD.validate_python)


def read_record(path: Path, model: type[RecordType]) -> RecordType:
    """Read what `model` asks of one run.json.

    Raises:
        UserError: it is missing, or lacks what is needed; names the file and every problem.
    """
    return _read(path, model.model_validate)


def record_of(text: str, model: type[RecordType], where: object) -> RecordType:
    """Return what `model` asks of the text of a run.json.

    Raises:
        UserError: it lacks what is needed; names `where` and every problem.
    """
    return _parse(text, model.model_validate, where)


def run_record_of(text: str, where: object) -> RunRecord | ProgramRecord:
    """Return what the table of what methods were given takes from the text of a run.json, as `record_of`."""
    return _parse(text, _ANY_RECORD.validate_python, where)


def record_text(path: Path) -> str:
    """Return the text of a run.json.

    Raises:
        UserError: it is missing.
    """
    if not path.is_file():
        raise UserError(
            "a run has no record",
            expected="run.json, which every finished training writes",
            found="no such file",
            where=path,
            hint="train the run first: snakemake --cores all train",
        )
    return path.read_text()


def _read(path: Path, validate: Callable[[Any], _Read]) -> _Read:
    return _parse(record_text(path), validate, path)


def _parse(text: str, validate: Callable[[Any], _Read], path: object) -> _Read:
    try:
        return validate(json.loads(text))
    except (ValidationError, json.JSONDecodeError) as error:
        raise UserError(
            "a run's record cannot be used",
            found=" ".join(str(error).split()),
            where=path,
            hint="a record of an older version lacks keys: remove it and train the run again",
        ) from error


def read_peak_memory(path: Path) -> float:
    """Return the peak resident memory (MB) in a benchmark file of Snakemake; NaN if there is none.

    Snakemake samples every few seconds and writes no number for a job that ended before.
    """
    if not path.is_file():
        return float("nan")
    return float(pd.to_numeric(pd.read_csv(path, sep="\t")["max_rss"], errors="coerce").max())


def record_frame(runs: Iterable[tuple[RunRecord | ProgramRecord, float]]) -> pd.DataFrame:
    """Return one row per run and network.

    Args:
        runs: each record with the run's peak memory in MB (NaN where unknown).

    Returns:
        Columns task, source, method, kind, variant, seed, network; of the run: policy_steps,
        pretraining_steps, transitions_per_step, policy_loss, gradient_clip, seconds_per_1000_steps,
        peak_memory_mb; of the network: layers (pairs of inputs and outputs), parameters, gradient_steps,
        learning_rate, weight_decay. A network with several rates has a row for each. A program has a row for
        its policy, NaN (for a loss, None) where nothing is known.
    """
    rows = [
        row
        for record, memory in runs
        for row in (
            _program_rows(record, memory) if isinstance(record, ProgramRecord) else _rows(record, memory)
        )
    ]
    return pd.DataFrame(rows)


def _program_rows(record: ProgramRecord, memory: float) -> Iterable[dict[str, object]]:
    unknown = ("pretraining_steps", "transitions_per_step", "gradient_clip", "seconds_per_1000_steps")
    yield {
        **record.model_dump(include=IDENTITY),
        "policy_steps": record.steps,
        **dict.fromkeys(unknown, float("nan")),
        "policy_loss": None,
        "peak_memory_mb": memory,
        "network": "policy",
        "layers": record.layers,
        "parameters": record.parameters,
        **dict.fromkeys(("gradient_steps", "learning_rate", "weight_decay"), float("nan")),
    }


def _rows(record: RunRecord, memory: float) -> Iterable[dict[str, object]]:
    budget, timing = record.training, record.timing
    run = {
        **record.model_dump(include=IDENTITY),
        "policy_steps": budget.steps,
        "pretraining_steps": record.pretraining_steps,
        "transitions_per_step": record.transitions_per_policy_step,
        "policy_loss": budget.policy_loss,
        "gradient_clip": budget.gradient_clip,
        "seconds_per_1000_steps": 1000 * timing.seconds / timing.steps,
        "peak_memory_mb": memory,
    }
    for name, network in record.networks.items():
        described = {
            "network": name,
            "layers": network.layers,
            "parameters": record.parameters[name],
            "gradient_steps": record.gradient_steps[name],
        }
        for rate in network.learning_rates:
            for decay in network.weight_decays:
                yield {**run, **described, "learning_rate": rate, "weight_decay": decay}
