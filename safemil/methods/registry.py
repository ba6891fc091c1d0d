"""Which methods there are, by name. A module path outside the package works too.

A method's module has an attribute `METHOD`, a subclass of `Learner`.
"""

import importlib
from typing import Any

from safemil.errors import UserError
from safemil.methods.learner import Learner

BUILT_IN = {"bc": "safemil.methods.bc", "safemil": "safemil.methods.safemil"}


def module_name(method: str) -> str:
    """Return the module that implements `method`: a built-in name, or itself a dotted module path."""
    if method not in BUILT_IN and "." not in method:
        raise UserError(
            "unknown method",
            expected=f"one of {', '.join(BUILT_IN)}, or the dotted path of a module with METHOD in it",
            found=method,
        )
    return BUILT_IN.get(method, method)


def find_method(method: str) -> type[Learner[Any, Any]]:
    """Import and return the learner class of `method`.

    Raises:
        UserError: there is no such method, or its module has no usable `METHOD`.
    """
    name = module_name(method)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError("the method's module cannot be imported", found=str(error), where=name) from error
    learner = getattr(module, "METHOD", None)
    if not (isinstance(learner, type) and issubclass(learner, Learner)):
        raise UserError(
            "not a method", expected="METHOD = a subclass of Learner", found=repr(learner), where=name
        )
    return learner
