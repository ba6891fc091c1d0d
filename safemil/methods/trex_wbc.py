"""T-REX-WBC: a cost learned by ranking single segments, and imitation weighted by one minus the cost.

Source of the ranking: Brown, Goo, Nagarajan, Niekum, *Extrapolating Beyond Suboptimal Demonstrations via
Inverse Reinforcement Learning from Observations*, ICML 2019, arXiv 1904.06387. The paper names the baseline
T-REX-WBC and gives no formula: how its imitation is weighted is inferred, from DWBC-NU's weights.

Each non-preferred segment i of length H is paired with the i-th unlabelled one and ranked above it in cost.
With a cost network c(s, a) in (0, 1), as SafeMIL's,

    C(segment) = sum_{t<H} c(s_t, a_t)                    undiscounted
    L_cost     = mean_i softplus(C(u_i) - C(n_i))         Bradley-Terry on pairs of segments
    L_pi       = mean_i sum_t (1 - c(s_t, a_t)) l_pi(s_t, a_t) / H    on the same u_i, c detached

the policy's step right after the cost network's. The two sets stand for two ranks. A share 1 - alpha of the
unlabelled segments is non-preferred itself: such pairs are noise that draws costs together. At H = 1 the
optimum still orders pairs (s, a) by rho_N / rho_U, and so by how likely they are non-preferred.

Each update draws B * K pairs, a trajectory uniformly and then a start uniformly, so that it sees as many
segments as SafeMIL does. B and K have no other part in it.

Constants: none of its own; H is shared by all methods.

Deviations and choices of ours: the cost is bounded, where T-REX's reward is not; T-REX ranks trajectories
of a totally ordered list by long parts of them; a segment of whole-trajectory mode has its policy loss
divided by its own length; the cost network's learning rate is the policy's unless given, without decay.

Logged: `cost_loss`, `cost_difference` (mean of C(n_i) - C(u_i), positive when the order is learned),
`cost_non_preferred` and `cost_unlabelled` (mean c of either batch), `policy_loss`, `effective_share` and
`effective_trajectory_share` of the weights, gradient norms before clipping.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from safemil.data.segments import Segments, SegmentSampler
from safemil.data.stripped import TrainingData
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import Learner, MethodSettings, TransitionTensors
from safemil.methods.networks import CostNetwork, initialise
from safemil.methods.weights import weight_metrics


class TREXWBCSettings(MethodSettings):
    """Settings of T-REX-WBC beyond the shared H, and B * K as the number of pairs."""

    cost_learning_rate: float | None = Field(None, gt=0, description="the policy's when left out")


@dataclass(frozen=True)
class SegmentPairs:
    """Paired segments: indices and masks are (B * K, H)."""

    non_preferred: Segments
    unlabelled: Segments


def segment_sums(costs: Tensor, mask: Tensor) -> Tensor:
    """Return C = sum_t c_t over the real steps, without discount, (n, H) -> (n,)."""
    return (costs * mask).sum(-1)


def ranking_loss(non_preferred: Tensor, unlabelled: Tensor) -> Tensor:
    """Return the Bradley-Terry loss of n pairs of segment costs (n,), a scalar."""
    return softplus(unlabelled - non_preferred).mean()


class TREXWBC(Learner[TREXWBCSettings, SegmentPairs]):
    """Cost from ranked segments, imitation weighted by one minus the cost."""

    name = "trex_wbc"
    settings_model = TREXWBCSettings

    def __init__(
        self,
        data: TrainingData,
        settings: TREXWBCSettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data, settings, training, generator)
        self._unlabelled = TransitionTensors(data.unlabelled, self.policy)
        self._non_preferred = TransitionTensors(data.non_preferred, self.policy)
        self._unlabelled_segments = SegmentSampler(data.unlabelled.lengths, training.segment_length)
        self._non_preferred_segments = SegmentSampler(data.non_preferred.lengths, training.segment_length)
        self.cost_network = CostNetwork(data.unlabelled.observation_size, data.unlabelled.action_size)
        initialise(self.cost_network, generator)
        self.cost_network.zero_last_layer()
        self.add_network("cost", self.cost_network, settings.cost_learning_rate or training.learning_rate)

    def sample(self, generator: np.random.Generator) -> SegmentPairs:
        """Draw B * K pairs of segments."""
        count = self.training.segments_per_batch
        return SegmentPairs(
            non_preferred=self._non_preferred_segments.sample_segments(count, generator),
            unlabelled=self._unlabelled_segments.sample_segments(count, generator),
        )

    def update(self, batch: SegmentPairs) -> dict[str, float]:
        """One step of the cost network on the pairs, then one of the policy on the unlabelled segments."""
        indices = torch.from_numpy(batch.unlabelled.indices)
        mask = torch.tensor(batch.unlabelled.mask)
        observations, actions = self._unlabelled.take(indices)
        metrics = self._update_cost(batch.non_preferred, observations, actions, mask)
        with torch.no_grad():
            weights = 1.0 - self.cost_network(observations, actions)
        losses = self.policy_losses(observations, actions)
        loss = ((weights * losses * mask).sum(-1) / mask.sum(-1)).mean()
        metrics |= {"policy_loss": loss.item(), "policy_gradient_norm": self.step_policy(loss)}
        return metrics | weight_metrics(weights[mask], self._unlabelled.trajectories[indices[mask]])

    def pair_costs(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return c(s, a) of standardised observations (n, d_s) with actions (n, d_a), (n,)."""
        costs: Tensor = self.cost_network(observations, actions)
        return costs

    def _update_cost(
        self, segments_n: Segments, observations_u: Tensor, actions_u: Tensor, mask_u: Tensor
    ) -> dict[str, float]:
        costs_n = self.cost_network(*self._non_preferred.take(torch.from_numpy(segments_n.indices)))
        costs_u = self.cost_network(observations_u, actions_u)
        mask_n = torch.tensor(segments_n.mask)
        sums_n, sums_u = segment_sums(costs_n, mask_n), segment_sums(costs_u, mask_u)
        loss = ranking_loss(sums_n, sums_u)
        norm = self.step_network("cost", loss)
        return {
            "cost_loss": loss.item(),
            "cost_difference": (sums_n - sums_u).mean().item(),
            "cost_non_preferred": costs_n[mask_n].mean().item(),
            "cost_unlabelled": costs_u[mask_u].mean().item(),
            "cost_gradient_norm": norm,
        }


METHOD = TREXWBC
