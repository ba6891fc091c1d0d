"""Kept runs: another clone takes them up, makes the same tables of them, and trains what differs."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from safemil.cli import cli
from safemil.errors import UserError
from tests.workflow.conftest import TINY, Project, copy_project

KEPT = "results/tiny/kept"
RUN = "collected/point_circle2/safemil/default/seed0"
MADE = {
    *("train_method", "train_oracle", "evaluate_policy", "evaluate_random", "evaluate_constrained"),
    *("evaluate_curve", "evaluate_cost", "held_out", "collect", "split"),
}


@pytest.fixture(scope="module")
def kept(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project with its kept runs."""
    directory = tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(finished.directory, directory, copy_function=shutil.copy2)
    project = Project(directory)
    project.snakemake("all", "keep", "--configfile", "tiny.yaml")
    return project


@pytest.fixture
def clone(kept: Project, tmp_path: Path) -> Project:
    """A project that has nothing but what is committed, the kept runs among it."""
    project = copy_project(tmp_path / "clone")
    shutil.copytree(kept.directory / KEPT, project.directory / KEPT)
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
    assert kept.planned("all", "keep") == {}
    policies = sorted(path.parts[-4] for path in (kept.directory / KEPT).rglob("policy.safetensors"))
    assert policies == ["bc", "safemil"]
    assert not list((kept.directory / KEPT).rglob("networks.safetensors"))


def test_a_clone_trains_nothing_and_has_the_same_tables_and_figures(kept: Project, clone: Project) -> None:
    planned = clone.planned("all")
    assert planned["take_up"] == 1
    assert MADE.isdisjoint(planned)
    output = clone.snakemake("all", "--configfile", "tiny.yaml").stdout
    assert f"{KEPT}: 7 of 7 runs are taken from there." in output
    assert products(clone) == products(kept)
    assert len(products(clone)) > 20
    assert clone.planned("all") == {}
    assert clone.planned("all", "keep") == {"keep": 1}  # which has nothing to keep


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
    origins = list((clone.directory / KEPT).rglob("seed0/origin.json"))
    lines = [line for path in origins for line in path.read_text().splitlines()]
    (digest,) = {line.split('"')[3] for line in lines if '"rollout_code"' in line}
    older, oldest = "0" * 16, "1" * 16
    for path in origins:
        path.write_text(path.read_text().replace(digest, oldest))
    assert clone.planned("all")["evaluate_random"] == 1
    table = clone.directory / KEPT / "same_numbers.csv"
    rows = [f"{older},{digest},renamed a variable", f"{oldest},{older},renamed another"]
    table.write_text("\n".join(["before,after,reason", *rows, ""]))
    assert MADE.isdisjoint(clone.planned("all"))
    for wrong in (f"{older},{digest},", f"{older},5000,typo", "\n".join([rows[0], rows[0]])):
        table.write_text(f"before,after,reason\n{wrong}\n")
        failed = clone.snakemake("all", "--dry-run", "--configfile", "tiny.yaml", check=False)
        assert failed.returncode
        said = failed.stdout + failed.stderr
        assert "two digests of 16 digits and a reason" in said
        assert "Traceback" not in said


def test_targets_that_need_data_or_policies_are_planned_beside_what_is_taken(clone: Project) -> None:
    assert clone.planned("train") == {"train": 1}
    assert "train_method" not in clone.planned("train", "all")
    planned = clone.planned("data", "all")
    assert (planned["collect"], planned["split"], planned["take_up"]) == (1, 1, 1)
    assert "train_method" not in planned
    planned = clone.planned("ablation_sizes", "all")
    assert (planned["collect"], planned["split"], planned["take_up"]) == (1, 1, 1)
    assert planned["train_method"] == 1  # one of its points is no other variant's


def test_what_was_taken_follows_the_kept_runs_and_the_settings(clone: Project) -> None:
    clone.snakemake("all", "--configfile", "tiny.yaml")
    run = clone.directory / KEPT / RUN
    scores = (run / "learned_cost.csv").read_text()
    (run / "learned_cost.csv").write_text(scores.replace("0.", "0.0"))
    assert clone.planned("all")["train_method"] == 1  # a damaged file
    files = json.loads((run / "files.json").read_text())
    changed = {
        name: hashlib.sha256((clone.directory / KEPT / name.removeprefix("results/tiny/")).read_bytes())
        for name in files
    }
    (run / "files.json").write_text(
        json.dumps({name: digest.hexdigest() for name, digest in changed.items()})
    )
    planned = clone.planned("all")
    assert planned["take_up"] == 1
    assert MADE.isdisjoint(planned)
    longer = {**TINY, "training": {**TINY["training"], "steps": 41}}  # type: ignore[dict-item]
    (clone.directory / "tiny.yaml").write_text(yaml.safe_dump(longer))
    assert clone.planned("all")["train_method"] == 3
    failed = clone.snakemake("table_fairness", "--configfile", "tiny.yaml", check=False)
    assert failed.returncode
    assert "training.steps is 40, configured 41" in failed.stdout + failed.stderr


def test_a_task_that_is_not_what_it_was_is_made_anew(clone: Project) -> None:
    tasks = clone.directory / "config/tasks.tsv"
    rows = tasks.read_text().splitlines()
    (row,) = [row for row in rows if row.startswith("point_circle2")]
    assert "\t300\t" in row
    tasks.write_text(tasks.read_text().replace(row, row.replace("\t300\t", "\t299\t")))
    planned = clone.planned("all")
    assert "take_up" not in planned
    assert planned["train_method"] == 3


def test_a_run_that_lacks_a_file_is_made(clone: Project) -> None:
    (clone.directory / KEPT / RUN / "learned_cost.csv").unlink()
    planned = clone.planned("all")
    assert planned["train_method"] == 1
    assert planned["evaluate_cost"] == 1


def test_a_run_of_other_code_is_not_kept(kept: Project, tmp_path: Path) -> None:
    record = kept.directory / "results/tiny" / RUN / "run.json"
    text = json.dumps({"training_code": "0" * 16})
    command = ["keep", "--config", str(kept.directory / "results/tiny/config.json"), "--origin", text]
    done = CliRunner().invoke(cli, [*command, "--output", str(tmp_path / "origin.json"), str(record)])
    assert isinstance(done.exception, UserError)
    assert f"code {json.loads(record.read_text())['code']}" in str(done.exception)
    assert not list(tmp_path.iterdir())
