"""A hand-written planner for the point robot's navigation tasks: a teacher of behaviour policies, never data.

It reads nothing but the observation: where the lidars place the goal and the objects around. Of 72 headings
it takes the one nearest to the goal's that keeps its distance from every object, turns there, and drives the
more slowly the more it has to turn. Its decisions jump from one heading to another, so a network that
imitates it drives through the middle; `clone.py` therefore uses it only to start a learner from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safemil.behavior.penalised import LIDAR_RANGE
from safemil.behavior.settings import CHARGE

FloatArray = NDArray[np.float64]

N_HEADINGS = 72
HEADINGS = np.arange(N_HEADINGS) * (2 * np.pi / N_HEADINGS)
DIRECTIONS = np.stack([np.cos(HEADINGS), np.sin(HEADINGS)], axis=-1)
# How far ahead a heading is followed when it is checked, metres.
LOOKAHEAD = 0.7
FULL_SPEED = 1.0  # metres per second
# Gains from the error in heading (radian) and in speed (m/s) to the action.
TURN_GAIN = 4.0
SPEED_GAIN = 2.0
# A reading this much above what its neighbours explain stands for an object of its own.
READING_TOLERANCE = 0.02
# A button this near to the goal is the goal's own, metres; buttons are placed at least twice as far apart.
SAME_PLACE = 0.2


@dataclass(frozen=True)
class Layout:
    """Where an observation holds what the planner reads.

    Attributes:
        velocimeter: the velocity in the robot's frame, three numbers, metres per second.
        goal: the goal's lidar.
        obstacles: the lidar of each kind of object to stay away from, by its name.
    """

    velocimeter: slice
    goal: slice
    obstacles: Mapping[str, slice]


@dataclass(frozen=True)
class Planner:
    """Chooses actions from observations, all environments at once; deterministic and without memory.

    Attributes:
        layout: where the observation holds the velocity and the lidars.
        margins: distance to keep from the centres of each kind of object, metres, by the lidar's name; 0
            means that this kind is driven through.
        charge: for a way through an object's centre, where turning from the goal costs 1 - cos(angle).
    """

    layout: Layout
    margins: Mapping[str, float]
    charge: float = CHARGE

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (E, 2) actions in [-1, 1], push and turn, for (E, d_s) observations."""
        seen = np.asarray(observations, np.float64)
        goals = goal_positions(seen, self.layout)
        turn = self.headings(seen, goals)
        wanted = FULL_SPEED * np.cos(turn) ** 2 * (np.abs(turn) < np.pi / 2)
        push = SPEED_GAIN * (wanted - seen[:, self.layout.velocimeter.start])
        actions = np.clip(np.stack([push, TURN_GAIN * turn], axis=-1), -1.0, 1.0)
        return np.asarray(actions, np.float32)

    def headings(self, observations: FloatArray, goals: FloatArray) -> FloatArray:
        """Return the (E,) heading to take in each environment, radian in [-pi, pi), 0 is straight on.

        Args:
            observations: (E, d_s).
            goals: (E, 2) positions of the goals in the robot's frame, metres.
        """
        distances = np.hypot(goals[:, 0], goals[:, 1])
        bearings = np.arctan2(goals[:, 1], goals[:, 0])
        # The goal's own direction is one more heading, so that a free way is followed exactly.
        angles = np.concatenate([np.tile(HEADINGS, (len(goals), 1)), bearings[:, None]], axis=1)
        score = 1 - np.cos(angles - bearings[:, None])
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        reach = np.minimum(distances, LOOKAHEAD)
        for name, margin in self.margins.items():
            if margin == 0:
                continue
            places = object_positions(observations[:, self.layout.obstacles[name]])
            if name == "buttons_lidar":
                places = without_goal(places, goals)
            score += self.charge * intrusion(places, directions, reach, margin)
        best = angles[np.arange(len(angles)), score.argmin(axis=1)]
        return np.asarray((best + np.pi) % (2 * np.pi) - np.pi)


def intrusion(places: FloatArray, directions: FloatArray, reach: FloatArray, margin: float) -> FloatArray:
    """Return how deep each straight way leads into the margins of objects, summed over them, (E, A).

    Args:
        places: (E, n, 2) positions of objects in the robot's frame, metres; NaN where there is none.
        directions: (E, A, 2) unit vectors of the ways.
        reach: (E,) length of the ways, metres.
        margin: distance from a centre at which the charge begins, metres; it rises linearly to 1 there.
    """
    along = np.einsum("enk,eak->ean", places, directions)
    nearest = np.clip(along, 0.0, reach[:, None, None])
    gap = places[:, None] - nearest[..., None] * directions[:, :, None]
    depth = 1 - np.hypot(gap[..., 0], gap[..., 1]) / margin
    return np.asarray(np.nansum(np.maximum(depth, 0.0), axis=-1))


def object_positions(readings: FloatArray) -> FloatArray:
    """Return where the objects of a lidar are, (E, B, 2) in the robot's frame, metres, NaN for a bin without.

    An object in a bin also shows in the two neighbouring ones, in proportion to how near it is to them; both
    shares sum to its own reading. Where another object is in a neighbouring bin, its reading is the
    higher one, so the lower neighbour alone says where in its bin an object is. What no neighbour explains is
    an object as well, taken to be in the middle of its bin.

    Args:
        readings: (E, B) closeness 1 - distance / range per bin, counter-clockwise from straight ahead.
    """
    n_bins = readings.shape[1]
    before, after = np.roll(readings, 1, axis=1), np.roll(readings, -1, axis=1)
    peak = (readings > 0) & (readings >= before) & (readings >= after)
    share = np.where(after <= before, after, readings - before) / np.where(peak, readings, 1.0)
    explained_after = np.roll(np.where(peak, share * readings, 0.0), 1, axis=1)
    explained_before = np.roll(np.where(peak, (1 - share) * readings, 0.0), -1, axis=1)
    explained = np.maximum(explained_after, explained_before)
    own = ~peak & (readings > explained + READING_TOLERANCE)
    angle = (np.arange(n_bins) + np.where(peak, share, 0.5)) * (2 * np.pi / n_bins)
    distance = np.where(peak | own, LIDAR_RANGE * (1 - readings), np.nan)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=-1)


def goal_positions(observations: FloatArray, layout: Layout) -> FloatArray:
    """Return the (E, 2) positions of the goals in the robot's frame, metres.

    A goal out of the lidar's reach is looked for in the middle of all objects in sight, for they lie
    all over the arena; where nothing is in sight, straight ahead.
    """
    places = object_positions(observations[:, layout.goal])
    nearest = np.argmax(observations[:, layout.goal], axis=1)
    goals = places[np.arange(len(places)), nearest]
    others = np.concatenate(
        [object_positions(observations[:, part]) for part in layout.obstacles.values()], 1
    )
    known = ~np.isnan(others[..., :1])
    middle = np.where(known, others, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    middle = np.where(known.any(axis=1), middle, np.array([LIDAR_RANGE, 0.0]))
    return np.where(np.isnan(goals), middle, goals)


def without_goal(places: FloatArray, goals: FloatArray) -> FloatArray:
    """Return the places of buttons with NaN for the one that is the goal: it is to be pressed.

    Args:
        places: (E, n, 2), metres.
        goals: (E, 2), metres.
    """
    gap = places - goals[:, None]
    same = np.hypot(gap[..., 0], gap[..., 1]) < SAME_PLACE
    return np.where(same[..., None], np.nan, places)
