"""Settings of the collected source: part of what the data are, the same in every shipped configuration."""

import math

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, field_validator

from safemil.tasks import load_tasks


class CollectSettings(BaseModel):
    """How the shipped behaviour policies are rolled out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    episodes_per_band: int = Field(
        200, gt=0, description="episodes rolled out in each cost band, shared among the band's policies"
    )
    # Where the layout of an episode decides its cost more than the policy does, few of a costly band's
    # episodes are costly themselves, and few of a safe one safe: with 200 per band too few are left to draw.
    more_episodes: dict[str, PositiveFloat] = Field(
        {"point_goal1": 1.6, "point_button1": 2.0},
        description="factors on the episodes per band, by task; 1 where left out",
    )
    # The filter cuts at half of the highest return, which three episodes with a lucky layout would decide.
    highest_return: dict[str, float] = Field(
        {"point_button1": 41.19},
        description="episodes that return more are left out, by task; DSRL's own highest return",
    )
    noise_std: float = Field(
        0.1,
        ge=0,
        description="of the Gaussian noise that is added to every policy's mean action, then clipped",
    )
    seed: int = Field(0, ge=0, description="of the action noise")
    n_environments: int = Field(10, gt=0, description="environments that are stepped together")
    fast_simulator: bool = Field(True, description="the simulator's fast path; false for the stock simulator")

    @field_validator("more_episodes", "highest_return")
    @classmethod
    def _check_tasks(cls, by_task: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(by_task) - set(load_tasks()))
        if unknown:
            raise ValueError(f"unknown task {', '.join(unknown)}, expected some of {', '.join(load_tasks())}")
        return by_task

    def episodes_in_band(self, task: str) -> int:
        """Return how many episodes of one task are rolled out in each cost band."""
        return round(self.episodes_per_band * self.more_episodes.get(task, 1.0))

    def return_limit(self, task: str) -> float:
        """Return the highest return of one task that is kept."""
        return self.highest_return.get(task, math.inf)
