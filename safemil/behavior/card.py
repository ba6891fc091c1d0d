"""The card of a task's shipped behaviour policies: what each one does, and which is the reference."""

import json
from pathlib import Path
from typing import Any

from safemil.behavior.snapshots import Snapshot, read_snapshots
from safemil.errors import UserError


def read_card(path: Path) -> dict[str, Any]:
    """Read a card.

    Raises:
        UserError: the file is missing.
    """
    if not path.is_file():
        raise UserError(
            "no card of behaviour policies", expected="a JSON file", found="no such file", where=path
        )
    card: dict[str, Any] = json.loads(path.read_text())
    return card


def constrained_reference(shipped: Path, card_path: Path) -> Snapshot:
    """Return the shipped policy that the card names as the constrained reference.

    Raises:
        UserError: a file is missing, or the card names a policy that is not shipped.
    """
    name = read_card(card_path)["constrained_reference"]["policy"]
    snapshots = {snapshot.name: snapshot for snapshot in read_snapshots(shipped)}
    if name not in snapshots:
        raise UserError(
            "the constrained reference is not among the shipped policies",
            expected=name,
            found=f"{len(snapshots)} other policies",
            where=shipped,
            hint="ship the policies and their card together: `safemil behavior-ship`",
        )
    return snapshots[name]
