"""Does what a policy does decide the cost of its episodes, or the layout that it happens to get?

Where the policy decides, preferred trajectories show careful behaviour, and whoever imitates them is safe.
Where the layout does, they show luck, which cannot be imitated. Only collected data say which policy acted.
The share of an episode's cost that the policy explains is, over M episodes of P policies,

    share = 1 - (SSW / (M - P)) / (SST / (M - 1))

with SSW the squares of the costs about their policy's mean and SST those about the mean of all: the effect
size of a one-way analysis of variance with both variances unbiased, so that many policies of few episodes
do not explain anything by their number alone. It can be a little below 0.

Source: Kelley, An unbiased correlation ratio measure, PNAS 21 (1935). That it is put to use here is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from safemil.data.hdf5 import read_outline
from safemil.data.outline import Outline
from safemil.data.split import SplitSettings, build_split
from safemil.data.trajectories import BoolArray
from safemil.errors import UserError
from safemil.files import write_text
from safemil.tasks import Task

POLICY = "policy"
HEADER = (
    "task",
    "episodes",
    "policies",
    "share of the cost's variance",
    "preferred",
    "by policies of both",
    "non-preferred",
    "by policies of both",
)
LEGEND = """## How to read it

- Episodes and policies: of the whole collected file, whatever the split takes of it.
- Share of the cost's variance: how much of the variance of episode costs the policy that acted explains.
  1: it decides; 0: it does not matter. Unbiased in the number of policies (Kelley 1935). The rest is
  layout, start and action noise.
- Preferred, non-preferred: trajectories that D_N and D_U are drawn from. By policies of both: share of
  them whose policy made trajectories of the other class too, among those that can be drawn.
- Nothing here is estimated from a sample of runs, so there are no intervals; other policies would give
  other numbers.
"""


@dataclass(frozen=True)
class PolicyShare:
    """What the policies of one task's data say about its costs; field by field as in `HEADER`."""

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


def _cells(row: PolicyShare, display: str) -> list[str]:
    shares = (row.variance_share, row.preferred_by_policies_of_both, row.non_preferred_by_policies_of_both)
    variance, preferred, non_preferred = ("–" if np.isnan(share) else f"{share:.2f}" for share in shares)
    counts = (f"{row.n_episodes:,}", f"{row.n_policies}")
    return [
        display,
        *counts,
        variance,
        f"{row.n_preferred:,}",
        preferred,
        f"{row.n_non_preferred:,}",
        non_preferred,
    ]


def policy_share_markdown(rows: Sequence[PolicyShare], displays: Sequence[str], run_name: str) -> str:
    """Return the table as a Markdown document; `displays` names the task of each row."""
    grid = [HEADER, [":---", *["---:"] * (len(HEADER) - 1)]]
    grid += [_cells(row, display) for row, display in zip(rows, displays, strict=True)]
    lines = [f"| {' | '.join(cells)} |" for cells in grid]
    heading = (
        "# How much of an episode's cost the policy that acted explains: "
        f"run `{run_name}`, source `collected`"
    )
    return "\n".join([heading, "", *lines, "", LEGEND])


def write_policy_share(
    files: Mapping[Task, Path], settings: SplitSettings, directory: Path, *, run_name: str
) -> list[Path]:
    """Write policy_share.csv and policy_share.md, atomically; return their paths.

    Args:
        files: the collected file of each task.
        settings: of the split.
        directory: is made if it does not exist.
        run_name: stands in the heading.

    Raises:
        UserError: a file cannot be used; names it.
    """
    rows = [policy_share(read_outline(path, task=task), settings, task.name) for task, path in files.items()]
    text = policy_share_markdown(rows, [task.paper_name for task in files], run_name)
    csv = pd.DataFrame([asdict(row) for row in rows]).to_csv(
        index=False, float_format="%.10g", na_rep="NaN", lineterminator="\n"
    )
    texts = {"policy_share.csv": csv, "policy_share.md": text}
    return [write_text(directory / name, content) for name, content in texts.items()]
