"""Rolls out a policy: exactly one episode per environment seed, several environments side by side.

The environments run in this process and the policy sees their observations as one batch, which is quicker
than passing them between processes. Every seed is run to the end of its episode: a budget of steps instead
would favour short episodes.

An episode depends on its own seed and on the number of environments, not on the other seeds. Its reset and
its noise are drawn from its seed. The output of a network rounds differently in batches of another shape and
in other rows of a batch, so the shape is fixed, and the row is the seed modulo the number of environments.
Runs of consecutive seeds fill all rows evenly.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from safemil.errors import UserError
from safemil.simulator.environments import make_environment
from safemil.tasks import Task


class Policy(Protocol):
    """Anything that chooses actions deterministically; a stochastic policy acts by its mean."""

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (E, d_a) actions for (E, d_s) observations."""
        ...


class Noise(Protocol):
    """Noise that is added to the actions of a policy, a reproducible sequence for each episode."""

    def draw(self, environment_seed: int, steps: int, action_size: int) -> NDArray[np.float32]:
        """Return the (steps, d_a) noise of the episode with this seed."""
        ...


@dataclass(frozen=True)
class ActionNoise:
    """Gaussian noise, independent between steps and components.

    Attributes:
        standard_deviation: in units of the action, whose range is [-1, 1].
        seed: what makes the noise of two rollouts of one policy differ.
    """

    standard_deviation: float
    seed: int

    def draw(self, environment_seed: int, steps: int, action_size: int) -> NDArray[np.float32]:
        """Return the (steps, d_a) noise of the episode with this seed."""
        generator = np.random.default_rng([self.seed, environment_seed])
        return generator.normal(0.0, self.standard_deviation, (steps, action_size)).astype(np.float32)


@dataclass(frozen=True)
class UniformNoise:
    """Noise uniform in [-1, 1]; added to `ZeroPolicy` it makes the uniformly random policy.

    Attributes:
        seed: what makes the noise of two rollouts differ.
    """

    seed: int

    def draw(self, environment_seed: int, steps: int, action_size: int) -> NDArray[np.float32]:
        """Return the (steps, d_a) noise of the episode with this seed."""
        generator = np.random.default_rng([self.seed, environment_seed])
        return generator.uniform(-1.0, 1.0, (steps, action_size)).astype(np.float32)


@dataclass(frozen=True)
class ZeroPolicy:
    """A policy that always chooses the middle of the action range.

    Attributes:
        action_size: number of action components d_a.
    """

    action_size: int

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (E, d_a) zeros."""
        return np.zeros((len(observations), self.action_size), np.float32)


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode from reset to termination or truncation, L steps long.

    Attributes:
        environment_seed: the seed of its reset.
        observations: (L, d_s) float32, before each step; with the four below empty if not kept.
        actions: (L, d_a) float32 in [-1, 1], as the simulator received them.
        next_observations: (L, d_s) float32, after each step.
        rewards: (L,) float32.
        costs: (L,) float32.
        terminated: whether the episode came to an end of its own; False if it was cut off at T steps.
        episode_return: sum of the simulator's rewards in float64.
        episode_cost: sum of the simulator's costs in float64.
        length: number of steps L.
    """

    environment_seed: int
    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    next_observations: NDArray[np.float32]
    rewards: NDArray[np.float32]
    costs: NDArray[np.float32]
    terminated: bool
    episode_return: float
    episode_cost: float
    length: int


def roll_out(
    task: Task,
    policy: Policy,
    environment_seeds: Sequence[int],
    *,
    n_environments: int = 10,
    noise: Noise | None = None,
    fast: bool = True,
    on_episode: Callable[[int], None] | None = None,
    keep_transitions: bool = True,
) -> list[Episode]:
    """Run one episode for each seed.

    Actions are clipped to [-1, 1] after the noise is added.

    Args:
        task: the task.
        policy: what acts; it always receives `n_environments` rows, also when fewer episodes are running.
        environment_seeds: the seed of each episode, not negative; best a run of consecutive numbers.
        n_environments: number of environments side by side.
        noise: added to the policy's actions; none if None.
        fast: use the fast path of the simulator.
        on_episode: called after each episode with the number of episodes finished so far.
        keep_transitions: whether the episodes carry their transitions or only their sums.

    Returns:
        The episodes in the order of `environment_seeds`.

    Raises:
        UserError: the policy returned actions of a wrong shape or not finite, or `n_environments` < 1.
    """
    if n_environments < 1:
        raise UserError("no environment to roll out in", expected="n_environments >= 1", found=n_environments)
    waiting: dict[int, deque[tuple[int, int]]] = {}
    for position, seed in enumerate(environment_seeds):
        waiting.setdefault(int(seed) % n_environments, deque()).append((position, int(seed)))
    batch = _Batch(task, n_environments)
    running = [
        _Slot(task, batch, row, waiting[row], noise, fast=fast, keep_transitions=keep_transitions)
        for row in sorted(waiting)
    ]
    finished: dict[int, Episode] = {}
    while running:
        actions = batch.choose_actions(policy, [slot.row for slot in running])
        for slot in running.copy():
            if not slot.step(actions[slot.row]):
                continue
            finished[slot.position] = slot.finish()
            if on_episode is not None:
                on_episode(len(finished))
            if not slot.start_next():
                running.remove(slot)
    return [finished[position] for position in range(len(environment_seeds))]


class _Batch:
    """What the policy sees and what is added to its answer, one row per environment."""

    def __init__(self, task: Task, n_environments: int) -> None:
        self.observations = np.zeros((n_environments, task.observation_size), np.float32)
        self.noise = np.zeros((n_environments, task.action_size), np.float32)

    def choose_actions(self, policy: Policy, running: list[int]) -> NDArray[np.float32]:
        """Return the (E, d_a) clipped actions; only those of the `running` rows have to make sense."""
        actions = np.asarray(policy.act(self.observations.copy()), dtype=np.float32)
        if actions.shape != self.noise.shape:
            raise UserError(
                "the policy returned actions of a wrong shape", expected=self.noise.shape, found=actions.shape
            )
        if not np.isfinite(actions[running]).all():
            bad = next(row for row in running if not np.isfinite(actions[row]).all())
            raise UserError(
                "the policy returned an action that is not finite",
                expected="finite numbers",
                found=f"{actions[bad]} for the observation {self.observations[bad]}",
                hint="look for a diverged loss in the training log of this policy",
            )
        return np.clip(actions + self.noise, -1.0, 1.0)


class _Slot:
    """One environment, the episode that runs in it, the seeds that wait for it, and its row of the batch."""

    def __init__(
        self,
        task: Task,
        batch: _Batch,
        row: int,
        waiting: deque[tuple[int, int]],
        noise: Noise | None,
        *,
        fast: bool,
        keep_transitions: bool,
    ) -> None:
        self.row, self._waiting = row, waiting
        self._batch, self._task, self._noise, self._keep = batch, task, noise, keep_transitions
        self._environment = make_environment(task, fast=fast)
        self._draws: NDArray[np.float32] | None = None
        steps = task.episode_length if keep_transitions else 0
        self._observations = np.zeros((steps + 1, task.observation_size), np.float32)
        self._actions = np.zeros((steps, task.action_size), np.float32)
        self._rewards = np.zeros(steps, np.float32)
        self._costs = np.zeros(steps, np.float32)
        self.start_next()

    def start_next(self) -> bool:
        """Begin the episode of the next seed that waits; return whether there was one."""
        if not self._waiting:
            return False
        self.position, self._seed = self._waiting.popleft()
        self._length, self._return, self._cost, self._terminated = 0, 0.0, 0.0, False
        observation, _ = self._environment.reset(seed=self._seed)
        self._batch.observations[self.row] = self._observations[0] = observation
        if self._noise is not None:
            self._draws = self._noise.draw(self._seed, self._task.episode_length, self._task.action_size)
            self._batch.noise[self.row] = self._draws[0]
        return True

    def step(self, action: NDArray[np.float32]) -> bool:
        """Take one step, write what follows into the batch; return whether the episode is over."""
        # Float64 holds every float32 exactly: what is recorded is what the simulator computes with.
        result = self._environment.step(action.astype(np.float64))
        observation, reward, cost, self._terminated, truncated, _ = result
        step = self._length
        if self._keep:
            self._actions[step] = action
            self._observations[step + 1] = observation
            self._rewards[step] = reward
            self._costs[step] = cost
        self._return += float(reward)
        self._cost += float(cost)
        self._length = step + 1
        if self._terminated or truncated:
            return True
        self._batch.observations[self.row] = observation
        if self._draws is not None:
            self._batch.noise[self.row] = self._draws[self._length]
        return False

    def finish(self) -> Episode:
        """Return the episode that is over; its arrays are copies, for the slot's are used again."""
        kept = self._length if self._keep else 0
        observations = self._observations[: kept + 1].copy()
        return Episode(
            environment_seed=self._seed,
            observations=observations[:-1],
            actions=self._actions[:kept].copy(),
            next_observations=observations[1:],
            rewards=self._rewards[:kept].copy(),
            costs=self._costs[:kept].copy(),
            terminated=bool(self._terminated),
            episode_return=self._return,
            episode_cost=self._cost,
            length=self._length,
        )
