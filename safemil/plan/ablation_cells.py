"""Which runs an ablation consists of, and how an ablation's points come to their names.

A point that amounts to the very settings of another variant shares that variant's runs: K = 128 is the
default, and is not trained a second time under a name of its own.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from safemil.errors import UserError
from safemil.plan.ablations import Ablation, Overrides
from safemil.plan.configuration import Config
from safemil.protocol import DEFAULT_VARIANT


class ShownPoint(NamedTuple):
    """A point of a curve of one method; `variant` is the one whose runs it shows."""

    method: str
    variant: str
    series: str
    x: float | str


@dataclass(frozen=True)
class AblationRuns:
    """An ablation as far as a configuration runs it.

    Attributes:
        ablation: title, axis, scale, curves.
        tasks: those of its tasks that are configured, in the configuration's order.
        points: one per method and point, in the order of the curves.
    """

    ablation: Ablation
    tasks: tuple[str, ...]
    points: tuple[ShownPoint, ...]

    def cells(self) -> list[tuple[str, str]]:
        """Return each method and variant once."""
        return list(dict.fromkeys((point.method, point.variant) for point in self.points))


def is_run(config: Config, name: str) -> bool:
    """Say whether at least one task and one method of an ablation are configured."""
    ablation = find_ablation(config, name)
    return bool(set(ablation.tasks) & set(config.tasks)) and bool(set(ablation.methods) & set(config.methods))


def find_ablation(config: Config, name: str) -> Ablation:
    """Return an ablation by its name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in config.ablations:
        raise UserError("unknown ablation", expected=f"one of {', '.join(config.ablations)}", found=name)
    return config.ablations[name]


def ablation_runs(config: Config, name: str) -> AblationRuns:
    """Work out what an ablation runs; imports its methods, which takes seconds.

    Raises:
        UserError: there is no such ablation, or none of its tasks or methods is configured.
    """
    ablation = find_ablation(config, name)
    if not is_run(config, name):
        raise UserError(
            f"the ablation {name} has nothing to run",
            expected=f"one of the tasks {', '.join(ablation.tasks)} and one of the methods "
            f"{', '.join(ablation.methods)}",
            found=f"tasks {', '.join(config.tasks)}; methods {', '.join(config.methods)}",
            hint="add them to the configuration, or say other ones under `ablations`",
        )
    methods = [method for method in ablation.methods if method in config.methods]
    tasks = tuple(task for task in config.tasks if task in ablation.tasks)
    points = tuple(point for method in methods for point in _points(config, ablation, tasks, method))
    return AblationRuns(ablation, tasks, points)


def _points(config: Config, ablation: Ablation, tasks: tuple[str, ...], method: str) -> list[ShownPoint]:
    own = [DEFAULT_VARIANT, *config.methods[method]]
    first = {_meaning(config, tasks, method, variant): variant for variant in reversed(own)}
    points = []
    for label, series in ablation.series.items():
        for point in series.points:
            meaning = _meaning(config, tasks, method, point.variant)
            shown = first.setdefault(meaning, point.variant)
            points.append(ShownPoint(method, shown, label, point.x))
    return points


def _meaning(config: Config, tasks: tuple[str, ...], method: str, variant: str) -> str:
    """Return everything that decides a variant's numbers, with every default filled in."""
    from safemil.methods.registry import find_method  # brings torch along

    overrides: Overrides = config.overrides_of(method, variant)
    parts: tuple[Any, ...] = (
        tuple(config.training_of(task, method, variant) for task in tasks),
        config.split_settings(config.split_of(method, variant)),
        find_method(method).settings_model.model_validate(overrides.settings),
    )
    return repr(parts)
