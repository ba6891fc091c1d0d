"""Markdown as a page: cells and pictures arrive, markup in text stays text, figures are right-aligned."""

import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest

from safemil.errors import UserError
from safemil.report.html_page import html_page, write_page
from safemil.tables import markdown


class Reader(HTMLParser):
    """Collects title, cells with their class, and sources of pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[tuple[str, str | None, str]] = []
        self.title = ""
        self.pictures: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs)["src"])
        if tag in ("td", "th"):
            self.cells.append((tag, dict(attrs).get("class"), ""))
        if tag not in ("meta", "img", "br", "hr"):
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self.open]
        if "title" in inside:
            self.title += data
        if "td" in inside or "th" in inside:
            tag, kind, text = self.cells[-1]
            self.cells[-1] = (tag, kind, text + data)


def read(markdown: str, pictures: Path = Path()) -> Reader:
    reader = Reader()
    reader.feed(html_page(markdown, "p { color: red; }\n", pictures))
    assert reader.open == []
    return reader


def test_columns_are_aligned_by_what_they_hold() -> None:
    rows = [
        ["SafeMIL", "12.5 [1.0, 24.0]", "[-2.5, 1.0]", "5 seeds", "–", "17f0c0de"],
        ["BC *x* | <b>y</b>", "-3.1 (n<3)", "–", "1,200", "0.97", "99a0c0de"],
    ]
    header = ["method", "cost", "interval", "n", "change", "digest"]
    reader = read(markdown.page("# A & B", markdown.table(header, rows)))
    assert reader.title == "A & B"
    kinds = [None, "figure", "figure", "figure", "figure", None]
    heads = [("th", kind, text) for kind, text in zip(kinds, header, strict=True)]
    cells = [("td", kind, text) for row in rows for kind, text in zip(kinds, row, strict=True)]
    assert reader.cells == heads + cells


def test_long_texts_are_not_figures() -> None:
    rows = [["1. A claim that goes on for more than one line of a phone."], ["2"]]
    reader = read(markdown.table(["claim"], rows))
    assert [kind for _, kind, _ in reader.cells] == ["long", "long", "long"]


def test_a_column_without_text_is_not_one_of_figures() -> None:
    reader = read(markdown.table(["a", "b"], [["1", ""], ["2", ""]]))
    assert [kind for _, kind, _ in reader.cells] == ["figure", None] * 3


def test_tables_are_told_apart() -> None:
    reader = read(markdown.page(markdown.table(["a"], [["text"]]), markdown.table(["b"], [["1"]])))
    assert [kind for _, kind, _ in reader.cells] == [None, None, "figure", "figure"]


def test_markup_in_text_stays_text() -> None:
    page = html_page("# <i>x</i>\n\n<script>alert(1)</script> `a<b`\n", "", Path())
    assert "<script>" not in page
    assert "<title>&lt;i&gt;x&lt;/i&gt;</title>" in page
    assert "<code>a&lt;b</code>" in page


def test_pictures_are_part_of_the_page(tmp_path: Path) -> None:
    content = bytes(range(256))
    (tmp_path / "card.png").write_bytes(content)
    (source,) = read("![Card](card.png)", tmp_path).pictures
    assert source is not None
    head, encoded = source.split(",")
    assert (head, base64.b64decode(encoded)) == ("data:image/png;base64", content)


def test_what_is_missing_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    with pytest.raises(UserError, match=r"absent\.md"):
        write_page(tmp_path / "absent.md", "", output)
    (tmp_path / "card.md").write_text("![Card](card.png)")
    with pytest.raises(UserError, match=r"card\.png"):
        write_page(tmp_path / "card.md", "", output)
    assert not output.exists()
