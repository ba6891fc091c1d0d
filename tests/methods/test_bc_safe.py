"""BC-Safe: it imitates preferred trajectories only, and is BC where all are preferred."""

import numpy as np
import pytest
import torch

from safemil.errors import UserError
from safemil.methods.bc import BehaviorCloning
from safemil.methods.bc_safe import SafeBehaviorCloning

PREFERRED = [False, True, True, False]


@pytest.fixture
def learner(random_data, make_learner, make_labels):
    """The unlabelled trajectories have 5, 12, 7 and 4 transitions."""
    labels = make_labels(random_data, unlabelled_is_preferred=PREFERRED)
    return make_learner(SafeBehaviorCloning, random_data, labels=labels, bag_size=1000, segment_length=5)


def test_only_preferred_transitions_are_drawn_all_equally_often(learner):
    counts = np.bincount(learner.sample(np.random.default_rng(0)), minlength=28)
    assert counts[:5].sum() == counts[24:].sum() == 0
    # 10000 draws of 19: 526 each, standard deviation 22.3.
    assert np.abs(counts[5:24] - 10_000 / 19).max() < 5 * 22.3


def test_other_trajectories_have_no_part_in_a_training(
    random_data, make_trajectories, make_labels, make_learner, train_learner
):
    """Actions of trajectories that are not preferred may be anything: the policy is the same to the bit."""
    unlabelled = random_data.unlabelled
    actions = unlabelled.actions.copy()
    actions[:5], actions[24:] = 0.9, -0.9
    changed = make_trajectories([5, 12, 7, 4], observations=unlabelled.observations, actions=actions)
    trained = []
    for data in (random_data, type(random_data)(random_data.non_preferred, changed)):
        labels = make_labels(data, unlabelled_is_preferred=PREFERRED)
        made = make_learner(SafeBehaviorCloning, data, labels=labels, steps=8)
        trained.append((train_learner(made), made.networks.state_dict()))
    assert trained[0][0] == trained[1][0]
    for name, tensor in trained[0][1].items():
        assert torch.equal(tensor, trained[1][1][name])


@pytest.mark.parametrize("horizon", [3, "full"])
def test_with_all_trajectories_preferred_it_is_bc_to_the_bit(
    random_data, make_learner, make_labels, train_learner, horizon
):
    labels = make_labels(random_data, unlabelled_is_preferred=[True] * 4)
    bc = make_learner(BehaviorCloning, random_data, steps=12, segment_length=horizon)
    oracle = make_learner(SafeBehaviorCloning, random_data, labels=labels, steps=12, segment_length=horizon)
    assert train_learner(bc) == train_learner(oracle)
    for name, tensor in bc.networks.state_dict().items():
        assert torch.equal(tensor, oracle.networks.state_dict()[name])


def test_it_sees_as_many_transitions_as_bc(random_data, make_learner, learner):
    bc = make_learner(BehaviorCloning, random_data, bag_size=1000, segment_length=5)
    draws = [each.sample(np.random.default_rng(0)).numel() for each in (bc, learner)]
    assert draws == [10_000, 10_000]
    assert learner.estimates() == {"preferred_transitions": 19.0}


def test_without_a_preferred_trajectory_there_is_nothing_to_imitate(random_data, make_learner, make_labels):
    labels = make_labels(random_data, unlabelled_is_preferred=[False] * 4)
    with pytest.raises(UserError, match=r"nothing to imitate[\s\S]*none among 4"):
        make_learner(SafeBehaviorCloning, random_data, labels=labels)
