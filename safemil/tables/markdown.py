"""The main table as Markdown: one table per task, learners first, then oracles and references."""

from collections.abc import Iterator, Sequence

import pandas as pd

from safemil.catalogue import Kind, task_display
from safemil.statistics.scores import SCORES
from safemil.tables.captions import budget_sentence, in_brackets, oracle_sentence, partial_mark
from safemil.tables.text import (
    HEADINGS,
    KIND_HEADINGS,
    ScoreText,
    best_learners,
    legend,
    row_names,
    score_texts,
    seeds_text,
    share_text,
)

_COLUMNS = ["method", "seeds", *(HEADINGS[score] for score in SCORES), "within limit"]


def main_table_markdown(
    table: pd.DataFrame, *, run_name: str, notes: Sequence[str], cost_limit: float
) -> str:
    """Return the main table as a Markdown document that says its source, budget and rules."""
    sources = ", ".join(sorted(table["source"].unique()))
    lines = [
        f"# Main comparison{in_brackets(partial_mark(table))}: run `{run_name}`, source `{sources}`",
        "",
        f"{'. '.join(filter(None, [budget_sentence(table), oracle_sentence(table)]))}.",
        "",
    ]
    bold = best_learners(table, cost_limit)
    for task, rows in table.groupby("task", sort=False):
        lines += [
            f"## {task_display(str(task))}",
            "",
            *_task_table(rows, bold[rows.index], row_names(rows, cost_limit)),
            "",
        ]
    lines += ["## How to read it", "", *(f"- {escape(line)}" for line in legend(table, cost_limit)), ""]
    if notes:
        lines += ["## Notes", "", *(f"- {escape(note)}" for note in notes), ""]
    return "\n".join(lines)


def _task_table(rows: pd.DataFrame, bold: pd.Series, names: Sequence[str]) -> Iterator[str]:
    yield line(_COLUMNS)
    yield line([":---", *["---:"] * (len(_COLUMNS) - 1)])
    kind: Kind = "learner"
    for row, name, scores in zip(rows.to_dict("records"), names, score_texts(rows, bold), strict=True):
        if row["kind"] != kind:
            kind = row["kind"]
            yield line([f"*{KIND_HEADINGS[kind]}*", *[""] * (len(_COLUMNS) - 1)])
        yield line([escape(name), seeds_text(row), *map(score_cell, scores), share_text(row)])


def score_cell(score: ScoreText) -> str:
    """Return a mean with its interval, or with the reason why it has none, and with its seeds if told."""
    mean = f"**{score.mean}**" if score.bold else score.mean
    if score.interval:
        mean = f"{mean} [{score.interval}]"
    remarks = "; ".join(escape(remark) for remark in (score.missing, score.seeds) if remark)
    return f"{mean} ({remarks})" if remarks else mean


def line(cells: Sequence[str]) -> str:
    """Return one row of a table from cells with markup."""
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    """Return `text` with every character that Markdown would read as markup made printable."""
    for character in "\\|_*<":
        text = text.replace(character, f"\\{character}")
    return text
