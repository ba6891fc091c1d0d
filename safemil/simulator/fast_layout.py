"""Samples the layout of a navigation task: the same random stream and result, less work per attempt.

Objects are placed one after the other by rejection. Point-Button1 is so crowded that a reset makes some ten
thousand attempts, each of which stock code spends on small arrays.
"""

import math
from typing import NamedTuple

import numpy as np
from safety_gymnasium.utils.random_generator import RandomGenerator

TRIES_PER_OBJECT = 100  # then the whole layout is started anew; the simulator's number


class Disc(NamedTuple):
    """A placed object: its centre and the radius that others keep out of, metres."""

    x: float
    y: float
    keepout: float


class FastRandomGenerator(RandomGenerator):  # type: ignore[misc]
    """The simulator's source of randomness with faster rejection sampling of positions."""

    def sample_layout(self) -> bool:
        """Place every object once; set `layout` and return True, or return False if one found no room."""
        discs: dict[str, Disc] = {}
        for name in self.placements:
            disc = self._place(name, list(discs.values()), TRIES_PER_OBJECT)
            if disc is None:
                return False
            discs[name] = disc
        self.layout = {name: np.array([disc.x, disc.y]) for name, disc in discs.items()}
        return True

    def sample_goal_position(self) -> bool:
        """Try one position for the goal among the objects of `layout`; return whether it was free."""
        others = [
            Disc(xy[0].item(), xy[1].item(), self.placements[name][1]) for name, xy in self.layout.items()
        ]
        goal = self._place("goal", others, tries=1)
        if goal is None:
            return False
        self.layout["goal"] = np.array([goal.x, goal.y])
        return True

    def _place(self, name: str, others: list[Disc], tries: int) -> Disc | None:
        """Draw positions for one object until one is clear of all others, at most `tries` times."""
        placements, keepout = self.placements[name]
        margin = self.placements_margin
        # The order of the additions is the simulator's: a sum in another order may round differently.
        clearances = [(x, y, other_keepout + margin + keepout) for x, y, other_keepout in others]
        rectangle = self._rectangle(name)
        for _ in range(tries):
            if rectangle is None:
                x, y = self.draw_placement(placements, keepout).tolist()
            else:
                x, y = self._draw(rectangle)
            if _is_clear(x, y, clearances):
                return Disc(x, y, keepout)
        return None

    def _rectangle(self, name: str) -> tuple[float, float, float, float] | None:
        """Return (x low, y low, x high, y high) of an object's centre, None unless it is one rectangle."""
        placements, keepout = self.placements[name]
        if placements is None:
            placements = [self.placements_extents]
        if len(placements) > 1:
            return None
        x_low, y_low, x_high, y_high = self.constrain_placement(placements[0], keepout)
        # Where there is no room at all the simulator's own method is left to say so.
        return (x_low, y_low, x_high, y_high) if x_low <= x_high and y_low <= y_high else None

    def _draw(self, rectangle: tuple[float, float, float, float]) -> tuple[float, float]:
        """Draw a uniform point of a rectangle, from the stream as two separate draws would."""
        x_low, y_low, x_high, y_high = rectangle
        if x_low == y_low and x_high == y_high:
            x, y = self.random_generator.uniform(x_low, x_high, 2).tolist()
            return x, y
        uniform = self.random_generator.uniform
        return uniform(x_low, x_high), uniform(y_low, y_high)


def _is_clear(x: float, y: float, clearances: list[tuple[float, float, float]]) -> bool:
    """Return whether (x, y) is at least the given distance from each of the given points."""
    for other_x, other_y, clearance in clearances:
        across, along = x - other_x, y - other_y
        if math.sqrt(across * across + along * along) < clearance:
            return False
    return True
