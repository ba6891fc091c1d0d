"""Tables, lists and escapes in LaTeX, to be read in with `input` by a document.

The document needs `booktabs` and nothing else.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from safemil.tables.cells import Cell, Estimate, Group, Markup, Row

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
    "±": r"$\pm$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "→": r"$\rightarrow$",
    "α": r"$\alpha$",
    "–": "--",
    "—": "---",
    "\N{THIN SPACE}": r"\,",
}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def escape(text: str) -> str:
    """Return `text` with every character that LaTeX would read as a command made printable."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def table(
    columns: Sequence[Cell],
    rows: Iterable[Row],
    *,
    caption: str,
    label: str,
    alignment: str = "",
    stacked: bool = False,
) -> Iterator[str]:
    """Return the lines of a booktabs table; text is given without markup.

    Args:
        columns: heads.
        rows: cells, as many as heads.
        caption: sentences.
        label: to refer to, e.g. `tab:fairness`.
        alignment: as LaTeX has it; without it the first column is left-aligned, the others right-aligned.
        stacked: intervals stand in a smaller type under their means, for many of them side by side fit no
            page. Numbers are set as such.
    """
    yield from [r"\begin{table*}", r"\centering", r"\small", r"\setlength{\tabcolsep}{4pt}"]
    yield from [f"\\caption{{{escape(caption)}}}", f"\\label{{{label}}}"]
    yield f"\\begin{{tabular}}{{{alignment or 'l' + 'r' * (len(columns) - 1)}}}"
    yield from [r"\toprule", _line(map(_text, columns)), r"\midrule"]
    for row in rows:
        if isinstance(row, Group):
            yield r"\midrule"
            yield f"\\multicolumn{{{len(columns)}}}{{l}}{{\\emph{{{escape(row.heading)}}}}} \\\\"
        elif stacked:
            yield _line(map(_mean, row))
            intervals = [_interval(cell) if isinstance(cell, Estimate) else "" for cell in row]
            yield from [_line(intervals)] if any(intervals) else []
        else:
            yield _line(map(_text, row))
    yield from [r"\bottomrule", r"\end{tabular}", r"\end{table*}"]


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _text(cell: Cell) -> str:
    if isinstance(cell, Markup):
        return escape(cell.text.replace("*", ""))
    return escape(cell if isinstance(cell, str) else cell.text)


def _mean(cell: Cell) -> str:
    text = cell.mean if isinstance(cell, Estimate) else _text(cell)
    if not _NUMBER.fullmatch(text):
        return escape(text) if isinstance(cell, Estimate) else text
    return f"$\\mathbf{{{text}}}$" if isinstance(cell, Estimate) and cell.bold else f"${text}$"


def _interval(cell: Estimate) -> str:
    """Return a mean's interval, or why there is none, and its seeds, in small type; empty without them."""
    # A reason such as n<3 is a formula, others are words.
    missing = escape(cell.missing) if " " in cell.missing else f"${cell.missing}$" if cell.missing else ""
    interval = f"$[{cell.interval}]$" if cell.interval else missing
    parts = [interval, f"({cell.seeds})" if cell.seeds else ""]
    return f"{{\\scriptsize {' '.join(filter(None, parts))}}}" if any(parts) else ""


def items(sentences: Iterable[str]) -> Iterator[str]:
    """Return the lines of a list of sentences without markup, in small type."""
    yield from [r"\begin{itemize}", r"\footnotesize"]
    yield from (f"\\item {escape(sentence)}" for sentence in sentences)
    yield r"\end{itemize}"
