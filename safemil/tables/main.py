"""The main table: one table per task, learners first, then oracles and references; six scores each."""

from collections.abc import Iterator, Sequence

import pandas as pd

from safemil.catalogue import task_display
from safemil.statistics.main_table import make_main_table
from safemil.statistics.scores import COST_LIMIT, SCORES, reference_notes
from safemil.tables.captions import (
    budget_sentences,
    custom_method_notes,
    in_brackets,
    partial_mark,
    sources_of,
)
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import (
    HEADINGS,
    best_learners,
    by_kind,
    legend,
    row_names,
    score_estimates,
    seeds_text,
    share_text,
)

# Eight columns with their usual heads fit no page.
_PAPER_HEADINGS = {**HEADINGS, "cvar20": "CVaR@20\N{THIN SPACE}%", "return_norm": "norm. return"}


def make(run: TableRun, episodes: pd.DataFrame) -> Document:
    """Return the main table of all episodes."""
    table, limit = make_main_table(episodes, run.evaluation), run.evaluation.cost_limit
    notes = reference_notes(table, cost_limit=limit) + custom_method_notes(run.custom_methods)
    return main_document(table, run_name=run.name, notes=notes, cost_limit=limit)


def main_document(
    table: pd.DataFrame, *, run_name: str, notes: Sequence[str] = (), cost_limit: float = COST_LIMIT
) -> Document:
    """Return the main table as a document that says its source, budget and rules.

    Args:
        table: as from `main_table` or, of the runs that are finished so far, `partial_table`.
        run_name: the scale of the run, such as `quick` or `paper`.
        notes: sentences without markup, such as those of `reference_notes`.
        cost_limit: the limit that `main_table` was given, stated in the legend.
    """
    mark = in_brackets(partial_mark(table))
    return Document(
        name="main",
        title=f"Main comparison{mark}",
        frame=table,
        sections=list(_sections(table, mark, cost_limit)),
        run_name=run_name,
        source=sources_of(table),
        budget=budget_sentences(table),
        legend=legend(table, cost_limit),
        notes=notes,
        made_from="the episode rows",
        caption_end="Interval: 95\N{THIN SPACE}% percentile bootstrap over seeds.",
    )


def _sections(table: pd.DataFrame, mark: str, cost_limit: float) -> Iterator[Section]:
    bold = best_learners(table, cost_limit)
    for task, rows in table.groupby("task", sort=False):
        yield Section(
            heading=task_display(str(task)),
            caption=f"Main comparison on {task_display(str(task))}{mark}",
            key=str(task),
            columns=["method", "seeds", *(HEADINGS[score] for score in SCORES), "within limit"],
            paper_columns=["method", "seeds", *(_PAPER_HEADINGS[score] for score in SCORES), "within limit"],
            rows=list(_rows(rows, bold[rows.index], cost_limit)),
            stacked=True,
        )


def _rows(rows: pd.DataFrame, bold: pd.Series, cost_limit: float) -> Iterator[Row]:
    cells = zip(
        rows.to_dict("records"), row_names(rows, cost_limit), score_estimates(rows, bold), strict=True
    )
    return by_kind(
        (row["kind"], [name, seeds_text(row), *scores, share_text(row)]) for row, name, scores in cells
    )
