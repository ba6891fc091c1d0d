"""Makes the environment of a task, with the fast path on unless it is refused."""

from typing import Any, cast

import gymnasium
import safety_gymnasium

from safemil.simulator.compatibility import allow_array_defaults
from safemil.tasks import Task

allow_array_defaults()

Environment = gymnasium.Env[Any, Any]


def make_environment(task: Task, *, fast: bool = True) -> Environment:
    """Make a task's environment; its `step` returns six values, cost after reward.

    Args:
        task: which task.
        fast: replace the simulator's slow parts by equivalent fast ones (see `fast_path`).

    Returns:
        A Safety-Gymnasium environment: `reset(seed=...) -> (observation, info)` and
        `step(action) -> (observation, reward, cost, terminated, truncated, info)`.
    """
    environment = safety_gymnasium.make(task.environment_id, disable_env_checker=fast or None)
    return cast(Environment, environment)
