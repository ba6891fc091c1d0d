"""Kept runs: another clone takes them up, makes the same tables of them, and trains what differs."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import TINY, Project, copy_project

FINISHED = "results/tiny/finished"
RUN = "collected/point_circle2/safemil/default/seed0"
MADE = {
    *("train_method", "train_oracle", "evaluate_policy", "evaluate_random", "evaluate_constrained"),
    *("evaluate_curve", "evaluate_cost", "held_out", "collect", "split"),
}


@pytest.fixture(scope="module")
def kept(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project with its archive."""
    directory = tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(finished.directory, directory, copy_function=shutil.copy2)
    project = Project(directory)
    project.snakemake("all", "archive", "--configfile", "tiny.yaml")
    return project


@pytest.fixture
def clone(kept: Project, tmp_path: Path) -> Project:
    """A project that has nothing but what is committed, the archive among it."""
    project = copy_project(tmp_path / "clone")
    shutil.copytree(kept.directory / FINISHED, project.directory / FINISHED)
    return project


def products(project: Project) -> dict[str, bytes]:
    """Return tables, claims and figures by their names."""
    folders = [project.directory / "results/tiny/tables", project.directory / "figures/tiny"]
    found = [
        path for folder in folders for path in folder.rglob("*") if path.suffix in {".csv", ".md", ".png"}
    ]
    found.append(project.directory / "results/tiny/claims.json")
    return {str(path.relative_to(project.directory)): path.read_bytes() for path in found}


def test_keeping_leaves_nothing_to_do_where_the_runs_were_made(kept: Project) -> None:
    assert kept.planned("all", "archive") == {}
    policies = sorted(path.parts[-4] for path in (kept.directory / FINISHED).rglob("policy.safetensors"))
    assert policies == ["bc", "safemil"]
    assert not list((kept.directory / FINISHED).rglob("networks.safetensors"))


def test_a_clone_trains_nothing_and_has_the_same_tables_and_figures(kept: Project, clone: Project) -> None:
    planned = clone.planned("all")
    assert planned["take_up"] == 1
    assert MADE.isdisjoint(planned)
    output = clone.snakemake("all", "--configfile", "tiny.yaml").stdout
    assert f"{FINISHED}: 7 of 7 runs are taken from there." in output
    assert products(clone) == products(kept)
    assert len(products(clone)) > 20
    assert clone.planned("all") == {}
    assert clone.planned("all", "archive") == {"archive": 1}  # which has nothing to keep


def test_other_settings_are_trained(clone: Project) -> None:
    hotter = {"safemil": {"default": {"settings": {"temperature": 0.5}}}}
    changed = {**TINY, "methods": {"bc": {"default": {}}, **hotter}}
    (clone.directory / "tiny.yaml").write_text(yaml.safe_dump(changed))
    planned = clone.planned("all")
    assert (planned["train_method"], planned["collect"], planned["split"]) == (1, 1, 1)
    assert (planned["evaluate_policy"], planned["take_up"]) == (1, 1)


def test_other_code_is_trained_and_it_is_said_why(clone: Project) -> None:
    method = clone.directory / "safemil/methods/safemil.py"
    method.write_text(method.read_text() + "\nUNUSED = 1\n")
    assert clone.planned("all")["train_method"] == 2
    output = clone.snakemake("table_theory", "--configfile", "tiny.yaml").stdout
    said = "2 kept runs are of other settings, data or code and are not used, such as "
    assert f"{said}results/tiny/{RUN} (cost_code, training_code)." in output


def test_a_change_of_the_code_may_be_said_to_change_no_number(clone: Project) -> None:
    origins = list((clone.directory / FINISHED).rglob("seed0/origin.json"))
    lines = [line for path in origins for line in path.read_text().splitlines()]
    (digest,) = {line.split('"')[3] for line in lines if '"rollout_code"' in line}
    for path in origins:
        path.write_text(path.read_text().replace(digest, "0" * 16))
    assert clone.planned("all")["evaluate_random"] == 1
    table = clone.directory / FINISHED / "same_numbers.csv"
    table.write_text(f"before,after,reason\n{'0' * 16},{digest},renamed a variable\n")
    assert MADE.isdisjoint(clone.planned("all"))
    table.write_text(f"before,after,reason\n{'0' * 16},{digest},\n")
    failed = clone.snakemake("all", "--dry-run", "--configfile", "tiny.yaml", check=False)
    assert failed.returncode
    assert "a reason in every row" in failed.stdout + failed.stderr


def test_a_run_that_lacks_a_file_is_made(clone: Project) -> None:
    (clone.directory / FINISHED / RUN / "learned_cost.csv").unlink()
    planned = clone.planned("all")
    assert planned["train_method"] == 1
    assert planned["evaluate_cost"] == 1
