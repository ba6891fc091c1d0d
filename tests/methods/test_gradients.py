"""Gradients of both SafeMIL losses against finite differences of the formulas in `by_hand`, in float64."""

import copy

import numpy as np
import pytest
import torch

from safemil.methods.bc import BehaviorCloning
from safemil.methods.safemil import SafeMIL
from tests.methods import by_hand

STEP = 1e-6


def directional_derivatives(network, loss, n_directions=6, step=STEP):
    """Central differences of `loss(network)` along random directions, beside those directions (flat)."""
    generator = torch.Generator().manual_seed(0)
    size = sum(parameter.numel() for parameter in network.parameters())
    directions = torch.randn(n_directions, size, generator=generator, dtype=torch.float64)
    directions[0, :] = 0
    directions[0, -1] = 1  # the very last bias by itself
    start = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    derivatives = []
    for direction in directions:
        values = []
        for sign in (1, -1):
            torch.nn.utils.vector_to_parameters(start + sign * step * direction, network.parameters())
            values.append(loss(network))
        derivatives.append((values[0] - values[1]) / (2 * step))
    torch.nn.utils.vector_to_parameters(start, network.parameters())
    return directions, torch.tensor(derivatives, dtype=torch.float64)


class Formulas:
    """The losses of one batch as functions of a network."""

    def __init__(self, data, batch):
        self.u, self.n = data.unlabelled, data.non_preferred
        self.observations_u = by_hand.standardised(self.u.observations, self.u.observations)
        self.observations_n = by_hand.standardised(self.n.observations, self.u.observations)
        self.segments_u = by_hand.segments_of(batch.unlabelled)
        self.segments_n = by_hand.segments_of(batch.non_preferred)

    def costs(self, network):
        return (
            by_hand.pair_costs(network, self.observations_n, self.n.actions),
            by_hand.pair_costs(network, self.observations_u, self.u.actions),
        )

    def cost_loss(self, network):
        return by_hand.cost_loss(*self.costs(network), self.segments_n, self.segments_u, 3, 0.99)[0]

    def policy_loss(self, network, kind, weights):
        losses = by_hand.pair_losses(network, self.observations_u, self.u.actions, kind)
        return by_hand.policy_loss(losses, weights, self.segments_u)


@pytest.fixture
def float64_update(random_data, make_learner, scramble, doubled):
    """One update in float64: the learner after it, its networks before it, and the formulas of its batch."""

    def update(settings=None, **training):
        training = {"gradient_clip": 1e9, **training}
        learner = doubled(make_learner(SafeMIL, random_data, settings=settings, **training), random_data)
        learner = scramble(learner, scale=4.0)
        batch = learner.sample(np.random.default_rng(7))
        before = copy.deepcopy(learner.networks)
        learner.update(batch)
        return learner, before, Formulas(random_data, batch)

    return update


@pytest.mark.parametrize("horizon", [4, "full"])
def test_gradient_of_the_cost_loss_and_none_from_the_policy(float64_update, gradient_of, horizon):
    """The gradient left after a whole update: a policy loss that reached the cost network would add to it."""
    learner, before, formulas = float64_update(segment_length=horizon)
    directions, expected = directional_derivatives(before["cost"], formulas.cost_loss)
    actual = directions @ gradient_of(learner.cost_network)
    assert expected.abs().min() > 1e-4
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("trajectory", {}),
        ("linear", {"weighting": "state_action"}),
        ("exponential", {"weighting": "state_action", "state_action_weight": "exponential"}),
        ("threshold", {"weighting": "threshold"}),
    ],
)
def test_gradient_of_the_weighted_policy_loss(float64_update, gradient_of, kind, settings, policy_loss):
    learner, before, formulas = float64_update(settings, policy_loss=policy_loss, segment_length="full")
    costs_n, costs_u = formulas.costs(learner.cost_network)
    weights = by_hand.weights(kind, costs_u, costs_n, formulas.segments_u, formulas.segments_n)
    directions, expected = directional_derivatives(
        before["policy"], lambda network: formulas.policy_loss(network, policy_loss, weights)
    )
    actual = directions @ gradient_of_policy(learner, gradient_of)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-8)
    assert expected.abs().max() > 1e-3


def gradient_of_policy(learner, gradient_of):
    """The squared error leaves the standard deviation without any gradient."""
    for parameter in learner.policy.parameters():
        if parameter.grad is None:
            assert learner.training.policy_loss == "mse"
            parameter.grad = torch.zeros_like(parameter)
    return gradient_of(learner.policy)


def test_weights_carry_no_gradient(random_data, make_learner, scramble):
    """Directly: the policy's loss, differentiated, knows nothing of the cost network."""
    learner = scramble(make_learner(SafeMIL, random_data))
    batch = learner.sample(np.random.default_rng(8))
    used = []
    step_policy = learner.step_policy

    def spy(loss):
        parameters = list(learner.cost_network.parameters())
        used.extend(torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True))
        return step_policy(loss)

    learner.step_policy = spy
    learner.update(batch)
    assert len(used) == 6
    assert all(gradient is None for gradient in used)


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
def test_bc_is_the_mean_over_the_drawn_transitions(random_data, make_learner, gradient_of, policy_loss):
    learner = make_learner(
        BehaviorCloning, random_data, policy_loss=policy_loss, segment_length="full", gradient_clip=1e9
    )
    learner.networks.double()
    unlabelled = random_data.unlabelled
    raw = torch.tensor(unlabelled.observations, dtype=torch.float64)
    learner._unlabelled.observations = learner.policy.standardise(raw)
    learner._unlabelled.actions = torch.tensor(unlabelled.actions, dtype=torch.float64)
    batch = learner.sample(np.random.default_rng(9))
    # B * K = 6 whole trajectories of 5, 12, 7 and 4 transitions: 7 on average.
    assert batch.shape == (42,)
    before = copy.deepcopy(learner.policy)
    logged = learner.update(batch)["policy_loss"]
    observations = by_hand.standardised(unlabelled.observations, unlabelled.observations)

    def loss(network):
        each = by_hand.pair_losses(network, observations, unlabelled.actions, policy_loss)
        return np.mean([each[index] for index in batch])

    assert logged == pytest.approx(loss(before), rel=1e-6)
    directions, expected = directional_derivatives(before, loss)
    actual = directions @ gradient_of_policy(learner, gradient_of)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-8)
