"""Trains one run: a method, a variant, a seed, on one stripped training file; resumes where it was killed."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pydantic import ValidationError
from torch import nn

from safemil.data.stripped import read_training_data, read_training_metadata
from safemil.errors import UserError
from safemil.files import replacing, sha256, write_text
from safemil.methods.learner import Learner, MethodSettings
from safemil.methods.policy_file import PolicyMetadata, write_networks, write_policy
from safemil.methods.registry import find_method
from safemil.methods.registry_names import module_name
from safemil.training.checkpoints import read_checkpoint, remove_checkpoint, write_checkpoint
from safemil.training.loop import TrainingLog, TrainingState, run_steps
from safemil.training.progress import Progress
from safemil.training.provenance import commit, source_digest, versions
from safemil.training.randomness import numpy_stream, torch_stream
from safemil.training.settings import TrainingSettings

CHECKPOINT_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class RunRequest:
    """What is to be trained.

    Attributes:
        task: the task's short id, which the training file must agree with.
        method: a registered name or a module path.
        variant: the variant's name, for the record.
        seed: decides initial weights and batches.
        settings: the method's own settings, checked against its model.
        training: the shared training settings, overrides applied.
    """

    task: str
    method: str
    variant: str
    seed: int
    settings: Mapping[str, Any]
    training: TrainingSettings


def check_settings(learner: type[Learner[Any, Any]], raw: Mapping[str, Any]) -> MethodSettings:
    """Check a method's own settings against its model.

    Raises:
        UserError: lists every problem at once.
    """
    try:
        return learner.settings_model.model_validate(dict(raw))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}, found {p['input']!r}" for p in error.errors()]
        raise UserError(
            f"the settings of {learner.name} have {len(lines)} problem(s):\n"
            + "\n".join(f"  - {line}" for line in lines),
            expected=f"keys {sorted(learner.settings_model.model_fields)}",
        ) from error


def train(request: RunRequest, data_path: Path, directory: Path) -> None:
    """Train one run and leave policy.safetensors, networks.safetensors, train.csv and run.json.

    Args:
        request: what to train.
        data_path: the stripped training file; a file with labels is refused.
        directory: where the outputs go. A checkpoint of a killed run in it is taken up if it was made
            from the same data, settings, code and seed.

    Raises:
        UserError: the data, the settings or the losses are not as they must be.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    state, record = _prepare(request, data_path)
    checkpoint = directory / CHECKPOINT_NAME
    fingerprint = _fingerprint(record)
    saved = read_checkpoint(checkpoint, fingerprint)
    if saved is not None:
        state.load(saved)
    start_step, start_time = state.learner.steps_done, time.perf_counter()
    title = f"{request.task} {request.method}/{request.variant} seed {request.seed}"
    with Progress(title, request.training.steps, start=start_step) as progress:
        run_steps(state, progress.update, lambda _: write_checkpoint(checkpoint, fingerprint, state.dump()))
    seconds = time.perf_counter() - start_time
    steps = request.training.steps - start_step
    record["timing"] = {
        "seconds": seconds,
        "steps": steps,
        "steps_per_second": steps / seconds,
        "resumed_from_step": start_step,
    }
    _write_outputs(directory, request, state, record)
    remove_checkpoint(checkpoint)


def _prepare(request: RunRequest, data_path: Path) -> tuple[TrainingState, dict[str, Any]]:
    method = find_method(request.method)
    settings = check_settings(method, request.settings)
    metadata = read_training_metadata(data_path)
    if metadata.task != request.task:
        raise UserError(
            "the training file is of another task",
            expected=request.task,
            found=metadata.task,
            where=data_path,
        )
    data = read_training_data(data_path)
    learner = method(data, settings, request.training, torch_stream(request.seed, "initial weights"))
    state = TrainingState(learner, numpy_stream(request.seed, "batches"), TrainingLog())
    record = {
        "task": request.task,
        "source": metadata.source,
        "method": request.method,
        "variant": request.variant,
        "seed": request.seed,
        "settings": settings.model_dump(mode="json"),
        "training": request.training.model_dump(mode="json"),
        "parameters": {name: _count(network) for name, network in learner.networks.items()},
        "transitions_per_policy_step": request.training.transitions_per_step(data.unlabelled.lengths),
        "data": {
            "sha256": sha256(data_path),
            "non_preferred_trajectories": data.non_preferred.n_trajectories,
            "unlabelled_trajectories": data.unlabelled.n_trajectories,
        },
        "code": source_digest("safemil.training.train", module_name(request.method)),
        "commit": commit(),
        "versions": versions(),
    }
    return state, record


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _fingerprint(record: Mapping[str, Any]) -> str:
    """Everything that decides the bits of a run; the commit does not, the code's digest does."""
    decisive = ("task", "method", "variant", "seed", "settings", "training", "data", "code", "versions")
    return json.dumps({key: record[key] for key in decisive}, sort_keys=True)


def _write_outputs(
    directory: Path, request: RunRequest, state: TrainingState, record: Mapping[str, Any]
) -> None:
    metadata = PolicyMetadata(
        request.task, request.method, request.variant, request.seed, request.training.steps
    )
    write_policy(directory / "policy.safetensors", state.learner.policy, metadata)
    others = nn.ModuleDict({n: net for n, net in state.learner.networks.items() if n != "policy"})
    write_networks(
        directory / "networks.safetensors", others, {k: str(v) for k, v in asdict(metadata).items()}
    )
    with replacing(directory / "train.csv") as temporary:
        pd.DataFrame(state.log.rows).to_csv(temporary, index=False, float_format="%.9g")
    write_text(directory / "run.json", json.dumps(record, indent=2, sort_keys=True) + "\n")
