"""The loop that trains any method: draw a batch, update, count, log, checkpoint.

With a method's module, this is the code behind a policy's numbers. It knows no file, no command and nothing
that shows: what wants to be told is handed in.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from safemil.errors import UserError
from safemil.methods.learner import Learner
from safemil.training.kept_policies import KeptPolicies, curve_steps
from safemil.training.randomness import numpy_stream, torch_stream


@dataclass
class TrainingLog:
    """Means of each logged value over the steps since the last row; `rows` is what train.csv holds."""

    rows: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def add(self, metrics: Mapping[str, float]) -> None:
        """Count one step's metrics in."""
        for name, value in metrics.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1

    def close_row(self, step: int, **counts: int) -> dict[str, float]:
        """Append a row of the means since the last one, under the number of steps done; returns the means."""
        means = {name: total / self.count for name, total in self.sums.items()}
        self.rows.append({"step": step, **counts, **means})
        self.sums, self.count = {}, 0
        return means


@dataclass
class TrainingState:
    """Where a run is: the learner, its stream of batches, its log, the policies kept for its curve."""

    learner: Learner[Any, Any]
    generator: np.random.Generator
    log: TrainingLog
    kept: KeptPolicies = field(default_factory=KeptPolicies)

    def dump(self) -> dict[str, Any]:
        """Return everything needed to go on from here, made of plain types and tensors."""
        return {
            "learner": self.learner.state(),
            "generator": self.generator.bit_generator.state,
            "log": {"rows": self.log.rows, "sums": self.log.sums, "count": self.log.count},
            "kept": self.kept.tensors,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump` returned."""
        self.learner.load_state(state["learner"])
        self.generator.bit_generator.state = state["generator"]
        self.log = TrainingLog(**state["log"])
        self.kept.load(state["kept"])


def start_training(
    build: Callable[[torch.Generator], Learner[Any, Any]], seed: int, curve_points: int = 0
) -> TrainingState:
    """Make a run ready for its first step, on one thread and by deterministic algorithms.

    Args:
        build: makes the learner of the stream of initial weights.
        seed: decides that stream and the stream of batches.
        curve_points: policies to keep along the way.
    """
    torch.set_num_threads(1)
    # As use_deterministic_algorithms, which would import the compiler: a second for each run.
    torch.set_deterministic_debug_mode("error")
    learner = build(torch_stream(seed, "initial weights"))
    kept = KeptPolicies(curve_steps(curve_points, learner.training.steps))
    return TrainingState(learner, numpy_stream(seed, "batches"), TrainingLog(), kept)


def check_finite(metrics: Mapping[str, float], step: int) -> None:
    """Stop a run whose losses have diverged.

    Raises:
        UserError: a value is NaN or infinite; names the step and every such value.
    """
    broken = {name: value for name, value in metrics.items() if not math.isfinite(value)}
    if broken:
        raise UserError(
            "training diverged",
            expected="finite losses",
            found=", ".join(f"{name} = {value}" for name, value in broken.items()),
            where=f"gradient step {step}",
            hint="lower training.learning_rate, or look at the last rows of the log for what grew first",
        )


def check_one_step(taken: int, step: int) -> None:
    """Stop a run whose method does not train its policy, or trains it more often than the others.

    Raises:
        UserError: an update took another number of the policy's steps than one.
    """
    if taken != 1:
        raise UserError(
            "an update must take exactly one step of the policy",
            expected="one call of step_policy in update()",
            found=f"{taken} calls",
            where=f"gradient step {step}",
        )


def run_steps(
    state: TrainingState,
    on_row: Callable[[int, Mapping[str, float]], None],
    on_checkpoint: Callable[[int], None],
) -> None:
    """Take the steps that are left: first those of pretraining, if the method has any, then the updates.

    Args:
        state: the learner and its streams; changed in place.
        on_row: called with the steps done, pretraining included, and the means of the last `log_every`.
        on_checkpoint: called every `checkpoint_every` steps, not after the last one.

    Raises:
        UserError: a loss is not finite, or an update did not take one step of the policy.
    """
    learner = state.learner
    settings, first_steps = learner.training, learner.pretraining_steps
    for done in range(learner.pretraining_done + learner.steps_done + 1, first_steps + settings.steps + 1):
        _take_step(state)
        state.kept.keep(learner)  # before the checkpoint, which must hold it
        step = done if done <= first_steps else done - first_steps
        if step % settings.log_every == 0 or done in (first_steps, first_steps + settings.steps):
            on_row(done, _close_row(state))
        if step % settings.checkpoint_every == 0 and done < first_steps + settings.steps:
            on_checkpoint(done)


def _take_step(state: TrainingState) -> None:
    learner = state.learner
    batch = learner.sample(state.generator)
    if learner.pretraining_done < learner.pretraining_steps:
        metrics = learner.pretrain(batch)
        learner.pretraining_done += 1
        step = learner.pretraining_done
    else:
        step = learner.steps_done + 1
        metrics = learner.update(batch)
        check_one_step(learner.steps_done - step + 1, step)
    check_finite(metrics, step)
    state.log.add(metrics)


def _close_row(state: TrainingState) -> dict[str, float]:
    """Close the log's row; those of pretraining stand at step 0, with a count of their own."""
    learner = state.learner
    if learner.steps_done == 0:
        return state.log.close_row(0, pretraining_step=learner.pretraining_done)
    return state.log.close_row(learner.steps_done)
