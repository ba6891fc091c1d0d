"""Tables and figures of the runs that are finished so far, beside those of the whole, whose files stay."""

import sys
from pathlib import Path

import click

from safemil.figures.main_comparison import main_comparison
from safemil.figures.plane import plane
from safemil.figures.style import save_figure
from safemil.files import csv_text, write_text
from safemil.plan.kept import find_kept_runs
from safemil.plan.rules import Plan
from safemil.records.episodes import write_episodes
from safemil.records.finished import gather_finished
from safemil.statistics.partial import partial_notes, partial_table
from safemil.tables import main, per_task
from safemil.tables.captions import custom_method_notes, partial_mark
from safemil.tables.document import write_document
from safemil.tables.request import TableRun


def make_partial(plan: Plan, directory: Path, figures: Path) -> list[Path]:
    """Write the main table, the grids of tasks and the main figures from the finished runs; return all paths.

    Nothing is trained or rolled out. The same finished runs give the same bytes.

    Args:
        plan: the configuration, whose runs are looked for below the working directory.
        directory: gets main.* and per_task.*, episodes.parquet with the rows, and runs.csv with the status of
            every run.
        figures: gets main.* and plane.*.

    Raises:
        UserError: no run is finished, or the finished ones are not comparable.
    """
    config = plan.config
    limit = config.evaluation.cost_limit
    kept = find_kept_runs(plan)
    runs = gather_finished(plan.wanted_runs(), kept.episodes(), kept.codes())
    table = partial_table(runs, config.evaluation)
    unconfigured = [path.as_posix() for path in plan.unconfigured_episodes()]
    notes = partial_notes(runs, table, unconfigured, limit) + custom_method_notes(config.custom_methods)
    drawn = {
        "main": main_comparison(runs.episodes, table, cost_limit=limit),
        "plane": plane(runs.episodes, table, cost_limit=limit),
    }
    run = TableRun(config.run_name, config.evaluation)
    for line in [partial_mark(table), *notes]:
        click.echo(line, file=sys.stderr)
    written = [
        write_episodes(directory / "episodes.parquet", runs.episodes),
        write_text(directory / "runs.csv", csv_text(runs.status)),
        *write_document(main.document(run, table, notes), directory),
        *write_document(per_task.document(run, table, notes), directory),
    ]
    for name, (figure, plotted) in drawn.items():
        written += save_figure(figure, plotted, figures / name)
    return written
