"""What a cell of a table can hold; how each looks is for `markdown` and `latex` to say, once for all."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, or with the reason why it has none.

    Attributes:
        mean: rounded, or what stands for it, such as `n/a` or a dash.
        interval: `low, high` without brackets; empty if there is none.
        missing: why there is no interval; empty if there is one, or nothing to say.
        bold: whether the mean is set in bold.
        seeds: how many seeds are finished of how many, where each cell says so; else empty.
    """

    mean: str
    interval: str = ""
    missing: str = ""
    bold: bool = False
    seeds: str = ""

    @property
    def text(self) -> str:
        """Return `mean [low, high] (reason; seeds)`, as far as there is any of it."""
        remarks = "; ".join(filter(None, [self.missing, self.seeds]))
        interval = f" [{self.interval}]" if self.interval else ""
        return f"{self.mean}{interval}" + (f" ({remarks})" if remarks else "")


@dataclass(frozen=True)
class Markup:
    """Text that is Markdown already; LaTeX shows it without its marks."""

    text: str


@dataclass(frozen=True)
class Group:
    """A row of its own, set apart: what the rows below it are."""

    heading: str


# A bare text is shown as it is, whatever characters it has.
Cell = str | Estimate | Markup
Row = Sequence[Cell] | Group
