"""What each method has learned, and what its weights leave, beside the cost that it avoids."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import method_named, method_order, task_display
from safemil.statistics import selection
from safemil.statistics.avoided_cost import FEW_SEEDS, read_separability_table
from safemil.statistics.selection import MINIMUM_METHODS, PERMUTATIONS, PREDICTORS, rank_correlations
from safemil.tables.captions import amount, sentences, sources_of
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.separability import avoided_estimate
from safemil.tables.text import TOO_FEW, UNDEFINED

_LEGEND = f"""
Means over {{seeds}} after {{steps}}. Tasks are in the order of the table of separability.

Episode AUROC: how well the learned cost tells unsafe from safe episodes among held-out trajectories of the
two classes of the data. 0.5 is chance, 1 without an error.

Share left: effective share of the unlabelled trajectories that the weights leave to be imitated, at the end
of training. 1: no selection; the share of preferred trajectories would be left by weights that take these and
no others.

Cost avoided: (C_BC − C) / (C_BC − C_BC-Safe), as in the table of separability; 0: as costly as BC-Unlabeled,
1: as BC-Safe.

Rank correlation: Spearman's over the methods of a task, averaged over tasks with at least {MINIMUM_METHODS}
methods; p from {PERMUTATIONS:,} permutations of the methods within tasks, two-sided. A description of these
methods, and no proof of a cause.
"""


def make(run: TableRun, separability: Path, losses: pd.DataFrame, learned: pd.DataFrame) -> Document:
    """Return the table, from separability.csv, the logs of the trainings and the scores of learned costs."""
    avoided, shares = read_separability_table(separability), selection.last_shares(losses)
    return document(run, selection.selection_table(avoided, learned, shares))


def document(run: TableRun, table: pd.DataFrame) -> Document:
    """Return a table as from `selection_table`, a row per task and method."""
    ranks, heads = rank_correlations(table), ["task", "method", *PREDICTORS.values(), "cost avoided"]
    return Document(
        "selection",
        "What is learned, what is left to imitate, and the cost avoided",
        table,
        [Section(columns=heads, rows=list(_rows(table, ranks)), alignment="llrrr")],
        run=run.name,
        source=sources_of(table),
        legend=_legend(table, ranks),
        made_from="episode rows, learned costs and training logs",
    )


def _rows(table: pd.DataFrame, ranks: pd.DataFrame) -> Iterator[Row]:
    for task, rows in table.groupby("task", sort=False):
        in_order = sorted(rows.to_dict("records"), key=lambda row: method_order(str(row["method"])))
        for place, row in enumerate(in_order):
            name = task_display(str(task)) if place == 0 else ""
            numbers = [_number(row[predictor]) for predictor in PREDICTORS]
            yield [name, method_named(str(row["method"])).display, *numbers, avoided_estimate(row)]
    yield ["rank correlation", "with the cost avoided", *map(_rank, ranks.to_dict("records")), ""]


def _number(value: float) -> str:
    return UNDEFINED if pd.isna(value) else f"{value:.2f}"


def _rank(row: Mapping[Any, Any]) -> str:
    if np.isnan(row["mean_spearman"]):
        return UNDEFINED
    tasks = "task" if row["n_tasks"] == 1 else "tasks"
    return f"{row['mean_spearman']:z.2f} (p = {row['p_value']:.3f}, {row['n_tasks']} {tasks})"


def _legend(table: pd.DataFrame, ranks: pd.DataFrame) -> list[str]:
    if table.empty:
        return ["No finished method has a learned cost and logs the share that its weights leave."]
    seeds, steps = amount(table["n_seeds"], "seed"), amount(table["step"], "gradient step")
    lines = sentences(_LEGEND.format(seeds=seeds, steps=steps))
    if not (table["missing"] == "").all() or ranks["mean_spearman"].isna().any():
        lines.append(f"{UNDEFINED}: undefined. {TOO_FEW}: {FEW_SEEDS}.")
    return lines
