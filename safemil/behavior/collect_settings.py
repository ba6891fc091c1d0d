"""Settings of the collected source: part of what the data are, the same in every shipped configuration."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class CollectSettings(BaseModel):
    """How the shipped behaviour policies are rolled out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    episodes_per_band: int = Field(
        200, gt=0, description="episodes rolled out in each cost band, shared among the band's policies"
    )
    # Where the layout of an episode decides its cost more than the policy does, few of a costly band's
    # episodes are costly themselves: with 200 per band Point-Goal1 has 112 that count as non-preferred.
    more_episodes: dict[str, float] = Field(
        {"point_goal1": 1.6}, description="factors on the episodes per band, by task; 1 where left out"
    )
    noise_std: float = Field(
        0.1,
        ge=0,
        description="of the Gaussian noise that is added to every policy's mean action, then clipped",
    )
    seed: int = Field(0, ge=0, description="of the action noise")
    n_environments: int = Field(10, gt=0, description="environments that are stepped together")
    fast_simulator: bool = Field(True, description="the simulator's fast path; false for the stock simulator")

    def of_task(self, task: str) -> Self:
        """Return the settings with the task's own factor worked into the episodes per band."""
        episodes = round(self.episodes_per_band * self.more_episodes.get(task, 1.0))
        return self.model_copy(update={"episodes_per_band": episodes, "more_episodes": {}})
