"""Does what a policy does decide the cost of its episodes, or the layout that it happens to get?

Where the policy decides, preferred trajectories show careful behaviour, which can be imitated. Where the
layout does, they show luck, which cannot. Only collected data say which policy acted.
The share of an episode's cost that the policy explains is, over M episodes of P policies,

    share = 1 - (SSW / (M - P)) / (SST / (M - 1))

with SSW the squares of the costs about their policy's mean and SST those about the mean of all: the effect
size of a one-way analysis of variance with both variances unbiased, so that many policies of few episodes
do not explain anything by their number alone. It can be a little below 0.

Source: Kelley, An unbiased correlation ratio measure, PNAS 21 (1935). That it is put to use here is ours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safemil.data.outline import Outline
from safemil.data.split import SplitSettings, build_split
from safemil.data.trajectories import BoolArray
from safemil.errors import UserError

POLICY = "policy"


@dataclass(frozen=True)
class PolicyShare:
    """What the policies of one task's data say about its costs.

    Attributes:
        task: its name.
        n_episodes: of the whole file.
        n_policies: that acted in them.
        variance_share: of the variance of episode costs, what the policy explains.
        n_preferred, n_non_preferred: trajectories that D_N and D_U are drawn from.
        preferred_by_policies_of_both, non_preferred_by_policies_of_both: share of them whose policy made
            some of the other class too.
    """

    task: str
    n_episodes: int
    n_policies: int
    variance_share: float
    n_preferred: int
    preferred_by_policies_of_both: float
    n_non_preferred: int
    non_preferred_by_policies_of_both: float


def variance_share(values: NDArray[np.float64], groups: NDArray[Any]) -> float:
    """Return the share of the variance of `values` that belonging to a group explains.

    Args:
        values: (M,) one number for each episode.
        groups: (M,) its group, e.g. the name of a policy.

    Returns:
        At most 1; NaN where all values are equal, or each group has but one.
    """
    group, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    total = values.var(ddof=1) if len(values) > 1 else 0.0
    if total == 0 or len(sizes) == len(values):
        return float("nan")
    means = np.bincount(group, weights=values) / sizes
    within = np.sum((values - means[group]) ** 2) / (len(values) - len(sizes))
    return float(1 - within / total)


def share_by_groups_of_both(members: BoolArray, others: BoolArray, groups: NDArray[Any]) -> float:
    """Return the share of `members` whose group has one of `others` as well; NaN without members.

    Args:
        members: (M,) bool.
        others: (M,) bool.
        groups: (M,) the group of each.
    """
    if not members.any():
        return float("nan")
    return float(np.isin(groups[members], groups[others]).mean())


def policy_share(outline: Outline, settings: SplitSettings, task: str) -> PolicyShare:
    """Return what the policies behind a file of collected data explain of its costs.

    Args:
        outline: the file's labels and provenance, with the column `policy`.
        settings: of the split, which decides what is preferred.
        task: its name.

    Raises:
        UserError: the data do not say which policy acted, or too few trajectories are there to draw from.
    """
    if POLICY not in outline.provenance:
        raise UserError(
            f"{task}: the data do not say which policy acted",
            expected=f"a column {POLICY} of the provenance",
            found=sorted(outline.provenance) or "no provenance",
            hint="only collected data have it: set source: collected",
        )
    policies, costs = outline.provenance[POLICY], outline.episode_costs
    classes = build_split(outline.returns, costs, settings, np.random.default_rng(settings.seed)).classes
    preferred, non_preferred = classes.preferred, classes.non_preferred
    return PolicyShare(
        task=task,
        n_episodes=outline.n_trajectories,
        n_policies=len(np.unique(policies)),
        variance_share=variance_share(costs, policies),
        n_preferred=int(preferred.sum()),
        preferred_by_policies_of_both=share_by_groups_of_both(preferred, non_preferred, policies),
        n_non_preferred=int(non_preferred.sum()),
        non_preferred_by_policies_of_both=share_by_groups_of_both(non_preferred, preferred, policies),
    )
