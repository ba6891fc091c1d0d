"""From episodes to scores: per seed, then per task, method and variant with intervals over seeds.

Definitions are those of the protocol, section 4. Every function is pure: a table in, a table out.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from safemil.catalogue import (
    constrained_reference_of,
    method_named,
    method_order,
    task_display,
    task_order,
    variant_order,
)
from safemil.errors import UserError
from safemil.protocol import COST_LIMIT, DEFAULT_VARIANT, RANDOM_REFERENCE, SECOND_REFERENCE
from safemil.records.episodes import CELL, check_comparable, validate_episodes
from safemil.statistics.intervals import N_RESAMPLES, bootstrap_interval

CVAR_SHARE = 0.2

SCORES = ["return", "cost", "cvar20", "return_norm", "cost_diff", "cvar20_diff"]
INTERVALS = [f"{score}_{end}" for score in SCORES for end in ("low", "high")]
TABLE_COLUMNS = [
    *["task", "method", "variant", "source", "n_seeds", "n_episodes"],
    *SCORES,
    *INTERVALS,
    *["share_within_limit", "kind", "step"],
]


def cvar(costs: ArrayLike, share: float = CVAR_SHARE) -> float:
    """Return the mean cost of the costliest `share` of the episodes (CVaR, conditional value at risk).

    The number of episodes is floor(share * n), at least 1, with `share` taken as the decimal that is
    written: in floating point 0.29 * 100 is below 29, and the floor would lose an episode.

    Args:
        costs: cost of each of n episodes.
        share: above 0, at most 1.

    Raises:
        ValueError: there are no costs, or the share is out of its range.

    Source: the protocol, section 4, after the paper's CVaR@20 %.
    """
    ordered = np.sort(np.asarray(costs, dtype=np.float64))[::-1]
    if ordered.ndim != 1 or ordered.size == 0 or not 0 < share <= 1:
        raise ValueError(f"need a list of costs and a share in (0, 1], got shape {ordered.shape}, {share}")
    count = max(1, math.floor(Fraction(str(share)) * ordered.size))
    return float(ordered[:count].mean())


def seed_scores(episodes: pd.DataFrame, *, cost_limit: float = COST_LIMIT) -> pd.DataFrame:
    """Return one row per task, source, method, variant, step and seed.

    Columns after the key: return and cost (means over the seed's episodes), cvar20 (cost),
    share_within_limit (share of episodes with cost <= `cost_limit`), n_episodes.
    """
    within = episodes.assign(within=episodes["cost"] <= cost_limit)
    aggregations: dict[str, Any] = {
        "return": ("return", "mean"),
        "cost": ("cost", "mean"),
        "cvar20": ("cost", lambda costs: cvar(costs)),
        "share_within_limit": ("within", "mean"),
        "n_episodes": ("episode", "size"),
    }
    scores: pd.DataFrame = within.groupby([*CELL, "step", "seed"], sort=True).agg(**aggregations)
    return scores.reset_index()


def main_table(
    episodes: pd.DataFrame,
    *,
    cost_limit: float = COST_LIMIT,
    n_resamples: int = N_RESAMPLES,
    bootstrap_seed: int = 0,
    allow_missing_references: bool = False,
) -> pd.DataFrame:
    """Return one row per task, method and variant: mean scores over seeds with 95 % intervals.

    return_norm = (R - R_random) / (R_con - R_random); cost_diff = C - C_con;
    cvar20_diff = CVaR - CVaR_con, where R, C and CVaR are undiscounted returns and costs per episode and
    the references are the default variants, on the same task, of `random` and of the constrained reference
    that the source of the data decides (`references`); mean over their seeds, of which a shipped policy has
    one. return_norm is NaN where R_con <= R_random.

    The intervals resample the seeds of the row itself (see `bootstrap_interval`: they are too narrow
    with few seeds); the uncertainty of the references is NOT included, nor is that of the episodes
    within a seed beyond what it adds to the spread of seeds. NaN with fewer than 3 seeds.

    Args:
        episodes: rows of one source and one checkpoint per cell, as from `gather`.
        cost_limit: episodes of at most this cost count as within the limit.
        n_resamples: bootstrap resamples.
        bootstrap_seed: seed of the resampling. Each row uses it afresh, so that a row does not change
            when another method joins the table.
        allow_missing_references: where a task lacks a reference, let the scores relative to it be NaN.

    Returns:
        Columns `TABLE_COLUMNS`. n_episodes counts all episodes of the row; step is the checkpoint's
        gradient steps; kind is learner, oracle or reference. Rows follow the paper's order of tasks,
        then learners, oracles and references.

    Raises:
        UserError: the rows are not valid or not comparable, a cell has several checkpoints, or a task
            lacks a reference that it must have.

    Source: the protocol, section 4.
    """
    relative = relative_seed_scores(
        episodes, cost_limit=cost_limit, allow_missing_references=allow_missing_references
    )
    cells = [
        _cell_row(dict(zip([*CELL, "step"], key, strict=True)), group, n_resamples, bootstrap_seed)
        for key, group in relative.groupby([*CELL, "step"], sort=True)
    ]
    return _in_order(pd.DataFrame(cells)[TABLE_COLUMNS])


def relative_seed_scores(
    episodes: pd.DataFrame, *, cost_limit: float = COST_LIMIT, allow_missing_references: bool = False
) -> pd.DataFrame:
    """Return the scores of each seed, raw and relative to the references: what every statistic starts from.

    Columns of `seed_scores`, then return_norm, cost_diff and cvar20_diff as `main_table` defines them.

    Args:
        episodes: rows of one source and one checkpoint per cell, as from `gather`.
        cost_limit: episodes of at most this cost count as within the limit.
        allow_missing_references: as `main_table`.

    Raises:
        UserError: as `main_table`.
    """
    rows = validate_episodes(episodes)
    check_comparable(rows)
    _check_one_checkpoint(rows)
    scores = seed_scores(rows, cost_limit=cost_limit)
    constrained = constrained_reference_of(str(rows["source"].iloc[0]))
    return _relative_scores(scores, constrained, RANDOM_REFERENCE, required=not allow_missing_references)


def _check_one_checkpoint(episodes: pd.DataFrame) -> None:
    steps = episodes.drop_duplicates([*CELL, "step"]).sort_values([*CELL, "step"])
    several = steps[steps.duplicated(CELL, keep=False)]
    if not several.empty:
        cells = several[["task", "method", "variant", "step"]].itertuples(index=False)
        raise UserError(
            "a method has episodes of several checkpoints",
            expected="one checkpoint per task, method and variant",
            found="; ".join("{}/{}/{} step {}".format(*cell) for cell in cells),
            hint="keep the last one with safemil.records.episodes.final_checkpoint",
        )


def _reference_means(scores: pd.DataFrame, method: str, *, required: bool) -> pd.DataFrame:
    """Return mean return, cost and cvar20 of a reference method, one row per row of `scores`."""
    chosen = scores[(scores["method"] == method) & (scores["variant"] == DEFAULT_VARIANT)]
    missing = sorted(set(scores["task"]) - set(chosen["task"]), key=task_order)
    if missing and required:
        raise UserError(
            "a task has no reference to normalise by",
            expected=f"episodes of {method} ({DEFAULT_VARIANT} variant) on every task",
            found=f"none on {', '.join(missing)}",
            hint="roll the reference policy out on these tasks",
        )
    return chosen.groupby("task")[["return", "cost", "cvar20"]].mean().reindex(scores["task"])


def _relative_scores(scores: pd.DataFrame, constrained: str, random: str, *, required: bool) -> pd.DataFrame:
    """Add return_norm, cost_diff and cvar20_diff to each seed's scores."""
    con = _reference_means(scores, constrained, required=required).to_numpy()
    random_return = _reference_means(scores, random, required=required)["return"].to_numpy()
    scale = con[:, 0] - random_return
    # A constrained policy that earns no more than random actions gives no scale to normalise by.
    scale = np.where(scale > 0, scale, np.nan)
    return scores.assign(
        return_norm=(scores["return"] - random_return) / scale,
        cost_diff=scores["cost"] - con[:, 1],
        cvar20_diff=scores["cvar20"] - con[:, 2],
    )


def _cell_row(cell: dict[str, Any], seeds: pd.DataFrame, n_resamples: int, seed: int) -> dict[str, Any]:
    values = seeds[SCORES].to_numpy(dtype=np.float64)
    low, high = bootstrap_interval(values, n_resamples=n_resamples, seed=seed)
    return {
        **cell,
        "n_seeds": len(seeds),
        "n_episodes": int(seeds["n_episodes"].sum()),
        **dict(zip(SCORES, values.mean(axis=0), strict=True)),
        **{f"{score}_low": end for score, end in zip(SCORES, low, strict=True)},
        **{f"{score}_high": end for score, end in zip(SCORES, high, strict=True)},
        "share_within_limit": seeds["share_within_limit"].mean(),
        "kind": method_named(cell["method"]).kind,
    }


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    def key(position: int) -> tuple[Any, ...]:
        row = table.iloc[position]
        return task_order(row["task"]), method_order(row["method"]), variant_order(row["variant"])

    return table.iloc[sorted(range(len(table)), key=key)].reset_index(drop=True)


def second_reference_tasks(table: pd.DataFrame, *, cost_limit: float = COST_LIMIT) -> list[str]:
    """Return the tasks of a main table on which BC-Safe is the second reference.

    That is: the constrained reference's own mean cost per episode is above `cost_limit`, and BC-Safe was run.
    """
    default = table[table["variant"] == DEFAULT_VARIANT]
    costly = default["cost"] > cost_limit
    is_reference = default["method"] == default["source"].map(constrained_reference_of)
    over = set(default.loc[costly & is_reference, "task"])
    run = default.loc[default["method"] == SECOND_REFERENCE, "task"]
    return [task for task in run if task in over]


def reference_notes(table: pd.DataFrame, *, cost_limit: float = COST_LIMIT) -> list[str]:
    """Return a sentence for each reference of a main table that cannot be taken at face value.

    That is: a constrained reference whose own mean cost per episode is above `cost_limit`, or whose
    return is not above the random reference's, so that no return can be normalised.
    """
    default = table[table["variant"] == DEFAULT_VARIANT]
    with_second = second_reference_tasks(table, cost_limit=cost_limit)
    return [
        f"{task_display(str(task))}: {note}"
        for task, rows in default.groupby("task", sort=False)
        for note in _reference_problems(rows.set_index("method"), cost_limit, task in with_second)
    ]


def _reference_problems(rows: pd.DataFrame, cost_limit: float, has_second: bool) -> Iterator[str]:
    """Say what is wrong with the references of one task, whose rows are indexed by method."""
    constrained = constrained_reference_of(rows["source"].iloc[0])
    con, random = rows.loc[constrained], rows.loc[RANDOM_REFERENCE]
    subject = f"the constrained reference {method_named(constrained).display}"
    if con["cost"] > cost_limit:
        second = f"{method_named(SECOND_REFERENCE).display} was not run"
        if has_second:
            safe = rows.loc[SECOND_REFERENCE]
            second = (
                f"{method_named(SECOND_REFERENCE).display} is the second reference "
                f"(return {safe['return']:.1f}, cost {safe['cost']:.1f})"
            )
        yield (
            f"{subject} itself costs {con['cost']:.1f} per episode, above the limit of {cost_limit:g}; "
            f"{second}."
        )
    if con["return"] <= random["return"]:
        yield (
            f"{subject} returns no more than {method_named(RANDOM_REFERENCE).display}; normalised returns "
            "are undefined."
        )
