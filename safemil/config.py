"""The configuration: pydantic models, the only place where defaults live.

A configuration file is complete by itself with these defaults. Unknown keys are refused and all problems
are reported at once. `config/schema.json` is generated from the models.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from safemil.behavior.collect_settings import CollectSettings
from safemil.data.split import SplitSettings
from safemil.errors import UserError
from safemil.evaluation.claims.settings import ClaimsSettings
from safemil.evaluation.references import reference_method
from safemil.evaluation.settings import EvaluationSettings
from safemil.files import write_text
from safemil.tasks import load_tasks
from safemil.theory.settings import TheorySettings
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

    @field_validator("training")
    @classmethod
    def _check_overrides(cls, overrides: dict[str, Any]) -> dict[str, Any]:
        try:
            TrainingSettings.model_validate(overrides)
        except ValidationError as error:
            raise ValueError("; ".join(_problem_lines(error))) from None
        return overrides


class Config(_Strict):
    """Everything that decides the numbers of a run of the pipeline."""

    run_name: str = Field(
        pattern=NAME_PATTERN, description="results and figures go into folders of this name"
    )
    source: Literal["collected", "dsrl", "local"] = Field(
        "collected", description="where the trajectories are from; see docs/data.md"
    )
    data_directory: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        validate_default=True,
        description="folder with a file in DSRL's form for each task; for the source local, and only for it",
    )
    tasks: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1, description="training seeds of every method")
    methods: dict[str, dict[str, Variant]] = Field(
        min_length=1, description="method -> variant -> what differs; each method needs a variant `default`"
    )
    split: SplitSettings = SplitSettings()
    collect: CollectSettings = CollectSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    theory: TheorySettings = TheorySettings()
    claims: ClaimsSettings = ClaimsSettings()

    @field_validator("tasks")
    @classmethod
    def _check_tasks(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        known = load_tasks()
        unknown = [task for task in tasks if task not in known]
        if unknown:
            raise ValueError(f"unknown task {', '.join(unknown)}, expected some of {', '.join(known)}")
        return tasks

    @field_validator("data_directory")
    @classmethod
    def _check_data_directory(cls, directory: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if source == "local" and directory is None:
            raise ValueError("the source local needs the folder its files are in")
        if source in ("collected", "dsrl") and directory is not None:
            raise ValueError(f"only the source local has a folder, and the source is {source}")
        return directory

    @field_validator("tasks", "seeds")
    @classmethod
    def _check_repetitions(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError("names the same more than once")
        return values

    @field_validator("methods")
    @classmethod
    def _check_default_variant(cls, methods: dict[str, dict[str, Variant]]) -> dict[str, dict[str, Variant]]:
        without = [method for method, variants in methods.items() if DEFAULT_VARIANT not in variants]
        if without:
            raise ValueError(f"no variant `{DEFAULT_VARIANT}` of {', '.join(without)}")
        return methods

    @field_validator("methods")
    @classmethod
    def _check_reference(
        cls, methods: dict[str, dict[str, Variant]], info: ValidationInfo
    ) -> dict[str, dict[str, Variant]]:
        source = info.data.get("source")
        reference = reference_method(source) if source else None
        if reference is None:
            return methods
        default = methods.get(reference, {}).get(DEFAULT_VARIANT)
        only = default.tasks if default else ()
        if only is not None and not set(only) >= set(info.data.get("tasks", ("any",))):
            raise ValueError(
                f"scores of the source {source} are relative to the oracle {reference}: it needs a variant "
                f"`{DEFAULT_VARIANT}` on all tasks, `{reference}: {{{DEFAULT_VARIANT}: {{}}}}`"
            )
        return methods

    @model_validator(mode="after")
    def _check_variant_tasks(self) -> Self:
        for method, variants in self.methods.items():
            for name, variant in variants.items():
                unused = sorted(set(variant.tasks or ()) - set(self.tasks))
                if unused:
                    raise ValueError(f"methods.{method}.{name}.tasks names tasks that are not run: {unused}")
        return self

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


def _method_problems(raw: object) -> list[str]:
    """Check the methods' own settings against their models, as far as the configuration can be read."""
    from safemil.methods.registry import find_method

    methods = raw.get("methods") if isinstance(raw, dict) else None
    problems = []
    for method, variants in methods.items() if isinstance(methods, dict) else ():
        try:
            model = find_method(method).settings_model
        except UserError as error:
            problems.append(f"methods.{method}: {' '.join(str(error).split())}")
            continue
        for name, variant in variants.items() if isinstance(variants, dict) else ():
            try:
                model.model_validate((variant or {}).get("settings", {}))
            except ValidationError as error:
                problems += [f"methods.{method}.{name}.settings.{line}" for line in _problem_lines(error)]
    return problems


def parse_config(raw: object, where: object, *, check_methods: bool = False) -> Config:
    """Check a configuration.

    Args:
        raw: nested dictionaries and lists as read from YAML or JSON.
        where: named in the error.
        check_methods: import every method and check its own settings too (takes seconds).

    Raises:
        UserError: lists every problem at once.
    """
    problems = _method_problems(raw) if check_methods else []
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems = _problem_lines(error) + problems
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise UserError(
            f"the configuration has {count}:\n" + "\n".join(f"  - {line}" for line in problems),
            where=where,
            hint="config/schema.json lists every key with its default",
        )
    return config


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
