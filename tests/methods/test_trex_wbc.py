"""T-REX-WBC: its ranking loss by hand and against plain loops, its gradients, and its known optimum."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from safemil.data.stripped import TrainingData
from safemil.methods.safemil import SafeMIL
from safemil.methods.trex_wbc import TREXWBC, ranking_loss, segment_sums
from tests.methods import by_hand
from tests.methods.test_gradients import directional_derivatives, gradient_of_policy

COSTS = torch.tensor([[0.2, 0.4, 0.6], [1.0, 0.5, 0.5], [0.0, 0.8, 0.4]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.bool)


def test_a_segment_costs_the_plain_sum_of_its_steps():
    assert segment_sums(COSTS, torch.ones_like(MASK)).tolist() == pytest.approx([1.2, 2.0, 1.2])
    assert segment_sums(COSTS, MASK).tolist() == pytest.approx([1.2, 1.5, 0.0])


def test_ranking_loss_by_hand():
    # C(u) - C(n) = log 3, -log 2 and 0: softplus gives log 4, log 1.5 and log 2.
    unlabelled = torch.tensor([2 + math.log(3), 1.0, 4.0])
    non_preferred = torch.tensor([2.0, 1 + math.log(2), 4.0])
    expected = (math.log(4) + math.log(1.5) + math.log(2)) / 3
    assert ranking_loss(non_preferred, unlabelled).item() == pytest.approx(expected, rel=1e-6)


def test_the_cost_starts_at_one_half(random_data, make_learner):
    learner = make_learner(TREXWBC, random_data, segment_length=4)
    logged = learner.update(learner.sample(np.random.default_rng(0)))
    assert logged["cost_loss"] == pytest.approx(math.log(2))
    assert logged["cost_difference"] == 0
    assert logged["cost_non_preferred"] == logged["cost_unlabelled"] == 0.5


class Formulas:
    """What the formulas make of a batch, from raw observations on: single segments, no discount."""

    def __init__(self, data, batch):
        self.u, self.n = data.unlabelled, data.non_preferred
        self.observations_u = by_hand.standardised(self.u.observations, self.u.observations)
        self.observations_n = by_hand.standardised(self.n.observations, self.u.observations)
        self.segments_u = by_hand.segments_of(batch.unlabelled)
        self.segments_n = by_hand.segments_of(batch.non_preferred)
        owners = np.repeat(np.arange(len(self.u.lengths)), self.u.lengths)
        self.trajectories = owners[np.concatenate(self.segments_u)]

    def costs(self, network):
        return (
            by_hand.pair_costs(network, self.observations_n, self.n.actions),
            by_hand.pair_costs(network, self.observations_u, self.u.actions),
        )

    def cost_loss(self, network):
        return self.cost_metrics(network)["cost_loss"]

    def cost_metrics(self, network):
        costs_n, costs_u = self.costs(network)
        losses, differences = [], []
        for segment_n, segment_u in zip(self.segments_n, self.segments_u, strict=True):
            difference = sum(costs_n[i] for i in segment_n) - sum(costs_u[i] for i in segment_u)
            losses.append(np.log1p(np.exp(-difference)))
            differences.append(difference)
        return {
            "cost_loss": np.mean(losses),
            "cost_difference": np.mean(differences),
            "cost_non_preferred": costs_n[np.concatenate(self.segments_n)].mean(),
            "cost_unlabelled": costs_u[np.concatenate(self.segments_u)].mean(),
        }

    def weights(self, cost_network):
        _, costs_u = self.costs(cost_network)
        return [[1 - costs_u[i] for i in segment] for segment in self.segments_u]

    def policy_loss(self, policy, kind, weights):
        losses = by_hand.pair_losses(policy, self.observations_u, self.u.actions, kind)
        return by_hand.policy_loss(losses, weights, self.segments_u)

    def shares(self, weights):
        flat = np.concatenate(weights)
        totals = np.array([flat[self.trajectories == m].sum() for m in np.unique(self.trajectories)])
        return {
            "effective_share": flat.sum() ** 2 / (flat**2).sum() / len(flat),
            "effective_trajectory_share": totals.sum() ** 2 / (totals**2).sum() / len(totals),
        }


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
@pytest.mark.parametrize("horizon", [1, 4, "full"])
def test_one_update_against_plain_loops(random_data, make_learner, scramble, horizon, policy_loss):
    """Everything logged, from raw observations on; whole trajectories have 4 to 12 steps."""
    training = {"segment_length": horizon, "policy_loss": policy_loss, "learning_rate": 1e-3}
    learner = scramble(make_learner(TREXWBC, random_data, **training), scale=8.0)
    batch = learner.sample(np.random.default_rng(3))
    before = copy.deepcopy(learner.networks)
    logged = learner.update(batch)

    # The policy's step comes after the cost's: weights of the new cost network, losses of the old policy.
    formulas = Formulas(random_data, batch)
    weights = formulas.weights(learner.cost_network)
    expected = formulas.cost_metrics(before["cost"]) | formulas.shares(weights)
    expected["policy_loss"] = formulas.policy_loss(before["policy"], policy_loss, weights)
    assert max(expected["effective_share"], expected["effective_trajectory_share"]) < 0.97
    assert {name: logged[name] for name in expected} == pytest.approx(expected, rel=1e-4, abs=1e-6)


def reordered(segments, order):
    return type(segments)(segments.indices[order], segments.mask[order])


@pytest.fixture
def float64_learner(random_data, make_learner, scramble, doubled):
    return scramble(doubled(make_learner(TREXWBC, random_data), random_data), scale=8.0)


def cost_loss_of(learner, batch):
    return copy.deepcopy(learner).update(batch)["cost_loss"]


def test_the_order_of_steps_in_a_segment_is_of_no_account(float64_learner):
    """A discount would tell the first step of a segment from its last."""
    batch = float64_learner.sample(np.random.default_rng(4))
    backwards = type(batch.non_preferred)(
        batch.non_preferred.indices[:, ::-1].copy(), batch.non_preferred.mask
    )
    turned = type(batch)(backwards, batch.unlabelled)
    expected = cost_loss_of(float64_learner, batch)
    assert cost_loss_of(float64_learner, turned) == pytest.approx(expected, rel=1e-13)


def test_pairs_may_change_places_but_not_partners(float64_learner):
    batch = float64_learner.sample(np.random.default_rng(4))
    order, loss = [5, 0, 3, 1, 4, 2], cost_loss_of(float64_learner, batch)
    together = type(batch)(reordered(batch.non_preferred, order), reordered(batch.unlabelled, order))
    assert cost_loss_of(float64_learner, together) == pytest.approx(loss, rel=1e-13)
    apart = type(batch)(batch.non_preferred, reordered(batch.unlabelled, order))
    assert abs(cost_loss_of(float64_learner, apart) - loss) > 1e-6


@pytest.mark.parametrize(("bag_pairs", "bag_size"), [(8, 1), (2, 4)])
def test_only_the_number_of_pairs_matters_not_the_size_of_a_bag(
    random_data, make_learner, train_learner, bag_pairs, bag_size
):
    """Equal to the last bit; SafeMIL, which takes the mean of a bag first, differs."""

    def trained(method, **sizes):
        learner = make_learner(method, random_data, steps=5, **sizes)
        logged = train_learner(learner)
        return [row["cost_loss"] for row in logged], learner.networks.state_dict()

    losses, networks = trained(TREXWBC, bag_pairs=1, bag_size=8)
    again, others = trained(TREXWBC, bag_pairs=bag_pairs, bag_size=bag_size)
    assert losses == again
    assert all(torch.equal(networks[name], others[name]) for name in networks)
    bags, singles = (trained(SafeMIL, bag_pairs=b, bag_size=8 // b)[0] for b in (1, bag_pairs))
    assert bags != singles


def test_it_sees_as_many_segments_as_safemil(random_data, make_learner):
    sizes = {"bag_pairs": 3, "bag_size": 7, "segment_length": 2}
    trex, safemil = (
        make_learner(method, random_data, **sizes).sample(np.random.default_rng(0))
        for method in (TREXWBC, SafeMIL)
    )
    for name in ("non_preferred", "unlabelled"):
        drawn = getattr(trex, name).indices
        assert drawn.shape == (21, 2)
        np.testing.assert_array_equal(drawn, getattr(safemil, name).indices)


def float64_update(data, make_learner, scramble, doubled, **training):
    learner = doubled(make_learner(TREXWBC, data, gradient_clip=1e9, **training), data)
    learner = scramble(learner, scale=8.0)
    batch = learner.sample(np.random.default_rng(7))
    before = copy.deepcopy(learner.networks)
    learner.update(batch)
    return learner, before, Formulas(data, batch)


@pytest.mark.parametrize("horizon", [4, "full"])
def test_gradient_of_the_ranking_loss_and_none_from_the_policy(
    random_data, make_learner, scramble, doubled, gradient_of, horizon
):
    learner, before, formulas = float64_update(
        random_data, make_learner, scramble, doubled, segment_length=horizon
    )
    directions, expected = directional_derivatives(before["cost"], formulas.cost_loss)
    assert expected.abs().min() > 1e-4
    torch.testing.assert_close(directions @ gradient_of(learner.cost_network), expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
def test_gradient_of_the_weighted_policy_loss(
    random_data, make_learner, scramble, doubled, gradient_of, policy_loss
):
    learner, before, formulas = float64_update(
        random_data, make_learner, scramble, doubled, policy_loss=policy_loss, segment_length="full"
    )
    weights = formulas.weights(learner.cost_network)
    directions, expected = directional_derivatives(
        before["policy"], lambda network: formulas.policy_loss(network, policy_loss, weights)
    )
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(
        directions @ gradient_of_policy(learner, gradient_of), expected, rtol=1e-5, atol=1e-8
    )


def test_weights_carry_no_gradient(random_data, make_learner, scramble):
    learner = scramble(make_learner(TREXWBC, random_data))
    step_policy, used = learner.step_policy, []

    def spy(loss):
        parameters = list(learner.cost_network.parameters())
        used.extend(torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True))
        return step_policy(loss)

    learner.step_policy = spy
    learner.update(learner.sample(np.random.default_rng(8)))
    assert len(used) == 6
    assert all(gradient is None for gradient in used)


@pytest.mark.parametrize(("settings", "expected"), [({}, 0.01), ({"cost_learning_rate": 0.003}, 0.003)])
def test_the_cost_learning_rate_stays(random_data, make_learner, train_learner, settings, expected):
    learner = make_learner(TREXWBC, random_data, steps=5, learning_rate=0.01, settings=settings)
    train_learner(learner)
    assert learner.optimizers["cost"].param_groups[0]["lr"] == expected


# Ratios rho_N / rho_U of 1/5, 4/5, 1, 4/3 and 3: the optimum lies at both bounds and between them.
RHO_N = np.array([0.05, 0.20, 0.25, 0.20, 0.30])
RHO_U = np.array([0.25, 0.25, 0.25, 0.15, 0.10])
N_TRAJECTORIES, LENGTH = 20, 60


@pytest.fixture(scope="module")
def five_states(make_trajectories):
    """Five states, drawn independently in exactly the shares RHO; one action."""

    def trajectories(shares, seed):
        states = np.repeat(np.arange(5), np.round(shares * N_TRAJECTORIES * LENGTH).astype(int))
        observations = np.eye(5)[np.random.default_rng(seed).permutation(states)]
        actions = np.zeros((len(states), 1))
        return make_trajectories([LENGTH] * N_TRAJECTORIES, observations=observations, actions=actions)

    return TrainingData(trajectories(RHO_N, 0), trajectories(RHO_U, 1))


def bradley_terry_optimum(data, batch):
    """The costs of the five states in [0, 1] under which the pairs of a batch have the least mean loss.

    The loss is convex in the costs. Where its optimum reaches both 0 and 1 no other is as good; otherwise
    one could add the same number to every cost.
    """

    def visits(part, segments):
        return np.array([part.observations[segment].sum(0) for segment in by_hand.segments_of(segments)])

    differences = visits(data.unlabelled, batch.unlabelled) - visits(data.non_preferred, batch.non_preferred)

    def loss(costs):
        z = differences @ costs
        return np.logaddexp(0, z).mean(), (differences / (1 + np.exp(-z))[:, None]).mean(0)

    tight = {"ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, np.full(5, 0.5), jac=True, bounds=[(0, 1)] * 5, options=tight)
    assert found.x.min() < 1e-6
    assert found.x.max() > 1 - 1e-6
    return found.x, found.fun


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_cost_tends_to_the_bradley_terry_optimum(five_states, make_learner, horizon):
    """Of one drawn batch, taken again and again: its optimum is exact, so that the cost may come close."""
    sizes = {"bag_pairs": 1, "bag_size": 600 // horizon, "segment_length": horizon}
    learner = make_learner(TREXWBC, five_states, steps=200, learning_rate=2e-3, **sizes)
    batch = learner.sample(np.random.default_rng(1))
    optimum, least_loss = bradley_terry_optimum(five_states, batch)
    losses = [learner.update(batch)["cost_loss"] for _ in range(learner.training.steps)]
    with torch.no_grad():
        states = learner.policy.standardise(torch.eye(5))
        costs = learner.cost_network(states, torch.zeros(5, 1)).numpy()
    np.testing.assert_allclose(costs, optimum, atol=2e-3)
    assert losses[-1] == pytest.approx(least_loss, abs=1e-5)
    assert (np.argsort(costs) == np.argsort(RHO_N / RHO_U)).all()
