"""Faster world building: no skybox, and names looked up once per world rather than once per use.

Every reset of a navigation task compiles a new MuJoCo model. The simulator's model carries a skybox, six
images that are decoded to 191 MB although nothing but rendering looks at them; without it a reset takes
milliseconds rather than seconds. The physics does not know the difference.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safety_gymnasium.world import World

SKYBOX = re.compile(r"<texture\b[^>]*\btype=\"skybox\"[^>]*(/>|>\s*</texture>)")

# The bodies a lidar sees, by the name of the obstacle that owns them. The circle is always reported at
# the origin, wherever its body is (1e-9 m off), and the body called "world" is the origin.
LIDAR_BODIES = {
    "circle": "world",
    "goal": "goal",
    "hazards": "hazard{}",
    "vases": "vase{}",
    "buttons": "button{}",
    "gremlins": "gremlin{}obj",
}


class LeanWorld(World):  # type: ignore[misc]
    """A world that removes the skybox from its XML before the XML is compiled."""

    @property
    def xml_string(self) -> str | None:
        """The XML that is compiled, without skybox; `World.build` assigns it just before compiling."""
        return self._xml_string

    @xml_string.setter
    def xml_string(self, text: str | None) -> None:
        self._xml_string = None if text is None else SKYBOX.sub("", text)


@dataclass(frozen=True)
class WorldIndex:
    """Where a compiled world keeps what every step reads.

    Attributes:
        agent_body: id of the agent's body.
        agent_geoms: ids of the geoms that make up the agent.
        goal_body: id of the goal's body; None for a task without goal.
        sensor_addresses: (s,) positions in `sensordata` of the sensors an observation begins with.
        lidar_bodies: (n,) ids of the bodies seen by a lidar, in the order of the observation.
        lidar_kinds: for each of those bodies the number of the lidar that sees it.
    """

    agent_body: int
    agent_geoms: frozenset[int]
    goal_body: int | None
    sensor_addresses: NDArray[np.intp]
    lidar_bodies: NDArray[np.intp]
    lidar_kinds: list[int]


def body_names(obstacle: Any) -> list[str]:
    """Return the names of the bodies that stand for an obstacle in its lidar."""
    pattern = LIDAR_BODIES[obstacle.name]
    return [pattern.format(number) for number in range(getattr(obstacle, "num", 1))]


def index_world(model: Any, agent: Any, obstacles: list[Any]) -> WorldIndex:
    """Look up every name that a step needs.

    Args:
        model: the compiled model.
        agent: the agent, for its sensors and geoms.
        obstacles: every obstacle of the task, in the order of the observation.
    """
    observed = [obstacle for obstacle in obstacles if obstacle.is_lidar_observed]
    names = [(name, kind) for kind, obstacle in enumerate(observed) for name in body_names(obstacle)]
    sensors = [model.sensor(name) for name in agent.sensor_conf.sensors]
    addresses = [np.arange(sensor.adr[0], sensor.adr[0] + sensor.dim[0]) for sensor in sensors]
    has_goal = any(obstacle.name == "goal" for obstacle in obstacles)
    return WorldIndex(
        agent_body=model.body("agent").id,
        agent_geoms=frozenset(model.geom(name).id for name in agent.body_info.geom_names),
        goal_body=model.body("goal").id if has_goal else None,
        sensor_addresses=np.concatenate(addresses),
        lidar_bodies=np.array([model.body(name).id for name, _ in names]),
        lidar_kinds=[kind for _, kind in names],
    )
