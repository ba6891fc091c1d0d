"""The table of an ablation: the main table's scores at every point of its curves."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from safemil.catalogue import method_label, task_display
from safemil.errors import UserError
from safemil.files import write_text
from safemil.plan.ablation_cells import ShownPoint
from safemil.plan.ablations import Ablation
from safemil.statistics.scores import SCORES, TABLE_COLUMNS
from safemil.tables.captions import budget_sentence
from safemil.tables.latex import remark_lines
from safemil.tables.main import csv_text
from safemil.tables.markdown import escape
from safemil.tables.plain import latex_lines, markdown_lines
from safemil.tables.text import HEADINGS, legend, score_texts

ABLATION_COLUMNS = ["series", "x", *TABLE_COLUMNS]


def ablation_table(scores: pd.DataFrame, points: Sequence[ShownPoint], tasks: Sequence[str]) -> pd.DataFrame:
    """Put the scores of an ablation's variants in the order of its curves.

    Args:
        scores: as from `main_table`, of the episodes of the ablation.
        points: as from `ablation_runs`. Points that show the same runs each get a row with their scores.
        tasks: the tasks of the ablation.

    Returns:
        Columns `ABLATION_COLUMNS`; a row per task and point, in this order.

    Raises:
        UserError: a point has no scores on a task; every such point is named.
    """
    frame = pd.DataFrame({"task": list(tasks)}).merge(pd.DataFrame(points), how="cross")
    table = frame.merge(scores, on=["task", "method", "variant"], how="left", validate="many_to_one")
    missing = table[table["n_seeds"].isna()]
    if not missing.empty:
        rows = missing[["task", "method", "variant"]].drop_duplicates().itertuples(index=False)
        raise UserError(
            "points of the ablation have no episodes",
            expected="episodes of every variant of the ablation on every one of its tasks",
            found="none of " + ", ".join("/".join(row) for row in rows),
        )
    types = {name: scores[name].dtype for name in ("n_seeds", "n_episodes", "step")}
    return table.astype(types)[ABLATION_COLUMNS]


def _rows(table: pd.DataFrame) -> list[list[str]]:
    texts = score_texts(table, pd.Series(False, index=table.index))
    return [[*_point(row), *map(_cell, scores)] for row, scores in zip(_records(table), texts, strict=True)]


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _point(row: dict[Any, Any]) -> list[str]:
    x = row["x"] if isinstance(row["x"], str) else f"{row['x']:g}"
    return [row["series"], x, method_label(row["method"]).display, str(row["n_seeds"])]


def _cell(score: Any) -> str:
    if score.interval:
        return f"{score.mean} [{score.interval}]"
    return f"{score.mean} ({score.missing})" if score.missing else str(score.mean)


def _header(ablation: Ablation) -> list[str]:
    return ["curve", ablation.axis, "method", "seeds", *(HEADINGS[score] for score in SCORES)]


def _remarks(table: pd.DataFrame, cost_limit: float) -> Iterator[str]:
    # The main table's last cells and its bold type are not in this table.
    yield from (line for line in legend(table, cost_limit) if not line.startswith(("Bold", "Within limit")))


def write_ablation_table(
    table: pd.DataFrame, directory: Path, name: str, ablation: Ablation, *, run_name: str, cost_limit: float
) -> list[Path]:
    """Write ablation_NAME.csv, .md and .tex into `directory`, atomically; return their paths.

    Args:
        table: as from `ablation_table`.
        directory: is made if it does not exist.
        name: of the ablation.
        ablation: its title and axis.
        run_name: the scale of the run, such as `quick` or `paper`.
        cost_limit: the limit that the scores were computed with.
    """
    title = f"{ablation.title}: run `{run_name}`"
    budget, remarks = f"{budget_sentence(table)}.", list(_remarks(table, cost_limit))
    markdown, latex = [f"# {title}", "", escape(budget), ""], ["% Needs \\usepackage{booktabs}."]
    for task, rows in table.groupby("task", sort=False):
        task_name, cells = task_display(str(task)), _rows(rows)
        markdown += [f"## {task_name}", "", *markdown_lines(_header(ablation), cells), ""]
        caption = f"{ablation.title} on {task_name}, run {run_name}. {budget}"
        label = f"tab:ablation-{name}-{task}".replace("_", "-")
        latex += ["", *latex_lines(_header(ablation), cells, caption=caption, label=label)]
    markdown += ["## How to read it", "", *(f"- {escape(line)}" for line in remarks), ""]
    texts = {
        "csv": csv_text(table),
        "md": "\n".join(markdown),
        "tex": "\n".join([*latex, "", *remark_lines(remarks), ""]),
    }
    return [write_text(directory / f"ablation_{name}.{end}", text) for end, text in texts.items()]
