"""The table of learned costs as files: CSV for programs, Markdown for readers, LaTeX for papers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from safemil.catalogue import task_display
from safemil.data.held_out import SET_SIZE
from safemil.files import write_text
from safemil.learned_cost.rows import SCORES
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.tables.latex import remark_lines
from safemil.tables.main import csv_text
from safemil.tables.markdown import escape
from safemil.tables.plain import latex_lines, markdown_lines
from safemil.tables.text import TOO_FEW, UNDEFINED, row_name

HEADER = [
    *["method", "held out", "seeds"],
    *["step AUROC", "step rank corr.", "episode AUROC", "episode rank corr."],
]


def _task_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return the cells of the rows of one task, as `HEADER` names them."""
    return [
        [
            row_name(row["method"], row["variant"]),
            row["held_out"],
            str(row["n_seeds"]),
            *(_score(row, score) for score in SCORES),
        ]
        for row in table.to_dict("records")
    ]


def _score(row: dict[Any, Any], score: str) -> str:
    mean, low, high = (row[f"{score}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(mean):
        return f"{UNDEFINED} ({row[f'{score}_missing']})"
    # z turns a rounded -0.00 into 0.00
    return f"{mean:z.2f} " + (f"({TOO_FEW})" if pd.isna(low) else f"[{low:z.2f}, {high:z.2f}]")


def _counts(table: pd.DataFrame) -> str:
    """Return what the held-out sets of one task are made of, as one sentence."""
    parts = [
        f"{row['held_out']}: {row['n_trajectories']} episodes, {row['n_unsafe']} unsafe, "
        f"{row['n_transitions']:,} steps, {row['n_costly']:,} costly"
        for row in table.drop_duplicates("held_out").to_dict("records")
    ]
    return "; ".join(parts) + "."


def _legend(table: pd.DataFrame, cost_limit: float) -> Iterator[str]:
    steps = " and ".join(f"{step:,}" for step in sorted(table["step"].unique()))
    yield (
        "How well a learned cost orders steps and episodes that no method has seen; true costs enter here "
        f"only. After {steps} gradient steps."
    )
    yield (
        f"Cells: mean over seeds [{100 * CONFIDENCE:g} % percentile bootstrap interval over seeds]. All "
        "seeds are scored on the same held-out episodes; what another draw of them would change is not "
        "included."
    )
    yield (
        f"Held out, all: at most {SET_SIZE} trajectories of the source, drawn at random from those that are "
        "neither in D_N nor in D_U, filtered ones included. Classes: at most half as many from each of the "
        "two classes of the split, preferred and non-preferred, of which D_N and D_U are made."
    )
    yield (
        "Step AUROC: learned cost of a step, for true cost above 0; step rank corr.: Spearman's, with the "
        "true cost of the step. Episode AUROC: mean learned cost of an episode, for a true cost above "
        f"{cost_limit:g} (unsafe); episode rank corr.: Spearman's, of the sum of the learned cost with the "
        "true one. Ties count half. AUROC 0.5 and correlation 0 are chance."
    )
    yield (
        "A rank correlation with costs of 0 and 1, a share p of them 1, is at most the square root of "
        "3 p (1 − p) where no two learned costs are equal: it is low by nature where costs are rare."
    )
    if (table["n_seeds"] < MINIMUM_SEEDS).any():
        yield f"{TOO_FEW}: fewer than {MINIMUM_SEEDS} seeds, so no interval is computed."
    if table[SCORES].isna().any(axis=None):
        yield f"{UNDEFINED}: undefined, for the reason given."


def learned_cost_markdown(table: pd.DataFrame, *, run_name: str, cost_limit: float) -> str:
    """Return the table as a Markdown document, one table per task."""
    lines = [f"# What the learned cost knows: run `{run_name}`, source `{_sources(table)}`", ""]
    for task, rows in table.groupby("task", sort=False):
        lines += [f"## {task_display(str(task))}", "", *markdown_lines(HEADER, _task_rows(rows)), ""]
        lines += [f"Held out, {escape(_counts(rows))}", ""]
    legend = [f"- {escape(line)}" for line in _legend(table, cost_limit)]
    return "\n".join([*lines, "## How to read it", "", *legend, ""])


def learned_cost_latex(table: pd.DataFrame, *, run_name: str, cost_limit: float) -> str:
    """Return one LaTeX table per task, then the legend."""
    lines = ["% Generated from the scores of each run; needs \\usepackage{booktabs}."]
    for task, rows in table.groupby("task", sort=False):
        caption = (
            f"What the learned cost knows on {task_display(str(task))}, run {run_name}, source "
            f"{_sources(table)}. Held out, {_counts(rows)}"
        )
        label = f"tab:learned-cost-{task}".replace("_", "-")
        lines += ["", *latex_lines(HEADER, _task_rows(rows), caption=caption, label=label)]
    return "\n".join([*lines, "", *remark_lines(list(_legend(table, cost_limit))), ""])


def _sources(table: pd.DataFrame) -> str:
    return ", ".join(sorted(table["source"].unique()))


def write_learned_cost_table(
    table: pd.DataFrame, directory: Path, *, run_name: str, cost_limit: float
) -> Sequence[Path]:
    """Write learned_cost.csv, learned_cost.md and learned_cost.tex, atomically; return their paths.

    Args:
        table: as from `learned_cost_table`.
        directory: is made if it does not exist.
        run_name: the scale of the run, such as `quick` or `paper`.
        cost_limit: the limit that the runs were scored with, stated in the legend.
    """
    texts = {
        "learned_cost.csv": csv_text(table),
        "learned_cost.md": learned_cost_markdown(table, run_name=run_name, cost_limit=cost_limit),
        "learned_cost.tex": learned_cost_latex(table, run_name=run_name, cost_limit=cost_limit),
    }
    return [write_text(directory / name, text) for name, text in texts.items()]
