"""The main table turned around: one grid per score, methods down and tasks across, default variants only."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from safemil.catalogue import DEFAULT_VARIANT, method_label, method_order, task_display
from safemil.statistics.main_table import make_main_table
from safemil.statistics.scores import SCORES, reference_notes
from safemil.tables.captions import (
    budget_sentences,
    custom_method_notes,
    in_brackets,
    is_partial,
    partial_mark,
    sources_of,
)
from safemil.tables.cells import Estimate, Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import (
    EMPTY,
    HEADINGS,
    NOT_RUN,
    best_learners,
    by_kind,
    digits_of,
    estimate,
    legend,
    missing_of,
    seeds_text,
)

TABLE_COLUMNS = [
    *["score", "task", "method", "kind", "source"],
    *["n_seeds", "n_episodes", "step", "value", "low", "high", "bold"],
]
_COPIED = ["task", "method", "kind", "source", "n_seeds", "n_episodes", "step"]


def make(run: TableRun, episodes: pd.DataFrame) -> Document:
    """Return the grids of all episodes."""
    table, limit = make_main_table(episodes, run.evaluation), run.evaluation.cost_limit
    notes = reference_notes(table, cost_limit=limit) + custom_method_notes(run.custom_methods)
    return per_task_document(table, run_name=run.name, notes=notes, cost_limit=limit)


def per_task_table(main: pd.DataFrame, cost_limit: float) -> pd.DataFrame:
    """Return one row per score, task and method: mean over seeds, 95 % interval, and whether it is in bold.

    Args:
        main: as from `scores.main_table`; variants other than the default are left out.
        cost_limit: mean cost up to which a learner is safe, and may be in bold.

    Returns:
        Columns `TABLE_COLUMNS`, and n_configured where the main table is a partial one; the numbers are those
        of the main table, and so is the rule of the bold.
    """
    counts = ["n_configured"] if is_partial(main) else []
    bold = best_learners(main, cost_limit)
    default = main[main["variant"] == DEFAULT_VARIANT]
    parts = []
    for score in SCORES:
        ends = {end: default[f"{score}_{end}"] for end in ("low", "high")}
        is_bold = bold[default.index] & (score == "cost")
        copied = default[[*_COPIED, *counts]]
        parts.append(copied.assign(score=score, value=default[score], **ends, bold=is_bold))
    return pd.concat(parts, ignore_index=True)[[*TABLE_COLUMNS, *counts]]


def per_task_document(
    main: pd.DataFrame, *, run_name: str, notes: Sequence[str], cost_limit: float
) -> Document:
    """Return the grids, with the main table's legend.

    Args:
        main: as from `scores.main_table` or `partial_table`.
        run_name: the scale of the run, such as `quick` or `paper`.
        notes: sentences without markup, such as those of `reference_notes`.
        cost_limit: the limit of the scores, stated in the legend.
    """
    table, mark = per_task_table(main, cost_limit), in_brackets(partial_mark(main))
    return Document(
        name="per_task",
        title=f"Task by task{mark}",
        frame=table,
        sections=list(_sections(table, mark)),
        run_name=run_name,
        source=sources_of(table),
        budget=budget_sentences(table.drop_duplicates(["task", "method"])),
        legend=[*legend(main[main["variant"] == DEFAULT_VARIANT], cost_limit), *notes],
        made_from="the episode rows",
    )


def _sections(table: pd.DataFrame, mark: str) -> Iterator[Section]:
    tasks = list(table["task"].unique())
    for score, rows in table.groupby("score", sort=False):
        yield Section(
            heading=HEADINGS[str(score)],
            caption=f"{HEADINGS[str(score)]}, task by task{mark}",
            key=str(score),
            columns=["method", *map(task_display, tasks)],
            rows=list(_rows(rows, str(score), tasks)),
            stacked=True,
        )


def _rows(rows: pd.DataFrame, score: str, tasks: Sequence[str]) -> Iterator[Row]:
    by_cell = {(row["method"], row["task"]): row for row in rows.to_dict("records")}
    digits = {task: digits_of(score, rows.loc[rows["task"] == task, "value"]) for task in tasks}
    labels = [method_label(method) for method in sorted(rows["method"].unique(), key=method_order)]
    return by_kind(
        (label.kind, [label.display, *(_cell(by_cell.get((label.name, t)), digits[t]) for t in tasks)])
        for label in labels
    )


def _cell(cell: Mapping[Hashable, Any] | None, digits: int) -> Estimate:
    if cell is None:
        return Estimate(NOT_RUN)
    seeds = seeds_text(cell) if "n_configured" in cell else ""
    if not cell["n_seeds"]:
        return Estimate(EMPTY, seeds=seeds)
    shown = estimate(cell, "value", digits=digits, missing=missing_of(cell), bold=cell["bold"])
    return replace(shown, seeds=seeds)
