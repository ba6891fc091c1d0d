"""Runs as they lie on disk when they are finished, with episodes made up by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safemil.files import sha256
from safemil.records.episodes import write_episodes
from safemil.records.expected import WantedRun
from safemil.records.identity import run_id
from tests.conftest import episode_rows


def lay_down(
    folder: Path,
    wanted: WantedRun,
    returns: Sequence[float],
    costs: Sequence[float],
    *,
    record: dict[str, Any] | None = None,
    **changes: object,
) -> None:
    """Write the episodes of a run below `folder`, and its record if it has one; both may be changed."""
    run = wanted.run
    whose: dict[str, str | int] = dict(
        zip(("task", "source", "method", "variant", "seed"), run.key, strict=True)
    )
    files = [sha256(folder / file) for file in wanted.files if (folder / file).is_file()]
    identity = "trained" if wanted.record else run_id(whose | {"files": files})
    named = {name: value for name, value in whose.items() if name not in ("method", "seed")}
    columns = {**named, "step": run.step, "run_id": identity} | changes
    write_episodes(folder / wanted.episodes, episode_rows(run.method, run.seed, returns, costs, **columns))
    if wanted.record:
        content = {**whose, "run_id": "trained", "code": "c0", **wanted.asked} | (record or {})
        (folder / wanted.record).write_text(json.dumps(content))
