"""The program `safemil`: every command in one group, and how a person's mistake ends."""

import sys
from pathlib import Path

import click

from safemil.cli import data, kept, results, runs
from safemil.errors import UserError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """SafeMIL benchmark: collect, split, train, evaluate, tabulate, draw."""


for _room in (data, runs, kept, results):
    for _command in _room.commands.commands.values():
        cli.add_command(_command)


def main() -> None:
    """Run the command line; a person's mistake ends in a message and exit code 1, without a traceback."""
    # Methods of the user's own; last, so that nothing there hides what is installed.
    sys.path.append(str(Path.cwd()))
    try:
        cli(standalone_mode=False)
    except UserError as error:
        click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(str(error), err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
