"""Makes one Safety-Gymnasium environment fast without changing what it computes.

The navigation tasks spend a small part of their time on physics. This module replaces, in one environment and
no other, the classes of its task, agent, obstacles and random generator by subclasses that compute the same
in less time: worlds without skybox (`fast_world`), layouts (`fast_layout`), distances, contacts and moving
obstacles (`fast_objects`), lidars (`fast_lidar`), and observations written straight into their vector rather
than collected in a dictionary, checked against a space and flattened. Rewards, costs and ends of
episodes are identical to the last bit; observations within 1e-12, since the lidars round differently.

Velocity tasks have no such part: they are within a factor of two of their physics as they are.
"""

import math
from typing import Any

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray
from safety_gymnasium.agents import Point
from safety_gymnasium.assets.geoms import Buttons, Hazards
from safety_gymnasium.assets.mocaps import Gremlins
from safety_gymnasium.bases.base_task import BaseTask
from safety_gymnasium.tasks.button.button_level0 import ButtonLevel0

from safemil.simulator.fast_layout import FastRandomGenerator
from safemil.simulator.fast_lidar import pseudo_lidar
from safemil.simulator.fast_objects import FastButtons, FastGremlins, FastHazards, FastPoint
from safemil.simulator.fast_world import LIDAR_BODIES, LeanWorld, WorldIndex, index_world

FAST_CLASSES: dict[type, type] = {
    Point: FastPoint,
    Buttons: FastButtons,
    Gremlins: FastGremlins,
    Hazards: FastHazards,
}


def accelerate(environment: gymnasium.Env[Any, Any]) -> None:
    """Replace the slow parts of this environment, and of no other, by equivalent fast ones.

    Every navigation task gets worlds without skybox and faster layouts. The rest is for tasks with the point
    agent and obstacles known here, among them those of `config/tasks.tsv`. Velocity tasks are left alone.

    Args:
        environment: an environment that has not been reset yet; changed in place.
    """
    task = getattr(environment.unwrapped, "task", None)
    if not isinstance(task, BaseTask):
        return
    task.random_generator.__class__ = FastRandomGenerator
    if not _is_known(task):
        _add_mixin(task, LeanTask)
        return
    _add_mixin(task, FastButtonTask if isinstance(task, ButtonLevel0) else FastTask)
    for thing in (task.agent, *task._obstacles):
        thing.__class__ = FAST_CLASSES.get(type(thing), type(thing))


def _add_mixin(task: BaseTask, mixin: type) -> None:
    """Put a mixin in front of the class of this one task."""
    stock = type(task)
    task.__class__ = type(stock.__name__, (mixin, stock), {})


def _is_known(task: BaseTask) -> bool:
    """Return whether `FastTask` computes what this task observes."""
    return (
        type(task.agent) is Point
        and task.observation_flatten
        and not (task.observe_vision or task.debug or task.action_noise)
        and task.lidar_conf.type == "pseudo"
        and task.lidar_conf.alias
        and task.lidar_conf.max_dist is not None
        and all(
            obstacle.name in LIDAR_BODIES and not getattr(obstacle, "is_comp_observed", False)
            for obstacle in task._obstacles
            if obstacle.is_lidar_observed
        )
    )


class LeanTask(BaseTask):  # type: ignore[misc]
    """Mixin of a navigation task: its world has no skybox and is compiled once per reset, not twice."""

    world: LeanWorld | None

    def _build(self) -> None:
        placements = self.placements_conf
        if placements.placements is None:
            self._build_placements_dict()
            self.random_generator.set_placements_info(
                placements.placements, placements.extents, placements.margin
            )
        self.world_info.layout = self.random_generator.build_layout()
        self.world_info.world_config_dict = self._build_world_config(self.world_info.layout)
        if self.world is None:
            self.world = LeanWorld(self.agent, self._obstacles, self.world_info.world_config_dict)
            self.world.build()
        else:
            self.world.rebuild(self.world_info.world_config_dict, state=False)
            if self.viewer:
                self._update_viewer(self.model, self.data)


class FastTask(LeanTask):
    """Mixin of a navigation task with the point agent and obstacles of the kinds known here."""

    _index: WorldIndex

    def _build(self) -> None:
        super()._build()
        obstacles = self._obstacles
        self._index = index_world(self.model, self.agent, obstacles)
        self._all_obstacles = obstacles
        self._lidars = [obstacle.name for obstacle in obstacles if obstacle.is_lidar_observed]
        for thing in (self.agent, *obstacles):
            if type(thing) in FAST_CLASSES.values():
                thing.use_index(self.model, self._index)

    def _forward(self) -> None:
        """Bring derived quantities up to date after a call of `mj_forward` for the same state.

        The simulator calls `mj_forward` two more times per step. Without active constraints that repeats the
        same computation; with them the solver starts from its last solution and may move on a bit.
        """
        if self.data.nefc:
            mujoco.mj_forward(self.model, self.data)

    def simulation_forward(self, action: NDArray[np.float64]) -> bool:
        """Apply an action for one environment step; return whether the physics failed (never).

        Args:
            action: (d_a,) action, clipped to the range of the actuators.
        """
        self.agent.apply_action(action)
        model, data, frames = self.model, self.data, self.sim_conf
        # The number of frames is fixed in effect, but its draw advances the random stream.
        n_frames = self.random_generator.binomial(frames.frameskip_binom_n, frames.frameskip_binom_p)
        for _ in range(n_frames):
            for mocap in self._mocaps.values():
                mocap.move()
            mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        return False

    def dist_goal(self) -> float:
        """Return the distance from the agent to the goal in the plane, metres."""
        positions = self.data.xpos
        x, y = (positions[self._index.goal_body, :2] - positions[self._index.agent_body, :2]).tolist()
        return math.sqrt(x * x + y * y)

    def calculate_cost(self) -> dict[str, float]:
        """Return the cost of each kind of obstacle and their sum."""
        self._forward()
        cost: dict[str, float] = {}
        for obstacle in self._all_obstacles:
            cost.update(obstacle.cal_cost())
        cost["cost_sum"] = sum(cost.values())
        return cost

    def obs(self) -> NDArray[np.float64]:
        """Return the observation: the agent's sensors, then one lidar per kind of obstacle."""
        self._forward()
        index, data, n_bins = self._index, self.data, self.lidar_conf.num_bins
        offsets = data.xpos[index.lidar_bodies, :2] - data.xpos[index.agent_body, :2]
        # The point agent turns about the vertical axis only: its rotation in the plane is all there is.
        rotation = data.xmat[index.agent_body].reshape(3, 3)[:2, :2]
        n_lidars = len(self._lidars)
        readings = pseudo_lidar(
            offsets @ rotation, index.lidar_kinds, n_lidars, n_bins, self.lidar_conf.max_dist
        )
        n_sensors = len(index.sensor_addresses)
        observation = np.empty(n_sensors + len(readings))
        observation[:n_sensors] = data.sensordata[index.sensor_addresses]
        observation[n_sensors:] = readings
        return observation


class FastButtonTask(FastTask):
    """Mixin of a task in which the agent presses buttons."""

    @property
    def goal_achieved(self) -> bool:
        """Whether the agent touches the goal button."""
        return self.buttons.goal_is_touched  # type: ignore[no-any-return]

    def obs(self) -> NDArray[np.float64]:
        """Return the observation, in which buttons are invisible while the timer of the last goal runs."""
        observation = super().obs()
        if self.buttons.timer != 0:
            n_bins = self.lidar_conf.num_bins
            first = len(self._index.sensor_addresses) + n_bins * self._lidars.index("buttons")
            observation[first : first + n_bins] = 0.0
        return observation
