"""Settings of the collected source: part of what the data are, the same in every shipped configuration."""

from pydantic import BaseModel, ConfigDict, Field


class CollectSettings(BaseModel):
    """How the shipped behaviour policies are rolled out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    episodes_per_band: int = Field(
        200, gt=0, description="episodes rolled out in each cost band, shared among the band's policies"
    )
    noise_std: float = Field(
        0.1,
        ge=0,
        description="of the Gaussian noise that is added to every policy's mean action, then clipped",
    )
    seed: int = Field(0, ge=0, description="of the action noise")
    n_environments: int = Field(10, gt=0, description="environments that are stepped together")
    fast_simulator: bool = Field(True, description="the simulator's fast path; false for the stock simulator")
