"""Which methods there are, by name, and of which kind: the rows of `config/methods.tsv`.

A table rather than code, so that a new row does not change the digest of the code behind the other methods;
free of torch, so that the workflow can look names up in no time.
"""

import csv
import importlib
from functools import cache
from pathlib import Path
from typing import Literal

from safemil.errors import UserError

METHOD_TABLE = Path(__file__).resolve().parents[2] / "config" / "methods.tsv"

# A learner sees neither reward nor cost; an oracle is handed the true labels.
MethodKind = Literal["learner", "oracle"]


@cache
def _rows() -> list[dict[str, str]]:
    with METHOD_TABLE.open(newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


@cache
def built_in_methods() -> dict[str, str]:
    """Return the module of each built-in method by the method's name."""
    return {row["method"]: row["module"] for row in _rows()}


def built_in_oracles() -> tuple[str, ...]:
    """Return the names of the built-in methods that are handed labels."""
    return tuple(row["method"] for row in _rows() if row["kind"] == "oracle")


def method_kind(method: str) -> MethodKind:
    """Return whether `method` is a learner or an oracle.

    The table says it of a built-in method, and its class of one from outside the package, which is imported
    for that. The commands that train go by the class in any case.

    Raises:
        UserError: there is no such method.
    """
    if method in built_in_methods():
        return "oracle" if method in built_in_oracles() else "learner"
    # By name, for an import would make every module that shows a method's kind depend on torch and learners.
    registry = importlib.import_module("safemil.methods.registry")
    kind: MethodKind = registry.find_method(method).kind
    return kind


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
