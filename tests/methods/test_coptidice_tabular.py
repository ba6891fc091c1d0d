"""COptiDICE on a small constrained Markov decision process whose optimum a linear programme knows.

Five states, three actions, deterministic steps, one of which ends the episode; the data hold each state and
action once, so that a batch of all of them is the exact expectation. The returns and costs compared are exact
as well: those of the policy that w stands for, pi(a|s) ~ rho_U(s, a) w(s, a), by solving for its occupancy.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from safemil.data.stripped import TrainingData
from safemil.data.trajectories import Trajectories
from safemil.methods.coptidice import COptiDICE, COptiDICEBatch

STATES, ACTIONS, DISCOUNT = 5, 3, 0.9
NEXT = np.array([[4, 0, 0], [1, 0, 4], [4, 2, 0], [0, 1, 2], [3, 2, 1]])
REWARDS = np.array(
    [[0.73, 0.11, 0.39], [0.52, 0.43, 0.59], [0.74, 0.96, 0.28], [0.65, 0.7, 0.29], [0, 0.97, 0.3]]
)
COSTS = 0.5 * np.array([[1, 0, 0], [0, 0, 1], [0, 1, 1], [0, 0, 1], [0, 1, 0]])
ENDS = np.zeros((STATES, ACTIONS), dtype=np.bool_)
ENDS[2, 1] = True
START = np.full(STATES, 1 / STATES)
ACTION_VALUES = np.array([-0.6, 0.0, 0.6], dtype=np.float32)

LIMIT, LOOSE = 0.05, 10.0
PRICE = 0.02  # a_f
EPISODE = 10
STEPS = 800
FULL_BATCH = COptiDICEBatch(torch.arange(15), torch.arange(15))


def flow():
    """Each row a state: occupancy of its pairs less gamma times what arrives, (5, 15)."""
    matrix = np.zeros((STATES, STATES * ACTIONS))
    for pair, (state, after) in enumerate(zip(np.repeat(np.arange(STATES), ACTIONS), NEXT.flat, strict=True)):
        matrix[state, pair] += 1
        matrix[after, pair] -= DISCOUNT * (not ENDS.flat[pair])
    return matrix


def best_within(limit):
    """Return and cost of the best policy whose cost of a step is at most `limit`."""
    programme = linprog(
        -REWARDS.ravel(),
        A_ub=COSTS.reshape(1, -1),
        b_ub=[limit],
        A_eq=flow(),
        b_eq=(1 - DISCOUNT) * START,
    )
    return -programme.fun, COSTS.ravel() @ programme.x


def occupancy(policy):
    """Normalised discounted occupancy of each state and action, (5, 3)."""
    steps = np.zeros((STATES, STATES))
    for state in range(STATES):
        for action in range(ACTIONS):
            steps[state, NEXT[state, action]] += policy[state, action] * (not ENDS[state, action])
    states = np.linalg.solve(np.eye(STATES) - DISCOUNT * steps.T, (1 - DISCOUNT) * START)
    return states[:, None] * policy


def evaluate(weights):
    """Exact return and cost of one step under the policy of w, (5, 3)."""
    pairs = occupancy(weights / weights.sum(1, keepdims=True))
    return (pairs * REWARDS).sum(), (pairs * COSTS).sum()


def best_regularised(limit):
    """What the method aims at: w of max E_d[r] - a_f E_U[f(w)] within the limit, and lambda, by its dual."""
    share = 1 / (STATES * ACTIONS)

    def solution(z):
        future = DISCOUNT * ~ENDS * z[:-1][NEXT]
        e = REWARDS - z[-1] * COSTS + future - z[:-1, None]
        return e, np.where(e < 0, np.exp(np.minimum(e / PRICE, 0)), e / PRICE + 1)

    def dual(z):
        e, w = solution(z)
        below = w * (np.log(np.maximum(w, 1e-300)) - 1) + 1
        f = np.where(w < 1, below, (w - 1) ** 2 / 2)
        value = (1 - DISCOUNT) * START @ z[:-1] + share * (w * e - PRICE * f).sum() + z[-1] * limit
        slope = np.append(
            (1 - DISCOUNT) * START - share * flow() @ w.ravel(), limit - share * (w * COSTS).sum()
        )
        return value, slope

    bounds = [(None, None)] * STATES + [(0, None)]
    tight = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-11}
    found = minimize(dual, np.zeros(STATES + 1), jac=True, method="L-BFGS-B", bounds=bounds, options=tight)
    return solution(found.x)[1], found.x[-1]


def exact_bound(weights, divergence):
    """Return min over chi, tau of tau log mean exp(l / tau) + tau epsilon, for the full batch's pairing."""
    states, after = np.repeat(np.arange(STATES), ACTIONS), NEXT.ravel()

    def objective(z):
        chi, tau = z[:-1], math.exp(z[-1])
        future = DISCOUNT * ~ENDS.ravel() * chi[after]
        ell = (1 - DISCOUNT) * chi[states] + weights.ravel() * (COSTS.ravel() + future - chi[states])
        highest = ell.max()
        return highest + tau * np.log(np.mean(np.exp((ell - highest) / tau))) + tau * divergence

    return minimize(objective, np.zeros(STATES + 1), method="BFGS", options={"gtol": 1e-9}).fun


def tabular_data():
    """Each state and action as a trajectory of one step, observed as one-hot."""
    states, after = np.repeat(np.arange(STATES), ACTIONS), NEXT.ravel()
    one_hot = np.eye(STATES, dtype=np.float32)
    unlabelled = Trajectories(
        observations=one_hot[states],
        actions=np.tile(ACTION_VALUES[:, None], (STATES, 1)),
        next_observations=one_hot[after],
        terminals=ENDS.ravel(),
        starts=np.arange(STATES * ACTIONS),
    )
    return TrainingData(unlabelled, unlabelled)


@dataclass
class Solution:
    """A trained oracle, the mean of w over its last 100 steps (5, 3), and what each step logged."""

    learner: COptiDICE
    weights: np.ndarray
    logged: list[dict[str, float]]

    def last(self, name):
        return np.mean([row[name] for row in self.logged[-100:]])


@pytest.fixture(scope="module")
def build(make_learner, make_labels):
    def make(limit, **settings):
        data = tabular_data()
        labels = make_labels(data, unlabelled_rewards=REWARDS.ravel(), unlabelled_costs=COSTS.ravel())
        chosen = {
            "discount": DISCOUNT,
            "divergence_weight": PRICE,
            "reward_scale": 1.0,
            "cost_limit": limit * EPISODE / (1 - DISCOUNT**EPISODE),
            "episode_length": EPISODE,
            "multiplier_learning_rate": 0.05,
        }
        training = {"steps": STEPS, "learning_rate": 1e-3, "weight_decay": 0.0, "policy_loss": "mse"}
        learner = make_learner(COptiDICE, data, labels=labels, settings=chosen | settings, **training)
        assert learner.limit == pytest.approx(limit)
        return learner

    return make


@pytest.fixture(scope="module")
def solve(build):
    """Train on the full batch. nu keeps its learning rate, so its last steps are averaged."""

    def run(limit, **settings):
        learner = build(limit, **settings)
        logged, weights = [], []
        for step in range(STEPS):
            if step >= STEPS - 100:
                weights.append(learner._nu_loss(FULL_BATCH, learner._costs)[1].numpy())
            logged.append(learner.update(FULL_BATCH))
        return Solution(learner, np.mean(weights, axis=0).reshape(STATES, ACTIONS), logged)

    return run


@pytest.fixture(scope="module")
def tight(solve):
    """Without slack in the cost's upper bound."""
    return solve(LIMIT, bound_divergence=0)


def test_the_problem_is_one_where_the_limit_costs_return():
    assert best_within(LOOSE) == pytest.approx((0.8440, 0.2664), abs=1e-4)
    assert best_within(LIMIT) == pytest.approx((0.5751, LIMIT), abs=1e-4)
    weights, multiplier = best_regularised(LIMIT)
    assert (*evaluate(weights), multiplier) == pytest.approx((0.5611, LIMIT, 1.8075), abs=1e-4)


def test_the_limit_is_met_and_the_return_comes_close_to_the_linear_programme(tight):
    """The price of leaving the data, a_f, takes 2.4 % of the return; the rest is the optimiser's."""
    best, _ = best_within(LIMIT)
    weights, multiplier = best_regularised(LIMIT)
    earned, cost = evaluate(tight.weights)
    assert cost == pytest.approx(LIMIT, rel=0.05)
    assert earned > 0.96 * best
    assert earned == pytest.approx(evaluate(weights)[0], rel=0.01)
    assert tight.last("lambda") == pytest.approx(multiplier, rel=0.02)
    assert tight.last("weight_mean") == pytest.approx(weights.mean(), rel=0.02)


def test_lambda_rises_from_its_start_while_the_limit_is_violated(tight):
    assert tight.logged[0]["cost_estimate"] > LIMIT
    assert tight.logged[0]["lambda"] == pytest.approx(1)
    assert tight.logged[5]["lambda"] > 1.1


def test_the_policy_imitates_what_the_weights_select(tight):
    """By squared error: the mean of the actions, each by its weight."""
    with torch.no_grad():
        mean, _ = tight.learner.policy(tight.learner.policy.standardise(torch.eye(STATES)))
    expected = tight.weights @ ACTION_VALUES / tight.weights.sum(1)
    assert mean[:, 0].tolist() == pytest.approx(expected, abs=0.05)
    assert np.ptp(expected) > 0.8, "the states ask for different actions"


def test_slack_in_the_bound_keeps_the_cost_below_the_limit(solve):
    """C_ub is held against the limit, so the policy's own cost stays below."""
    careful = solve(LIMIT, bound_divergence=0.01)
    earned, cost = evaluate(careful.weights)
    assert cost < 0.9 * LIMIT
    assert careful.last("cost_upper_bound") == pytest.approx(LIMIT, rel=0.2)
    assert careful.last("cost_upper_bound") > 1.1 * careful.last("cost_estimate")
    assert 0.9 * best_within(LIMIT)[0] < earned < best_within(LIMIT)[0]


def test_a_loose_limit_leaves_the_unconstrained_optimum(solve):
    loose = solve(LOOSE, bound_divergence=0)
    assert evaluate(loose.weights) == pytest.approx(best_within(LOOSE), rel=0.01)
    assert loose.last("lambda") < 0.01
    assert loose.learner.estimates()["lambda"] < 0.01


def test_chi_and_tau_reach_the_exact_bound(build):
    """For the weights of an existing policy, uniformly random actions, which satisfy the flow exactly."""
    learner = build(LIMIT, bound_divergence=0.1)
    uniform = np.full((STATES, ACTIONS), 1 / ACTIONS)
    weights = occupancy(uniform) * STATES * ACTIONS
    costs, w = learner._costs, torch.tensor(weights.ravel(), dtype=torch.float32)
    reached = []
    for _ in range(800):
        upper_bound, losses, _ = learner._bound(FULL_BATCH, w, costs)
        for name, loss in losses.items():
            learner.step_network(name, loss)
        reached.append(upper_bound.item())
    plain = (weights * COSTS).mean()
    exact = exact_bound(weights, 0.1)
    assert plain == pytest.approx(evaluate(uniform)[1])
    assert exact > 1.2 * plain
    assert np.mean(reached[-100:]) == pytest.approx(exact, rel=0.03)
