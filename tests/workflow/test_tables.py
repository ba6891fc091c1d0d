"""Tables by one rule and one command: a table more is a module and an entry; an edit redraws its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

MODULE = '''"""How many episodes each method has."""

import pandas as pd

from safemil.tables.captions import sources_of
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun


def make(run: TableRun, episodes: pd.DataFrame) -> Document:
    """Return the number of episodes by method."""
    counts = episodes.groupby("method").size().rename("episodes").reset_index()
    rows = [[row.method, str(row.episodes)] for row in counts.itertuples()]
    section = Section(columns=["method", "episodes"], rows=rows)
    return Document("counts", "Episodes", counts, [section], run=run.name, source=sources_of(episodes))
'''
ENTRY = """
    TableEntry(
        "counts", inputs=lambda plan: {"episodes": inputs.episodes(plan)}, category="data", label=""
    ),
"""


def edit(project: Project, file: str, old: str, new: str) -> None:
    path = project.directory / file
    text = path.read_text()
    assert text.count(old) == 1, (file, old)
    path.write_text(text.replace(old, new))


@pytest.fixture
def extended(editable: Project) -> Project:
    """The finished project with one table more: a module and an entry."""
    (editable.directory / "safemil/tables/counts.py").write_text(MODULE)
    edit(editable, "safemil/tables/entries.py", "\nTABLES = (\n", f"\nTABLES = ({ENTRY}")
    return editable


def test_a_table_more_is_a_module_and_an_entry(extended: Project) -> None:
    # Part of `all`, and nothing else is made again for it.
    assert extended.planned("all") == {"all": 1, "table": 1}
    extended.snakemake("table_counts", "--configfile", "tiny.yaml")
    folder = extended.directory / "results/tiny/tables"
    assert (folder / "counts.csv").read_text().splitlines()[:2] == ["method,episodes", "bc,2"]
    assert "# Episodes: run `tiny`, source `collected`\n" in (folder / "counts.md").read_text()
    assert "safemil & 4 \\\\" in (folder / "counts.tex").read_text()
    assert extended.planned("all") == {}
    # By hand, without Snakemake, it is the same.
    command = [sys.executable, "-m", "safemil", "table", "counts", "--config", "results/tiny/config.json"]
    subprocess.run(
        [*command, "--directory", "again"],
        cwd=extended.directory,
        env={**os.environ, "PYTHONPATH": str(extended.directory)},
        check=True,
    )
    for path in sorted(folder.glob("counts.*")):
        assert (extended.directory / "again" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("file", "old", "new", "redrawn"),
    [
        ("tables/per_task.py", '"Task by task', '"Task after task', 1),
        # The table of selection shows its shares.
        ("tables/separability.py", '"AUROC of pairs"', '"AUROC"', 2),
        ("tables/latex.py", 'r"\\centering"', 'r"\\raggedright"', 11),
    ],
)
def test_an_edit_redraws_the_tables_that_it_can_change(
    editable: Project, file: str, old: str, new: str, redrawn: int
) -> None:
    edit(editable, f"safemil/{file}", old, new)
    planned = editable.planned("all")
    assert planned["table"] == redrawn
    # The figure of the theory, the claims and the report are made of tables.
    followers = {"figure", "figure_theory", "claims", "pages", "page", "render_pages"}
    assert set(planned) <= {"all", "table", *followers}
    assert planned.get("figure", 0) <= 1


def test_one_table_is_made_alone(editable: Project) -> None:
    for file in Path(editable.directory / "results/tiny/tables").glob("main.*"):
        file.unlink()
    assert editable.planned("table_main") == {"table": 1, "table_main": 1}
