"""Markdown, as tables and claims are written in, as one HTML page that needs nothing beside itself."""

import base64
import html
import mimetypes
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from safemil.errors import UserError
from safemil.files import write_text

# A cell that is read as a figure: it starts with a number or an interval, or says that there is none.
_FIGURE = re.compile(r"\[?[-−+<>≤≥±]?\s*\d[\d.,]*%?(\s.*)?|[–—-]?")
_LONGEST_FIGURE = 40


def write_page(source: Path, style: str, output: Path) -> Path:
    """Write the Markdown file `source` as an HTML page.

    Args:
        source: the Markdown; pictures are looked for beside it.
        style: CSS of the page.
        output: where the page goes.

    Raises:
        UserError: the file, or a picture in it, is missing.
    """
    if not source.is_file():
        raise UserError("no Markdown here", expected="a table or claims", found="no such file", where=source)
    return write_text(output, html_page(source.read_text(encoding="utf-8"), style, source.parent))


def html_page(markdown: str, style: str, pictures: Path) -> str:
    """Return an HTML document made of Markdown; its title is the first heading.

    Pictures become part of it. Wide tables scroll inside their own box, so that a phone shows the rest
    unmoved. A column of figures is right-aligned, any other left-aligned; one of long texts keeps some width.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", _close_table)
    tokens = parser.parse(markdown)
    _align(tokens)
    _embed_pictures(tokens, pictures)
    body = parser.renderer.render(tokens, parser.options, {})
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(_title(tokens))}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _open_table(*_: object) -> str:
    # Focusable, so that the arrow keys scroll it.
    return '<div class="table" tabindex="0">\n<table>\n'


def _close_table(*_: object) -> str:
    return "</table>\n</div>\n"


def _title(tokens: Sequence[Token]) -> str:
    """Return the text of the first heading; empty without one."""
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            return _text(token)
    return ""


def _text(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def _align(tokens: Sequence[Token]) -> None:
    """Give every cell of the tables the class of its column instead of the alignment in the Markdown."""
    cells: list[list[tuple[Token, str]]] = []
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            cells = []
        elif token.type == "tr_open":
            cells.append([])
        elif token.type in ("th_open", "td_open"):
            cells[-1].append((token, _text(tokens[index + 1])))
        elif token.type == "table_close":
            _align_columns(cells)


def _align_columns(rows: Sequence[Sequence[tuple[Token, str]]]) -> None:
    for column in zip(*rows, strict=True):
        texts = [text for _, text in column[1:]]
        kind = _kind(texts)
        for token, _ in column:
            token.attrs = {"class": kind} if kind else {}


def _kind(texts: Sequence[str]) -> str:
    if any(len(text) > _LONGEST_FIGURE for text in texts):
        return "long"
    return "figure" if any(texts) and all(map(_FIGURE.fullmatch, texts)) else ""


def _embed_pictures(tokens: Sequence[Token], directory: Path) -> None:
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                child.attrs["src"] = _data_uri(directory / str(child.attrs["src"]))


def _data_uri(path: Path) -> str:
    if not path.is_file():
        raise UserError("a picture of a page is missing", found="no such file", where=path)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
