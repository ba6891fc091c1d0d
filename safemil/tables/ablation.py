"""The table of an ablation: the main table's scores at every point of its curves."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from safemil.catalogue import method_named, task_display
from safemil.statistics.ablation import Point, ablation_table
from safemil.statistics.main_table import make_main_table
from safemil.tables import captions, text
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun


def make(
    run: TableRun,
    episodes: pd.DataFrame,
    name: str,
    title: str,
    axis: str,
    points: Sequence[Point],
    tasks: Sequence[str],
) -> Document:
    """Return the scores at every point of the ablation `name`; `axis` is what its points vary."""
    table = ablation_table(make_main_table(episodes, run.evaluation), points, tasks)
    return document(run, table, name, title, axis)


def document(run: TableRun, table: pd.DataFrame, name: str, title: str, axis: str) -> Document:
    """Return a table as from `ablation_table` with a section per task."""
    sections = [
        Section(
            heading=task_display(str(task)),
            columns=["curve", axis, "method", "seeds", *text.HEADINGS.values()],
            rows=list(_rows(rows)),
            caption=f"{title} on {task_display(str(task))}",
            key=str(task),
        )
        for task, rows in table.groupby("task", sort=False)
    ]
    # The main table's last cells and its bold type are not in this table.
    legend = [line for line in text.legend(table, run.limit) if not line.startswith(("Bold", "Within limit"))]
    budget = f"{captions.budget_sentence(table)}."
    return Document(f"ablation_{name}", title, table, sections, run=run.name, budget=budget, legend=legend)


def _rows(table: pd.DataFrame) -> Iterator[Row]:
    scores = text.score_estimates(table, pd.Series(False, index=table.index))
    for row, cells in zip(table.to_dict("records"), scores, strict=True):
        yield [row["series"], _x(row["x"]), method_named(row["method"]).display, str(row["n_seeds"]), *cells]


def _x(x: Any) -> str:
    return x if isinstance(x, str) else f"{x:g}"
