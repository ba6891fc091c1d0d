"""The tasks as rows of `config/tasks.tsv`: sizes, lengths, costs, DSRL files, and which are the paper's."""

import csv
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safemil.errors import UserError

TASK_TABLE = Path(__file__).resolve().parents[1] / "config" / "tasks.tsv"


@dataclass(frozen=True)
class Task:
    """One Safety-Gymnasium task, and the DSRL file that was made of it if there is one.

    Attributes:
        name: short id, used in paths and tables, e.g. `swimmer_velocity`.
        paper_name: the name in tables, the paper's where it has the task, e.g. `Swimmer-Velocity`.
        in_paper: whether the paper has it; its claims are about these.
        environment_id: the Safety-Gymnasium id.
        observation_size: number of observation components d_s.
        action_size: number of action components d_a; every action lies in [-1, 1].
        episode_length: steps until truncation T.
        maximum_cost: largest episode cost that is kept; in DSRL's file, as its name says.
        dsrl_file: name of the published HDF5 file; empty if there is none.
        dsrl_trajectories: number of trajectories in that file, as its name says; 0 if there is none.
    """

    name: str
    paper_name: str
    in_paper: bool
    environment_id: str
    observation_size: int
    action_size: int
    episode_length: int
    maximum_cost: float
    dsrl_file: str
    dsrl_trajectories: int

    def decisive(self) -> dict[str, Any]:
        """Return what can decide a number, as plain values."""
        shown = ("paper_name", "in_paper")
        return {name: value for name, value in asdict(self).items() if name not in shown}

    def published_name(self) -> str:
        """Return the name of DSRL's file.

        Raises:
            UserError: there is none of this task.
        """
        if not self.dsrl_file:
            raise UserError(
                f"no DSRL file of {self.name} is known",
                expected="dsrl_file and dsrl_trajectories in its row",
                found="empty",
                where=TASK_TABLE,
                hint="use the source `collected` or `local`",
            )
        return self.dsrl_file


def _parse(row: dict[str, str]) -> Task:
    if row["in_paper"] not in ("yes", "no"):
        raise UserError(
            f"the row of {row['task']} is not valid",
            expected="in_paper yes or no",
            found=row["in_paper"],
            where=TASK_TABLE,
        )
    return Task(
        name=row["task"],
        paper_name=row["paper_name"],
        in_paper=row["in_paper"] == "yes",
        environment_id=row["environment_id"],
        observation_size=int(row["observation_size"]),
        action_size=int(row["action_size"]),
        episode_length=int(row["episode_length"]),
        maximum_cost=float(row["maximum_cost"]),
        dsrl_file=row["dsrl_file"] or "",
        dsrl_trajectories=int(row["dsrl_trajectories"] or 0),
    )


@cache
def load_tasks() -> dict[str, Task]:
    """Return every task of the table by its name, in the table's order."""
    with TASK_TABLE.open(newline="") as table:
        tasks = [_parse(row) for row in csv.DictReader(table, delimiter="\t")]
    return {task.name: task for task in tasks}


def paper_tasks() -> list[str]:
    """Return the names of the paper's tasks, in the table's order."""
    return [task.name for task in load_tasks().values() if task.in_paper]


def get_task(name: str) -> Task:
    """Return the task called `name`.

    Raises:
        UserError: no task has that name.
    """
    tasks = load_tasks()
    if name not in tasks:
        raise UserError("unknown task", expected=f"one of {', '.join(tasks)}", found=name, where=TASK_TABLE)
    return tasks[name]
