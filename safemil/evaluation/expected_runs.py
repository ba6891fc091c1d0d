"""A run that must be in a table. Not beside its check, because the workflow needs it without pandas."""

from dataclasses import dataclass


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
