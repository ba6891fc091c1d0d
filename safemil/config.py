"""The configuration: pydantic models, the only place where defaults live.

A configuration file is complete by itself with these defaults. Unknown keys are refused and all problems
are reported at once. `config/schema.json` is generated from the models.
"""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from safemil.behavior.collect_settings import CollectSettings
from safemil.data.split import SplitSettings
from safemil.errors import UserError
from safemil.evaluation.settings import EvaluationSettings
from safemil.files import write_text
from safemil.tasks import load_tasks
from safemil.training.settings import TrainingSettings

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
DEFAULT_VARIANT = "default"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Variant(_Strict):
    """One way to run a method: what differs from the shared training settings and the method's defaults."""

    training: dict[str, Any] = Field(default_factory=dict, description="overrides of the training section")
    settings: dict[str, Any] = Field(default_factory=dict, description="the method's own settings")
    tasks: tuple[str, ...] | None = Field(None, description="only these tasks; all when left out")


class Config(_Strict):
    """Everything that decides the numbers of a run of the pipeline."""

    run_name: str = Field(
        pattern=NAME_PATTERN, description="results and figures go into folders of this name"
    )
    source: Literal["collected", "dsrl"] = Field("collected", description="where the trajectories are from")
    tasks: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1, description="training seeds of every method")
    methods: dict[str, dict[str, Variant]] = Field(
        min_length=1, description="method -> variant -> what differs; each method needs a variant `default`"
    )
    split: SplitSettings = SplitSettings()
    collect: CollectSettings = CollectSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        problems = [*self._unknown_tasks(), *self._variant_problems(), *self._repetitions()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unknown_tasks(self) -> list[str]:
        known = load_tasks()
        return [
            f"unknown task {t!r}, expected one of {', '.join(known)}" for t in self.tasks if t not in known
        ]

    def _repetitions(self) -> list[str]:
        lists = {"tasks": self.tasks, "seeds": self.seeds}
        return [f"{name} has repetitions: {list(v)}" for name, v in lists.items() if len(set(v)) < len(v)]

    def _variant_problems(self) -> list[str]:
        problems = []
        for method, variants in self.methods.items():
            if DEFAULT_VARIANT not in variants:
                problems.append(f"method {method} has no variant `{DEFAULT_VARIANT}`, found {list(variants)}")
            for name, variant in variants.items():
                try:
                    self.training_of(method, name)
                except ValidationError as error:
                    problems += [f"methods.{method}.{name}.training.{p}" for p in _problem_lines(error)]
                unused = set(variant.tasks or ()) - set(self.tasks)
                if unused:
                    problems.append(
                        f"methods.{method}.{name}.tasks names tasks that are not run: {sorted(unused)}"
                    )
        return problems

    def training_of(self, method: str, variant: str) -> TrainingSettings:
        """Return the shared training settings with the variant's overrides."""
        overrides = self.methods[method][variant].training
        return TrainingSettings.model_validate({**self.training.model_dump(), **overrides})

    def runs_on(self, task: str, method: str, variant: str) -> bool:
        """Say whether a variant is run on a task."""
        only = self.methods[method][variant].tasks
        return only is None or task in only


def _problem_lines(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"]) or "configuration"
        lines.append(f"{place}: {problem['msg']}, found {_shortened(problem['input'])}")
    return lines


def _shortened(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def parse_config(raw: object, where: object) -> Config:
    """Check a configuration.

    Args:
        raw: nested dictionaries and lists as read from YAML or JSON.
        where: named in the error.

    Raises:
        UserError: lists every problem at once.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = _problem_lines(error)
        raise UserError(
            f"the configuration has {len(lines)} problem{'s' if len(lines) > 1 else ''}:\n"
            + "\n".join(f"  - {line}" for line in lines),
            where=where,
            hint="config/schema.json lists every key with its default",
        ) from error


def read_resolved(path: Path) -> Config:
    """Read the resolved configuration that the pipeline wrote for a run.

    Raises:
        UserError: it is missing or not valid.
    """
    if not path.is_file():
        raise UserError(
            "no resolved configuration",
            expected="a file that the pipeline writes when it starts",
            found="no such file",
            where=path,
            hint="run snakemake once, or `safemil resolve CONFIG.yaml`",
        )
    return parse_config(json.loads(path.read_text()), path)


def write_resolved(config: Config, path: Path) -> None:
    """Write the configuration with every default filled in, atomically."""
    write_text(path, json.dumps(config.model_dump(mode="json"), indent=2) + "\n")


def schema_text() -> str:
    """Return the JSON schema of the configuration as it stands in `config/schema.json`."""
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True) + "\n"
