"""SafeMIL with the true cost in place of the learned one. An oracle: it is told what every step costs.

    C(segment) = sum_{t<H} gamma^t c_t                         c_t: the true cost of the step
    w_i ~ exp(-C_i / beta), mean 1 over the batch              as SafeMIL's trajectory weights (Eq. 12)
    L_pi = mean_i w_i sum_t l_pi(s_t, a_t) / H

What SafeMIL would reach if its cost network recovered the true cost without an error: where this oracle
does worse than SafeMIL, a better recovery is not what SafeMIL needs. No cost network is trained, and D_N is
not used.

Source: the formulas of SafeMIL (arXiv 2511.08136); the comparison is ours and not the paper's.

Constants: gamma 0.99 and beta 0.6, as in `safemil.methods.safemil`. The cost of a step is 0 or 1, which are
the bounds of SafeMIL's learned cost, so that beta means the same.

Logged: `policy_loss`, `policy_gradient_norm` (before clipping), `cost_unlabelled` (mean true cost of a step
of the batch), `cost_imitated` (the same, weighted), `effective_share` and `effective_trajectory_share` of the
weights.
"""

import numpy as np
import torch
from pydantic import Field

from safemil.data.segments import Segments, SegmentSampler
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import MethodSettings, TransitionTensors
from safemil.methods.oracle import OracleData, OracleLearner
from safemil.methods.safemil import segment_costs
from safemil.methods.weights import softmax_weights, weight_metrics


class SafeMILTrueCostSettings(MethodSettings):
    """Constants of the weights, with SafeMIL's defaults."""

    discount: float = Field(0.99, gt=0, le=1, description="gamma, within a segment")
    temperature: float = Field(0.6, gt=0, description="beta of the weights")


class SafeMILTrueCost(OracleLearner[SafeMILTrueCostSettings, Segments]):
    """Imitation weighted by the true cost of segments."""

    name = "safemil_true_cost"
    settings_model = SafeMILTrueCostSettings

    def __init__(
        self,
        data: OracleData,
        settings: SafeMILTrueCostSettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data, settings, training, generator)
        unlabelled = data.stripped.unlabelled
        self._unlabelled = TransitionTensors(unlabelled, self.policy)
        self._costs = torch.tensor(data.labels.unlabelled_costs)
        self._segments = SegmentSampler(unlabelled.lengths, training.segment_length)

    def sample(self, generator: np.random.Generator) -> Segments:
        """Draw B * K segments of D_U."""
        return self._segments.sample_segments(self.training.segments_per_batch, generator)

    def update(self, batch: Segments) -> dict[str, float]:
        """One step of the policy, weighted by the true cost of each segment."""
        indices, mask = torch.from_numpy(batch.indices), torch.tensor(batch.mask)
        costs = self._costs[indices]
        totals = segment_costs(costs, mask, self.settings.discount)
        weights = softmax_weights(totals, self.settings.temperature).unsqueeze(-1)
        losses = self.policy_losses(*self._unlabelled.take(indices))
        loss = ((weights * losses * mask).sum(-1) / mask.sum(-1)).mean()
        pair_weights = weights.expand_as(mask)[mask]
        metrics = {
            "policy_loss": loss.item(),
            "policy_gradient_norm": self.step_policy(loss),
            "cost_unlabelled": costs[mask].mean().item(),
            "cost_imitated": (pair_weights @ costs[mask] / pair_weights.sum()).item(),
        }
        return metrics | weight_metrics(pair_weights, self._unlabelled.trajectories[indices[mask]])


METHOD = SafeMILTrueCost
