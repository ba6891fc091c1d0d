"""Rolls out the policies kept along one training: the points of its learning curve, one row per episode.

All of them are rolled out on the first environment seeds of the evaluation, so that the last point's episodes
are the first ones of the final policy's.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from safemil.errors import UserError
from safemil.methods.curve_file import CurvePolicies, read_curve_policies
from safemil.records.episodes import write_episodes
from safemil.records.identity import recorded_run_id
from safemil.reporting import Report, StartReport, silent
from safemil.rollouts.evaluate import episode_rows, roll_out_first
from safemil.rollouts.settings import EvaluationSettings
from safemil.tasks import get_task


def evaluate_curve(
    policies_path: Path,
    record: Path,
    output: Path,
    settings: EvaluationSettings,
    *,
    source: str,
    key: dict[str, str | int],
    report: StartReport = silent,
) -> None:
    """Roll out every kept policy of a run by its mean action and write the episodes of all.

    Args:
        policies_path: the kept policies.
        record: run.json of the run.
        output: the table of episodes; column `step` says which policy a row is of.
        settings: how many episodes.
        source: which data the run was trained on, for the rows.
        key: task, method, variant and seed the policies must be of.
        report: shows how far the rollouts are.

    Raises:
        UserError: policies or record are of another run than `key` says, or of different trainings, or cannot
            be read or rolled out.
    """
    kept = read_curve_policies(policies_path)
    whose = {**key, "source": source}
    identity = recorded_run_id(record, whose)
    _check_same_run(kept, key, identity, policies_path)
    task, n_episodes = get_task(kept.metadata.task), settings.curve_episodes
    rows = []
    with report(n_episodes * len(kept.policies), unit="episodes") as progress:
        for point, (step, policy) in enumerate(kept.policies.items()):
            count = partial(_report, progress, point * n_episodes)
            episodes = roll_out_first(task, policy, n_episodes, settings, count)
            rows.append(episode_rows(episodes, whose | {"step": step, "run_id": identity}))
    write_episodes(output, pd.concat(rows, ignore_index=True))


def _report(progress: Report, before: int, done: int) -> None:
    progress.update(before + done, {})


def _check_same_run(kept: CurvePolicies, key: Mapping[str, str | int], identity: str, where: Path) -> None:
    found: dict[str, str | int] = {name: getattr(kept.metadata, name) for name in key}
    if (found, kept.run_id) != (dict(key), identity):
        raise UserError(
            "the kept policies are of another run",
            expected=f"{dict(key)}, run id {identity}",
            found=f"{found}, run id {kept.run_id}",
            where=where,
            hint="train the run again: policies and record must be of one training",
        )
