"""SafeMIL with true costs: its weights are SafeMIL's own, with the label where the network's output stood."""

import numpy as np
import pytest
import torch

from safemil.methods.bc_safe import SafeBehaviorCloning
from safemil.methods.safemil import SafeMIL
from safemil.methods.safemil_true_cost import SafeMILTrueCost
from tests.methods import by_hand


def _same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _policies_trained_on(method, all_labels, data, make_learner, train_learner, **changes):
    trained = []
    for labels in all_labels:
        made = make_learner(method, data, labels=labels, steps=6, **changes)
        train_learner(made)
        trained.append(made.policy.state_dict())
    return trained


@pytest.mark.parametrize("horizon", [3, "full"])
def test_the_loss_is_the_one_computed_by_hand(random_data, make_labels, make_learner, horizon):
    """Segment by segment in plain Python, with a discount and a temperature far from 1."""
    labels = make_labels(random_data)
    settings = {"discount": 0.7, "temperature": 0.4}
    made = make_learner(
        SafeMILTrueCost, random_data, labels=labels, settings=settings, segment_length=horizon
    )
    batch = made.sample(np.random.default_rng(5))
    segments, costs = by_hand.segments_of(batch), labels.unlabelled_costs
    weights = by_hand.weights("trajectory", costs, None, segments, None, **settings)
    observations = made.policy.standardise(torch.tensor(random_data.unlabelled.observations))
    losses = made.policy_losses(observations, torch.tensor(random_data.unlabelled.actions)).tolist()
    logged = made.update(batch)
    assert logged["policy_loss"] == pytest.approx(by_hand.policy_loss(losses, weights, segments), rel=1e-5)
    drawn = [costs[index] for segment in segments for index in segment]
    assert logged["cost_unlabelled"] == pytest.approx(np.mean(drawn), rel=1e-5)
    assert logged["cost_imitated"] == pytest.approx(
        np.average(drawn, weights=np.concatenate(weights)), rel=1e-5
    )
    assert 0 < logged["cost_imitated"] < logged["cost_unlabelled"]


def test_equal_costs_are_no_weights_at_all(random_data, make_labels, make_learner, train_learner):
    """All costs 0 and all costs 1 give the same policy: only differences between segments count."""
    all_labels = [make_labels(random_data, unlabelled_costs=np.full(28, cost)) for cost in (0, 1)]
    none, everywhere = _policies_trained_on(
        SafeMILTrueCost, all_labels, random_data, make_learner, train_learner
    )
    for name, tensor in none.items():
        torch.testing.assert_close(everywhere[name], tensor, rtol=1e-4, atol=1e-6)


def test_it_goes_by_costs_and_not_by_preferences(random_data, make_labels, make_learner, train_learner):
    """Another preference changes nothing; another cost does. For BC-Safe it is the other way round."""
    costs = np.arange(28) % 3 == 0
    first = make_labels(random_data, unlabelled_costs=costs)
    other_preference = make_labels(
        random_data, unlabelled_costs=costs, unlabelled_is_preferred=[False, True, False, True]
    )
    other_cost = make_labels(random_data, unlabelled_costs=~costs)
    all_labels = (first, other_preference, other_cost)
    mine = _policies_trained_on(SafeMILTrueCost, all_labels, random_data, make_learner, train_learner)
    assert [_same(mine[0], policy) for policy in mine] == [True, True, False]
    bc_safe = _policies_trained_on(SafeBehaviorCloning, all_labels, random_data, make_learner, train_learner)
    assert [_same(bc_safe[0], policy) for policy in bc_safe] == [True, False, True]


def test_beta_and_gamma_are_those_of_safemil():
    learner, oracle = SafeMIL.settings_model(), SafeMILTrueCost.settings_model()
    assert (oracle.discount, oracle.temperature) == (learner.discount, learner.temperature)
