"""What a claim is made of: parts, each a figure with an interval that is held against a bound."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from safemil.plan.claim_settings import ClaimsSettings
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.intervals import bootstrap_interval

Verdict = Literal["holds", "does not hold", "not measured"]
HOLDS: Verdict = "holds"
DOES_NOT_HOLD: Verdict = "does not hold"
NOT_MEASURED: Verdict = "not measured"

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Rows:
    """Rows of a file: those whose columns have the values in `where` (any of a list)."""

    file: str
    where: Mapping[str, Any]
    count: int


@dataclass(frozen=True)
class Part:
    """One figure of a claim.

    Attributes:
        statement: what is measured.
        rule: when it holds.
        verdict: `holds`, `does not hold` or `not measured`.
        value: the figure; None where there is none.
        interval: its 95 % interval; None where there is none.
        n: how many seeds or draws the interval is over.
        unit: `seeds` or `draws`.
        slack: by how much the rule is kept (negative: broken), in units that make parts comparable.
        rows: what the figure was computed from.
        reason: why it was not measured.
        decides: False for a figure that is reported beside the others and does not decide the claim.
    """

    statement: str
    rule: str
    verdict: Verdict
    value: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    unit: str = "seeds"
    slack: float = math.nan
    rows: tuple[Rows, ...] = ()
    reason: str = ""
    decides: bool = True


@dataclass(frozen=True)
class Claim:
    """A claim of the paper with everything that decides it.

    It holds if every deciding part does, does not hold if one does not, and is not measured otherwise.
    """

    number: int
    statement: str
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the whole."""
        return self.deciding_part.verdict

    @property
    def deciding_part(self) -> Part:
        """Return the part that the whole hangs on: the one that breaks its rule most, or keeps it least.

        Where no part breaks its rule but some were not measured, the first of these.
        """
        deciding = [part for part in self.parts if part.decides]
        for verdict in (DOES_NOT_HOLD, NOT_MEASURED, HOLDS):
            found = [part for part in deciding if part.verdict == verdict]
            if found and verdict != NOT_MEASURED:
                return min(found, key=lambda part: part.slack)
            if found:
                return found[0]
        return Part(self.statement, "", NOT_MEASURED, reason="nothing to judge it by")


@dataclass(frozen=True)
class Bound:
    """Where an interval must lie.

    Attributes:
        text: the rule in words.
        low, high: ends of the allowed range; infinite where there is none.
        strict: whether the ends themselves are excluded.
        unit: what slack is measured in.
    """

    text: str
    low: float = -math.inf
    high: float = math.inf
    strict: bool = False
    unit: float = 1.0

    def holds(self, low: float, high: float) -> bool:
        """Say whether an interval lies within the bound."""
        # Ends that differ from the bound by rounding lie on it.
        inset = _ROUNDING if self.strict else -_ROUNDING
        return self.low + inset <= low and high <= self.high - inset

    def slack(self, low: float, high: float) -> float:
        """Return the distance to the nearer end of the bound, negative outside, in `unit`."""
        return min(low - self.low, self.high - high) / self.unit


@dataclass(frozen=True)
class Sample:
    """A figure by seed, before it is judged; `reason` says why there is none."""

    statement: str
    values: NDArray[np.float64]
    rows: tuple[Rows, ...] = ()
    reason: str = ""


def nothing(statement: str, reason: str) -> Sample:
    """Return a sample that was not measured."""
    return Sample(statement, np.empty(0), reason=reason)


@dataclass(frozen=True)
class Judge:
    """Holds samples against bounds by the settings of a run."""

    claims: ClaimsSettings
    evaluation: EvaluationSettings

    @property
    def cost_margin(self) -> float:
        """Return the difference in cost that counts as none, per episode."""
        return self.claims.cost_margin * self.evaluation.cost_limit

    def cost_below_zero(self) -> Bound:
        """Return the bound of a cost that is lower: the interval of the difference below 0."""
        return Bound("interval below 0", high=0.0, strict=True, unit=self.evaluation.cost_limit)

    def cost_at_most(self) -> Bound:
        """Return the bound of a cost that is near or competitive."""
        text, unit = f"interval at most {self.cost_margin:g}", self.evaluation.cost_limit
        return Bound(text, high=self.cost_margin, unit=unit)

    def cost_within(self) -> Bound:
        """Return the bound of costs that are level or alike."""
        margin, unit = self.cost_margin, self.evaluation.cost_limit
        return Bound(f"interval within ±{margin:g}", low=-margin, high=margin, unit=unit)

    def return_within(self) -> Bound:
        """Return the bound of returns that are level or alike."""
        margin = self.claims.return_margin
        return Bound(f"interval within ±{margin:g}", low=-margin, high=margin)

    def return_enough(self) -> Bound:
        """Return the bound of a return with which a method competes."""
        return Bound(f"interval at least {self.claims.minimum_return:g}", low=self.claims.minimum_return)

    def decide(self, sample: Sample, bound: Bound) -> Part:
        """Return the part that says whether the bootstrap interval over seeds keeps to the bound."""
        part = Part(sample.statement, bound.text, NOT_MEASURED, rows=sample.rows, n=len(sample.values))
        if sample.reason:
            return replace(part, reason=sample.reason)
        if np.isnan(sample.values).any():
            return replace(part, reason="undefined: the reference returns no more than random actions")
        settings = {
            "n_resamples": self.evaluation.bootstrap_resamples,
            "seed": self.evaluation.bootstrap_seed,
        }
        low, high = (float(end[0]) for end in bootstrap_interval(sample.values[:, None], **settings))
        return self.judge(part, float(sample.values.mean()), low, high, bound)

    def judge(self, part: Part, value: float, low: float, high: float, bound: Bound) -> Part:
        """Fill in a part's figure, and its verdict where it has seeds enough for one."""
        interval = None if math.isnan(low) else (low, high)
        measured = replace(part, value=value, interval=interval)
        if part.unit == "seeds" and part.n < self.claims.minimum_seeds:
            return replace(measured, reason=self.too_few(part.n))
        verdict = HOLDS if bound.holds(low, high) else DOES_NOT_HOLD
        return replace(measured, verdict=verdict, slack=bound.slack(low, high))

    def too_few(self, n: int) -> str:
        """Return why `n` seeds are not enough."""
        return (
            f"{n} seed{'s' if n != 1 else ''}, fewer than the {self.claims.minimum_seeds} that are asked for"
        )


def aside(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return parts that are reported and decide nothing."""
    return tuple(replace(part, decides=False) for part in parts)
