"""The table of learned costs: how well each orders steps and episodes that no method has seen."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from safemil.catalogue import row_name, task_display
from safemil.data.held_out import SET_SIZE
from safemil.learned_cost.rows import SCORES
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.learned_cost import learned_cost_table
from safemil.tables.captions import sentences, sources_of
from safemil.tables.cells import Estimate, Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import REASONS, TOO_FEW, UNDEFINED, estimate

HEADER = [
    *["method", "held out", "seeds"],
    *["step AUROC", "step rank corr.", "episode AUROC", "episode rank corr."],
]


_LEGEND = f"""
How well a learned cost orders steps and episodes that no method has seen; true costs enter here only. After
{{steps}} gradient steps.

Cells: mean over seeds [{100 * CONFIDENCE:g} % percentile bootstrap interval over seeds]. All seeds are scored
on the same held-out episodes; what another draw of them would change is not included.

Held out, all: at most {SET_SIZE} trajectories of the source, drawn at random from those that are neither in
D_N nor in D_U, filtered ones included. Classes: at most half as many from each of the two classes of the
split, preferred and non-preferred, of which D_N and D_U are made.

Step AUROC: learned cost of a step, for true cost above 0; step rank corr.: Spearman's, with the true cost of
the step. Episode AUROC: mean learned cost of an episode, for a true cost above {{limit:g}} (unsafe); episode
rank corr.: Spearman's, of the sum of the learned cost with the true one. Ties count half. AUROC 0.5 and
correlation 0 are chance.

A rank correlation with costs of 0 and 1, a share p of them 1, is at most the square root of 3 p (1 − p) where
no two learned costs are equal: it is low by nature where costs are rare.
"""


def make(run: TableRun, scores: pd.DataFrame) -> Document:
    """Return the table of the scores of all learned costs."""
    return document(run, learned_cost_table(scores, **run.bootstrap))


def document(run: TableRun, table: pd.DataFrame) -> Document:
    """Return a table as from `learned_cost_table` with a section per task."""
    title = "What the learned cost knows"
    sections = [
        Section(
            heading=task_display(str(task)),
            columns=HEADER,
            rows=[_row(row) for row in rows.to_dict("records")],
            note=f"Held out, {_counts(rows)}",
            caption=f"{title} on {task_display(str(task))}",
            key=str(task),
        )
        for task, rows in table.groupby("task", sort=False)
    ]
    said = {"run": run.name, "source": sources_of(table), "made_from": "the scores of each run"}
    return Document("learned_cost", title, table, sections, legend=list(_legend(table, run.limit)), **said)


def _row(row: Mapping[Hashable, Any]) -> Row:
    name, seeds = row_name(row["method"], row["variant"]), str(row["n_seeds"])
    return [name, row["held_out"], seeds, *(_score(row, score) for score in SCORES)]


def _score(row: Mapping[Hashable, Any], score: str) -> Estimate:
    if pd.isna(row[score]):
        return Estimate(UNDEFINED, missing=row[f"{score}_missing"])
    return estimate(row, score, digits=2)


def _counts(table: pd.DataFrame) -> str:
    """Return what the held-out sets of one task are made of, as one sentence."""
    parts = [
        f"{row['held_out']}: {row['n_trajectories']} episodes, {row['n_unsafe']} unsafe, "
        f"{row['n_transitions']:,} steps, {row['n_costly']:,} costly"
        for row in table.drop_duplicates("held_out").to_dict("records")
    ]
    return "; ".join(parts) + "."


def _legend(table: pd.DataFrame, limit: float) -> Iterator[str]:
    steps = " and ".join(f"{step:,}" for step in sorted(table["step"].unique()))
    yield from sentences(_LEGEND.format(steps=steps, limit=limit))
    if (table["n_seeds"] < MINIMUM_SEEDS).any():
        yield REASONS[TOO_FEW]
    if table[SCORES].isna().any(axis=None):
        yield f"{UNDEFINED}: undefined, for the reason given."
