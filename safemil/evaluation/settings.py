"""Settings of the evaluation, the same for every method."""

from pydantic import BaseModel, ConfigDict, Field


class EvaluationSettings(BaseModel):
    """How policies are rolled out and scores computed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    episodes: int = Field(100, gt=0, description="episodes of each final policy")
    n_environments: int = Field(10, gt=0, description="environments that are stepped together")
    fast_simulator: bool = Field(True, description="the simulator's fast path; false for the stock simulator")
    cost_limit: float = Field(25.0, gt=0, description="episode cost up to which an episode counts as safe")
    bootstrap_resamples: int = Field(10_000, gt=0, description="resamples of an interval")
    bootstrap_seed: int = Field(0, ge=0)
