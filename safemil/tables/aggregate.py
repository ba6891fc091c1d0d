"""The table over all tasks: interquartile means, probabilities of improvement, factors of safety."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from safemil.catalogue import Kind, method_named, task_display
from safemil.statistics.improvement import OVERALL, PER_TASK, READINGS
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.over_tasks import (
    FACTOR,
    IQM,
    IQM_SCORES,
    PROBABILITY,
    aggregate_table,
    cells_of,
    left_out,
)
from safemil.statistics.scores import relative_seed_scores
from safemil.tables import captions, text
from safemil.tables.captions import sentences
from safemil.tables.cells import Cell, Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.tables.text import estimate

_HEADINGS = {**text.HEADINGS, "share_within_limit": "within limit"}
_COMPARED = {"cost": "lower cost", "cvar20": "lower CVaR@20 %", "return": "higher return"}
_TITLES = {
    IQM: "Interquartile mean over tasks and seeds",
    PROBABILITY: "Probability that a seed of SafeMIL is better than one of the baseline",
    FACTOR: "By which factor SafeMIL costs less than the strongest baseline",
}


_LEGEND = f"""
Brackets: {100 * CONFIDENCE:g} % percentile bootstrap interval; seeds are drawn anew within each task, tasks
and references stay as they are. It says nothing about other tasks, and with few seeds it is too narrow
(docs/statistics.md).

Interquartile mean: of all runs (task, seed) the lowest and the highest quarter are left out. Normalised
return: 0 = random actions, 1 = constrained reference. Ref.: the constrained reference of the task. Within
limit: share of a run's episodes with a cost of at most {{limit:g}}.

Raw costs of different tasks are on different scales, so that cost − ref. is what to compare. Bold: the lowest
of it among learners whose normalised return here is at least {text.MINIMUM_RETURN_NORM:g} and whose cost here
is within the limit of {{limit:g}}.

Probability: of a random seed of either method, a tie counting half, mean over tasks; above 0.5 SafeMIL is
better. It says how often, not by how much.

Factor: C is the mean cost of the baseline, C' that of SafeMIL. The paper says 3.7 times, without a formula.
Strongest: the lowest interquartile mean of C − C_con (overall), or the lowest C of each task, whatever it
returns; chosen once, not in each resample.
"""


def make(run: TableRun, episodes: pd.DataFrame) -> Document:
    """Return the statistics over all tasks of all episodes."""
    scores = relative_seed_scores(episodes, cost_limit=run.limit)
    notes = left_out(scores) + captions.custom_method_notes(run.custom_methods)
    return document(run, aggregate_table(scores, run.evaluation), cells_of(scores), notes)


def document(run: TableRun, table: pd.DataFrame, cells: pd.DataFrame, notes: Sequence[str] = ()) -> Document:
    """Return a table as from `aggregate_table` with the budget of cells as from `cells_of`, and notes."""
    tasks = [task_display(task) for task in cells["task"].unique()]
    of = f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}: {', '.join(tasks)}."
    return Document(
        "aggregate",
        "Over all tasks",
        table,
        list(_sections(table, best_aggregate(table, run.limit))),
        run=run.name,
        source=captions.sources_of(cells),
        budget=f"{of} {captions.budget_sentences(cells[cells['method'].isin(table['method'])])}",
        legend=[*_legend(table, run.limit), *_factor_notes(table), *notes],
        made_from="the episode rows",
    )


def best_aggregate(table: pd.DataFrame, cost_limit: float) -> str | None:
    """Return the learner with the lowest IQM of cost − ref., of those that earn enough and are safe.

    Enough is an IQM of the normalised return of the main table's `MINIMUM_RETURN_NORM`, safe an IQM of the
    cost within the limit; None where no learner has both.
    """
    iqm = table[(table["statistic"] == IQM) & (table["kind"] == "learner")]
    values = iqm.pivot_table(index="method", columns="score", values="value", dropna=False)
    if values.empty:
        return None
    enough, safe = values["return_norm"] >= text.MINIMUM_RETURN_NORM, values["cost"] <= cost_limit
    qualified = values.loc[enough & safe, "cost_diff"]
    return str(qualified.idxmin()) if len(qualified) else None


def _sections(table: pd.DataFrame, best: str | None) -> Iterator[Section]:
    """Yield the sections of the statistics that there are; `best` is the learner in bold."""
    for statistic, rows in table.groupby("statistic", sort=False):
        columns, grid = _grid(str(statistic), rows, best)
        yield Section(_TITLES[str(statistic)], columns, grid, key=str(statistic), stacked=True)


def _grid(statistic: str, rows: pd.DataFrame, best: str | None) -> tuple[list[str], list[Row]]:
    if statistic == IQM:
        return _iqm_grid(rows, best)
    return _probability_grid(rows) if statistic == PROBABILITY else _factor_grid(rows)


def _iqm_grid(rows: pd.DataFrame, best: str | None) -> tuple[list[str], list[Row]]:
    digits = {score: text.digits_of(score, rows.loc[rows["score"] == score, "value"]) for score in IQM_SCORES}
    grid: list[tuple[Kind, list[Cell]]] = []
    for method, of_method in rows.groupby("method", sort=False):
        label, by_score = method_named(str(method)), of_method.set_index("score").to_dict("index")
        bold = {"cost_diff": method == best}
        cells = [
            estimate(by_score[score], "value", digits=digits[score], bold=bold.get(score, False))
            for score in IQM_SCORES
        ]
        grid.append((label.kind, [label.display, *cells]))
    return ["method", *(_HEADINGS[score] for score in IQM_SCORES)], list(text.by_kind(grid))


def _probability_grid(rows: pd.DataFrame) -> tuple[list[str], list[Row]]:
    grid: list[Row] = []
    for baseline, of_baseline in rows.groupby("baseline", sort=False):
        by_score = of_baseline.set_index("score").to_dict("index")
        cells = [estimate(by_score[score], "value", digits=2) for score in _COMPARED]
        grid.append([method_named(str(baseline)).display, *cells])
    return ["baseline", *_COMPARED.values()], grid


def _factor_grid(rows: pd.DataFrame) -> tuple[list[str], list[Row]]:
    # Why there is no interval stands in a note of its own: it need not be the seeds.
    grid: list[Row] = [
        [
            READINGS[str(reading)],
            *(estimate(row, "value", digits=2, missing="") for row in of_reading.to_dict("records")),
        ]
        for reading, of_reading in rows.groupby("score", sort=False)
    ]
    return ["reading", "best baseline overall", "best baseline per task"], grid


def _factor_notes(table: pd.DataFrame) -> Iterator[str]:
    rows = table[table["statistic"] == FACTOR]
    yield from (f"Strongest baseline {choice}." for choice in rows["baseline"].drop_duplicates())
    for row in rows[rows["missing"] != ""].to_dict("records"):
        choice = OVERALL if row["baseline"].startswith(OVERALL) else PER_TASK
        what = "no value" if np.isnan(row["value"]) else "no interval"
        yield f"{READINGS[row['score']]}, baseline {choice}: {what}, {row['missing']}."


def _legend(table: pd.DataFrame, limit: float) -> Iterator[str]:
    yield from sentences(_LEGEND.format(limit=limit))
    if (table["n_seeds"] < MINIMUM_SEEDS).any():
        yield text.REASONS[text.TOO_FEW]
    undefined = table[(table["statistic"] == IQM) & table["value"].isna()]
    for reason in undefined["missing"].unique():
        why = "where the constrained reference earns no more than random actions"
        yield f"{text.UNDEFINED}: {reason}, {why}."
