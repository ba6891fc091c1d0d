"""Rolls out a final policy or a reference and writes one row per episode.

Episode i of every method, seed and variant starts from the same environment seed (common random numbers).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import torch

from safemil.behavior.card import constrained_reference
from safemil.errors import UserError
from safemil.files import sha256
from safemil.methods.policy_file import read_policy
from safemil.protocol import BEHAVIOUR_REFERENCE, DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.records.episodes import write_episodes
from safemil.records.identity import policy_run_id, recorded_run_id, run_id
from safemil.reporting import StartReport, silent
from safemil.rollouts.settings import EvaluationSettings
from safemil.simulator.rollout import Episode, Noise, Policy, UniformNoise, ZeroPolicy, roll_out
from safemil.simulator.seeds import EVALUATION_SEEDS
from safemil.tasks import Task, get_task

# What is rolled out without a training: the shipped policy that its card names, and uniformly random actions.
REFERENCES = (BEHAVIOUR_REFERENCE, RANDOM_REFERENCE)


def _episodes(
    task: Task, policy: Policy, settings: EvaluationSettings, report: StartReport, noise: Noise | None = None
) -> list[Episode]:
    with report(settings.episodes, unit="episodes") as progress:
        return roll_out_first(
            task, policy, settings.episodes, settings, lambda done: progress.update(done, {}), noise
        )


def roll_out_first(
    task: Task,
    policy: Policy,
    n_episodes: int,
    settings: EvaluationSettings,
    on_episode: Callable[[int], None],
    noise: Noise | None = None,
) -> list[Episode]:
    """Roll a policy out on the first `n_episodes` environment seeds of the evaluation.

    Args:
        task: which task.
        policy: acts by its mean.
        n_episodes: one per environment seed.
        settings: how the simulator is run; their own number of episodes plays no part.
        on_episode: called with the number of episodes done.
        noise: added to the actions; none if left out.
    """
    torch.set_num_threads(1)
    return roll_out(
        task,
        policy,
        EVALUATION_SEEDS[:n_episodes],
        n_environments=settings.n_environments,
        noise=noise,
        fast=settings.fast_simulator,
        on_episode=on_episode,
        keep_transitions=False,
    )


def episode_rows(episodes: list[Episode], key: Mapping[str, str | int]) -> pd.DataFrame:
    """Return the rows of the table of episodes, given the columns that are the same in all of them."""
    return pd.DataFrame(
        {
            **key,
            "episode": i,
            "environment_seed": episode.environment_seed,
            "return": episode.episode_return,
            "cost": episode.episode_cost,
            "length": episode.length,
        }
        for i, episode in enumerate(episodes)
    )


def evaluate_policy(
    policy_path: Path,
    output: Path,
    settings: EvaluationSettings,
    *,
    source: str,
    key: dict[str, str | int],
    record: Path | None = None,
    report: StartReport = silent,
) -> None:
    """Roll out a trained policy by its mean action and write its episodes.

    Args:
        policy_path: a policy file.
        output: the table of episodes.
        settings: how many episodes.
        source: which data it was trained on, for the rows.
        key: task, method, variant and seed the policy must be of.
        record: run.json of the run, which has its id; a run without one is known by its policy file's digest.
        report: shows how far the rollout is.

    Raises:
        UserError: policy or record are of another run than `key` says, or cannot be read or rolled out.
    """
    policy, metadata = read_policy(policy_path)
    found: dict[str, str | int] = {
        name: getattr(metadata, name) for name in ("task", "method", "variant", "seed")
    }
    if found != key:
        raise UserError("the policy is of another run", expected=key, found=found, where=policy_path)
    whose = {**key, "source": source}
    identity = recorded_run_id(record, whose) if record else policy_run_id(whose, policy_path)
    episodes = _episodes(get_task(metadata.task), policy, settings, report)
    write_episodes(output, episode_rows(episodes, whose | {"step": metadata.steps, "run_id": identity}))


def evaluate_reference(
    reference: str,
    task: Task,
    shipped: Path | None,
    card: Path | None,
    output: Path,
    settings: EvaluationSettings,
    source: str,
    report: StartReport = silent,
) -> None:
    """Roll out the constrained behaviour policy or the uniformly random policy.

    Args:
        reference: `constrained_rl` or `random`.
        task: which task.
        shipped: the task's shipped behaviour policies; only for `constrained_rl`.
        card: names the one of them that is the constrained reference.
        output: the table of episodes.
        settings: how many episodes.
        source: for the rows.
        report: shows how far the rollout is.

    Raises:
        UserError: there is no such reference, or its policies are not given or not there.
    """
    if reference not in REFERENCES:
        raise UserError("unknown reference", expected=f"one of {', '.join(REFERENCES)}", found=reference)
    if reference == RANDOM_REFERENCE:
        episodes = _episodes(task, ZeroPolicy(task.action_size), settings, report, UniformNoise(seed=0))
    else:
        if shipped is None or card is None:
            raise UserError(f"{reference} is rolled out from the shipped policies and their card: name both")
        episodes = _episodes(task, constrained_reference(shipped, card), settings, report)
    key: dict[str, str | int] = {"method": reference, "variant": DEFAULT_VARIANT, "seed": 0}
    key |= {"task": task.name, "source": source}
    files = [sha256(path) for path in (shipped, card) if path]
    write_episodes(
        output, episode_rows(episodes, key | {"step": 0, "run_id": run_id(key | {"files": files})})
    )
