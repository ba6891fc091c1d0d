"""BC-Unlabeled: behaviour cloning of everything in the unlabelled data.

    L_pi = mean over D_U of l_pi(s, a)

The simplest baseline: it imitates preferred and non-preferred behaviour alike. Each step draws B * K * H
transitions uniformly from D_U, as many as the methods with bags see.

Constants: those of the shared training settings; none of its own.

Logged: `policy_loss` (mean l_pi of the batch), `policy_gradient_norm` (before clipping).
"""

import numpy as np
import torch
from torch import Tensor

from safemil.data.segments import sample_transitions
from safemil.data.stripped import TrainingData
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import Learner, MethodSettings, TransitionTensors


class BCSettings(MethodSettings):
    """Behaviour cloning has no settings of its own."""


class BehaviorCloning(Learner[BCSettings, Tensor]):
    """Maximum likelihood (or least squares) on the unlabelled transitions."""

    name = "bc"
    settings_model = BCSettings

    def __init__(
        self,
        data: TrainingData,
        settings: BCSettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data, settings, training, generator)
        self._unlabelled = TransitionTensors(data.unlabelled, self.policy)
        self._n_transitions = data.unlabelled.n_transitions
        self._batch_size = training.transitions_per_step(data.unlabelled.lengths)

    def sample(self, generator: np.random.Generator) -> Tensor:
        """Draw flat transition indices of D_U, (B * K * H,)."""
        return torch.from_numpy(sample_transitions(self._n_transitions, self._batch_size, generator))

    def update(self, batch: Tensor) -> dict[str, float]:
        """One step of maximum likelihood on the drawn transitions."""
        loss = self.policy_losses(*self._unlabelled.take(batch)).mean()
        norm = self.step_policy(loss)
        return {"policy_loss": loss.item(), "policy_gradient_norm": norm}


METHOD = BehaviorCloning
