"""The task as the behaviour learner sees it: reward minus a penalty per unit of cost.

The penalty is fixed, or moves over a part of training (`settings.RunGroup`). It was chosen over a Lagrangian
multiplier because a multiplier that meets an infeasible or moving limit winds up and collapses the
policy, while a penalty has an optimum.
"""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from safemil.simulator.environments import make_environment
from safemil.tasks import Task


class PenalisedTask(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A Gymnasium view (five values per step) of a safety task, for a standard RL learner.

    Attributes:
        penalty: reward taken away per unit of cost; may be changed between steps.
    """

    def __init__(self, task: Task, penalty: float) -> None:
        self._environment = make_environment(task)
        self.penalty = penalty
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (task.observation_size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (task.action_size,), np.float32)
        self._episode_return = 0.0
        self._episode_cost = 0.0

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002  # Gymnasium's signature
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; true return and cost are counted from here."""
        observation, _ = self._environment.reset(seed=seed)
        self._episode_return = self._episode_cost = 0.0
        return np.asarray(observation, np.float32), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Step the task; at the episode's end `info["episode_totals"]` holds true (return, cost)."""
        observation, reward, cost, terminated, truncated, _ = self._environment.step(action)
        self._episode_return += float(reward)
        self._episode_cost += float(cost)
        info: dict[str, Any] = {}
        if terminated or truncated:
            info["episode_totals"] = (self._episode_return, self._episode_cost)
        shaped = float(reward) - self.penalty * float(cost)
        return np.asarray(observation, np.float32), shaped, bool(terminated), bool(truncated), info
