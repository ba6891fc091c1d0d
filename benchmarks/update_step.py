"""Measures one update of each registered method at the default sizes, against what the processor can do.

K = 128, H = 5, B = 1 unless given, 28 observation and 2 action components, networks of 256-256, one thread.
The floating point operations of an update follow from the shapes of its matrix products, forward and
backward; the rate of a square float32 product of size 1024, measured in the same run, gives the least time
they can take. The remainder is what lies around the products: drawing, gathering, activations, AdamW,
clipping, Python.

Updates and products are measured in turns, so that what else the machine does then slows both alike.

    python -m benchmarks.update_step --steps 500
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from safemil.catalogue import built_in_methods, method_kind
from safemil.data.labels import OracleLabels
from safemil.data.stripped import TrainingData, training_digest
from safemil.data.trajectories import Trajectories
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import Learner
from safemil.methods.oracle import OracleData
from safemil.methods.registry import find_learner
from safemil.training.randomness import numpy_stream, torch_stream
from safemil.training.train_oracle import find_oracle

OBSERVATION_SIZE, ACTION_SIZE = 28, 2
EPISODE_LENGTH = 500
MATRIX_SIZE = 1024
ROUNDS = 10
WARM_UP = 20


@dataclass
class Measurement:
    """Seconds of each update of one method.

    Attributes:
        learner: what is measured.
        operations: floating point operations of the matrix products of one update.
        sample_seconds: for drawing one batch, one value per step.
        update_seconds: for one update, one value per step.
    """

    learner: Learner[Any, Any]
    operations: int
    generator: np.random.Generator
    sample_seconds: list[float] = field(default_factory=list)
    update_seconds: list[float] = field(default_factory=list)

    def step(self) -> None:
        """Measure one more step."""
        start = time.perf_counter()
        batch = self.learner.sample(self.generator)
        drawn = time.perf_counter()
        self.learner.update(batch)
        self.update_seconds.append(time.perf_counter() - drawn)
        self.sample_seconds.append(drawn - start)


def synthetic_data() -> TrainingData:
    """Return noise of the default sizes: 50 non-preferred and 200 unlabelled trajectories."""
    generator = np.random.default_rng(0)

    def trajectories(count: int) -> Trajectories:
        n = count * EPISODE_LENGTH
        observations = generator.standard_normal((n, OBSERVATION_SIZE), dtype=np.float32)
        return Trajectories(
            observations=observations,
            actions=generator.uniform(-1, 1, (n, ACTION_SIZE)).astype(np.float32),
            next_observations=observations,
            terminals=np.zeros(n, dtype=np.bool_),
            starts=np.arange(0, n, EPISODE_LENGTH, dtype=np.int64),
        )

    return TrainingData(trajectories(50), trajectories(200))


class _OperationCounter(TorchDispatchMode):
    """Counts by torch's own formulas; its `FlopCounterMode` fails under gradients of gradients."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch declares no types here
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.operations += int(formula(*args, **(kwargs or {}), out_val=result))
        return result


def matrix_product_operations(run: Callable[[], object]) -> int:
    """Return the floating point operations of all matrix products in `run`, those of backward included.

    Each product of (a, b) and (b, c) counts 2 a b c, from the shapes and whatever it takes.
    """
    counter = _OperationCounter()
    with counter:
        run()
    return counter.operations


def synthetic_labels(data: TrainingData) -> OracleLabels:
    """Return random rewards and costs, with every other trajectory preferred, for the oracles."""
    generator = np.random.default_rng(1)
    n, u = data.non_preferred, data.unlabelled
    return OracleLabels(
        non_preferred_rewards=np.zeros(n.n_transitions, dtype=np.float32),
        non_preferred_costs=np.ones(n.n_transitions, dtype=np.float32),
        non_preferred_indices=np.arange(n.n_trajectories),
        unlabelled_rewards=generator.random(u.n_transitions, dtype=np.float32),
        unlabelled_costs=(generator.random(u.n_transitions) < 0.1).astype(np.float32),
        unlabelled_indices=np.arange(u.n_trajectories),
        unlabelled_is_preferred=np.arange(u.n_trajectories) % 2 == 0,
        training_digest=training_digest(data),
    )


def build(method: str, data: TrainingData, training: TrainingSettings) -> Learner[Any, Any]:
    """Build a learner, or an oracle with random labels, with its default settings."""
    weights = torch_stream(0, "initial weights")
    if method_kind(method) == "oracle":
        oracle = find_oracle(method)
        return oracle(OracleData(data, synthetic_labels(data)), oracle.settings_model(), training, weights)
    learner = find_learner(method)
    return learner(data, learner.settings_model(), training, weights)


def prepare(method: str, data: TrainingData, steps: int, bag_pairs: int = 1) -> Measurement:
    """Build a learner, warm it up and count its operations."""
    learner = build(method, data, TrainingSettings(steps=WARM_UP + 1 + steps, bag_pairs=bag_pairs))
    generator = numpy_stream(0, "batches")
    for _ in range(WARM_UP):
        learner.update(learner.sample(generator))
    operations = matrix_product_operations(lambda: learner.update(learner.sample(generator)))
    return Measurement(learner, operations, generator)


def measure_products(count: int) -> list[float]:
    """Return the rate of `count` square float32 products, in operations per second."""
    left, right = torch.randn(2, MATRIX_SIZE, MATRIX_SIZE)
    result = torch.empty(MATRIX_SIZE, MATRIX_SIZE)
    rates = []
    for _ in range(count):
        start = time.perf_counter()
        torch.mm(left, right, out=result)
        rates.append(2 * MATRIX_SIZE**3 / (time.perf_counter() - start))
    return rates


def results_table(measurements: dict[str, Measurement], rate: float, steps: int) -> Table:
    """Put medians beside the least time of the operations at `rate`."""
    table = Table(
        title=f"Update step, one thread, median of {steps}",
        caption=f"limit: {rate / 1e9:.1f} GFLOP/s, float32 products of size {MATRIX_SIZE} in the same run",
    )
    table.add_column("method", no_wrap=True, min_width=max(map(len, measurements)))
    for heading in ("draw, ms", "update, ms", "MFLOP", "limit, ms", "update / limit", "steps/s"):
        table.add_column(heading, justify="right")
    for method, measurement in measurements.items():
        draw, update = median(measurement.sample_seconds), median(measurement.update_seconds)
        least = measurement.operations / rate
        table.add_row(
            method,
            f"{1e3 * draw:.3f}",
            f"{1e3 * update:.2f}",
            f"{measurement.operations / 1e6:.0f}",
            f"{1e3 * least:.2f}",
            f"{update / least:.2f}",
            f"{1 / (draw + update):.0f}",
        )
    return table


@click.command(help=__doc__)
@click.option("--steps", default=500, show_default=True, type=click.IntRange(ROUNDS), help="Of each method.")
@click.option(
    "--bag-pairs", default=1, show_default=True, type=click.IntRange(1), help="B; 32 in paper.yaml."
)
def main(steps: int, bag_pairs: int) -> None:
    """Print a table of milliseconds per update."""
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")  # as in training
    console = Console()
    rates: list[float] = []
    with console.status("measuring …"):
        data = synthetic_data()
        measurements = {method: prepare(method, data, steps, bag_pairs) for method in built_in_methods()}
        measure_products(2)
        for _ in range(ROUNDS):
            rates += measure_products(5)
            for measurement in measurements.values():
                for _ in range(steps // ROUNDS):
                    measurement.step()
    console.print(results_table(measurements, median(rates), ROUNDS * (steps // ROUNDS)))


if __name__ == "__main__":
    main()
