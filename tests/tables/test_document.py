"""Documents: every cell and every escape, in Markdown, LaTeX and CSV, once for all tables."""

import re
import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from safemil.tables import latex, markdown
from safemil.tables.captions import sentences
from safemil.tables.cells import Cell, Estimate, Group, Markup
from safemil.tables.document import Document, Section, to_latex, to_markdown, write_document

CELLS: list[tuple[Cell, str, str, str]] = [
    # cell, in Markdown, in LaTeX, in LaTeX with the interval below
    ("a_b <c>", r"a\_b \<c>", r"a\_b $<$c$>$", r"a\_b $<$c$>$"),
    ("12", "12", "12", "$12$"),
    ("3 of 5", "3 of 5", "3 of 5", "3 of 5"),
    (Markup("2 < 4 **missed**"), "2 < 4 **missed**", "2 $<$ 4 missed", "2 $<$ 4 missed"),
    (Estimate("n/a"), "n/a", "n/a", "n/a"),
    (Estimate("—"), "—", "---", "---"),
    (Estimate("-8.9"), "-8.9", "-8.9", "$-8.9$"),
    (
        Estimate("1.5", "1.0, 2.0"),
        "1.5 [1.0, 2.0]",
        "1.5 {[}1.0, 2.0{]}",
        r"$1.5$|{\scriptsize $[1.0, 2.0]$}",
    ),
    (Estimate("1.5", missing="n<3"), r"1.5 (n\<3)", "1.5 (n$<$3)", r"$1.5$|{\scriptsize $n<3$}"),
    (
        *(Estimate("1.5", missing="one policy", seeds="1 of 1"), "1.5 (one policy; 1 of 1)"),
        *("1.5 (one policy; 1 of 1)", r"$1.5$|{\scriptsize one policy (1 of 1)}"),
    ),
    (
        *(Estimate("1.5", "1.0, 2.0", bold=True, seeds="3 of 5"), "**1.5** [1.0, 2.0] (3 of 5)"),
        *("1.5 {[}1.0, 2.0{]} (3 of 5)", r"$\mathbf{1.5}$|{\scriptsize $[1.0, 2.0]$ (3 of 5)}"),
    ),
    (
        *(Estimate("n/a", missing="no costly_step"), r"n/a (no costly\_step)"),
        *(r"n/a (no costly\_step)", r"n/a|{\scriptsize no costly\_step}"),
    ),
]


@pytest.mark.parametrize(("cell", "in_markdown", "in_latex", "stacked"), CELLS)
def test_a_cell_in_every_form(cell: Cell, in_markdown: str, in_latex: str, stacked: str) -> None:
    assert markdown.table(["a", "b"], [["x", cell]]).splitlines()[2] == f"| x | {in_markdown} |"
    given = {"caption": "c", "label": "l"}
    assert f"x & {in_latex} \\\\" in list(latex.table(["a", "b"], [["x", cell]], **given))
    lines = list(latex.table(["a", "b"], [["x", cell]], **given, stacked=True))
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    mean, _, interval = stacked.partition("|")
    assert body == [f"x & {mean} \\\\", *([f" & {interval} \\\\"] if interval else [])]


def test_latex_escapes_every_special_character() -> None:
    assert latex.escape("a_b\\c") == r"a\_b\textbackslash{}c"
    assert latex.escape("{~^}") == r"\{\textasciitilde{}\textasciicircum{}\}"
    assert latex.escape("C − C × 2") == r"C $-$ C $\times$ 2"
    assert latex.escape("&%$# ±α → ≤≥ –— 5\N{THIN SPACE}%").isascii()


def test_markdown_escapes_what_it_would_read_as_markup() -> None:
    assert markdown.escape("a|b_c*d<e\\f") == r"a\|b\_c\*d\<e\\f"


@pytest.fixture
def whole() -> Document:
    table = Section(
        heading="First_one",
        columns=["method", "cost_1"],
        rows=[
            ["BC", Estimate("1.0", "0.5, 1.5")],
            Group("oracles"),
            ["Safe", Estimate("2.0", missing="n<3")],
        ],
        text="Above.",
        points=["A point."],
        note="Below.",
        caption="The first",
        key="first_one",
        paper_columns=["m.", "c."],
        stacked=True,
    )
    return Document(
        "some_table",
        "What there is",
        pd.DataFrame({"x": [1 / 3, float("nan")], "text": ["a", ""]}),
        [
            Section("Differences", points=["One_differs."]),
            table,
            replace(table, heading="Second", key="second"),
        ],
        run="a_run",
        source="collected",
        introduction="Introduced.",
        legend=["n<3: few."],
        notes=["A note."],
        made_from="rows",
        caption_end="The end.",
    )


def test_markdown_as_a_whole(whole: Document) -> None:
    one = replace(whole, sections=whole.sections[:2], budget="Source collected; 3 seeds.")
    assert to_markdown(one) == (
        "# What there is: run `a_run`, source `collected`\n\nIntroduced.\n\nSource collected; 3 seeds.\n\n"
        "## Differences\n\n- One\\_differs.\n\n## First\\_one\n\nAbove.\n\n- A point.\n\n"
        "| method | cost\\_1 |\n| :--- | ---: |\n| BC | 1.0 [0.5, 1.5] |\n| *oracles* |  |\n"
        "| Safe | 2.0 (n\\<3) |\n\nBelow.\n\n## How to read it\n\n- n\\<3: few.\n\n## Notes\n\n- A note.\n"
    )


def test_latex_as_a_whole(whole: Document) -> None:
    text = to_latex(whole)
    table = (
        "\\begin{table*}\n\\centering\n\\small\n\\setlength{\\tabcolsep}{4pt}\n"
        "\\caption{The first, run a\\_run, source collected. Above. A point. Below. The end.}\n"
        "\\label{tab:some-table-first-one}\n\\begin{tabular}{lr}\n\\toprule\nm. & c. \\\\\n\\midrule\n"
        "BC & $1.0$ \\\\\n & {\\scriptsize $[0.5, 1.5]$} \\\\\n\\midrule\n"
        "\\multicolumn{2}{l}{\\emph{oracles}} \\\\\nSafe & $2.0$ \\\\\n & {\\scriptsize $n<3$} \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table*}\n"
    )
    start = "% Generated from rows; needs \\usepackage{booktabs}.\n\n"
    remarks = ["Introduced.", "One\\_differs.", "n$<$3: few.", "A note."]
    end = "".join(f"\\item {remark}\n" for remark in remarks)
    other = table.replace("first-one", "second")
    assert text == (f"{start}{table}\n{other}\n\\begin{{itemize}}\n\\footnotesize\n{end}\\end{{itemize}}\n")


def test_captions_name_the_source_where_no_budget_does(whole: Document) -> None:
    with_budget = to_latex(replace(whole, budget="Source collected; 3 seeds."))
    assert "run a\\_run. Source collected; 3 seeds. Above." in with_budget
    assert to_latex(replace(whole, made_from="")).startswith("% Needs \\usepackage{booktabs}.\n")
    plain = Document("t", "A title", whole.frame, [Section(columns=["a"], rows=[["b"]], alignment="p{2cm}")])
    assert "\\caption{A title.}\n\\label{tab:t}\n\\begin{tabular}{p{2cm}}" in to_latex(plain)


def test_the_title_of_a_question_goes_on_with_a_capital(whole: Document) -> None:
    asked = to_markdown(replace(whole, title="Is it level?"))
    assert asked.startswith("# Is it level? Run `a_run`, source `collected`\n")
    assert to_markdown(replace(whole, run="", source="")).startswith("# What there is\n")


def test_a_table_may_have_its_own_rule() -> None:
    assert markdown.table(["a", "b"], [], "| --- | --- |").splitlines() == ["| a | b |", "| --- | --- |"]


def test_three_files_are_written_and_their_bytes_depend_on_the_document_alone(
    whole: Document, tmp_path
) -> None:
    first, second = (write_document(whole, tmp_path / name / "new") for name in ("a", "b"))
    assert [path.name for path in first] == ["some_table.csv", "some_table.md", "some_table.tex"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_text() == "x,text\n0.3333333333,a\nNaN,\n"


def test_sentences_are_paragraphs_whose_line_ends_do_not_matter() -> None:
    assert sentences("\nOne that\ngoes on.\n\nAnother.\n") == ["One that goes on.", "Another."]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_with_booktabs_alone(whole: Document, tmp_path) -> None:
    write_document(whole, tmp_path)
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{some_table}\end{document}"
    (tmp_path / "document.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "document.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert re.search(r"newlabel\{tab:some-table-second\}", (tmp_path / "document.aux").read_text())
