"""Learning rates, clipping and weight decay of every network of every method."""

import copy

import numpy as np
import pytest
import torch

from safemil.catalogue import built_in_methods
from safemil.methods.bc import BehaviorCloning
from safemil.methods.coptidice import Multiplier
from safemil.methods.registry import find_method
from safemil.methods.safemil import SafeMIL

METHODS = list(built_in_methods())


def rates_used(learner, name, steps):
    """The learning rate of one network at the moment of each of its steps."""
    used = []
    optimizer = learner.optimizers[name]
    optimizer.register_step_pre_hook(lambda opt, *_: used.append(opt.param_groups[0]["lr"]))
    generator = np.random.default_rng(0)
    for _ in range(steps):
        learner.update(learner.sample(generator))
    return used


@pytest.mark.parametrize("method", METHODS)
def test_the_policy_learning_rate_decays_linearly_to_zero(random_data, make_learner, method):
    learner = make_learner(find_method(method), random_data, steps=10, learning_rate=0.01)
    expected = [0.01 * (1 - step / 10) for step in range(10)]
    assert rates_used(learner, "policy", 10) == pytest.approx(expected)


def test_the_cost_learning_rate_is_the_policys_and_stays(random_data, make_learner):
    learner = make_learner(SafeMIL, random_data, steps=5, learning_rate=0.01)
    assert rates_used(learner, "cost", 5) == pytest.approx([0.01] * 5)


def test_a_cost_learning_rate_of_its_own(random_data, make_learner):
    learner = make_learner(
        SafeMIL, random_data, steps=5, learning_rate=0.01, settings={"cost_learning_rate": 0.003}
    )
    assert rates_used(learner, "cost", 5) == pytest.approx([0.003] * 5)


def test_the_decay_goes_on_where_a_resumed_run_stopped(random_data, make_learner):
    first = make_learner(BehaviorCloning, random_data, steps=10, learning_rate=0.01)
    rates_used(first, "policy", 4)
    second = make_learner(BehaviorCloning, random_data, steps=10, learning_rate=0.01)
    second.load_state(copy.deepcopy(first.state()))
    assert rates_used(second, "policy", 1) == pytest.approx([0.006])


def step_each_network(learner):
    """Take a step of pretraining, if there is one, and an update; returns what the update logged."""
    generator = np.random.default_rng(0)
    if learner.pretraining_steps:
        learner.pretrain(learner.sample(generator))
    return learner.update(learner.sample(generator))


def gradient_norms(learner):
    """The norm that the last step left in each network that has taken one."""
    gradients = {
        name: [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        for name, network in learner.networks.items()
    }
    return {name: torch.cat(found).norm().item() for name, found in gradients.items() if found}


@pytest.mark.parametrize("method", METHODS)
def test_each_network_is_clipped_by_itself(random_data, make_learner, method):
    """With a tiny limit each gradient has exactly that norm: not more, nor less for a neighbour's sake."""
    learner = make_learner(find_method(method), random_data, gradient_clip=1e-6)
    logged = step_each_network(learner)
    norms = gradient_norms(learner)
    assert norms.keys() == learner.networks.keys()
    assert list(norms.values()) == pytest.approx([1e-6] * len(norms), rel=1e-3)
    assert logged["policy_gradient_norm"] > 1e-4, "the logged norm is the one before clipping"


@pytest.mark.parametrize("method", METHODS)
def test_small_gradients_are_left_alone(random_data, make_learner, method):
    loose, default = (
        make_learner(find_method(method), random_data, **clip) for clip in ({"gradient_clip": 1e9}, {})
    )
    for learner in (loose, default):
        learner.update(learner.sample(np.random.default_rng(0)))
    assert gradient_norms(loose) == gradient_norms(default)


def test_the_default_clip_is_a_norm_of_ten(random_data, make_learner):
    learner = make_learner(BehaviorCloning, random_data)
    observations = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    loss = 1e5 * learner.policy_losses(observations, torch.ones(8, 2)).mean()
    norm = learner.step_policy(loss)
    assert norm > 1e3
    assert gradient_norms(learner)["policy"] == pytest.approx(10, rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_weight_decay_reaches_every_network(random_data, make_learner, method):
    """Without any gradient AdamW shrinks each weight by the factor 1 - rate * decay and does nothing else.

    A multiplier is no weight and is left alone.
    """
    learner = make_learner(find_method(method), random_data, learning_rate=0.1, weight_decay=0.3)
    for name, network in learner.networks.items():
        if isinstance(network, Multiplier):
            assert learner.optimizers[name].param_groups[0]["weight_decay"] == 0
            continue
        rate = learner.optimizers[name].param_groups[0]["lr"]
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(2.0)
        learner.step_network(name, 0 * sum(parameter.sum() for parameter in network.parameters()))
        for parameter in network.parameters():
            torch.testing.assert_close(parameter.detach(), torch.full_like(parameter, 2 * (1 - rate * 0.3)))


@pytest.mark.parametrize("method", METHODS)
def test_every_network_moves_by_a_first_adam_step(random_data, make_learner, method):
    """Adam's first step is rate * sign(gradient): the moments and the bias correction are the usual ones."""
    learner = make_learner(find_method(method), random_data, learning_rate=0.01, weight_decay=0.0)
    for name, network in learner.networks.items():
        rate = learner.optimizers[name].param_groups[0]["lr"]
        before = [parameter.detach().clone() for parameter in network.parameters()]
        learner.step_network(name, sum(parameter.sum() for parameter in network.parameters()))
        for old, new in zip(before, network.parameters(), strict=True):
            torch.testing.assert_close(old - new.detach(), torch.full_like(old, rate), rtol=1e-4, atol=1e-6)


def test_bc_sees_as_many_transitions_as_safemil(random_data, make_learner):
    for horizon in (1, 4):
        shapes = {"bag_pairs": 2, "bag_size": 5, "segment_length": horizon}
        bc, safemil = (make_learner(m, random_data, **shapes) for m in (BehaviorCloning, SafeMIL))
        segments = safemil.sample(np.random.default_rng(0))
        assert bc.sample(np.random.default_rng(0)).numel() == segments.unlabelled.indices.size == 10 * horizon
        assert segments.non_preferred.indices.shape == (10, horizon)


def test_bc_draws_every_unlabelled_transition_equally_often(random_data, make_learner):
    learner = make_learner(BehaviorCloning, random_data, bag_size=1000, segment_length=5)
    counts = np.bincount(learner.sample(np.random.default_rng(0)), minlength=28)
    # 10000 draws of 28: 357 each, standard deviation 18.6; trajectories of 5 and 12 steps weigh the same.
    assert len(counts) == random_data.unlabelled.n_transitions
    assert np.abs(counts - 10_000 / 28).max() < 5 * 18.6
