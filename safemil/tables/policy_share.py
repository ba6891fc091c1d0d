"""How much of an episode's cost the policy that acted explains, task by task, as a table.

What is computed and why stands in `data/policy_share.py`; here it is read off the collected files and
written down.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from safemil.catalogue import task_display
from safemil.data.hdf5 import read_outline
from safemil.data.policy_share import PolicyShare, policy_share
from safemil.data.split import SplitSettings
from safemil.files import write_text
from safemil.tables.main import csv_text
from safemil.tables.plain import markdown_lines
from safemil.tables.text import UNDEFINED
from safemil.tasks import Task

HEADER = (
    *("task", "episodes", "policies", "share of the cost's variance"),
    *("preferred", "by policies of both", "non-preferred", "by policies of both"),
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


def _grid(rows: Sequence[PolicyShare]) -> Iterator[list[str]]:
    for row in rows:
        yield [
            *(task_display(row.task), f"{row.n_episodes:,}", f"{row.n_policies}", _share(row.variance_share)),
            *(f"{row.n_preferred:,}", _share(row.preferred_by_policies_of_both)),
            *(f"{row.n_non_preferred:,}", _share(row.non_preferred_by_policies_of_both)),
        ]


def _share(value: float) -> str:
    return UNDEFINED if np.isnan(value) else f"{value:.2f}"


def policy_share_markdown(rows: Sequence[PolicyShare], run_name: str) -> str:
    """Return the table as a Markdown document."""
    heading = (
        "# How much of an episode's cost the policy that acted explains: "
        f"run `{run_name}`, source `collected`"
    )
    return "\n".join([heading, "", *markdown_lines(HEADER, list(_grid(rows))), "", LEGEND])


def write_policy_share_table(
    files: Mapping[Task, Path], settings: SplitSettings, directory: Path, *, run_name: str
) -> list[Path]:
    """Write policy_share.csv and policy_share.md, atomically; return their paths.

    Args:
        files: the collected file of each task.
        settings: of the split.
        directory: is made if it does not exist.
        run_name: the scale of the run, such as `quick` or `paper`.

    Raises:
        UserError: a file cannot be used; names it.
    """
    rows = [policy_share(read_outline(path, task=task), settings, task.name) for task, path in files.items()]
    texts = {
        "policy_share.csv": csv_text(pd.DataFrame([asdict(row) for row in rows])),
        "policy_share.md": policy_share_markdown(rows, run_name),
    }
    return [write_text(directory / name, text) for name, text in texts.items()]
