"""BC-Safe: behaviour cloning of the preferred trajectories alone. An oracle: it is told which these are.

    L_pi = mean over the transitions of D_U's preferred trajectories of l_pi(s, a)

What imitation could reach if the preferred share of D_U were known; no learner is told. Each step draws as
many transitions as BC-Unlabeled does, B * K * H, uniformly, but out of the preferred trajectories.

Source: the comparison of the SafeMIL paper (arXiv 2511.08136).

Constants: those of the shared training settings; none of its own.

Choice of ours: observations are standardised by mean and std of all of D_U, as for every method.

Logged: `policy_loss` (mean l_pi of the batch), `policy_gradient_norm` (before clipping). The record of a run
holds `preferred_transitions`, the number of transitions that are drawn from.
"""

import numpy as np
import torch
from torch import Tensor

from safemil.data.segments import sample_transitions
from safemil.errors import UserError
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import MethodSettings, TransitionTensors
from safemil.methods.oracle import OracleData, OracleLearner


class BCSafeSettings(MethodSettings):
    """BC-Safe has no settings of its own."""


class SafeBehaviorCloning(OracleLearner[BCSafeSettings, Tensor]):
    """Maximum likelihood (or least squares) on the preferred transitions."""

    name = "bc_safe"
    settings_model = BCSafeSettings

    def __init__(
        self,
        data: OracleData,
        settings: BCSafeSettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data, settings, training, generator)
        unlabelled = data.stripped.unlabelled
        self._unlabelled = TransitionTensors(unlabelled, self.policy)
        self._batch_size = training.transitions_per_step(unlabelled.lengths)
        is_preferred = torch.tensor(data.labels.unlabelled_is_preferred)
        self._preferred = torch.nonzero(is_preferred[self._unlabelled.trajectories]).squeeze(-1)
        if len(self._preferred) == 0:
            raise UserError(
                "BC-Safe has nothing to imitate",
                expected="at least one preferred trajectory among the unlabelled ones",
                found=f"none among {unlabelled.n_trajectories}",
                hint="raise split.alpha",
            )

    def sample(self, generator: np.random.Generator) -> Tensor:
        """Draw flat transition indices of D_U out of preferred trajectories, (B * K * H,)."""
        drawn = sample_transitions(len(self._preferred), self._batch_size, generator)
        return self._preferred[torch.from_numpy(drawn)]

    def update(self, batch: Tensor) -> dict[str, float]:
        """One step of maximum likelihood on the drawn transitions."""
        loss = self.policy_losses(*self._unlabelled.take(batch)).mean()
        norm = self.step_policy(loss)
        return {"policy_loss": loss.item(), "policy_gradient_norm": norm}

    def estimates(self) -> dict[str, float]:
        """Return how many transitions are drawn from."""
        return {"preferred_transitions": float(len(self._preferred))}


METHOD = SafeBehaviorCloning
