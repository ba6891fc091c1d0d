"""Weights of imitation by hand and, at long horizons, against mpmath."""

import math

import mpmath
import numpy as np
import pytest
import torch

from safemil.data.stripped import TrainingData
from safemil.errors import UserError
from safemil.methods.safemil import SafeMIL, segment_costs
from safemil.methods.weights import (
    cost_threshold,
    effective_share,
    softmax_weights,
    threshold_weights,
    trajectory_share,
    weight_metrics,
)


def test_softmax_weights_by_hand():
    # exp(-C / 0.5) = 1, 1/2, 1/4 -> weights 3 * (4, 2, 1) / 7.
    costs = 0.5 * torch.log(torch.tensor([1.0, 2.0, 4.0]))
    assert softmax_weights(costs, 0.5).tolist() == pytest.approx([12 / 7, 6 / 7, 3 / 7])


def test_equal_costs_weigh_one_each():
    torch.testing.assert_close(softmax_weights(torch.full((7,), 2.5), 0.6), torch.ones(7))


@pytest.mark.parametrize(
    ("largest", "temperature"), [(1.0, 0.6), (100.0, 0.6), (1000.0, 0.6), (1000.0, 0.05)]
)
def test_softmax_weights_have_mean_one_at_every_scale(largest, temperature):
    costs = torch.rand(300, generator=torch.Generator().manual_seed(0)) * largest
    weights = softmax_weights(costs, temperature)
    assert torch.isfinite(weights).all()
    assert weights.mean().item() == pytest.approx(1.0, rel=1e-5)
    assert weights.argmax() == costs.argmin()


@pytest.mark.parametrize("discount", [0.99, 1.0])
def test_weights_of_a_thousand_steps_against_exact_arithmetic(discount):
    """C goes up to 100 with discount 0.99 and to 1000 without: exp(-C / 0.6) by itself is 0 in float32."""
    generator = torch.Generator().manual_seed(1)
    level = torch.linspace(0.985, 0.999, 12).unsqueeze(-1)
    costs = level + 0.001 * torch.rand(12, 1000, generator=generator)
    totals = segment_costs(costs, torch.ones_like(costs, dtype=torch.bool), discount)
    weights = softmax_weights(totals, 0.6)

    with mpmath.workdps(60):
        gamma = mpmath.mpf(discount)
        exact_totals = [
            mpmath.fsum(gamma**t * mpmath.mpf(c) for t, c in enumerate(row)) for row in costs.tolist()
        ]
        exact = [mpmath.exp(-total / mpmath.mpf("0.6")) for total in exact_totals]
        expected = [float(12 * value / mpmath.fsum(exact)) for value in exact]
    assert (max(exact_totals) > 990) if discount == 1 else (99 < max(exact_totals) < 100)
    assert not torch.exp(-totals / 0.6).any(), "this test means to go where exp underflows"
    assert totals.tolist() == pytest.approx([float(total) for total in exact_totals], rel=3e-6)
    # A relative error of 1e-6 in C = 1000 is an error of 1e-3 / 0.6 in the exponent.
    assert weights.tolist() == pytest.approx(expected, rel=2e-3)


def test_estimated_threshold_by_hand():
    # Mean 3, population standard deviation sqrt((4 + 0 + 4) / 3).
    costs = torch.tensor([1.0, 3.0, 5.0])
    assert cost_threshold(costs, 0.1) == pytest.approx(3 - 0.1 * math.sqrt(8 / 3))
    assert cost_threshold(costs, 0.0) == pytest.approx(3)


def test_threshold_weights_by_hand():
    # Three of four lie at or below 2: each weighs 4/3.
    weights = threshold_weights(torch.tensor([1.0, 3.0, 2.0, 0.5]), 2.0)
    assert weights.tolist() == pytest.approx([4 / 3, 0, 4 / 3, 4 / 3])


def test_an_empty_selection_names_the_threshold_and_the_range_of_costs():
    with pytest.raises(UserError) as error:
        threshold_weights(torch.tensor([1.25, 3.5, 2.0]), 0.75)
    assert "0.75" in str(error.value)
    assert "from 1.25 to 3.5" in str(error.value)
    assert "cost_threshold" in str(error.value)


@pytest.mark.parametrize("horizon", [1, 5, 1000])
@pytest.mark.parametrize("cost", [0.5, 0.1, 0.9])
def test_equal_costs_select_every_segment_in_spite_of_rounding(horizon, cost):
    """With C the same everywhere the estimated threshold is C itself, up to the last digits."""
    powers = torch.full((), 0.99) ** torch.arange(horizon)
    total = float((cost * powers).sum())
    # The same sum added up in other orders, which is what other batch shapes do.
    sums = [cost * p for p in (powers.sum(), powers.flip(0).sum(), powers.cumsum(0)[-1])]
    costs = torch.stack([*sums, torch.tensor(total)])
    threshold = cost_threshold(costs[torch.arange(64) % 4], 0.1)
    assert threshold_weights(costs, threshold).tolist() == pytest.approx([1.0] * 4)


def test_effective_share_by_hand():
    # (3 + 1)^2 / (9 + 1) / 4
    assert effective_share(torch.tensor([3.0, 1.0, 0.0, 0.0])) == pytest.approx(0.4)
    assert effective_share(torch.ones(2, 3)) == pytest.approx(1.0)


def test_trajectory_share_by_hand():
    # Trajectories 7, 2 and 5 carry 0.5 + 1, 3 and 0 of the weight: (4.5)^2 / (1.5^2 + 3^2 + 0) / 3.
    weights, trajectories = torch.tensor([0.5, 3.0, 1.0, 0.0]), torch.tensor([7, 2, 7, 5])
    assert trajectory_share(weights, trajectories) == pytest.approx(4.5**2 / (1.5**2 + 3**2) / 3)


def test_trajectories_that_are_not_in_the_batch_do_not_count():
    assert trajectory_share(torch.ones(6), torch.tensor([0, 0, 900, 900, 41, 41])) == pytest.approx(1)


def test_equal_weights_on_unequal_trajectories():
    # Four pairs of one trajectory and one of another: (4 + 1)^2 / (16 + 1) / 2.
    assert trajectory_share(torch.full((5,), 0.3), torch.tensor([1, 1, 1, 1, 3])) == pytest.approx(25 / 34)


def test_one_trajectory_has_the_whole_share_whatever_its_weights():
    assert trajectory_share(torch.tensor([1.0, 0.0, 5.0]), torch.tensor([4, 4, 4])) == pytest.approx(1)


def test_metrics_of_weights_by_hand():
    # One of four pairs carries all weight: a quarter of the batch, and half of its two trajectories.
    logged = weight_metrics(torch.tensor([0.0, 2.0, 0.0, 0.0]), torch.tensor([0, 0, 1, 1]))
    assert logged == pytest.approx({"effective_share": 0.25, "effective_trajectory_share": 0.5})
    # Spread evenly within either trajectory, 3 to 1: (6 + 2)^2 / (18 + 2) / 4 and (6 + 2)^2 / (36 + 4) / 2.
    logged = weight_metrics(torch.tensor([3.0, 1.0, 3.0, 1.0]), torch.tensor([5, 9, 5, 9]))
    assert logged == pytest.approx({"effective_share": 0.8, "effective_trajectory_share": 0.8})


COSTS_U = torch.tensor([[0.2, 0.4], [0.8, 0.6], [0.1, 0.9]])
COSTS_N = torch.tensor([[0.9, 0.9], [0.5, 0.5], [0.7, 0.7]])
MASK = torch.tensor([[True, True], [True, True], [True, False]])
SCENARIOS = {
    "linear": ({"weighting": "state_action"}, [[0.8, 0.6], [0.2, 0.4], [0.9, 0.1]]),
    "exponential": (
        {"weighting": "state_action", "state_action_weight": "exponential", "temperature": 0.5},
        [
            [math.exp(-0.4), math.exp(-0.8)],
            [math.exp(-1.6), math.exp(-1.2)],
            [math.exp(-0.2), math.exp(-1.8)],
        ],
    ),
    # C = 0.2 + 0.2, 0.8 + 0.3, 0.1 (its second step is padding)
    "trajectory": (
        {"discount": 0.5, "temperature": 0.25},
        [
            [3 * math.exp(-1.6) / (math.exp(-1.6) + math.exp(-4.4) + math.exp(-0.4))],
            [3 * math.exp(-4.4) / (math.exp(-1.6) + math.exp(-4.4) + math.exp(-0.4))],
            [3 * math.exp(-0.4) / (math.exp(-1.6) + math.exp(-4.4) + math.exp(-0.4))],
        ],
    ),
    # C_N = 1.35, 0.75, 0.7: mean 0.9333, deviation 0.2953; b = 0.9333 - 2 * 0.2953 = 0.3427 selects only 0.1.
    "estimated": (
        {"weighting": "threshold", "discount": 0.5, "threshold_deviations": 2.0},
        [[0.0], [0.0], [3.0]],
    ),
    # With 0.1 deviations b = 0.9038 selects 0.4 and 0.1, not 1.1.
    "estimated by default": ({"weighting": "threshold", "discount": 0.5}, [[1.5], [0.0], [1.5]]),
    "given": ({"weighting": "threshold", "discount": 0.5, "cost_threshold": 0.2}, [[0.0], [0.0], [3.0]]),
    "given zero": (
        {"weighting": "threshold", "discount": 0.5, "cost_threshold": 0.0},
        "selects no segment",
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_weighting_by_hand(random_data, make_learner, scenario):
    settings, expected = SCENARIOS[scenario]
    learner = make_learner(SafeMIL, random_data, settings=settings)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            learner._weights(COSTS_U, MASK, COSTS_N, MASK)
        return
    weights = learner._weights(COSTS_U, MASK, COSTS_N, MASK)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("discount", [0.99, 1.0])
def test_an_update_on_whole_episodes_of_a_thousand_steps(make_trajectories, make_learner, scramble, discount):
    data = TrainingData(make_trajectories([1000, 1000], seed=3), make_trajectories([1000, 400, 800], seed=4))
    settings = {"discount": discount}
    learner = make_learner(SafeMIL, data, settings=settings, segment_length="full", bag_size=4, bag_pairs=1)
    scramble(learner, scale=0.0)
    with torch.no_grad():
        learner.cost_network.layers[-1].bias.fill_(6.0)  # c is near 1: C is near its maximum
    logged = learner.update(learner.sample(np.random.default_rng(0)))
    assert all(math.isfinite(value) for value in logged.values())
    assert logged["effective_share"] > 0
    assert logged["cost_unlabelled"] > 0.99
