"""The one home of a method's facts: its module, kind, name, place in the order, and how it is drawn.

They are the rows of `config/methods.tsv`, of built-in methods and of references, in the order in which tables
show them. A table rather than code, so that a new row does not change the digest of the code behind another
method; free of torch, so that the workflow can look things up in no time. What is not in the table is known
by its class if it is the path of a module, and stands for itself if it is a program of the user's own.
"""

import csv
import importlib
import json
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from safemil.errors import UserError
from safemil.protocol import BEHAVIOUR_REFERENCE, DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.tasks import load_tasks

METHOD_TABLE = Path(__file__).resolve().parents[1] / "config" / "methods.tsv"

# A learner sees neither reward nor cost; an oracle is handed the true labels; a reference is not learned
# from the data set at all.
MethodKind = Literal["learner", "oracle"]
Kind = Literal["learner", "oracle", "reference"]

_KIND_RANK: dict[Kind, int] = {"learner": 0, "oracle": 1, "reference": 2}
_SPARE_COLOURS = ("#8A7F00", "#7A3E00", "#5B4B8A", "#777777")
_SPARE_MARKERS = ("h", "<", ">", "p", "d", "8")

# The method that the scores of a source are relative to. Collected data have the shipped behaviour policy.
# For the others no such policy exists: there it is COptiDICE, which the configuration must name.
CONSTRAINED_REFERENCES = {"collected": BEHAVIOUR_REFERENCE, "dsrl": "coptidice", "local": "coptidice"}


@dataclass(frozen=True)
class Method:
    """A method or a reference.

    Attributes:
        name: id in the episode rows and in paths, e.g. `dwbc_nu`.
        display: name in tables and figures, e.g. `DWBC-NU`.
        kind: learner, oracle or reference.
        module: what implements it; empty for a reference or a program.
        learns_cost: whether it is a learner with a cost for every pair, `methods.cost_learner`.
        in_paper: whether the paper has it; its claims are about these.
        colour: in figures, hex.
        marker: in figures, matplotlib's.
    """

    name: str
    display: str
    kind: Kind
    module: str
    learns_cost: bool
    in_paper: bool
    colour: str
    marker: str


@cache
def known_methods() -> dict[str, Method]:
    """Return the rows of the table by name, in their order."""
    with METHOD_TABLE.open(newline="") as table:
        rows = [_method(row) for row in csv.DictReader(table, delimiter="\t")]
    return {method.name: method for method in rows}


def _method(row: dict[str, str]) -> Method:
    name, kind = row["method"], row["kind"]
    marks = [row["learns_cost"], row["in_paper"]]
    if kind not in _KIND_RANK or not {"yes", "no"}.issuperset(marks):
        raise UserError(
            "a row of the table of methods is not valid",
            expected=f"a kind of {', '.join(_KIND_RANK)}; learns_cost and in_paper yes or no",
            found=f"{kind}; {', '.join(marks)}",
            where=f"{METHOD_TABLE}: {name}",
        )
    learns, in_paper = (mark == "yes" for mark in marks)
    return Method(name, row["display"], kind, row["module"], learns, in_paper, row["colour"], row["marker"])


def method_named(name: str) -> Method:
    """Return a method; one that is not in the table appears in tables and figures all the same.

    The path of a module is called what its class calls itself, and is of the kind of its class, so that no
    oracle is ever shown among the learners. Any other name stands for itself and is taken for a learner, as
    the user's own programs are. Two unknown methods may meet in one of the 24 pairs of colour and marker,
    which the name alone decides.

    Raises:
        UserError: the name is the path of a module, which cannot be imported or has no method in it.
    """
    if name in known_methods():
        return known_methods()[name]
    number = zlib.crc32(name.encode())  # unlike hash(), the same in every process
    colour = _SPARE_COLOURS[number % len(_SPARE_COLOURS)]
    marker = _SPARE_MARKERS[number // len(_SPARE_COLOURS) % len(_SPARE_MARKERS)]
    if "." not in name:
        return Method(name, name, "learner", "", False, False, colour, marker)
    found = _class_in(name)
    learns = found.kind == "learner" and hasattr(found, "pair_costs")
    return Method(name, found.name, found.kind, name, learns, False, colour, marker)


def _class_in(module: str) -> Any:
    """Return the class of a method outside the package; `methods.registry` checks it where it is used."""
    try:
        found = importlib.import_module(module).METHOD
    except (ModuleNotFoundError, AttributeError) as error:
        raise UserError(
            "the method's module cannot be imported, or has no METHOD", found=error, where=module
        ) from error
    if getattr(found, "kind", None) not in ("learner", "oracle"):
        raise UserError("not a method", expected="METHOD = a subclass of Learner", found=found, where=module)
    return found


def built_in_methods(kind: MethodKind | None = None) -> dict[str, str]:
    """Return the module of each built-in method, of one kind if it is given, by the method's name."""
    methods = known_methods().values()
    return {each.name: each.module for each in methods if each.module and kind in (None, each.kind)}


def method_kind(method: str) -> MethodKind:
    """Return whether a method that is trained is a learner or an oracle.

    Raises:
        UserError: there is no such method.
    """
    module_name(method)  # which refuses what is not trained
    return cast(MethodKind, method_named(method).kind)


def module_name(method: str) -> str:
    """Return the module that implements `method`: that of a built-in name, or itself a dotted module path.

    Raises:
        UserError: it is neither.
    """
    built_in = built_in_methods()
    if method not in built_in and "." not in method:
        raise UserError(
            "unknown method",
            expected=f"one of {', '.join(built_in)}, or the dotted path of a module with METHOD in it",
            found=method,
            where=METHOD_TABLE,
        )
    return built_in.get(method, method)


def shown_facts() -> str:
    """Return how methods and tasks are shown, as text: what tables and figures are made again for."""
    methods = [
        [method.name, method.display, method.colour, method.marker] for method in known_methods().values()
    ]
    return json.dumps([methods, [[task.name, task.paper_name] for task in load_tasks().values()]])


def taken_by(name: str) -> str | None:
    """Return the method or reference that has `name` as its id or its display name, if one has.

    Case does not count: some file systems do not tell `BC` from `bc`, and readers do not either.
    """
    known = known_methods().values()
    names = {text.casefold(): each.name for each in known for text in (each.name, each.display)}
    return names.get(name.casefold())


def method_order(name: str) -> tuple[int, int, str]:
    """Return the sort key of a method: learners, oracles, references; unknown learners after the known."""
    known = list(known_methods())
    position = known.index(name) if name in known else len(known)
    return _KIND_RANK[method_named(name).kind], position, name


def row_name(method: str, variant: str) -> str:
    """Return the method's display name, with the variant if it is not the default."""
    name = method_named(method).display
    return name if variant == DEFAULT_VARIANT else f"{name} ({variant})"


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


def constrained_reference_of(source: str) -> str:
    """Return the method whose return, cost and CVaR the scores of a source are relative to.

    Raises:
        UserError: there is no such source.
    """
    if source not in CONSTRAINED_REFERENCES:
        raise UserError(
            "no constrained reference is known for this source of data",
            expected=f"one of {', '.join(CONSTRAINED_REFERENCES)}",
            found=source,
        )
    return CONSTRAINED_REFERENCES[source]


def rolled_out_references(source: str) -> tuple[str, ...]:
    """Return the references of a source that are rolled out without any training on its data.

    Raises:
        UserError: there is no such source.
    """
    constrained = constrained_reference_of(source)
    return (constrained, RANDOM_REFERENCE) if constrained == BEHAVIOUR_REFERENCE else (RANDOM_REFERENCE,)


def reference_method(source: str) -> str | None:
    """Return the method that must be trained because the scores of a source are relative to it, if any.

    Raises:
        UserError: there is no such source.
    """
    constrained = constrained_reference_of(source)
    return None if constrained == BEHAVIOUR_REFERENCE else constrained
