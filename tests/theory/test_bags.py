"""The formulas against every composition of small bags, and against drawn ones."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, norm

from safemil.theory.bags import (
    COST_LAWS,
    CostLaw,
    coin_flip_probability,
    count_ordered,
    count_with_preferred,
    order_is_sure,
    order_probability,
    preferred_probability,
    tie_probability,
)

LAWS = {law.name: law for law in COST_LAWS}


def law_of(non_preferred, preferred):
    return CostLaw("mine", "mine", "invented", np.array(non_preferred), np.array(preferred))


def enumerated_order(law, alpha, bag_size):
    """P(sum of B_n > sum of B_u), adding up every composition of both bags, in exact arithmetic."""
    alpha = Fraction(alpha).limit_denominator(1000)
    n, p = law.non_preferred.tolist(), law.preferred.tolist()
    one_n = [(cost, Fraction(1, len(n))) for cost in n]
    one_u = [(cost, alpha / len(p)) for cost in p] + [(cost, (1 - alpha) / len(n)) for cost in n]
    total = Fraction(0)
    for bag_n in product(one_n, repeat=bag_size):
        for bag_u in product(one_u, repeat=bag_size):
            if sum(cost for cost, _ in bag_n) > sum(cost for cost, _ in bag_u):
                total += math.prod(probability for _, probability in bag_n + bag_u)
    return float(total)


@pytest.mark.parametrize("bag_size", [1, 2, 3, 4])
def test_lemma_by_adding_up_every_composition(bag_size):
    alpha = Fraction(3, 10)
    bags = product((True, False), repeat=bag_size)
    holding = sum(math.prod(alpha if each else 1 - alpha for each in bag) for bag in bags if any(bag))
    assert preferred_probability(0.3, bag_size) == pytest.approx(float(holding), abs=1e-15)


@pytest.mark.parametrize("bag_size", [1, 2, 3])
@pytest.mark.parametrize(
    ("non_preferred", "preferred"),
    [([5], [0, 3]), ([3, 5], [0]), ([3, 5], [0, 4]), ([2, 3, 3], [1, 9]), ([4], [4])],
)
def test_order_by_adding_up_every_composition(non_preferred, preferred, bag_size):
    law = law_of(non_preferred, preferred)
    for alpha in (0.1, 0.5):
        expected = enumerated_order(law, alpha, bag_size)
        assert order_probability(law, alpha, bag_size) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("bag_size", [1, 8, 128])
@pytest.mark.parametrize("alpha", [0.01, 0.5])
def test_theorem_is_exact_under_its_assumption(alpha, bag_size):
    expected = preferred_probability(alpha, bag_size)
    assert order_probability(LAWS["equal"], alpha, bag_size) == pytest.approx(expected, abs=1e-12)


def test_a_tie_is_not_above():
    same = law_of([7], [7])
    assert tie_probability(same, 5) == pytest.approx(1)
    assert order_probability(same, 0.5, 5) == pytest.approx(0, abs=1e-13)
    assert count_ordered(same, 0.5, 5, 1000, np.random.default_rng(0)) == 0
    # 3 > 5 never, 5 > 3 once in four, 3 = 3 and 5 = 5 twice in four.
    two = law_of([3, 5], [0])
    assert tie_probability(two, 1) == pytest.approx(0.5)
    assert order_probability(two, 1e-12, 1) == pytest.approx(0.25)


@pytest.mark.parametrize("bag_size", [1, 2, 5, 20])
def test_without_a_preferred_trajectory_the_order_is_a_coin_flip(bag_size):
    for law in (LAWS["filtered"], LAWS["wide"]):
        expected = (1 - tie_probability(law, bag_size)) / 2
        assert order_probability(law, 1e-12, bag_size) == pytest.approx(expected, abs=1e-9)
        assert 0.4 < expected < 0.5


@pytest.mark.parametrize("bag_size", [1, 2, 5, 99])
def test_closed_form_while_preferred_ones_are_cheap_enough(bag_size):
    law = law_of([100, 101], [0, 1])  # 100 K > 1 + 101 (K - 1) up to K = 99
    for alpha in (0.01, 0.3):
        assert order_is_sure(law, bag_size)
        closed = coin_flip_probability(law, alpha, bag_size)
        assert order_probability(law, alpha, bag_size) == pytest.approx(closed, abs=1e-12)
        assert closed > preferred_probability(alpha, bag_size)
    assert not order_is_sure(law, 100)


def test_closed_form_by_hand():
    # t = 1/2: above with 3/10 (a preferred one) + 7/10 * 1/4.
    assert coin_flip_probability(law_of([3, 5], [0]), 0.3, 1) == pytest.approx(0.3 + 0.7 / 4)


def test_how_far_the_order_of_the_shipped_laws_is_sure():
    # 150 K > 50 + 200 (K - 1) for K < 3; 76 K > 75 + 200 (K - 1) for K = 1 alone.
    assert [order_is_sure(LAWS["filtered"], size) for size in (1, 2, 3)] == [True, True, False]
    assert [order_is_sure(LAWS["wide"], size) for size in (1, 2)] == [True, False]


def test_beyond_that_it_is_neither_value():
    wide, alpha, size = LAWS["wide"], 0.2, 8
    value = order_probability(wide, alpha, size)
    assert value < preferred_probability(alpha, size) < coin_flip_probability(wide, alpha, size)
    small = order_probability(wide, 0.01, 2)
    assert preferred_probability(0.01, 2) < small < coin_flip_probability(wide, 0.01, 2)


def test_the_normal_approximation_of_the_page():
    law, alpha, size = LAWS["wide"], 0.05, 128
    m = np.arange(size + 1)
    gap = law.non_preferred.mean() - law.preferred.mean()
    spread = np.sqrt((2 * size - m) * law.non_preferred.var() + m * law.preferred.var())
    approximate = (binom.pmf(m, size, alpha) * norm.cdf(m * gap / spread)).sum()
    assert order_probability(law, alpha, size) == pytest.approx(approximate, abs=1e-3)


def test_drawn_bags_are_those_of_the_stream_alone():
    def counts(seed):
        generator = np.random.default_rng(seed)
        ordered = count_ordered(LAWS["wide"], 0.2, 4, 5000, generator)
        return ordered, count_with_preferred(0.2, 4, 5000, generator)

    assert counts(0) == counts(0)
    assert counts(0) != counts(1)
