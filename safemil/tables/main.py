"""The main table: one table per task, learners first, then oracles and references; six scores each."""

from collections.abc import Iterator, Sequence

import pandas as pd

from safemil.catalogue import task_display
from safemil.statistics.main_table import make_main_table
from safemil.tables import captions, text
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun

# Eight columns with their usual heads fit no page.
_PAPER_HEADINGS = {**text.HEADINGS, "cvar20": "CVaR@20\N{THIN SPACE}%", "return_norm": "norm. return"}


def make(run: TableRun, episodes: pd.DataFrame) -> Document:
    """Return the main table of all episodes."""
    table = make_main_table(episodes, run.evaluation)
    return document(run, table, text.notes_of(table, run))


def document(run: TableRun, table: pd.DataFrame, notes: Sequence[str] = ()) -> Document:
    """Return a table as from `main_table` or `partial_table` with its source, budget and rules, and notes."""
    mark, bold = captions.title_mark(table), text.best_learners(table, run.limit)
    heads = [
        ["method", "seeds", *names.values(), "within limit"] for names in (text.HEADINGS, _PAPER_HEADINGS)
    ]
    sections = [
        Section(
            heading=task_display(str(task)),
            columns=heads[0],
            rows=list(_rows(rows, bold[rows.index], run.limit)),
            caption=f"Main comparison on {task_display(str(task))}{mark}",
            key=str(task),
            paper_columns=heads[1],
            stacked=True,
        )
        for task, rows in table.groupby("task", sort=False)
    ]
    return Document(
        "main",
        f"Main comparison{mark}",
        table,
        sections,
        run=run.name,
        source=captions.sources_of(table),
        budget=captions.budget_sentences(table),
        legend=text.legend(table, run.limit),
        notes=notes,
        made_from="the episode rows",
        caption_end="Interval: 95\N{THIN SPACE}% percentile bootstrap over seeds.",
    )


def _rows(rows: pd.DataFrame, bold: pd.Series, limit: float) -> Iterator[Row]:
    names, scores = text.row_names(rows, limit), text.score_estimates(rows, bold)
    cells = zip(rows.to_dict("records"), names, scores, strict=True)
    return text.by_kind(
        (row["kind"], [name, text.seeds_text(row), *estimates, text.share_text(row)])
        for row, name, estimates in cells
    )
