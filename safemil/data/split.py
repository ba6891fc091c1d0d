"""Builds D_N (non-preferred) and D_U (unlabelled) out of the episode returns and costs of one source.

Three steps: drop the trajectories that lie in rectangles of the cost x return plane, class the rest as
preferred or non-preferred by their cost, and draw both sets at random, never in file order. All functions
work on arrays (M,) over the trajectories of the source and answer with indices into them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from safemil.data.trajectories import BoolArray, IndexArray
from safemil.errors import UserError
from safemil.protocol import COST_LIMIT

EpisodeSums = NDArray[np.float64]
Rule = Literal["absolute", "fraction", "robustness"]
Share = Annotated[float, Field(ge=0, le=1)]

# The fraction rule: shares of the source's highest episode cost.
NON_PREFERRED_COST_SHARE = 0.75
PREFERRED_COST_SHARE = 0.25
# The robustness builder's D_N: at least this share of the source's highest episode cost.
ROBUSTNESS_COST_SHARE = 0.7


class Rectangle(NamedTuple):
    """Part of the cost x return plane whose trajectories are dropped; every side is a fraction in [0, 1]."""

    cost_low: Share
    cost_high: Share
    return_low: Share
    return_high: Share


PROTOCOL_RECTANGLES = (Rectangle(0, 0.5, 0, 0.5), Rectangle(0.5, 1, 0, 0.5), Rectangle(0.25, 0.75, 0, 1))


class SplitSettings(BaseModel):
    """How D_N and D_U are built."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    builder: Literal["mix", "robustness"] = Field(
        "mix", description="mix: preferred and non-preferred in D_U; robustness: D_U is random."
    )
    n_non_preferred: PositiveInt = Field(50, description="Number of trajectories in D_N.")
    n_unlabelled: PositiveInt = Field(200, description="Number of trajectories in D_U.")
    alpha: Share = Field(0.5, description="Share of preferred trajectories in D_U (builder mix).")
    non_preferred_cost_above: float = Field(
        75.0, description="Episode cost above which one is non-preferred."
    )
    preferred_cost_below: float = Field(
        COST_LIMIT, description="Episode cost below which a trajectory is preferred."
    )
    rectangles: tuple[Rectangle, ...] = Field(
        PROTOCOL_RECTANGLES,
        description="Dropped parts of the plane (builder mix): cost from, to, return from, to, as fractions.",
    )
    allow_fewer: bool = Field(
        False, description="Shrink the sets, keeping alpha, where too few are available."
    )
    seed: int = Field(0, ge=0, description="Data seed of the draw.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.preferred_cost_below > self.non_preferred_cost_above:
            raise ValueError("preferred_cost_below must not exceed non_preferred_cost_above")
        for rectangle in self.rectangles:
            if rectangle.cost_low > rectangle.cost_high or rectangle.return_low > rectangle.return_high:
                raise ValueError(f"rectangle {tuple(rectangle)}: each 'from' must not exceed its 'to'")
        return self

    @property
    def n_unlabelled_preferred(self) -> int:
        """Number of preferred trajectories asked for in D_U."""
        return round(self.alpha * self.n_unlabelled)


@dataclass(frozen=True, eq=False)
class AppliedRectangle:
    """A rectangle in the units of the source, and what it dropped.

    Attributes:
        cost_low, cost_high: band of episode cost.
        return_low, return_high: band of episode return; None where the cost band was empty.
        dropped: indices of the trajectories it dropped.
    """

    cost_low: float
    cost_high: float
    return_low: float | None
    return_high: float | None
    dropped: IndexArray


@dataclass(frozen=True, eq=False)
class Classes:
    """Which of the source's trajectories may be drawn, as what.

    Attributes:
        non_preferred: (M,) bool.
        preferred: (M,) bool; never true together with `non_preferred`.
        rule: `absolute`, `fraction` or `robustness`.
        non_preferred_cost: episode cost from which (absolute: above which) one is non-preferred.
        preferred_cost: episode cost up to which (absolute, robustness: below which) one is preferred.
    """

    non_preferred: BoolArray
    preferred: BoolArray
    rule: Rule
    non_preferred_cost: float
    preferred_cost: float


@dataclass(frozen=True, eq=False)
class Split:
    """The drawn sets, as indices of trajectories of the source.

    Attributes:
        non_preferred: D_N, in random order.
        unlabelled: D_U, in random order, disjoint from D_N.
        unlabelled_is_preferred: (len(unlabelled),) bool, for oracles and diagnostics only.
    """

    non_preferred: IndexArray
    unlabelled: IndexArray
    unlabelled_is_preferred: BoolArray


@dataclass(frozen=True, eq=False)
class BuiltSplit:
    """A split together with what led to it, for the data card.

    Attributes:
        split: the drawn sets.
        classes: which trajectories were available.
        rectangles: what the filter dropped (builder mix).
        kept: indices of the trajectories that were left to draw from.
    """

    split: Split
    classes: Classes
    rectangles: tuple[AppliedRectangle, ...]
    kept: IndexArray


def _between(low: float, high: float, fraction: float) -> float:
    # This form is exact at both ends, so that a fraction of 1 never misses the maximum by a rounding error.
    return low * (1 - fraction) + high * fraction


def apply_rectangles(
    returns: EpisodeSums, costs: EpisodeSums, rectangles: Sequence[Rectangle]
) -> tuple[AppliedRectangle, ...]:
    """Apply the rectangles one after the other and say what each dropped.

    Cost fractions refer to the range of the whole source's episode costs. Return fractions refer to the range
    of returns still present in the rectangle's cost band. All four sides belong to the rectangle, as in
    DSRL's own filter: a trajectory that lies exactly on a side is dropped.
    """
    present = np.ones(len(costs), dtype=np.bool_)
    lowest, highest = float(costs.min()), float(costs.max())
    applied = []
    for rectangle in rectangles:
        cost_low = _between(lowest, highest, rectangle.cost_low)
        cost_high = _between(lowest, highest, rectangle.cost_high)
        band = present & (costs >= cost_low) & (costs <= cost_high)
        if not band.any():
            applied.append(AppliedRectangle(cost_low, cost_high, None, None, np.flatnonzero(band)))
            continue
        worst, best = float(returns[band].min()), float(returns[band].max())
        return_low = _between(worst, best, rectangle.return_low)
        return_high = _between(worst, best, rectangle.return_high)
        inside = band & (returns >= return_low) & (returns <= return_high)
        present &= ~inside
        applied.append(AppliedRectangle(cost_low, cost_high, return_low, return_high, np.flatnonzero(inside)))
    return tuple(applied)


def _left_over(n: int, applied: Sequence[AppliedRectangle]) -> IndexArray:
    kept = np.ones(n, dtype=np.bool_)
    for rectangle in applied:
        kept[rectangle.dropped] = False
    return np.flatnonzero(kept)


def filter_rectangles(
    returns: EpisodeSums, costs: EpisodeSums, rectangles: Sequence[Rectangle]
) -> IndexArray:
    """Return the indices of the trajectories outside all rectangles, see `apply_rectangles`."""
    return _left_over(len(costs), apply_rectangles(returns, costs, rectangles))


def _absolute_classes(costs: EpisodeSums, kept: BoolArray, settings: SplitSettings) -> Classes:
    above, below = settings.non_preferred_cost_above, settings.preferred_cost_below
    return Classes(kept & (costs > above), kept & (costs < below), "absolute", above, below)


def _fraction_classes(costs: EpisodeSums, kept: BoolArray) -> Classes:
    above, below = NON_PREFERRED_COST_SHARE * costs.max(), PREFERRED_COST_SHARE * costs.max()
    # Where no trajectory costs anything, none is non-preferred.
    costly = (costs >= above) & (costs > 0)
    return Classes(kept & costly, kept & ~costly & (costs <= below), "fraction", float(above), float(below))


def _completeness(classes: Classes, settings: SplitSettings) -> float:
    """Return the share, at most 1, of the trajectories asked for that the scarcer class can give."""
    preferred = settings.n_unlabelled_preferred
    non_preferred = settings.n_non_preferred + settings.n_unlabelled - preferred
    have = (int(classes.non_preferred.sum()), int(classes.preferred.sum()))
    return min(1.0, *(h / asked for h, asked in zip(have, (non_preferred, preferred), strict=True) if asked))


def classify(costs: EpisodeSums, settings: SplitSettings, kept: IndexArray | None = None) -> Classes:
    """Class the trajectories `kept` (all, if None) as preferred or non-preferred by their episode cost.

    Absolute: cost above `non_preferred_cost_above`, and below `preferred_cost_below`. Where that gives fewer
    than asked, the fraction rule is taken if it comes closer: at least 0.75, and at most 0.25, of the highest
    episode cost of the whole source. `Classes.rule` says which was used.
    """
    mask = np.ones(len(costs), dtype=np.bool_)
    if kept is not None:
        mask[:] = False
        mask[kept] = True
    absolute, fraction = _absolute_classes(costs, mask, settings), _fraction_classes(costs, mask)
    # max() returns the first of equals: the absolute rule, unless the other is truly better.
    return max((absolute, fraction), key=lambda classes: _completeness(classes, settings))


def _mix_sizes(classes: Classes, settings: SplitSettings) -> tuple[int, int, int]:
    """Return how many to draw: D_N, non-preferred of D_U, preferred of D_U."""
    asked_preferred = settings.n_unlabelled_preferred
    asked_costly = settings.n_unlabelled - asked_preferred
    costly, preferred = int(classes.non_preferred.sum()), int(classes.preferred.sum())
    needed = settings.n_non_preferred + asked_costly
    # A shortage of non-preferred ones shrinks both sets alike, one of preferred ones only D_U.
    share = min(Fraction(1), Fraction(costly, needed))
    share_unlabelled = min(share, Fraction(preferred, asked_preferred)) if asked_preferred else share
    sizes = (
        int(share * settings.n_non_preferred),
        int(share_unlabelled * asked_costly),
        int(share_unlabelled * asked_preferred),
    )
    asked = (settings.n_non_preferred, asked_costly, asked_preferred)
    empty = any(want > 0 and have == 0 for want, have in zip(asked, sizes, strict=True))
    if sizes != asked and (empty or not settings.allow_fewer):
        raise UserError(
            "too few trajectories to draw D_N and D_U from",
            expected=f"{needed} non-preferred ({asked[0]} for D_N, {asked_costly} for D_U) and "
            f"{asked_preferred} preferred",
            found=f"{costly} non-preferred and {preferred} preferred ({classes.rule} cost thresholds "
            f"{classes.non_preferred_cost:g} and {classes.preferred_cost:g})",
            hint=None if settings.allow_fewer else "collect more, ask for fewer, or set allow_fewer",
        )
    return sizes


def draw(classes: Classes, settings: SplitSettings, generator: np.random.Generator) -> Split:
    """Draw D_N, and D_U with a share `alpha` of preferred trajectories; the two never overlap.

    With `allow_fewer`, too few trajectories shrink the sets, keeping alpha as far as whole numbers allow.

    Raises:
        UserError: fewer trajectories are available than asked for; names the counts.
    """
    n_labelled, n_costly, n_preferred = _mix_sizes(classes, settings)
    costly = generator.permutation(np.flatnonzero(classes.non_preferred))
    preferred = generator.permutation(np.flatnonzero(classes.preferred))[:n_preferred]
    unlabelled = np.concatenate([costly[n_labelled : n_labelled + n_costly], preferred])
    # Shuffled, so that a learner that reads the file's order learns nothing from it.
    unlabelled = generator.permutation(unlabelled)
    return Split(costly[:n_labelled], unlabelled, classes.preferred[unlabelled])


def _robustness_classes(returns: EpisodeSums, costs: EpisodeSums, settings: SplitSettings) -> Classes:
    kept = returns >= np.median(returns)
    above = float(ROBUSTNESS_COST_SHARE * costs.max())
    costly = kept & (costs >= above) & (costs > 0)
    below = settings.preferred_cost_below
    return Classes(costly, kept & ~costly & (costs < below), "robustness", above, below)


def draw_robustness(
    kept: IndexArray, classes: Classes, settings: SplitSettings, generator: np.random.Generator
) -> Split:
    """Draw D_N among the non-preferred, and D_U at random among all others of `kept`, costly ones included.

    Raises:
        UserError: fewer trajectories are available than asked for; names the counts.
    """
    costly = generator.permutation(np.flatnonzero(classes.non_preferred))
    n_labelled = min(settings.n_non_preferred, len(costly))
    rest = generator.permutation(np.setdiff1d(kept, costly[:n_labelled]))
    n_unlabelled = min(settings.n_unlabelled, len(rest))
    short = (n_labelled, n_unlabelled) != (settings.n_non_preferred, settings.n_unlabelled)
    if short and (not settings.allow_fewer or not n_labelled or not n_unlabelled):
        raise UserError(
            "too few trajectories to draw D_N and D_U from",
            expected=f"{settings.n_non_preferred} with a cost of at least {classes.non_preferred_cost:g}, "
            f"and {settings.n_unlabelled} others",
            found=f"{len(costly)} and {len(rest)}, in the upper half of the returns",
            hint=None if settings.allow_fewer else "collect more, ask for fewer, or set allow_fewer",
        )
    unlabelled = rest[:n_unlabelled]
    return Split(costly[:n_labelled], unlabelled, classes.preferred[unlabelled])


def build_split(
    returns: EpisodeSums, costs: EpisodeSums, settings: SplitSettings, generator: np.random.Generator
) -> BuiltSplit:
    """Build D_N and D_U as `settings.builder` says.

    mix: the protocol's rectangles, classes and draw. robustness: keep the trajectories whose return is at
    least the median; D_N are random ones with at least 0.7 of the source's highest cost; D_U are random ones
    of the rest.

    Args:
        returns: (M,) episode returns of the whole source.
        costs: (M,) episode costs of the whole source.
        settings: sizes, thresholds and builder.
        generator: the stream of the draw; seed it with `settings.seed`.

    Raises:
        UserError: fewer trajectories are available than asked for; names the counts.
    """
    if settings.builder == "robustness":
        classes = _robustness_classes(returns, costs, settings)
        kept = np.flatnonzero(returns >= np.median(returns))
        return BuiltSplit(draw_robustness(kept, classes, settings, generator), classes, (), kept)
    applied = apply_rectangles(returns, costs, settings.rectangles)
    kept = _left_over(len(costs), applied)
    classes = classify(costs, settings, kept)
    return BuiltSplit(draw(classes, settings, generator), classes, applied, kept)
