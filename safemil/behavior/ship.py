"""Chooses which snapshots ship with the project, judges each, and writes them with their card.

Selection looks at true returns and costs: these are behaviour policies, not learners. It uses environment
seeds of its own, neither those of collecting nor those of evaluation. The snapshots that ship cover the cost
range of the task's DSRL file under the collecting noise, at most a few per run and cost band, so that
no cost level is left out and no run dominates. The constrained reference is the snapshot with the highest
return among those whose mean action costs at most `REFERENCE_COST`, on more episodes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safemil.behavior.collect_settings import CollectSettings
from safemil.behavior.settings import RunGroup
from safemil.behavior.snapshots import Snapshot, read_snapshots, write_snapshots
from safemil.files import write_text
from safemil.progress import Progress
from safemil.protocol import COST_LIMIT
from safemil.records.provenance import commit
from safemil.records.versions import versions
from safemil.simulator.rollout import ActionNoise, roll_out
from safemil.simulator.seeds import SELECTION_SEEDS
from safemil.tasks import Task

# Aimed at below the limit, so that the reference still meets it on episodes it was not chosen by.
REFERENCE_COST = 20.0
JUDGING_EPISODES = 2
# How many snapshots are looked at on more episodes, and how many of these on the most.
REFERENCE_CANDIDATES = (24, 8)
FIRST_REFERENCE_EPISODES = 10
# Two episodes say little where the layout decides the cost; neighbouring snapshots of a run behave alike.
NEIGHBOURS = 2
REFERENCE_EPISODES = 50
BANDS = 10
PER_RUN_AND_BAND = 5
# Beyond the range that is kept, noisy episodes of a policy may still fall into it.
BEYOND_MAXIMUM = 1.1


@dataclass(frozen=True)
class Judged:
    """A snapshot with its means over a few episodes.

    Attributes:
        snapshot: the policy.
        mean_return: of its mean action.
        mean_cost: of its mean action.
        noisy_cost: mean cost under the noise with which data are collected.
    """

    snapshot: Snapshot
    mean_return: float
    mean_cost: float
    noisy_cost: float


def judge(task: Task, snapshot: Snapshot, n_episodes: int) -> Judged:
    """Roll out a snapshot by its mean action, and again under the collecting noise, and average."""
    mean_return, mean_cost = _means(task, snapshot, n_episodes, None)
    noise = ActionNoise(CollectSettings().noise_std, seed=0)
    _, noisy_cost = _means(task, snapshot, n_episodes, noise)
    return Judged(snapshot, mean_return, mean_cost, noisy_cost)


def _means(task: Task, snapshot: Snapshot, n_episodes: int, noise: ActionNoise | None) -> tuple[float, float]:
    """Return mean return and cost over the first `n_episodes` episodes that choosing has to itself."""
    seeds, environments = SELECTION_SEEDS[:n_episodes], min(10, n_episodes)
    episodes = roll_out(
        task, snapshot, seeds, n_environments=environments, noise=noise, keep_transitions=False
    )
    mean_return = float(np.mean([episode.episode_return for episode in episodes]))
    return mean_return, float(np.mean([episode.episode_cost for episode in episodes]))


def cost_band(noisy_cost: float, max_cost: float) -> int:
    """Return which of `BANDS` equal bands of cost a policy lies in; those beyond the last share one more."""
    return min(int(BANDS * noisy_cost / max_cost), BANDS)


def choose(judged: Sequence[Judged], max_cost: float) -> list[Judged]:
    """Keep at most `PER_RUN_AND_BAND` snapshots of each run in each of `BANDS` cost bands, spread over time.

    Args:
        judged: every snapshot of every run.
        max_cost: largest episode cost that collecting keeps; policies far beyond it are left out.
    """
    groups: dict[tuple[str, int], list[Judged]] = {}
    for item in judged:
        if item.noisy_cost <= BEYOND_MAXIMUM * max_cost:
            groups.setdefault((item.snapshot.run, cost_band(item.noisy_cost, max_cost)), []).append(item)
    chosen = []
    for group in groups.values():
        spread = np.linspace(0, len(group) - 1, min(PER_RUN_AND_BAND, len(group))).round().astype(int)
        chosen += [group[i] for i in sorted(set(spread.tolist()))]
    return sorted(chosen, key=lambda item: item.snapshot.name)


def smoothed(judged: Sequence[Judged]) -> list[Judged]:
    """Replace each snapshot's means by those over its neighbours in the same run, `NEIGHBOURS` to each side.

    The cost counts the episodes with noise too: this only decides which snapshots are judged anew.
    """
    result = []
    for item in judged:
        run = sorted(
            (j for j in judged if j.snapshot.run == item.snapshot.run), key=lambda j: j.snapshot.step
        )
        place = run.index(item)
        near = run[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
        cost = float(np.mean([(j.mean_cost + j.noisy_cost) / 2 for j in near]))
        mean_return = float(np.mean([j.mean_return for j in near]))
        result.append(Judged(item.snapshot, mean_return, cost, item.noisy_cost))
    return result


def choose_reference(task: Task, judged: Sequence[Judged]) -> Judged:
    """Return the best snapshot within `REFERENCE_COST`, judged on `REFERENCE_EPISODES` episodes.

    The choice narrows: the `REFERENCE_CANDIDATES[0]` best by their smoothed means are judged anew by their
    mean action on a few episodes, the `REFERENCE_CANDIDATES[1]` best on `REFERENCE_EPISODES`. If none
    keeps to `REFERENCE_COST`, the cheapest is taken, even above the limit: the card and every table say so.
    """
    n_first, n_second = REFERENCE_CANDIDATES
    first = _promising(smoothed(judged), n_first)
    second = _promising([_judged_anew(task, item, FIRST_REFERENCE_EPISODES) for item in first], n_second)
    final = [_judged_anew(task, item, REFERENCE_EPISODES) for item in second]
    within = [item for item in final if item.mean_cost <= REFERENCE_COST]
    if within:
        return max(within, key=lambda item: item.mean_return)
    return min(final, key=lambda item: item.mean_cost)


def _promising(judged: Sequence[Judged], count: int) -> list[Judged]:
    """Return the highest returns within the cost limit, filled up with the cheapest beyond it."""
    within = [item for item in judged if item.mean_cost <= COST_LIMIT]
    beyond = [item for item in judged if item.mean_cost > COST_LIMIT]
    within.sort(key=lambda item: -item.mean_return)
    beyond.sort(key=lambda item: item.mean_cost)
    return [*within, *beyond][:count]


def _judged_anew(task: Task, item: Judged, n_episodes: int) -> Judged:
    mean_return, mean_cost = _means(task, item.snapshot, n_episodes, None)
    return Judged(item.snapshot, mean_return, mean_cost, item.noisy_cost)


def ship(
    task: Task, groups: Sequence[RunGroup], snapshot_files: Sequence[Path], output: Path, card: Path
) -> None:
    """Judge all snapshots of a task's runs and write those that ship, and their card.

    Args:
        task: which task.
        groups: how the runs were trained, for the card.
        snapshot_files: one file per run.
        output: the safetensors file that ships.
        card: its JSON card.
    """
    snapshots = [snapshot for path in snapshot_files for snapshot in read_snapshots(path)]
    judged = []
    with Progress(f"judge {task.name}", len(snapshots), unit="policies") as progress:
        for done, snapshot in enumerate(snapshots, start=1):
            judged.append(judge(task, snapshot, JUDGING_EPISODES))
            progress.update(done, {"return": judged[-1].mean_return, "cost": judged[-1].mean_cost})
    reference = choose_reference(task, judged)
    chosen = {item.snapshot.name: item for item in choose(judged, task.maximum_cost)}
    by_name = {item.snapshot.name: item for item in judged}
    chosen.setdefault(reference.snapshot.name, by_name[reference.snapshot.name])
    write_snapshots(output, [item.snapshot for item in chosen.values()])
    write_text(card, json.dumps(_card(task, groups, list(chosen.values()), reference), indent=1) + "\n")


def _card(
    task: Task, groups: Sequence[RunGroup], chosen: list[Judged], reference: Judged
) -> dict[str, object]:
    return {
        "task": task.name,
        "learner": "PPO of stable-baselines3 on reward minus penalty * cost; see config/behavior.yaml",
        "training": [group.model_dump(mode="json") for group in groups],
        "constrained_reference": {
            "policy": reference.snapshot.name,
            "mean_return": reference.mean_return,
            "mean_cost": reference.mean_cost,
            "cost_limit": COST_LIMIT,
            "episodes": REFERENCE_EPISODES,
            "chosen_as": _why(reference.mean_cost),
        },
        "judging_episodes": JUDGING_EPISODES,
        "policies": [
            {
                "name": item.snapshot.name,
                "run": item.snapshot.run,
                "step": item.snapshot.step,
                "mean_return": item.mean_return,
                "mean_cost": item.mean_cost,
                "noisy_cost": item.noisy_cost,
                "cost_band": cost_band(item.noisy_cost, task.maximum_cost),
            }
            for item in chosen
        ],
        "commit": commit(),
        "versions": versions(),
    }


def _why(mean_cost: float) -> str:
    if mean_cost <= REFERENCE_COST:
        return f"highest return with mean cost <= {REFERENCE_COST:g}, mean action"
    return f"lowest mean cost, mean action; no candidate has <= {REFERENCE_COST:g}"
