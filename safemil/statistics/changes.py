"""Which cells differ between two runs by more than their seeds do.

A cell is a task, a method and a variant; each of its scores is compared by itself. The difference is that of
the means over seeds, second run minus first. Its 95 % percentile bootstrap interval is over

- paired differences, where both runs have the same training seeds and, in each of them, the same episodes
  (by their environment seeds): equal seeds share initial weights, batches and starts of episodes;
- otherwise independent resamples of the seeds of either run.

A score has changed where that interval excludes 0. With fewer than 3 seeds in a run there is no interval.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from safemil.records.episodes import COLUMNS, KEY, some
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.curves import in_reading_order
from safemil.statistics.intervals import CONFIDENCE, Strata, bootstrap_interval, stratified_interval
from safemil.statistics.scores import relative_seed_scores

COMPARED_SCORES = ["return", "cost", "cvar20", "return_norm", "share_within_limit"]

CHANGED, NOT_SHOWN, SAME = "changed", "no change shown", "the same"
TOO_FEW, UNDEFINED = "too few seeds", "undefined"
ONLY_FIRST, ONLY_SECOND = "only in A", "only in B"
PAIRED, INDEPENDENT = "paired", "independent"

CELL = ["task", "method", "variant"]
TABLE_COLUMNS = [
    *[*CELL, "score", "verdict", "first", "second", "difference", "low", "high", "resampling", "chance"],
    *["first_seeds", "second_seeds"],
]

# A difference of this share of the scores themselves is rounding.
_ROUNDING = 1e-9

Values = NDArray[np.float64]

# Training seed, number and environment seed of each episode of a cell.
Episodes = frozenset[tuple[int, int, int]]


@dataclass(frozen=True)
class RunComparison:
    """Two runs held against each other.

    Attributes:
        table: one row per cell and score, columns `TABLE_COLUMNS`: first and second are means over seeds;
            chance is that of an interval that excludes 0 where nothing has changed, for normal scores.
        differing: sentences on what else differs between the runs than what they are compared for.
        identical: whether all episodes are the same, bit for bit.
    """

    table: pd.DataFrame
    differing: list[str]
    identical: bool

    def count(self, verdict: str) -> int:
        """Return how many rows have a verdict."""
        return int((self.table["verdict"] == verdict).sum())

    @property
    def judged(self) -> int:
        """Return how many rows were judged by an interval of some width: not the same in every seed."""
        return self.count(CHANGED) + self.count(NOT_SHOWN)

    @property
    def expected_by_chance(self) -> tuple[float, float]:
        """Return how many rows would count as changed if nothing had: nominally, and with so few seeds."""
        return (1 - CONFIDENCE) * self.judged, float(self.table["chance"].sum())


def compare_runs(first: pd.DataFrame, second: pd.DataFrame, settings: EvaluationSettings) -> RunComparison:
    """Compare the episodes of two runs.

    Args:
        first: rows of one source and one checkpoint per cell.
        second: the same of the other run.
        settings: cost limit and bootstrap.

    Raises:
        UserError: the rows of one run are not valid or not comparable with each other.
    """
    limit = settings.cost_limit
    scores = [
        relative_seed_scores(rows, cost_limit=limit, allow_missing_references=True)
        for rows in (first, second)
    ]
    cells = [dict(list(each.groupby(CELL, sort=False))) for each in scores]
    episodes = [_episodes_of(rows) for rows in (first, second)]
    rows: list[dict[str, Any]] = []
    for key in dict.fromkeys([*cells[0], *cells[1]]):
        pair = [each.get(key) for each in cells]
        same_episodes = episodes[0].get(key) == episodes[1].get(key)
        named = dict(zip(CELL, key, strict=True))
        rows += [named | row for row in _cell_rows(pair[0], pair[1], same_episodes, settings)]
    table = in_reading_order(pd.DataFrame(rows, columns=TABLE_COLUMNS))
    return RunComparison(table, list(_differing(scores, episodes)), _identical(first, second))


def _episodes_of(rows: pd.DataFrame) -> dict[Any, Episodes]:
    columns = ["seed", "episode", "environment_seed"]
    return {
        key: frozenset(group[columns].itertuples(index=False, name=None)) for key, group in rows.groupby(CELL)
    }


def _identical(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    columns = [name for name in COLUMNS if name != "run_id"]
    sides = [rows.sort_values(KEY)[columns].reset_index(drop=True) for rows in (first, second)]
    return bool(sides[0].equals(sides[1]))


def _cell_rows(
    first: pd.DataFrame | None, second: pd.DataFrame | None, same_episodes: bool, settings: EvaluationSettings
) -> Iterator[dict[str, Any]]:
    present = first if first is not None else second
    assert present is not None  # a cell is in one of them
    for score in COMPARED_SCORES:
        row: dict[str, Any] = {"score": score, "resampling": ""}
        for name, rows in (("first", first), ("second", second)):
            row[name] = np.nan if rows is None else rows[score].mean()
            row[f"{name}_seeds"] = 0 if rows is None else len(rows)
        if first is None or second is None:
            yield row | {"verdict": ONLY_SECOND if first is None else ONLY_FIRST}
            continue
        values = [rows.sort_values("seed")[score].to_numpy(dtype=np.float64) for rows in (first, second)]
        yield row | compare_scores(values[0], values[1], settings, paired=same_episodes)


def compare_scores(
    first: Values, second: Values, settings: EvaluationSettings, *, paired: bool
) -> dict[str, Any]:
    """Compare one score of one cell.

    Args:
        first: (n_seeds,) of the first run.
        second: (m_seeds,) of the second; where they are paired, in the order of the first.
        settings: of the bootstrap.
        paired: whether seeds belong together, so that m = n.

    Returns:
        difference, low, high, resampling, verdict and chance, as in `TABLE_COLUMNS`.
    """
    found: dict[str, Any] = {"resampling": PAIRED if paired else INDEPENDENT, "chance": np.nan}
    if np.isnan(first).any() or np.isnan(second).any():
        return found | {"verdict": UNDEFINED}
    low, high = _interval(first, second, settings, paired=paired)
    # From the pairs where there are any: equal seeds then give 0, and not the rounding of two means.
    difference = (second - first).mean() if paired else second.mean() - first.mean()
    found |= {"difference": float(difference), "low": low, "high": high}
    if paired and (first == second).all():
        return found | {"verdict": SAME}
    if np.isnan(low):
        return found | {"verdict": TOO_FEW}
    rounding = _ROUNDING * max(1.0, np.abs(first).max(), np.abs(second).max())
    changed = low > rounding or high < -rounding
    chance = chance_of_change(len(first), len(second), paired=paired)
    return found | {"verdict": CHANGED if changed else NOT_SHOWN, "chance": chance}


def _interval(
    first: Values, second: Values, settings: EvaluationSettings, *, paired: bool
) -> tuple[float, float]:
    resampling = {"n_resamples": settings.bootstrap_resamples, "seed": settings.bootstrap_seed}
    if paired:
        low, high = bootstrap_interval((second - first)[:, None], **resampling)
        return float(low[0]), float(high[0])
    low, high = stratified_interval(_difference_of_means, [first], [second], **resampling)
    return float(low), float(high)


def _difference_of_means(first: Strata, second: Strata) -> Values:
    return np.asarray(second[0].mean(axis=-1) - first[0].mean(axis=-1))


def chance_of_change(n_first: int, n_second: int, *, paired: bool) -> float:
    """Return the chance that a score counts as changed where nothing has, for normal scores of equal spread.

    A percentile interval of a mean is, but for its shape, the mean plus or minus 1.96 standard errors with
    the divisor n: with few seeds both that divisor and the normal quantile make it too narrow. So the chance
    is that of a t-distributed variable beyond 1.96 times sqrt((n - 1) / n); for independent seeds the degrees
    of freedom are Welch's.

    Args:
        n_first: seeds of the first run, at least 2.
        n_second: seeds of the second, at least 2.
        paired: whether differences are by seed; then both numbers are the same.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap (The American Statistician 2015), on the
    narrowness of the percentile interval. Agrees with the coverage in docs/statistics.md within 0.02.
    """
    sizes = [n_first] if paired else [n_first, n_second]
    variance = sum(1 / n for n in sizes)
    resampled = sum((n - 1) / n**2 for n in sizes)
    freedom = variance**2 / sum(1 / (n**2 * (n - 1)) for n in sizes)
    quantile = stats.norm.ppf(0.5 + CONFIDENCE / 2)
    return float(2 * stats.t.sf(quantile * np.sqrt(resampled / variance), freedom))


def _differing(scores: list[pd.DataFrame], episodes: list[dict[Any, Episodes]]) -> Iterator[str]:
    """Say in which respects two runs differ that may explain why their scores do."""
    sources = [", ".join(sorted(each["source"].unique())) for each in scores]
    if sources[0] != sources[1]:
        yield f"The sources of the data differ: {sources[0]} in A, {sources[1]} in B."
    sides = [_budgets(each) for each in scores]
    both = [key for key in sides[0] if key in sides[1]]
    for name in ("gradient steps", "episodes per seed", "training seeds"):
        found = [(key, *(str(side[key][name]) for side in sides)) for key in both]
        differ = [f"{'/'.join(key)} {a} in A, {b} in B" for key, a, b in found if a != b]
        if differ:
            yield f"The {name} differ in {len(differ)} of {len(both)} cells: {some(differ, '; ')}."
    other = ["/".join(key) for key in both if not _start_alike(episodes[0][key], episodes[1][key])]
    if other:
        cells = f"{len(other)} of {len(both)} cells: {some(other, '; ')}"
        yield f"Episodes start from other environment seeds in {cells}."


def _start_alike(first: Episodes, second: Episodes) -> bool:
    """Say whether every episode that both have, by its number, starts from the same environment seed."""
    starts = [{episode: start for _, episode, start in each} for each in (first, second)]
    return all(starts[0][episode] == starts[1][episode] for episode in starts[0].keys() & starts[1].keys())


def _budgets(scores: pd.DataFrame) -> dict[Any, dict[str, Any]]:
    return {
        key: {
            "gradient steps": _listed(rows["step"]),
            "episodes per seed": _listed(rows["n_episodes"]),
            "training seeds": _listed(rows["seed"]),
        }
        for key, rows in scores.groupby(CELL, sort=False)
    }


def _listed(values: "pd.Series[int]") -> str:
    return " ".join(map(str, sorted(values.unique())))
