"""Builds the learner of a finished run again, to ask it something: not to train it on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from safemil.data.stripped import TrainingData, read_training_file
from safemil.errors import UserError
from safemil.files import sha256
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import Learner, check_settings
from safemil.training.randomness import torch_stream

_HINT = "train the run again: its files do not belong together"


@dataclass(frozen=True)
class RunFiles:
    """The files of one finished run.

    Attributes:
        training_data: the stripped file it was trained on.
        policy: the policy file, which holds the standardisation of observations too.
        networks: the other networks.
        record: run.json.
    """

    training_data: Path
    policy: Path
    networks: Path
    record: Path


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A learner as its training left it.

    Attributes:
        learner: with its trained networks, in evaluation mode.
        data: what it was trained on.
        record: the content of run.json.
    """

    learner: Learner[Any, Any]
    data: TrainingData
    record: Mapping[str, Any]


def restore_run(files: RunFiles, method: type[Learner[Any, Any]]) -> FinishedRun:
    """Build the learner of a finished run and load its networks.

    Args:
        files: the run's files.
        method: the class that it was trained with.

    Raises:
        UserError: a file is missing, damaged or of another run, or the code of its networks has changed
            since.
    """
    if not files.record.is_file():
        raise UserError("no record of the run", where=files.record, hint="train the run first")
    record = json.loads(files.record.read_text())
    _check_same("training data", record["data"]["sha256"], sha256(files.training_data), files.training_data)
    data = read_training_file(record["task"], files.training_data).data
    learner = method(
        data,
        check_settings(method, record["settings"]),
        TrainingSettings.model_validate(record["training"]),
        torch_stream(record["seed"], "initial weights"),
    )
    policy = {f"policy.{name}": tensor for name, tensor in _tensors(files.policy, record).items()}
    try:
        learner.networks.load_state_dict(policy | _tensors(files.networks, record))
    except RuntimeError as error:
        raise UserError(
            "the saved networks do not fit the method", found=error, where=files.networks, hint=_HINT
        ) from error
    learner.networks.eval()
    return FinishedRun(learner, data, record)


def _tensors(path: Path, record: Mapping[str, Any]) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError("a file of the run is missing", where=path, hint="train the run first")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except SafetensorError as error:
        raise UserError("a damaged file of networks", found=error, where=path, hint=_HINT) from error
    for name in ("task", "method", "variant", "seed"):
        _check_same(name, str(record[name]), metadata.get(name), path)
    return tensors


def _check_same(name: str, expected: str, found: str | None, where: Path) -> None:
    if found != expected:
        raise UserError(
            f"files of different runs: {name}", expected=expected, found=found, where=where, hint=_HINT
        )
