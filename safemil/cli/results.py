"""Commands that show what runs have given: tables, figures, claims, pages, comparisons."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safemil.cli.options import CONFIG, PATH
from safemil.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from safemil.plan.configuration import Config

commands = click.Group()


@commands.command()
@click.argument("name")
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for NAME.csv, .md and .tex.")
@click.argument("files", type=PATH, nargs=-1)
def table(name: str, config_path: Path, directory: Path, files: tuple[Path, ...]) -> None:
    """Make the table NAME, such as main.

    FILES are its inputs, as the rule `table` gives them; without any, they are found in the run's folder.
    """
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.tables.document import write_document
    from safemil.tables.entries import make_document

    write_document(make_document(name, Plan(read_resolved(config_path)), files), directory)


@commands.command()
@click.argument("name")
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for NAME.png, .pdf and .csv.")
@click.argument("files", type=PATH, nargs=-1)
def figure(name: str, config_path: Path, directory: Path, files: tuple[Path, ...]) -> None:
    """Draw the figure NAME, such as main.

    FILES are its inputs, as its rule gives them; without any, they are found in the run's folder.
    """
    from safemil.figures.entries import draw
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan

    draw(name, Plan(read_resolved(config_path)), directory, files)


def all_episodes(
    path: Path, config: "Config", *, ablation: str | None = None, curves: bool = False
) -> "pd.DataFrame":
    """Read a table of episodes and check that it is the configuration's, as `gather` does."""
    from safemil.plan.inputs import complete_episodes
    from safemil.plan.rules import Plan

    table = f"ablation_{ablation}" if ablation else "curve_episodes" if curves else "episodes"
    return complete_episodes(path, Plan(config).expected_in(table))


@commands.command()
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--learned-cost", type=PATH, help="learned_cost.csv of `safemil table learned_cost`.")
@click.option("--theory", type=PATH, help="theory.csv of `safemil table theory`.")
@click.option(
    "--ablation",
    "ablations",
    type=(str, PATH, PATH),
    multiple=True,
    help="Name (k, h or weighting), its table (CSV) and its episodes; repeat.",
)
@click.option("--directory", type=PATH, required=True, help="Folder for claims.md and claims.json.")
def claims(
    config_path: Path,
    episodes: Path,
    learned_cost: Path | None,
    theory: Path | None,
    ablations: tuple[tuple[str, Path, Path], ...],
    directory: Path,
) -> None:
    """Decide the paper's claims; what is not given makes claims `not measured`."""
    from safemil.claims.inputs import ClaimInputs, SeedScores, Table, read_ablation
    from safemil.claims.parts import Judge
    from safemil.claims.report import write_claims
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.learned_cost import read_learned_cost_table
    from safemil.statistics.scores import relative_seed_scores
    from safemil.theory.table import read_theory_table

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = relative_seed_scores(all_episodes(episodes, config), cost_limit=limit)
    for name, _, rows in ablations:
        all_episodes(rows, config, ablation=name)
    inputs = ClaimInputs(
        SeedScores(episodes.as_posix(), scores),
        Table(learned_cost.as_posix(), read_learned_cost_table(learned_cost)) if learned_cost else None,
        Table(theory.as_posix(), read_theory_table(theory)) if theory else None,
        {name: read_ablation(name, table, rows, episodes, limit) for name, table, rows in ablations},
    )
    write_claims(inputs, Judge(config.claims, config.evaluation), directory, config.run_name)


@commands.command()
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for main.*, per_task.*, runs.csv.")
@click.option("--figures", type=PATH, required=True, help="Folder for main.* and plane.* as figures.")
def partial(config_path: Path, directory: Path, figures: Path) -> None:
    """Make the main tables and figures of the runs that are finished so far."""
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.report.partial import make_partial

    for path in make_partial(Plan(read_resolved(config_path)), directory, figures):
        click.echo(path)


@commands.command()
@CONFIG
@click.option("--runs", type=PATH, required=True, help="Table of runs.")
@click.option("--directory", type=PATH, required=True, help="Folder for configuration.md and runs.md.")
def provenance(config_path: Path, runs: Path, directory: Path) -> None:
    """Write the resolved configuration with versions, commits and seeds, and the list of trainings."""
    from safemil.plan.configuration import read_resolved
    from safemil.records.trainings import read_runs
    from safemil.report.provenance_pages import write_provenance

    write_provenance(read_resolved(config_path).model_dump(mode="json"), read_runs(runs), directory)


@commands.command()
@click.option("--style", type=PATH, required=True, help="CSS of the pages.")
@click.option(
    "--page",
    "pages",
    type=(PATH, PATH),
    multiple=True,
    required=True,
    help="A Markdown file and the HTML file to make of it; repeat.",
)
def pages(style: Path, pages: tuple[tuple[Path, Path], ...]) -> None:
    """Turn tables in Markdown into HTML pages that need nothing beside themselves."""
    from safemil.report.html_page import write_page

    if not style.is_file():
        raise UserError("no style sheet here", expected="a CSS file", found="no such file", where=style)
    for source, output in pages:
        write_page(source, style.read_text(encoding="utf-8"), output)


@commands.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option("--output", type=PATH, help="File for all rows: .md, .csv or .json.")
@click.option("--fail-on-change", is_flag=True, help="Exit with 1 if a score has changed.")
def compare(run_a: str, run_b: str, output: Path | None, fail_on_change: bool) -> None:
    """Say which scores changed from RUN_A to RUN_B by more than their seeds differ.

    A run is a name (results/NAME), a folder, or a table of episodes. What is in one run only is listed, and
    is no change.
    """
    from dataclasses import replace

    from safemil.statistics.changes import CHANGED, compare_runs
    from safemil.tables import changes as text

    if output:
        text.check_suffix(output)
    first, second = text.read_run(run_a), text.read_run(run_b)
    found = compare_runs(first.episodes, second.episodes, first.settings)
    found = replace(found, differing=text.settings_sentences(first, second) + found.differing)
    text.print_comparison(first, second, found, text.plain_console())
    if output:
        text.write_comparison(output, first, second, found)
    if fail_on_change and found.count(CHANGED):
        sys.exit(1)
