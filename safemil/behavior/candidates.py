"""Trains runs that do not ship yet and judges their snapshots: `python -m safemil.behavior.candidates`.

A snapshot is judged on episodes under the collecting noise, and by its mean action on other episodes: the
environment seeds of both are choosing's own, beyond those `ship.py` uses.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from safemil.behavior.collect_settings import CollectSettings
from safemil.behavior.settings import behavior_runs
from safemil.behavior.snapshots import Snapshot, read_snapshots, write_snapshots
from safemil.errors import UserError
from safemil.files import write_text
from safemil.simulator.rollout import ActionNoise, roll_out
from safemil.simulator.seeds import SELECTION_SEEDS
from safemil.tasks import Task, get_task

# Episodes under noise begin here within the range, those by the mean action there: neither meets `ship.py`'s.
FIRST_NOISY, FIRST_MEAN = 10_000, 20_000


@dataclass(frozen=True)
class Verdict:
    """A snapshot on a number of episodes.

    Attributes:
        policy: the snapshot's name.
        acting: `noise` for the collecting noise, `mean` for the mean action.
        episodes: how many.
        mean_return: over the episodes.
        return_error: standard error of that mean.
        mean_cost: over the episodes.
        cost_error: standard error of that mean.
        within_limit: share of the episodes with cost <= 25.
    """

    policy: str
    acting: str
    episodes: int
    mean_return: float
    return_error: float
    mean_cost: float
    cost_error: float
    within_limit: float


def judge_snapshot(task: Task, snapshot: Snapshot, n_episodes: int, *, noisy: bool) -> Verdict:
    """Roll a snapshot out, under the collecting noise or by its mean action, and average.

    Raises:
        UserError: fewer than two episodes, from which no standard error follows.
    """
    if n_episodes < 2:
        raise UserError("too few episodes to judge by", expected="at least 2", found=n_episodes)
    first = FIRST_NOISY if noisy else FIRST_MEAN
    noise = ActionNoise(CollectSettings().noise_std, seed=0) if noisy else None
    seeds = SELECTION_SEEDS[first : first + n_episodes]
    episodes = roll_out(task, snapshot, seeds, noise=noise, keep_transitions=False)
    returns = np.array([episode.episode_return for episode in episodes])
    costs = np.array([episode.episode_cost for episode in episodes])
    root = np.sqrt(n_episodes)
    return Verdict(
        policy=snapshot.name,
        acting="noise" if noisy else "mean",
        episodes=n_episodes,
        mean_return=round(float(returns.mean()), 3),
        return_error=round(float(returns.std(ddof=1) / root), 3),
        mean_cost=round(float(costs.mean()), 3),
        cost_error=round(float(costs.std(ddof=1) / root), 3),
        within_limit=round(float((costs <= 25).mean()), 3),
    )


def write_verdicts(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write verdicts to a CSV file; those it holds already stay unless the same policy is judged anew."""
    known: dict[tuple[str, str], dict[str, object]] = {}
    if path.is_file():
        with path.open(newline="") as table:
            known = {(row["policy"], row["acting"]): dict(row) for row in csv.DictReader(table)}
    known.update({(verdict.policy, verdict.acting): asdict(verdict) for verdict in verdicts})
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Verdict.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(known[key] for key in sorted(known))
    write_text(path, text.getvalue())


@click.group()
def main() -> None:
    """Behaviour runs that do not ship yet."""


@main.command("behavior-train")
@click.option("--task", required=True)
@click.option("--run", "run_name", required=True, help="Run of config/behavior.yaml marked `candidate`.")
@click.option("--directory", type=click.Path(path_type=Path), required=True)
def train(task: str, run_name: str, directory: Path) -> None:
    """Train one candidate run, or go on with a killed one."""
    from safemil.behavior.ppo import train_behavior

    runs = behavior_runs(task, candidates=True)
    if run_name not in runs:
        raise UserError("unknown candidate run", expected=f"one of {', '.join(runs)}", found=run_name)
    train_behavior(runs[run_name], directory)


@main.command("behavior-judge")
@click.option("--task", required=True)
@click.option("--snapshots", type=click.Path(path_type=Path), required=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="CSV file, added to.")
@click.option("--episodes", default=20, show_default=True)
@click.option("--mean-action", is_flag=True, help="By the mean action, on other episodes.")
@click.option("--step", "steps", type=int, multiple=True, help="Only these snapshots; all if left out.")
def judge(
    task: str, snapshots: Path, output: Path, episodes: int, mean_action: bool, steps: tuple[int, ...]
) -> None:
    """Judge the snapshots of one file."""
    for snapshot in read_snapshots(snapshots):
        if steps and snapshot.step not in steps:
            continue
        verdict = judge_snapshot(get_task(task), snapshot, episodes, noisy=not mean_action)
        write_verdicts(output, [verdict])
        click.echo(f"{verdict.policy} {verdict.mean_return:.1f} at {verdict.mean_cost:.1f}")


@main.command("behavior-keep")
@click.option("--snapshots", type=click.Path(path_type=Path), required=True)
@click.option("--step", "steps", type=int, multiple=True, required=True)
@click.option("--output", type=click.Path(path_type=Path), required=True)
def keep(snapshots: Path, steps: tuple[int, ...], output: Path) -> None:
    """Copy some snapshots of a run to a file of their own."""
    kept = [snapshot for snapshot in read_snapshots(snapshots) if snapshot.step in steps]
    if len(kept) < len(steps):
        found = [snapshot.step for snapshot in kept]
        raise UserError("not all of these snapshots are there", expected=steps, found=found, where=snapshots)
    write_snapshots(output, kept)


if __name__ == "__main__":
    main()
