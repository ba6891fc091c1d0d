"""The task as the behaviour learner sees it: reward minus a penalty per unit of cost.

The penalty is fixed, or moves over a part of training (`settings.RunGroup`). It was chosen over a Lagrangian
multiplier because a multiplier that meets an infeasible or moving limit winds up and collapses the
policy, while a penalty has an optimum.
"""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from safemil.behavior.settings import Caution
from safemil.simulator.environments import make_environment, observation_part
from safemil.tasks import Task

# Of Safety-Gymnasium's Goal and Button tasks: what a lidar of pseudo type sees, and the size of a hazard. A
# gremlin is half as large; near one the penalty begins, and is whole, 0.1 m before the edge.
LIDAR_RANGE = 3.0
OBJECT_RADIUS = 0.2


class PenalisedTask(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A Gymnasium view (five values per step) of a safety task, for a standard RL learner.

    Attributes:
        penalty: reward taken away per unit of cost; may be changed between steps. With `caution`, being near
            an object takes some away as well.
    """

    def __init__(self, task: Task, penalty: float, caution: Caution | None = None) -> None:
        self._environment = make_environment(task)
        self.penalty = penalty
        self._caution = caution
        self._lidars = (
            [observation_part(self._environment, name) for name in caution.lidars] if caution else []
        )
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
        shaped = float(reward) - self.penalty * float(cost) - self._nearness_penalty(observation)
        return np.asarray(observation, np.float32), shaped, bool(terminated), bool(truncated), info

    def _nearness_penalty(self, observation: NDArray[Any]) -> float:
        if self._caution is None:
            return 0.0
        unit = 1.0 if self._caution.flat else self.penalty
        strongest = max(float(observation[part].max()) for part in self._lidars)
        return unit * self._caution.weight * nearness(strongest, self._caution.margin)


def nearness(lidar: float, margin: float) -> float:
    """Return how near an object's edge is: 0 from `margin` on, rising linearly to 1 at the edge and within.

    Args:
        lidar: reading in [0, 1], which falls linearly with the distance to the object's centre.
        margin: distance to the edge, in metres.
    """
    distance = LIDAR_RANGE * (1 - lidar) - OBJECT_RADIUS
    return float(np.clip(1 - distance / margin, 0, 1))
