"""What a behaviour run is: the rows of `config/behavior.yaml`, checked."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from safemil.errors import UserError

BEHAVIOR_TABLE = Path(__file__).resolve().parents[2] / "config" / "behavior.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunGroup(_Strict):
    """Runs that share a penalty and differ in their training seed."""

    penalty: float = Field(ge=0, description="reward taken away per unit of cost, at the end")
    free_steps: int = Field(0, ge=0, description="environment steps without any penalty at the start")
    ramp_steps: int = Field(
        0, ge=0, description="environment steps over which the penalty then grows to its end"
    )
    training_seeds: tuple[int, ...]
    steps: int = Field(gt=0, description="environment steps of one run")


class TaskBehavior(_Strict):
    """The learner's settings on one task and its runs."""

    discount: float = Field(gt=0, lt=1)
    gae_lambda: float = Field(ge=0, le=1)
    learning_rate: float = Field(gt=0)
    initial_log_std: float = Field(description="log standard deviation of the actions at the start")
    maximum_gradient_norm: float = Field(gt=0, description="of policy and value together")
    batch_size: int = Field(gt=0, description="transitions per gradient step")
    n_environments: int = Field(gt=0)
    rollout_steps: int = Field(gt=0, description="steps of each environment between two updates")
    snapshot_every: int = Field(gt=0, description="environment steps between two kept policies")
    runs: tuple[RunGroup, ...]


class BehaviorRun(_Strict):
    """One training run from scratch.

    Attributes:
        group: penalty and length.
        training_seed: seed of the learner.
        settings: the learner's settings on the task.
    """

    task: str
    group: RunGroup
    training_seed: int
    settings: TaskBehavior

    @property
    def name(self) -> str:
        """The run's id within its task."""
        ramped = "ramped" if self.group.free_steps + self.group.ramp_steps else "fixed"
        return f"{ramped}{self.group.penalty:g}_seed{self.training_seed}"

    def penalty_at(self, step: int) -> float:
        """Return the penalty per unit of cost after `step` environment steps."""
        beyond = step - self.group.free_steps
        if beyond < 0:
            return 0.0
        share = min(1.0, beyond / self.group.ramp_steps) if self.group.ramp_steps else 1.0
        return share * self.group.penalty


def load_behavior(path: Path = BEHAVIOR_TABLE) -> dict[str, TaskBehavior]:
    """Read and check the table of behaviour runs, by task name.

    Raises:
        UserError: the file does not follow the models above; every fault is listed.
    """
    try:
        return TypeAdapter(dict[str, TaskBehavior]).validate_python(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise UserError("the behaviour settings are not valid", found=str(error), where=path) from error


def behavior_runs(task: str, path: Path = BEHAVIOR_TABLE) -> dict[str, BehaviorRun]:
    """List the runs of one task by name, in the table's order."""
    table = load_behavior(path)
    if task not in table:
        raise UserError(
            "no behaviour runs for this task", expected=f"one of {list(table)}", found=task, where=path
        )
    settings = table[task]
    runs = [
        BehaviorRun(task=task, group=group, training_seed=seed, settings=settings)
        for group in settings.runs
        for seed in group.training_seeds
    ]
    return {run.name: run for run in runs}
