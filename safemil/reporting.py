"""What long work tells of how far it is. Who shows it is handed in, so that no number depends on how."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Report(Protocol):
    """Is told how far a piece of work is."""

    def update(self, step: int, values: Mapping[str, float]) -> None:
        """Take note that `step` steps are done and what the current values are."""


class StartReport(Protocol):
    """Starts a report on one piece of work, which ends with the context."""

    def __call__(self, total: int, *, unit: str, start: int = 0) -> AbstractContextManager[Report]:
        """Start a report.

        Args:
            total: steps until the end.
            unit: what a step is, e.g. `episodes`.
            start: steps done by an earlier process.
        """


class _Silent:
    def update(self, step: int, values: Mapping[str, float]) -> None:
        pass


@contextmanager
def silent(total: int, *, unit: str, start: int = 0) -> Iterator[Report]:  # noqa: ARG001  # a StartReport
    """Report to nobody."""
    yield _Silent()
