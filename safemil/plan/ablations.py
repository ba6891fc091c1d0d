"""Ablations as configuration: which settings a curve varies, and over which values.

The shipped ablations are `config/ablations.yaml`; a configuration may add to them or replace one by its
name. Every point of a curve is a variant of a method like any other: it is trained and rolled out by the
same rules, under a name of its own.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from safemil.data.split import SplitSettings
from safemil.errors import UserError, problem_lines
from safemil.methods.budget import TrainingSettings

ABLATION_LIBRARY = Path(__file__).resolve().parents[2] / "config" / "ablations.yaml"


def _checked(model: type[BaseModel], overrides: dict[str, Any]) -> dict[str, Any]:
    try:
        model.model_validate(overrides)
    except ValidationError as error:
        raise ValueError("; ".join(problem_lines(error))) from None
    return overrides


class Overrides(BaseModel):
    """What differs from the settings that runs share, and the method's own settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    training: dict[str, Any] = Field(default_factory=dict, description="overrides of the training section")
    settings: dict[str, Any] = Field(default_factory=dict, description="the method's own settings")

    @field_validator("training")
    @classmethod
    def _check_training(cls, overrides: dict[str, Any]) -> dict[str, Any]:
        return _checked(TrainingSettings, overrides)


class Point(Overrides):
    """One value of the varied setting; what it overrides is added to the method's default variant."""

    x: float | str = Field(description="where the point stands on the axis")
    variant: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name of the variant")
    split: dict[str, Any] = Field(default_factory=dict, description="overrides of the split section")

    @field_validator("split")
    @classmethod
    def _check_split(cls, overrides: dict[str, Any]) -> dict[str, Any]:
        return _checked(SplitSettings, overrides)


class Series(BaseModel):
    """One curve."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: Literal["bag_pairs", "segments"] = Field(
        "bag_pairs",
        description="what stays as configured when the bag size varies: B, or the product B * K",
    )
    points: tuple[Point, ...] = Field(min_length=1)


class Ablation(BaseModel):
    """Curves that are drawn together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    axis: str = Field(description="label of the varied setting")
    scale: Literal["linear", "log", "categories"] = "categories"
    methods: tuple[str, ...] = Field(min_length=1, description="those of them that are configured are run")
    tasks: tuple[str, ...] = Field(min_length=1, description="those of them that are configured are run")
    series: dict[str, Series] = Field(min_length=1, description="label -> curve")

    @model_validator(mode="after")
    def _check_variants(self) -> Self:
        points = [point for series in self.series.values() for point in series.points]
        names = [point.variant for point in points]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"variant names used twice: {', '.join(repeated)}")
        if self.scale != "categories" and any(isinstance(point.x, str) for point in points):
            raise ValueError(f"every x must be a number on a {self.scale} scale")
        return self

    def find(self, variant: str) -> tuple[Series, Point] | None:
        """Return the curve and the point of a variant; None if it is not of this ablation."""
        for series in self.series.values():
            for point in series.points:
                if point.variant == variant:
                    return series, point
        return None


def variant_overrides(
    series: Series, point: Point, default: Overrides, training: TrainingSettings
) -> Overrides:
    """Return what a point of a curve runs: the method's default variant with the point's overrides.

    Args:
        series: the curve that the point is on.
        point: the point.
        default: the method's default variant.
        training: the training settings of that default variant, with every default filled in.

    Raises:
        UserError: B * K cannot be kept, because K does not divide it.
    """
    changed = {**default.training, **point.training}
    if series.keep == "segments":
        changed["bag_pairs"] = _bag_pairs(point, training.segments_per_batch)
    return Overrides(training=changed, settings={**default.settings, **point.settings})


def _bag_pairs(point: Point, segments: int) -> int:
    bag_size = int(point.training["bag_size"])
    if segments % bag_size:
        raise UserError(
            "the number of segments cannot be kept while the bag size varies",
            expected=f"a bag size that divides the {segments} segments of the default variant",
            found=f"{bag_size} in the variant {point.variant}",
            hint="choose other points for this ablation in the configuration, under `ablations`",
        )
    return segments // bag_size


@cache
def shipped_ablations() -> dict[str, Ablation]:
    """Read the shipped ablations by name.

    Raises:
        UserError: the file does not follow the models above; every fault is listed.
    """
    try:
        return TypeAdapter(dict[str, Ablation]).validate_python(yaml.safe_load(ABLATION_LIBRARY.read_text()))
    except ValidationError as error:
        raise UserError("the ablations are not valid", found=str(error), where=ABLATION_LIBRARY) from error
