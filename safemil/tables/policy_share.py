"""How much of an episode's cost the policy that acted explains, task by task.

What is computed and why stands in `data/policy_share.py`; here it is read off the collected files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from safemil.catalogue import task_display
from safemil.data.hdf5 import read_outline
from safemil.data.policy_share import PolicyShare, policy_share
from safemil.data.split import SplitSettings
from safemil.tables.captions import sentences
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import UNDEFINED
from safemil.tasks import get_task

HEADER = (
    *("task", "episodes", "policies", "share of the cost's variance"),
    *("preferred", "by policies of both", "non-preferred", "by policies of both"),
)
LEGEND = sentences("""
Episodes and policies: of the whole collected file, whatever the split takes of it.

Share of the cost's variance: how much of the variance of episode costs the policy that acted explains. 1: it
decides; 0: it does not matter. Unbiased in the number of policies (Kelley 1935). The rest is layout, start
and action noise.

Preferred, non-preferred: trajectories that D_N and D_U are drawn from. By policies of both: share of them
whose policy made trajectories of the other class too, among those that can be drawn.

Nothing here is estimated from a sample of runs, so there are no intervals; other policies would give other
numbers.
""")


def make(run: TableRun, data: Sequence[Path], tasks: Sequence[str], settings: SplitSettings) -> Document:
    """Return the table of the collected file of each task, with the settings of the split.

    Raises:
        UserError: a file cannot be used; names it.
    """
    shares = [
        policy_share(read_outline(path, task=get_task(task)), settings, task)
        for task, path in zip(tasks, data, strict=True)
    ]
    return document(run, shares)


def document(run: TableRun, shares: Sequence[PolicyShare]) -> Document:
    """Return the shares of all tasks as a table."""
    return Document(
        "policy_share",
        "How much of an episode's cost the policy that acted explains",
        pd.DataFrame([asdict(share) for share in shares]),
        [Section(columns=HEADER, rows=list(_rows(shares)))],
        run=run.name,
        source="collected",
        legend=LEGEND,
        made_from="the collected files",
    )


def _rows(shares: Sequence[PolicyShare]) -> Iterator[Row]:
    for row in shares:
        yield [
            *(task_display(row.task), f"{row.n_episodes:,}", f"{row.n_policies}", _share(row.variance_share)),
            *(f"{row.n_preferred:,}", _share(row.preferred_by_policies_of_both)),
            *(f"{row.n_non_preferred:,}", _share(row.non_preferred_by_policies_of_both)),
        ]


def _share(value: float) -> str:
    return UNDEFINED if np.isnan(value) else f"{value:.2f}"
