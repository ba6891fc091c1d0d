"""What an entry of the lists of tables and figures says, and how its maker is called."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safemil.errors import UserError
from safemil.plan.inputs import Inputs, read_inputs
from safemil.plan.rules import Plan


@dataclass(frozen=True)
class Entry:
    """A table or a figure, as rules, command and report know it.

    Attributes:
        name: of its files, without ending.
        category: of the report, as in `report.contents`.
        label: what it is called there; empty without a place in it.
        inputs: what `make` is given; asked for when jobs are planned.
        when: whether `all` includes it.
        settings: what decides it besides its files and code, as a tracked parameter; those of all scores.
        module: has its `make`; its code, with all it imports, is what it is made again for.
    """

    name: str
    category: str
    label: str
    inputs: Callable[[Plan], Inputs]
    when: Callable[[Plan], object] = lambda _: True
    settings: Callable[[Plan], str] = Plan.score_parameters
    module: str = ""


def make(entries: Mapping[str, Entry], name: str, run: object, plan: Plan, files: Sequence[Path]) -> Any:
    """Return what the maker of an entry makes: a `Document`, or a figure with its numbers.

    Args:
        entries: the list, by name.
        name: of the entry.
        run: what every maker is told of the run, `tables.request.TableRun`.
        plan: the configuration.
        files: its inputs, as `read_inputs`.

    Raises:
        UserError: there is no such entry; or an input is missing, or not what it should be.
    """
    if name not in entries:
        raise UserError(
            "there is no such table or figure", expected=f"one of {', '.join(entries)}", found=name
        )
    given = read_inputs(entries[name].inputs(plan), files)
    return importlib.import_module(entries[name].module).make(run, **given)
