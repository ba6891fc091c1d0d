"""Starts a learner from a clone of the hand-written planner.

The planner's episodes are made under action noise, so that they lead into states beside its own way; the
network is fitted to the actions that the planner would have taken there without noise. The observation
statistics of these episodes become the learner's.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecNormalize

from safemil.behavior.planner import Layout, Planner
from safemil.behavior.settings import BehaviorRun, PlannerStart
from safemil.errors import UserError
from safemil.simulator.environments import make_environment, observation_part
from safemil.simulator.rollout import ActionNoise, roll_out
from safemil.tasks import Task, get_task

BATCH_SIZE = 512
LEARNING_RATE = 1e-3
# Each training seed clones episodes of its own; training uses small environment seeds.
SEEDS_PER_RUN = 1000


def make_planner(task: Task, start: PlannerStart) -> Planner:
    """Make the planner for a task.

    Raises:
        UserError: a margin is given for a lidar the task does not have.
    """
    environment = make_environment(task)
    layout = Layout(
        velocimeter=observation_part(environment, "velocimeter"),
        goal=observation_part(environment, "goal_lidar"),
        obstacles={name: observation_part(environment, name) for name in start.margins},
    )
    return Planner(layout, start.margins, start.charge)


def planner_episodes(
    task: Task, start: PlannerStart, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (N, d_s) observations of the planner under noise and its (N, d_a) actions there without noise.

    Args:
        task: which task.
        start: margins, number of episodes and noise.
        seed: the run's training seed; it decides environment seeds and noise.
    """
    planner = make_planner(task, start)
    first = seed * SEEDS_PER_RUN
    noise = ActionNoise(start.noise_std, seed)
    episodes = roll_out(task, planner, range(first, first + start.episodes), noise=noise)
    observations = np.concatenate([episode.observations for episode in episodes])
    return observations, planner.act(observations)


def fit(
    policy: Any, observations: NDArray[np.float32], actions: NDArray[np.float32], *, steps: int, seed: int
) -> float:
    """Fit a learner's mean action to the given ones by least squares; the critic stays as it is.

    Args:
        policy: the library's actor-critic policy.
        observations: (N, d_s), normalised.
        actions: (N, d_a) in [-1, 1].
        steps: gradient steps.
        seed: of the order of the batches.

    Returns:
        The mean squared error over all of the data after the last step.
    """
    network = torch.nn.Sequential(policy.mlp_extractor.policy_net, policy.action_net)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    inputs, targets = torch.from_numpy(observations), torch.from_numpy(actions)
    generator = np.random.default_rng(seed)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * (1 - step / steps)
        rows = torch.from_numpy(generator.integers(len(inputs), size=BATCH_SIZE))
        loss = torch.nn.functional.mse_loss(network(inputs[rows]), targets[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        return float(torch.nn.functional.mse_loss(network(inputs), targets))


def start_from_planner(run: BehaviorRun, start: PlannerStart, policy: Any, normaliser: VecNormalize) -> float:
    """Make a fresh learner act like the planner.

    Args:
        run: task and training seed.
        start: the planner's margins and how it is cloned.
        policy: the learner's actor-critic policy, changed in place.
        normaliser: gets the observation statistics of the planner's episodes.

    Returns:
        The mean squared error of the clone on the planner's actions.

    Raises:
        UserError: the clone is no better than the constant mean action.
    """
    observations, actions = planner_episodes(get_task(run.task), start, run.training_seed)
    statistics: Any = normaliser.obs_rms
    statistics.update(observations.astype(np.float64))
    normalised = normaliser.normalize_obs(observations)
    assert isinstance(normalised, np.ndarray)
    error = fit(policy, normalised.astype(np.float32), actions, steps=start.fit_steps, seed=run.training_seed)
    variance = float(actions.var(axis=0).mean())
    if not error < variance:
        raise UserError(
            "the clone does not act like the planner",
            expected=f"a mean squared error below the actions' variance, {variance:.3g}",
            found=f"{error:.3g}",
            hint="give it more steps: `fit_steps`",
        )
    return error
