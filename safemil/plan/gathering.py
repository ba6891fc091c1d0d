"""The list of gathered tables: the rows of many runs in one file, on which tables and figures are based.

`safemil gather NAME`, the rule `gather` and results/{run_name}/NAME.parquet follow from an entry. Runs that
are kept (`plan.kept`) have no files of their own: their rows are taken from the tables of kept runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safemil import paths
from safemil.errors import UserError
from safemil.plan.rules import Plan, Run
from safemil.protocol import DEFAULT_VARIANT
from safemil.records import kept_store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GatheredTable:
    """A table, as rules and command know it.

    Attributes:
        name: of its file.
        template: the file of each run that it is made of.
        runs: which runs it holds.
        kept: the table of kept runs that has their rows.
        code: the module whose code, with all it imports, it is made again for.
        settings: what decides it besides its files, as a tracked parameter.
    """

    name: str
    template: str
    runs: Callable[[Plan], list[Run]]
    kept: str
    code: str
    settings: Callable[[Plan], str] = lambda _: ""


def gathered_tables(plan: Plan) -> dict[str, GatheredTable]:
    """Return every table by its name; each configured ablation has one."""
    complete, costs = "safemil.records.completeness", "safemil.learned_cost.rows"
    tables = [
        GatheredTable("episodes", paths.EPISODES, Plan.gathered_runs, "episodes", complete),
        GatheredTable("curve_episodes", paths.CURVE_EPISODES, Plan.curve_runs, "curve_episodes", complete),
        GatheredTable("learned_cost", paths.LEARNED_COST, Plan.cost_runs, "learned_cost", costs),
        GatheredTable(
            *("learned_cost_traces", paths.LEARNED_COST_TRACES, _default_cost_runs),
            *("learned_cost_traces", costs),
        ),
        GatheredTable("losses", paths.TRAINING_LOG, Plan.selection_runs, "losses", "safemil.records.losses"),
        # A record that is kept does not become newer when a setting changes: hence the settings of all.
        GatheredTable(
            *("records", paths.RUN_RECORD, Plan.method_runs, kept_store.RUNS),
            code="safemil.records.record_table",
            settings=Plan.all_training_parameters,
        ),
        GatheredTable(
            *("runs", paths.RUN_RECORD, Plan.trained_runs, kept_store.RUNS),
            code="safemil.records.trainings",
            settings=Plan.all_training_parameters,
        ),
        *(
            GatheredTable(f"ablation_{name}", paths.EPISODES, _ablation_runs(name), "episodes", complete)
            for name in plan.config.ablations
        ),
    ]
    return {table.name: table for table in tables}


def _default_cost_runs(plan: Plan) -> list[Run]:
    return plan.cost_runs(DEFAULT_VARIANT)


def _ablation_runs(name: str) -> Callable[[Plan], list[Run]]:
    return lambda plan: plan.ablation_cells(name)


def gather(plan: Plan, name: str, files: Sequence[Path], output: Path) -> None:
    """Put the rows of all runs of a table into one file, after checking that they are comparable and whole.

    Args:
        plan: the configuration.
        name: of the table.
        files: those of the runs that were made here. The rows of the others are taken from what is kept.
        output: the file.

    Raises:
        UserError: there is no such table; rows are missing, not configured, of another budget or not valid.
    """
    tables = gathered_tables(plan)
    if name not in tables:
        raise UserError("there is no such table", expected=f"one of {', '.join(tables)}", found=name)
    table = tables[name]
    if table.kept == kept_store.RUNS:
        from safemil.records.finished import check_records

        check_records(plan.wanted_runs())
    rows = gather_rows_of(plan, table.kept, table.runs(plan), files, _kept_rows(plan, table, files))
    _write(plan, name, rows, output)


def _write(plan: Plan, name: str, rows: "pd.DataFrame", output: Path) -> None:
    """Check that the rows are those of all configured runs, and write them."""
    from safemil.learned_cost.rows import write_all_rows, write_traces
    from safemil.records import completeness, episodes, losses, record_table, trainings

    match name:
        case "losses":
            losses.write_losses(output, rows)
        case "records":
            record_table.write_record_table(output, rows)
        case "runs":
            trainings.write_runs(output, trainings.runs_of(rows))
        case "learned_cost":
            completeness.check_learned_costs(rows, plan.expected_cost_runs())
            write_all_rows(output, rows)
        case "learned_cost_traces":
            write_traces(output, rows)
        case _:
            completeness.check_complete(rows, plan.expected_in(name))
            episodes.write_episodes(output, rows)


def _kept_rows(plan: Plan, table: GatheredTable, files: Sequence[Path]) -> "pd.DataFrame | None":
    """Return the kept rows of the runs whose files are not given; None where there are none."""
    given, directory = {path.as_posix() for path in files}, Path(plan.path(paths.KEPT))
    keys = [plan.key(run) for run in table.runs(plan) if plan.path(table.template, **run) not in given]
    if not keys or not kept_store.table_path(directory, table.kept).is_file():
        return None
    rows = kept_store.read_rows(directory, table.kept, keys)
    return None if rows.empty else rows


def gather_rows_of(
    plan: Plan, name: str, runs: Sequence[Run], files: Sequence[Path], kept: "pd.DataFrame | None"
) -> "pd.DataFrame":
    """Return the rows of a table of kept runs (`kept_store`), checked to be comparable.

    Args:
        plan: the configuration.
        name: of the table.
        runs: which may have files.
        files: of some of them.
        kept: rows of further runs.

    Raises:
        UserError: a file is missing or not valid, or the rows do not belong together.
    """
    from safemil.learned_cost.rows import gather_rows, gather_traces
    from safemil.records import episodes, losses, record_table

    match name:
        case "losses":
            known = {plan.path(paths.TRAINING_LOG, **run): plan.key(run) for run in runs}
            return losses.gather_losses([(file, known[file.as_posix()]) for file in files], kept)
        case kept_store.RUNS:
            benchmarks = {
                plan.path(paths.RUN_RECORD, **run): plan.path(paths.TRAINING_BENCHMARK, **run) for run in runs
            }
            pairs = [(file, Path(benchmarks.get(file.as_posix(), ""))) for file in files]
            return record_table.gather_record_table(pairs, kept)
        case "learned_cost":
            return gather_rows(files, kept)
        case "learned_cost_traces":
            return gather_traces(files, kept)
    return episodes.gather(files, kept)
