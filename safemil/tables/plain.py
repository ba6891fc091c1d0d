"""Rows of text as a Markdown or a LaTeX table, for tables that need no more than a header and cells."""

from collections.abc import Iterator, Sequence

from safemil.tables import latex as table_latex
from safemil.tables import markdown as table_markdown

Row = Sequence[str]


def markdown_lines(header: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Return the lines of a table whose first column is left-aligned, the others right-aligned."""
    yield _markdown_line(header)
    yield f"| :--- |{' ---: |' * (len(header) - 1)}"
    yield from map(_markdown_line, rows)


def _markdown_line(cells: Row) -> str:
    return f"| {' | '.join(map(table_markdown.escape, cells))} |"


def latex_lines(
    header: Row, rows: Sequence[Row], *, caption: str, label: str, columns: str = ""
) -> Iterator[str]:
    """Return the lines of a booktabs table; text is given without markup.

    Args:
        header: column heads.
        rows: cells, as many as heads.
        caption: one sentence or two.
        label: to refer to, e.g. `tab:fairness`.
        columns: alignment as LaTeX has it; as in Markdown when left out.
    """
    columns = columns or "l" + "r" * (len(header) - 1)
    yield from [r"\begin{table*}", r"\centering", r"\small", r"\setlength{\tabcolsep}{4pt}"]
    yield from [f"\\caption{{{table_latex.escape(caption)}}}", f"\\label{{{label}}}"]
    yield from [f"\\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_line(header), r"\midrule"]
    yield from map(_latex_line, rows)
    yield from [r"\bottomrule", r"\end{tabular}", r"\end{table*}"]


def _latex_line(cells: Row) -> str:
    return " & ".join(map(table_latex.escape, cells)) + r" \\"
