"""Tiny problems with a known optimum: one-hot states, few actions, many draws."""

import math

import numpy as np
import pytest
import torch

from safemil.data.stripped import TrainingData
from safemil.methods.bc import BehaviorCloning
from safemil.methods.safemil import SafeMIL

N_TRANSITIONS = 1200
RHO_N = np.array([0.10, 0.25, 0.05, 0.30, 0.05, 0.25])
RHO_U = np.array([0.30, 0.05, 0.25, 0.10, 0.20, 0.10])


def one_hot(states, n_states):
    return np.eye(n_states)[states]


@pytest.fixture
def states_only(make_trajectories):
    """States drawn independently, in exactly the shares RHO; the action is always the same."""

    def trajectories(shares, seed):
        states = np.repeat(np.arange(len(shares)), np.round(shares * N_TRANSITIONS).astype(int))
        np.random.default_rng(seed).shuffle(states)
        return make_trajectories(
            [60] * (N_TRANSITIONS // 60),
            observations=one_hot(states, len(shares)),
            actions=np.zeros((N_TRANSITIONS, 1)),
        )

    return TrainingData(trajectories(RHO_N, 0), trajectories(RHO_U, 1))


def learned_costs(learner, observations, actions):
    with torch.no_grad():
        raw = torch.tensor(observations, dtype=torch.float32)
        return learner.cost_network(
            learner.policy.standardise(raw), torch.tensor(actions, dtype=torch.float32)
        )


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_cost_tends_to_one_exactly_where_the_non_preferred_are_more_frequent(
    states_only, make_learner, train_learner, horizon
):
    """The loss falls with sum_s (rho_N - rho_U)(s) c(s), which c = 1{rho_N > rho_U} makes largest."""
    learner = make_learner(
        SafeMIL,
        states_only,
        steps=100,
        bag_pairs=1,
        bag_size=256 if horizon == 1 else 128,
        segment_length=horizon,
        learning_rate=2e-3,
    )
    logged = train_learner(learner)
    costs = learned_costs(learner, np.eye(6), np.zeros((6, 1)))
    expected = (RHO_N > RHO_U).astype(float)
    np.testing.assert_allclose(costs, expected, atol=0.1)
    # With c = 1{...} the expected score difference is sum (rho_N - rho_U)+ = 0.55 for each (discounted) step.
    best = (RHO_N - RHO_U)[RHO_N > RHO_U].sum() * sum(0.99**t for t in range(horizon))
    reached = np.mean([row["score_difference"] for row in logged[-30:]])
    assert reached == pytest.approx(best, rel=0.05)


PREFERRED_SHARE = np.array([0.5, 0.7, 0.3])
ACTION = 0.7


def modes(make_trajectories, length, n_episodes=240):
    """Whole episodes in one state; D_U takes +ACTION in a state's preferred share of them and -ACTION else.

    D_N takes -ACTION always, so that rho_N > rho_U where the action is negative, and rho_N = 0 elsewhere.
    """
    per_state = n_episodes // 3
    states = np.repeat(np.arange(3), per_state)
    preferred = np.concatenate([np.arange(per_state) < share * per_state for share in PREFERRED_SHARE])

    def trajectories(positive):
        actions = np.repeat(np.where(positive, ACTION, -ACTION), length)[:, None]
        return make_trajectories(
            [length] * n_episodes, observations=np.repeat(one_hot(states, 3), length, 0), actions=actions
        )

    return TrainingData(trajectories(np.zeros_like(preferred)), trajectories(preferred))


def mean_actions(learner):
    with torch.no_grad():
        mean, _ = learner.policy(learner.policy.standardise(torch.eye(3)))
    return mean[:, 0].tolist()


BUDGET = {"steps": 200, "bag_pairs": 1, "bag_size": 256, "segment_length": 1, "learning_rate": 3e-3}


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
def test_bc_reaches_the_conditional_mean(make_trajectories, make_learner, train_learner, policy_loss):
    learner = make_learner(BehaviorCloning, modes(make_trajectories, 2), policy_loss=policy_loss, **BUDGET)
    train_learner(learner)
    # Two opposite actions: BC ends between them, at ACTION (2 p - 1).
    assert mean_actions(learner) == pytest.approx(ACTION * (2 * PREFERRED_SHARE - 1), abs=0.05)


def test_bc_reaches_the_conditional_standard_deviation(make_trajectories, make_learner, train_learner):
    learner = make_learner(BehaviorCloning, modes(make_trajectories, 2), policy_loss="nll", **BUDGET)
    train_learner(learner)
    with torch.no_grad():
        _, log_std = learner.policy(learner.policy.standardise(torch.eye(3)))
    # A Bernoulli of +-ACTION: 2 ACTION sqrt(p (1 - p)).
    expected = 2 * ACTION * np.sqrt(PREFERRED_SHARE * (1 - PREFERRED_SHARE))
    assert log_std[:, 0].exp().tolist() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
def test_safemil_reaches_the_weighted_conditional_mean(
    make_trajectories, make_learner, train_learner, policy_loss
):
    """With c in {0, 1} and H = 1 the weights are 1 and exp(-1 / beta): the optimum has a closed form."""
    data = modes(make_trajectories, 2)
    learner = make_learner(SafeMIL, data, policy_loss=policy_loss, **BUDGET)
    train_learner(learner)
    states, actions = np.tile(np.eye(3), (2, 1)), np.repeat([[ACTION], [-ACTION]], 3, axis=0)
    np.testing.assert_allclose(learned_costs(learner, states, actions), [0, 0, 0, 1, 1, 1], atol=0.1)
    costly = (1 - PREFERRED_SHARE) * math.exp(-1 / 0.6)
    expected = ACTION * (PREFERRED_SHARE - costly) / (PREFERRED_SHARE + costly)
    assert mean_actions(learner) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    "settings",
    [{}, {"weighting": "state_action"}, {"weighting": "threshold", "cost_threshold": 2.45}],
    ids=["trajectory", "state_action", "threshold"],
)
def test_safemil_imitates_the_preferred_action(make_trajectories, make_learner, train_learner, settings):
    """At H = 5 a costly segment weighs exp(-4.9 / 0.6) = 0.0003; 1 - c and the hard threshold leave 0.

    The threshold is given: the estimated one, just below the mean cost in D_N, lets through what happens to
    cost a little less than that, which here is about half of the costly segments.
    """
    training = BUDGET | {"steps": 120, "segment_length": 5, "bag_size": 128, "policy_loss": "mse"}
    learner = make_learner(SafeMIL, modes(make_trajectories, 5), settings=settings, **training)
    logged = train_learner(learner)
    assert mean_actions(learner) == pytest.approx([ACTION] * 3, abs=0.03)
    # Half of the data are preferred: the effective sample is half of the batch.
    assert np.mean([row["effective_share"] for row in logged[-30:]]) == pytest.approx(0.5, abs=0.04)
