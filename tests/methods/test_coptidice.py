"""COptiDICE's formulas by hand, one whole update against plain loops, and its gradients."""

import copy
import math

import numpy as np
import pytest
import torch

from safemil.data.stripped import TrainingData
from safemil.data.trajectories import Trajectories
from safemil.methods.coptidice import (
    COptiDICE,
    COptiDICEBatch,
    SmallerOfTwo,
    inverse_derivative,
    occupancy_limit,
    soft_chi_square,
)
from safemil.methods.networks import initialise
from tests.methods import by_hand

SETTINGS = {
    "discount": 0.8,
    "divergence_weight": 0.3,
    "bound_divergence": 0.05,
    "reward_scale": 0.4,
    "cost_limit": 2.0,
}
N_DRAWS = 2 * 3 * 4


def test_divergence_by_hand_on_both_branches():
    x = torch.tensor([0.0, 0.25, 0.5, 1.0, 2.0, 3.5], dtype=torch.float64)
    # x (log x - 1) + 1 below 1: 1, 1 - (1 + log 4) / 4, 1 - (1 + log 2) / 2; then (x - 1)^2 / 2.
    expected = [1, 1 - (1 + math.log(4)) / 4, 1 - (1 + math.log(2)) / 2, 0, 0.5, 3.125]
    assert soft_chi_square(x).tolist() == pytest.approx(expected, abs=1e-9)


def test_inverse_derivative_by_hand_on_both_branches():
    y = torch.tensor([-2.0, -math.log(2), 0.0, 1.5, 40.0])
    assert inverse_derivative(y).tolist() == pytest.approx([math.exp(-2), 0.5, 1, 2.5, 41])


def test_inverse_derivative_undoes_the_derivative_of_the_divergence():
    y = torch.linspace(-5, 4, 50, dtype=torch.float64)
    x = inverse_derivative(y).requires_grad_()
    (derivative,) = torch.autograd.grad(soft_chi_square(x).sum(), x)
    torch.testing.assert_close(derivative, y, rtol=1e-6, atol=1e-7)


def test_both_branches_meet_smoothly():
    delta = 1e-6
    around = torch.tensor([1 - delta, 1.0, 1 + delta], dtype=torch.float64, requires_grad=True)
    values = soft_chi_square(around)
    (slopes,) = torch.autograd.grad(values.sum(), around)
    assert values.tolist() == pytest.approx([0, 0, 0], abs=1e-9)
    assert slopes.tolist() == pytest.approx([-delta, 0, delta], abs=1e-9)
    below, at, above = inverse_derivative(torch.tensor([-delta, 0.0, delta], dtype=torch.float64)).tolist()
    assert (below, at, above) == pytest.approx((1 - delta, 1, 1 + delta), abs=1e-11)


def test_extreme_advantages_leave_finite_weights_and_gradients():
    y = torch.tensor([-1e4, -200.0, 200.0, 1e4], requires_grad=True)
    weights = inverse_derivative(y)
    (gradients,) = torch.autograd.grad((soft_chi_square(weights) + weights).sum(), y)
    assert weights.tolist() == pytest.approx([0, 0, 201, 10_001])
    assert torch.isfinite(gradients).all()


def test_the_limit_by_hand():
    # Two steps at 1.5 each: 1.5 + 0.5 * 1.5 = 2.25 discounted, and (1 - 0.5) of that in one step.
    assert occupancy_limit(3.0, 0.5, 2, "discounted_sum") == pytest.approx(2.25)
    assert occupancy_limit(3.0, 0.5, 2, "step") == pytest.approx(1.125)
    # Over a long episode hardly anything is cut off: 25 in 1000 steps are 0.025 in each.
    assert occupancy_limit(25.0, 0.99, 1000, "step") == pytest.approx(0.025, rel=1e-4)
    assert occupancy_limit(25.0, 0.99, 1000, "discounted_sum") == pytest.approx(2.5, rel=1e-4)


def test_the_limit_is_spread_over_the_longest_trajectory_unless_a_length_is_given(random_data, make_learner):
    assert make_learner(COptiDICE, random_data).limit == occupancy_limit(25.0, 0.99, 12, "step")
    settings = {"episode_length": 500, "cost_limit": 10.0, "limit_unit": "discounted_sum"}
    made = make_learner(COptiDICE, random_data, settings=settings)
    assert made.limit == pytest.approx(10 * (1 - 0.99**500) / (0.01 * 500))
    assert made.estimates()["limit"] == made.limit


def test_multipliers_are_one_at_the_start(random_data, make_learner):
    estimates = make_learner(COptiDICE, random_data).estimates()
    assert (estimates["lambda"], estimates["tau"]) == pytest.approx((1, 1))


def test_the_value_is_the_smaller_of_the_two(random_data):
    network = SmallerOfTwo(3)
    initialise(network, torch.Generator().manual_seed(0))
    x = torch.tensor(random_data.unlabelled.observations)
    first, second = network.first(x).squeeze(-1), network.second(x).squeeze(-1)
    assert (first < second).any()
    assert (first > second).any()
    assert torch.equal(network(x), torch.where(first < second, first, second))


@pytest.fixture(scope="module")
def ending_data(random_data):
    """Two of the four unlabelled trajectories truly end; next observations are their own."""
    generator = np.random.default_rng(5)
    lengths = np.array([5, 12, 7, 4])
    terminals = np.zeros(28, dtype=np.bool_)
    terminals[[4, 27]] = True
    unlabelled = Trajectories(
        observations=generator.normal(size=(28, 3)).astype(np.float32),
        actions=generator.uniform(-1, 1, size=(28, 2)).astype(np.float32),
        next_observations=generator.normal(size=(28, 3)).astype(np.float32),
        terminals=terminals,
        starts=np.cumsum(lengths) - lengths,
    )
    return TrainingData(random_data.non_preferred, unlabelled)


@pytest.fixture
def prepared(ending_data, make_learner, make_labels):
    """A learner with values and multipliers of its own, far from where they start."""

    def prepare(settings=SETTINGS, **training):
        labels = make_labels(ending_data)
        learner = make_learner(
            COptiDICE, ending_data, labels=labels, settings=settings, gradient_clip=1e9, **training
        )
        generator = torch.Generator().manual_seed(11)
        with torch.no_grad():
            for network, scale in ((learner.nu, 0.05), (learner.chi, 0.05)):
                for layers in (network.first, network.second):
                    layers[-1].weight.normal_(0, scale, generator=generator)
            learner.multiplier.raw.fill_(0.2)
            learner.temperature.raw.fill_(-0.6)
        return learner, labels

    return prepare


class Formulas:
    """The losses of one batch in float64 loops, as functions of networks; no line is the method's."""

    def __init__(self, data, labels, batch):
        self.u, self.rewards = data.unlabelled, labels.unlabelled_rewards.astype(np.float64)
        self.costs = labels.unlabelled_costs.astype(np.float64)
        self.rows, self.firsts = batch.transitions.tolist(), self.u.starts[batch.initial]
        self.now = by_hand.standardised(self.u.observations, self.u.observations)
        self.after = by_hand.standardised(self.u.next_observations, self.u.observations)

    @staticmethod
    def value(network, x):
        pair = []
        for name in ("first", "second"):
            *hidden, last = by_hand._layers(network, name)
            h = x
            for weight, bias in hidden:
                h = np.maximum(weight @ h + bias, 0)
            pair.append(float((last[0] @ h + last[1])[0]))
        return min(pair)

    def residual(self, network, row, signal):
        future = 0.0 if self.u.terminals[row] else 0.8 * self.value(network, self.after[row])
        return signal + future - self.value(network, self.now[row])

    def initial(self, network):
        return [self.value(network, self.now[first]) for first in self.firsts]

    def advantages(self, network, multiplier):
        signals = 0.4 * self.rewards - multiplier * self.costs
        return [self.residual(network, row, signals[row]) for row in self.rows]

    def weights(self, network, multiplier):
        scaled = [e / 0.3 for e in self.advantages(network, multiplier)]
        return [math.exp(y) if y < 0 else y + 1 for y in scaled]

    def nu_loss(self, network, multiplier):
        es, ws = self.advantages(network, multiplier), self.weights(network, multiplier)
        fs = [w * (math.log(w) - 1) + 1 if w < 1 else (w - 1) ** 2 / 2 for w in ws]
        gains = [w * e - 0.3 * f for w, e, f in zip(ws, es, fs, strict=True)]
        return 0.2 * np.mean(self.initial(network)) + np.mean(gains)

    def ells(self, network, weights):
        return np.array(
            [
                0.2 * first + w * self.residual(network, row, self.costs[row])
                for first, w, row in zip(self.initial(network), weights, self.rows, strict=True)
            ]
        )

    def bound(self, network, weights, tau):
        """What chi minimises: tau log mean exp(l / tau)."""
        return tau * np.log(np.mean(np.exp(self.ells(network, weights) / tau)))

    def tilts(self, network, weights, tau):
        each = np.exp(self.ells(network, weights) / tau)
        return each / each.mean()


def softplus(x):
    return math.log1p(math.exp(x))


def test_one_update_against_plain_loops(ending_data, prepared):
    """Everything logged: reward scale, a_f, lambda, terminals, the smaller value, discounts, tilts, limit."""
    learner, labels = prepared()
    batch = learner.sample(np.random.default_rng(3))
    formulas, before = Formulas(ending_data, labels, batch), copy.deepcopy(learner.networks)
    assert ending_data.unlabelled.terminals[batch.transitions].any(), "the batch shows a terminal state"
    logged = learner.update(batch)
    multiplier, tau = softplus(0.2), softplus(-0.6)
    weights = np.array(formulas.weights(before["nu"], multiplier))
    costs = formulas.costs[formulas.rows]
    tilts = formulas.tilts(before["chi"], weights, tau)
    divergence, upper_bound = np.mean(tilts * np.log(tilts) - tilts + 1), np.mean(tilts * weights * costs)
    u = ending_data.unlabelled
    losses = by_hand.pair_losses(before["policy"], formulas.now, u.actions, "mse")[formulas.rows]
    limit = 2.0 * (1 - 0.8**12) / 12
    expected = {
        "nu_loss": formulas.nu_loss(before["nu"], multiplier),
        "chi_loss": np.mean(tilts * formulas.ells(before["chi"], weights)),
        "tau_loss": -tau * (divergence - 0.05),
        "lambda_loss": -multiplier * (upper_bound - limit),
        "policy_loss": np.mean(weights * losses),
        "lambda": multiplier,
        "tau": tau,
        "cost_estimate": np.mean(weights * costs),
        "cost_upper_bound": upper_bound,
        "bound_divergence": divergence,
        "weight_mean": weights.mean(),
        "effective_share": weights.sum() ** 2 / (weights**2).sum() / len(weights),
    }
    assert {name: logged[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert weights.min() < 1 < weights.max(), "both branches are taken"
    assert len(formulas.rows) == N_DRAWS


def directional(network, loss, learner_network):
    """Central differences of `loss` along random directions beside what the last step's gradient says."""
    gradient = torch.cat([p.grad.flatten() for p in learner_network.parameters()]).double()
    generator = torch.Generator().manual_seed(0)
    start = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    pairs = []
    for _ in range(3):
        direction = torch.randn(len(start), generator=generator, dtype=torch.float64)
        values = []
        for sign in (1, -1):
            moved = start + sign * 1e-6 * direction
            torch.nn.utils.vector_to_parameters(moved, network.parameters())
            values.append(loss(network))
        torch.nn.utils.vector_to_parameters(start, network.parameters())
        pairs.append(((values[0] - values[1]) / 2e-6, (direction @ gradient).item()))
    return zip(*pairs, strict=True)


@pytest.fixture
def updated(ending_data, prepared):
    """The learner after an update, its networks before it in float64, and the formulas of its batch."""
    learner, labels = prepared()
    batch = learner.sample(np.random.default_rng(3))
    before = copy.deepcopy(learner.networks).double()
    learner.update(batch)
    return learner, before, Formulas(ending_data, labels, batch)


def test_gradient_of_nu_is_that_of_its_loss_alone(updated):
    learner, before, formulas = updated
    expected, actual = directional(before["nu"], lambda nu: formulas.nu_loss(nu, softplus(0.2)), learner.nu)
    assert actual == pytest.approx(expected, rel=1e-3)


def test_gradient_of_chi_is_that_of_the_bound(updated):
    """mean(sg(v) l) descends tau log mean exp(l / tau); with a gradient through v it would not."""
    learner, before, formulas = updated
    weights = formulas.weights(before["nu"], softplus(0.2))
    expected, actual = directional(
        before["chi"], lambda chi: formulas.bound(chi, weights, softplus(-0.6)), learner.chi
    )
    assert actual == pytest.approx(expected, rel=1e-3)


def test_gradient_of_the_policy_weighs_each_pair_by_w(updated):
    learner, before, formulas = updated
    weights = np.array(formulas.weights(before["nu"], softplus(0.2)))

    def loss(policy):
        pairs = by_hand.pair_losses(policy, formulas.now, formulas.u.actions, "mse")[formulas.rows]
        return np.mean(weights * pairs)

    for parameter in learner.policy.log_std_head.parameters():
        parameter.grad = torch.zeros_like(parameter)  # the squared error leaves it without any
    expected, actual = directional(before["policy"], loss, learner.policy)
    assert actual == pytest.approx(expected, rel=1e-3)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(("allowed", "sign"), [(1e-4, 1), (2.0, -1)])
def test_tau_rises_while_the_batch_is_tilted_too_far(prepared, allowed, sign):
    learner, _ = prepared(SETTINGS | {"bound_divergence": allowed})
    logged = learner.update(learner.sample(np.random.default_rng(3)))
    assert (logged["bound_divergence"] - allowed) * sign > 0
    assert learner.temperature.raw.grad.item() == pytest.approx(
        -(logged["bound_divergence"] - allowed) * sigmoid(-0.6), rel=1e-5
    )
    assert (learner.temperature().item() - softplus(-0.6)) * sign > 0


@pytest.mark.parametrize(("limit", "sign"), [(0.0, 1), (1e3, -1)])
def test_lambda_rises_while_the_limit_is_violated(prepared, limit, sign):
    learner, _ = prepared(SETTINGS | {"cost_limit": limit})
    logged = learner.update(learner.sample(np.random.default_rng(3)))
    excess = logged["cost_upper_bound"] - learner.limit
    assert excess * sign > 0
    assert learner.multiplier.raw.grad.item() == pytest.approx(-excess * sigmoid(0.2), rel=1e-5)
    assert (learner.multiplier().item() - softplus(0.2)) * sign > 0


@pytest.mark.parametrize("seed", range(5))
def test_with_no_chi_yet_the_bound_is_above_the_plain_estimate(prepared, seed):
    """Then l = w c, and v tilts towards where it is high."""
    learner, _ = prepared()
    with torch.no_grad():
        for parameter in learner.chi.parameters():
            parameter.zero_()
    logged = learner.update(learner.sample(np.random.default_rng(seed)))
    assert logged["cost_upper_bound"] > 1.05 * logged["cost_estimate"] > 0


def test_without_slack_the_bound_is_the_plain_estimate(prepared):
    learner, _ = prepared(SETTINGS | {"bound_divergence": 0})
    before = copy.deepcopy(learner.networks.state_dict())
    logged = learner.update(learner.sample(np.random.default_rng(0)))
    assert logged["cost_upper_bound"] == logged["cost_estimate"]
    after = learner.networks.state_dict()
    moved = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert moved == {"policy", "nu", "lambda"}


def test_labels_of_the_unlabelled_data_alone_are_used(ending_data, make_learner, make_labels, train_learner):
    changes = {name: np.full(19, 7.0) for name in ("non_preferred_rewards", "non_preferred_costs")}
    logged = []
    for labels in (make_labels(ending_data), make_labels(ending_data, **changes)):
        logged.append(train_learner(make_learner(COptiDICE, ending_data, labels=labels, steps=3)))
    assert logged[0] == logged[1]


def test_a_batch_has_the_shared_size_and_draws_uniformly(random_data, make_learner):
    learner = make_learner(COptiDICE, random_data, bag_size=1000, segment_length=5)
    batch = learner.sample(np.random.default_rng(0))
    assert isinstance(batch, COptiDICEBatch)
    for drawn, population in ((batch.transitions, 28), (batch.initial, 4)):
        counts = np.bincount(drawn, minlength=population)
        assert (len(counts), counts.sum()) == (population, 10_000)
        mean = 10_000 / population
        assert np.abs(counts - mean).max() < 5 * math.sqrt(mean)


def test_learning_rates_of_their_own_without_decay(random_data, make_learner, train_learner):
    settings = {"value_learning_rate": 2e-3, "multiplier_learning_rate": 3e-4}
    learner = make_learner(COptiDICE, random_data, steps=4, learning_rate=0.01, settings=settings)
    plain = make_learner(COptiDICE, random_data, steps=4, learning_rate=0.01)
    for made in (learner, plain):
        train_learner(made, steps=3)
    rates = [
        {name: optimizer.param_groups[0]["lr"] for name, optimizer in made.optimizers.items()}
        for made in (learner, plain)
    ]
    assert rates[0] == {"policy": 0.005, "nu": 2e-3, "chi": 2e-3, "lambda": 3e-4, "tau": 3e-4}
    assert rates[1] == {"policy": 0.005, "nu": 0.01, "chi": 0.01, "lambda": 0.01, "tau": 0.01}
