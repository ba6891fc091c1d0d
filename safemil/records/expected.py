"""A run that must be in a table. Not beside its check, because the workflow needs it without pandas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ExpectedRun:
    """A run of the configuration, and the budget that its rows must have.

    Attributes:
        task, source, method, variant, seed: which run.
        step: gradient steps of the final checkpoint; 0 for references, None where any will do.
        episodes: evaluation episodes of the final checkpoint.
    """

    task: str
    source: str
    method: str
    variant: str
    seed: int
    step: int | None
    episodes: int

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Return the run's key, as in the rows."""
        return self.task, self.source, self.method, self.variant, self.seed


@dataclass(frozen=True)
class WantedRun:
    """A run of the configuration, and how its files must look if it is finished.

    Attributes:
        run: which run, and its budget.
        episodes: its file of episodes.
        record: its run.json; None for references, which have none.
        asked: what the record must state, by key; settings with every default filled in.
        data: the training file whose digest the record must state; None where the record has none.
        files: of a reference: what it is rolled out from.
    """

    run: ExpectedRun
    episodes: Path
    record: Path | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None
    files: tuple[Path, ...] = ()
