"""Settings of the check of the theory; they change no training and no rollout."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class TheorySettings(BaseModel):
    """Where Lemma 1 and Theorem 1 are checked, and by how many draws."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    draws: int = Field(
        20_000, gt=0, description="pairs of bags per point; at 20000 no 95 % interval is wider than 0.014"
    )
    seed: int = Field(0, ge=0)
    alphas: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.01, 0.05, 0.2, 0.5), min_length=1, description="shares of preferred trajectories in D_U"
    )
    bag_sizes: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (1, 2, 4, 8, 16, 32, 64, 128), min_length=1, description="K, trajectories per bag"
    )
