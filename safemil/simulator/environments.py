"""Makes the environment of a task, with the fast path on unless it is refused."""

import math
from typing import Any, Protocol, cast

import numpy as np
import safety_gymnasium
from numpy.typing import NDArray

from safemil.errors import UserError
from safemil.simulator.fast_path import accelerate
from safemil.tasks import Task


class Environment(Protocol):
    """A Safety-Gymnasium environment: like a Gymnasium one, with a cost beside the reward."""

    observation_space: Any
    action_space: Any

    @property
    def unwrapped(self) -> Any:
        """The simulator's own object inside all wrappers."""
        ...

    def reset(self, *, seed: int | None = None) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Start an episode; return its first observation (d_s,) and further information."""
        ...

    def step(
        self, action: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], float, float, bool, bool, dict[str, Any]]:
        """Apply an action (d_a,); return observation, reward, cost, terminated, truncated, information."""
        ...


def make_environment(task: Task, *, fast: bool = True) -> Environment:
    """Make a task's environment; seed each of its resets.

    Args:
        task: which task.
        fast: replace the simulator's slow parts by equivalent fast ones (see `fast_path`) and skip the
            checks that Gymnasium makes of the first step.

    Returns:
        A Safety-Gymnasium environment.
    """
    environment = safety_gymnasium.make(task.environment_id, disable_env_checker=fast or None)
    if fast:
        accelerate(environment)
    return cast(Environment, environment)


def observation_part(environment: Environment, name: str) -> slice:
    """Return where a sensor's values stand in the flat observation of a navigation task.

    Args:
        environment: as from `make_environment`.
        name: sensor, e.g. `hazards_lidar`.

    Raises:
        UserError: the task has no such sensor.
    """
    spaces = environment.unwrapped.task.obs_info.obs_space_dict.spaces
    start = 0
    for sensor, space in spaces.items():
        size = math.prod(space.shape)
        if sensor == name:
            return slice(start, start + size)
        start += size
    raise UserError("the task has no such sensor", expected=f"one of {', '.join(spaces)}", found=name)
