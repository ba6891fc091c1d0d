"""Allows `python -m safemil`."""

from safemil.cli import main

main()
