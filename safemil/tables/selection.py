"""What each method has learned, and what its weights leave, beside the cost that it avoids."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import method_label, method_order, task_display
from safemil.statistics.avoided_cost import FEW_SEEDS, read_separability_table
from safemil.statistics.selection import (
    MINIMUM_METHODS,
    PERMUTATIONS,
    PREDICTORS,
    Key,
    last_shares,
    rank_correlations,
    selection_table,
)
from safemil.tables.captions import amount, sources_of
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import TOO_FEW, UNDEFINED, avoided_estimate


def make(run: TableRun, separability: Path, logs: Mapping[Key, Path], learned: pd.DataFrame) -> Document:
    """Return the table, from separability.csv, the logs of the trainings and the scores of learned costs."""
    table = selection_table(read_separability_table(separability), learned, last_shares(logs))
    return selection_document(table, run_name=run.name)


def selection_document(table: pd.DataFrame, *, run_name: str) -> Document:
    """Return the table as a document.

    Args:
        table: as from `selection_table`.
        run_name: the scale of the run, such as `quick` or `paper`.
    """
    ranks = rank_correlations(table)
    return Document(
        name="selection",
        title="What is learned, what is left to imitate, and the cost avoided",
        frame=table,
        sections=[
            Section(
                columns=["task", "method", *PREDICTORS.values(), "cost avoided"],
                rows=list(_rows(table, ranks)),
                alignment="llrrr",
            )
        ],
        run_name=run_name,
        source=sources_of(table),
        legend=list(_legend(table, ranks)),
        made_from="episode rows, learned costs and training logs",
    )


def _rows(table: pd.DataFrame, ranks: pd.DataFrame) -> Iterator[Row]:
    for task, rows in table.groupby("task", sort=False):
        in_order = sorted(rows.to_dict("records"), key=lambda row: method_order(str(row["method"])))
        for place, row in enumerate(in_order):
            name = task_display(str(task)) if place == 0 else ""
            numbers = [_number(row[predictor]) for predictor in PREDICTORS]
            yield [name, method_label(str(row["method"])).display, *numbers, avoided_estimate(row)]
    yield ["rank correlation", "with the cost avoided", *map(_rank, ranks.to_dict("records")), ""]


def _number(value: float) -> str:
    return UNDEFINED if pd.isna(value) else f"{value:.2f}"


def _rank(row: Mapping[Any, Any]) -> str:
    if np.isnan(row["mean_spearman"]):
        return UNDEFINED
    tasks = "task" if row["n_tasks"] == 1 else "tasks"
    return f"{row['mean_spearman']:z.2f} (p = {row['p_value']:.3f}, {row['n_tasks']} {tasks})"


def _legend(table: pd.DataFrame, ranks: pd.DataFrame) -> Iterator[str]:
    if table.empty:
        yield "No finished method has a learned cost and logs the share that its weights leave."
        return
    yield (
        f"Means over {amount(table['n_seeds'], 'seed')} after {amount(table['step'], 'gradient step')}. "
        "Tasks are in the order of the table of separability."
    )
    yield (
        "Episode AUROC: how well the learned cost tells unsafe from safe episodes among held-out "
        "trajectories of the two classes of the data. 0.5 is chance, 1 without an error."
    )
    yield (
        "Share left: effective share of the unlabelled trajectories that the weights leave to be imitated, "
        "at the end of training. 1: no selection; the share of preferred trajectories would be left by "
        "weights that take these and no others."
    )
    yield (
        "Cost avoided: (C_BC − C) / (C_BC − C_BC-Safe), as in the table of separability; 0: as costly as "
        "BC-Unlabeled, 1: as BC-Safe."
    )
    yield (
        "Rank correlation: Spearman's over the methods of a task, averaged over tasks with at least "
        f"{MINIMUM_METHODS} methods; p from {PERMUTATIONS:,} permutations of the methods within tasks, "
        "two-sided. A description of these methods, and no proof of a cause."
    )
    if not (table["missing"] == "").all() or ranks["mean_spearman"].isna().any():
        yield f"{UNDEFINED}: undefined. {TOO_FEW}: {FEW_SEEDS}."
