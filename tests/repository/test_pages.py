"""What README and pages promise about themselves: links, lengths, index, tables of the pipeline, commands."""

import re
from pathlib import Path

import pytest

from safemil.cli import cli

ROOT = Path(__file__).resolve().parents[2]
LONGEST_LINE, LONGEST_README = 120, 150
CODE = re.DOTALL | re.MULTILINE
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
# Tables that the pipeline wrote, copied here as they were.
COPIES = {page for page in PAGES if page.parent.parent.name == "experiments" or page.stem.endswith("_table")}
WRITTEN = [page for page in PAGES if page not in COPIES]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> list[str]:
    """Return a page's lines without code, tables and headings of blocks."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=CODE)
    return [line for line in text.splitlines() if not re.match(r"    | *(\||<!--|!\[)", line)]


def code(page: Path) -> str:
    """Return what a page shows as code, without comments."""
    blocks = re.findall(r"^```(.*?)^```|`([^`\n]+)`", page.read_text(), CODE)
    return re.sub(r" #.*", "", "\n".join("".join(block) for block in blocks))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as the usual viewers make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(found), target


def test_pages_that_code_and_pages_name_exist() -> None:
    """`docs/NAME.md` in a message, a docstring, a comment or a page is a page."""
    folders = ("safemil", "workflow", "config", "benchmarks", "tests", "docs")
    endings = {".py", ".smk", ".yaml", ".md", ".rst", ".json"}
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in endings]
    texts = [file.read_text() for file in [ROOT / "README.md", *files] if file not in COPIES]
    found = re.findall(r"\bdocs/[a-z_/]+\.md", "\n".join(texts))
    assert {page for page in found if not (ROOT / page).exists()} == set()
    assert "docs/statistics.md" in found


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_committed_results_that_a_page_names_are_there(page: Path) -> None:
    found = re.findall(
        r"(?:results/reference/(?:kept|tables|claims)|figures/reference)[\w./]*\w", page.read_text()
    )
    assert [file for file in found if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_lines_are_short(page: Path) -> None:
    assert [line for line in prose(page) if len(line) > LONGEST_LINE] == []


def test_the_readme_is_short_and_shows_a_figure_and_commands_on_its_first_screen() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= LONGEST_README
    first_screen = "\n".join(lines[:35])
    assert "](figures/reference/main.png)" in first_screen
    assert "make quick" in first_screen
    assert "snakemake --cores 2 all" in first_screen


@pytest.mark.parametrize("folder", ["docs", "docs/methods", "docs/experiments"])
def test_an_index_names_every_page_of_its_folder(folder: str) -> None:
    index = ROOT / folder / "README.md"
    pages = {page.name for page in (ROOT / folder).glob("*.md")} - {index.name}
    linked = set(re.findall(r"\]\(([\w]+\.md)\)", index.read_text()))
    assert {page for page in pages if not page.endswith("_table.md")} == linked


def test_tables_shown_on_a_page_are_those_of_the_pipeline() -> None:
    """A block `<!-- FILE: HEADING -->` is the table under that heading there, unchanged.

    But for one thing: a reference is one policy, and a page says so where the table says `n<3`.
    """
    shown_on = {}
    for page in WRITTEN:
        pattern = r"<!-- (\S+): (.+?) -->\n(.+?)\n<!-- end -->"
        for file, heading, shown in re.findall(pattern, page.read_text(), re.DOTALL):
            section = (ROOT / file).read_text().partition(f"\n## {heading}\n")[2]
            table, title, references = section.strip().partition("\n\n")[0].partition("| *references")
            expected = table + title + references.replace("(n\\<3)", "(one policy)")
            assert shown == expected, f"copy the table anew from {file}"
            shown_on[file, heading] = page.name
    assert shown_on == {
        ("results/reference/claims.md", "Verdicts"): "results.md",
        ("results/reference/tables/per_task.md", "cost"): "results.md",
    }


GLOSSARY_WORDS = """α, B, β, γ, D_N, D_U, H, K, C_con, ablation, bag, behaviour policy, budget, card,
constrained reference, cost limit, curve, custom method, CVaR@20 %, data seed, digest, gather, golden trace,
held out, IQM, kept run, learner, on demand, oracle, origin, policy share, preferred, reference, room,
reference run, restamp, run id, segment, separability, source, split, strip, variant, verdict"""


@pytest.mark.parametrize("word", re.split(r",\s", GLOSSARY_WORDS))
def test_the_glossary_has_an_entry(word: str) -> None:
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/glossary.md").read_text(), flags=re.MULTILINE)
    assert word in {entry.strip() for row in rows for entry in re.split("[,;]", row)}


def test_make_targets_and_commands_that_pages_name_exist() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    known = {"make": set(phony[1].split()), "safemil": set(cli.commands)}
    for page in WRITTEN:
        for program, argument in re.findall(r"(?<![/\w])(make|safemil) ([a-z][\w-]+)", code(page)):
            assert argument in known[program], f"{name(page)}: {program} {argument}"
