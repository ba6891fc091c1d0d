"""Checkpoints: everything a killed run needs to go on to the same bits.

A checkpoint carries a fingerprint of the data, the settings, the code and the seed it was made with. One
that does not fit the present run is set aside, never mixed in.
"""

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
    """Return the state of a checkpoint, or None where there is none that fits `fingerprint`."""
    if not path.is_file():
        return None
    content = torch.load(path, weights_only=True)
    if content["fingerprint"] != fingerprint:
        return None
    state: dict[str, Any] = content["state"]
    return state
