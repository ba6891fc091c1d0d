"""The configuration: pydantic models, the only place where defaults live.

A configuration file is complete by itself with these defaults. Unknown keys are refused and all problems
are reported at once. `config/schema.json` is generated from the models.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
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
from safemil.catalogue import reference_method, taken_by
from safemil.data.split import SplitSettings
from safemil.errors import UserError, problem_lines
from safemil.files import write_text
from safemil.methods.budget import TrainingSettings
from safemil.plan.ablations import Ablation, Overrides, shipped_ablations, variant_overrides
from safemil.plan.claim_settings import ClaimsSettings
from safemil.protocol import DEFAULT_VARIANT
from safemil.rollouts.settings import EvaluationSettings
from safemil.tasks import load_tasks
from safemil.theory.settings import TheorySettings

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

# Plain: a built-in method. With dots: the module of a Python method. Both become folders of results.
METHOD_PATTERN = r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*"
CUSTOM_METHOD_PATTERN = r"[A-Za-z][A-Za-z0-9_]*"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Variant(Overrides):
    """One way to run a method: what differs from the shared settings and the method's defaults."""

    tasks: tuple[str, ...] | None = Field(None, description="only these tasks; all when left out")


class CustomVariant(_Strict):
    """One way to run a program of the user's own."""

    settings: dict[str, Any] = Field(default_factory=dict, description="handed to the program as it is")
    tasks: tuple[str, ...] | None = Field(None, description="only these tasks; all when left out")


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
    custom_rules: tuple[str, ...] = Field(
        (),
        description="Snakemake files of your own, relative to the working directory; docs/add_a_method.md",
    )
    custom_methods: dict[str, dict[str, CustomVariant]] = Field(
        default_factory=dict, description="as methods, for those whose policies a custom rule writes"
    )
    split: SplitSettings = SplitSettings()
    collect: CollectSettings = CollectSettings()
    training: TrainingSettings = TrainingSettings()
    task_steps: dict[str, Annotated[int, Field(gt=0)]] = Field(
        default_factory=dict,
        description="task -> gradient steps of every method on it, where they are not training.steps",
    )
    evaluation: EvaluationSettings = EvaluationSettings()
    theory: TheorySettings = TheorySettings()
    claims: ClaimsSettings = ClaimsSettings()
    ablations: dict[Annotated[str, Field(pattern="^[a-z0-9_]+$")], Ablation] = Field(
        default_factory=shipped_ablations,
        description="name -> curves; added to those of config/ablations.yaml, or in place of one of them",
    )
    ablations_in_all: tuple[str, ...] = Field(
        ("k", "h", "weighting"),
        description="ablations that the target `all` includes, as far as their tasks and methods are run",
    )

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

    @field_validator("tasks", "seeds", "custom_rules")
    @classmethod
    def _check_repetitions(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError("names the same more than once")
        return values

    @field_validator("methods", "custom_methods")
    @classmethod
    def _check_default_variant(cls, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        without = [method for method, variants in methods.items() if DEFAULT_VARIANT not in variants]
        if without:
            raise ValueError(f"no variant `{DEFAULT_VARIANT}` of {', '.join(without)}")
        return methods

    @field_validator("methods")
    @classmethod
    def _check_names(cls, methods: dict[str, dict[str, Variant]]) -> dict[str, dict[str, Variant]]:
        wrong = [method for method in methods if not re.fullmatch(METHOD_PATTERN, method)]
        if wrong:
            names = ", ".join(map(repr, wrong))
            raise ValueError(f"{names}: expected letters, digits, underscores, and dots between modules")
        return methods

    @field_validator("custom_methods")
    @classmethod
    def _check_custom_names(
        cls, methods: dict[str, dict[str, CustomVariant]], info: ValidationInfo
    ) -> dict[str, dict[str, CustomVariant]]:
        problems = list(_custom_name_problems(methods))
        if methods and not info.data.get("custom_rules", ("not valid",)):
            problems.append("custom_rules names no file with the rules that write their policies")
        if problems:
            raise ValueError("; ".join(problems))
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

    @field_validator("task_steps")
    @classmethod
    def _check_task_steps(cls, steps: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        unused = sorted(set(steps) - set(info.data.get("tasks", steps)))
        if unused:
            raise ValueError(f"names tasks that are not run: {', '.join(unused)}")
        return steps

    @field_validator("ablations", mode="before")
    @classmethod
    def _add_shipped_ablations(cls, given: Any) -> Any:
        return {**shipped_ablations(), **given} if isinstance(given, dict) else given

    @field_validator("ablations_in_all")
    @classmethod
    def _check_ablations(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = info.data.get("ablations", names)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"unknown ablation {', '.join(unknown)}, expected some of {', '.join(known)}")
        return names

    @model_validator(mode="after")
    def _check_variant_names(self) -> Self:
        """A name stands for one thing: its data lie in a folder that is called like the variant."""
        points = [
            (point.variant, (series.keep, point.training, point.settings, point.split))
            for ablation in self.ablations.values()
            for series in ablation.series.values()
            for point in series.points
        ]
        for name, meaning in points:
            if any(other == name and meant != meaning for other, meant in points):
                raise ValueError(f"ablations: two points are called {name} and are not the same")
        for ablation in self.ablations.values():
            for method in set(ablation.methods) & set(self.methods):
                self._check_own_variants(method, ablation)
        return self

    def _check_own_variants(self, method: str, ablation: Ablation) -> None:
        variants = self.methods[method]
        for name, own in variants.items():
            found = ablation.find(name)
            if found is None:
                continue
            meant = variant_overrides(*found, variants[DEFAULT_VARIANT], self.training)
            same = (meant.training, meant.settings) == (own.training, own.settings)
            if not same or found[1].split:
                raise ValueError(
                    f"methods.{method}.{name}: a point of the ablation `{ablation.title}` has this name "
                    "and is not the same; use another name"
                )

    @model_validator(mode="after")
    def _check_variant_tasks(self) -> Self:
        for method, variants in self.every_method.items():
            for name, variant in variants.items():
                unused = sorted(set(variant.tasks or ()) - set(self.tasks))
                if unused:
                    raise ValueError(f"methods.{method}.{name}.tasks names tasks that are not run: {unused}")
        return self

    def overrides_of(self, method: str, variant: str) -> Overrides:
        """Return what a variant changes: one of the method's own, or a point of an ablation.

        Raises:
            UserError: the method is not configured, or it has no such variant.
        """
        variants: dict[str, Variant] = self.methods.get(method, {})
        if variant in variants:
            return variants[variant]
        if variants:
            default = variants[DEFAULT_VARIANT]
            for ablation in self.ablations.values():
                found = ablation.find(variant) if method in ablation.methods else None
                if found is not None:
                    return variant_overrides(*found, default, self._training_with({}, default))
        planned = [f"{name}/{each}" for name, variants in self.methods.items() for each in variants]
        raise UserError(
            "this variant is not configured",
            expected=f"one of {', '.join(planned)}, or a point of an ablation of the method",
            found=f"{method}/{variant}",
        )

    def _training_with(self, of_task: Mapping[str, int], overrides: Overrides) -> TrainingSettings:
        return TrainingSettings.model_validate(
            {**self.training.model_dump(), **of_task, **overrides.training}
        )

    @property
    def every_method(self) -> dict[str, Mapping[str, Variant | CustomVariant]]:
        """Method -> variant -> what differs, of methods and custom methods."""
        return {**self.methods, **self.custom_methods}

    def training_of(self, task: str, method: str, variant: str) -> TrainingSettings:
        """Return the shared training settings with the task's steps, and over both what the variant says."""
        of_task = {"steps": self.task_steps[task]} if task in self.task_steps else {}
        return self._training_with(of_task, self.overrides_of(method, variant))

    def split_of(self, method: str, variant: str) -> str:
        """Return the name of the split that a variant is trained on: `default`, or the point's own name."""
        own = variant in self.methods.get(method, {})
        return DEFAULT_VARIANT if own or self.split_settings(variant) == self.split else variant

    def split_settings(self, name: str) -> SplitSettings:
        """Return the settings of a split: `default`, or that of the ablation's point of this name.

        Raises:
            UserError: there is none of this name.
        """
        if name == DEFAULT_VARIANT:
            return self.split
        for ablation in self.ablations.values():
            found = ablation.find(name)
            if found is not None:
                return SplitSettings.model_validate({**self.split.model_dump(), **found[1].split})
        raise UserError(
            "there is no split of this name", expected="`default`, or a point of an ablation", found=name
        )

    def runs_on(self, task: str, method: str, variant: str) -> bool:
        """Say whether a variant is run on a task."""
        only = self.every_method[method][variant].tasks
        return only is None or task in only


def _custom_name_problems(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if not re.fullmatch(CUSTOM_METHOD_PATTERN, name):
            yield f"{name!r}: expected a letter, then letters, digits and underscores"
        elif taken_by(name):
            yield f"the name {name} is taken by the method {taken_by(name)}"
        elif name.casefold() in seen:
            yield f"the name {name} is there twice but for upper and lower case"
        seen.add(name.casefold())


def _method_problems(raw: object) -> list[str]:
    """Check the methods' own settings against their models, as far as the configuration can be read."""
    from safemil.methods.own_method import find_checked

    methods, custom = (_section(raw, name) for name in ("methods", "custom_methods"))
    problems, found = [], {}
    for method, variants in methods.items():
        try:
            found[method] = find_checked(str(method))
        except UserError as error:
            problems.append(f"methods.{method}: {' '.join(str(error).split())}")
            continue
        model = found[method].settings_model
        for name, variant in variants.items() if isinstance(variants, dict) else ():
            try:
                model.model_validate((variant or {}).get("settings", {}))
            except ValidationError as error:
                problems += [f"methods.{method}.{name}.settings.{line}" for line in problem_lines(error)]
    return problems + list(_own_name_problems(found, custom))


def _section(raw: object, name: str) -> dict[Any, Any]:
    section = raw.get(name) if isinstance(raw, dict) else None
    return section if isinstance(section, dict) else {}


def _own_name_problems(found: Mapping[str, Any], custom: Iterable[str]) -> Iterator[str]:
    """Check that each Python method of the user's own calls itself what nothing else is called."""
    owners = {str(name).casefold(): str(name) for name in custom}
    for method, learner in found.items():
        if "." not in method:
            continue
        owner = taken_by(learner.name) or owners.get(learner.name.casefold())
        if owner:
            yield (
                f"methods.{method}: the name {learner.name!r} is taken by the method {owner}: give the class "
                f"{learner.__name__} a `name` of its own"
            )
        owners.setdefault(learner.name.casefold(), method)


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
        problems = problem_lines(error) + problems
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
