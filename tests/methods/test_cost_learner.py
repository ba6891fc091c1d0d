"""What every method with a learned cost must keep to; a new one is tested here by having `pair_costs`."""

import numpy as np
import pytest
import torch

from safemil.catalogue import built_in_methods, method_named
from safemil.methods.cost_learner import CostLearner
from safemil.methods.registry import find_method

COST_LEARNERS = [method for method in built_in_methods() if method_named(method).learns_cost]


def test_who_learns_a_cost():
    assert "safemil" in COST_LEARNERS
    assert not {"bc", *built_in_methods("oracle")} & set(COST_LEARNERS)


@pytest.mark.parametrize("method", COST_LEARNERS)
@pytest.mark.parametrize("policy_loss", ["mse", "nll"])
def test_the_cost_of_a_pair_is_its_own(method, policy_loss, random_data, make_learner, train_learner):
    """One finite number for each pair, whatever else is asked for, and asking changes nothing."""
    learner = make_learner(find_method(method), random_data, steps=20, policy_loss=policy_loss)
    for _ in range(learner.pretraining_steps):
        learner.pretrain(learner.sample(np.random.default_rng(0)))
    train_learner(learner)
    assert isinstance(learner, CostLearner)
    before = {name: tensor.clone() for name, tensor in learner.networks.state_dict().items()}
    observations = learner.policy.standardise(torch.tensor(random_data.unlabelled.observations))
    actions = torch.tensor(random_data.unlabelled.actions)
    with torch.inference_mode():
        together = learner.pair_costs(observations, actions)
        some = learner.pair_costs(observations[3:9], actions[3:9])
    assert together.shape == (len(actions),)
    assert torch.isfinite(together).all()
    assert together.unique().numel() > 1
    torch.testing.assert_close(some, together[3:9])
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.networks.state_dict().items())
