"""Settings of the evaluation, the same for every method."""

from pydantic import BaseModel, ConfigDict, Field

from safemil.protocol import COST_LIMIT


class EvaluationSettings(BaseModel):
    """How policies are rolled out and scores computed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    episodes: int = Field(100, gt=0, description="episodes of each final policy")
    curve_points: int = Field(
        0,
        ge=0,
        description="policies kept along each training and rolled out, the final one included; 0 = none",
    )
    curve_episodes: int = Field(20, gt=0, description="episodes of each of these policies")
    n_environments: int = Field(10, gt=0, description="environments that are stepped together")
    fast_simulator: bool = Field(True, description="the simulator's fast path; false for the stock simulator")
    cost_limit: float = Field(
        COST_LIMIT, gt=0, description="episode cost up to which an episode counts as safe"
    )
    level_tolerance: float = Field(
        0.1,
        gt=0,
        description="change at a curve's end that counts as none; docs/learning_curves.md says of what",
    )
    bootstrap_resamples: int = Field(10_000, gt=0, description="resamples of an interval")
    bootstrap_seed: int = Field(0, ge=0)
