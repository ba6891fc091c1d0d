"""What adding costs: rows and one module, shown by doing it in a copy."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from safemil import tasks
from safemil.catalogue import task_display
from safemil.errors import UserError
from safemil.plan.configuration import parse_config
from safemil.plan.rules import Plan
from tests.claims.claims_by_hand import TASKS, decided, episodes, inputs

ROOT = Path(__file__).resolve().parents[2]
ROW = ["car_goal1", "Car-Goal1", "no", "SafetyCarGoal1-v0", "72", "2", "1000", "100", "", ""]

METHOD = """from safemil.methods.bc import BehaviorCloning


class Twin(BehaviorCloning):
    name = "twin"


METHOD = Twin
"""

ASK = """
import json, sys
from safemil.catalogue import built_in_methods, method_named
from safemil.methods.registry import find_learner
from safemil.plan.configuration import parse_config
from safemil.plan.rules import Plan
methods = {name: {"default": {}} for name in sys.argv[1:]}
raw = {"run_name": "x", "tasks": ["point_goal1"], "seeds": [0], "methods": methods}
plan = Plan(parse_config(raw, "here"))
print(json.dumps({
    "runs": len(plan.method_runs()),
    "names": [method_named(name).display for name in methods],
    "classes": [find_learner(name).__name__ for name in methods],
    "code": {name: plan.training_code(name) for name in built_in_methods()},
}))
"""


TABLE = """import pandas as pd

from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun


def make(run: TableRun, tasks: list[str]) -> Document:
    section = Section(columns=["task"], rows=[[task] for task in tasks], alignment="l", rule="|---|")
    return Document("named", "Tasks by name", pd.DataFrame({"task": tasks}), [section], run=run.name)
"""

ENTRY = '    TableEntry("named", "data", "", lambda plan: {"tasks": value(list(plan.config.tasks))}),\n'

ASK_TABLES = """
import json
from pathlib import Path
from safemil.plan.configuration import parse_config
from safemil.plan.rules import Plan
from safemil.records.provenance import source_digest
from safemil.tables.document import write_document
from safemil.tables.entries import make_document, planned_tables, table_entries
raw = {"run_name": "x", "tasks": ["point_goal1"], "seeds": [0], "methods": {"bc": {"default": {}}}}
plan = Plan(parse_config(raw, "here"))
entries = table_entries(plan)
if "named" in entries:
    write_document(make_document("named", plan), Path("made"))
print(json.dumps({
    "planned": [Path(file).name for file in planned_tables(plan)],
    "targets": [entry.target for entry in entries.values()],
    "code": {name: source_digest(entry.module) for name, entry in entries.items()},
}))
"""


def ask(directory: Path, *methods: str, script: str = ASK) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", script, *methods],
        cwd=directory,
        env={"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its configuration, without any result."""
    for name in ("safemil", "config"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_table_is_a_module_and_an_entry(copy: Path) -> None:
    before = ask(copy, script=ASK_TABLES)
    (copy / "safemil/tables/named.py").write_text(TABLE)
    entries = copy / "safemil/tables/entries.py"
    entries.write_text(entries.read_text().replace("TABLES = (\n", f"TABLES = (\n{ENTRY}", 1))
    after = ask(copy, script=ASK_TABLES)
    assert set(after["planned"]) - set(before["planned"]) == {"named.csv", "named.md", "named.tex"}
    assert after["targets"] == ["table_named", *before["targets"]]
    assert (copy / "made/named.csv").read_text() == "task\npoint_goal1\n"
    assert (copy / "made/named.md").read_text().startswith("# Tasks by name: run `x`")
    assert (copy / "made/named.tex").is_file()
    assert after["code"].pop("named")
    assert after["code"] == before["code"]  # no other table is made again


def test_a_built_in_method_is_a_module_and_a_row(copy: Path) -> None:
    before = ask(copy, "bc")
    (copy / "safemil/methods/twin.py").write_text(METHOD)
    with (copy / "config/methods.tsv").open("a") as table:
        table.write("twin\tsafemil.methods.twin\tlearner\tno\tno\tTwin\t#123456\t8\n")
    after = ask(copy, "bc", "twin")
    assert after["runs"] == 2 * before["runs"]
    assert (after["names"], after["classes"]) == (["BC-Unlabeled", "Twin"], ["BehaviorCloning", "Twin"])
    assert after["code"].pop("twin")
    assert after["code"] == before["code"]  # no other method is trained again


@pytest.fixture
def seventh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The table of tasks with one more row, of which there is no DSRL file; its name."""
    table = tmp_path / "tasks.tsv"
    table.write_text((ROOT / "config/tasks.tsv").read_text() + "\t".join(ROW) + "\n")
    monkeypatch.setattr(tasks, "TASK_TABLE", table)
    tasks.load_tasks.cache_clear()
    yield ROW[0]
    tasks.load_tasks.cache_clear()


def plan(source: str, task: str) -> Plan:
    raw = {
        "run_name": "x",
        "source": source,
        "tasks": [task],
        "seeds": [0],
        "methods": {"bc": {"default": {}}},
    }
    return Plan(parse_config(raw, "here", check_methods=False))


def test_a_task_is_a_row_and_needs_no_file_of_dsrl(seventh: str) -> None:
    assert task_display(seventh) == "Car-Goal1"
    assert plan("collected", seventh).source_data(seventh) == "data/collected/car_goal1.hdf5"
    assert tasks.get_task(seventh).maximum_cost == 100
    with pytest.raises(UserError, match="no DSRL file of car_goal1 is known"):
        tasks.get_task(seventh).published_name()


def test_claims_are_about_the_papers_tasks_alone(seventh: str) -> None:
    assert seventh not in tasks.paper_tasks()
    assert len(tasks.paper_tasks()) == 6
    worse = {(seventh, "bc"): 1, (seventh, "safemil"): 90}
    without = {number: decided(number, inputs(episodes())) for number in (1, 7)}
    everywhere = episodes(worse, tasks=(*TASKS, seventh))
    bc_only = pd.concat([episodes(), episodes(tasks=[seventh], methods=["bc"])], ignore_index=True)
    for frame in (everywhere, bc_only):
        assert {number: decided(number, inputs(frame)) for number in without} == without
