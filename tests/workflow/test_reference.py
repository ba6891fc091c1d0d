"""The reference run: its committed tables are exactly what its committed episodes give."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, Project, copy_project

KEPT, TABLES, FIGURES = "results/reference/kept", "results/reference/partial", "figures/reference/partial"


def committed(folder: str, *suffixes: str) -> list[Path]:
    """Return the files below a folder that are the repository's; of an unpacked release, all files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    names = listed.stdout.split("\0")[:-1] if listed.returncode == 0 else []
    found = [Path(name) for name in names] or [
        path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*") if path.is_file()
    ]
    return [path for path in found if path.suffix in suffixes]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with nothing but its kept runs, and the tables that they give."""
    project = copy_project(tmp_path_factory.mktemp("reference") / "project")
    shutil.copytree(REPOSITORY / KEPT, project.directory / KEPT)
    project.snakemake("take_up")
    project.snakemake("partial")
    return project


def test_every_kept_run_is_of_the_present_settings_and_code(clone: Project) -> None:
    kept = {path.parent.relative_to(REPOSITORY / KEPT) for path in (REPOSITORY / KEPT).rglob("origin.json")}
    taken = {
        path.parent.relative_to(clone.directory / "results/reference")
        for path in (clone.directory / "results/reference/collected").rglob("episodes.parquet")
    }
    assert {run for run in kept if run.name != "data"} == taken
    status = (clone.directory / TABLES / "runs.csv").read_text().splitlines()
    assert not [line for line in status if ",left out," in line]


@pytest.mark.parametrize("folder", [TABLES, FIGURES])
def test_the_committed_tables_and_figures_follow_from_the_kept_runs(clone: Project, folder: str) -> None:
    files = committed(folder, ".csv", ".md", ".tex")
    assert files
    for path in files:
        assert (clone.directory / path).read_bytes() == (REPOSITORY / path).read_bytes(), path
