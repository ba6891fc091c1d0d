"""Checkpoints: everything a killed run needs to go on to the same bits.

A checkpoint carries a fingerprint of the data, the settings, the code and the seed it was made with. One
that does not fit the present run, or is damaged, is never mixed in: the run starts from the beginning.
"""

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from safemil.files import replacing


def write_checkpoint(path: Path, fingerprint: str, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, atomically."""
    with replacing(path) as temporary:
        torch.save({"fingerprint": fingerprint, "state": dict(state)}, temporary)


def read_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """Return the state of a checkpoint, or None where there is none that can be used for `fingerprint`.

    Where there is one that cannot be used, a line on standard error says why.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, weights_only=True)
        found, state = content["fingerprint"], dict(content["state"])
    except (EOFError, OSError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        print(f"{path}: damaged checkpoint ({error}); training from the beginning", file=sys.stderr)
        return None
    if found != fingerprint:
        print(f"{path}: checkpoint of another run; training from the beginning", file=sys.stderr)
        return None
    return state


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint that is no longer needed, and what kills during its writing left."""
    for leftover in (path, *path.parent.glob(f".{path.name}.*.part")):
        leftover.unlink(missing_ok=True)
