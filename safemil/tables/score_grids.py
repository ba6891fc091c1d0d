"""Tables of estimates: a method per row, a score or a task per column, interval beside or under its mean.

Groups of rows are set apart by a line and a heading, so that oracles stand below a line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from safemil.tables import latex as table_latex
from safemil.tables import markdown as table_markdown
from safemil.tables.text import ScoreText


@dataclass(frozen=True)
class GridRow:
    """One row: its name and its estimates, in the order of the columns."""

    name: str
    cells: Sequence[ScoreText]


@dataclass(frozen=True)
class GridGroup:
    """Rows that belong together; the heading is empty for the first group."""

    heading: str
    rows: Sequence[GridRow]


def grid_markdown(columns: Sequence[str], groups: Sequence[GridGroup]) -> Iterator[str]:
    """Return the lines of a grid; `columns` names the first column too. Text is given without markup."""
    yield table_markdown.line([table_markdown.escape(column) for column in columns])
    yield table_markdown.line([":---", *["---:"] * (len(columns) - 1)])
    for group in groups:
        if group.heading:
            yield table_markdown.line([f"*{group.heading}*", *[""] * (len(columns) - 1)])
        for row in group.rows:
            yield table_markdown.line(
                [table_markdown.escape(row.name), *map(table_markdown.score_cell, row.cells)]
            )


def grid_latex(
    columns: Sequence[str], groups: Sequence[GridGroup], *, caption: str, label: str
) -> Iterator[str]:
    """Return the lines of a booktabs table; the interval stands in a smaller type under its mean."""
    yield from [r"\begin{table*}", r"\centering", r"\small", r"\setlength{\tabcolsep}{4pt}"]
    yield from [f"\\caption{{{table_latex.escape(caption)}}}", f"\\label{{{label}}}"]
    yield from [f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", r"\toprule"]
    yield from [" & ".join(map(table_latex.escape, columns)) + r" \\", r"\midrule"]
    for group in groups:
        if group.heading:
            heading = table_latex.escape(group.heading)
            yield r"\midrule"
            yield f"\\multicolumn{{{len(columns)}}}{{l}}{{\\emph{{{heading}}}}} \\\\"
        for row in group.rows:
            yield " & ".join([table_latex.escape(row.name), *map(table_latex.mean_cell, row.cells)]) + r" \\"
            intervals = [table_latex.interval_cell(cell) for cell in row.cells]
            if any(intervals):
                yield " & ".join(["", *intervals]) + r" \\"
    yield from [r"\bottomrule", r"\end{tabular}", r"\end{table*}"]
