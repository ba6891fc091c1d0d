"""SafeDICE: imitate the preferred share of D_U, found as a ratio of stationary distributions.

Source: Jang et al., *SafeDICE: Offline Safe Imitation Learning with Non-Preferred Demonstrations*, NeurIPS
2023; constants and details read in its public implementation, of which no code is used.

With rho_U = a rho_N + (1 - a) rho_P, where a is the share of *non-preferred* data in D_U, the policy with
the smallest KL divergence from rho_P follows in five steps; r, nu and the weights are of D_U's transitions.

1. Logit f(s, a), MLP 256-256-1 (ReLU), trained before everything else, then frozen; c = sigmoid(f):

       L_f = E_N softplus(-f) + E_U softplus(f) + 10 E (||grad f(x)|| - 1)^2

   c tends to rho_N / (rho_N + rho_U). x mixes N with U, and U with itself shuffled, by the same coefficient.
2. a = min over D_U of (1/c - 1) - 1e-5, clamped to [0, 1 - 1e-3]: 1/c - 1 is rho_U / rho_N, which is at
   least a, and equal to a where rho_P is 0.
3. r = log [(1 - (1 + a) c) / ((1 - a)(1 - c))] = log rho_P / rho_U, the numerator clipped to [1e-10, 1], then
   standardised over D_U.
4. nu(s), MLP 256-256-1 (ReLU), with e = r + gamma (1 - terminal) nu(s') - nu(s):

       L_nu = log mean_U exp(e) + (1 - gamma) E nu(s0) + 1e-6 E ||grad nu||^2

   s0 are the first states of D_U's trajectories; the penalty is taken at states of U, at mixes of states of
   N and U, and at mixes of their next states, a third of the batch each.
5. w = n softmax(e), detached, of the nu before its step; L_pi = mean_U w l_pi.

Constants: gamma 0.99, penalties 10 and 1e-6, margin 1e-5 (reference); the batch is the one of all methods.

Logged: before the first update `discriminator_loss` (L_f), `gradient_penalty` (E (||grad f|| - 1)^2),
`discriminator_non_preferred` and `discriminator_unlabelled` (mean c of either batch); then `nu_loss` (L_nu),
`policy_loss`, `effective_share`, `effective_trajectory_share`; gradient norms before clipping. The record of
a run holds a and what it was made from (`estimates`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from safemil.data.segments import sample_transitions
from safemil.data.stripped import TrainingData
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import Learner, MethodSettings, SuccessorTensors, TransitionTensors
from safemil.methods.networks import HIDDEN_SIZES, initialise, multilayer_perceptron
from safemil.methods.weights import weight_metrics

# Learning rate of f as a multiple of the policy's.
DISCRIMINATOR_RATIO = 10.0
SHARE_MARGIN = 1e-5
LARGEST_SHARE = 1 - 1e-3
SMALLEST_NUMERATOR = 1e-10
SMALLEST_STD = 1e-6
ROWS_AT_ONCE = 8192

# Quantiles of 1/c - 1 over D_U for the record.
ODDS = {"odds_minimum": 0.0, "odds_1_percent": 0.01, "odds_5_percent": 0.05, "odds_median": 0.5}


class SafeDICESettings(MethodSettings):
    """Constants of SafeDICE."""

    discount: float = Field(0.99, gt=0, lt=1, description="gamma")
    pretraining_share: float = Field(
        0.1, gt=0, description="steps of the discriminator, as a share of the policy's and beyond them"
    )
    discriminator_learning_rate: float | None = Field(
        None, gt=0, description="10 times the policy's when left out"
    )
    nu_learning_rate: float | None = Field(None, gt=0, description="the policy's when left out")
    discriminator_penalty: float = Field(10.0, ge=0, description="of the gradient's distance from norm 1")
    nu_penalty: float = Field(1e-6, ge=0, description="of the squared gradient")
    non_preferred_share: float | None = Field(
        None, ge=0, le=LARGEST_SHARE, description="a; estimated when left out"
    )


@dataclass(frozen=True)
class SafeDICEBatch:
    """Everything random in one step, n draws each.

    Attributes:
        non_preferred: transitions of D_N, (n,).
        unlabelled: transitions of D_U, (n,).
        initial: trajectories of D_U whose first states are used, (n,).
        coefficients: of the mixes, uniform in [0, 1), (n, 1).
        partners: a permutation of 0..n-1: the unlabelled transition that each one is mixed with, (n,).
    """

    non_preferred: Tensor
    unlabelled: Tensor
    initial: Tensor
    coefficients: Tensor
    partners: Tensor


def mix(coefficients: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return coefficients * first + (1 - coefficients) * second: (n, 1), (n, d), (n, d) -> (n, d)."""
    return coefficients * first + (1 - coefficients) * second


def input_gradients(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return the gradient of a scalar network at each input, differentiable again, (n, d) -> (n, d)."""
    inputs = inputs.detach().requires_grad_()
    outputs: Tensor = network(inputs)
    gradients: Tensor = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)[0]
    return gradients


def unit_norm_penalty(gradients: Tensor) -> Tensor:
    """Return the mean of (norm - 1)^2, (n, d) -> scalar."""
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=-1)
    return (norms - 1).square().mean()


def classification_loss(logits_n: Tensor, logits_u: Tensor) -> Tensor:
    """Return E_N softplus(-f) + E_U softplus(f), a scalar."""
    return softplus(-logits_n).mean() + softplus(logits_u).mean()


def estimated_share(logits: Tensor) -> float:
    """Return a from f over D_U (N,): the least 1/c - 1, which is exp(-f), less a margin, clamped."""
    share = torch.exp(-logits.max()).item() - SHARE_MARGIN
    return min(max(share, 0.0), LARGEST_SHARE)


def numerators(logits: Tensor, share: float) -> Tensor:
    """Return 1 - (1 + a) c before any clipping, (N,) -> (N,)."""
    return 1 - (1 + share) * torch.sigmoid(logits)


def log_ratios(logits: Tensor, share: float) -> Tensor:
    """Return r = log rho_P / rho_U from the logits f and the share a, (N,) -> (N,)."""
    clipped = numerators(logits, share).clamp(SMALLEST_NUMERATOR, 1.0)
    return clipped.log() - math.log(1 - share) - logsigmoid(-logits)


def advantages(
    rewards: Tensor, discount: float, terminals: Tensor, values: Tensor, next_values: Tensor
) -> Tensor:
    """Return e = r + gamma (1 - terminal) nu(s') - nu(s), (n,)."""
    return rewards + discount * (1 - terminals) * next_values - values


def nu_objective(advantages: Tensor, initial_values: Tensor, discount: float) -> Tensor:
    """Return log mean exp(e) + (1 - gamma) E nu(s0), a scalar."""
    log_mean = torch.logsumexp(advantages, 0) - math.log(advantages.numel())
    return log_mean + (1 - discount) * initial_values.mean()


class SafeDICE(Learner[SafeDICESettings, SafeDICEBatch]):
    """Imitation weighted by the stationary distribution of the preferred behaviour."""

    name = "safedice"
    settings_model = SafeDICESettings

    def __init__(
        self,
        data: TrainingData,
        settings: SafeDICESettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data, settings, training, generator)
        self._unlabelled = SuccessorTensors(data.unlabelled, self.policy)
        self._non_preferred = SuccessorTensors(data.non_preferred, self.policy)
        self._batch_size = training.transitions_per_step(data.unlabelled.lengths)
        observation_size, action_size = data.unlabelled.observation_size, data.unlabelled.action_size
        pair_size, rate = observation_size + action_size, training.learning_rate
        self.discriminator = multilayer_perceptron([pair_size, *HIDDEN_SIZES, 1], nn.ReLU)
        self.nu = multilayer_perceptron([observation_size, *HIDDEN_SIZES, 1], nn.ReLU)
        for network in (self.discriminator, self.nu):
            initialise(network, generator)
        discriminator_rate = settings.discriminator_learning_rate or DISCRIMINATOR_RATIO * rate
        self.add_network("discriminator", self.discriminator, discriminator_rate)
        self.add_network("nu", self.nu, settings.nu_learning_rate or rate)
        self._rewards: Tensor | None = None
        self._estimates: dict[str, float] = {}

    @property
    def pretraining_steps(self) -> int:
        """Steps of the discriminator, at least one."""
        return max(1, round(self.settings.pretraining_share * self.training.steps))

    def sample(self, generator: np.random.Generator) -> SafeDICEBatch:
        """Draw transitions, first states, and how they are mixed."""
        n = self._batch_size

        def draw(population: int) -> Tensor:
            return torch.from_numpy(sample_transitions(population, n, generator))

        return SafeDICEBatch(
            non_preferred=draw(len(self._non_preferred.actions)),
            unlabelled=draw(len(self._unlabelled.actions)),
            initial=draw(len(self._unlabelled.initial_observations)),
            coefficients=torch.from_numpy(generator.random((n, 1), dtype=np.float32)),
            partners=torch.from_numpy(generator.permutation(n)),
        )

    def pretrain(self, batch: SafeDICEBatch) -> dict[str, float]:
        """One step of the discriminator."""
        inputs_n = torch.cat(self._non_preferred.take(batch.non_preferred), -1)
        inputs_u = torch.cat(self._unlabelled.take(batch.unlabelled), -1)
        logits_n = self.discriminator(inputs_n).squeeze(-1)
        logits_u = self.discriminator(inputs_u).squeeze(-1)
        mixes = torch.cat(
            [
                mix(batch.coefficients, inputs_n, inputs_u),
                mix(batch.coefficients, inputs_u[batch.partners], inputs_u),
            ]
        )
        penalty = unit_norm_penalty(input_gradients(self.discriminator, mixes))
        loss = classification_loss(logits_n, logits_u) + self.settings.discriminator_penalty * penalty
        norm = self.step_network("discriminator", loss)
        return {
            "discriminator_loss": loss.item(),
            "gradient_penalty": penalty.item(),
            "discriminator_non_preferred": torch.sigmoid(logits_n).mean().item(),
            "discriminator_unlabelled": torch.sigmoid(logits_u).mean().item(),
            "discriminator_gradient_norm": norm,
        }

    def update(self, batch: SafeDICEBatch) -> dict[str, float]:
        """One step of nu, then one of the policy with the weights that nu gave before its step."""
        if self._rewards is None:
            self._rewards, self._estimates = self._standardised_ratios()
        e, metrics = self._update_nu(batch, self._rewards[batch.unlabelled])
        weights = torch.softmax(e, 0) * e.numel()
        loss = (weights * self.policy_losses(*self._unlabelled.take(batch.unlabelled))).mean()
        norm = self.step_policy(loss)
        metrics |= {"policy_loss": loss.item(), "policy_gradient_norm": norm}
        return metrics | weight_metrics(weights, self._unlabelled.trajectories[batch.unlabelled])

    def pair_costs(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return c of standardised observations (n, d_s) with actions (n, d_a), (n,)."""
        return torch.sigmoid(self._logit(observations, actions))

    def _logit(self, observations: Tensor, actions: Tensor) -> Tensor:
        logit: Tensor = self.discriminator(torch.cat([observations, actions], -1)).squeeze(-1)
        return logit

    def _update_nu(self, batch: SafeDICEBatch, rewards: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Take nu's step; returns e (n,) before it, detached, and what to log."""
        u, n = self._unlabelled, self._non_preferred
        states, next_states = u.observations[batch.unlabelled], u.next_observations[batch.unlabelled]
        initial_states = u.initial_observations[batch.initial]
        every_state = torch.cat([states, next_states, initial_states])
        values, next_values, initial_values = self.nu(every_state).view(3, -1)
        discount = self.settings.discount
        e = advantages(rewards, discount, u.terminals[batch.unlabelled], values, next_values)
        penalised = torch.cat(
            [
                states[0::3],
                mix(batch.coefficients, n.observations[batch.non_preferred], states)[1::3],
                mix(batch.coefficients, n.next_observations[batch.non_preferred], next_states)[2::3],
            ]
        )
        penalty = input_gradients(self.nu, penalised).square().sum(-1).mean()
        loss = nu_objective(e, initial_values, discount) + self.settings.nu_penalty * penalty
        norm = self.step_network("nu", loss)
        return e.detach(), {"nu_loss": loss.item(), "nu_gradient_norm": norm}

    @torch.no_grad()
    def _logits(self, data: TransitionTensors) -> Tensor:
        """Return f of every transition in double precision, (N,)."""
        rows = range(0, len(data.actions), ROWS_AT_ONCE)
        parts = [slice(first, first + ROWS_AT_ONCE) for first in rows]
        logits = [self._logit(data.observations[part], data.actions[part]) for part in parts]
        return torch.cat(logits).double()

    def _standardised_ratios(self) -> tuple[Tensor, dict[str, float]]:
        """Return r of every unlabelled transition (N,), standardised, and the numbers for the record."""
        logits = self._logits(self._unlabelled)
        estimate = estimated_share(logits)
        given = self.settings.non_preferred_share
        share = estimate if given is None else given
        r = log_ratios(logits, share)
        mean, std = r.mean(), r.std(correction=0)
        odds = torch.quantile(torch.exp(-logits), torch.tensor(list(ODDS.values()), dtype=torch.float64))
        numbers = {
            "non_preferred_share": share,
            "non_preferred_share_estimated": estimate,
            **dict(zip(ODDS, odds.tolist(), strict=True)),
            "clipped_share": (numerators(logits, share) <= SMALLEST_NUMERATOR).double().mean().item(),
            "log_ratio_mean": mean.item(),
            "log_ratio_std": std.item(),
            "discriminator_unlabelled": torch.sigmoid(logits).mean().item(),
            "discriminator_non_preferred": torch.sigmoid(self._logits(self._non_preferred)).mean().item(),
        }
        return ((r - mean) / std.clamp_min(SMALLEST_STD)).to(self._unlabelled.actions.dtype), numbers

    def estimates(self) -> dict[str, float]:
        """Return a and what it was made from; empty before the first update."""
        return dict(self._estimates)

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on from here."""
        return super().state() | {"rewards": self._rewards, "estimates": self._estimates}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        super().load_state(state)
        self._rewards, self._estimates = state["rewards"], dict(state["estimates"])


METHOD = SafeDICE
