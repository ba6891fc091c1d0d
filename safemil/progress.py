"""Progress of long work: steps, rate, ETA and current values, for a terminal and for a log file.

On a terminal a single live bar is drawn; otherwise a plain line is printed every `LOG_INTERVAL` seconds,
so that a log file stays readable.
"""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

LOG_INTERVAL = 15.0


def format_values(values: Mapping[str, float]) -> str:
    """Write named values compactly, e.g. `cost loss 0.412  policy loss -1.03`."""
    return "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())


class Progress:
    """Shows how far one piece of long work is. Use as a context manager.

    Args:
        title: what is being done.
        total: steps until the end.
        unit: name of a step in the rate, e.g. `steps`.
        start: steps already done by an earlier, interrupted process.
        stream: where to write; standard error by default.
    """

    def __init__(
        self, title: str, total: int, *, unit: str = "steps", start: int = 0, stream: TextIO | None = None
    ) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._stream = stream if stream is not None else sys.stderr
        self._start_step = start
        self._start_time = time.monotonic()
        self._last_line = -float("inf")
        self._live: RichProgress | None = None

    def __enter__(self) -> Self:
        """Start the clock and, on a terminal, the bar."""
        self._start_time = time.monotonic()
        if self._stream.isatty():
            self._live = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[values]}"),
                console=Console(file=self._stream),
            )
            self._bar = self._live.add_task(
                self._title, total=self._total, completed=self._start_step, values=""
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the bar, or close the log with how long it took."""
        elapsed = time.monotonic() - self._start_time
        if self._live is not None:
            self._live.stop()
        elif error is None:
            print(f"{self._title}: done in {elapsed:.1f} s", file=self._stream, flush=True)

    def update(self, step: int, values: Mapping[str, float]) -> None:
        """Report that `step` steps are done and what the current values are."""
        if self._live is not None:
            self._live.update(self._bar, completed=step, values=format_values(values))
            return
        now = time.monotonic()
        if now - self._last_line < LOG_INTERVAL:
            return
        self._last_line = now
        print(self._line(step, now - self._start_time, values), file=self._stream, flush=True)

    def _line(self, step: int, elapsed: float, values: Mapping[str, float]) -> str:
        rate = (step - self._start_step) / max(elapsed, 1e-9)
        remaining = (self._total - step) / rate if rate > 0 else float("inf")
        share = 100 * step / max(self._total, 1)
        return (
            f"{self._title}: {step}/{self._total} ({share:.0f} %)  {rate:.1f} {self._unit}/s  "
            f"ETA {remaining:.0f} s  {format_values(values)}"
        )
