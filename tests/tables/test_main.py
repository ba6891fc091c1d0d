"""The main table as files: exact numbers in the CSV, rules and budget stated in Markdown and LaTeX."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.scores import main_table
from safemil.tables.captions import budget_sentence
from safemil.tables.document import write_document
from safemil.tables.main import document
from safemil.tables.request import TableRun
from safemil.tables.text import best_learners

NOTES = ["A_note with 50 % & 3<4 [sic]."]
QUICK = TableRun("quick_run")


@pytest.fixture
def texts(tmp_path, tiny):
    paths = write_document(document(QUICK, main_table(tiny), NOTES), tmp_path / "new")
    assert [path.name for path in paths] == ["main.csv", "main.md", "main.tex"]
    return {path.suffix: path.read_text(encoding="utf-8") for path in paths}


def test_csv_holds_every_number(tmp_path, tiny, texts):
    read = pd.read_csv(tmp_path / "new" / "main.csv")
    pd.testing.assert_frame_equal(read, main_table(tiny), rtol=1e-9, check_dtype=False)
    line = texts[".csv"].splitlines()[1]
    assert line.startswith(
        "swimmer_velocity,bc,default,collected,3,15,54,25,58.33333333,0.5,10,28.33333333,34,74,"
    )
    assert ",NaN,NaN," in texts[".csv"]
    assert "\r" not in texts[".csv"]


def test_budget_is_stated_by_kind(tiny):
    assert budget_sentence(main_table(tiny)) == (
        "Source collected; learners: 2 to 3 seeds × 5 episodes, 1,000 gradient steps; "
        "references: 1 seed × 5 episodes"
    )


def test_markdown_rows(texts):
    lines = texts[".md"].splitlines()
    assert lines[0] == "# Main comparison: run `quick_run`, source `collected`"
    assert "1,000 gradient steps" in lines[2]
    assert "## Swimmer-Velocity" in lines
    bc = (
        "| BC-Unlabeled | 3 | 54.00 [34.00, 74.00] | 25.00 [20.00, 30.00] | 58.33 [25.00, 100.00] "
        "| 0.50 [0.30, 0.70] | 10.00 [5.00, 15.00] | 28.33 [-5.00, 70.00] | 0.80 |"
    )
    # 104 is the largest return: from 100 on, one decimal for the whole column.
    assert bc.replace("54.00 [34.00, 74.00]", "54.0 [34.0, 74.0]") in lines
    safemil = next(line for line in lines if line.startswith("| SafeMIL"))
    assert "| **2.00** (n\\<3) |" in safemil
    references = lines.index(next(line for line in lines if line.startswith("| *references")))
    assert lines[references + 1].startswith("| Constrained RL | 1 |")


def test_markdown_tables_are_rectangular_and_explained(texts):
    table = [line for line in texts[".md"].splitlines() if line.startswith("|")]
    assert {line.count(" | ") + 1 for line in table} == {9}
    for words in ("Bold: the lowest cost", "at least 0.5", "n\\<3: fewer than 3 seeds", "bootstrap interval"):
        assert words in texts[".md"]
    assert "uncertainty of the references is not included" in texts[".md"]
    assert "- A\\_note with 50 % & 3\\<4" in texts[".md"]


def test_latex_is_well_formed(texts):
    tex = texts[".tex"]
    assert re.findall(r"\\begin\{(\S+?)\}", tex) == ["table*", "tabular", "itemize"]
    assert sorted(re.findall(r"\\end\{(\S+?)\}", tex)) == ["itemize", "table*", "tabular"]
    assert [rule in tex for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [True] * 3
    bare = re.sub(r"\\[{}&%_$#]", "", tex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert "_" not in bare
    assert tex.isascii()
    rows = [line for line in bare.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
    assert {row.count("&") for row in rows} == {8}
    assert len(rows) == 1 + 2 * 4


def test_latex_says_what_its_numbers_are(texts):
    tex = texts[".tex"]
    assert r"run quick\_run" in tex
    for words in ("Source collected", "1,000 gradient steps", r"$\times$ 5 episodes", "percentile bootstrap"):
        assert words in tex
    assert r"\item A\_note with 50 \% \& 3$<$4 {[}sic{]}." in tex
    assert r"$\mathbf{2.00}$" in tex
    assert r"{\scriptsize $n<3$}" in tex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_with_booktabs_alone(tmp_path, texts):
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{main}\end{document}"
    (tmp_path / "main.tex").write_text(texts[".tex"])
    (tmp_path / "document.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "document.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_writing_twice_gives_the_same_bytes(tmp_path, tiny):
    table = main_table(tiny)
    first = write_document(document(QUICK, table), tmp_path / "a")
    second = write_document(document(QUICK, main_table(tiny)), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_bold_needs_a_return_a_learner_and_the_default_variant(tiny, rows):
    cheap = [
        rows("dwbc_nu", 0, [10] * 5, [0] * 5),  # does nothing: normalised return 0.06
        rows("bc_safe", 0, [90] * 5, [0] * 5),  # an oracle
        rows("safemil", 0, [90] * 5, [0] * 5, variant="bag_8"),  # a variant
    ]
    table = main_table(pd.concat([tiny, *cheap], ignore_index=True))
    bold = table[best_learners(table, 25.0)]
    assert (bold["method"] + ":" + bold["variant"]).tolist() == ["safemil:default"]


def test_ties_are_all_bold_and_nobody_is_bold_without_a_return_or_above_the_limit(tiny, rows):
    tie = rows("safedice", 0, [54] * 5, [2] * 5)
    table = main_table(pd.concat([tiny, tie], ignore_index=True))
    assert table.loc[best_learners(table, 25.0), "method"].tolist() == ["safedice", "safemil"]
    assert table.loc[best_learners(table, 2.0), "method"].tolist() == ["safedice", "safemil"]
    assert not best_learners(table, 1.9).any()  # the lowest cost, yet not a safe one
    poor = tiny.assign(**{"return": tiny["return"].where(tiny["method"].isin(["constrained_rl"]), 0.0)})
    assert not best_learners(main_table(poor), 25.0).any()


def test_undefined_scores_are_marked_and_explained(tmp_path, tiny):
    weak = tiny.assign(**{"return": np.zeros(len(tiny))})
    paths = write_document(document(QUICK, main_table(weak)), tmp_path)
    _, markdown, latex = (path.read_text(encoding="utf-8") for path in paths)
    assert "| n/a |" in markdown
    assert "- n/a: the constrained reference earns no more" in markdown
    assert "& n/a &" in latex
    assert "nan" not in (markdown + latex).lower().replace("unlabeled", "")
    assert "-0.0" not in markdown


@pytest.fixture
def with_oracles(tiny, rows):
    """Published data: COptiDICE is the reference, above its limit, so that BC-Safe is the second one."""
    oracles = [rows("coptidice", 0, [54] * 5, [30] * 5), rows("bc_safe", 0, [90] * 5, [0] * 5)]
    oracles.append(rows("bc_safe", 0, [90] * 5, [0] * 5, variant="k1"))
    episodes = pd.concat([tiny[tiny["method"] != "constrained_rl"], *oracles], ignore_index=True)
    return main_table(episodes.assign(source="dsrl"))


def test_oracles_stand_apart_and_the_text_says_why(tmp_path, with_oracles):
    paths = write_document(document(QUICK, with_oracles), tmp_path)
    _, markdown, latex = (path.read_text(encoding="utf-8") for path in paths)
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == [
        *["method", ":---", "BC-Unlabeled", "SafeMIL", "*oracles, trained on true labels*"],
        *["BC-Safe (second reference)", "BC-Safe (k1)", "COptiDICE (reference)"],
        *["*references, not learned from the data*", "Random"],
    ]
    sentence = "Oracles are trained on true labels, which no learner sees"
    assert f"gradient steps; references: 1 seed × 5 episodes. {sentence}.\n" in markdown
    assert latex[: latex.index(r"\begin{tabular}")].count(sentence) == 1
    for text in (markdown, latex):
        assert f"{sentence}: they stand apart and are never bold." in text
        assert "difference to the constrained reference, here COptiDICE." in text
    assert latex.index(r"\emph{oracles") < latex.index("BC-Safe (second") < latex.index(r"\emph{references")
    assert with_oracles.loc[best_learners(with_oracles, 25.0), "method"].tolist() == ["safemil"]


def test_within_its_limit_the_reference_stands_alone(tmp_path, with_oracles):
    run = TableRun("quick", EvaluationSettings(cost_limit=30.0))
    paths = write_document(document(run, with_oracles), tmp_path)
    for path in paths[1:]:
        text = path.read_text(encoding="utf-8")
        assert "COptiDICE (reference)" in text
        assert "second reference" not in text


def test_without_oracles_nothing_is_said_of_them(texts):
    assert "racle" not in texts[".md"] + texts[".tex"]
    assert "difference to the constrained reference, here Constrained RL." in texts[".md"]
