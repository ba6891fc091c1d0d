"""The six tasks of the paper as rows of `config/tasks.tsv`: sizes, episode lengths, DSRL files."""

import csv
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safemil.errors import UserError

TASK_TABLE = Path(__file__).resolve().parents[1] / "config" / "tasks.tsv"


@dataclass(frozen=True)
class Task:
    """One Safety-Gymnasium task and the DSRL file that was made of it.

    Attributes:
        name: short id, used in paths and tables, e.g. `swimmer_velocity`.
        paper_name: the name in the paper's tables, e.g. `Swimmer-Velocity`.
        environment_id: the Safety-Gymnasium id.
        observation_size: number of observation components d_s.
        action_size: number of action components d_a; every action lies in [-1, 1].
        episode_length: steps until truncation T.
        dsrl_file: name of the published HDF5 file.
        dsrl_max_cost: largest episode cost in that file, as its name says.
        dsrl_trajectories: number of trajectories in that file, as its name says.
    """

    name: str
    paper_name: str
    environment_id: str
    observation_size: int
    action_size: int
    episode_length: int
    dsrl_file: str
    dsrl_max_cost: float
    dsrl_trajectories: int

    def decisive(self) -> dict[str, Any]:
        """Return what can decide a number, as plain values: all but the name that people are shown."""
        return {name: value for name, value in asdict(self).items() if name != "paper_name"}


def _parse(row: dict[str, str]) -> Task:
    return Task(
        name=row["task"],
        paper_name=row["paper_name"],
        environment_id=row["environment_id"],
        observation_size=int(row["observation_size"]),
        action_size=int(row["action_size"]),
        episode_length=int(row["episode_length"]),
        dsrl_file=row["dsrl_file"],
        dsrl_max_cost=float(row["dsrl_max_cost"]),
        dsrl_trajectories=int(row["dsrl_trajectories"]),
    )


@cache
def load_tasks() -> dict[str, Task]:
    """Return every task of the table by its name, in the table's order."""
    with TASK_TABLE.open(newline="") as table:
        tasks = [_parse(row) for row in csv.DictReader(table, delimiter="\t")]
    return {task.name: task for task in tasks}


def get_task(name: str) -> Task:
    """Return the task called `name`.

    Raises:
        UserError: no task has that name.
    """
    tasks = load_tasks()
    if name not in tasks:
        raise UserError("unknown task", expected=f"one of {', '.join(tasks)}", found=name, where=TASK_TABLE)
    return tasks[name]
