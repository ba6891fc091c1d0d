"""SafeMIL's segment cost, bag score and losses: by hand, and the whole update against plain loops."""

import copy
import math

import numpy as np
import pytest
import torch

from safemil.data.stripped import TrainingData
from safemil.methods.networks import CostNetwork
from safemil.methods.safemil import SafeMIL, bag_loss, bag_scores, segment_costs
from tests.methods import by_hand

COSTS = torch.tensor([[0.2, 0.4, 0.6], [1.0, 0.5, 0.5], [0.0, 0.8, 0.4], [0.6, 0.2, 1.0]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=torch.bool)


def test_segment_cost_by_hand_discount_restarts_at_each_segment():
    # .2 + .4/2 + .6/4,  1 + .5/2 + .5/4,  0 + .8/2 + .4/4,  .6 + .2/2 + 1/4
    expected = [0.55, 1.375, 0.5, 0.95]
    actual = segment_costs(COSTS, torch.ones_like(MASK), 0.5)
    assert actual.tolist() == pytest.approx(expected)


def test_segment_cost_by_hand_leaves_masked_steps_out():
    # .2 + .4/2 + .6/4,  1 + .5/2,  0,  .6 + .2/2 + 1/4
    assert segment_costs(COSTS, MASK, 0.5).tolist() == pytest.approx([0.55, 1.25, 0.0, 0.95])


def test_without_discount_the_segment_cost_is_the_sum():
    assert segment_costs(COSTS, MASK, 1.0).tolist() == pytest.approx([1.2, 1.5, 0.0, 1.8])


def test_bag_scores_by_hand_are_means_of_consecutive_segments():
    totals = torch.tensor([0.55, 1.25, 0.0, 0.95])
    assert bag_scores(totals, 2).tolist() == pytest.approx([0.9, 0.475])
    assert bag_scores(totals, 4).tolist() == pytest.approx([0.6875])


def test_bradley_terry_loss_by_hand():
    # Score(B_u) - Score(B_n) = log 3 and -log 2: softplus gives log(1 + 3) and log(1 + 1/2).
    unlabelled = torch.tensor([2 + math.log(3), 1.0])
    non_preferred = torch.tensor([2.0, 1.0 + math.log(2)])
    expected = (math.log(4) + math.log(1.5)) / 2
    assert bag_loss(non_preferred, unlabelled).item() == pytest.approx(expected, rel=1e-6)


def test_loss_falls_as_the_non_preferred_bag_scores_higher():
    losses = [bag_loss(torch.tensor([n]), torch.tensor([1.0])).item() for n in (0.0, 1.0, 2.0)]
    assert losses[1] == pytest.approx(math.log(2))
    assert losses[0] > losses[1] > losses[2]


def test_a_hopeless_order_gives_a_finite_loss():
    assert bag_loss(torch.tensor([0.0]), torch.tensor([1000.0])).item() == pytest.approx(1000.0)


WEIGHTINGS = {
    "trajectory": {"weighting": "trajectory"},
    "linear": {"weighting": "state_action"},
    "exponential": {"weighting": "state_action", "state_action_weight": "exponential"},
    # A tiny rate, for the cost step must not push every segment to one side of the threshold.
    "estimated": {"weighting": "threshold", "cost_learning_rate": 1e-7},
    "given": {"weighting": "threshold", "cost_learning_rate": 1e-7},
}
DISCOUNT, TEMPERATURE = 0.8, 0.4


class Expected:
    """What the formulas make of a batch, from raw observations on."""

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

    def splitting_threshold(self, network):
        """A threshold amid the unlabelled segment costs, and how many deviations of D_N's mean that is."""
        costs_n, costs_u = self.costs(network)
        totals_n = [by_hand.segment_cost(costs_n, segment, DISCOUNT) for segment in self.segments_n]
        totals = np.sort([by_hand.segment_cost(costs_u, segment, DISCOUNT) for segment in self.segments_u])
        widest = np.diff(totals).argmax()
        threshold = (totals[widest] + totals[widest + 1]) / 2
        return threshold, (np.mean(totals_n) - threshold) / np.std(totals_n)

    def cost_metrics(self, network):
        costs_n, costs_u = self.costs(network)
        loss, difference = by_hand.cost_loss(costs_n, costs_u, self.segments_n, self.segments_u, 3, DISCOUNT)
        return {
            "cost_loss": loss,
            "score_difference": difference,
            "cost_non_preferred": costs_n[np.concatenate(self.segments_n)].mean(),
            "cost_unlabelled": costs_u[np.concatenate(self.segments_u)].mean(),
        }

    def policy_metrics(self, cost_network, policy, policy_loss, kind, **threshold):
        costs_n, costs_u = self.costs(cost_network)
        weights = by_hand.weights(
            kind,
            costs_u,
            costs_n,
            self.segments_u,
            self.segments_n,
            discount=DISCOUNT,
            temperature=TEMPERATURE,
            **threshold,
        )
        losses = by_hand.pair_losses(policy, self.observations_u, self.u.actions, policy_loss)
        flat = np.concatenate(weights)
        totals = self.trajectory_totals(weights)
        return {
            "policy_loss": by_hand.policy_loss(losses, weights, self.segments_u),
            "effective_share": flat.sum() ** 2 / (flat**2).sum() / len(flat),
            "effective_trajectory_share": totals.sum() ** 2 / (totals**2).sum() / len(totals),
        }

    def trajectory_totals(self, weights):
        """The sum of the weights of each trajectory that the batch has a segment of."""
        totals = {}
        for segment, each in zip(self.segments_u, weights, strict=True):
            (owner,) = {next(m for m, stop in enumerate(self.u.stops) if index < stop) for index in segment}
            totals[owner] = totals.get(owner, 0) + sum(each)
        return np.array(list(totals.values()))


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("horizon", [1, 4, "full"])
def test_one_update_against_plain_loops(random_data, make_learner, scramble, horizon, weighting, policy_loss):
    """Everything logged, from raw observations on; whole trajectories have 4 to 12 steps."""

    def built(**threshold):
        settings = WEIGHTINGS[weighting] | {"discount": DISCOUNT, "temperature": TEMPERATURE} | threshold
        training = {"segment_length": horizon, "policy_loss": policy_loss, "learning_rate": 1e-3}
        return scramble(make_learner(SafeMIL, random_data, settings=settings, **training), scale=4.0)

    learner = built()
    batch = learner.sample(np.random.default_rng(3))
    formulas = Expected(random_data, batch)
    threshold, deviations = formulas.splitting_threshold(learner.cost_network)
    kind, by_threshold = weighting, {}
    if weighting == "given":
        learner, kind, by_threshold = built(cost_threshold=threshold), "threshold", {"threshold": threshold}
    elif weighting == "estimated":
        learner = built(threshold_deviations=deviations)
        kind, by_threshold = "threshold", {"deviations": deviations}
    before = copy.deepcopy(learner.networks)
    logged = learner.update(batch)

    # The policy's step comes after the cost's: weights of the new cost network, losses of the old policy.
    expected = formulas.cost_metrics(before["cost"]) | formulas.policy_metrics(
        learner.cost_network, before["policy"], policy_loss, kind, **by_threshold
    )
    assert expected["effective_share"] < 0.99, "weights must differ for this to say anything"
    assert {name: logged[name] for name in expected} == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.fixture
def float64_learner(random_data, make_learner, scramble, doubled):
    return scramble(doubled(make_learner(SafeMIL, random_data), random_data), scale=4.0)


def reordered(segments, order):
    return type(segments)(segments.indices[order], segments.mask[order])


def cost_step(learner, batch, gradient_of):
    learner = copy.deepcopy(learner)
    loss = learner.update(batch)["cost_loss"]
    return loss, gradient_of(learner.cost_network)


def test_the_order_of_segments_in_a_bag_is_of_no_account(float64_learner, gradient_of):
    batch = float64_learner.sample(np.random.default_rng(4))
    permuted = type(batch)(
        reordered(batch.non_preferred, [2, 0, 1, 5, 4, 3]), reordered(batch.unlabelled, [1, 2, 0, 3, 5, 4])
    )
    loss, gradient = cost_step(float64_learner, batch, gradient_of)
    again, gradient_again = cost_step(float64_learner, permuted, gradient_of)
    assert again == pytest.approx(loss, rel=1e-13)
    torch.testing.assert_close(gradient_again, gradient, rtol=1e-10, atol=1e-14)


def test_segments_that_change_bags_change_the_loss(float64_learner, gradient_of):
    batch = float64_learner.sample(np.random.default_rng(4))
    exchanged = type(batch)(batch.non_preferred, reordered(batch.unlabelled, [3, 1, 2, 0, 4, 5]))
    loss, gradient = cost_step(float64_learner, batch, gradient_of)
    other, other_gradient = cost_step(float64_learner, exchanged, gradient_of)
    assert abs(other - loss) > 1e-6
    assert not torch.allclose(other_gradient, gradient, rtol=1e-4)


def test_scores_of_a_bag_with_a_bag_twice_as_long_differ_by_their_mean_only(float64_learner):
    """A score is a mean: putting every segment of a bag in twice changes nothing."""
    batch = float64_learner.sample(np.random.default_rng(5))
    single, double = (copy.deepcopy(float64_learner) for _ in range(2))
    double.training = double.training.model_copy(update={"bag_size": 6})
    twice = [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]
    doubled_batch = type(batch)(reordered(batch.non_preferred, twice), reordered(batch.unlabelled, twice))
    expected, actual = single.update(batch), double.update(doubled_batch)
    assert actual["cost_loss"] == pytest.approx(expected["cost_loss"], rel=1e-12)
    assert actual["policy_loss"] == pytest.approx(expected["policy_loss"], rel=1e-12)


def test_the_update_hands_each_network_whole_segments_of_the_right_set(
    make_trajectories, make_learner, monkeypatch
):
    """Observations hold (set, trajectory, time); what reaches the networks is un-standardised and read."""

    def coded(which, lengths):
        rows = [(which, i, t) for i, length in enumerate(lengths) for t in range(length)]
        # As actions too, since these are not standardised; the networks do not mind the range.
        return make_trajectories(lengths, observations=rows, actions=np.array(rows)[:, 1:])

    lengths = {0: [7, 12, 5, 3], 1: [5, 9, 20, 6, 2]}
    data = TrainingData(non_preferred=coded(0, lengths[0]), unlabelled=coded(1, lengths[1]))
    learner = make_learner(SafeMIL, data, segment_length=4, bag_size=40)
    seen = {"cost": [], "policy": []}
    cost_forward, policy_forward = CostNetwork.forward, type(learner.policy).forward
    monkeypatch.setattr(
        CostNetwork, "forward", lambda self, s, a: seen["cost"].append((s, a)) or cost_forward(self, s, a)
    )
    monkeypatch.setattr(
        type(learner.policy), "forward", lambda self, s: seen["policy"].append(s) or policy_forward(self, s)
    )
    generator = np.random.default_rng(6)
    for _ in range(20):
        learner.update(learner.sample(generator))

    def decoded(standardised):
        raw = standardised * learner.policy.observation_std + learner.policy.observation_mean
        assert (raw - raw.round()).abs().max() < 1e-3
        return raw.round().long()

    sets = set()
    for observations, actions in seen["cost"]:
        which, trajectory, time = decoded(observations).unbind(-1)
        assert observations.shape == (80, 4, 3)
        assert (which == which[0, 0]).all()
        assert (trajectory == trajectory[:, :1]).all()
        assert (time.diff(dim=-1) == 1).all()
        length = torch.tensor(lengths[which[0, 0].item()])[trajectory]
        assert (time < length).all()
        assert torch.equal(actions.long(), torch.stack([trajectory, time], -1))
        sets.add(which[0, 0].item())
    assert sets == {0, 1}
    assert all((decoded(observations)[..., 0] == 1).all() for observations in seen["policy"])
    # The policy imitates the very segments that its weights were computed of.
    assert torch.equal(seen["policy"][-1], seen["cost"][-1][0])
    assert len(seen["policy"]) == 20
