import timeit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from safemil.data.segments import SegmentSampler, sample_transitions
from safemil.errors import UserError

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def owners(lengths):
    """Return the trajectory of each transition."""
    return np.repeat(np.arange(len(lengths)), lengths)


@given(lengths=LENGTHS, horizon=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_segments_never_cross_an_end(lengths, horizon, seed):
    if max(lengths) < horizon:
        with pytest.raises(UserError, match=f"at least {horizon} transitions"):
            SegmentSampler(np.array(lengths), horizon)
        return
    sampler = SegmentSampler(np.array(lengths), horizon)
    segments = sampler.sample_segments(64, np.random.default_rng(seed))
    assert segments.indices.shape == segments.mask.shape == (64, horizon)
    assert segments.indices.dtype == np.int64
    assert segments.mask.all()
    assert (np.diff(segments.indices, axis=1) == 1).all()
    owner = owners(lengths)[segments.indices]
    assert (owner == owner[:, :1]).all()


@given(lengths=LENGTHS, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_full_segments_are_whole_trajectories(lengths, seed):
    sampler = SegmentSampler(np.array(lengths), "full")
    segments = sampler.sample_segments(32, np.random.default_rng(seed))
    assert segments.indices.shape == (32, max(lengths))
    owner = owners(lengths)
    for indices, mask in zip(segments.indices, segments.mask, strict=True):
        np.testing.assert_array_equal(indices[mask], np.flatnonzero(owner == owner[indices[0]]))
        # Padding repeats the last transition of the same trajectory.
        assert (indices[~mask] == indices[mask][-1]).all()


@given(lengths=LENGTHS, data=st.data())
@settings(max_examples=50, deadline=None)
def test_every_legal_start_is_reached_and_no_other(lengths, data):
    horizon = data.draw(st.integers(1, max(lengths)))
    first = SegmentSampler(np.array(lengths), horizon).sample(20_000, np.random.default_rng(0))
    owner = owners(lengths)
    legal = [t for t in range(len(owner) - horizon + 1) if owner[t] == owner[t + horizon - 1]]
    assert np.unique(first).tolist() == legal


def test_trajectories_are_uniform_whatever_their_length():
    lengths = np.array([5, 40, 7, 1000, 3, 5])
    first = SegmentSampler(lengths, 5).sample(50_000, np.random.default_rng(1))
    counts = np.bincount(owners(lengths)[first], minlength=6)
    assert counts[4] == 0
    assert chisquare(counts[[0, 1, 2, 3, 5]]).pvalue > 0.01


def test_starts_are_uniform_within_a_trajectory():
    first = SegmentSampler(np.array([24]), 5).sample(50_000, np.random.default_rng(2))
    assert chisquare(np.bincount(first, minlength=20)).pvalue > 0.01


def test_equal_seeds_draw_equal_segments():
    sampler = SegmentSampler(np.array([9, 8]), 3)
    first, again = (sampler.sample(50, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_segment_needs_a_length(horizon):
    with pytest.raises(UserError, match="horizon >= 1"):
        SegmentSampler(np.array([5]), horizon)


@pytest.mark.parametrize("lengths", [[], [3, 0], [[1, 2]]])
def test_lengths_that_make_no_sense_are_refused(lengths):
    with pytest.raises(UserError, match="lengths"):
        SegmentSampler(np.array(lengths), 1)


def test_drawing_a_bag_is_quick():
    sampler, generator = SegmentSampler(np.full(200, 1000), 5), np.random.default_rng(0)
    seconds = min(timeit.repeat(lambda: sampler.sample_segments(256, generator), number=200, repeat=10)) / 200
    # About 20 microseconds on an idle core; the bound leaves room for a busy one.
    assert seconds < 200e-6


def test_single_transitions_are_uniform():
    indices = sample_transitions(20, 50_000, np.random.default_rng(4))
    assert indices.dtype == np.int64
    assert chisquare(np.bincount(indices, minlength=20)).pvalue > 0.01
