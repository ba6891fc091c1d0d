"""Kept runs: another clone takes their rows, makes the same tables of them, and trains what differs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from safemil.cli import cli
from safemil.errors import UserError
from safemil.plan.configuration import parse_config
from safemil.plan.kept import KeptRuns, find_kept_runs
from safemil.plan.rules import Plan
from safemil.records import kept_store
from tests.workflow.conftest import TINY, Project, copy_project

KEPT = "results/tiny/kept"
RUN = "collected/point_circle2/safemil/default/seed0"
MADE = {
    *("train_method", "train_oracle", "evaluate_policy", "evaluate_random", "evaluate_constrained"),
    *("evaluate_curve", "evaluate_cost", "held_out", "collect", "split", "split_card", "collected_card"),
}

Look = Callable[[], KeptRuns]


@pytest.fixture(scope="module")
def kept(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project with its kept runs."""
    directory = tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(finished.directory, directory, copy_function=shutil.copy2)
    project = Project(directory)
    project.snakemake("keep", "--configfile", "tiny.yaml")
    return project


@pytest.fixture
def clone(kept: Project, tmp_path: Path) -> Project:
    """A project that has nothing but what is committed, the kept runs among it."""
    project = copy_project(tmp_path / "clone")
    shutil.copytree(kept.directory / KEPT, project.directory / KEPT)
    return project


@pytest.fixture
def look(kept: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """A folder with the kept runs alone, and what the workflow would take of them there."""
    shutil.copytree(kept.directory / KEPT, tmp_path / KEPT)
    (tmp_path / "assets").symlink_to(kept.directory / "assets")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    monkeypatch.chdir(tmp_path)
    return lambda: find_kept_runs(
        Plan(parse_config(yaml.safe_load(Path("tiny.yaml").read_text()), "tiny.yaml"))
    )


def reasons(found: KeptRuns) -> dict[str, str]:
    """Return why runs are not taken, by method and variant."""
    return {f"{run['method']}/{run['variant']}": why for run, why in found.other}


def rewrite(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = Path(KEPT) / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def products(project: Project) -> dict[str, bytes]:
    """Return tables, claims, cards and figures by their names."""
    folders = ["results/tiny/tables", "figures/tiny", "results/tiny/collected/point_circle2/data/default"]
    found = [
        path
        for folder in folders
        for path in (project.directory / folder).rglob("*")
        if path.suffix in {".csv", ".md", ".png"}
    ]
    found.append(project.directory / "results/tiny/claims.json")
    return {str(path.relative_to(project.directory)): path.read_bytes() for path in found}


def test_keeping_makes_a_few_tables_and_leaves_nothing_to_do(kept: Project) -> None:
    assert kept.planned("all") == {}
    assert kept.planned("keep") == {"keep": 1}  # which takes in what is new, and nothing is
    made = {path.relative_to(kept.directory / KEPT).as_posix() for path in (kept.directory / KEPT).rglob("*")}
    tables = {f"{name}.parquet" for name in (*kept_store.ROWS, kept_store.RUNS, kept_store.CARDS)}
    assert made == tables | {"policies", "policies/point_circle2_safemil.safetensors"}
    before = (kept.directory / KEPT / "runs.parquet").read_bytes()
    kept.snakemake("keep", "--configfile", "tiny.yaml")
    assert (kept.directory / KEPT / "runs.parquet").read_bytes() == before


def test_a_clone_trains_nothing_and_has_the_same_tables_and_figures(kept: Project, clone: Project) -> None:
    planned = clone.planned("all")
    assert (planned["take_cards"], planned["gather"]) == (1, 7)
    assert MADE.isdisjoint(planned)
    output = clone.snakemake("all", "--configfile", "tiny.yaml").stdout
    assert f"{KEPT}: 7 of 7 runs are taken from there." in output
    assert products(clone) == products(kept)
    assert len(products(clone)) > 20
    assert clone.planned("all") == {}
    clone.snakemake("keep", "--configfile", "tiny.yaml")
    same = [path.read_bytes() for path in sorted((kept.directory / KEPT).glob("*.parquet"))]
    assert [path.read_bytes() for path in sorted((clone.directory / KEPT).glob("*.parquet"))] == same
    # A run that is made here after all goes before the kept one, and all others stay as they are.
    method = clone.directory / "safemil/methods/safemil.py"
    method.write_text(method.read_text() + "\nUNUSED = 1\n")
    planned = clone.planned("all")
    assert (planned["train_method"], planned["collect"], planned["split"]) == (2, 1, 1)
    output = clone.snakemake("table_theory", "--force", "--configfile", "tiny.yaml").stdout
    said = "2 kept runs are of other settings, data or code, or damaged, and are not used, such as "
    assert f"{said}results/tiny/{RUN} (cost_code, training_code)." in output


def test_targets_that_need_data_or_policies_are_planned_beside_what_is_taken(clone: Project) -> None:
    assert clone.planned("train") == {"train": 1}
    planned = clone.planned("data", "all")
    assert (planned["collect"], planned["split"]) == (1, 1)
    assert "train_method" not in planned
    planned = clone.planned("ablation_sizes", "all")
    assert (planned["collect"], planned["split"]) == (1, 1)
    assert planned["train_method"] == 1  # one of its points is no other variant's


def test_all_is_taken_where_nothing_differs(look: Look) -> None:
    found = look()
    assert (len(found.taken), found.own, found.other, found.tasks) == (7, [], [], ["point_circle2"])
    assert found.made_files("episodes") == []
    assert found.kept_table("episodes") == [f"{KEPT}/episodes.parquet"]


def test_other_settings_are_made_anew_and_nothing_else(look: Look) -> None:
    hotter = {"safemil": {"default": {"settings": {"temperature": 0.5}}}}
    changed = {**TINY, "methods": {"bc": {"default": {}}, **hotter}}
    Path("tiny.yaml").write_text(yaml.safe_dump(changed))
    found = look()
    assert reasons(found) == {"safemil/default": "training"}
    assert {run["method"] for run in found.taken} == {"bc", "random", "constrained_rl"}
    assert found.made_files("episodes") == [f"results/tiny/{RUN}/episodes.parquet"]
    # What is asked for by a larger bootstrap or a new limit of a figure is no run's business.
    scores = {**TINY["evaluation"], "bootstrap_resamples": 50}  # type: ignore[dict-item]
    Path("tiny.yaml").write_text(yaml.safe_dump({**TINY, "evaluation": scores}))
    assert look().other == []


def test_damaged_rows_are_refused_by_name_and_all_others_are_taken(look: Look) -> None:
    def damage(rows: pd.DataFrame) -> pd.DataFrame:
        hit = (rows["method"] == "bc") & (rows["episode"] == 1)
        return rows.assign(cost=rows["cost"].mask(hit, rows["cost"] + 1))

    rewrite("episodes", damage)
    found = look()
    assert reasons(found) == {"bc/default": "damaged rows"}
    assert len(found.taken) == 6
    assert "results/tiny/collected/point_circle2/bc/default/seed0 (damaged rows)" in found.notice()


def test_a_table_that_is_missing_or_cannot_be_read_costs_the_runs_that_have_rows_in_it(look: Look) -> None:
    (Path(KEPT) / "learned_cost.parquet").write_bytes(b"not Parquet")
    assert reasons(look()) == {"safemil/default": "damaged rows", "safemil/small": "damaged rows"}
    (Path(KEPT) / "learned_cost.parquet").unlink()
    assert reasons(look()) == {"safemil/default": "damaged rows", "safemil/small": "damaged rows"}
    (Path(KEPT) / "cards.parquet").unlink()
    assert look().tasks == []
    (Path(KEPT) / "runs.parquet").write_bytes(b"not Parquet")
    with pytest.raises(UserError, match="the table of kept runs cannot be read") as error:
        look()
    assert "runs.parquet" in str(error.value)


def test_a_run_without_rows_of_what_is_asked_for_is_made(look: Look) -> None:
    costs = {**TINY["evaluation"], "curve_points": 0}  # type: ignore[dict-item]
    Path("tiny.yaml").write_text(yaml.safe_dump({**TINY, "evaluation": costs}))
    assert look().other  # kept with curves, and now asked for without
    directory, (runs, _) = Path(KEPT), kept_store.read_kept(Path(KEPT))
    keys = [run.key for run in runs]
    rows = {name: kept_store.read_rows(directory, name, keys) for name in kept_store.ROWS}
    rows["losses"] = rows["losses"][rows["losses"]["method"] != "bc"]
    kept_store.write_kept(directory, runs, rows, kept_store.read_cards(directory))
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY))
    assert reasons(look()) == {"bc/default": "no rows of losses"}


def test_a_run_that_was_made_here_goes_before_the_kept_one(look: Look) -> None:
    policy = Path(f"results/tiny/{RUN}/policy.safetensors")
    policy.parent.mkdir(parents=True)
    policy.touch()
    found = look()
    assert [run["method"] for run in found.own] == ["safemil"]
    assert found.made_files("episodes") == [f"results/tiny/{RUN}/episodes.parquet"]


def test_a_change_of_the_code_may_be_said_to_change_no_number(look: Look) -> None:
    directory, (runs, _) = Path(KEPT), kept_store.read_kept(Path(KEPT))
    rows = {
        name: kept_store.read_rows(directory, name, [run.key for run in runs]) for name in kept_store.ROWS
    }

    def store(**changes: str) -> None:
        older = [
            kept_store.KeptRun(
                run.key,
                run.record,
                run.peak_memory_mb,
                json.dumps(json.loads(run.origin) | {n: v for n, v in changes.items() if n in run.origin}),
                {},
            )
            for run in runs
        ]
        kept_store.write_kept(directory, older, rows, kept_store.read_cards(directory))

    restamp = ["restamp", "--config", "config.json", "--reason", "renamed a variable"]
    resolved = parse_config(TINY, "here").model_dump_json()
    Path("config.json").write_text(resolved)
    store(rollout_code="0" * 16)
    assert set(reasons(look()).values()) == {"rollout_code"}
    done = CliRunner().invoke(cli, restamp)
    assert done.output == "7 runs have the digests of the present code\n", done.exception
    assert look().other == []
    assert (directory / "restamped.md").read_text().endswith("- rollout_code of 7 runs: renamed a variable\n")
    store(rollout_code="0" * 16, rollout="other episodes")
    refused = CliRunner().invoke(cli, restamp)
    assert isinstance(refused.exception, UserError)  # not the code alone
    assert len(look().other) == 7


def test_a_run_of_other_code_is_not_kept(kept: Project, tmp_path: Path) -> None:
    record = kept.directory / "results/tiny" / RUN / "run.json"
    text = json.dumps({"training_code": "0" * 16})
    command = ["note-origin", "--origin", text, "--output", str(tmp_path / "origin.json"), str(record)]
    done = CliRunner().invoke(cli, command)
    assert isinstance(done.exception, UserError)
    assert f"code {json.loads(record.read_text())['code']}" in str(done.exception)
    assert not list(tmp_path.iterdir())
