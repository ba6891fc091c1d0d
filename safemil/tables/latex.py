"""The main table as LaTeX: one booktabs table per task, to be read in with `input` by a document.

The document needs `booktabs` and nothing else. The interval stands in a smaller type under its mean,
because eight columns of `mean [low, high]` fit no page.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from safemil.catalogue import Kind, task_display
from safemil.statistics.scores import SCORES
from safemil.tables.captions import budget_sentence, in_brackets, oracle_sentence, partial_mark
from safemil.tables.text import (
    EMPTY,
    KIND_HEADINGS,
    NOT_RUN,
    UNDEFINED,
    ScoreText,
    best_learners,
    legend,
    row_names,
    score_texts,
    seeds_text,
    share_text,
)

_HEADINGS = {
    "return": "return",
    "cost": "cost",
    "cvar20": r"CVaR@20\,\%",
    "return_norm": "norm. return",
    "cost_diff": r"cost $-$ ref.",
    "cvar20_diff": r"CVaR $-$ ref.",
}

# Characters that text in the default OT1 encoding cannot hold as they are, and brackets, which would
# become an optional argument after `item` or a line end.
_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",
    "]": "{]}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "−": "$-$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "–": "--",
    "—": "---",
}


def escape(text: str) -> str:
    """Return `text` with every character that LaTeX would read as a command made printable."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def main_table_latex(table: pd.DataFrame, *, run_name: str, notes: Sequence[str], cost_limit: float) -> str:
    """Return one LaTeX table per task, then the legend and the notes as a paragraph of their own."""
    lines = [
        "% Generated from the episode rows; needs \\usepackage{booktabs}.",
    ]
    bold = best_learners(table, cost_limit)
    budget = ". ".join(filter(None, [budget_sentence(table), oracle_sentence(table)]))
    for task, rows in table.groupby("task", sort=False):
        caption = (
            f"Main comparison on {escape(task_display(str(task)))}{in_brackets(partial_mark(table))}, "
            f"run {escape(run_name)}. "
            f"{escape(budget)}. Interval: 95\\,\\% percentile bootstrap over seeds."
        )
        label, names = f"tab:main-{task}".replace("_", "-"), row_names(rows, cost_limit)
        lines += ["", *_task_table(rows, bold[rows.index], names, caption, label)]
    remarks = [*legend(table, cost_limit), *notes]
    return "\n".join([*lines, "", *remark_lines(remarks), ""])


def _task_table(
    rows: pd.DataFrame, bold: pd.Series, names: Sequence[str], caption: str, label: str
) -> Iterator[str]:
    columns = ["method", "seeds", *(_HEADINGS[score] for score in SCORES), "within limit"]
    yield from [r"\begin{table*}", r"\centering", r"\small", r"\setlength{\tabcolsep}{4pt}"]
    yield from [f"\\caption{{{caption}}}", f"\\label{{{label}}}"]
    yield from [f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", r"\toprule"]
    yield from [" & ".join(columns) + r" \\", r"\midrule"]
    yield from _body(rows, bold, names, len(columns))
    yield from [r"\bottomrule", r"\end{tabular}", r"\end{table*}"]


def _body(rows: pd.DataFrame, bold: pd.Series, names: Sequence[str], n_columns: int) -> Iterator[str]:
    kind: Kind = "learner"
    for row, name, scores in zip(rows.to_dict("records"), names, score_texts(rows, bold), strict=True):
        if row["kind"] != kind:
            kind = row["kind"]
            yield r"\midrule"
            yield f"\\multicolumn{{{n_columns}}}{{l}}{{\\emph{{{KIND_HEADINGS[kind]}}}}} \\\\"
        cells = [_number(seeds_text(row)), *map(mean_cell, scores), _number(share_text(row))]
        yield " & ".join([escape(name), *cells]) + r" \\"
        yield " & ".join(["", "", *map(interval_cell, scores), ""]) + r" \\"


def _number(text: str) -> str:
    return f"${text}$" if text.replace(".", "").isdigit() else escape(text)


def mean_cell(score: ScoreText) -> str:
    """Return a mean as LaTeX."""
    if score.mean in (UNDEFINED, NOT_RUN, EMPTY):
        return escape(score.mean)
    return f"$\\mathbf{{{score.mean}}}$" if score.bold else f"${score.mean}$"


def interval_cell(score: ScoreText) -> str:
    """Return a mean's interval, or why there is none, and its seeds, in small type; empty without them."""
    text = f"[{score.interval}]" if score.interval else score.missing
    parts = [f"${text}$" if text else "", f"({score.seeds})" if score.seeds else ""]
    return f"{{\\scriptsize {' '.join(filter(None, parts))}}}" if any(parts) else ""


def remark_lines(remarks: Sequence[str]) -> Iterator[str]:
    """Return sentences without markup as a list in small type."""
    yield r"\begin{itemize}"
    yield r"\footnotesize"
    yield from (f"\\item {escape(remark)}" for remark in remarks)
    yield r"\end{itemize}"
