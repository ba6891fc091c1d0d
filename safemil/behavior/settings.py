"""What a behaviour run is: the entries of `config/behavior.yaml`, checked."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from safemil.errors import UserError

BEHAVIOR_TABLE = Path(__file__).resolve().parents[2] / "config" / "behavior.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LearnerSettings(_Strict):
    """The settings of PPO."""

    discount: float = Field(gt=0, lt=1)
    gae_lambda: float = Field(ge=0, le=1)
    learning_rate: float = Field(gt=0)
    initial_log_std: float = Field(description="log standard deviation of the actions at the start")
    maximum_gradient_norm: float = Field(gt=0, description="of policy and value together")
    batch_size: int = Field(gt=0, description="transitions per gradient step")
    n_environments: int = Field(gt=0)
    rollout_steps: int = Field(gt=0, description="steps of each environment between two updates")
    snapshot_every: int = Field(gt=0, description="environment steps between two kept policies")


class RunGroup(_Strict):
    """Runs that differ in their training seed only."""

    name: str = Field(pattern=r"^[a-z][a-z0-9.]*$", description="first part of the names of its runs")
    initial_penalty: float = Field(ge=0, description="reward taken away per unit of cost at the start")
    hold_steps: int = Field(0, ge=0, description="environment steps with the initial penalty")
    ramp_steps: int = Field(
        0, ge=0, description="environment steps over which it then moves to the final one"
    )
    final_penalty: float = Field(ge=0, description="reward taken away per unit of cost at the end")
    steps: int = Field(gt=0, description="environment steps of one run")
    training_seeds: tuple[int, ...] = Field(min_length=1)
    learner: LearnerSettings


class BehaviorRun(_Strict):
    """One training run from scratch.

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
        group = self.group
        beyond = step - group.hold_steps
        if beyond < 0:
            return group.initial_penalty
        share = min(1.0, beyond / group.ramp_steps) if group.ramp_steps else 1.0
        return group.initial_penalty + share * (group.final_penalty - group.initial_penalty)


def load_behavior(path: Path = BEHAVIOR_TABLE) -> dict[str, tuple[RunGroup, ...]]:
    """Read and check the groups of behaviour runs, by task name.

    Raises:
        UserError: the file does not follow the models above; every fault is listed.
    """
    try:
        groups = TypeAdapter(dict[str, tuple[RunGroup, ...]])
        return groups.validate_python(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise UserError("the behaviour settings are not valid", found=str(error), where=path) from error


def behavior_runs(task: str, path: Path = BEHAVIOR_TABLE) -> dict[str, BehaviorRun]:
    """List the runs of one task by name, in the table's order.

    Raises:
        UserError: the task has no runs, or two runs have the same name.
    """
    table = load_behavior(path)
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
