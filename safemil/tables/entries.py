"""The list of tables. To add one: a module with `make`, an entry here, a test.

A module's `make(run, ...)` is given a `TableRun` and, by their names, the inputs of its entry, and returns a
`Document`. Command, rules, targets and report follow from the entry: `safemil table NAME`,
`snakemake table_NAME`, results/{run_name}/tables/NAME.{csv,md,tex}.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from safemil import paths
from safemil.plan import inputs
from safemil.plan.ablation_cells import ablation_runs
from safemil.plan.entries import Entry, make
from safemil.plan.inputs import Inputs, value
from safemil.plan.rules import Plan, tracked
from safemil.protocol import DEFAULT_VARIANT
from safemil.tables.request import TableRun

if TYPE_CHECKING:
    from safemil.tables.document import Document


def on_demand(_: Plan) -> bool:
    """Leave a table out of `all`."""
    return False


@dataclass(frozen=True)
class TableEntry(Entry):
    """A table; without a label it has no page. workflow/report/table_{name}.rst is its caption."""

    @property
    def target(self) -> str:
        """Return the name of the rule that asks for its files."""
        return self.name if self.when is on_demand else f"table_{self.name}"


def _separability(plan: Plan) -> Inputs:
    tasks, cards = value(plan.bounded_tasks()), inputs.cards(plan, paths.DATA_CARD)
    return {"episodes": inputs.episodes(plan), "cards": cards, "tasks": tasks}


def _selection(plan: Plan) -> Inputs:
    separability = inputs.one(plan.table_file("separability", "csv"))
    losses, learned = inputs.losses(plan), inputs.learned_costs(plan)
    return {"separability": separability, "losses": losses, "learned": learned}


def _data_overview(plan: Plan) -> Inputs:
    return {
        "behavior_cards": inputs.several(plan.for_tasks(paths.SHIPPED_CARD)),
        "policies": inputs.several(plan.for_tasks(paths.SHIPPED_POLICIES)),
        "source_cards": inputs.cards(plan, paths.COLLECTED_CARD),
        "split_cards": inputs.cards(plan, paths.DATA_CARD),
        "targets": inputs.one("config/behavior_targets.tsv"),
        "tasks": value(plan.config.tasks),
    }


def _policy_share(plan: Plan) -> Inputs:
    data, tasks = inputs.several([plan.source_data(task) for task in plan.config.tasks]), plan.config.tasks
    return {"data": data, "tasks": value(tasks), "settings": value(plan.config.split)}


def _evaluation(plan: Plan) -> str:
    return tracked(plan.config.evaluation.model_dump(mode="json"))


TABLES = (
    TableEntry("main", "comparison", "Table: scores of each task", inputs.scores),
    TableEntry("per_task", "comparison", "Table: tasks across, one grid per score", inputs.scores),
    TableEntry("aggregate", "comparison", "Table: statistics over all tasks", inputs.scores),
    TableEntry(
        *("separability", "comparison", "Table: separability and cost avoided", _separability),
        when=Plan.bounded_tasks,
    ),
    TableEntry(
        *("selection", "comparison", "Table: what is learned, what is left, cost avoided", _selection),
        when=Plan.selection_runs,
        settings=lambda _: "",
    ),
    TableEntry(
        *("learning_curves", "learning_curves", "Table: which have levelled off", inputs.curves),
        when=Plan.has_curves,
        settings=_evaluation,
    ),
    TableEntry(
        *("learning_curves_over_tasks", "learning_curves", "", inputs.curves),
        when=Plan.has_curves,
        settings=_evaluation,
    ),
    TableEntry(
        *("learned_cost", "learned_cost", "Table: what the learned cost knows"),
        lambda plan: {"scores": inputs.learned_costs(plan)},
        when=Plan.cost_runs,
    ),
    TableEntry(
        *("theory", "theory", "Table: Lemma 1 and Theorem 1"),
        lambda plan: {"settings": value(plan.config.theory)},
        settings=lambda plan: tracked(plan.config.theory.model_dump(mode="json")),
    ),
    TableEntry(
        *("fairness", "fairness", "Table: what each method was given"),
        lambda plan: {"records": inputs.records(plan)},
        settings=Plan.all_training_parameters,
    ),
    TableEntry(
        *("data_overview", "data", "Table: collected data against their targets", _data_overview),
        when=Plan.is_collected,
        settings=lambda _: "",
    ),
    TableEntry(
        *("policy_share", "data", "", _policy_share),
        when=on_demand,
        settings=lambda plan: plan.split_parameters(DEFAULT_VARIANT),
    ),
)


def _ablation(name: str) -> TableEntry:
    def given(plan: Plan) -> Inputs:
        runs = ablation_runs(plan.config, name)
        said = {"title": runs.ablation.title, "axis": runs.ablation.axis, "points": runs.points}
        known = {"name": name, "tasks": runs.tasks, **said}
        return {"episodes": inputs.ablation_episodes(plan, name), **{k: value(v) for k, v in known.items()}}

    return TableEntry(
        *(f"ablation_{name}", "ablations", f"Table: {name}", given),
        when=lambda plan: name in plan.ablation_names(),
        settings=lambda plan: plan.ablation_parameters(name),
        module="safemil.tables.ablation",
    )


def table_entries(plan: Plan) -> dict[str, TableEntry]:
    """Return every table by its name; each configured ablation has one."""
    entries = [*TABLES, *map(_ablation, plan.config.ablations)]
    return {entry.name: _with_module(entry) for entry in entries}


def _with_module(entry: TableEntry) -> TableEntry:
    return entry if entry.module else replace(entry, module=f"safemil.tables.{entry.name}")


def planned_tables(plan: Plan) -> list[str]:
    """Return the files of all tables that `all` includes."""
    planned = [entry.name for entry in table_entries(plan).values() if entry.when(plan)]
    return [file for name in planned for file in plan.table_files(name)]


def run_of_plan(plan: Plan) -> TableRun:
    """Return what makers of tables and figures are told of the run of a configuration."""
    config = plan.config
    return TableRun(config.run_name, config.evaluation, tuple(config.custom_methods))


def make_document(name: str, plan: Plan, files: Sequence[Path] = ()) -> "Document":
    """Return a table as a document; arguments and errors as of `plan.entries.make`."""
    document: Document = make(table_entries(plan), name, run_of_plan(plan), plan, files)
    return document
