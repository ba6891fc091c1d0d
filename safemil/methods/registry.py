"""Finds the class of a method: a built-in one, or one in a module outside the package.

A method's module has an attribute `METHOD`, a subclass of `Learner`.
"""

import importlib
from typing import Any

from safemil.errors import UserError
from safemil.methods.learner import Learner
from safemil.methods.registry_names import module_name


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
