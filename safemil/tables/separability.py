"""Separability of the data beside the cost avoided: the most separable task first, a column per learner."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import method_label, method_order, task_display
from safemil.statistics.avoided_cost import (
    FEW_SEEDS,
    MINIMUM_TASKS,
    NO_ROOM,
    rank_correlations,
    read_separability,
    separability_table,
)
from safemil.statistics.intervals import CONFIDENCE
from safemil.statistics.scores import seed_scores
from safemil.tables.captions import amount, sources_of
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import TOO_FEW, UNDEFINED, avoided_estimate


def make(run: TableRun, episodes: pd.DataFrame, cards: Sequence[Path], *, tasks: Sequence[str]) -> Document:
    """Return the table of these tasks; `cards` are the data cards of their splits."""
    table = separability_table(
        seed_scores(episodes[episodes["task"].isin(tasks)]),
        read_separability(cards),
        n_resamples=run.evaluation.bootstrap_resamples,
        bootstrap_seed=run.evaluation.bootstrap_seed,
    )
    return separability_document(table, run_name=run.name)


def separability_document(table: pd.DataFrame, *, run_name: str) -> Document:
    """Return the table as a document.

    Args:
        table: as from `separability_table`.
        run_name: the scale of the run, such as `quick` or `paper`.
    """
    methods = sorted(table["method"].unique(), key=method_order)
    return Document(
        name="separability",
        title="Separability of the data, and cost avoided",
        frame=table,
        sections=[
            Section(
                columns=["task", "AUROC of pairs", *(method_label(method).display for method in methods)],
                rows=list(_rows(table, methods)),
                caption="Separability of the data, and share of the avoidable cost avoided",
            )
        ],
        run_name=run_name,
        source=sources_of(table),
        legend=list(_legend(table)),
        made_from="the episode rows and the data cards",
    )


def _rows(table: pd.DataFrame, methods: Sequence[str]) -> Iterator[Row]:
    for task, rows in table.groupby("task", sort=False):
        by_method = {row["method"]: row for row in rows.to_dict("records")}
        cells = [avoided_estimate(by_method[method]) if method in by_method else "" for method in methods]
        yield [task_display(str(task)), _auroc(rows["separability"].iloc[0]), *cells]
    ranks = rank_correlations(table).to_dict("records")
    yield ["rank correlation", "", *map(_rank, ranks)]


def _auroc(value: float) -> str:
    return UNDEFINED if pd.isna(value) else f"{value:.3f}"


def _rank(row: Mapping[Any, Any]) -> str:
    if np.isnan(row["spearman"]):
        return UNDEFINED
    return f"{row['spearman']:z.2f} (n = {row['n_tasks']}, p = {row['p_value']:.2f})"


def _legend(table: pd.DataFrame) -> Iterator[str]:
    seeds, steps = amount(table["n_seeds"], "seed"), amount(table["step"], "gradient step")
    yield (
        "AUROC of pairs: how well a linear classifier tells pairs of non-preferred from pairs of preferred "
        "trajectories, one pair at a time, on trajectories that it was not trained on; from the data card. "
        "0.5 is chance. The most separable task stands first."
    )
    yield (
        "Cells: share of the avoidable cost that a method avoids, (C_BC − C) / (C_BC − C_BC-Safe), of mean "
        f"costs over {seeds} after {steps} [{100 * CONFIDENCE:g} % percentile bootstrap "
        "interval over the seeds of all three]. 0: as costly as BC-Unlabeled; 1: as BC-Safe, which imitates "
        "the preferred trajectories alone. It says nothing of the return."
    )
    yield (
        "Rank correlation: Spearman's, over the tasks for which the share is defined; p from all orders of "
        "the tasks, two-sided. Few tasks: a description, and no proof of a cause."
    )
    if (table["missing"] == NO_ROOM).any():
        yield f"{UNDEFINED}: {NO_ROOM}, or for a correlation fewer than {MINIMUM_TASKS} tasks."
    elif rank_correlations(table)["spearman"].isna().any():
        yield f"{UNDEFINED}: fewer than {MINIMUM_TASKS} tasks."
    if (table["missing"] == FEW_SEEDS).any():
        yield f"{TOO_FEW}: {FEW_SEEDS}."
