"""The target `partial`: it shows what is finished, trains nothing, and touches nothing of the whole."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import yaml

from safemil.plan.configuration import parse_config
from safemil.plan.rules import Plan
from tests.runs_on_disk import lay_down
from tests.workflow.conftest import TINY, Project, copy_project
from tests.workflow.test_pipeline import RUN, edit

TABLES, FIGURES = "results/tiny/partial", "figures/tiny/partial"
MADE = {
    *[f"{TABLES}/{name}" for name in ("episodes.parquet", "runs.csv")],
    *[f"{TABLES}/{name}.{e}" for name in ("main", "per_task") for e in ("csv", "md", "tex")],
    *[f"{FIGURES}/{name}.{e}" for name in ("main", "plane") for e in ("csv", "png", "pdf")],
}


def contents(project: Project) -> dict[str, tuple[str, int]]:
    """Return digest and time of every result, of the logs only those of other targets."""
    files = {
        path.relative_to(project.directory).as_posix(): path
        for folder in ("data", "results", "figures")
        for path in (project.directory / folder).rglob("*")
        if path.is_file()
    }
    ours = ("results/tiny/logs/partial.log", "results/tiny/config.json")
    return {
        name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for name, path in files.items()
        if name not in ours
    }


def partial(project: Project) -> str:
    result = project.snakemake("partial", "--configfile", "tiny.yaml")
    return result.stdout + result.stderr


def test_of_a_finished_run_it_is_the_complete_table_and_nothing_else_is_touched(editable: Project) -> None:
    before = contents(editable)
    partial(editable)
    after = contents(editable)
    assert set(after) - set(before) == MADE
    assert {name: after[name] for name in before} == before
    whole = pd.read_csv(editable.directory / "results/tiny/tables/main.csv")
    part = pd.read_csv(editable.directory / TABLES / "main.csv")
    assert (part["n_configured"] == part["n_seeds"]).all()
    pd.testing.assert_frame_equal(part.drop(columns="n_configured"), whole, check_exact=True)
    status = pd.read_csv(editable.directory / TABLES / "runs.csv")
    assert status["status"].tolist() == ["finished"] * 7
    assert editable.planned("all") == {}


def test_what_is_missing_or_of_other_settings_is_not_in_it_and_is_not_made(editable: Project) -> None:
    (editable.directory / f"{RUN}/safemil/default/seed0/episodes.parquet").unlink()
    edit(editable, "tiny.yaml", "bag_size: 1\nrun_name", "bag_size: 2\nrun_name")
    planned = editable.planned("all")
    partial(editable)
    table = pd.read_csv(editable.directory / TABLES / "main.csv").set_index(["method", "variant"])
    assert table.index[table["n_seeds"] == 0].tolist() == [("safemil", "default"), ("safemil", "small")]
    text = (editable.directory / TABLES / "main.md").read_text()
    assert text.startswith("# Main comparison (partial: 5 of 7 runs): run `tiny`")
    assert "training.bag\\_size is 1, configured 2" in text
    assert not (editable.directory / f"{RUN}/safemil/default/seed0/episodes.parquet").exists()
    assert editable.planned("all") == planned


def laid_down(directory: Path) -> Project:
    """A copy of the project in which two references and one learner have been rolled out."""
    project = copy_project(directory)
    (directory / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    for wanted in Plan(parse_config(TINY, "here")).wanted_runs():
        if wanted.run.method in ("random", "constrained_rl", "bc"):
            value = {"random": 0.0, "constrained_rl": 100.0, "bc": 50.0}[wanted.run.method]
            lay_down(directory, wanted, [value] * 2, [value / 10] * 2)
    return project


def test_it_runs_beside_another_snakemake_and_each_time_it_is_asked(tmp_path: Path) -> None:
    project = laid_down(tmp_path / "project")
    # What a snakemake that makes `all` leaves while it runs: names of the files it will read and write.
    locks = project.directory / ".snakemake/locks"
    locks.mkdir(parents=True)
    written = [f"{RUN}/safemil/default/seed0/episodes.parquet", "results/tiny/tables/main.csv"]
    (locks / "0.output.lock").write_text("\n".join(written) + "\n")
    (locks / "0.input.lock").write_text(f"{RUN}/bc/default/seed0/episodes.parquet\n")
    assert "locked" in project.snakemake("table_main", "--configfile", "tiny.yaml", check=False).stderr
    partial(project)
    first = contents(project)
    assert set(first) >= MADE
    assert "(partial: 3 of 7 runs)" in (project.directory / TABLES / "main.md").read_text()
    output = partial(project)
    assert "Nothing to be done" not in output
    assert {name: digest for name, (digest, _) in contents(project).items()} == {
        name: digest for name, (digest, _) in first.items()
    }
    assert contents(project)[f"{TABLES}/main.csv"][1] > first[f"{TABLES}/main.csv"][1]


def test_without_any_finished_run_it_says_so(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    result = project.snakemake("partial", "--configfile", "tiny.yaml", check=False)
    message = result.stdout + result.stderr
    assert result.returncode != 0
    assert "no run of this configuration is finished" in message
    assert "Traceback" not in message
    assert not (project.directory / "results/tiny/partial").exists()
    assert not (project.directory / "figures").exists()
    assert json.loads((project.directory / "results/tiny/config.json").read_text())["run_name"] == "tiny"
