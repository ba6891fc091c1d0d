"""What a behaviour run is: the entries of `config/behavior.yaml`, checked."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from safemil.errors import UserError

BEHAVIOR_TABLE = Path(__file__).resolve().parents[2] / "config" / "behavior.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Points = tuple[tuple[int, float], ...]


def _check_points(points: Points) -> Points:
    if any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
        raise ValueError("the steps of the points must ascend")
    if any(value < 0 for _, value in points):
        raise ValueError("a value must not be negative")
    return points


# Linear between points (environment step, value), constant before the first and after the last.
Schedule = Annotated[Points, Field(min_length=1), AfterValidator(_check_points)]


def value_at(schedule: float | Points, step: int) -> float:
    """Return the value of a number or a schedule after `step` environment steps."""
    if isinstance(schedule, int | float):
        return float(schedule)
    steps, values = zip(*schedule, strict=True)
    return float(np.interp(step, steps, values))


class LearnerSettings(_Strict):
    """The settings of PPO."""

    discount: float = Field(gt=0, lt=1)
    gae_lambda: float = Field(ge=0, le=1)
    learning_rate: float | Schedule
    initial_log_std: float = Field(description="log standard deviation of the actions at the start")
    minimum_std: float | Schedule = Field(description="floor under the actions' standard deviation")
    maximum_gradient_norm: float = Field(gt=0, description="of policy and value together")
    batch_size: int = Field(gt=0, description="transitions per gradient step")
    n_environments: int = Field(gt=0)
    rollout_steps: int = Field(gt=0, description="steps of each environment between two updates")
    snapshot_every: int = Field(gt=0, description="environment steps between two kept policies")


# Charge for a way through an object's centre, where turning away from the goal costs 1 - cos(angle) <= 2.
CHARGE = 5.0


class Caution(_Strict):
    """A penalty that begins before the cost does: near an object that must not be touched.

    Cost says nothing until a hazard is entered; with this the learner feels it coming. Only behaviour
    policies are trained so, and only their training reward changes: true costs are what is kept.
    """

    lidars: tuple[str, ...] = Field(min_length=1, description="parts of the observation, e.g. hazards_lidar")
    margin: float = Field(gt=0, description="metres from an object's edge at which the penalty begins")
    weight: float = Field(gt=0, description="penalty at the edge, in units of cost per step; see `flat`")
    flat: bool = Field(
        False, description="true: the weight is in units of reward, and the penalty does not multiply it"
    )


class PlannerStart(_Strict):
    """A start from a clone of the hand-written planner instead of from random weights.

    The planner only teaches: it acts in no data. See `planner.py` and `clone.py`.
    """

    margins: dict[str, Annotated[float, Field(ge=0)]] = Field(
        description="metres the planner keeps from the centres of the objects of each lidar, 0: none"
    )
    charge: float = Field(
        CHARGE, gt=0, description="for a way through an object's centre, where the opposite heading costs 2"
    )
    episodes: int = Field(60, gt=0, description="episodes of the planner that are cloned")
    noise_std: float = Field(0.2, ge=0, description="of the noise on the planner's actions in these episodes")
    fit_steps: int = Field(4000, gt=0, description="gradient steps of the clone")
    frozen_steps: int = Field(
        120_000, ge=0, description="environment steps in which the critic alone learns, the policy does not"
    )


class RunGroup(_Strict):
    """Runs that differ in their training seed only."""

    name: str = Field(pattern=r"^[a-z][a-z0-9.]*$", description="first part of the names of its runs")
    penalty: Schedule = Field(description="reward taken away per unit of cost")
    steps: int = Field(gt=0, description="environment steps of one run")
    training_seeds: tuple[int, ...] = Field(min_length=1)
    caution: Caution | None = Field(None, description="penalty near objects; none when left out")
    start: PlannerStart | None = Field(
        None, description="what the policy starts from; random weights if left out"
    )
    candidate: bool = Field(False, description="true: not yet among the runs whose policies ship")
    learner: LearnerSettings


class BehaviorRun(_Strict):
    """One training run.

    Attributes:
        task: the task's short id.
        group: penalty, length and learner.
        training_seed: seed of the learner.
    """

    task: str
    group: RunGroup
    training_seed: int

    @property
    def name(self) -> str:
        """The run's id within its task, used in paths and as provenance of collected trajectories."""
        return f"{self.group.name}_seed{self.training_seed}"

    def penalty_at(self, step: int) -> float:
        """Return the penalty per unit of cost after `step` environment steps."""
        return value_at(self.group.penalty, step)


def load_behavior(
    path: Path = BEHAVIOR_TABLE, *, candidates: bool = False
) -> dict[str, tuple[RunGroup, ...]]:
    """Read and check the groups of behaviour runs, by task name.

    Args:
        path: the table.
        candidates: return the groups marked `candidate` in place of those whose policies ship.

    Raises:
        UserError: the file does not follow the models above; every fault is listed.
    """
    try:
        groups = TypeAdapter(dict[str, tuple[RunGroup, ...]])
        table = groups.validate_python(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise UserError("the behaviour settings are not valid", found=str(error), where=path) from error
    return {
        task: tuple(group for group in of_task if group.candidate == candidates)
        for task, of_task in table.items()
    }


def behavior_runs(
    task: str, path: Path = BEHAVIOR_TABLE, *, candidates: bool = False
) -> dict[str, BehaviorRun]:
    """List the runs of one task by name, in the table's order.

    Args:
        task: the task's short id.
        path: the table.
        candidates: list the runs marked `candidate` in place of those whose policies ship.

    Raises:
        UserError: the task has no runs, or two runs have the same name.
    """
    table = load_behavior(path, candidates=candidates)
    if task not in table:
        raise UserError(
            "no behaviour runs for this task", expected=f"one of {list(table)}", found=task, where=path
        )
    runs = [
        BehaviorRun(task=task, group=group, training_seed=seed)
        for group in table[task]
        for seed in group.training_seeds
    ]
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise UserError("two behaviour runs have the same name", found=names, where=path)
    return {run.name: run for run in runs}
