"""Trains one run: a learner, a variant, a seed, on one stripped training file; resumes where it was killed.

Oracles, which are given labels, are trained by `safemil.training.train_oracle` through the same `run`. This
module neither imports that one nor anything that knows labels.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from safemil.catalogue import module_name
from safemil.data.stripped import TrainingFile, read_training_file
from safemil.errors import UserError
from safemil.files import replacing, sha256, write_text
from safemil.methods.budget import INDECISIVE, TrainingSettings
from safemil.methods.curve_file import write_curve_policies
from safemil.methods.learner import Learner, check_settings
from safemil.methods.policy_file import PolicyMetadata, write_networks, write_policy
from safemil.methods.registry import find_learner
from safemil.records.identity import run_id
from safemil.records.provenance import commit, modules_behind, training_code
from safemil.records.versions import versions
from safemil.reporting import StartReport, silent
from safemil.training.checkpoints import read_checkpoint, remove_checkpoint, write_checkpoint
from safemil.training.loop import TrainingState, run_steps, start_training
from safemil.training.network_record import describe_networks, gradient_steps

CHECKPOINT_NAME = "checkpoint.pt"

# What can read a reward or a cost out of a file.
LABEL_MODULES = {"safemil.data.labels", "safemil.data.hdf5", "safemil.data.outline"}


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
        curve_points: how many policies to keep along the way, the last one included. Decides neither the
            final policy nor the run's id.
    """

    task: str
    method: str
    variant: str
    seed: int
    settings: Mapping[str, Any]
    training: TrainingSettings
    curve_points: int = 0

    @property
    def title(self) -> str:
        """What people call the run."""
        return f"{self.task} {self.method}/{self.variant} seed {self.seed}"


def train(request: RunRequest, data_path: Path, directory: Path, report: StartReport = silent) -> None:
    """Train one learner and leave policy.safetensors, networks.safetensors, train.csv and run.json.

    With `curve_points` in the request, curve_policies_{points}.safetensors too.

    Args:
        request: what to train.
        data_path: the stripped training file; a file with labels is refused.
        directory: where the outputs go. A checkpoint of a killed run in it is taken up if it was made
            from the same data, settings, code and seed.
        report: shows how far the run is.

    Raises:
        UserError: the method is an oracle, or could read labels; or the data, the settings or the losses are
            not as they must be.
    """
    method = find_learner(request.method)
    check_reads_no_labels(request.method)
    settings = check_settings(method, request.settings)
    file = read_training_file(request.task, data_path)

    def build(initial_weights: torch.Generator) -> Learner[Any, Any]:
        return method(file.data, settings, request.training, initial_weights)

    run(request, build, file, directory, report)


def check_reads_no_labels(method: str) -> None:
    """Make sure that nothing that a learner's module imports could read a reward or a cost.

    Raises:
        UserError: something could.
    """
    reached = sorted(LABEL_MODULES & modules_behind(module_name(method)))
    if reached:
        raise UserError(
            f"the module of the learner {method} can read labels",
            expected="a module that imports nothing that reads rewards or costs",
            found=", ".join(reached),
            where=module_name(method),
            hint="a method that needs labels is an oracle: see safemil/methods/oracle.py",
        )


def run(
    request: RunRequest,
    build: Callable[[torch.Generator], Learner[Any, Any]],
    file: TrainingFile,
    directory: Path,
    report: StartReport,
    further_inputs: Mapping[str, str] | None = None,
) -> None:
    """Train what `build` makes of the stream of initial weights, or go on with a killed run.

    Args:
        request: what is trained.
        build: makes the learner.
        file: the training data.
        directory: where checkpoint and outputs go.
        report: shows how far the run is.
        further_inputs: digests of files besides the training file, by the name they have in the record.
    """
    state = start_training(build, request.seed, request.curve_points)
    learner = state.learner
    record = _describe(request, learner, file)
    record["data"] |= further_inputs or {}
    record["run_id"] = run_id(_decisive(record))
    record["curve_steps"] = state.kept.steps
    checkpoint = directory / CHECKPOINT_NAME
    fingerprint = _fingerprint(record)
    saved = read_checkpoint(checkpoint, fingerprint)
    if saved is not None:
        state.load(saved)
    save = partial(write_checkpoint, checkpoint, fingerprint)
    record["timing"] = _take_steps(request, state, save, report)
    record["estimates"] = learner.estimates()
    record["pretraining_steps"] = learner.pretraining_steps
    record["gradient_steps"] = gradient_steps(learner)
    _write_outputs(directory, request, state, record)
    remove_checkpoint(checkpoint)


def _take_steps(
    request: RunRequest,
    state: TrainingState,
    save: Callable[[Mapping[str, Any]], None],
    report: StartReport,
) -> dict[str, float]:
    """Take all steps that are left, with progress and checkpoints; returns how long they took."""
    learner = state.learner
    start_step, start_time = learner.pretraining_done + learner.steps_done, time.perf_counter()
    total = learner.pretraining_steps + request.training.steps
    with report(total, unit="steps", start=start_step) as progress:
        run_steps(state, progress.update, lambda _: save(state.dump()))
    seconds = time.perf_counter() - start_time
    steps = total - start_step
    return {
        "seconds": seconds,
        "steps": steps,
        "steps_per_second": steps / seconds,
        "resumed_from_step": start_step,
    }


def _describe(request: RunRequest, learner: Learner[Any, Any], file: TrainingFile) -> dict[str, Any]:
    data = file.data
    return {
        "task": request.task,
        "source": file.source,
        "method": request.method,
        "kind": learner.kind,
        "variant": request.variant,
        "seed": request.seed,
        "settings": learner.settings.model_dump(mode="json"),
        "training": request.training.model_dump(mode="json"),
        "parameters": {name: _count(network) for name, network in learner.networks.items()},
        "networks": describe_networks(learner),
        "transitions_per_policy_step": request.training.transitions_per_step(data.unlabelled.lengths),
        "data": {
            "sha256": sha256(file.path),
            "non_preferred_trajectories": data.non_preferred.n_trajectories,
            "unlabelled_trajectories": data.unlabelled.n_trajectories,
        },
        "code": training_code(module_name(request.method)),
        "commit": commit(),
        "versions": versions(),
    }


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _decisive(record: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that decides the bits of a run; the commit does not, the code's digest does.

    How often is logged or saved does not either.
    """
    names = ("task", "source", "method", "variant", "seed", "settings", "data", "code", "versions")
    training = {name: value for name, value in record["training"].items() if name not in INDECISIVE}
    return {name: record[name] for name in names} | {"training": training}


def _fingerprint(record: Mapping[str, Any]) -> str:
    """What a checkpoint must have been made with: one without the points of the curve is of no use for it."""
    return json.dumps(_decisive(record) | {"curve_steps": record["curve_steps"]}, sort_keys=True)


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
    if state.kept.steps:
        path = directory / f"curve_policies_{request.curve_points}.safetensors"
        write_curve_policies(path, state.kept.tensors, metadata, record["run_id"])
    with replacing(directory / "train.csv") as temporary:
        pd.DataFrame(state.log.rows).to_csv(temporary, index=False, float_format="%.9g")
    write_text(directory / "run.json", json.dumps(record, indent=2, sort_keys=True) + "\n")
