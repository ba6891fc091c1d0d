"""The id of a run: what joins its episodes to what its record says."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safemil.errors import UserError
from safemil.files import sha256

_HINT = "train the run again: its files do not belong together, or are of an older version"


def run_id(decisive: Mapping[str, Any]) -> str:
    """Return the id of a run: 16 hexadecimal digits of a digest of everything that decides its policy.

    The same code on the same data with the same settings and seed has the same id again; a run of other code
    has another one, so that rows of both in one table are found out.

    Args:
        decisive: plain values by name.
    """
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def policy_run_id(whose: Mapping[str, str | int], policy_path: Path) -> str:
    """Return the id of a run of which only its policy is known: a digest of whose it is and of the file.

    Args:
        whose: task, source, method, variant and seed.
        policy_path: the policy file.
    """
    return run_id({**whose, "policy": sha256(policy_path)})


def recorded_run_id(record: Path, key: Mapping[str, str | int]) -> str:
    """Return the id that a run's record, run.json, states.

    Args:
        record: the file.
        key: what else the record must say, such as task, method, variant and seed.

    Raises:
        UserError: the record is missing, damaged, of another run, or has no id.
    """
    if not record.is_file():
        raise UserError("a run has no record", expected="run.json", where=record, hint="train the run first")
    try:
        content = json.loads(record.read_text())
    except json.JSONDecodeError as error:
        raise UserError("a damaged record of a run", found=error, where=record, hint=_HINT) from error
    found = {name: content.get(name) for name in key}
    if found != dict(key):
        raise UserError("the record is of another run", expected=key, found=found, where=record, hint=_HINT)
    if "run_id" not in content:
        raise UserError(
            "the record has no run id", expected="run_id", found=sorted(content), where=record, hint=_HINT
        )
    identity: str = content["run_id"]
    return identity
