"""Which methods there are, by name: the rows of `config/methods.tsv`.

A table rather than code, so that a new row does not change the digest of the code behind the other methods;
free of torch, so that the workflow can look names up in no time.
"""

import csv
from functools import cache
from pathlib import Path

from safemil.errors import UserError

METHOD_TABLE = Path(__file__).resolve().parents[2] / "config" / "methods.tsv"


@cache
def built_in_methods() -> dict[str, str]:
    """Return the module of each built-in method by the method's name."""
    with METHOD_TABLE.open(newline="") as table:
        return {row["method"]: row["module"] for row in csv.DictReader(table, delimiter="\t")}


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
