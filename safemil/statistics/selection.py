"""Is it what a method learns that makes it safe, or how hard it selects?

For each task and learner with a learned cost, three numbers side by side:

    episode AUROC     how well its learned cost tells unsafe from safe episodes, held out, of the two classes
    share left        effective share of the trajectories of D_U that its weights leave to be imitated
    avoided           (C_BC - C) / (C_BC - C_BC-Safe), see `avoided_cost`

The share left is (sum W)^2 / sum W^2 over the number of trajectories of a batch, with W the weights of a
trajectory added up (`methods.weights`), in the last row of the training's log. Ours; the paper has no such
table.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from safemil.protocol import DEFAULT_VARIANT

SHARE = "effective_trajectory_share"
HELD_OUT, SCORE = "classes", "trajectory_auroc"

TABLE_COLUMNS = [
    *["task", "method", "source", "n_seeds", "n_episodes", "step"],
    *["episode_auroc", "share_left", "avoided", "avoided_low", "avoided_high", "missing"],
]
RANK_COLUMNS = ["predictor", "n_tasks", "n_methods", "mean_spearman", "p_value"]
PREDICTORS = {"episode_auroc": "episode AUROC", "share_left": "share left"}

# Of two methods the order is right or wrong, which says nothing.
MINIMUM_METHODS = 3
PERMUTATIONS = 9_999


def last_shares(losses: pd.DataFrame) -> pd.DataFrame:
    """Return how much of D_U each training's weights leave at its end.

    Args:
        losses: the logs of the trainings, as from `records.losses`.

    Returns:
        Columns task, method, seed, share_left; no row for a method that does not log the share.
    """
    run = ["task", "method", "seed"]
    last = losses[losses["row"] == losses.groupby(run)["row"].transform("max")]
    shares = last.loc[last["name"] == SHARE, [*run, "value"]]
    return shares.rename(columns={"value": "share_left"}).reset_index(drop=True)


def selection_table(avoided: pd.DataFrame, learned: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Return one row per task and learner that has a learned cost and logs its share: means over seeds.

    Args:
        avoided: as from `avoided_cost.separability_table`.
        learned: scores of learned costs, as from `learned_cost_rows.gather_rows`.
        shares: as from `last_shares`.

    Returns:
        Columns `TABLE_COLUMNS`; tasks and methods in the order of `avoided`. NaN where a score is undefined.
    """
    scores = learned[
        (learned["variant"] == DEFAULT_VARIANT)
        & (learned["held_out"] == HELD_OUT)
        & (learned["score"] == SCORE)
    ]
    # A mean over some of the seeds would not be what the other columns are means over.
    known = scores.groupby(["task", "method"])["value"].agg(lambda values: values.mean(skipna=False))
    left = shares.groupby(["task", "method"])["share_left"].mean()
    numbers = pd.concat([known.rename("episode_auroc"), left], axis=1, join="inner").reset_index()
    return avoided.merge(numbers, on=["task", "method"], how="inner", sort=False)[TABLE_COLUMNS]


def rank_correlations(table: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Return each predictor's rank correlation with the cost avoided within tasks, averaged over the tasks.

    A task counts if at least 3 methods have both numbers and neither is the same for all. The p-value is
    two-sided: the share of permutations of the methods within every task, `PERMUTATIONS` of them and the
    data's own, whose mean is at least as far from 0.

    Args:
        table: as from `selection_table`.
        seed: of the permutations.

    Returns:
        Columns `RANK_COLUMNS`; NaN where no task counts. n_methods: pairs of numbers in all.
    """
    rows = []
    for predictor in PREDICTORS:
        strata = list(_strata(table, predictor))
        sizes = {"n_tasks": len(strata), "n_methods": sum(len(x) for x, _ in strata)}
        rows.append({"predictor": predictor, **sizes, **_mean_correlation(strata, seed)})
    return pd.DataFrame(rows, columns=RANK_COLUMNS)


_Stratum = tuple[NDArray[np.float64], NDArray[np.float64]]


def _strata(table: pd.DataFrame, predictor: str) -> Iterator[_Stratum]:
    """Yield the centred ranks, of length 1, of predictor and avoided share for each task that counts."""
    defined = table[table[predictor].notna() & table["avoided"].notna()]
    for _, rows in defined.groupby("task", sort=True):
        ranks = [stats.rankdata(rows[name].round(6)) for name in (predictor, "avoided")]
        if len(rows) >= MINIMUM_METHODS and min(np.ptp(each) for each in ranks) > 0:
            first, second = (each - each.mean() for each in ranks)
            yield first / np.linalg.norm(first), second / np.linalg.norm(second)


def _mean_correlation(strata: list[_Stratum], seed: int) -> dict[str, float]:
    if not strata:
        return {"mean_spearman": np.nan, "p_value": np.nan}
    generator = np.random.default_rng(seed)
    found = float(np.mean([x @ y for x, y in strata]))
    # One array of correlations for each task.
    drawn = [generator.permuted(np.tile(x, (PERMUTATIONS, 1)), axis=1) @ y for x, y in strata]
    # The tolerance counts a permutation that gives the same order as one that does.
    extreme = np.abs(np.mean(drawn, axis=0)) >= abs(found) - 1e-12
    return {"mean_spearman": found, "p_value": float((1 + extreme.sum()) / (1 + PERMUTATIONS))}
