"""Learning curves from the episodes of the policies kept in training: means over seeds at each step."""

from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import constrained_reference_of, method_named, method_order, task_order, variant_order
from safemil.errors import UserError
from safemil.protocol import DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.records.episodes import CELL, check_comparable, validate_episodes
from safemil.statistics.intervals import N_RESAMPLES, bootstrap_interval
from safemil.statistics.scores import seed_scores

QUANTITIES = ("return", "cost")
CURVE_COLUMNS = [
    *["task", "source", "method", "variant", "kind", "step", "n_seeds", "n_episodes"],
    *[f"{quantity}{end}" for quantity in QUANTITIES for end in ("", "_low", "_high")],
]


def seed_curves(episodes: pd.DataFrame) -> pd.DataFrame:
    """Return return and cost of each seed at each step: means over its episodes there.

    Args:
        episodes: rows of learning curves, several steps per run.

    Returns:
        One row per task, source, method, variant, step and seed, in this order; columns as of `seed_scores`.

    Raises:
        UserError: the rows are not valid or not comparable.
    """
    rows = validate_episodes(episodes)
    check_comparable(rows)
    return seed_scores(rows)


def curve_means(
    episodes: pd.DataFrame, *, n_resamples: int = N_RESAMPLES, bootstrap_seed: int = 0
) -> pd.DataFrame:
    """Return one row per task, method, variant and step: means over seeds with 95 % intervals.

    The same resampled seeds serve all steps of a curve. NaN for an interval with fewer than 3 seeds (see
    `bootstrap_interval`).

    Args:
        episodes: rows of learning curves.
        n_resamples: bootstrap resamples.
        bootstrap_seed: seed of the resampling.

    Returns:
        Columns `CURVE_COLUMNS`; n_episodes per seed and step. Rows in the order of tables: the paper's order
        of tasks, learners before oracles, steps ascending.

    Raises:
        UserError: the rows are not valid or not comparable.
    """
    parts = [
        _cell_curve(dict(zip(CELL, key, strict=True)), seeds, n_resamples, bootstrap_seed)
        for key, seeds in seed_curves(episodes).groupby(CELL, sort=True)
    ]
    return in_reading_order(pd.concat(parts, ignore_index=True)[CURVE_COLUMNS])


def _cell_curve(cell: dict[str, Any], seeds: pd.DataFrame, n_resamples: int, seed: int) -> pd.DataFrame:
    columns: dict[str, Any] = {"n_seeds": seeds["seed"].nunique(), "n_episodes": seeds["n_episodes"].iloc[0]}
    for quantity in QUANTITIES:
        wide = seeds.pivot_table(index="seed", columns="step", values=quantity)
        values = wide.to_numpy(dtype=np.float64)
        low, high = bootstrap_interval(values, n_resamples=n_resamples, seed=seed)
        columns |= {quantity: values.mean(axis=0), f"{quantity}_low": low, f"{quantity}_high": high}
        columns["step"] = wide.columns
    return pd.DataFrame(cell | {"kind": method_named(cell["method"]).kind} | columns)


def in_reading_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort rows as tables do: the paper's order of tasks, learners before oracles, default variants first.

    A table without a column `task` is sorted by the rest.
    """

    def key(position: int) -> tuple[Any, ...]:
        row = table.iloc[position]
        task = task_order(row["task"]) if "task" in table else None
        return task, method_order(row["method"]), variant_order(row["variant"]), position

    return table.iloc[sorted(range(len(table)), key=key)].reset_index(drop=True)


def check_same_runs(curves: pd.DataFrame, finals: pd.DataFrame) -> None:
    """Refuse learning curves of other runs than the final episodes, whose references they are shown with.

    Raises:
        UserError: a run has a curve and no final episodes.
    """
    strangers = curves[~curves["run_id"].isin(finals["run_id"])]
    if not strangers.empty:
        first = strangers.iloc[0]
        raise UserError(
            "learning curves and final episodes are of different runs",
            expected="every run that has a curve among the final episodes",
            found=f"{strangers['run_id'].nunique()} that are not, first {first['run_id']} "
            f"({'/'.join(str(first[name]) for name in [*CELL, 'seed'])})",
            hint="gather both from one set of runs",
        )


def reference_means(finals: pd.DataFrame) -> pd.DataFrame:
    """Return mean return and cost per episode of the random and the constrained reference of each task.

    Args:
        finals: episodes of final policies and references, of one source.

    Returns:
        Columns task, source, method, element (constrained_reference or random_reference), return, cost.

    Raises:
        UserError: a task has none of them.
    """
    default = finals[finals["variant"] == DEFAULT_VARIANT]
    constrained = constrained_reference_of(str(finals["source"].iloc[0]))
    parts = []
    for element, method in (("constrained_reference", constrained), ("random_reference", RANDOM_REFERENCE)):
        rows = default[default["method"] == method]
        missing = sorted(set(finals["task"]) - set(rows["task"]), key=task_order)
        if missing:
            raise UserError(
                "a task has no reference", expected=f"episodes of {method}", found=f"none on {missing}"
            )
        # Of each seed first: every seed counts alike, as in the main table.
        means = seed_scores(rows).groupby(["task", "source", "method"])[list(QUANTITIES)].mean()
        parts.append(means.reset_index().assign(element=element))
    return pd.concat(parts, ignore_index=True)


def without_curve(curves: pd.DataFrame, finals: pd.DataFrame) -> pd.DataFrame:
    """Return the methods (default variants) that were evaluated at the end and have no learning curve.

    Args:
        curves: rows of learning curves.
        finals: episodes of final policies and references; references do not count, for they are not trained.

    Returns:
        Columns task and method, without repetitions, in the order of the tables.
    """
    cell = ["task", "method"]
    trained = finals[(finals["variant"] == DEFAULT_VARIANT) & (finals["step"] > 0)][cell].drop_duplicates()
    drawn = curves.loc[curves["variant"] == DEFAULT_VARIANT, cell].drop_duplicates()
    both = trained.merge(drawn, on=cell, how="left", indicator=True)
    missing = both.loc[both["_merge"] == "left_only", cell].assign(variant=DEFAULT_VARIANT)
    return in_reading_order(missing)[cell]
