"""What methods and tasks are called for readers, of which kind a method is, and in which order they stand."""

import importlib
from dataclasses import dataclass
from typing import Literal

from safemil.methods.registry_names import built_in_methods, method_kind
from safemil.tasks import load_tasks

Kind = Literal["learner", "oracle", "reference"]

DEFAULT_VARIANT = "default"


@dataclass(frozen=True)
class MethodLabel:
    """A method as the reader meets it.

    Attributes:
        name: id in the episode rows and in paths, e.g. `dwbc_nu`.
        display: name in tables and figures, e.g. `DWBC-NU`.
        kind: `learner` sees no reward and no cost; `oracle` is trained on true labels; `reference` is
            not learned from the data set at all.
    """

    name: str
    display: str
    kind: Kind


KNOWN_METHODS: tuple[MethodLabel, ...] = (
    MethodLabel("bc", "BC-Unlabeled", "learner"),
    MethodLabel("dwbc_nu", "DWBC-NU", "learner"),
    MethodLabel("trex_wbc", "T-REX-WBC", "learner"),
    MethodLabel("safedice", "SafeDICE", "learner"),
    MethodLabel("safemil", "SafeMIL", "learner"),
    MethodLabel("bc_safe", "BC-Safe", "oracle"),
    MethodLabel("coptidice", "COptiDICE", "oracle"),
    MethodLabel("constrained_rl", "Constrained RL", "reference"),
    MethodLabel("random", "Random", "reference"),
)

_BY_NAME = {label.name: label for label in KNOWN_METHODS}
_KIND_RANK: dict[Kind, int] = {"learner": 0, "oracle": 1, "reference": 2}


def method_label(name: str) -> MethodLabel:
    """Return the label of a method; one that is not known here appears in tables and figures all the same.

    The path of a module is called what its class calls itself, and is of the kind of its class, so that no
    oracle is ever shown among the learners. Any other name stands for itself; its kind is that of its row in
    `config/methods.tsv`, and without one it is taken for a learner, as the user's own programs are.

    Raises:
        UserError: the name is the path of a module, which cannot be imported.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if "." in name:
        # By name, for an import would bring torch and the learners into every room that shows a method.
        found = importlib.import_module("safemil.methods.registry").find_method(name)
        return MethodLabel(name, found.name, found.kind)
    return MethodLabel(name, name, method_kind(name) if name in built_in_methods() else "learner")


def taken_by(name: str) -> str | None:
    """Return the method or reference that has `name` as its id or its display name, if one has.

    Case does not count: some file systems do not tell `BC` from `bc`, and readers do not either.
    """
    names = {each.casefold(): label.name for label in KNOWN_METHODS for each in (label.name, label.display)}
    names |= {each.casefold(): each for each in built_in_methods()}
    return names.get(name.casefold())


def method_order(name: str) -> tuple[int, int, str]:
    """Return the sort key of a method: learners, oracles, references; unknown learners after the known."""
    position = next((i for i, label in enumerate(KNOWN_METHODS) if label.name == name), len(KNOWN_METHODS))
    return _KIND_RANK[method_label(name).kind], position, name


def variant_order(variant: str) -> tuple[bool, str]:
    """Return the sort key of a variant: the default first, the others by name."""
    return variant != DEFAULT_VARIANT, variant


def task_display(name: str) -> str:
    """Return the paper's name of a task, e.g. `Swimmer-Velocity`; the raw name if it is not in the table."""
    tasks = load_tasks()
    return tasks[name].paper_name if name in tasks else name


def task_order(name: str) -> tuple[int, str]:
    """Return the sort key of a task: the paper's order, then unknown tasks by name."""
    tasks = list(load_tasks())
    return (tasks.index(name) if name in tasks else len(tasks)), name
