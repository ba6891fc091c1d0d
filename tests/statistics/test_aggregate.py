"""Statistics over tasks and seeds against hand-worked cases, enumeration, scipy and rliable."""

import json
from itertools import combinations_with_replacement, product
from math import comb, factorial, prod
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from safemil.statistics.aggregate import (
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from safemil.statistics.intervals import bootstrap_interval, stratified_interval

RLIABLE = json.loads((Path(__file__).parent / "reference_values" / "rliable.json").read_text())


def strata(matrix):
    """A matrix of (seeds, tasks), as rliable has it, to one array per task."""
    return list(np.asarray(matrix, dtype=float).T)


def test_interquartile_mean_by_hand():
    # Eight runs, 0 2 [3 4 5 6] 50 100: two are cut off at either end.
    assert interquartile_mean([np.array([100.0, 0, 3]), np.array([2.0, 50, 6, 5, 4])]) == pytest.approx(4.5)
    # Seven runs: floor(7 / 4) = 1 at either end; an outlier moves nothing.
    assert interquartile_mean([np.array([0.0, 1, 2, 3, 4, 5, 1e6])]) == pytest.approx(3.0)
    assert interquartile_mean([np.array([1.0, 2, 9])]) == pytest.approx(4.0)


def test_interquartile_mean_pools_runs_not_means_of_tasks():
    tasks = [np.array([0.0, 0, 0, 0]), np.array([10.0, 20, 30, 40])]
    # 0 0 [0 0 10 20] 30 40; the mean of the tasks' own middles would be 12.5.
    assert interquartile_mean(tasks) == pytest.approx(7.5)


def test_probability_of_improvement_by_hand():
    x, y = [np.array([1.0, 3.0])], [np.array([2.0, 3.0])]
    # Pairs: 1<2, 1<3, 3>2, 3=3, so (0 + 0 + 1 + 1/2) / 4.
    assert probability_of_improvement(x, y) == pytest.approx(1.5 / 4)
    assert probability_of_improvement(y, x) == pytest.approx(2.5 / 4)
    certain = [np.array([5.0])], [np.array([4.0])]
    two = [x[0], certain[0][0]], [y[0], certain[1][0]]
    assert probability_of_improvement(*two) == pytest.approx((0.375 + 1) / 2)


def test_probability_of_improvement_is_mann_and_whitneys_u():
    generator = np.random.default_rng(3)
    x = [generator.integers(0, 6, size=7).astype(float) for _ in range(4)]
    y = [generator.integers(1, 6, size=5).astype(float) for _ in range(4)]
    u = [stats.mannwhitneyu(a, b).statistic / 35 for a, b in zip(x, y, strict=True)]
    assert probability_of_improvement(x, y) == pytest.approx(np.mean(u))


def test_profile_by_hand():
    tasks = [np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0, 2.0])]
    shares = performance_profile(tasks, np.array([-1.0, 0.0, 1.5, 2.0, 3.0]))
    # A score equal to the threshold is not above it; either task counts half.
    assert shares.tolist() == pytest.approx([1, (0.75 + 1) / 2, (0.5 + 1) / 2, 0.25 / 2, 0])


def test_statistics_of_resamples_are_those_of_each():
    generator = np.random.default_rng(0)
    x, y = ([generator.normal(size=(6, n)) for n in (3, 5)] for _ in range(2))
    for statistic, samples in (
        (interquartile_mean, (x,)),
        (probability_of_improvement, (x, y)),
        (lambda s: performance_profile(s, np.array([-0.5, 0.5])), (x,)),
    ):
        together = statistic(*samples)
        for i in range(6):
            alone = statistic(*([task[i] for task in sample] for sample in samples))
            assert together[i] == pytest.approx(alone)


def every_resample(values):
    """All multisets of seeds with their probabilities: n^n resamples in few rows."""
    n = len(values)
    rows, weights = [], []
    for chosen in combinations_with_replacement(range(n), n):
        counts = np.bincount(chosen, minlength=n)
        rows.append(values[list(chosen)])
        weights.append(factorial(n) / prod(factorial(c) for c in counts) / n**n)
    assert len(rows) == comb(2 * n - 1, n)
    return rows, weights


def exact_quantiles(statistic, *strata_of_samples):
    """The 2.5 % and 97.5 % quantiles over all resamples of all tasks of all samples."""
    tasks = [task for sample in strata_of_samples for task in sample]
    resamples = [every_resample(task) for task in tasks]
    values, weights = [], []
    for choice in product(*(range(len(rows)) for rows, _ in resamples)):
        chosen = [resamples[i][0][j] for i, j in enumerate(choice)]
        split, start = [], 0
        for sample in strata_of_samples:
            split.append(chosen[start : start + len(sample)])
            start += len(sample)
        values.append(float(statistic(*split)))
        weights.append(prod(resamples[i][1][j] for i, j in enumerate(choice)))
    order = np.argsort(values)
    cumulative = np.cumsum(np.array(weights)[order])
    assert cumulative[-1] == pytest.approx(1)
    return [float(np.array(values)[order][np.searchsorted(cumulative, p)]) for p in (0.025, 0.975)]


def test_stratified_interval_is_that_of_all_resamples():
    """Tasks on different scales: pooled resampling, which mixes them, would be far wider."""
    tasks = [np.array([0.0, 1.0, 5.0]), np.array([100.0, 103.0, 104.0])]
    low, high = stratified_interval(interquartile_mean, tasks, n_resamples=20_000)
    expected = exact_quantiles(interquartile_mean, tasks)
    assert [low, high] == pytest.approx(expected, abs=0.6)
    assert high - low < 6


def test_two_samples_are_resampled_each_by_itself():
    x, y = [np.array([1.0, 4.0, 6.0])], [np.array([0.0, 3.0, 5.0])]
    low, high = stratified_interval(probability_of_improvement, x, y, n_resamples=20_000)
    assert [low, high] == pytest.approx(exact_quantiles(probability_of_improvement, x, y), abs=1e-9)
    # Drawn together, seed by seed, x would always be above its own y.
    assert low < 0.5


def test_with_one_task_the_interval_is_scipys():
    values = np.random.default_rng(1).normal(size=12)
    expected = stats.bootstrap(
        (values,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=20_000,
        batch=1000,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    low, high = stratified_interval(interquartile_mean, [values], n_resamples=20_000, seed=6)
    assert [low, high] == pytest.approx(list(expected), abs=0.05)
    # And for the mean, that of the cells.
    of_cell = bootstrap_interval(values[:, None])
    of_mean = stratified_interval(lambda s: s[0].mean(axis=-1), [values])
    assert of_mean == pytest.approx([end[0] for end in of_cell], abs=0.05)


def test_two_seeds_in_one_task_give_no_interval():
    tasks = [np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0])]
    assert np.isnan(stratified_interval(interquartile_mean, tasks)).all()
    ends = stratified_interval(lambda s: performance_profile(s, np.zeros(4)), tasks)
    assert [end.shape for end in ends] == [(4,), (4,)]
    assert np.isnan(ends).all()


def test_a_statistic_that_is_undefined_in_some_resample_has_no_interval():
    def root(sample):
        smallest = sample[0].min(axis=-1)
        return np.where(smallest >= 0, smallest, np.nan)

    assert np.isnan(stratified_interval(root, [np.array([-1.0, 1.0, 2.0])])).all()
    assert not np.isnan(stratified_interval(root, [np.array([0.0, 1.0, 2.0])])).any()


def test_equal_seeds_of_resampling_give_equal_intervals_whatever_the_batches():
    tasks = [np.random.default_rng(0).normal(size=6)]
    first = stratified_interval(interquartile_mean, tasks, n_resamples=1500, seed=1)
    assert stratified_interval(interquartile_mean, tasks, n_resamples=1500, seed=1) == first
    assert stratified_interval(interquartile_mean, tasks, n_resamples=1500, seed=2) != first


@pytest.mark.parametrize("name", ["first", "second"])
def test_agrees_with_rliable_on_the_interquartile_mean(name):
    tasks = strata(RLIABLE["scores"][name])
    assert interquartile_mean(tasks) == pytest.approx(RLIABLE["iqm"][name], abs=1e-12)
    low, high = stratified_interval(interquartile_mean, tasks, n_resamples=20_000)
    assert [low, high] == pytest.approx(RLIABLE["iqm_interval"][name], abs=0.01)


def test_agrees_with_rliable_on_the_probability_of_improvement():
    samples = [strata(RLIABLE["scores"][name]) for name in ("first", "second")]
    expected = RLIABLE["probability_of_improvement"]
    assert probability_of_improvement(*samples) == pytest.approx(expected, abs=1e-12)
    low, high = stratified_interval(probability_of_improvement, *samples, n_resamples=20_000)
    assert [low, high] == pytest.approx(RLIABLE["probability_interval"], abs=0.01)


@pytest.mark.parametrize("name", ["first", "second"])
def test_agrees_with_rliable_on_performance_profiles(name):
    tasks, thresholds = strata(RLIABLE["scores"][name]), np.array(RLIABLE["thresholds"])
    shares = performance_profile(tasks, thresholds)
    assert shares.tolist() == pytest.approx(RLIABLE["profile"][name], abs=1e-12)
    ends = stratified_interval(lambda s: performance_profile(s, thresholds), tasks, n_resamples=20_000)
    assert np.array(ends) == pytest.approx(np.array(RLIABLE["profile_interval"][name]), abs=0.034)
