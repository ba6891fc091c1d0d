"""The check of the theory as a table: one row per statement, law of costs, alpha and K.

`formula` is 1 - (1 - alpha)^K, which Lemma 1 and Theorem 1 state. `exact` is what holds under the row's law
of costs; where the assumption of Theorem 1 does, it is the formula. `frequency` was drawn.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from safemil.errors import UserError
from safemil.statistics.intervals import CONFIDENCE
from safemil.theory.bags import (
    COST_LAWS,
    CostLaw,
    count_ordered,
    count_with_preferred,
    order_probability,
    preferred_probability,
)
from safemil.theory.settings import TheorySettings

LEMMA, THEOREM = "lemma1", "theorem1"
ANY_COSTS = "any"

COLUMNS = [
    *["statement", "costs", "alpha", "bag_size", "formula", "exact"],
    *["frequency", "low", "high", "n", "seed"],
]


def exact_interval(count: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson for a probability, from `count` of `n` draws."""
    low, high = binomtest(count, n).proportion_ci(confidence_level=confidence, method="exact")
    return float(low), float(high)


def theory_table(settings: TheorySettings, laws: Sequence[CostLaw] = COST_LAWS) -> pd.DataFrame:
    """Draw bags for each statement, law, alpha and K; return the rows with columns `COLUMNS`.

    Every row has a random stream of its own, so all rows are independent.
    """
    points = [(alpha, size) for alpha in settings.alphas for size in settings.bag_sizes]
    streams = iter(np.random.default_rng(settings.seed).spawn((1 + len(laws)) * len(points)))
    rows = []
    for alpha, size in points:
        count = count_with_preferred(alpha, size, settings.draws, next(streams))
        probability = preferred_probability(alpha, size)
        rows.append((LEMMA, ANY_COSTS, alpha, size, probability, probability, count))
    for law in laws:
        for alpha, size in points:
            count = count_ordered(law, alpha, size, settings.draws, next(streams))
            formula, exact = preferred_probability(alpha, size), order_probability(law, alpha, size)
            rows.append((THEOREM, law.name, alpha, size, formula, exact, count))
    table = pd.DataFrame(rows, columns=[*COLUMNS[:6], "count"])
    intervals = [exact_interval(count, settings.draws) for count in table["count"]]
    table["frequency"] = table["count"] / settings.draws
    table[["low", "high"]] = intervals
    return table.assign(n=settings.draws, seed=settings.seed)[COLUMNS]


def read_theory_table(path: Path) -> pd.DataFrame:
    """Read theory.csv.

    Raises:
        UserError: there is no such file, or it has other columns or no rows.
    """
    if not path.is_file():
        raise UserError("no table of the theory", where=path, hint="make it with `safemil table theory`")
    table = pd.read_csv(path)
    if list(table.columns) != COLUMNS or table.empty:
        raise UserError("not a table of the theory", expected=COLUMNS, found=list(table.columns), where=path)
    return table


def outside(table: pd.DataFrame, column: str, *, simultaneous: bool) -> pd.DataFrame:
    """Return the rows whose interval does not hold the value in `column`.

    Args:
        table: rows of `theory_table`.
        column: `formula` or `exact`.
        simultaneous: widen the intervals so that all together hold with 95 % (Bonferroni's inequality),
            not each by itself, of which about one in 20 misses by chance.
    """
    error = (1.0 - CONFIDENCE) / (len(table) if simultaneous else 1)
    counts = (table["frequency"] * table["n"]).round().astype(int)
    ends = [exact_interval(count, n, 1.0 - error) for count, n in zip(counts, table["n"], strict=True)]
    # A value of 1 - 1e-14 rounds to either side of an interval that ends in 1.
    holds = [low - 1e-9 <= v <= high + 1e-9 for (low, high), v in zip(ends, table[column], strict=True)]
    return table[~np.array(holds, dtype=bool)]
