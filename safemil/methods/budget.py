"""What every method shares: the budget, the batch, the policy's loss and its optimiser."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

# Settings that decide no bit of a policy: how often a row is logged and a checkpoint is written.
INDECISIVE = frozenset({"log_every", "checkpoint_every"})


class TrainingSettings(BaseModel):
    """Budget and batch of one training run; the same for every method unless a variant says otherwise.

    `bag_pairs` B, `bag_size` K and `segment_length` H also fix how many transitions each policy step
    sees, B * K * H, so that methods without bags see as many as those with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(10_000, gt=0, description="gradient steps of the policy")
    learning_rate: float = Field(1e-3, gt=0, description="of the policy, decayed linearly to 0")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's, for every network")
    gradient_clip: float = Field(10.0, gt=0, description="largest gradient norm of each network by itself")
    policy_loss: Literal["nll", "mse"] = Field(
        "mse", description="squared error of the mean, or -log pi(a|s); the default was chosen on BC"
    )
    bag_pairs: int = Field(1, gt=0, description="B, pairs of bags per update")
    bag_size: int = Field(128, gt=0, description="K, segments per bag")
    segment_length: Annotated[int, Field(gt=0)] | Literal["full"] = Field(
        5, description="H, steps per segment; full = whole trajectories"
    )
    log_every: int = Field(100, gt=0, description="steps between two rows of train.csv")
    checkpoint_every: int = Field(1000, gt=0, description="steps between two checkpoints for resuming")

    def decisive(self) -> dict[str, Any]:
        """Return the settings that decide bits of a policy, as plain values."""
        return self.model_dump(mode="json", exclude=set(INDECISIVE))

    @property
    def segments_per_batch(self) -> int:
        """Segments that a batch holds of each of the two data sets, B * K."""
        return self.bag_pairs * self.bag_size

    def transitions_per_step(self, lengths: NDArray[np.int64]) -> int:
        """Return how many unlabelled transitions a policy step sees: B * K * H.

        Args:
            lengths: (M,) lengths of the unlabelled trajectories; their mean is H for whole trajectories.
        """
        length = round(float(lengths.mean())) if self.segment_length == "full" else self.segment_length
        return self.segments_per_batch * length
