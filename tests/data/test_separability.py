from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from safemil.data.separability import auroc, separability
from safemil.errors import UserError


def shifted(trajectories, shift):
    observations = trajectories.observations.copy()
    observations[:, 0] += shift
    return replace(trajectories, observations=observations)


@pytest.fixture(scope="module")
def pair(make_labelled):
    return tuple(make_labelled([50] * 40, seed=seed).unlabelled() for seed in (1, 2))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_the_known_value_for_two_gaussians(pair, shift):
    found = separability(shifted(pair[0], shift), pair[1], np.random.default_rng(0))
    assert found == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.04)


def test_far_apart_is_perfect_and_scale_does_not_matter(pair):
    far = shifted(pair[0], 50)
    assert separability(far, pair[1], np.random.default_rng(0)) == 1
    scaled = (replace(part, observations=part.observations * np.float32(1e4)) for part in (far, pair[1]))
    assert separability(*scaled, np.random.default_rng(0)) == 1


def test_a_trajectory_cannot_be_recognised(make_labelled):
    # Each trajectory has an offset of its own, which says nothing about its class.
    def offset(seed):
        trajectories = make_labelled([100] * 60, seed=seed).unlabelled()
        offsets = np.random.default_rng(seed + 10).normal(size=(60, 3)).repeat(100, axis=0) * 5
        return replace(trajectories, observations=(trajectories.observations + offsets).astype(np.float32))

    values = [separability(offset(s), offset(s + 1), np.random.default_rng(s)) for s in (1, 3, 5, 7)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.12)


def test_many_pairs_are_subsampled(make_labelled):
    large = make_labelled([1000] * 30, seed=3).unlabelled()
    found = separability(large, shifted(large, 1), np.random.default_rng(0))
    assert found == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)


def test_one_trajectory_is_too_few(make_labelled):
    one, two = make_labelled([5]).unlabelled(), make_labelled([5, 5]).unlabelled()
    with pytest.raises(UserError, match="to train and to test on"):
        separability(one, two, np.random.default_rng(0))


def test_auroc_by_hand():
    # Pairs of a positive (2, 3) and a negative (1, 2.5): won, lost, won, won.
    assert auroc(np.array([2, 1, 3, 2.5]), np.array([True, False, True, False])) == 3 / 4
    # A tie counts half: 2 against 1 and 2 is 1 + 1/2 of 2 pairs, 3 wins both.
    assert auroc(np.array([2, 1, 3, 2]), np.array([True, False, True, False])) == 3.5 / 4
    assert auroc(np.zeros(5), np.arange(5) == 1) == 0.5


def test_auroc_agrees_with_counting_pairs():
    generator = np.random.default_rng(0)
    scores, positive = generator.integers(0, 8, 60), generator.random(60) < 0.3
    difference = scores[positive][:, None] - scores[~positive]
    wins = (difference > 0).mean() + 0.5 * (difference == 0).mean()
    assert auroc(scores.astype(float), positive) == pytest.approx(wins, abs=1e-12)
    assert auroc(-scores.astype(float), positive) == pytest.approx(1 - wins, abs=1e-12)


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_auroc_needs_both_classes(positive):
    with pytest.raises(ValueError, match="need both classes"):
        auroc(np.array([1.0, 2.0]), np.array(positive))
