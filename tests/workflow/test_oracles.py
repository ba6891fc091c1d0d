"""Oracles in the workflow: a rule of their own, and the only one besides diagnostics that is given labels."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.workflow.conftest import Project, copy_project

RUN = "results/tiny/collected/point_circle2"
JOB = re.compile(r"^rule (\w+):\n((?:    .*\n)+)(?:Shell command: (.*)\n)?", re.MULTILINE)
LABELS = "oracle_labels.hdf5"


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A copy of the project in which nothing has been run."""
    return copy_project(tmp_path / "project")


def test_no_learner_has_labels_among_its_inputs(fresh: Project) -> None:
    """Rule, inputs and command of every job of the whole workflow, as Snakemake would run it."""
    options = ["--dry-run", "--printshellcmds", "--configfile", "tiny.yaml"]
    planned = []
    for rule, body, command in JOB.findall(fresh.snakemake("all", *options).stdout):
        inputs = re.search(r"^    input: (.*)$", body, re.MULTILINE)
        planned.append((rule, inputs[1].split(", ") if inputs else [], command))
    trained = {rule: [job for job in planned if job[0] == rule] for rule in ("train_method", "train_oracle")}
    assert (len(trained["train_method"]), len(trained["train_oracle"])) == (3, 2)
    for _, inputs, command in trained["train_method"]:
        assert inputs == [f"{RUN}/data/default/training_data.hdf5"]
        assert command.startswith("safemil train --config")
        assert "labels" not in command
    for _, inputs, command in trained["train_oracle"]:
        assert inputs == [f"{RUN}/data/default/training_data.hdf5", f"{RUN}/data/default/{LABELS}"]
        assert command.startswith("safemil train-oracle --config")
        assert f"--labels {RUN}/data/default/{LABELS}" in command
    readers = {rule for rule, inputs, _ in planned if any(LABELS in path for path in inputs)}
    assert readers >= {"train_oracle"}
    assert not readers & {"train_method", "evaluate_policy", "gather", "table", "figure_main"}


def test_records_say_which_are_oracles(finished: Project) -> None:
    records = {
        method: json.loads((finished.directory / f"{RUN}/{method}/default/seed0/run.json").read_text())
        for method in ("bc", "safemil", "bc_safe", "coptidice")
    }
    kinds = {method: record["kind"] for method, record in records.items()}
    assert kinds == {"bc": "learner", "safemil": "learner", "bc_safe": "oracle", "coptidice": "oracle"}
    with_labels = {method for method, record in records.items() if "labels_sha256" in record["data"]}
    assert with_labels == {"bc_safe", "coptidice"}
    # 500 steps of at most 25: what one step may cost.
    assert records["coptidice"]["estimates"]["limit"] == pytest.approx(25 * (1 - 0.99**500) / 500)


def test_oracles_stand_apart_in_the_table(finished: Project) -> None:
    table = pd.read_csv(finished.directory / "results/tiny/tables/main.csv")
    assert table["kind"].tolist() == [*["learner"] * 3, *["oracle"] * 2, *["reference"] * 2]
    text = (finished.directory / "results/tiny/tables/main.md").read_text()
    assert (
        text.index("SafeMIL (small)")
        < text.index("*oracles, trained on true labels*")
        < text.index("BC-Safe")
    )
    assert "Oracles are trained on true labels, which no learner sees." in text


def append(project: Project, file: str) -> None:
    path = project.directory / file
    path.write_text(path.read_text() + "\nADDED = 1\n")


@pytest.mark.parametrize(
    ("file", "trained"),
    [
        ("safemil/methods/coptidice.py", {"train_oracle": 1}),
        ("safemil/methods/oracle.py", {"train_oracle": 2}),
        ("safemil/methods/bc.py", {"train_method": 1}),
        ("safemil/training/loop.py", {"train_method": 3, "train_oracle": 2}),
    ],
)
def test_edits_retrain_what_they_can_change(editable: Project, file: str, trained: dict[str, int]) -> None:
    append(editable, file)
    planned = editable.planned("train")
    assert {rule: count for rule, count in planned.items() if rule.startswith("train_")} == trained


def test_published_data_need_no_shipped_policies(fresh: Project) -> None:
    """The one reference is random actions, the other one an oracle that is trained like any method."""
    shutil.rmtree(fresh.directory / "assets")
    configuration = yaml.safe_load((fresh.directory / "tiny.yaml").read_text())
    (fresh.directory / "tiny.yaml").write_text(yaml.safe_dump(configuration | {"source": "dsrl"}))
    planned = fresh.planned("all")
    assert (planned["train_oracle"], planned["evaluate_random"], planned["evaluate_policy"]) == (2, 1, 5)
    assert "evaluate_constrained" not in planned
    del configuration["methods"]["coptidice"]
    (fresh.directory / "tiny.yaml").write_text(yaml.safe_dump(configuration | {"source": "dsrl"}))
    result = fresh.snakemake("--dry-run", "all", "--configfile", "tiny.yaml", check=False)
    message = result.stdout + result.stderr
    assert result.returncode != 0
    assert "scores of the source dsrl are relative to the oracle coptidice" in message
    assert "Traceback" not in message


def test_an_oracle_of_ones_own_is_trained_by_the_rule_of_oracles(fresh: Project) -> None:
    package = fresh.directory / "mine"
    package.mkdir()
    for name, module in (("oracle", "bc_safe"), ("learner", "bc")):
        (package / f"{name}.py").write_text(
            f"from safemil.methods.{module} import METHOD as Theirs\n\n\n"
            f"class Mine(Theirs):\n    name = 'My {name}'\n\n\nMETHOD = Mine\n"
        )
    configuration = yaml.safe_load((fresh.directory / "tiny.yaml").read_text())
    configuration["methods"] = {name: {"default": {}} for name in ("bc", "mine.oracle", "mine.learner")}
    (fresh.directory / "tiny.yaml").write_text(yaml.safe_dump(configuration))
    planned = fresh.planned("train")
    assert (planned["train_oracle"], planned["train_method"]) == (1, 2)
