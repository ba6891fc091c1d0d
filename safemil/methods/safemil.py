"""SafeMIL: which behaviour is costly, learned from bags of segments, then weighted imitation.

Source: *SafeMIL: Learning Offline Safe Imitation Policy from Non-Preferred Trajectories*, AAAI 2026,
arXiv 2511.08136. No code was published; this is written from the formulas.

A bag is K segments of length H, drawn with replacement. With a cost network c(s, a) in (0, 1),

    C(segment) = sum_{t<H} gamma^t c(s_t, a_t)               discount restarts at the segment
    Score(bag) = mean over its K segments of C
    L_cost     = mean_b softplus(Score(B_u) - Score(B_n))    Bradley-Terry: non-preferred scores higher

after which the policy takes a step on the same unlabelled segments, with c detached:

    trajectory (default, the paper's Eq. 12)  w_i ~ exp(-C_i / beta), mean 1 over the batch,
                                              L_pi = mean_i w_i sum_t l_pi(s_t, a_t) / H
    state_action (Eq. 14)                     w(s, a) = 1 - c(s, a), or exp(-c / beta) as an option
    threshold                                 w_i = 1{C_i <= b}, b = mean_N(C) - 0.1 std_N(C) unless given

Constants: gamma 0.99, beta 0.6 and B 32 (development repository of the first author, whose relation to
the published numbers is unknown); K 128 and H 5 (paper).

Deviations and choices of ours: the form of Eq. 14 is unconfirmed; a segment of whole-trajectory mode is
divided by its own length; threshold weights are scaled to mean 1; the cost network's learning rate is the
policy's unless given, without decay.

Logged: `cost_loss`, `score_difference` (Score(B_n) - Score(B_u), positive when the order is learned),
`cost_non_preferred` and `cost_unlabelled` (mean c of either batch), `policy_loss`, `effective_share`
(effective sample size of the weights as a share of the batch), `effective_trajectory_share` (the same over
the trajectories in the batch), gradient norms before clipping.
"""

from dataclasses import dataclass
from typing import Literal

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
from safemil.methods.weights import cost_threshold, softmax_weights, threshold_weights, weight_metrics


class SafeMILSettings(MethodSettings):
    """Constants of SafeMIL beyond the shared K, H and B."""

    discount: float = Field(0.99, gt=0, le=1, description="gamma, within a segment")
    temperature: float = Field(0.6, gt=0, description="beta of the soft weights")
    weighting: Literal["trajectory", "state_action", "threshold"] = "trajectory"
    state_action_weight: Literal["linear", "exponential"] = Field(
        "linear", description="1 - c, or exp(-c / beta); only for weighting: state_action"
    )
    cost_threshold: float | None = Field(None, description="b; estimated from each batch when left out")
    threshold_deviations: float = Field(0.1, description="deviations below the mean of the estimated b")
    cost_learning_rate: float | None = Field(None, gt=0, description="the policy's when left out")


@dataclass(frozen=True)
class BagPairs:
    """Segments of B non-preferred and B unlabelled bags: indices and masks are (B * K, H)."""

    non_preferred: Segments
    unlabelled: Segments


def segment_costs(costs: Tensor, mask: Tensor, discount: float) -> Tensor:
    """Return C = sum_t discount^t c_t over the real steps, (n, H) -> (n,)."""
    powers = discount ** torch.arange(costs.shape[-1], dtype=costs.dtype)
    return (costs * mask * powers).sum(-1)


def bag_scores(segment_costs: Tensor, bag_size: int) -> Tensor:
    """Return the mean segment cost of each bag, (B * K,) -> (B,)."""
    return segment_costs.view(-1, bag_size).mean(-1)


def bag_loss(non_preferred_scores: Tensor, unlabelled_scores: Tensor) -> Tensor:
    """Return the Bradley-Terry loss of B pairs of bags, a scalar."""
    return softplus(unlabelled_scores - non_preferred_scores).mean()


class SafeMIL(Learner[SafeMILSettings, BagPairs]):
    """Multiple-instance cost learning and cost-weighted imitation."""

    name = "safemil"
    settings_model = SafeMILSettings

    def __init__(
        self,
        data: TrainingData,
        settings: SafeMILSettings,
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

    def sample(self, generator: np.random.Generator) -> BagPairs:
        """Draw B pairs of bags of K segments."""
        count = self.training.segments_per_batch
        return BagPairs(
            non_preferred=self._non_preferred_segments.sample_segments(count, generator),
            unlabelled=self._unlabelled_segments.sample_segments(count, generator),
        )

    def update(self, batch: BagPairs) -> dict[str, float]:
        """One step of the cost network on the bags, then one of the policy on the unlabelled segments."""
        non_preferred = self._non_preferred.take(torch.from_numpy(batch.non_preferred.indices))
        indices_u = torch.from_numpy(batch.unlabelled.indices)
        unlabelled = self._unlabelled.take(indices_u)
        mask_n = torch.tensor(batch.non_preferred.mask)
        mask_u = torch.tensor(batch.unlabelled.mask)
        metrics = self._update_cost(non_preferred, mask_n, unlabelled, mask_u)
        with torch.no_grad():
            costs_u = self.cost_network(*unlabelled)
            costs_n = self.cost_network(*non_preferred) if self._needs_non_preferred_costs else None
        weights = self._weights(costs_u, mask_u, costs_n, mask_n)
        metrics |= self._update_policy(unlabelled, mask_u, weights)
        real_weights = weights.expand_as(mask_u)[mask_u]
        return metrics | weight_metrics(real_weights, self._unlabelled.trajectories[indices_u[mask_u]])

    def pair_costs(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return c(s, a) of standardised observations (n, d_s) with actions (n, d_a), (n,)."""
        costs: Tensor = self.cost_network(observations, actions)
        return costs

    @property
    def _needs_non_preferred_costs(self) -> bool:
        return self.settings.weighting == "threshold" and self.settings.cost_threshold is None

    def _update_cost(
        self,
        non_preferred: tuple[Tensor, Tensor],
        mask_n: Tensor,
        unlabelled: tuple[Tensor, Tensor],
        mask_u: Tensor,
    ) -> dict[str, float]:
        costs_n = self.cost_network(*non_preferred)
        costs_u = self.cost_network(*unlabelled)
        discount, bag_size = self.settings.discount, self.training.bag_size
        scores_n = bag_scores(segment_costs(costs_n, mask_n, discount), bag_size)
        scores_u = bag_scores(segment_costs(costs_u, mask_u, discount), bag_size)
        loss = bag_loss(scores_n, scores_u)
        norm = self.step_network("cost", loss)
        return {
            "cost_loss": loss.item(),
            "score_difference": (scores_n - scores_u).mean().item(),
            "cost_non_preferred": costs_n[mask_n].mean().item(),
            "cost_unlabelled": costs_u[mask_u].mean().item(),
            "cost_gradient_norm": norm,
        }

    def _weights(self, costs_u: Tensor, mask_u: Tensor, costs_n: Tensor | None, mask_n: Tensor) -> Tensor:
        """Return weights that broadcast against (n, H): per segment (n, 1) or per pair (n, H)."""
        settings = self.settings
        if settings.weighting == "state_action":
            if settings.state_action_weight == "linear":
                return 1.0 - costs_u
            return torch.exp(-costs_u / settings.temperature)
        totals = segment_costs(costs_u, mask_u, settings.discount)
        if settings.weighting == "trajectory":
            return softmax_weights(totals, settings.temperature).unsqueeze(-1)
        threshold = settings.cost_threshold
        if threshold is None:
            assert costs_n is not None
            totals_n = segment_costs(costs_n, mask_n, settings.discount)
            threshold = cost_threshold(totals_n, settings.threshold_deviations)
        return threshold_weights(totals, threshold).unsqueeze(-1)

    def _update_policy(
        self, unlabelled: tuple[Tensor, Tensor], mask: Tensor, weights: Tensor
    ) -> dict[str, float]:
        losses = self.policy_losses(*unlabelled)
        per_segment = (weights * losses * mask).sum(-1) / mask.sum(-1)
        loss = per_segment.mean()
        norm = self.step_policy(loss)
        return {
            "policy_loss": loss.item(),
            "policy_gradient_norm": norm,
        }


METHOD = SafeMIL
