"""A new baseline is new files only: both templates, copied as docs/add_a_method.md says, in every table."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from tests.workflow.conftest import REPOSITORY, TINY, Project, copy_project

RUN = "results/tiny/collected/point_circle2"
TEMPLATES = REPOSITORY / "workflow" / "templates"
METHOD, PROGRAM = "my_method.method", "Ridge"


def add_templates(project: Project) -> None:
    """Copy both templates and name what their own configurations name, at the scale of the tests."""
    configuration = dict(TINY)
    for template, folder in (("new_method", "my_method"), ("custom_rule", "my_program")):
        shutil.copytree(
            TEMPLATES / template,
            project.directory / folder,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        own = yaml.safe_load((project.directory / folder / "config.yaml").read_text())
        sections = {name: own[name] for name in ("custom_rules", "custom_methods") if name in own}
        configuration |= sections
        configuration["methods"] = {**configuration["methods"], **own["methods"]}
    (project.directory / "tiny.yaml").write_text(yaml.safe_dump(configuration))


def beside_its_package(project: Project) -> Project:
    """Let the package be found elsewhere, so that the folders of one's own are found by their place alone."""
    package = project.directory.parent / "package"
    package.mkdir()
    (package / "safemil").symlink_to(project.directory / "safemil")
    return Project(project.directory, package)


@pytest.fixture(scope="module")
def extended(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished workflow, and then with both templates added; tests that change it work on a copy."""
    directory = tmp_path_factory.mktemp("extended") / "project"
    shutil.copytree(finished.directory, directory, copy_function=shutil.copy2)
    project = beside_its_package(Project(directory))
    add_templates(project)
    planned = project.planned("all")
    assert planned.get("train_method") == 1, "what was there is not trained again"
    project.snakemake("all", "--configfile", "tiny.yaml")
    return project


@pytest.fixture
def changeable(extended: Project, tmp_path: Path) -> Project:
    directory = tmp_path / "project"
    shutil.copytree(extended.directory, directory, copy_function=shutil.copy2)
    return beside_its_package(Project(directory))


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A project with both templates in which nothing has been run."""
    project = copy_project(tmp_path / "project")
    add_templates(project)
    return project


def read_table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.directory / name)


def test_a_copied_template_is_in_every_table_and_figure(extended: Project) -> None:
    (row,) = read_table(extended, "results/tiny/tables/main.csv").query("method == @METHOD").itertuples()
    assert (row.variant, row.kind, row.n_episodes, row.step) == ("default", "learner", 2, 40)
    episodes = pd.read_parquet(extended.directory / "results/tiny/episodes.parquet")
    assert row.cost == pytest.approx(episodes.loc[episodes["method"] == METHOD, "cost"].mean())
    fairness = read_table(extended, "results/tiny/tables/fairness.csv").query("method == @METHOD")
    assert fairness["network"].tolist() == ["policy", "classifier"]
    assert fairness["gradient_steps_max"].tolist() == [40, 40]
    for name in ("results/tiny/tables/learned_cost", "figures/tiny/main", "figures/tiny/learned_cost"):
        assert METHOD in set(read_table(extended, f"{name}.csv")["method"]), name
    for name in ("main", "fairness", "learned_cost"):
        for extension in ("md", "tex"):
            text = (extended.directory / f"results/tiny/tables/{name}.{extension}").read_text()
            assert "New method" in text
            assert METHOD not in text.replace("\\", "")


def test_a_program_is_in_the_tables_and_the_figure(extended: Project) -> None:
    rows = read_table(extended, "results/tiny/tables/main.csv").query("method == @PROGRAM")
    assert rows[["variant", "kind", "step"]].values.tolist() == [
        ["default", "learner", 0],
        ["strong", "learner", 0],
    ]
    assert PROGRAM in set(read_table(extended, "figures/tiny/main.csv")["method"])
    fairness = read_table(extended, "results/tiny/tables/fairness.csv").query("method == @PROGRAM")
    assert fairness[["variant", "kind", "policy_steps_max"]].values.tolist() == [
        ["default", "program", 0],
        ["strong", "program", 0],
    ]
    assert fairness["learning_rate_min"].isna().all()
    main = (extended.directory / "results/tiny/tables/main.md").read_text()
    assert "Ridge (strong)" in main
    assert "Made by programs of the user's own: Ridge." in main
    assert "external program" in (extended.directory / "results/tiny/tables/fairness.md").read_text()


def test_a_program_acts_on_the_episodes_of_all_others(extended: Project) -> None:
    episodes = pd.read_parquet(extended.directory / "results/tiny/episodes.parquet")
    assert episodes.groupby("episode")["environment_seed"].nunique().tolist() == [1, 1]
    assert episodes.query("method == @PROGRAM").groupby("variant").size().tolist() == [2, 2]


def test_a_copied_template_has_a_run_and_a_curve_and_a_program_has_an_id(extended: Project) -> None:
    results = extended.directory / "results/tiny"
    ids = pd.read_parquet(results / "episodes.parquet").groupby(["method", "variant"])["run_id"].unique()
    record = json.loads((extended.directory / f"{RUN}/{PROGRAM}/strong/seed0/run.json").read_text())
    assert ids[PROGRAM, "strong"].tolist() == [record["run_id"]] != ids[PROGRAM, "default"].tolist()
    runs = pd.read_parquet(results / "runs.parquet").set_index("run_id")
    assert runs.loc[ids[METHOD, "default"], "method"].tolist() == [METHOD]
    assert PROGRAM not in set(runs["method"])
    curves = set(pd.read_parquet(results / "curve_episodes.parquet")["method"])
    assert METHOD in curves
    assert PROGRAM not in curves


def test_settings_reach_the_program(extended: Project) -> None:
    runs = {each: extended.directory / f"{RUN}/{PROGRAM}/{each}/seed0" for each in ("default", "strong")}
    records = {each: json.loads((run / "run.json").read_text()) for each, run in runs.items()}
    assert {each: record["settings"] for each, record in records.items()} == {
        "default": {},
        "strong": {"penalty": 100.0},
    }
    default, strong = (load_file(run / "policy.safetensors") for run in runs.values())
    # The penalty decides the head alone.
    differing = {name for name in default if not np.array_equal(default[name], strong[name])}
    assert differing == {"mean_head.weight", "mean_head.bias"}


def test_the_program_imports_nothing_of_the_project() -> None:
    tree = ast.parse((TEMPLATES / "custom_rule" / "fit_ridge.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    roots = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports
    }
    assert roots == {"argparse", "json", "h5py", "numpy", "safetensors.numpy"}


def test_nothing_is_left_to_do(extended: Project) -> None:
    assert extended.planned("all") == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "trained"),
    [
        ("my_method/method.py", "weights = 1.0 -", "weights = 2.0 -", {"train_method": 1}),
        ("my_method/method.py", "# what tables", "# edited: what tables", {}),
        ("my_program/fit_ridge.py", "STD_FLOOR = 1e-3", "STD_FLOOR = 1e-2", {"train_ridge": 2}),
        ("tiny.yaml", "penalty: 100.0", "penalty: 10.0", {"train_ridge": 1}),
    ],
)
def test_an_edit_runs_again_what_it_changes(
    changeable: Project, file: str, old: str, new: str, trained: dict[str, int]
) -> None:
    path = changeable.directory / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    planned = changeable.planned("train")
    assert {rule: count for rule, count in planned.items() if rule.startswith("train_")} == trained


def test_the_templates_own_test_passes(tmp_path: Path) -> None:
    """As its first line says: `pytest my_method`, from the folder of the project."""
    project = copy_project(tmp_path / "project")
    add_templates(project)
    shutil.copytree(REPOSITORY / "tests/methods", project.directory / "tests/methods")
    shutil.copy(REPOSITORY / "tests/__init__.py", project.directory / "tests/__init__.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(Path(sys.executable).parent / "pytest"), "my_method", "-p", "no:cacheprovider"]
    result = subprocess.run(
        command, cwd=project.directory, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout


def error_of(project: Project, *arguments: str) -> str:
    result = project.snakemake(*arguments, "--configfile", "tiny.yaml", check=False)
    assert result.returncode != 0
    text = result.stdout + result.stderr
    assert "Traceback" not in text, text
    return text


def edit_configuration(project: Project, **changes: object) -> None:
    path = project.directory / "tiny.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


RULE = """
rule {name}:
    input:
        {inputs}
    output:
        PLAN.path(paths.POLICY, method="{method}"),
"""


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"name": "mine", "method": "Other"}, "no rule writes the policy of the custom method Ridge"),
        ({"name": "train_method", "method": "Ridge"}, "train_method is already used"),
        (
            {"name": "mine", "method": "Ridge", "inputs": "PLAN.path(paths.ORACLE_LABELS),"},
            "the rule of the custom method Ridge reads rewards or costs",
        ),
    ],
)
def test_a_wrong_rule_is_said_before_anything_runs(fresh: Project, rule: dict[str, str], said: str) -> None:
    (fresh.directory / "my_program/ridge.smk").write_text(
        RULE.format(**{"inputs": 'PLAN.path(paths.TRAINING_DATA, split="default"),', **rule})
    )
    assert said in error_of(fresh, "--dry-run", "all")


def test_a_wrong_configuration_is_said_before_anything_runs(fresh: Project) -> None:
    edit_configuration(fresh, custom_rules=["my_program/rigde.smk"])
    message = error_of(fresh, "--dry-run", "all")
    assert "a file of custom_rules is missing" in message
    assert "my_program/rigde.smk" in message
    method = fresh.directory / "my_method/method.py"
    method.write_text(method.read_text().replace('name = "New method"', 'name = "SafeMIL"'))
    edit_configuration(fresh, custom_methods={"bc": {"default": {}}})
    message = error_of(fresh, "--dry-run", "all")
    assert "2 problems" in message
    assert "the name bc is taken by the method bc" in message
    assert "the name 'SafeMIL' is taken by the method safemil" in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    save_file(fit_policy(", "    0 and save_file(fit_policy(", ["Missing", "policy.safetensors"]),
        (
            "observations, actions = unlabelled",
            "observations, actions = unlabelled['observations'][:, 1:], unlabelled['actions'][()]  #",
            ["a policy of the wrong shape: point_circle2 has observations of size 28, found 27"],
        ),
    ],
)
def test_a_missing_or_wrong_policy_is_said_and_never_rolled_out(
    changeable: Project, old: str, new: str, said: list[str]
) -> None:
    program = changeable.directory / "my_program/fit_ridge.py"
    assert old in program.read_text()
    program.write_text(program.read_text().replace(old, new))
    episodes = f"{RUN}/{PROGRAM}/default/seed0/episodes.parquet"
    shutil.rmtree((changeable.directory / episodes).parent)
    message = error_of(changeable, episodes, "--latency-wait", "1")
    for each in said:
        assert each in message
    assert not (changeable.directory / episodes).exists()


def test_a_folder_of_ones_own_is_found_where_one_stands(tmp_path: Path) -> None:
    """By the installed command too, which Python does not start in the working directory."""
    shutil.copytree(TEMPLATES / "new_method", tmp_path / "my_method")
    command = [str(Path(sys.executable).parent / "safemil"), "resolve"]
    command += [str(tmp_path / "my_method/config.yaml"), "--output", str(tmp_path / "resolved.json")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for folder, code in ((tmp_path, 0), (tmp_path / "my_method", 1)):
        result = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == code, result.stderr
    assert "a folder my_method" in result.stderr
    assert "Traceback" not in result.stderr
