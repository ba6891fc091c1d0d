"""DWBC-NU: a discriminator tells non-preferred from unlabelled pairs, and imitation is weighted by it.

Source: Xu, Zhan, Yin, Qin, *Discriminator-Weighted Offline Imitation Learning from Suboptimal
Demonstrations*, ICML 2022, arXiv 2106.06860. There the labelled class is the expert's; here it is the
non-preferred one (N), and the unlabelled data (U) are imitated.

With d(s, a, log pi(a|s)) in [0.1, 0.9], the discriminator learns from labelled and unlabelled data,

    L_d  = eta E_N[-log d] + R,    R = E_U[-log(1 - d)] - eta E_N[-log(1 - d)]
    L_pi = E_U[(1 - d) l_pi(s, a)],    d detached

the policy's step right after the discriminator's. R is what the preferred pairs of D_U contribute if eta is
the share of the non-preferred ones. The optimum is d* = eta rho_N / rho_U, clipped: with eta = 1 - alpha,
1 - d* is P(preferred | s, a).

Network: (s, a) -> 128 ReLU beside log pi -> 128 ReLU, both -> 256 ReLU -> 1, sigmoid, clip to [0.1, 0.9].
The clip bounds R and the weights. Beyond it a pair's gradient is 0 where descent would lead further out,
and is that at the clip where descent leads back.

The third input is the log density of each action component under the present policy, detached, clipped to
[-5, 5] and scaled to [0, 1]. It is a function of (s, a), so d* does not depend on it. Under `policy_loss:
mse` the policy's standard deviation is not trained. The density then is that of the Gaussian whose
maximum-likelihood mean is the least-squares one: a single standard deviation for all components, the root
mean square of the policy's errors on the batch of U, within the policy's own bounds. The input is then an
affine function of the squared error relative to the usual one, and keeps its scale while the policy learns.

Each step draws B * K * H transitions of either set uniformly, as many as the methods with bags see.

Constants: eta 0.5, the clip at 0.1 and 0.9, the layer sizes, the discriminator's learning rate 1e-4 without
decay (reference implementation of DWBC).

Deviations and choices of ours:
- The discriminator takes a step in each update (`discriminator_every` 1). The reference takes one in 100 of
  500 000 updates, 5 000 in all, and the development repository one in 100 of 1e6, 10 000 in all (at 1e-5).
  One in 100 of the budgets here would leave 8 to 50 steps.
- The reference's clip lets no gradient through, so that outputs which overshoot stay where they are.
- The reference clips log pi to [-20, 10]; the log density of a component never exceeds 4.1 in our policy
  class, and would vary by 0.02 only after the scaling.
- `non_negative` replaces R by max(0, R), off by default (Kiryo et al., NeurIPS 2017, without their reversed
  gradient). A run that uses it says so in the settings of its record.
- Only U is imitated, by 1 - d, as in the development repository of SafeMIL's first author; DWBC's own loss,
  which clones the labelled data foremost, would imitate what is to be avoided.

Logged: `discriminator_loss`, `preferred_risk` (R; below 0 when d overfits D_N or eta is too large),
`discriminator_non_preferred` and `discriminator_unlabelled` (mean d of either batch, before the step),
`discriminator_clipped_share` (outputs at the clip in both batches), `discriminator_gradient_norm` (0 in
updates without its step), `policy_loss`, `effective_share` and `effective_trajectory_share` of the weights,
`policy_gradient_norm`. Norms are those before clipping.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from safemil.data.segments import sample_transitions
from safemil.data.stripped import TrainingData
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import Learner, MethodSettings, TransitionTensors
from safemil.methods.networks import (
    LOG_STD_RANGE,
    POLICY_LOSSES,
    initialise,
    multilayer_perceptron,
    negative_log_likelihood,
)
from safemil.methods.weights import weight_metrics

BRANCH_SIZE = 128
JOINT_SIZE = 256
LARGEST_OUTPUT = 0.9  # and 0.1 the smallest
LOGIT_BOUND = math.log(LARGEST_OUTPUT / (1 - LARGEST_OUTPUT))
CLIP_TOLERANCE = 1e-5
LOG_DENSITY_RANGE = (-5.0, 5.0)


class DWBCNUSettings(MethodSettings):
    """Constants of DWBC-NU."""

    eta: float = Field(0.5, gt=0, le=1, description="share of non-preferred pairs in D_U, 1 - alpha")
    discriminator_every: int = Field(1, gt=0, description="updates from one discriminator step to the next")
    discriminator_learning_rate: float = Field(1e-4, gt=0, description="constant; no decay")
    non_negative: bool = Field(False, description="max(0, R) in the discriminator's loss")


@dataclass(frozen=True)
class TransitionPair:
    """Flat transition indices of either set, (n,) each."""

    non_preferred: Tensor
    unlabelled: Tensor


class InwardClip(torch.autograd.Function):
    """Clips values to [-bound, bound]; outside, only a gradient that leads back inside is let through."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, bound: float) -> Tensor:
        """Return the clipped values."""
        ctx.save_for_backward(values)
        ctx.bound = bound
        return values.clamp(-bound, bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient, 0 where a step against it would lead further out."""
        (values,) = ctx.saved_tensors
        (gradient,) = gradients
        outward = (values.abs() > ctx.bound) & (values * gradient < 0)
        return gradient.masked_fill(outward, 0.0), None


class Discriminator(nn.Module):
    """d(s, a, log pi) in [0.1, 0.9]: two branches that meet, sigmoid, clip.

    `shared_log_std` is that of the last update, a buffer: what d is of a pair can be said later.
    """

    shared_log_std: Tensor

    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.pair_branch = nn.Linear(observation_size + action_size, BRANCH_SIZE)
        self.density_branch = nn.Linear(action_size, BRANCH_SIZE)
        self.joint = multilayer_perceptron([2 * BRANCH_SIZE, JOINT_SIZE, 1], nn.ReLU)
        self.register_buffer("shared_log_std", torch.zeros(()))

    def forward(self, standardised: Tensor, actions: Tensor, scaled_log_density: Tensor) -> Tensor:
        """Return d of each standardised observation, action and its density, (n,)."""
        pair = torch.relu(self.pair_branch(torch.cat([standardised, actions], -1)))
        density = torch.relu(self.density_branch(scaled_log_density))
        logit = self.joint(torch.cat([pair, density], -1)).squeeze(-1)
        # The same as a clip of the sigmoid; the gradient that leads back does not vanish far outside.
        clipped: Tensor = InwardClip.apply(logit, LOGIT_BOUND)  # type: ignore[no-untyped-call]  # torch's
        return torch.sigmoid(clipped)


def shared_log_std(mean: Tensor, actions: Tensor) -> Tensor:
    """Return the log standard deviation of N(mean, sigma^2 I) at maximum likelihood, a scalar.

    Kept within the bounds of the policy's own log standard deviation.
    """
    return 0.5 * (actions - mean).square().mean().log().clamp(*(2 * bound for bound in LOG_STD_RANGE))


def scaled_log_density(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
    """Return log N(a; mean, exp(2 log_std)) of each component, clipped and mapped to [0, 1], (n, d_a)."""
    components = (each.unsqueeze(-1) for each in (mean, log_std.expand_as(mean), actions))
    low, high = LOG_DENSITY_RANGE
    return (-negative_log_likelihood(*components) - low).div(high - low).clamp(0, 1)


def discriminator_loss(
    non_preferred: Tensor, unlabelled: Tensor, eta: float, *, non_negative: bool
) -> tuple[Tensor, Tensor]:
    """Return the loss L_d and the risk R of the preferred part, both scalars.

    Args:
        non_preferred: d of pairs of D_N, (n,).
        unlabelled: d of pairs of D_U, (m,).
        eta: share of non-preferred pairs in D_U.
        non_negative: replace R by max(0, R) in the loss; the R that is returned is the plain one.
    """
    risk = -torch.log1p(-unlabelled).mean() + eta * torch.log1p(-non_preferred).mean()
    loss = -eta * torch.log(non_preferred).mean() + (risk.clamp_min(0) if non_negative else risk)
    return loss, risk


class DWBCNU(Learner[DWBCNUSettings, TransitionPair]):
    """Positive-unlabelled discrimination of the non-preferred, and imitation weighted by 1 - d."""

    name = "dwbc_nu"
    settings_model = DWBCNUSettings

    def __init__(
        self,
        data: TrainingData,
        settings: DWBCNUSettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data, settings, training, generator)
        self._unlabelled = TransitionTensors(data.unlabelled, self.policy)
        self._non_preferred = TransitionTensors(data.non_preferred, self.policy)
        self._batch_size = training.transitions_per_step(data.unlabelled.lengths)
        self.discriminator = Discriminator(data.unlabelled.observation_size, data.unlabelled.action_size)
        initialise(self.discriminator, generator)
        self.add_network("discriminator", self.discriminator, settings.discriminator_learning_rate)

    def sample(self, generator: np.random.Generator) -> TransitionPair:
        """Draw B * K * H transitions of either set."""
        drawn = (
            torch.from_numpy(sample_transitions(len(part.actions), self._batch_size, generator))
            for part in (self._non_preferred, self._unlabelled)
        )
        return TransitionPair(*drawn)

    def update(self, batch: TransitionPair) -> dict[str, float]:
        """One step of the discriminator if it is due, then one of the policy on the unlabelled pairs."""
        observations, actions = self._unlabelled.take(batch.unlabelled)
        mean, log_std = self.policy(observations)
        with torch.no_grad():
            self.discriminator.shared_log_std.copy_(shared_log_std(mean, actions))
            unlabelled = (observations, actions, self._density_input(mean, log_std, actions))
            observations_n, actions_n = self._non_preferred.take(batch.non_preferred)
            mean_n, log_std_n = self.policy(observations_n)
            density_n = self._density_input(mean_n, log_std_n, actions_n)
        metrics = self._update_discriminator((observations_n, actions_n, density_n), unlabelled)
        with torch.no_grad():
            weights = 1.0 - self.discriminator(*unlabelled)
        loss = (weights * POLICY_LOSSES[self.training.policy_loss](mean, log_std, actions)).mean()
        metrics |= {"policy_loss": loss.item(), "policy_gradient_norm": self.step_policy(loss)}
        return metrics | weight_metrics(weights, self._unlabelled.trajectories[batch.unlabelled])

    def pair_costs(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return d of standardised observations (n, d_s) with actions (n, d_a), (n,)."""
        mean, log_std = self.policy(observations)
        density = self._density_input(mean, log_std, actions)
        outputs: Tensor = self.discriminator(observations, actions, density)
        return outputs

    def _density_input(self, mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
        if self.training.policy_loss == "mse":
            log_std = self.discriminator.shared_log_std
        return scaled_log_density(mean, log_std, actions)

    def _update_discriminator(
        self, non_preferred: tuple[Tensor, Tensor, Tensor], unlabelled: tuple[Tensor, Tensor, Tensor]
    ) -> dict[str, float]:
        settings = self.settings
        due = self.steps_done % settings.discriminator_every == 0
        with torch.set_grad_enabled(due):
            output_n, output_u = self.discriminator(*non_preferred), self.discriminator(*unlabelled)
            loss, risk = discriminator_loss(
                output_n, output_u, settings.eta, non_negative=settings.non_negative
            )
        norm = self.step_network("discriminator", loss) if due else 0.0
        clipped = (torch.cat([output_n, output_u]) - 0.5).abs() > LARGEST_OUTPUT - 0.5 - CLIP_TOLERANCE
        return {
            "discriminator_loss": loss.item(),
            "preferred_risk": risk.item(),
            "discriminator_non_preferred": output_n.mean().item(),
            "discriminator_unlabelled": output_u.mean().item(),
            "discriminator_clipped_share": clipped.float().mean().item(),
            "discriminator_gradient_norm": norm,
        }


METHOD = DWBCNU
