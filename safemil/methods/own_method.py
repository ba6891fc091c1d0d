"""Checks a method before anything is run with it, so that a slip in a new one is a message at the start.

Built-in methods pass as well; they are held to more by the contract test. Trainings import nothing from here.
"""

import importlib.util
import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safemil.catalogue import built_in_methods
from safemil.errors import UserError
from safemil.methods.learner import Learner, MethodSettings
from safemil.methods.registry import find_method

LONGEST_NAME = 40

_WHERE_TO_LOOK = "the working directory and the folders in PYTHONPATH are searched"


def find_checked(method: str) -> type[Learner[Any, Any]]:
    """Import a method and return its class, after checking what can be checked without data.

    Args:
        method: a built-in name, or the dotted path of a module.

    Raises:
        UserError: there is no such method, its module fails when it is imported, or its class lacks
            something; the message names everything that it lacks.
    """
    if method not in built_in_methods() and "." in method:
        _check_folder(method)
    try:
        found = find_method(method)
    except UserError:
        raise
    except Exception as error:  # whatever the user's module does wrong
        raise UserError(
            "the method's module fails when it is imported",
            found=f"{type(error).__name__}: {error}",
            where=_origin(error) or method,
        ) from error
    problems = list(_class_problems(found))
    if problems:
        raise UserError(
            "the method's class is not complete: " + "; ".join(problems),
            where=f"{found.__module__}.{found.__name__}",
            hint="docs/add_a_method.md says what a method needs",
        )
    return found


def _check_folder(method: str) -> None:
    top = method.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        raise UserError(
            "the folder of the method's module is not found",
            expected=f"a folder {top}",
            found=f"none; {_WHERE_TO_LOOK}",
            where=f"{method}, with the working directory {Path.cwd()}",
        )


def _origin(error: Exception) -> str | None:
    """Return file and line in which `error` was raised; of a mistake of grammar, where it stands."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None


def _class_problems(found: type[Learner[Any, Any]]) -> Iterator[str]:
    if inspect.isabstract(found):
        yield f"it does not define {', '.join(sorted(found.__abstractmethods__))}"
    name = getattr(found, "name", None)
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.strip()) <= LONGEST_NAME:
        yield f"`name` is to be a text of 1 to {LONGEST_NAME} characters, found {name!r}"
    model = getattr(found, "settings_model", None)
    if not (isinstance(model, type) and issubclass(model, MethodSettings)):
        yield f"`settings_model` is to be a subclass of MethodSettings, found {model!r}"
