"""Commands on runs that are kept in the repository."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from safemil.cli.options import CONFIG, OUTPUT, PATH
from safemil.errors import UserError

if TYPE_CHECKING:
    from safemil.plan.rules import Plan

commands = click.Group()


def _plan(config_path: Path) -> "Plan":
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan

    return Plan(read_resolved(config_path))


@commands.command("note-origin")
@click.option("--origin", required=True, help="What decided the numbers, as JSON.")
@OUTPUT
@click.argument("files", type=PATH, nargs=-1, required=True)
def note_origin(origin: str, output: Path, files: tuple[Path, ...]) -> None:
    """Note what decided the FILES of a finished run, or the cards of a task's data."""
    from safemil.plan.keeping import note_origin as note

    note(origin, files, output)


@commands.command()
@CONFIG
def keep(config_path: Path) -> None:
    """Take the finished runs that have a note into the tables of kept runs."""
    from safemil.plan.keeping import keep as keep_runs

    plan = _plan(config_path)
    click.echo(f"{len(keep_runs(plan))} runs are kept that were not")


@commands.command("take-cards")
@CONFIG
@click.argument("tasks", nargs=-1, required=True)
def take_cards(config_path: Path, tasks: tuple[str, ...]) -> None:
    """Bring back the kept data cards of TASKS."""
    from safemil.plan.kept import take_cards as take

    take(_plan(config_path), tasks)


@commands.command()
@CONFIG
@click.option("--reason", required=True, help="Why the numbers are the same; goes into a list.")
def restamp(config_path: Path, reason: str) -> None:
    """Give kept runs the digests of the present code, where nothing else decides them otherwise."""
    from safemil.plan.keeping import restamp as stamp

    changed = stamp(_plan(config_path), reason)
    if not changed:
        raise UserError(
            "no kept run differs from the configuration in nothing but its code",
            hint="`snakemake --dry-run all` says in what the kept runs differ",
        )
    click.echo(f"{len(changed)} runs have the digests of the present code")
