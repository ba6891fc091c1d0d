"""The main table turned around: one grid per score, methods down and tasks across, default variants only."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from safemil.catalogue import method_named, method_order, task_display
from safemil.protocol import DEFAULT_VARIANT
from safemil.statistics.main_table import make_main_table
from safemil.statistics.scores import SCORES
from safemil.tables import captions, text
from safemil.tables.cells import Estimate, Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun

TABLE_COLUMNS = [
    *["score", "task", "method", "kind", "source"],
    *["n_seeds", "n_episodes", "step", "value", "low", "high", "bold"],
]
_COPIED = ["task", "method", "kind", "source", "n_seeds", "n_episodes", "step"]


def make(run: TableRun, episodes: pd.DataFrame) -> Document:
    """Return the grids of all episodes."""
    main = make_main_table(episodes, run.evaluation)
    return document(run, main, text.notes_of(main, run))


def per_task_table(main: pd.DataFrame, cost_limit: float) -> pd.DataFrame:
    """Return one row per score, task and method: mean over seeds, 95 % interval, and whether it is in bold.

    Args:
        main: as from `scores.main_table`; variants other than the default are left out.
        cost_limit: mean cost up to which a learner is safe, and may be in bold.

    Returns:
        Columns `TABLE_COLUMNS`, and n_configured where the main table is a partial one; the numbers are those
        of the main table, and so is the rule of the bold.
    """
    counts = ["n_configured"] if captions.is_partial(main) else []
    bold = text.best_learners(main, cost_limit)
    default = main[main["variant"] == DEFAULT_VARIANT]
    parts = []
    for score in SCORES:
        ends = {end: default[f"{score}_{end}"] for end in ("low", "high")}
        is_bold = bold[default.index] & (score == "cost")
        copied = default[[*_COPIED, *counts]]
        parts.append(copied.assign(score=score, value=default[score], **ends, bold=is_bold))
    return pd.concat(parts, ignore_index=True)[[*TABLE_COLUMNS, *counts]]


def document(run: TableRun, main: pd.DataFrame, notes: Sequence[str] = ()) -> Document:
    """Return the grids of a table as from `main_table` or `partial_table`, with the main table's legend."""
    table, mark = per_task_table(main, run.limit), captions.title_mark(main)
    tasks = list(table["task"].unique())
    sections = [
        Section(
            heading=text.HEADINGS[str(score)],
            columns=["method", *map(task_display, tasks)],
            rows=list(_rows(rows, str(score), tasks)),
            caption=f"{text.HEADINGS[str(score)]}, task by task{mark}",
            key=str(score),
            stacked=True,
        )
        for score, rows in table.groupby("score", sort=False)
    ]
    return Document(
        "per_task",
        f"Task by task{mark}",
        table,
        sections,
        run=run.name,
        source=captions.sources_of(table),
        budget=captions.budget_sentences(table.drop_duplicates(["task", "method"])),
        legend=[*text.legend(main[main["variant"] == DEFAULT_VARIANT], run.limit), *notes],
        made_from="the episode rows",
    )


def _rows(rows: pd.DataFrame, score: str, tasks: Sequence[str]) -> Iterator[Row]:
    by_cell = {(row["method"], row["task"]): row for row in rows.to_dict("records")}
    digits = {task: text.digits_of(score, rows.loc[rows["task"] == task, "value"]) for task in tasks}
    labels = [method_named(method) for method in sorted(rows["method"].unique(), key=method_order)]
    return text.by_kind(
        (label.kind, [label.display, *(_cell(by_cell.get((label.name, t)), digits[t]) for t in tasks)])
        for label in labels
    )


def _cell(cell: Mapping[Hashable, Any] | None, digits: int) -> Estimate:
    if cell is None:
        return Estimate(text.NOT_RUN)
    seeds = text.seeds_text(cell) if "n_configured" in cell else ""
    if not cell["n_seeds"]:
        return Estimate(text.EMPTY, seeds=seeds)
    shown = text.estimate(cell, "value", digits=digits, missing=text.missing_of(cell), bold=cell["bold"])
    return replace(shown, seeds=seeds)
