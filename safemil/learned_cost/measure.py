"""What a learned cost knows: how well it orders steps and episodes that no method has seen.

A learned cost is only ever used to compare, and a method may put it on any scale, so it is judged by ranks
alone: AUROC (0.5 is chance) and Spearman's rank correlation, ties as midranks in both. On each held-out set
(`safemil.data.held_out`):

    step_auroc             learned cost of a step, against true cost of the step > 0
    step_spearman          the same, with the true cost of the step
    trajectory_auroc       mean learned cost of an episode, against its true cost > the limit
    trajectory_spearman    sum of the learned cost over an episode, with its true cost

True costs are undiscounted. A score that is undefined, because a class is missing or nothing varies, has no
value and says why. Source: the protocol, section 5, claim 8.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from safemil.data.held_out import HeldOut, read_held_out
from safemil.data.separability import auroc
from safemil.data.stripped import training_digest
from safemil.data.trajectories import LabelledTrajectories, Trajectories
from safemil.errors import UserError
from safemil.learned_cost.rows import COUNTS, SCORES, write_rows, write_traces
from safemil.methods.cost_learner import CostLearner
from safemil.methods.learner import Learner
from safemil.tasks import get_task
from safemil.training.restore import FinishedRun, RunFiles, restore_run

_PAIRS_AT_ONCE = 1 << 14

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes:
        value: NaN if it is undefined.
        missing: why it is undefined; empty if it is not.
    """

    value: float
    missing: str = ""


def discrimination(learned: Values, positive: NDArray[np.bool_], none: str, only: str) -> Score:
    """Return the AUROC of learned costs (n,) against a class (n,); undefined where a class is missing.

    Args:
        learned: larger means costlier.
        positive: which ones are truly costly.
        none: the reason where no one is.
        only: the reason where everyone is.
    """
    if not positive.any():
        return Score(np.nan, none)
    return Score(np.nan, only) if positive.all() else Score(auroc(learned, positive))


def rank_correlation(learned: Values, true: Values) -> Score:
    """Return Spearman's correlation of (n,) and (n,); undefined where one of them does not vary."""
    for values, name in ((true, "true cost"), (learned, "learned cost")):
        if np.ptp(values) == 0:
            return Score(np.nan, f"constant {name}")
    return Score(float(stats.spearmanr(learned, true).statistic))


def cost_scores(learned: Values, data: LabelledTrajectories, cost_limit: float) -> dict[str, Score]:
    """Return the four scores of a learned cost on one held-out set.

    Args:
        learned: learned cost of each transition, (N,).
        data: the trajectories with their true costs.
        cost_limit: an episode is unsafe whose true cost is above it.
    """
    starts, lengths = data.trajectories.starts, data.trajectories.lengths
    sums = np.add.reduceat(learned, starts)
    # In the single precision of the costs themselves, so that the rounding of sums orders no equal episodes.
    sums, means = sums.astype(np.float32), (sums / lengths).astype(np.float32)
    costs, episode_costs = data.costs.astype(np.float64), data.episode_costs
    unsafe = episode_costs > cost_limit
    return {
        "step_auroc": discrimination(learned, costs > 0, "no costly step", "no step without cost"),
        "step_spearman": rank_correlation(learned, costs),
        "trajectory_auroc": discrimination(means, unsafe, "no unsafe episode", "no safe episode"),
        "trajectory_spearman": rank_correlation(sums, episode_costs),
    }


@torch.inference_mode()
def learned_costs(learner: Learner[Any, Any], trajectories: Trajectories) -> Values:
    """Return what a learner takes each transition (N,) to cost, observations standardised as it knows them.

    Raises:
        UserError: the method has not learned a cost.
    """
    if not isinstance(learner, CostLearner):
        raise UserError(
            "the method has not learned a cost", expected="a learner with pair_costs", found=learner.name
        )
    observations = learner.policy.standardise(torch.tensor(trajectories.observations))
    actions = torch.tensor(trajectories.actions)
    parts = [slice(first, first + _PAIRS_AT_ONCE) for first in range(0, len(actions), _PAIRS_AT_ONCE)]
    costs = torch.cat([learner.pair_costs(observations[part], actions[part]) for part in parts])
    return np.asarray(costs.double().numpy())


def example_episodes(episode_costs: Values, cost_limit: float) -> dict[str, int]:
    """Choose an episode to look at: of the safe ones and of the unsafe ones, that of median cost.

    Args:
        episode_costs: (M,) of the held-out set `all`.
        cost_limit: an episode is safe whose cost is at most this.

    Returns:
        Indices under `safe` and `unsafe`: the episode nearest to the median cost of its class, the first of
        equals. A class without episodes is left out.
    """
    unsafe = episode_costs > cost_limit
    chosen = {}
    for name, members in (("safe", np.flatnonzero(~unsafe)), ("unsafe", np.flatnonzero(unsafe))):
        if len(members):
            costs = episode_costs[members]
            chosen[name] = int(members[np.argmin(np.abs(costs - np.median(costs)))])
    return chosen


def evaluate_cost(
    files: RunFiles,
    method: type[Learner[Any, Any]],
    held_out_path: Path,
    rows_path: Path,
    traces_path: Path,
    *,
    key: Mapping[str, str | int],
    cost_limit: float,
) -> None:
    """Score the learned cost of one run, and write it out along two episodes.

    Args:
        files: the run's files.
        method: the class of the run's method.
        held_out_path: the held-out trajectories of the run's split.
        rows_path: gets a row for each held-out set and score.
        traces_path: gets a row for each step of the two `example_episodes`.
        key: task, method, variant and seed that the run must be of.
        cost_limit: an episode is unsafe whose cost is above it.

    Raises:
        UserError: the files are not of that run or do not belong together, or the method learns no cost.
    """
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    run = restore_run(files, method)
    found = {name: run.record[name] for name in ("task", "method", "variant", "seed")}
    if found != key:
        raise UserError("the files are of another run", expected=key, found=found, where=files.record)
    held_out = read_held_out(held_out_path, task=get_task(run.record["task"]))
    _check_held_out_from(held_out, run, held_out_path)
    learned = learned_costs(run.learner, held_out.data.trajectories)
    identity = {"source": run.record["source"], **found, "step": run.record["training"]["steps"]}
    write_rows(rows_path, pd.DataFrame(_score_rows(learned, held_out, cost_limit)).assign(**identity))
    write_traces(traces_path, _traces(learned, held_out, cost_limit).assign(**identity))


def _check_held_out_from(held_out: HeldOut, run: FinishedRun, where: Path) -> None:
    if held_out.training_digest != training_digest(run.data):
        raise UserError(
            "these trajectories are held out from other training data than the run's",
            where=where,
            hint="make the file again from the split that the run was trained on",
        )


def _score_rows(learned: Values, held_out: HeldOut, cost_limit: float) -> list[dict[str, Any]]:
    rows = []
    for name, members in held_out.sets.items():
        if len(members):
            data = held_out.data.select(members)
            transitions = held_out.data.trajectories.transition_indices(members)
            counts = _counts(data, cost_limit)
            scores = cost_scores(learned[transitions], data, cost_limit)
        else:
            counts = dict.fromkeys(COUNTS, 0)
            scores = dict.fromkeys(SCORES, Score(np.nan, "no episode held out"))
        rows += [
            {"held_out": name, **counts, "score": score, "value": found.value, "missing": found.missing}
            for score, found in scores.items()
        ]
    return rows


def _counts(data: LabelledTrajectories, cost_limit: float) -> dict[str, int]:
    return {
        "n_trajectories": data.trajectories.n_trajectories,
        "n_unsafe": int(np.sum(data.episode_costs > cost_limit)),
        "n_transitions": data.trajectories.n_transitions,
        "n_costly": int(np.sum(data.costs > 0)),
    }


def _traces(learned: Values, held_out: HeldOut, cost_limit: float) -> pd.DataFrame:
    members, data = held_out.sets["all"], held_out.data
    parts = []
    for name, place in example_episodes(data.episode_costs[members], cost_limit).items():
        rows = data.trajectories.transition_indices(members[[place]])
        columns = {
            "episode": name,
            "source_index": held_out.source_indices[members[place]],
            "environment_step": np.arange(len(rows)),
            "cost": data.costs[rows].astype(np.float64),
            "learned_cost": learned[rows],
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
