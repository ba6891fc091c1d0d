"""The table of learning curves as files: CSV for programs, Markdown for readers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from safemil.catalogue import task_display
from safemil.files import write_text
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.curves import QUANTITIES
from safemil.statistics.intervals import CONFIDENCE
from safemil.statistics.levelling import CANNOT_TELL, LEVEL, MINIMUM_POINTS, UNCLEAR
from safemil.tables.main import csv_text
from safemil.tables.markdown import escape
from safemil.tables.plain import markdown_lines
from safemil.tables.text import row_name

HEADER = [
    *["method", "kind", "levelled off"],
    *[
        f"{quantity}{part}"
        for quantity in QUANTITIES
        for part in (", quarter before → last", ": change", ": tolerance", " is")
    ],
    *["seeds", "points", "last step"],
]


def _rows(table: pd.DataFrame) -> list[list[str]]:
    """Return the cells of the rows of one task, as `HEADER` names them."""
    return [
        [
            row_name(row["method"], row["variant"]),
            row["kind"],
            row["levelled_off"],
            *(cell for quantity in QUANTITIES for cell in _quantity_cells(row, quantity)),
            str(row["n_seeds"]),
            str(row["n_points"]),
            f"{row['last_step']:,}",
        ]
        for row in table.to_dict("records")
    ]


def _quantity_cells(row: dict[Any, Any], quantity: str) -> list[str]:
    before, last, change, low, high, tolerance = (
        row[f"{quantity}_{name}"] for name in ("before", "last", "change", "low", "high", "tolerance")
    )
    interval = "" if pd.isna(low) else f" [{low:+z.1f}, {high:+z.1f}]"
    return [
        "" if pd.isna(change) else f"{before:z.1f} → {last:z.1f}",
        "" if pd.isna(change) else f"{change:+z.1f}{interval}",
        "" if pd.isna(tolerance) else f"±{tolerance:.1f}",
        row[f"{quantity}_verdict"],
    ]


OVER_TASKS_HEADER = [
    *["method", "kind", "levelled off", "return: change", "return is", "cost: change", "cost is"],
    *["tasks", "runs"],
]


def _over_tasks_rows(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            row_name(row["method"], row["variant"]),
            row["kind"],
            row["levelled_off"],
            *(cell for quantity in QUANTITIES for cell in _share_cells(row, quantity)),
            str(row["n_tasks"]),
            str(row["n_seeds"]),
        ]
        for row in table.to_dict("records")
    ]


def _share_cells(row: dict[Any, Any], quantity: str) -> list[str]:
    change, low, high = (row[f"{quantity}_{name}"] for name in ("change", "low", "high"))
    interval = "" if pd.isna(low) else f" [{low:+z.3f}, {high:+z.3f}]"
    return ["" if pd.isna(change) else f"{change:+z.3f}{interval}", row[f"{quantity}_verdict"]]


def _over_tasks_lines(table: pd.DataFrame, settings: EvaluationSettings) -> Iterator[str]:
    """Return the section on all tasks together; no line where no method has curves on several."""
    if table.empty:
        return
    yield from ["## Over all tasks", ""]
    yield from markdown_lines(OVER_TASKS_HEADER, _over_tasks_rows(table))
    yield ""
    yield escape(
        "Change: mean over tasks and seeds, as a share of what the tolerance of a task is a share of "
        f"[{100 * CONFIDENCE:g} % percentile bootstrap interval; seeds are drawn anew within each task]; "
        f"tolerance ±{settings.level_tolerance:g}. Opposite changes on two tasks cancel."
    )
    yield ""


def _legend(table: pd.DataFrame, settings: EvaluationSettings) -> Iterator[str]:
    episodes = " or ".join(str(n) for n in sorted(table["n_episodes"].unique()))
    yield (
        f"Each point of a curve: {episodes} episodes per seed, on the same environment seeds at every "
        "point and for every method. Return and cost: undiscounted sums per episode, means over seeds."
    )
    yield (
        "Change: mean over the points of the last quarter of a curve minus that over the quarter before, "
        f"per seed; mean over seeds [{100 * CONFIDENCE:g} % percentile bootstrap interval over seeds]. "
        f"Fewer than {MINIMUM_POINTS} points have no quarters."
    )
    yield (
        f"Tolerance: {settings.level_tolerance:g} of the return's distance between random actions and the "
        f"constrained reference; {settings.level_tolerance:g} of the cost limit of {settings.cost_limit:g}, "
        "or of the mean cost over both quarters where that is larger."
    )
    yield (
        f"{LEVEL.capitalize()}: the whole interval of the change lies within the tolerance. Rising or "
        f"falling: the change is beyond it and its interval excludes 0. {UNCLEAR.capitalize()}: neither."
    )
    yield (
        "Levelled off: yes where return and cost are level, no where one of them rises or falls, otherwise "
        f"{CANNOT_TELL}."
    )
    yield (
        "The learning rate falls to 0 over the given budget, so every curve slows down towards its end. A "
        "level end says that this training is over, not that a longer one would bring nothing."
    )


def learning_curves_markdown(
    table: pd.DataFrame, over_tasks: pd.DataFrame, *, run_name: str, settings: EvaluationSettings
) -> str:
    """Return the table as a Markdown document, one table per task and one over tasks."""
    sources = ", ".join(sorted(table["source"].unique()))
    lines = [f"# Have the learning curves levelled off? Run `{run_name}`, source `{sources}`", ""]
    for task, rows in table.groupby("task", sort=False):
        lines += [f"## {task_display(str(task))}", "", *markdown_lines(HEADER, _rows(rows)), ""]
    lines += _over_tasks_lines(over_tasks, settings)
    legend = [f"- {escape(line)}" for line in _legend(table, settings)]
    return "\n".join([*lines, "## How to read it", "", *legend, ""])


def write_learning_curves_table(
    table: pd.DataFrame,
    over_tasks: pd.DataFrame,
    directory: Path,
    *,
    run_name: str,
    settings: EvaluationSettings,
) -> list[Path]:
    """Write learning_curves.csv, learning_curves_over_tasks.csv and learning_curves.md; return their paths.

    Each is written atomically.

    Args:
        table: as from `levelling_table`.
        over_tasks: as from `levelling_over_tasks`.
        directory: is made if it does not exist.
        run_name: the scale of the run, such as `quick` or `paper`.
        settings: those the table was made with.
    """
    texts = {
        "learning_curves.csv": csv_text(table),
        "learning_curves_over_tasks.csv": csv_text(over_tasks),
        "learning_curves.md": learning_curves_markdown(
            table, over_tasks, run_name=run_name, settings=settings
        ),
    }
    return [write_text(Path(directory) / name, text) for name, text in texts.items()]
