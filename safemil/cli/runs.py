"""Commands that make runs: train, roll out, score, gather, keep."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from safemil.cli.options import (
    CONFIG,
    METHOD,
    OUTPUT,
    PATH,
    RUN_DIRECTORY,
    SEED,
    TASK,
    TRAINING_DATA,
    VARIANT,
    progress,
)
from safemil.errors import UserError

if TYPE_CHECKING:
    from safemil.training.train import RunRequest

_AnyVariant = TypeVar("_AnyVariant")

commands = click.Group()


@commands.command()
@CONFIG
@TASK
@METHOD
@VARIANT
@SEED
@TRAINING_DATA
@RUN_DIRECTORY
def train(
    config_path: Path, task_name: str, method: str, variant: str, seed: int, data_path: Path, directory: Path
) -> None:
    """Train one learner, variant and seed; resumes where a killed run stopped."""
    from safemil.training.train import train as train_run

    request = _run_request(config_path, task_name, method, variant, seed)
    train_run(request, data_path, directory, progress(request.title))


@commands.command("train-oracle")
@CONFIG
@TASK
@METHOD
@VARIANT
@SEED
@TRAINING_DATA
@click.option("--labels", "labels_path", type=PATH, required=True, help="Oracle labels of that file.")
@RUN_DIRECTORY
def train_oracle(
    config_path: Path,
    task_name: str,
    method: str,
    variant: str,
    seed: int,
    data_path: Path,
    labels_path: Path,
    directory: Path,
) -> None:
    """Train one oracle, which is given the true labels; resumes where a killed run stopped."""
    from safemil.training.train_oracle import train_oracle as train_run

    request = _run_request(config_path, task_name, method, variant, seed)
    train_run(request, data_path, labels_path, directory, progress(request.title))


@commands.command()
@CONFIG
@TASK
@METHOD
@VARIANT
@SEED
@click.option("--policy", "policy_path", type=PATH, required=True, help="Policy file.")
@click.option(
    "--record", type=PATH, help="run.json of the run, for its id; without it, the policy file makes the id."
)
@OUTPUT
def evaluate(
    config_path: Path,
    task_name: str,
    method: str,
    variant: str,
    seed: int,
    policy_path: Path,
    record: Path | None,
    output: Path,
) -> None:
    """Roll out a trained policy by its mean action; writes one row per episode."""
    from safemil.plan.configuration import read_resolved
    from safemil.rollouts.evaluate import evaluate_policy

    config = read_resolved(config_path)
    key: dict[str, str | int] = {"task": task_name, "method": method, "variant": variant, "seed": seed}
    report = progress(f"evaluate {_title(key)}")
    evaluate_policy(
        policy_path, output, config.evaluation, source=config.source, key=key, record=record, report=report
    )


@commands.command("evaluate-reference")
@CONFIG
@TASK
@click.option("--reference", required=True, help="constrained_rl or random.")
@click.option("--policies", type=PATH, help="Shipped behaviour policies, for constrained_rl.")
@click.option("--card", type=PATH, help="Card of these policies.")
@OUTPUT
def evaluate_reference(
    config_path: Path,
    task_name: str,
    reference: str,
    policies: Path | None,
    card: Path | None,
    output: Path,
) -> None:
    """Roll out the constrained behaviour policy or the random policy."""
    from safemil.plan.configuration import read_resolved
    from safemil.rollouts.evaluate import evaluate_reference as roll_out_reference
    from safemil.tasks import get_task

    config = read_resolved(config_path)
    task = get_task(task_name)
    report = progress(f"evaluate {task.name} {reference}")
    roll_out_reference(reference, task, policies, card, output, config.evaluation, config.source, report)


@commands.command("evaluate-curve")
@CONFIG
@TASK
@METHOD
@VARIANT
@SEED
@click.option("--policies", "policies_path", type=PATH, required=True, help="Policies kept in training.")
@click.option("--record", type=PATH, required=True, help="run.json of the run.")
@OUTPUT
def evaluate_curve(
    config_path: Path,
    task_name: str,
    method: str,
    variant: str,
    seed: int,
    policies_path: Path,
    record: Path,
    output: Path,
) -> None:
    """Roll out the policies kept along a training; writes one row per policy and episode."""
    from safemil.plan.configuration import read_resolved
    from safemil.rollouts.evaluate_curve import evaluate_curve as evaluate_run

    config = read_resolved(config_path)
    key: dict[str, str | int] = {"task": task_name, "method": method, "variant": variant, "seed": seed}
    evaluate_run(
        policies_path,
        record,
        output,
        config.evaluation,
        source=config.source,
        key=key,
        report=progress(f"evaluate curve of {_title(key)}"),
    )


@commands.command("evaluate-cost")
@CONFIG
@TASK
@METHOD
@VARIANT
@SEED
@click.option("--data", type=PATH, required=True, help="Stripped training file of the run.")
@click.option("--policy", type=PATH, required=True, help="Policy file of the run.")
@click.option("--networks", type=PATH, required=True, help="Other networks of the run.")
@click.option("--record", type=PATH, required=True, help="run.json of the run.")
@click.option("--held-out", "held_out_path", type=PATH, required=True, help="Held-out trajectories.")
@OUTPUT
@click.option("--traces", type=PATH, required=True, help="CSV of two episodes to write.")
def evaluate_cost(
    config_path: Path,
    task_name: str,
    method: str,
    variant: str,
    seed: int,
    held_out_path: Path,
    output: Path,
    traces: Path,
    **files: Path,
) -> None:
    """Score the learned cost of a run on held-out trajectories."""
    from safemil.learned_cost.measure import evaluate_cost as evaluate_run
    from safemil.methods.registry import find_learner
    from safemil.plan.configuration import read_resolved
    from safemil.training.restore import RunFiles

    limit = read_resolved(config_path).evaluation.cost_limit
    run = RunFiles(files["data"], files["policy"], files["networks"], files["record"])
    key: dict[str, str | int] = {"task": task_name, "method": method, "variant": variant, "seed": seed}
    evaluate_run(run, find_learner(method), held_out_path, output, traces, key=key, cost_limit=limit)


@commands.command("accept-policy")
@CONFIG
@TASK
@METHOD
@VARIANT
@SEED
@click.option("--policy", "policy_path", type=PATH, required=True, help="Policy file that a program wrote.")
@OUTPUT
def accept_policy(
    config_path: Path, task_name: str, method: str, variant: str, seed: int, policy_path: Path, output: Path
) -> None:
    """Check a policy that a program of your own wrote, and record what is known of it."""
    from safemil.plan.configuration import read_resolved
    from safemil.rollouts.accept_policy import accept_policy as accept

    config = read_resolved(config_path)
    key: dict[str, str | int] = {"task": task_name, "method": method, "variant": variant, "seed": seed}
    settings = _configured(config.custom_methods, method, variant, config_path).settings
    accept(policy_path, output, source=config.source, key=key, settings=settings)


@commands.command()
@click.argument("name")
@click.argument("files", type=PATH, nargs=-1)
@CONFIG
@OUTPUT
def gather(name: str, files: tuple[Path, ...], config_path: Path, output: Path) -> None:
    """Put the rows of many runs into one table, such as episodes or runs, and check that none is missing.

    FILES are those of the runs that were made here; the rows of other runs are taken from what is kept.
    """
    from safemil.plan.configuration import read_resolved
    from safemil.plan.gathering import gather as gather_table
    from safemil.plan.rules import Plan

    gather_table(Plan(read_resolved(config_path)), name, files, output)


@commands.command()
@click.argument("table", type=PATH)
@click.option("--runs", type=PATH, help="Table of runs: joins what it knows to each row by the run's id.")
@OUTPUT
def export(table: Path, runs: Path | None, output: Path) -> None:
    """Write TABLE, episodes or runs in Parquet, as CSV; numbers as exact as they are."""
    from safemil.records.export import export_csv

    export_csv(table, output, runs)


def _title(key: Mapping[str, str | int]) -> str:
    return "{task} {method}/{variant} seed {seed}".format(**key)


def _configured(
    methods: Mapping[str, Mapping[str, _AnyVariant]], method: str, variant: str, where: Path
) -> _AnyVariant:
    if variant not in methods.get(method, {}):
        planned = [f"{name}/{each}" for name, variants in methods.items() for each in variants]
        raise UserError(
            "this variant is not configured",
            expected=f"one of {', '.join(planned)}",
            found=f"{method}/{variant}",
            where=where,
        )
    return methods[method][variant]


def _run_request(config_path: Path, task: str, method: str, variant: str, seed: int) -> "RunRequest":
    from safemil.plan.configuration import read_resolved
    from safemil.training.train import RunRequest

    config = read_resolved(config_path)
    settings, points = config.overrides_of(method, variant).settings, config.evaluation.curve_points
    training = config.training_of(task, method, variant)
    return RunRequest(task, method, variant, seed, settings, training, points)
