"""How much the policy that acted explains of episode costs, by hand and against an analysis of variance."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from safemil.data.hdf5 import read_outline, write_labelled
from safemil.data.policy_share import policy_share, share_by_groups_of_both, variance_share
from safemil.data.split import SplitSettings
from safemil.data.trajectories import LabelledTrajectories
from safemil.errors import UserError

SETTINGS = SplitSettings(n_non_preferred=1, n_unlabelled=2, rectangles=())


def test_by_hand() -> None:
    # Means 2 and 8 with squares 2 + 2 within on 2 degrees of freedom; 40 about the mean of 5 on 3.
    share = variance_share(np.array([1.0, 3.0, 7.0, 9.0]), np.array(["a", "a", "b", "b"]))
    assert share == pytest.approx(1 - (4 / 2) / (40 / 3))


def test_policies_that_repeat_one_cost_each_explain_all_of_it() -> None:
    assert variance_share(np.array([0.0, 0.0, 5.0, 5.0]), np.array([1, 1, 2, 2])) == 1


@pytest.mark.parametrize(
    ("costs", "policies"),
    [([4.0, 4.0, 4.0], [0, 0, 1]), ([1.0, 2.0, 3.0], [0, 1, 2]), ([1.0], [0])],
    ids=["no variance", "one episode each", "one episode"],
)
def test_what_cannot_be_said_is_undefined(costs: list[float], policies: list[int]) -> None:
    assert np.isnan(variance_share(np.array(costs), np.array(policies)))


def test_agrees_with_an_analysis_of_variance() -> None:
    generator = np.random.default_rng(3)
    sizes = (5, 9, 20, 2)
    groups = [generator.normal(3 * place, 2, size) for place, size in enumerate(sizes)]
    f, n, k = stats.f_oneway(*groups).statistic, sum(sizes), len(sizes)
    # Epsilon squared by the F statistic: (k - 1)(F - 1) / ((k - 1) F + n - k).
    expected = (k - 1) * (f - 1) / ((k - 1) * f + n - k)
    assert variance_share(np.concatenate(groups), np.repeat(range(k), sizes)) == pytest.approx(expected)


def test_names_that_mean_nothing_explain_nothing_however_many_they_are() -> None:
    generator = np.random.default_rng(0)
    policies = np.repeat(np.arange(200), 3)
    shares = [variance_share(generator.gamma(1.0, 50.0, size=600), policies) for _ in range(200)]
    # A biased share, without degrees of freedom, would be 199 / 599 on average.
    assert np.mean(shares) == pytest.approx(0, abs=4 * np.std(shares) / np.sqrt(200))


def test_share_by_groups_of_both() -> None:
    preferred = np.array([True, True, True, False, False])
    policies = np.array(["careful", "wild", "wild", "wild", "worse"])
    assert share_by_groups_of_both(preferred, ~preferred, policies) == pytest.approx(2 / 3)
    assert share_by_groups_of_both(~preferred, preferred, policies) == pytest.approx(1 / 2)
    assert np.isnan(share_by_groups_of_both(np.zeros(5, dtype=np.bool_), preferred, policies))


def test_what_is_said_of_a_file(tmp_path: Path, make_labelled: Callable[..., LabelledTrajectories]) -> None:
    costs, policies = [0, 10, 20, 50, 90, 100], ["careful", "careful", "wild", "wild", "wild", "worse"]
    data = make_labelled([5] * 6, costs=costs, returns=[10] * 6, provenance={"policy": np.array(policies)})
    write_labelled(tmp_path / "collected.hdf5", data, {"source": "collected"})
    found = policy_share(read_outline(tmp_path / "collected.hdf5", task=None), SETTINGS, "point_circle2")
    assert (found.n_episodes, found.n_policies) == (6, 3)
    assert (found.n_preferred, found.n_non_preferred) == (3, 2)
    assert found.preferred_by_policies_of_both == pytest.approx(1 / 3)
    assert found.non_preferred_by_policies_of_both == pytest.approx(1 / 2)
    within = (2 * 5.0**2 + sum((cost - 160 / 3) ** 2 for cost in (20, 50, 90))) / 3
    assert found.variance_share == pytest.approx(1 - within / np.var(costs, ddof=1))


def test_data_without_policies_are_refused(
    tmp_path: Path, make_labelled: Callable[..., LabelledTrajectories]
) -> None:
    path = tmp_path / "published.hdf5"
    write_labelled(path, make_labelled([3, 3, 3], costs=[0, 0, 90]), {})
    with pytest.raises(UserError, match="do not say which policy acted") as error:
        policy_share(read_outline(path, task=None), SETTINGS, "point_circle2")
    assert "source: collected" in str(error.value)
