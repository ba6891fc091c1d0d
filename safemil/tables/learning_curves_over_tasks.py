"""What the learning curves of all tasks together say, as a table of its own."""

from typing import Any

import pandas as pd

from safemil.catalogue import row_name
from safemil.statistics.curves import QUANTITIES
from safemil.statistics.intervals import CONFIDENCE
from safemil.statistics.levelling import levelling_over_tasks
from safemil.tables.captions import sources_of
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun

HEADER = [
    *["method", "kind", "levelled off", "return: change", "return is", "cost: change", "cost is"],
    *["tasks", "runs"],
]


def _rows(table: pd.DataFrame) -> list[Row]:
    return [
        [
            row_name(row["method"], row["variant"]),
            row["kind"],
            row["levelled_off"],
            *(cell for quantity in QUANTITIES for cell in _share_cells(row, quantity)),
            str(row["n_tasks"]),
            str(row["n_seeds"]),
        ]
        for row in table.to_dict("records")
    ]


def _share_cells(row: dict[Any, Any], quantity: str) -> list[str]:
    change, low, high = (row[f"{quantity}_{name}"] for name in ("change", "low", "high"))
    interval = "" if pd.isna(low) else f" [{low:+z.3f}, {high:+z.3f}]"
    return ["" if pd.isna(change) else f"{change:+z.3f}{interval}", row[f"{quantity}_verdict"]]


def make(run: TableRun, curves: pd.DataFrame, episodes: pd.DataFrame) -> Document:
    """Return the table of the episodes of all curves, with the final episodes for the references."""
    table = levelling_over_tasks(curves, episodes, run.evaluation)
    return Document(
        "learning_curves_over_tasks",
        "Have the learning curves levelled off, over all tasks?",
        table,
        sections_over_tasks(run, table),
        run=run.name,
        source=sources_of(table),
        introduction="No method has curves on several tasks." if table.empty else "",
        legend=["The criterion and its words are those of the table of learning curves."],
        made_from="the episodes of the learning curves",
    )


def sections_over_tasks(run: TableRun, table: pd.DataFrame) -> list[Section]:
    """Return the section on all tasks together; none where no method has curves on several."""
    if table.empty:
        return []
    note = (
        "Change: mean over tasks and seeds, as a share of what the tolerance of a task is a share of "
        f"[{100 * CONFIDENCE:g} % percentile bootstrap interval; seeds are drawn anew within each task]; "
        f"tolerance ±{run.evaluation.level_tolerance:g}. Opposite changes on two tasks cancel."
    )
    caption = "Changes at the end of the learning curves, over all tasks"
    return [Section("Over all tasks", HEADER, _rows(table), note=note, caption=caption, key="over-tasks")]
