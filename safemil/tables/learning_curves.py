"""The table of learning curves: which have levelled off, task by task and over tasks."""

from typing import Any

import pandas as pd

from safemil.catalogue import row_name, task_display
from safemil.statistics.curves import QUANTITIES
from safemil.statistics.intervals import CONFIDENCE
from safemil.statistics.levelling import (
    CANNOT_TELL,
    LEVEL,
    MINIMUM_POINTS,
    UNCLEAR,
    levelling_over_tasks,
    levelling_table,
)
from safemil.tables.captions import sentences, sources_of
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.learning_curves_over_tasks import sections_over_tasks
from safemil.tables.request import TableRun

_LEGEND = f"""
Each point of a curve: {{episodes}} episodes per seed, on the same environment seeds at every point and for
every method. Return and cost: undiscounted sums per episode, means over seeds.

Change: mean over the points of the last quarter of a curve minus that over the quarter before, per seed; mean
over seeds [{100 * CONFIDENCE:g} % percentile bootstrap interval over seeds]. Fewer than {MINIMUM_POINTS}
points have no quarters.

Tolerance: {{tolerance:g}} of the return's distance between random actions and the constrained reference;
{{tolerance:g}} of the cost limit of {{limit:g}}, or of the mean cost over both quarters where that is larger.

{LEVEL.capitalize()}: the whole interval of the change lies within the tolerance. Rising or falling: the
change is beyond it and its interval excludes 0. {UNCLEAR.capitalize()}: neither.

Levelled off: yes where return and cost are level, no where one of them rises or falls, otherwise
{CANNOT_TELL}.

The learning rate falls to 0 over the given budget, so every curve slows down towards its end. A level end
says that this training is over, not that a longer one would bring nothing.
"""

HEADER = [
    *["method", "kind", "levelled off"],
    *[
        f"{quantity}{part}"
        for quantity in QUANTITIES
        for part in (", quarter before → last", ": change", ": tolerance", " is")
    ],
    *["seeds", "points", "last step"],
]


def _rows(table: pd.DataFrame) -> list[Row]:
    """Return the cells of the rows of one task, as `HEADER` names them."""
    return [
        [
            row_name(row["method"], row["variant"]),
            row["kind"],
            row["levelled_off"],
            *(cell for quantity in QUANTITIES for cell in _quantity_cells(row, quantity)),
            str(row["n_seeds"]),
            str(row["n_points"]),
            f"{row['last_step']:,}",
        ]
        for row in table.to_dict("records")
    ]


def _quantity_cells(row: dict[Any, Any], quantity: str) -> list[str]:
    before, last, change, low, high, tolerance = (
        row[f"{quantity}_{name}"] for name in ("before", "last", "change", "low", "high", "tolerance")
    )
    interval = "" if pd.isna(low) else f" [{low:+z.1f}, {high:+z.1f}]"
    return [
        "" if pd.isna(change) else f"{before:z.1f} → {last:z.1f}",
        "" if pd.isna(change) else f"{change:+z.1f}{interval}",
        "" if pd.isna(tolerance) else f"±{tolerance:.1f}",
        row[f"{quantity}_verdict"],
    ]


def make(run: TableRun, curves: pd.DataFrame, episodes: pd.DataFrame) -> Document:
    """Return the table of the episodes of all curves, with the final episodes for the references."""
    given = (curves, episodes, run.evaluation)
    return document(run, levelling_table(*given), levelling_over_tasks(*given))


def document(run: TableRun, table: pd.DataFrame, over_tasks: pd.DataFrame) -> Document:
    """Return tables as from `levelling_table`, by task, and `levelling_over_tasks` as one document."""
    sections = [
        Section(
            heading=task_display(str(task)),
            columns=HEADER,
            rows=_rows(rows),
            caption=f"Ends of the learning curves on {task_display(str(task))}",
            key=str(task),
        )
        for task, rows in table.groupby("task", sort=False)
    ]
    episodes = " or ".join(str(n) for n in sorted(table["n_episodes"].unique()))
    tolerance = run.evaluation.level_tolerance
    return Document(
        "learning_curves",
        "Have the learning curves levelled off?",
        table,
        [*sections, *sections_over_tasks(run, over_tasks)],
        run=run.name,
        source=sources_of(table),
        legend=sentences(_LEGEND.format(episodes=episodes, tolerance=tolerance, limit=run.limit)),
        made_from="the episodes of the learning curves",
    )
