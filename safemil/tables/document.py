"""A table as a document: numbers, and what they are, said once for Markdown, LaTeX and CSV.

Each table's module turns rows into one `Document`; nothing else knows of files and formats.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from safemil.files import csv_text, write_text
from safemil.tables import latex, markdown
from safemil.tables.cells import Cell, Row


@dataclass(frozen=True)
class Section:
    """A heading with a table, or with sentences alone. All text is without markup.

    Attributes:
        heading: in Markdown; empty where the document has one section.
        columns: heads; none where there is no table.
        rows: cells, as many as heads.
        text: a paragraph above the table.
        points: a list above the table; without a table LaTeX has it among its remarks.
        note: a paragraph below the table.
        caption: of the table in LaTeX, if not the heading; run, budget, text, points and note follow.
        key: ends the label in LaTeX, `tab:{document}-{key}`; empty where the document has one section.
        paper_columns: shorter heads for LaTeX, where they are needed.
        alignment: of the columns in LaTeX, where it is not the usual.
        rule: the line under the heads in Markdown, where it is not the usual.
        stacked: whether LaTeX sets intervals under their means.
    """

    heading: str = ""
    columns: Sequence[Cell] = ()
    rows: Sequence[Row] = ()
    text: str = ""
    points: Sequence[str] = ()
    note: str = ""
    caption: str = ""
    key: str = ""
    paper_columns: Sequence[Cell] = ()
    alignment: str = ""
    rule: str = ""
    stacked: bool = False


@dataclass(frozen=True, eq=False)
class Document:
    """A table, with everything that is said about it. All text is without markup.

    Attributes:
        name: of its files, without ending.
        title: followed by run and source.
        frame: every number, for the CSV.
        sections: tables and lists, in order.
        run: name of the run; empty for what is of no run.
        source: of the data; empty where nothing or only the budget names it.
        budget: sentences on source, seeds, episodes and steps; below the title, and in each caption in LaTeX.
        introduction: what else stands below the title; among the remarks in LaTeX.
        legend: sentences that explain the cells.
        notes: sentences about this run.
        made_from: what the numbers are read off, for a comment in LaTeX.
        caption_end: a sentence that ends each caption in LaTeX.
    """

    name: str
    title: str
    frame: pd.DataFrame = field(repr=False)
    sections: Sequence[Section]
    run: str = ""
    source: str = ""
    budget: str = ""
    introduction: str = ""
    legend: Sequence[str] = ()
    notes: Sequence[str] = ()
    made_from: str = ""
    caption_end: str = ""


def to_markdown(document: Document) -> str:
    """Return a document in Markdown."""
    return markdown.page(
        f"# {_title(document)}",
        markdown.escape(document.introduction),
        markdown.escape(document.budget),
        *(block for section in document.sections for block in _blocks(section)),
        *_list("How to read it", document.legend),
        *_list("Notes", document.notes),
    )


def _title(document: Document) -> str:
    named = {"run": document.run, "source": document.source}
    facts = ", ".join(f"{name} `{value}`" for name, value in named.items() if value)
    if document.title.endswith("?"):
        return f"{document.title} {facts[:1].upper()}{facts[1:]}"
    return ": ".join(filter(None, [document.title, facts]))


def _blocks(section: Section) -> Iterator[str]:
    yield f"## {markdown.escape(section.heading)}" if section.heading else ""
    yield markdown.escape(section.text)
    yield markdown.bullets(section.points)
    yield markdown.table(section.columns, section.rows, section.rule) if section.columns else ""
    yield markdown.escape(section.note)


def _list(heading: str, lines: Sequence[str]) -> list[str]:
    return [f"## {heading}", markdown.bullets(lines)] if lines else []


def to_latex(document: Document) -> str:
    """Return a document in LaTeX: a booktabs table per section, then all remarks as a list."""
    origin = f"Generated from {document.made_from}; needs" if document.made_from else "Needs"
    lines, remarks = [f"% {origin} \\usepackage{{booktabs}}."], [document.introduction]
    for section in document.sections:
        if section.columns:
            lines += ["", *_table(document, section)]
        else:
            remarks += section.points
    remarks += [*document.legend, *document.notes]
    return "\n".join([*lines, "", *latex.items(filter(None, remarks)), ""])


def _table(document: Document, section: Section) -> Iterator[str]:
    run = f"run {document.run}" if document.run else ""
    source = f"source {document.source}" if document.source and not document.budget else ""
    what = ", ".join(filter(None, [section.caption or section.heading or document.title, run, source]))
    stated = [document.budget, section.text, *section.points, section.note, document.caption_end]
    return latex.table(
        section.paper_columns or section.columns,
        section.rows,
        caption=" ".join(filter(None, [f"{what}.", *stated])),
        label="-".join(filter(None, ["tab:" + document.name, section.key])).replace("_", "-"),
        alignment=section.alignment,
        stacked=section.stacked,
    )


def write_document(document: Document, directory: Path) -> list[Path]:
    """Write NAME.csv, NAME.md and NAME.tex into `directory`, each atomically; return their paths.

    Their bytes depend on the document only. The CSV holds every number; the other two are rounded.
    """
    forms = {"csv": csv_text(document.frame), "md": to_markdown(document), "tex": to_latex(document)}
    return [write_text(Path(directory) / f"{document.name}.{end}", text) for end, text in forms.items()]
