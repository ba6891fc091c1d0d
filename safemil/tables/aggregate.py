"""The table over all tasks as files: CSV for programs, Markdown for readers, LaTeX for papers."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from safemil.catalogue import Kind, method_label, task_display
from safemil.files import write_text
from safemil.statistics.improvement import OVERALL, PER_TASK, READINGS
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.over_tasks import FACTOR, IQM, IQM_SCORES, PROBABILITY
from safemil.tables.captions import budget_sentence, oracle_sentence
from safemil.tables.latex import remark_lines
from safemil.tables.main import csv_text
from safemil.tables.markdown import escape
from safemil.tables.score_grids import GridGroup, GridRow, grid_latex, grid_markdown
from safemil.tables.text import (
    HEADINGS,
    KIND_HEADINGS,
    MINIMUM_RETURN_NORM,
    TOO_FEW,
    UNDEFINED,
    ScoreText,
    digits_of,
    estimate_text,
)

_HEADINGS = {**HEADINGS, "share_within_limit": "within limit"}
_COMPARED = {"cost": "lower cost", "cvar20": "lower CVaR@20 %", "return": "higher return"}
_TITLES = {
    IQM: "Interquartile mean over tasks and seeds",
    PROBABILITY: "Probability that a seed of SafeMIL is better than one of the baseline",
    FACTOR: "By which factor SafeMIL costs less than the strongest baseline",
}


def best_aggregate(table: pd.DataFrame, cost_limit: float) -> str | None:
    """Return the learner with the lowest IQM of cost − ref., of those that earn enough and are safe.

    Enough is an IQM of the normalised return of the main table's `MINIMUM_RETURN_NORM`, safe an IQM of the
    cost within the limit; None where no learner has both.
    """
    iqm = table[(table["statistic"] == IQM) & (table["kind"] == "learner")]
    values = iqm.pivot_table(index="method", columns="score", values="value", dropna=False)
    if values.empty:
        return None
    enough, safe = values["return_norm"] >= MINIMUM_RETURN_NORM, values["cost"] <= cost_limit
    qualified = values.loc[enough & safe, "cost_diff"]
    return str(qualified.idxmin()) if len(qualified) else None


def _texts(rows: pd.DataFrame, digits: int, bold: bool = False) -> list[ScoreText]:
    ends = rows[["value", "low", "high"]].itertuples(index=False, name=None)
    return [estimate_text(*each, digits=digits, bold=bold) for each in ends]


def _iqm_grid(table: pd.DataFrame, best: str | None) -> tuple[list[str], list[GridGroup]]:
    rows = table[table["statistic"] == IQM]
    decimals = {score: digits_of(rows.loc[rows["score"] == score, "value"]) for score in IQM_SCORES}
    decimals |= {"return_norm": 2}
    groups: dict[Kind, list[GridRow]] = {}
    for method, of_method in rows.groupby("method", sort=False):
        by_score = of_method.set_index("score")
        cells = [
            _texts(by_score.loc[[score]], decimals[score], method == best and score == "cost_diff")[0]
            for score in IQM_SCORES
        ]
        label = method_label(str(method))
        groups.setdefault(label.kind, []).append(GridRow(label.display, cells))
    headed = [GridGroup("" if kind == "learner" else KIND_HEADINGS[kind], g) for kind, g in groups.items()]
    return ["method", *(_HEADINGS[score] for score in IQM_SCORES)], headed


def _probability_grid(table: pd.DataFrame) -> tuple[list[str], list[GridGroup]]:
    rows = table[table["statistic"] == PROBABILITY]
    lines = [
        GridRow(method_label(str(name)).display, _texts(group.set_index("score").loc[[*_COMPARED]], 2))
        for name, group in rows.groupby("baseline", sort=False)
    ]
    return ["baseline", *_COMPARED.values()], [GridGroup("", lines)]


def _factor_grid(table: pd.DataFrame) -> tuple[list[str], list[GridGroup]]:
    rows = table[table["statistic"] == FACTOR]
    lines = [
        GridRow(READINGS[str(reading)], [_factor_text(*each) for each in _cells(group)])
        for reading, group in rows.groupby("score", sort=False)
    ]
    return ["reading", "best baseline overall", "best baseline per task"], [GridGroup("", lines)]


def _cells(group: pd.DataFrame) -> Iterator[tuple[float, float, float]]:
    yield from group[["value", "low", "high"]].itertuples(index=False, name=None)


def _factor_text(value: float, low: float, high: float) -> ScoreText:
    text = estimate_text(value, low, high, digits=2)
    # Why there is no interval stands in a note of its own: it need not be the seeds.
    return text if text.interval else ScoreText(text.mean)


def _factor_notes(table: pd.DataFrame) -> Iterator[str]:
    rows = table[table["statistic"] == FACTOR]
    yield from (f"Strongest baseline {choice}." for choice in rows["baseline"].drop_duplicates())
    for row in rows[rows["missing"] != ""].to_dict("records"):
        choice = OVERALL if row["baseline"].startswith(OVERALL) else PER_TASK
        what = "no value" if np.isnan(row["value"]) else "no interval"
        yield f"{READINGS[row['score']]}, baseline {choice}: {what}, {row['missing']}."


def _legend(table: pd.DataFrame, cost_limit: float) -> Iterator[str]:
    yield (
        f"Brackets: {100 * CONFIDENCE:g} % percentile bootstrap interval; seeds are drawn anew within each "
        "task, tasks and references stay as they are. It says nothing about other tasks, and with few seeds "
        "it is too narrow (docs/statistics.md)."
    )
    yield (
        "Interquartile mean: of all runs (task, seed) the lowest and the highest quarter are left out. "
        "Normalised return: 0 = random actions, 1 = constrained reference. Ref.: the constrained reference "
        f"of the task. Within limit: share of a run's episodes with a cost of at most {cost_limit:g}."
    )
    yield (
        "Raw costs of different tasks are on different scales, so that cost − ref. is what to compare. Bold: "
        f"the lowest of it among learners whose normalised return here is at least {MINIMUM_RETURN_NORM:g} "
        f"and whose cost here is within the limit of {cost_limit:g}."
    )
    yield (
        "Probability: of a random seed of either method, a tie counting half, mean over tasks; above 0.5 "
        "SafeMIL is better. It says how often, not by how much."
    )
    yield (
        "Factor: C is the mean cost of the baseline, C' that of SafeMIL. The paper says 3.7 times, without a "
        "formula. Strongest: the lowest interquartile mean of C − C_con (overall), or the lowest C of each "
        "task, whatever it returns; chosen once, not in each resample."
    )
    if (table["n_seeds"] < MINIMUM_SEEDS).any():
        yield f"{TOO_FEW}: fewer than {MINIMUM_SEEDS} seeds, so no interval is computed."
    undefined = table[(table["statistic"] == IQM) & table["value"].isna()]
    for reason in undefined["missing"].unique():
        yield f"{UNDEFINED}: {reason}, where the constrained reference earns no more than random actions."


def _grids(table: pd.DataFrame, best: str | None) -> Iterator[tuple[str, list[str], list[GridGroup]]]:
    makers: dict[str, Callable[[pd.DataFrame], tuple[list[str], list[GridGroup]]]]
    makers = {IQM: partial(_iqm_grid, best=best), PROBABILITY: _probability_grid, FACTOR: _factor_grid}
    for statistic, make in makers.items():
        if (table["statistic"] == statistic).any():
            yield statistic, *make(table)


def _heading(table: pd.DataFrame, cells: pd.DataFrame) -> str:
    tasks = [task_display(task) for task in cells["task"].unique()]
    shown = cells[cells["method"].isin(table["method"])]
    sentences = [budget_sentence(shown), oracle_sentence(shown)]
    number = f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}"
    return ". ".join([f"{number}: {', '.join(tasks)}", *filter(None, sentences)]) + "."


def aggregate_markdown(
    table: pd.DataFrame, cells: pd.DataFrame, remarks: Sequence[str], run_name: str, best: str | None
) -> str:
    """Return the table as a Markdown document that says its tasks, budget and source, and ends in remarks.

    `best` is the learner in bold, as from `best_aggregate`.
    """
    source = ", ".join(sorted(cells["source"].unique()))
    lines = [f"# Over all tasks: run `{run_name}`, source `{source}`", "", _heading(table, cells), ""]
    for statistic, columns, groups in _grids(table, best):
        lines += [f"## {_TITLES[statistic]}", "", *grid_markdown(columns, groups), ""]
    return "\n".join([*lines, "## How to read it", "", *(f"- {escape(line)}" for line in remarks), ""])


def aggregate_latex(
    table: pd.DataFrame, cells: pd.DataFrame, remarks: Sequence[str], run_name: str, best: str | None
) -> str:
    """Return a booktabs table per statistic, then the remarks; `best` is the learner in bold."""
    lines = ["% Generated from the episode rows; needs \\usepackage{booktabs}."]
    for statistic, columns, groups in _grids(table, best):
        caption = f"{_TITLES[statistic]}, run {run_name}. {_heading(table, cells)}"
        label = f"tab:aggregate-{statistic}".replace("_", "-")
        lines += ["", *grid_latex(columns, groups, caption=caption, label=label)]
    return "\n".join([*lines, "", *remark_lines(remarks), ""])


def write_aggregate_table(
    table: pd.DataFrame,
    cells: pd.DataFrame,
    directory: Path,
    *,
    run_name: str,
    notes: Sequence[str],
    cost_limit: float,
) -> list[Path]:
    """Write aggregate.csv, aggregate.md and aggregate.tex, atomically; return their paths.

    Args:
        table: as from `aggregate_table`.
        cells: as from `cells_of`, for the statement of the budget.
        directory: is made if it does not exist.
        run_name: the scale of the run, such as `quick` or `paper`.
        notes: further sentences, without markup.
        cost_limit: the limit of the scores, stated in the legend.
    """
    remarks = [*_legend(table, cost_limit), *_factor_notes(table), *notes]
    best = best_aggregate(table, cost_limit)
    texts = {
        "aggregate.csv": csv_text(table),
        "aggregate.md": aggregate_markdown(table, cells, remarks, run_name, best),
        "aggregate.tex": aggregate_latex(table, cells, remarks, run_name, best),
    }
    return [write_text(directory / name, text) for name, text in texts.items()]
