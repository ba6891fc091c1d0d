"""The loop that trains any method: draw a batch, update, count, log, checkpoint."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from safemil.errors import UserError
from safemil.methods.learner import Learner


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

    def close_row(self, step: int) -> dict[str, float]:
        """Append a row of the means since the last one, under the number of steps done; returns the means."""
        means = {name: total / self.count for name, total in self.sums.items()}
        self.rows.append({"step": step, **means})
        self.sums, self.count = {}, 0
        return means


@dataclass
class TrainingState:
    """Where a run is: the learner, its stream of batches, its log."""

    learner: Learner[Any, Any]
    generator: np.random.Generator
    log: TrainingLog

    def dump(self) -> dict[str, Any]:
        """Return everything needed to go on from here, made of plain types and tensors."""
        return {
            "learner": self.learner.state(),
            "generator": self.generator.bit_generator.state,
            "log": {"rows": self.log.rows, "sums": self.log.sums, "count": self.log.count},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump` returned."""
        self.learner.load_state(state["learner"])
        self.generator.bit_generator.state = state["generator"]
        self.log = TrainingLog(**state["log"])


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


def run_steps(
    state: TrainingState,
    on_row: Callable[[int, Mapping[str, float]], None],
    on_checkpoint: Callable[[int], None],
) -> None:
    """Take the steps that are left.

    Args:
        state: the learner and its streams; changed in place.
        on_row: called with the steps done and the means of the last `log_every` steps.
        on_checkpoint: called every `checkpoint_every` steps, not after the last one.

    Raises:
        UserError: a loss is not finite.
    """
    settings = state.learner.training
    for step in range(state.learner.steps_done + 1, settings.steps + 1):
        metrics = state.learner.update(state.learner.sample(state.generator))
        check_finite(metrics, step)
        state.log.add(metrics)
        if step % settings.log_every == 0 or step == settings.steps:
            on_row(step, state.log.close_row(step))
        if step % settings.checkpoint_every == 0 and step < settings.steps:
            on_checkpoint(step)
