"""Separability of the data beside the cost avoided: the most separable task first, a column per learner."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import method_named, method_order, task_display
from safemil.statistics import avoided_cost
from safemil.statistics.avoided_cost import FEW_SEEDS, MINIMUM_TASKS, NO_ROOM, rank_correlations
from safemil.statistics.intervals import CONFIDENCE
from safemil.statistics.scores import seed_scores
from safemil.tables.captions import amount, sentences, sources_of
from safemil.tables.cells import Estimate, Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import TOO_FEW, UNDEFINED, estimate

_LEGEND = f"""
AUROC of pairs: how well a linear classifier tells pairs of non-preferred from pairs of preferred
trajectories, one pair at a time, on trajectories that it was not trained on; from the data card. 0.5 is
chance. The most separable task stands first.

Cells: share of the avoidable cost that a method avoids, (C_BC − C) / (C_BC − C_BC-Safe), of mean costs over
{{seeds}} after {{steps}} [{100 * CONFIDENCE:g} % percentile bootstrap interval over the seeds of all three].
0: as costly as BC-Unlabeled; 1: as BC-Safe, which imitates the preferred trajectories alone. It says nothing
of the return.

Rank correlation: Spearman's, over the tasks for which the share is defined; p from all orders of the tasks,
two-sided. Few tasks: a description, and no proof of a cause.
"""


def make(run: TableRun, episodes: pd.DataFrame, cards: Sequence[Path], tasks: Sequence[str]) -> Document:
    """Return the table of these tasks; `cards` are the data cards of their splits."""
    seeds = seed_scores(episodes[episodes["task"].isin(tasks)])
    measured = avoided_cost.read_separability(cards)
    return document(run, avoided_cost.separability_table(seeds, measured, **run.bootstrap))


def document(run: TableRun, table: pd.DataFrame) -> Document:
    """Return a table as from `separability_table`, a column per learner."""
    methods = sorted(table["method"].unique(), key=method_order)
    names = [method_named(method).display for method in methods]
    caption = "Separability of the data, and share of the avoidable cost avoided"
    section = Section(
        columns=["task", "AUROC of pairs", *names], rows=list(_rows(table, methods)), caption=caption
    )
    return Document(
        "separability",
        "Separability of the data, and cost avoided",
        table,
        [section],
        run=run.name,
        source=sources_of(table),
        legend=list(_legend(table)),
        made_from="the episode rows and the data cards",
    )


def _rows(table: pd.DataFrame, methods: Sequence[str]) -> Iterator[Row]:
    for task, rows in table.groupby("task", sort=False):
        by_method = {row["method"]: row for row in rows.to_dict("records")}
        cells = [avoided_estimate(by_method[method]) if method in by_method else "" for method in methods]
        yield [task_display(str(task)), _auroc(rows["separability"].iloc[0]), *cells]
    yield ["rank correlation", "", *map(_rank, rank_correlations(table).to_dict("records"))]


def avoided_estimate(row: Mapping[Hashable, Any]) -> Estimate:
    """Return the avoided share of a row of `separability_table`, or what stands where there is none."""
    if row["missing"]:
        return Estimate(TOO_FEW if row["missing"] == FEW_SEEDS else UNDEFINED)
    return estimate(row, "avoided", digits=2)


def _auroc(value: float) -> str:
    return UNDEFINED if pd.isna(value) else f"{value:.3f}"


def _rank(row: Mapping[Any, Any]) -> str:
    if np.isnan(row["spearman"]):
        return UNDEFINED
    return f"{row['spearman']:z.2f} (n = {row['n_tasks']}, p = {row['p_value']:.2f})"


def _legend(table: pd.DataFrame) -> Iterator[str]:
    seeds, steps = amount(table["n_seeds"], "seed"), amount(table["step"], "gradient step")
    yield from sentences(_LEGEND.format(seeds=seeds, steps=steps))
    if (table["missing"] == NO_ROOM).any():
        yield f"{UNDEFINED}: {NO_ROOM}, or for a correlation fewer than {MINIMUM_TASKS} tasks."
    elif rank_correlations(table)["spearman"].isna().any():
        yield f"{UNDEFINED}: fewer than {MINIMUM_TASKS} tasks."
    if (table["missing"] == FEW_SEEDS).any():
        yield f"{TOO_FEW}: {FEW_SEEDS}."
