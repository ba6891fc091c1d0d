"""Finds the class of a method: a built-in one, or one in a module outside the package.

A method's module has an attribute `METHOD`, a subclass of `Learner`. What is trained without labels goes
through `find_learner`, which refuses oracles (`safemil.methods.oracle`) and whatever asks for more than
the training data.
"""

import importlib
import inspect
from typing import Any

from safemil.catalogue import module_name
from safemil.data.stripped import TrainingData
from safemil.errors import UserError
from safemil.methods.learner import Learner

CONSTRUCTOR = ("self", "data", "settings", "training", "generator")


def find_method(method: str) -> type[Learner[Any, Any]]:
    """Import and return the class of `method`, a learner's or an oracle's.

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


def find_learner(method: str) -> type[Learner[Any, Any]]:
    """Import and return the class of a method that is trained without labels.

    Raises:
        UserError: there is no such method, it is an oracle, or its constructor asks for more than the
            training data.
    """
    found = find_method(method)
    if found.kind != "learner":
        raise UserError(
            f"{method} is an oracle: it is trained with true labels",
            expected="a learner",
            found=found.__name__,
            where=found.__module__,
            hint="train it with `safemil train-oracle`, which is given the label file",
        )
    check_constructor(found, TrainingData)
    return found


def check_constructor(learner: type[Learner[Any, Any]], data_type: type) -> None:
    """Make sure that a method asks for the data of its kind and nothing else.

    Args:
        learner: the method's class.
        data_type: `TrainingData` for a learner. An annotation may be left out, but not be another.

    Raises:
        UserError: the constructor has other arguments, or wants other data.
    """
    parameters = inspect.signature(learner.__init__).parameters
    annotation = parameters["data"].annotation if "data" in parameters else None
    if isinstance(annotation, str):  # as `from __future__ import annotations` leaves them
        fits = annotation.rpartition(".")[2] == data_type.__name__
    else:
        fits = annotation in (inspect.Parameter.empty, data_type)
    if tuple(parameters) != CONSTRUCTOR or not fits:
        raise UserError(
            "a method's constructor asks for something that it is not given",
            expected=f"arguments {', '.join(CONSTRUCTOR)}, where data is of type {data_type.__name__}",
            found=str(inspect.signature(learner.__init__)),
            where=f"{learner.__module__}.{learner.__name__}",
            hint="only oracles are given labels: see safemil/methods/oracle.py",
        )
