"""Does what a method achieves depend on how separable a task's data are?

For each task the data card's AUROC of single state-action pairs (`data/separability.py`) stands beside the
share of avoidable cost that each learner avoids: 0 for what BC-Unlabeled costs, 1 for what BC-Safe costs,
which imitates the truly preferred trajectories with the same policy class and budget.

    avoided = (C_BC - C) / (C_BC - C_BC-Safe)

Both ends are imitation on the same data, so that neither the task's cost scale nor what the policy class can
imitate enters. Ours; the paper has no such number.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from safemil.catalogue import method_named, method_order, task_order
from safemil.errors import UserError
from safemil.protocol import DEFAULT_VARIANT
from safemil.statistics.intervals import MINIMUM_SEEDS, N_RESAMPLES, Strata, stratified_interval

WORST, BEST = "bc", "bc_safe"

TABLE_COLUMNS = [
    *["task", "separability", "method", "source", "n_seeds", "n_episodes", "step"],
    *["cost", "avoided", "avoided_low", "avoided_high", "missing"],
]
_UNDEFINED = {name: ["NaN"] for name in ["separability", "avoided", "avoided_low", "avoided_high"]}
RANK_COLUMNS = ["method", "n_tasks", "spearman", "p_value"]

# With 3 tasks even a perfect order has a p-value of 1/3; not worth a number.
MINIMUM_TASKS = 4

NO_ROOM = "BC-Unlabeled does not cost more than BC-Safe beyond what their seeds differ"
FEW_SEEDS = f"fewer than {MINIMUM_SEEDS} seeds"


def read_separability(cards: Iterable[Path]) -> dict[str, float]:
    """Return the AUROC of single pairs by task from data cards of splits; NaN where it was not measured.

    Raises:
        UserError: a card cannot be read, or is not one of a split.
    """
    found = {}
    for path in cards:
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            found[str(card["task"])] = float("nan" if card["separability"] is None else card["separability"])
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise UserError(
                "not a data card of a split",
                expected="a JSON file with task and separability",
                found=repr(problem),
                where=path,
                hint="remove it; `snakemake data` makes it anew",
            ) from problem
    return found


def read_separability_table(path: Path) -> pd.DataFrame:
    """Read separability.csv.

    Raises:
        UserError: the file cannot be read, or has other columns.
    """
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=_UNDEFINED)
    except (OSError, ValueError) as problem:
        raise UserError("no table of separability", found=repr(problem), where=path) from problem
    if list(table.columns) != TABLE_COLUMNS:
        raise UserError(
            "not a table of separability",
            expected=f"columns {', '.join(TABLE_COLUMNS)}",
            found=", ".join(table.columns),
            where=path,
            hint="make it again: `snakemake table_separability`",
        )
    return table


def avoided_share(cost: Strata, worst: Strata, best: Strata) -> NDArray[np.float64]:
    """Return (C_worst - C) / (C_worst - C_best) of the means over the seeds of one task.

    Args:
        cost: mean cost of each seed, one array (..., n_seeds); so are the others.
        worst: what counts as 0.
        best: what counts as 1.

    Returns:
        Shape (...).
    """
    (own,), (zero,), (one,) = ([values.mean(axis=-1) for values in each] for each in (cost, worst, best))
    return np.asarray((zero - own) / (zero - one))


def _room(worst: Strata, best: Strata) -> NDArray[np.float64]:
    """Return C_worst - C_best of one task."""
    return np.asarray(worst[0].mean(axis=-1) - best[0].mean(axis=-1))


def separability_table(
    seeds: pd.DataFrame,
    separability: Mapping[str, float],
    *,
    n_resamples: int = N_RESAMPLES,
    bootstrap_seed: int = 0,
) -> pd.DataFrame:
    """Return one row per task and learner but BC-Unlabeled: the share of avoidable cost that it avoids.

    The interval resamples the seeds of the learner, of BC-Unlabeled and of BC-Safe independently. `avoided`
    is NaN, and `missing` says why, with fewer than 3 seeds of any of them and where BC-Unlabeled's cost is
    not above BC-Safe's: the lower end of their difference's interval is not above 0.

    Args:
        seeds: one row per seed, as from `scores.seed_scores`; BC-Unlabeled and BC-Safe on every task.
        separability: AUROC of single pairs by task, from the data cards.
        n_resamples: bootstrap resamples.
        bootstrap_seed: of the resampling; each row uses it afresh.

    Returns:
        Columns `TABLE_COLUMNS`, the most separable task first.
    """
    default = seeds[seeds["variant"] == DEFAULT_VARIANT]
    rows = []
    by_separability = sorted(default["task"].unique(), key=task_order)
    # One that was not measured (NaN) goes last.
    by_separability.sort(key=lambda task: -np.nan_to_num(separability[task], nan=-np.inf))
    for task in by_separability:
        groups = dict(iter(default[default["task"] == task].groupby("method")))
        learners = [name for name in groups if method_named(name).kind == "learner" and name != WORST]
        for method in sorted(learners, key=method_order):
            own = groups[method]
            samples = [[groups[each]["cost"].to_numpy(np.float64)] for each in (method, WORST, BEST)]
            known = {"task": task, "separability": separability[task], "method": method}
            counts = {"n_seeds": len(own), "n_episodes": int(own["n_episodes"].sum())}
            first = {"source": own["source"].iloc[0], "step": own["step"].iloc[0]}
            share = _share(samples, n_resamples, bootstrap_seed)
            rows.append({**known, **counts, **first, "cost": own["cost"].mean(), **share})
    return pd.DataFrame(rows, columns=TABLE_COLUMNS)


def _share(samples: Sequence[Strata], n_resamples: int, seed: int) -> dict[str, float | str]:
    undefined = dict.fromkeys(["avoided", "avoided_low", "avoided_high"], np.nan)
    if min(len(each[0]) for each in samples) < MINIMUM_SEEDS:
        return {**undefined, "missing": FEW_SEEDS}
    low_room, _ = stratified_interval(_room, *samples[1:], n_resamples=n_resamples, seed=seed)
    if low_room <= 0:
        return {**undefined, "missing": NO_ROOM}
    low, high = stratified_interval(avoided_share, *samples, n_resamples=n_resamples, seed=seed)
    ends = {"avoided_low": float(low), "avoided_high": float(high)}
    return {"avoided": float(avoided_share(*samples)), **ends, "missing": ""}


def rank_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's correlation of separability and avoided share over the tasks, for each learner.

    The p-value is two-sided, from all orders of the tasks (a permutation test). Learners with fewer than 4
    tasks on which the share is defined, or whose shares or tasks are all alike, have NaN.

    Args:
        table: as from `separability_table`.

    Returns:
        Columns `RANK_COLUMNS`, in the order of methods.
    """
    rows = []
    for method in sorted(table["method"].unique(), key=method_order):
        defined = table["avoided"].notna() & table["separability"].notna()
        own = table[(table["method"] == method) & defined]
        rows.append({"method": method, "n_tasks": len(own), **_spearman(own)})
    return pd.DataFrame(rows, columns=RANK_COLUMNS)


def _spearman(own: pd.DataFrame) -> dict[str, float]:
    shares, separability = own["avoided"].to_numpy(), own["separability"].to_numpy()
    if len(own) < MINIMUM_TASKS or min(len(set(shares)), len(set(separability))) < 2:
        return {"spearman": np.nan, "p_value": np.nan}

    def correlation(values: NDArray[np.float64]) -> float:
        return float(stats.spearmanr(values, separability).statistic)

    # All orders of up to 7 tasks are fewer than these resamples: then scipy counts every one, exactly.
    test = stats.permutation_test(
        (shares,), correlation, permutation_type="pairings", n_resamples=9_999, rng=0
    )
    return {"spearman": float(test.statistic), "p_value": float(test.pvalue)}
