"""The networks that all methods share: the policy class and a bounded cost network.

Every method has the same policy class (MLP 256-256, ReLU; Gaussian with tanh-squashed mean and
state-dependent log standard deviation in [-5, 2]), evaluated by its mean.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

HIDDEN_SIZES = (256, 256)
LOG_STD_RANGE = (-5.0, 2.0)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every linear layer of `module` anew: uniform within 1/sqrt(inputs), torch's usual range."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = 1.0 / math.sqrt(layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def multilayer_perceptron(sizes: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """Chain linear layers of the given sizes with `activation` between them (none after the last)."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


class GaussianPolicy(nn.Module):
    """pi(a|s) = N(tanh(m(s)), exp(2 log_std(s))); observations are standardised inside.

    The observation statistics are buffers, so they travel with the weights.
    """

    observation_mean: Tensor
    observation_std: Tensor

    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.trunk = multilayer_perceptron([observation_size, *HIDDEN_SIZES], nn.ReLU).append(nn.ReLU())
        self.mean_head = nn.Linear(HIDDEN_SIZES[-1], action_size)
        self.log_std_head = nn.Linear(HIDDEN_SIZES[-1], action_size)
        self.register_buffer("observation_mean", torch.zeros(observation_size))
        self.register_buffer("observation_std", torch.ones(observation_size))

    def standardise(self, observations: Tensor) -> Tensor:
        """Map raw observations (..., d_s) to zero mean and unit scale of the unlabelled data."""
        return (observations - self.observation_mean) / self.observation_std

    def forward(self, standardised: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and log standard deviation, (..., d_a) each, of *standardised* observations."""
        hidden = self.trunk(standardised)
        log_std = self.log_std_head(hidden).clamp(*LOG_STD_RANGE)
        return torch.tanh(self.mean_head(hidden)), log_std


def negative_log_likelihood(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
    """Return -log N(a; mean, exp(2 log_std)) summed over action components, (...,)."""
    z = (actions - mean) * torch.exp(-log_std)
    return (0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def squared_error(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:  # noqa: ARG001  # same signature
    """Return ||mean - a||^2, (...,); the standard deviation plays no part."""
    return (mean - actions).square().sum(-1)


POLICY_LOSSES = {"nll": negative_log_likelihood, "mse": squared_error}


class CostNetwork(nn.Module):
    """c(s, a) = sigmoid(MLP 256-256-1, ELU) in (0, 1), equal to 1/2 everywhere at the start.

    The bound matters: an unbounded cost would send the difference of two scores to infinity.
    """

    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__()
        self.layers = multilayer_perceptron([observation_size + action_size, *HIDDEN_SIZES, 1], nn.ELU)

    def zero_last_layer(self) -> None:
        """Make the cost 1/2 everywhere."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, standardised: Tensor, actions: Tensor) -> Tensor:
        """Return the cost of each standardised observation and action, (...,)."""
        return torch.sigmoid(self.layers(torch.cat([standardised, actions], -1)).squeeze(-1))
