"""COptiDICE: the best policy within the cost limit that the data support. An oracle: it sees reward and cost.

Source: Lee et al., *COptiDICE: Offline Constrained Reinforcement Learning via Stationary Distribution
Correction Estimation*, ICLR 2022, arXiv 2204.08957; constants read in public implementations, of which no
code is used.

Among the discounted occupancies d = w rho_U of policies, it looks for the one with

    max E_d[r] - a_f E_U[f(w)]   subject to   an upper bound of E_d[c] <= the limit

with the soft-chi^2 divergence f(x) = x (log x - 1) + 1 below 1 and (x - 1)^2 / 2 from there on, so that
(f')^-1(y) = exp(y) below 0 and y + 1 from there on: the weights are never negative. Means are over the batch,
sg holds a value fixed, terminal states have no future, and s0 are first states of D_U's trajectories:

    e     = r - lambda c + gamma (1 - terminal) nu(s') - nu(s)         advantage, r scaled by 0.1
    w     = (f')^-1(e / a_f)                                           the best w for these nu and lambda
    L_nu  = (1 - gamma) E nu(s0) - a_f E f(w) + E[w e]
    l     = (1 - gamma) chi(s0) + w (c + gamma (1 - terminal) chi(s') - chi(s))
    v     = n softmax(l / tau)                                         tilts the batch towards its costs
    KL    = mean(v log v - v + 1),   C_ub = mean(v w c)                w held fixed in both
    L_chi = mean(sg(v) l),           L_tau    = -tau (sg(KL) - epsilon)
    L_pi  = mean(sg(w) l_pi),        L_lambda = -lambda (sg(C_ub) - limit)

All losses are of the same batch and the networks before the step; then each takes one. nu and chi are each
the smaller of two MLPs 256-256-1 (ReLU) with one optimiser; lambda and tau are softplus of a scalar and start
at 1. Each step draws as many transitions of D_U as the other methods do, and as many first states.

C_ub is the cost of one step under the normalised occupancy, E_d[c] = (1 - gamma) E sum_t gamma^t c_t. An
episode of T steps that costs `cost_limit`, evenly spread, has a cost of limit / T in every step, and

    limit = cost_limit (1 - gamma^T) / T

in that unit when the sum stops at T.

Constants: a_f 0.5, gamma 0.99, epsilon 0.01, two nu and two chi networks, reward scale 0.1, cost limit 25,
lambda and tau from 1 (references). Learning rates 1e-4 and batches of 512 there; here the rates are the
policy's unless given, without decay, and the batch is the one of all methods.

Deviations from the public implementations:

- Of those we read, one has the limit (1 - gamma^T) cost_limit / ((1 - gamma) T), the discounted sum of an
  episode, beside the C_ub of one step: 100 times too loose at gamma 0.99, and above the largest possible cost
  of a step in all of our tasks. `limit_unit: discounted_sum` gives that limit.
- They let L_chi's gradient flow through v as well. With v held fixed it is the gradient of the bound itself,
  min over chi and tau of tau log mean exp(l / tau) + tau epsilon, by the envelope theorem.
- They add noise to the policy's inputs, or penalise gradients of nu and chi; here neither is done.
- lambda and tau are not decayed like weights: that would pull them towards softplus(0) and bias the limit.
- epsilon = 0 means v = 1: C_ub is the plain estimate, and chi and tau take no step.

Inherent in the method: w is computed from single next states. Where these are random, E[w e] is biased.

Logged: `nu_loss`, `chi_loss`, `lambda_loss`, `tau_loss`, `policy_loss`; `lambda`, `tau`; `cost_estimate`
(mean w c, of one step), `cost_upper_bound` (C_ub), `bound_divergence` (KL), `weight_mean` (tends to 1);
`effective_share` and `effective_trajectory_share` of w; gradient norms before clipping. The record of a run
holds the last lambda and tau and the limit in the unit of C_ub.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from safemil.data.segments import sample_transitions
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import MethodSettings, SuccessorTensors
from safemil.methods.networks import HIDDEN_SIZES, initialise, multilayer_perceptron
from safemil.methods.oracle import OracleData, OracleLearner
from safemil.methods.weights import weight_metrics
from safemil.protocol import COST_LIMIT

LimitUnit = Literal["step", "discounted_sum"]

# Keeps log finite where a weight has underflowed to 0.
SMALLEST_WEIGHT = 1e-10


class COptiDICESettings(MethodSettings):
    """Constants of COptiDICE."""

    discount: float = Field(0.99, gt=0, lt=1, description="gamma")
    divergence_weight: float = Field(0.5, gt=0, description="a_f, price of leaving the data's distribution")
    bound_divergence: float = Field(
        0.01, ge=0, description="epsilon, KL divergence of the costliest data considered; 0: plain estimate"
    )
    reward_scale: float = Field(0.1, gt=0)
    cost_limit: float = Field(COST_LIMIT, ge=0, description="undiscounted cost of an episode")
    episode_length: int | None = Field(
        None,
        gt=0,
        description="T, steps over which the limit is spread; longest unlabelled trajectory when left out",
    )
    limit_unit: LimitUnit = Field("step", description="discounted_sum: as loose as a public implementation's")
    value_learning_rate: float | None = Field(
        None, gt=0, description="nu's and chi's; the policy's if left out"
    )
    multiplier_learning_rate: float | None = Field(
        None, gt=0, description="lambda's and tau's; the policy's if left out"
    )


@dataclass(frozen=True)
class COptiDICEBatch:
    """Everything random in one step, n draws each.

    Attributes:
        transitions: of D_U, (n,).
        initial: trajectories of D_U whose first states are used, (n,).
    """

    transitions: Tensor
    initial: Tensor


def soft_chi_square(x: Tensor) -> Tensor:
    """Return f(x) = x (log x - 1) + 1 where x < 1, else (x - 1)^2 / 2, elementwise."""
    below = x * (torch.log(x + SMALLEST_WEIGHT) - 1) + 1
    return torch.where(x < 1, below, 0.5 * (x - 1).square())


def inverse_derivative(y: Tensor) -> Tensor:
    """Return (f')^-1(y) = exp(y) where y < 0, else y + 1, elementwise."""
    # The branch that is not taken must not overflow: its gradient would be 0 * infinity.
    return torch.where(y < 0, torch.exp(y.clamp(max=0)), y + 1)


def occupancy_limit(cost_limit: float, discount: float, length: int, unit: LimitUnit) -> float:
    """Return the limit that C_ub is held against.

    Args:
        cost_limit: undiscounted cost of an episode.
        discount: gamma.
        length: T, steps of an episode.
        unit: `step` for the cost of one step under the normalised occupancy, `discounted_sum` for the
            discounted cost of an episode, which is 1 / (1 - gamma) times that.
    """
    per_step = cost_limit * (1 - discount**length) / length
    return per_step if unit == "step" else per_step / (1 - discount)


class SmallerOfTwo(nn.Module):
    """The smaller of two MLPs 256-256-1 (ReLU) at each state."""

    def __init__(self, observation_size: int) -> None:
        super().__init__()
        sizes = [observation_size, *HIDDEN_SIZES, 1]
        self.first = multilayer_perceptron(sizes, nn.ReLU)
        self.second = multilayer_perceptron(sizes, nn.ReLU)

    def forward(self, standardised: Tensor) -> Tensor:
        """Return the value of each standardised observation, (n, d_s) -> (n,)."""
        return torch.minimum(self.first(standardised), self.second(standardised)).squeeze(-1)


class Multiplier(nn.Module):
    """A positive number that is learned: softplus of a scalar, 1 at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.tensor(math.log(math.e - 1)))

    def forward(self) -> Tensor:
        """Return the number, a scalar."""
        return softplus(self.raw)


class COptiDICE(OracleLearner[COptiDICESettings, COptiDICEBatch]):
    """Imitation weighted by the corrected stationary distribution of the best policy within the limit."""

    name = "coptidice"
    settings_model = COptiDICESettings

    def __init__(
        self,
        data: OracleData,
        settings: COptiDICESettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data, settings, training, generator)
        unlabelled = data.stripped.unlabelled
        self._unlabelled = SuccessorTensors(unlabelled, self.policy)
        self._rewards = settings.reward_scale * torch.tensor(data.labels.unlabelled_rewards)
        self._costs = torch.tensor(data.labels.unlabelled_costs)
        self._batch_size = training.transitions_per_step(unlabelled.lengths)
        length = settings.episode_length or int(unlabelled.lengths.max())
        self.limit = occupancy_limit(settings.cost_limit, settings.discount, length, settings.limit_unit)
        self.nu, self.chi = (SmallerOfTwo(unlabelled.observation_size) for _ in range(2))
        self.multiplier, self.temperature = Multiplier(), Multiplier()
        for name, network in (("nu", self.nu), ("chi", self.chi)):
            initialise(network, generator)
            self.add_network(name, network, settings.value_learning_rate or training.learning_rate)
        for name, scalar in (("lambda", self.multiplier), ("tau", self.temperature)):
            self.add_network(name, scalar, settings.multiplier_learning_rate or training.learning_rate)
            self.optimizers[name].param_groups[0]["weight_decay"] = 0.0

    def sample(self, generator: np.random.Generator) -> COptiDICEBatch:
        """Draw transitions and as many first states of D_U, both uniformly."""
        n, unlabelled = self._batch_size, self._unlabelled
        return COptiDICEBatch(
            transitions=torch.from_numpy(sample_transitions(len(unlabelled.actions), n, generator)),
            initial=torch.from_numpy(sample_transitions(len(unlabelled.initial_observations), n, generator)),
        )

    def update(self, batch: COptiDICEBatch) -> dict[str, float]:
        """Compute every loss, then take one step of each network and multiplier."""
        costs = self._costs[batch.transitions]
        nu_loss, weights = self._nu_loss(batch, costs)
        estimate = (weights * costs).mean()
        losses: dict[str, Tensor] = {}
        metrics: dict[str, float] = {}
        upper_bound = estimate
        if self.settings.bound_divergence > 0:
            upper_bound, losses, metrics = self._bound(batch, weights, costs)
        policy_losses = self.policy_losses(*self._unlabelled.take(batch.transitions))
        multiplier = self.multiplier()
        losses |= {
            "nu": nu_loss,
            "lambda": -multiplier * (upper_bound - self.limit),
            "policy": (weights * policy_losses).mean(),
        }
        metrics |= {
            "lambda": multiplier.item(),
            "cost_estimate": estimate.item(),
            "cost_upper_bound": upper_bound.item(),
            "weight_mean": weights.mean().item(),
        }
        metrics |= weight_metrics(weights, self._unlabelled.trajectories[batch.transitions])
        return metrics | self._step_all(losses)

    def _residuals(self, network: nn.Module, batch: COptiDICEBatch, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Return signal + gamma (1 - terminal) x(s') - x(s) and x(s0) of a network x, (n,) each."""
        data, rows = self._unlabelled, batch.transitions
        firsts = data.initial_observations  # all of them: fewer than the draws among them
        observations = torch.cat([data.observations[rows], data.next_observations[rows], firsts])
        now, after, initial = network(observations).split([len(rows), len(rows), len(firsts)])
        future = self.settings.discount * (1 - data.terminals[rows]) * after
        return signal + future - now, initial[batch.initial]

    def _nu_loss(self, batch: COptiDICEBatch, costs: Tensor) -> tuple[Tensor, Tensor]:
        """Return L_nu and the weights w (n,), detached."""
        scale = self.settings.divergence_weight
        signal = self._rewards[batch.transitions] - self.multiplier().detach() * costs
        advantages, initial = self._residuals(self.nu, batch, signal)
        weights = inverse_derivative(advantages / scale)
        gain = (weights * advantages - scale * soft_chi_square(weights)).mean()
        return (1 - self.settings.discount) * initial.mean() + gain, weights.detach()

    def _bound(
        self, batch: COptiDICEBatch, weights: Tensor, costs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, float]]:
        """Return C_ub, the losses of chi and tau, and what to log of them."""
        settings, tau = self.settings, self.temperature()
        residuals, initial = self._residuals(self.chi, batch, costs)
        values = (1 - settings.discount) * initial + weights * residuals
        log_tilts = torch.log_softmax(values / tau, 0).detach() + math.log(len(values))
        tilts = log_tilts.exp()
        divergence = (tilts * log_tilts - tilts + 1).mean()
        losses = {
            "chi": (tilts * values).mean(),
            "tau": -tau * (divergence - settings.bound_divergence),
        }
        metrics = {"tau": tau.item(), "bound_divergence": divergence.item()}
        return (tilts * weights * costs).mean(), losses, metrics

    def _step_all(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Take one step down each loss; returns losses and gradient norms to log."""
        metrics = {f"{name}_loss": loss.item() for name, loss in losses.items()}
        for name, loss in losses.items():
            norm = self.step_policy(loss) if name == "policy" else self.step_network(name, loss)
            metrics[f"{name}_gradient_norm"] = norm
        return metrics

    def estimates(self) -> dict[str, float]:
        """Return the present lambda and tau, and the limit of C_ub."""
        return {"lambda": self.multiplier().item(), "tau": self.temperature().item(), "limit": self.limit}


METHOD = COptiDICE
