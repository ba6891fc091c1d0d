"""The reference run: committed tables, claims and figures are exactly what the committed episodes give."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from safemil.plan.configuration import parse_config
from safemil.plan.kept import find_kept_runs, keepable_runs
from safemil.plan.rules import Plan
from safemil.records.kept_store import read_kept
from tests.workflow.conftest import REPOSITORY, Project, copy_project

KEPT, TABLES, FIGURES = "results/reference/kept", "results/reference/tables", "figures/reference"
CLAIMS = ("results/reference/claims.md", "results/reference/claims.json")


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
    """The project with nothing but its kept runs."""
    project = copy_project(tmp_path_factory.mktemp("reference") / "project")
    shutil.copytree(REPOSITORY / KEPT, project.directory / KEPT)
    return project


@pytest.fixture(scope="module")
def finished_clone(clone: Project) -> Project:
    """The project after `all` by the default configuration, made of the kept runs."""
    clone.snakemake("all")
    return clone


def test_nothing_is_left_to_train_or_to_collect(clone: Project) -> None:
    planned = clone.snakemake("all", "--dry-run").stdout
    assert "rule gather:" in planned
    for rule in ("train_method", "train_oracle", "evaluate_policy", "evaluate_curve", "collect", "split"):
        assert f"rule {rule}:" not in planned


def test_every_kept_run_is_of_the_present_settings_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    plan = Plan(parse_config(yaml.safe_load(Path("config/config.yaml").read_text()), "config/config.yaml"))
    kept, damaged = read_kept(Path(KEPT))
    found = find_kept_runs(plan)
    assert damaged == set()
    assert found.other == []
    assert {run.key for run in kept} == {plan.key(run) for run in [*found.taken, *found.own]}
    assert len(kept) == len(keepable_runs(plan))


def test_the_repository_stays_small() -> None:
    suffixes = (".csv", ".md", ".tex", ".json", ".parquet", ".safetensors")
    assert 0 < len(committed("results/reference", *suffixes)) <= 60


@pytest.mark.parametrize("folder", [TABLES, FIGURES])
def test_the_committed_tables_and_figures_follow_from_the_kept_runs(
    finished_clone: Project, folder: str
) -> None:
    files = committed(folder, ".csv", ".md", ".tex")
    assert files
    for path in files:
        assert (finished_clone.directory / path).read_bytes() == (REPOSITORY / path).read_bytes(), path


@pytest.mark.parametrize("name", CLAIMS)
def test_the_committed_claims_follow_from_the_kept_runs(finished_clone: Project, name: str) -> None:
    assert (finished_clone.directory / name).read_bytes() == (REPOSITORY / name).read_bytes()
