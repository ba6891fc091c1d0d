"""Tables, lists and escapes in Markdown."""

from collections.abc import Iterable, Sequence

from safemil.tables.cells import Cell, Group, Markup, Row


def escape(text: str) -> str:
    """Return `text` with every character that Markdown would read as markup made printable."""
    for character in "\\|_*<":
        text = text.replace(character, f"\\{character}")
    return text


def table(columns: Sequence[Cell], rows: Iterable[Row], rule: str = "") -> str:
    """Return a table; text is given without markup.

    Args:
        columns: heads.
        rows: cells, as many as heads.
        rule: the line below the heads; without it the first column is left-aligned, the others right-aligned.
    """
    lines = [_line(map(_cell, columns)), rule or _line([":---", *["---:"] * (len(columns) - 1)])]
    for row in rows:
        if isinstance(row, Group):
            lines.append(_line([f"*{row.heading}*", *[""] * (len(columns) - 1)]))
        else:
            lines.append(_line(map(_cell, row)))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Markup):
        return cell.text
    if isinstance(cell, str):
        return escape(cell)
    text = escape(cell.text)
    return f"**{cell.mean}**{text.removeprefix(cell.mean)}" if cell.bold else text


def bullets(sentences: Iterable[str]) -> str:
    """Return sentences without markup as a list."""
    return "\n".join(f"- {escape(sentence)}" for sentence in sentences)


def page(*blocks: str) -> str:
    """Return blocks with an empty line between them; empty ones are left out."""
    return "\n\n".join(filter(None, blocks)) + "\n"
