"""The main table turned around: one grid per score, methods down and tasks across, default variants only."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from safemil.catalogue import DEFAULT_VARIANT, Kind, method_label, method_order, task_display
from safemil.files import write_text
from safemil.statistics.scores import SCORES
from safemil.tables.captions import (
    budget_sentence,
    in_brackets,
    is_partial,
    oracle_sentence,
    partial_mark,
)
from safemil.tables.latex import remark_lines
from safemil.tables.main import csv_text
from safemil.tables.markdown import escape
from safemil.tables.score_grids import GridGroup, GridRow, grid_latex, grid_markdown
from safemil.tables.text import (
    EMPTY,
    HEADINGS,
    KIND_HEADINGS,
    NOT_RUN,
    ScoreText,
    best_learners,
    digits_of,
    estimate_text,
    legend,
    seeds_text,
)

TABLE_COLUMNS = [
    *["score", "task", "method", "kind", "source"],
    *["n_seeds", "n_episodes", "step", "value", "low", "high", "bold"],
]
_COPIED = ["task", "method", "kind", "source", "n_seeds", "n_episodes", "step"]


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


def _grid(rows: pd.DataFrame, score: str, tasks: Sequence[str]) -> Iterator[GridGroup]:
    methods = sorted(rows["method"].unique(), key=method_order)
    by_cell = {(row["method"], row["task"]): row for row in rows.to_dict("records")}
    digits = {
        task: 2 if score == "return_norm" else digits_of(rows.loc[rows["task"] == task, "value"])
        for task in tasks
    }
    groups: dict[Kind, list[GridRow]] = {}
    for method in methods:
        cells = [_cell(by_cell.get((method, task)), digits[task]) for task in tasks]
        label = method_label(method)
        groups.setdefault(label.kind, []).append(GridRow(label.display, cells))
    for kind, grid_rows in groups.items():
        yield GridGroup("" if kind == "learner" else KIND_HEADINGS[kind], grid_rows)


def _cell(cell: Mapping[Hashable, Any] | None, digits: int) -> ScoreText:
    if cell is None:
        return ScoreText(NOT_RUN)
    seeds = seeds_text(cell) if "n_configured" in cell else ""
    if not cell["n_seeds"]:
        return ScoreText(EMPTY, seeds=seeds)
    text = estimate_text(cell["value"], cell["low"], cell["high"], digits=digits, bold=cell["bold"])
    return replace(text, seeds=seeds)


def _grids(table: pd.DataFrame) -> Iterator[tuple[str, list[str], list[GridGroup]]]:
    tasks = list(table["task"].unique())
    columns = ["method", *map(task_display, tasks)]
    for score, rows in table.groupby("score", sort=False):
        yield str(score), columns, list(_grid(rows, str(score), tasks))


def _budget(table: pd.DataFrame) -> str:
    cells = table.drop_duplicates(["task", "method"])
    return ". ".join(filter(None, [budget_sentence(cells), oracle_sentence(cells)])) + "."


def per_task_markdown(table: pd.DataFrame, remarks: Sequence[str], run_name: str, mark: str = "") -> str:
    """Return the grids as a Markdown document, with the main table's legend."""
    source = ", ".join(sorted(table["source"].unique()))
    heading = f"# Task by task{in_brackets(mark)}: run `{run_name}`, source `{source}`"
    lines = [heading, "", _budget(table), ""]
    for score, columns, groups in _grids(table):
        lines += [f"## {escape(HEADINGS[score])}", "", *grid_markdown(columns, groups), ""]
    return "\n".join([*lines, "## How to read it", "", *(f"- {escape(line)}" for line in remarks), ""])


def per_task_latex(table: pd.DataFrame, remarks: Sequence[str], run_name: str, mark: str = "") -> str:
    """Return one booktabs table per score, then the main table's legend."""
    lines = ["% Generated from the episode rows; needs \\usepackage{booktabs}."]
    for score, columns, groups in _grids(table):
        caption = f"{HEADINGS[score]}, task by task{in_brackets(mark)}, run {run_name}. {_budget(table)}"
        label = f"tab:per-task-{score}".replace("_", "-")
        lines += ["", *grid_latex(columns, groups, caption=caption, label=label)]
    return "\n".join([*lines, "", *remark_lines(remarks), ""])


def write_per_task_table(
    main: pd.DataFrame, directory: Path, *, run_name: str, notes: Sequence[str], cost_limit: float
) -> list[Path]:
    """Write per_task.csv, per_task.md and per_task.tex, atomically; return their paths.

    Args:
        main: as from `scores.main_table`.
        directory: is made if it does not exist.
        run_name: the scale of the run, such as `quick` or `paper`.
        notes: sentences without markup, such as those of `reference_notes`.
        cost_limit: the limit of the scores, stated in the legend.
    """
    table, mark = per_task_table(main, cost_limit), partial_mark(main)
    remarks = [*legend(main[main["variant"] == DEFAULT_VARIANT], cost_limit), *notes]
    texts = {
        "per_task.csv": csv_text(table),
        "per_task.md": per_task_markdown(table, remarks, run_name, mark),
        "per_task.tex": per_task_latex(table, remarks, run_name, mark),
    }
    return [write_text(directory / name, text) for name, text in texts.items()]
