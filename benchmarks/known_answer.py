"""Trains a method that learns a cost on an invented problem, and holds the cost to the known answer on the way.

States s, 8 components, wander slowly along a trajectory of 500 steps, the same way in either class. A
preferred trajectory has actions N(m(s), 0.3^2), 2 components, a non-preferred one N(m(s) + k(s), 0.3^2), where
m and k are fixed smooth functions: P(preferred | s, a) follows from two densities. 50 non-preferred
trajectories are D_N; 100 of either class are D_U; 20 of either class are kept apart.

Reported at some steps, on D_U and on what was kept apart: the AUROC of the learned cost between pairs of
either class, and how far one minus the cost is from P(preferred | s, a), clipped to [0.1, 0.9] as DWBC-NU's
output is, in root mean square. The second means something for DWBC-NU only.

    python -m benchmarks.known_answer --method dwbc_nu --steps 10000
"""

import json
from dataclasses import dataclass

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from safemil.data.stripped import TrainingData
from safemil.data.trajectories import Trajectories
from safemil.methods.cost_learner import CostLearner
from safemil.methods.learner import Learner
from safemil.methods.registry import find_learner
from safemil.training.randomness import numpy_stream, torch_stream
from safemil.training.settings import TrainingSettings

OBSERVATION_SIZE, ACTION_SIZE, LENGTH = 8, 2, 500
ACTION_STD = 0.3
MEMORY = 0.95
STEPS = (30, 100, 300, 1000, 3000, 6000, 10_000)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """State-action pairs of trajectories, one behind the other.

    Attributes:
        observations: (N, d_s).
        actions: (N, d_a).
        preferred: the class of each pair's trajectory, (N,).
        posterior: P(preferred | s, a) where both classes are equally frequent, (N,).
    """

    observations: Array
    actions: Array
    preferred: NDArray[np.bool_]
    posterior: Array

    def trajectories(self) -> Trajectories:
        """Return them without their class."""
        observations = self.observations.astype(np.float32)
        return Trajectories(
            observations=observations,
            actions=self.actions.astype(np.float32),
            next_observations=observations,
            terminals=np.zeros(len(observations), dtype=np.bool_),
            starts=np.arange(0, len(observations), LENGTH, dtype=np.int64),
        )


class Problem:
    """The two classes of behaviour."""

    def __init__(self) -> None:
        shape = (2, OBSERVATION_SIZE, ACTION_SIZE)
        self._means, self._shifts = np.random.default_rng(7).normal(size=shape) / np.sqrt(OBSERVATION_SIZE)

    def draw(self, preferred: NDArray[np.bool_], seed: int) -> Pairs:
        """Draw a trajectory for each entry of `preferred` (M,)."""
        generator = np.random.default_rng(seed)
        states = generator.normal(size=(len(preferred), LENGTH, OBSERVATION_SIZE))
        states[:, 1:] *= np.sqrt(1 - MEMORY**2)
        for t in range(1, LENGTH):
            states[:, t] += MEMORY * states[:, t - 1]
        observations, classes = states.reshape(-1, OBSERVATION_SIZE), np.repeat(preferred, LENGTH)
        mean, shift = (
            0.5 * np.tanh(observations @ self._means),
            0.35 * (1 + np.tanh(observations @ self._shifts)),
        )
        actions = mean + shift * ~classes[:, None] + ACTION_STD * generator.normal(size=mean.shape)
        squares = [((actions - each) ** 2).sum(1) / (2 * ACTION_STD**2) for each in (mean, mean + shift)]
        return Pairs(observations, actions, classes, 1 / (1 + np.exp(squares[0] - squares[1])))


def auroc(costs: Array, preferred: NDArray[np.bool_]) -> float:
    """Return the probability that a non-preferred pair costs more than a preferred one."""
    n = int((~preferred).sum())
    ranks = rankdata(costs)[~preferred].sum()
    return float((ranks - n * (n + 1) / 2) / (n * (len(costs) - n)))


def scores(learner: Learner[object, object], pairs: Pairs) -> list[str]:
    """Return AUROC and root mean square error of the learner's cost, as text."""
    assert isinstance(learner, CostLearner)
    with torch.inference_mode():
        observations = learner.policy.standardise(torch.tensor(pairs.observations, dtype=torch.float32))
        costs = (
            learner.pair_costs(observations, torch.tensor(pairs.actions, dtype=torch.float32))
            .double()
            .numpy()
        )
    error = 1 - costs - pairs.posterior.clip(0.1, 0.9)
    return [f"{auroc(costs, pairs.preferred):.3f}", f"{np.sqrt(np.mean(error**2)):.3f}"]


@click.command(help=__doc__)
@click.option("--method", default="dwbc_nu", show_default=True, help="A learner that learns a cost.")
@click.option("--steps", default=3000, show_default=True, type=click.IntRange(1), help="Updates.")
@click.option("--settings", default="{}", show_default=True, help="The method's own settings, JSON.")
@click.option("--seed", default=0, show_default=True)
def main(method: str, steps: int, settings: str, seed: int) -> None:
    """Print a table of scores by step."""
    torch.set_num_threads(1)
    problem = Problem()
    half = np.arange(200) < 100
    unlabelled, fresh = problem.draw(half, 2), problem.draw(half[80:120], 3)
    data = TrainingData(problem.draw(half[100:150], 1).trajectories(), unlabelled.trajectories())
    learner_class = find_learner(method)
    own = learner_class.settings_model.model_validate(json.loads(settings))
    learner = learner_class(data, own, TrainingSettings(steps=steps), torch_stream(seed, "initial weights"))
    batches = numpy_stream(seed, "batches")
    best = [auroc(-pairs.posterior, pairs.preferred) for pairs in (unlabelled, fresh)]
    blind = unlabelled.posterior.clip(0.1, 0.9).std()
    table = Table(
        title=f"{method} {settings}, seed {seed}",
        caption=f"AUROC of the answer itself {best[0]:.3f} and {best[1]:.3f}; error of a constant {blind:.3f}",
    )
    for heading in ("step", "AUROC, D_U", "error, D_U", "AUROC, fresh", "error, fresh"):
        table.add_column(heading, justify="right")
    for step in range(1, steps + 1):
        learner.update(learner.sample(batches))
        if step in STEPS or step == steps:
            table.add_row(str(step), *scores(learner, unlabelled), *scores(learner, fresh))
    Console().print(table)


if __name__ == "__main__":
    main()
