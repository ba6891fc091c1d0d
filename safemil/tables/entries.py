"""The list of tables. To add one: a module with `make`, an entry here, a test.

A module's `make(run, ...)` is given `TableRun` and, by their names, the inputs of its entry, and returns a
`Document`. Rules, command, targets and report follow from the entry: `safemil table NAME`,
`snakemake table_NAME`, results/{run_name}/tables/NAME.{csv,md,tex}.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safemil import paths
from safemil.errors import UserError
from safemil.plan import inputs
from safemil.plan.ablation_cells import ablation_runs
from safemil.plan.inputs import Inputs, read_inputs, value
from safemil.plan.rules import Plan, tracked
from safemil.tables.request import TableRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safemil.tables.document import Document


def _always(plan: Plan) -> bool:  # noqa: ARG001
    return True


def _on_demand(plan: Plan) -> bool:  # noqa: ARG001
    return False


def _nothing(plan: Plan) -> str:  # noqa: ARG001
    return ""


@dataclass(frozen=True)
class TableEntry:
    """A table, as rules, command and report know it.

    Attributes:
        name: of its files, without ending.
        inputs: what `make` is given; asked for when the table is planned.
        category: of the report, as in `report.contents`.
        label: what it is called there; empty without a page. workflow/report/table_{name}.rst is its caption.
        when: whether `all` includes it.
        settings: what decides it besides its files and code, as a tracked parameter.
        module: has its `make`; its code, with all it imports, is what the table is made again for.
    """

    name: str
    inputs: Callable[[Plan], Inputs]
    category: str
    label: str
    when: Callable[[Plan], object] = _always
    settings: Callable[[Plan], str] = _nothing
    module: str = ""

    @property
    def target(self) -> str:
        """Return the name of the rule that asks for its files."""
        return self.name if self.when is _on_demand else f"table_{self.name}"

    def files(self, plan: Plan, cards: "Callable[[Sequence[str]], Sequence[str]]") -> list[str]:
        """Return the files that the table is made of; `cards` says where cards of data are."""
        given = self.inputs(plan).values()
        return [file for each in given for file in (cards(each.files) if each.are_cards else each.files)]

    @property
    def code(self) -> str:
        """Return the module that makes the table."""
        return self.module or f"safemil.tables.{self.name}"


def _scores(plan: Plan) -> Inputs:
    return {"episodes": inputs.episodes(plan)}


def _curves(plan: Plan) -> Inputs:
    return {"curves": inputs.curve_episodes(plan), "episodes": inputs.episodes(plan)}


def _all_of_evaluation(plan: Plan) -> str:
    return tracked(plan.config.evaluation.model_dump(mode="json"))


def _separability(plan: Plan) -> Inputs:
    tasks, split_cards = value(plan.bounded_tasks()), inputs.cards(plan, paths.DATA_CARD)
    return {"episodes": inputs.episodes(plan), "cards": split_cards, "tasks": tasks}


def _selection(plan: Plan) -> Inputs:
    separability = inputs.one(plan.table_file("separability", "csv"))
    logs, learned = inputs.selection_logs(plan), inputs.selection_costs(plan)
    return {"separability": separability, "logs": logs, "learned": learned}


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
    tasks = plan.config.tasks
    files = inputs.several([plan.source_data(task) for task in tasks])
    return {"data": files, "tasks": value(tasks), "settings": value(plan.config.split)}


TABLES = (
    TableEntry("main", _scores, "comparison", "Table: scores of each task", settings=Plan.score_parameters),
    TableEntry(
        "per_task",
        _scores,
        "comparison",
        "Table: tasks across, one grid per score",
        settings=Plan.score_parameters,
    ),
    TableEntry(
        "aggregate",
        _scores,
        "comparison",
        "Table: statistics over all tasks",
        settings=Plan.score_parameters,
    ),
    TableEntry(
        "separability",
        _separability,
        "comparison",
        "Table: separability and cost avoided",
        when=Plan.bounded_tasks,
        settings=Plan.score_parameters,
    ),
    TableEntry(
        "selection",
        _selection,
        "comparison",
        "Table: what is learned, what is left, cost avoided",
        when=Plan.selection_runs,
    ),
    TableEntry(
        "learning_curves",
        _curves,
        "learning_curves",
        "Table: which have levelled off",
        when=Plan.has_curves,
        settings=_all_of_evaluation,
    ),
    TableEntry(
        "learning_curves_over_tasks",
        _curves,
        "learning_curves",
        "",
        when=Plan.has_curves,
        settings=_all_of_evaluation,
    ),
    TableEntry(
        "learned_cost",
        lambda plan: {"scores": inputs.learned_costs(plan)},
        "learned_cost",
        "Table: what the learned cost knows",
        when=Plan.cost_runs,
        settings=Plan.score_parameters,
    ),
    TableEntry(
        "theory",
        lambda plan: {"settings": value(plan.config.theory)},
        "theory",
        "Table: Lemma 1 and Theorem 1",
        settings=lambda plan: tracked(plan.config.theory.model_dump(mode="json")),
    ),
    TableEntry(
        "fairness",
        lambda plan: {"records": inputs.records(plan)},
        "fairness",
        "Table: what each method was given",
        settings=Plan.all_training_parameters,
    ),
    TableEntry(
        "data_overview",
        _data_overview,
        "data",
        "Table: collected data against their targets",
        when=Plan.is_collected,
    ),
    TableEntry(
        "policy_share",
        _policy_share,
        "data",
        "",
        when=_on_demand,
        settings=lambda plan: plan.split_parameters("default"),
    ),
)


def _ablation(name: str) -> TableEntry:
    def given(plan: Plan) -> Inputs:
        runs = ablation_runs(plan.config, name)
        said = {"title": runs.ablation.title, "axis": runs.ablation.axis, "points": runs.points}
        known = {"name": name, **said, "tasks": runs.tasks}
        return {"episodes": inputs.ablation_episodes(plan, name), **{k: value(v) for k, v in known.items()}}

    return TableEntry(
        f"ablation_{name}",
        given,
        "ablations",
        f"Table: {name}",
        when=lambda plan: name in plan.ablation_names(),
        settings=lambda plan: plan.ablation_parameters(name),
        module="safemil.tables.ablation",
    )


def table_entries(plan: Plan) -> dict[str, TableEntry]:
    """Return every table by its name; each configured ablation has one."""
    return {entry.name: entry for entry in [*TABLES, *map(_ablation, plan.config.ablations)]}


def find_table(plan: Plan, name: str) -> TableEntry:
    """Return a table by its name.

    Raises:
        UserError: there is none of this name.
    """
    entries = table_entries(plan)
    if name not in entries:
        raise UserError("there is no such table", expected=f"one of {', '.join(entries)}", found=name)
    return entries[name]


def planned_tables(plan: Plan) -> list[str]:
    """Return the files of all tables that `all` includes."""
    planned = [entry.name for entry in table_entries(plan).values() if entry.when(plan)]
    return [file for name in planned for file in plan.table_files(name)]


def make_document(entry: TableEntry, plan: Plan, files: "Sequence[Path] | None" = None) -> "Document":
    """Return a table as a document.

    Args:
        entry: which table.
        plan: the configuration whose run it is of.
        files: what it is made of, as `read_inputs`.

    Raises:
        UserError: an input is missing, or not what it should be.
    """
    config = plan.config
    run = TableRun(config.run_name, config.evaluation, tuple(config.custom_methods))
    document: Document = importlib.import_module(entry.code).make(
        run, **read_inputs(entry.inputs(plan), files)
    )
    return document
