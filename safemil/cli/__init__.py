"""The command line: one thin command per rule of the workflow, each of which a person can paste.

Heavy imports happen inside the commands, so that `safemil --help` is quick.
"""

from safemil.cli.main import cli, main

__all__ = ["cli", "main"]
