"""The list of tables: what each is given fits what it takes, and one table's code is not another's."""

import importlib
import inspect
from pathlib import Path
from pkgutil import iter_modules

import pandas as pd
import pytest
from matplotlib.figure import Figure

import safemil.figures
from safemil.errors import UserError
from safemil.figures.entries import figure_entries
from safemil.plan.configuration import parse_config
from safemil.plan.inputs import Input, read_inputs, several, value
from safemil.plan.rules import Plan
from safemil.records.provenance import modules_behind
from safemil.tables.document import Document
from safemil.tables.entries import table_entries

REPORT = Path(__file__).parents[2] / "workflow/report"
RAW = {
    "run_name": "x",
    "tasks": ["swimmer_velocity", "point_circle2"],
    "seeds": [0, 1],
    "methods": {name: {"default": {}} for name in ("bc", "safemil", "bc_safe", "coptidice")},
    "evaluation": {"curve_points": 4},
}
PLAN = Plan(parse_config(RAW, "here"))
ENTRIES = table_entries(PLAN)
FIGURES = figure_entries(PLAN)
# Whose maker reads or shows what another table is of.
DRAWN_WITH = {"separability": {"selection"}, "learning_curves_over_tasks": {"learning_curves"}}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_maker_takes_the_run_and_what_its_entry_gives(name: str) -> None:
    entry = ENTRIES[name]
    signature = inspect.signature(importlib.import_module(entry.module).make)
    assert set(list(signature.parameters)[1:]) == set(entry.inputs(PLAN)), name
    assert signature.return_annotation is Document
    assert isinstance(entry.settings(PLAN), str)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_takes_the_run_and_what_its_entry_gives(name: str) -> None:
    entry = FIGURES[name]
    signature = inspect.signature(importlib.import_module(entry.module).make)
    assert set(list(signature.parameters)[1:]) == set(entry.inputs(PLAN)), name
    assert signature.return_annotation == tuple[Figure, pd.DataFrame]
    assert isinstance(entry.settings(PLAN), str)
    assert entry.target == f"figure_{name}"
    assert (REPORT / f"{entry.caption_name}.rst").is_file()


def test_the_code_of_a_figure_is_its_own() -> None:
    behind = {name: modules_behind(entry.module) for name, entry in FIGURES.items()}
    for name, entry in FIGURES.items():
        assert not [
            other
            for other in behind
            if FIGURES[other].module != entry.module and entry.module in behind[other]
        ]
        for room in ("safemil.cli", "safemil.report", "safemil.training"):
            assert not [each for each in behind[name] if each.startswith(room)], (name, room)


def test_every_ablation_has_a_table_and_names_are_told_apart() -> None:
    ablations = {name for name in ENTRIES if name.startswith("ablation_")}
    assert ablations == {f"ablation_{name}" for name in PLAN.config.ablations}
    assert {"main", "per_task", "theory", "policy_share"} <= set(ENTRIES)
    targets = [entry.target for entry in ENTRIES.values()]
    assert len(set(targets)) == len(targets)
    assert {"table_main", "table_theory", "table_ablation_k", "policy_share"} <= set(targets)


def test_the_code_of_a_table_is_its_own() -> None:
    """So that editing one table redraws that one, and a rule, a command or another setting none."""
    behind = {name: modules_behind(entry.module) for name, entry in ENTRIES.items()}
    for name, entry in ENTRIES.items():
        others = {other for other, each in ENTRIES.items() if each.module != entry.module}
        assert {other for other in others if entry.module in behind[other]} == DRAWN_WITH.get(name, set()), (
            name
        )
        for room in ("safemil.plan", "safemil.cli", "safemil.figures", "safemil.report", "safemil.training"):
            assert not [each for each in behind[name] if each.startswith(room)], (name, room)


def test_no_figure_knows_how_tables_look() -> None:
    looks = {f"safemil.tables.{name}" for name in ("document", "markdown", "latex", *ENTRIES)}
    for module in iter_modules(safemil.figures.__path__, "safemil.figures."):
        if module.name != "safemil.figures.entries":  # the list of figures, which is behind none of them
            assert not looks & modules_behind(module.name), module.name


def test_inputs_are_read_from_the_files_that_are_named_in_order(tmp_path: Path) -> None:
    asked = {
        "first": Input(lambda files: [file.name for file in files], ["a", "b"]),
        "said": value(3),
        "second": several(["c"]),
    }
    assert read_inputs(asked) == {"first": ["a", "b"], "said": 3, "second": [Path("c")]}
    named = [tmp_path / name for name in "xyz"]
    assert read_inputs(asked, named) == {"first": ["x", "y"], "said": 3, "second": [tmp_path / "z"]}
    with pytest.raises(UserError, match=r"expected: 3 files: a, b, c\s+found: +2 files"):
        read_inputs(asked, named[:2])
