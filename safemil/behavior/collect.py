"""Collects the `collected` source: rolls the shipped policies out into a file in DSRL's form.

Every policy acts with Gaussian noise of one and the same standard deviation, added to its mean action before
the sum is clipped to the action range, as in its training; so the noise does not tell good behaviour from
bad. Every cost band of the card gets the same number of episodes, so that the trajectories spread over the
whole range of costs whatever the number of policies in a band. Kept are the episodes whose cost lies in the
range of the task's DSRL file (from 0 to its maximum), so that the cost scale and the difficulty are DSRL's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safemil.behavior.card import read_card
from safemil.behavior.collect_settings import CollectSettings
from safemil.behavior.snapshots import Snapshot, read_snapshots
from safemil.data.hdf5 import write_labelled
from safemil.data.trajectories import LabelledTrajectories, Trajectories
from safemil.errors import UserError
from safemil.files import sha256
from safemil.records.versions import versions
from safemil.reporting import StartReport, silent
from safemil.simulator.rollout import ActionNoise, Episode, roll_out
from safemil.simulator.seeds import COLLECTION_SEEDS
from safemil.tasks import Task


@dataclass(frozen=True)
class Collected:
    """The episodes of one policy: those kept, and how many were left out."""

    snapshot: Snapshot
    kept: list[Episode]
    left_out: int


def allocate(bands: Sequence[int], episodes_per_band: int) -> list[int]:
    """Share each band's episodes among its policies as evenly as whole numbers allow.

    Args:
        bands: the cost band of each policy.
        episodes_per_band: episodes that the policies of one band have together.

    Returns:
        The number of episodes of each policy; they sum to `episodes_per_band` in each band.
    """
    seen: Counter[int] = Counter()
    policies = Counter(bands)
    counts = []
    for band in bands:
        before, after = seen[band], seen[band] + 1
        counts.append(
            (episodes_per_band * after) // policies[band] - (episodes_per_band * before) // policies[band]
        )
        seen[band] = after
    return counts


def collect(
    task: Task,
    shipped: Path,
    shipped_card: Path,
    settings: CollectSettings,
    output: Path,
    report: StartReport = silent,
) -> None:
    """Roll out every shipped policy and write the episodes.

    Args:
        task: which task.
        shipped: the task's behaviour policies.
        shipped_card: their card, which says in which cost band each lies.
        settings: episodes per band and noise.
        output: the HDF5 file.
        report: shows how far collecting is.
    """
    snapshots = read_snapshots(shipped)
    bands = {policy["name"]: policy["cost_band"] for policy in read_card(shipped_card)["policies"]}
    counts = allocate([bands[snapshot.name] for snapshot in snapshots], settings.episodes_in_band(task.name))
    collected: list[Collected] = []
    done = 0
    with report(sum(counts), unit="episodes") as progress:
        for snapshot, count in zip(snapshots, counts, strict=True):
            seeds = COLLECTION_SEEDS[done : done + count]
            collected.append(_roll_out(task, snapshot, seeds, settings))
            done += count
            progress.update(done, {"kept": sum(len(item.kept) for item in collected)})
    if not any(item.kept for item in collected):
        raise UserError(
            "no episode lies in the cost range", expected=f"0 to {task.maximum_cost}", where=shipped
        )
    data = _labelled(collected)
    write_labelled(output, data, _attributes(task, shipped, settings, collected))


def _roll_out(task: Task, snapshot: Snapshot, seeds: range, settings: CollectSettings) -> Collected:
    noise = ActionNoise(settings.noise_std, settings.seed)
    episodes = roll_out(
        task,
        snapshot,
        seeds,
        n_environments=settings.n_environments,
        noise=noise,
        fast=settings.fast_simulator,
    )
    highest = settings.return_limit(task.name)
    kept = [e for e in episodes if e.episode_cost <= task.maximum_cost and e.episode_return <= highest]
    return Collected(snapshot, kept, len(episodes) - len(kept))


def _labelled(collected: Sequence[Collected]) -> LabelledTrajectories:
    episodes = [episode for item in collected for episode in item.kept]
    origin = [item.snapshot for item in collected for _ in item.kept]
    lengths = np.array([episode.length for episode in episodes], dtype=np.int64)
    stops = np.cumsum(lengths)
    ended = np.array([episode.terminated for episode in episodes])
    terminals = np.zeros(stops[-1], dtype=np.bool_)
    timeouts = np.zeros(stops[-1], dtype=np.bool_)
    terminals[stops - 1], timeouts[stops - 1] = ended, ~ended
    return LabelledTrajectories(
        trajectories=Trajectories(
            observations=np.concatenate([episode.observations for episode in episodes]),
            actions=np.concatenate([episode.actions for episode in episodes]),
            next_observations=np.concatenate([episode.next_observations for episode in episodes]),
            terminals=terminals,
            starts=stops - lengths,
        ),
        rewards=np.concatenate([episode.rewards for episode in episodes]),
        costs=np.concatenate([episode.costs for episode in episodes]),
        timeouts=timeouts,
        provenance={
            "policy": np.array([snapshot.name for snapshot in origin]),
            "training_seed": np.array([snapshot.training_seed for snapshot in origin], dtype=np.int64),
            "environment_seed": np.array([episode.environment_seed for episode in episodes], dtype=np.int64),
        },
    )


def _attributes(
    task: Task, shipped: Path, settings: CollectSettings, collected: Sequence[Collected]
) -> dict[str, str]:
    return {
        "task": task.name,
        "source": "collected",
        "policies": str(len(collected)),
        "policies_sha256": sha256(shipped),
        "episodes_per_band": str(settings.episodes_in_band(task.name)),
        "noise_std": str(settings.noise_std),
        "noise_seed": str(settings.seed),
        "cost_range_kept": f"0 to {task.maximum_cost:g}",
        "returns_kept": f"up to {settings.return_limit(task.name):g}",
        "episodes_kept": str(sum(len(item.kept) for item in collected)),
        "episodes_left_out": str(sum(item.left_out for item in collected)),
        **{f"version of {name}": value for name, value in versions().items()},
    }
