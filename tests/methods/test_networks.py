"""The networks and the policy's losses against their definitions."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from safemil.data.stripped import TrainingData
from safemil.methods.bc import BehaviorCloning
from safemil.methods.networks import (
    CostNetwork,
    GaussianPolicy,
    initialise,
    negative_log_likelihood,
    squared_error,
)
from safemil.methods.safemil import SafeMIL


def noise(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_cost_is_one_half_everywhere_at_the_start(random_data, make_learner):
    network = make_learner(SafeMIL, random_data).cost_network
    costs = network(noise(50, 3, scale=100.0), noise(50, 2, seed=1))
    assert torch.equal(costs, torch.full((50,), 0.5))


def test_only_the_last_layer_of_the_cost_network_starts_at_zero(random_data, make_learner):
    layers = make_learner(SafeMIL, random_data).cost_network.layers
    assert not layers[-1].weight.any()
    assert not layers[-1].bias.any()
    assert layers[0].weight.std() > 0.01
    assert layers[2].weight.std() > 0.01


def test_costs_stay_between_zero_and_one():
    network = CostNetwork(3, 2)
    initialise(network, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.layers[-1].weight.mul_(5)
        costs = network(noise(400, 3, scale=3.0), noise(400, 2, seed=1))
        extreme = network(noise(400, 3, scale=1e6), noise(400, 2, seed=1))
    assert costs.min() > 0
    assert costs.max() < 1
    assert costs.std() > 0.1
    assert ((extreme >= 0) & (extreme <= 1)).all()


def test_shapes_of_the_cost_network():
    assert CostNetwork(3, 2)(noise(4, 5, 3), noise(4, 5, 2)).shape == (4, 5)
    assert [tuple(p.shape) for p in CostNetwork(3, 2).parameters()] == [
        (256, 5),
        (256,),
        (256, 256),
        (256,),
        (1, 256),
        (1,),
    ]


def test_the_policy_mean_lies_in_the_action_range():
    policy = GaussianPolicy(3, 2)
    with torch.no_grad():
        mean, log_std = policy(noise(100, 3, scale=1e4))
    assert mean.abs().max() <= 1
    assert mean.abs().max() > 0.99
    assert mean.shape == log_std.shape == (100, 2)


def test_log_standard_deviations_are_clamped():
    policy = GaussianPolicy(3, 2)
    with torch.no_grad():
        _, log_std = policy(noise(200, 3, scale=1e3))
        assert log_std.min() == -5
        assert log_std.max() == 2
        policy.log_std_head.weight.zero_()
        policy.log_std_head.bias.copy_(torch.tensor([-1.5, 0.75]))
        _, inside = policy(noise(1, 3))
    assert inside.tolist() == [[-1.5, 0.75]]


def test_policy_layers_by_hand():
    """Two ReLU layers and two linear heads: every value of a policy of ones can be counted."""
    policy = GaussianPolicy(1, 1)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
        policy.trunk[0].weight[:2, 0] = torch.tensor([1.0, -1.0])
        policy.trunk[2].weight[0, :2] = torch.tensor([2.0, 3.0])
        policy.mean_head.weight[0, 0] = 0.1
        policy.log_std_head.weight[0, 0] = -0.2
        mean, log_std = policy(torch.tensor([[2.0], [-2.0]]))
    # 2 -> (2, 0) -> 4;   -2 -> (0, 2) -> 6
    assert mean.flatten().tolist() == pytest.approx([math.tanh(0.4), math.tanh(0.6)])
    assert log_std.flatten().tolist() == pytest.approx([-0.8, -1.2])


def test_negative_log_likelihood_against_scipy():
    mean, log_std, actions = noise(50, 4, 2), noise(50, 4, 2, seed=1), noise(50, 4, 2, seed=2)
    expected = -norm.logpdf(actions, loc=mean, scale=log_std.double().exp()).sum(-1)
    actual = negative_log_likelihood(mean, log_std, actions)
    assert actual.shape == (50, 4)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_squared_error_by_hand():
    # (0.5 - 1)^2 + (0 - 0.2)^2, whatever the standard deviation
    mean, actions = torch.tensor([[0.5, 0.0]]), torch.tensor([[1.0, 0.2]])
    for log_std in (0.0, 1.7):
        assert squared_error(mean, torch.full((1, 2), log_std), actions).item() == pytest.approx(0.29)


@pytest.mark.parametrize("method", [BehaviorCloning, SafeMIL])
def test_observation_statistics_are_those_of_the_unlabelled_data(make_trajectories, make_learner, method):
    generator = np.random.default_rng(0)
    observations = generator.normal(size=(30, 3)) * [1, 1e-4, 50] + [5, -2, 300]
    observations[:, 1] = -2  # a constant component: only the floor of the standard deviation is left
    data = TrainingData(
        make_trajectories([8, 8], observations=generator.normal(size=(16, 3)) + 40),
        make_trajectories([20, 10], observations=observations),
    )
    policy = make_learner(method, data).policy
    stored = data.unlabelled.observations.astype(np.float64)
    np.testing.assert_allclose(policy.observation_mean, stored.mean(0), rtol=1e-6)
    np.testing.assert_allclose(policy.observation_std, stored.std(0) + 1e-3, rtol=1e-6)
    standardised = policy.standardise(torch.tensor(data.unlabelled.observations))
    assert standardised.mean(0).abs().max() < 1e-4
    assert standardised.std(0, correction=0).tolist() == pytest.approx([1, 0, 1], abs=5e-3)


def test_initial_weights_come_from_the_given_stream_alone(random_data, make_learner):
    torch.manual_seed(1)
    first = make_learner(SafeMIL, random_data, seed=5).networks.state_dict()
    torch.manual_seed(2)
    again = make_learner(SafeMIL, random_data, seed=5).networks.state_dict()
    other = make_learner(SafeMIL, random_data, seed=6).networks.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["policy.trunk.0.weight"], other["policy.trunk.0.weight"])
    assert not torch.equal(first["cost.layers.0.weight"], other["cost.layers.0.weight"])


def test_initial_weights_have_the_usual_range():
    network = CostNetwork(98, 2)
    initialise(network, torch.Generator().manual_seed(0))
    for layer, inputs in ((network.layers[0], 100), (network.layers[2], 256)):
        bound = 1 / math.sqrt(inputs)
        assert layer.weight.abs().max() <= bound
        # Uniform on [-b, b] has variance b^2 / 3.
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert layer.bias.abs().max() <= bound
        assert layer.bias.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.2)
