"""The agent and the obstacles of the navigation tasks with ids in place of names, arrays in place of loops.

An object becomes fast when its class is replaced by the subclass here and `use_index` is called after every
compilation of the world. Where a number decides on a reward or a cost the arithmetic keeps the simulator's
order of operations, so that the result is the same to the last bit.
"""

import math
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from safety_gymnasium.agents import Point
from safety_gymnasium.assets.geoms import Buttons, Hazards
from safety_gymnasium.assets.mocaps import Gremlins

from safemil.simulator.fast_world import WorldIndex


class FastPoint(Point):  # type: ignore[misc]
    """The point agent."""

    def use_index(self, model: Any, index: WorldIndex) -> None:
        """Remember the agent's id and make the buffer of its Jacobian."""
        self._body = index.agent_body
        self._jacobian = np.zeros((3, model.nv))

    @property
    def pos(self) -> NDArray[np.float64]:
        """(3,) position in the world, metres."""
        return np.array(self.engine.data.xpos[self._body])

    @property
    def mat(self) -> NDArray[np.float64]:
        """(3, 3) rotation from the agent's frame to the world's."""
        return self.engine.data.xmat[self._body].copy().reshape(3, 3)  # type: ignore[no-any-return]

    @property
    def vel(self) -> NDArray[np.float64]:
        """(3,) velocity in the world, metres per second."""
        mujoco.mj_jacBody(self.engine.model, self.engine.data, self._jacobian, None, self._body)
        return np.dot(self._jacobian, self.engine.data.qvel)  # type: ignore[no-any-return]


class FastHazards(Hazards):  # type: ignore[misc]
    """Areas that cost while the agent's centre is inside one."""

    def use_index(self, model: Any, index: WorldIndex) -> None:
        """Remember the ids of the agent and of each hazard."""
        self._agent_body = index.agent_body
        self._bodies = [model.body(f"hazard{number}").id for number in range(self.num)]

    def cal_cost(self) -> dict[str, float]:
        """Return the cost of the hazards around the agent: the depth to which it is inside, summed."""
        if not self.is_constrained:
            return {}
        positions = self.engine.data.xpos
        offsets = positions[self._bodies, :2] - positions[self._agent_body, :2]
        cost = 0.0
        for x, y in offsets.tolist():
            distance = math.sqrt(x * x + y * y)
            if distance <= self.size:
                cost += self.cost * (self.size - distance)
        return {"cost_hazards": cost}


class FastButtons(Buttons):  # type: ignore[misc]
    """Buttons, of which all but the goal cost when touched."""

    def use_index(self, model: Any, index: WorldIndex) -> None:
        """Remember the geoms of the agent and of each button."""
        self._agent_geoms = index.agent_geoms
        self._geoms = [model.geom(f"button{number}").id for number in range(self.num)]

    def cal_cost(self) -> dict[str, float]:
        """Return the cost of touching wrong buttons; none while the timer of the last goal runs."""
        if not self.is_constrained or self.timer != 0:
            return {}
        touched = touched_geoms(self.engine.data, self._agent_geoms)
        wrong = set(self._geoms) - {self._geoms[self.goal_button]}
        return {"cost_buttons": self.cost * sum(geom in wrong for geom in touched)}

    @property
    def goal_is_touched(self) -> bool:
        """Whether the agent touches the goal button."""
        return self._geoms[self.goal_button] in touched_geoms(self.engine.data, self._agent_geoms)


class FastGremlins(Gremlins):  # type: ignore[misc]
    """Boxes that move in circles and cost when touched."""

    def use_index(self, model: Any, index: WorldIndex) -> None:
        """Remember the geoms of the agent and of each gremlin, and the mocap bodies that pull them."""
        self._agent_geoms = index.agent_geoms
        self._geoms = {model.geom(f"gremlin{number}obj").id for number in range(self.num)}
        bodies = [model.body(f"gremlin{number}mocap").id for number in range(self.num)]
        self._mocaps = model.body_mocapid[bodies]

    def move(self) -> None:
        """Set the targets of the gremlins, all at the same phase of their circles."""
        data = self.engine.data
        phase = data.time
        # NumPy's sine, not the standard library's: the two may differ in the last bit.
        target = (np.sin(phase) * self.travel, np.cos(phase) * self.travel, self.size)
        data.mocap_pos[self._mocaps] = target

    def cal_cost(self) -> dict[str, float]:
        """Return the cost of touching gremlins."""
        if not self.is_constrained:
            return {}
        touched = touched_geoms(self.engine.data, self._agent_geoms)
        return {"cost_gremlins": self.contact_cost * sum(geom in self._geoms for geom in touched)}


def touched_geoms(data: Any, agent_geoms: frozenset[int]) -> list[int]:
    """Return the ids of the geoms that touch the agent, one for each point of contact."""
    contacts = data.contact
    pairs = zip(contacts.geom1.tolist(), contacts.geom2.tolist(), strict=True)
    return [
        second if first in agent_geoms else first
        for first, second in pairs
        if (first in agent_geoms) != (second in agent_geoms)
    ]
