"""The command line: one thin command per rule of the workflow, each of which a person can paste.

Heavy imports happen inside the commands, so that `safemil --help` is quick.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from safemil.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from safemil.plan.configuration import Config
    from safemil.records.expected import ExpectedRun
    from safemil.training.train import RunRequest

PATH = click.Path(path_type=Path)
CONFIG = click.option(
    "--config", "config_path", type=PATH, required=True, help="Resolved configuration (JSON)."
)
TASK = click.option("--task", "task_name", required=True, help="Task id, e.g. swimmer_velocity.")
SHIPPED = click.option(
    "--policies", type=PATH, required=True, help="Shipped behaviour policies (safetensors)."
)
OUTPUT = click.option("--output", type=PATH, required=True, help="File to write.")
METHOD = click.option("--method", required=True, help="Method name, or the dotted path of a module.")
VARIANT = click.option("--variant", default="default", show_default=True, help="Variant of the method.")
SEED = click.option("--seed", type=int, required=True, help="Training seed.")
TRAINING_DATA = click.option("--data", "data_path", type=PATH, required=True, help="Stripped training file.")
CURVES = click.option("--curves", type=PATH, required=True, help="Episodes of all learning curves.")
EPISODES = click.option("--episodes", type=PATH, required=True, help="All episodes of final policies.")
SPLIT = click.option(
    "--split", "split_name", default="default", show_default=True, help="Variant whose split it is."
)
_AnyVariant = TypeVar("_AnyVariant")
RUN_DIRECTORY = click.option("--directory", type=PATH, required=True, help="Folder of the run's outputs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """SafeMIL benchmark: collect, split, train, evaluate, tabulate, draw."""


@cli.command()
@click.argument("config_file", type=PATH)
@OUTPUT
def resolve(config_file: Path, output: Path) -> None:
    """Check CONFIG_FILE (YAML) and write it with every default filled in."""
    import yaml

    from safemil.plan.configuration import parse_config, write_resolved

    if not config_file.is_file():
        raise UserError(
            "no configuration here", expected="a YAML file", found="no such file", where=config_file
        )
    raw = yaml.safe_load(config_file.read_text())
    write_resolved(parse_config(raw, config_file, check_methods=True), output)


@cli.command()
@OUTPUT
def schema(output: Path) -> None:
    """Write the JSON schema of the configuration."""
    from safemil.files import write_text
    from safemil.plan.configuration import schema_text

    write_text(output, schema_text())


@cli.command("behavior-train")
@TASK
@click.option("--run", "run_name", required=True, help="Run of config/behavior.yaml, e.g. fixed0.5_seed1.")
@click.option("--directory", type=PATH, required=True, help="Keeps checkpoint and snapshots.")
def behavior_train(task_name: str, run_name: str, directory: Path) -> None:
    """Train one behaviour run, or go on with a killed one."""
    from safemil.behavior.ppo import train_behavior
    from safemil.behavior.settings import behavior_runs

    runs = behavior_runs(task_name)
    if run_name not in runs:
        raise UserError("unknown behaviour run", expected=f"one of {', '.join(runs)}", found=run_name)
    train_behavior(runs[run_name], directory)


@cli.command("behavior-ship")
@TASK
@click.option("--snapshots", type=PATH, multiple=True, required=True, help="Snapshots of one run; repeat.")
@OUTPUT
@click.option("--card", type=PATH, required=True, help="JSON card to write.")
def behavior_ship(task_name: str, snapshots: tuple[Path, ...], output: Path, card: Path) -> None:
    """Judge the snapshots of a task's runs and write those that ship, with their card."""
    from safemil.behavior.settings import load_behavior
    from safemil.behavior.ship import ship
    from safemil.tasks import get_task

    ship(get_task(task_name), load_behavior()[task_name], snapshots, output, card)


@cli.command()
@TASK
@SHIPPED
@click.option("--policies-card", type=PATH, required=True, help="Card of the shipped policies.")
@click.option("--episodes-per-band", type=int, help="Episodes in each cost band.")
@click.option("--more-episodes", type=float, help="Factor on them.")
@click.option("--highest-return", type=float, help="Episodes that return more are left out.")
@click.option("--noise-std", type=float, help="Standard deviation of the action noise.")
@click.option("--seed", type=int, help="Seed of the action noise.")
@click.option("--n-environments", type=int, help="Environments stepped together.")
@click.option("--fast-simulator", type=bool, help="False for the stock simulator.")
@OUTPUT
@click.option("--card", "card_directory", type=PATH, required=True, help="Folder for the data card.")
def collect(
    task_name: str,
    policies: Path,
    policies_card: Path,
    output: Path,
    card_directory: Path,
    **settings: int | float | None,
) -> None:
    """Roll the shipped behaviour policies out into a file in DSRL's form.

    Settings that are left out have the defaults of the configuration.
    """
    from safemil.behavior.collect import collect as collect_source
    from safemil.behavior.collect_settings import CollectSettings
    from safemil.tasks import get_task

    given: dict[str, object] = {name: value for name, value in settings.items() if value is not None}
    # These two are by task in the configuration; one that is given replaces the defaults of all tasks.
    given |= {name: {task_name: given[name]} for name in ("more_episodes", "highest_return") if name in given}
    chosen = CollectSettings.model_validate(given)
    collect_source(get_task(task_name), policies, policies_card, chosen, output, card_directory)


@cli.command()
@TASK
@click.option("--output", type=PATH, required=True, help="Where the file, or a link to it, appears.")
@click.option("--table", type=PATH, help="Table of files instead of config/dsrl_files.tsv.")
@click.option(
    "--dataset-directory",
    type=PATH,
    envvar="DSRL_DATASET_DIR",
    show_envvar=True,
    help="Folder to look in first; a file found there is linked, not copied.",
)
@click.option("--retries", type=click.IntRange(min=0), help="Further tries after one that got nowhere.")
def download(
    task_name: str, output: Path, table: Path | None, dataset_directory: Path | None, retries: int | None
) -> None:
    """Put the published DSRL file of a task in place, checked; resumes where a download was cut off."""
    from safemil.data.download import DEFAULT_RETRIES, Downloader
    from safemil.data.dsrl_table import DSRL_TABLE, published_file
    from safemil.data.published import provide
    from safemil.progress import Progress
    from safemil.tasks import get_task

    task = get_task(task_name)
    published = published_file(task.dsrl_file, table or DSRL_TABLE)
    downloader = Downloader(Progress, DEFAULT_RETRIES if retries is None else retries)
    provide(task, published, output, downloader, dataset_directory=dataset_directory)


@cli.command()
@CONFIG
@TASK
@click.option("--data", "data_path", type=PATH, required=True, help="Labelled HDF5 file in DSRL's form.")
@SPLIT
@click.option("--training", "training_path", type=PATH, required=True, help="Stripped file to write.")
@click.option("--labels", "labels_path", type=PATH, required=True, help="Oracle labels to write.")
@click.option("--card", "card_directory", type=PATH, required=True, help="Folder for the data card.")
def split(
    config_path: Path,
    task_name: str,
    data_path: Path,
    split_name: str,
    training_path: Path,
    labels_path: Path,
    card_directory: Path,
) -> None:
    """Filter, draw D_N and D_U, and strip the labels off."""
    from safemil.data.prepare import prepare
    from safemil.plan.configuration import read_resolved
    from safemil.tasks import get_task

    config = read_resolved(config_path)
    prepare(
        get_task(task_name),
        config.source,
        data_path,
        config.split_settings(split_name),
        training_path=training_path,
        labels_path=labels_path,
        card_directory=card_directory,
    )


@cli.command("data-overview")
@CONFIG
@OUTPUT
def data_overview(config_path: Path, output: Path) -> None:
    """Compare the collected data of every task with what they were to reach."""
    from safemil import paths
    from safemil.plan.configuration import read_resolved
    from safemil.plan.kept import find_kept_runs
    from safemil.plan.rules import Plan
    from safemil.tables.data_overview import TaskFiles, write_overview

    plan = Plan(read_resolved(config_path))
    kept = find_kept_runs(plan)

    def card(template: str, task: str) -> Path:
        (file,) = kept.data_files([plan.path(template, task=task, split="default", extension="json")])
        return Path(file)

    def files_of(task: str) -> TaskFiles:
        return TaskFiles(
            behavior_card=Path(paths.SHIPPED_CARD.format(task=task)),
            policies=Path(paths.SHIPPED_POLICIES.format(task=task)),
            source_card=card(paths.COLLECTED_CARD, task),
            collecting=card(paths.COLLECTING_BENCHMARK, task),
            split_card=card(paths.DATA_CARD, task),
        )

    write_overview([(task, files_of(task)) for task in plan.config.tasks], output)


@cli.command("table-policy-share")
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for policy_share.csv and .md.")
def table_policy_share(config_path: Path, directory: Path) -> None:
    """Say how much of an episode's cost the policy that acted explains, for each task of collected data."""
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.tables.policy_share import write_policy_share_table
    from safemil.tasks import get_task

    plan = Plan(read_resolved(config_path))
    files = {get_task(task): Path(plan.source_data(task)) for task in plan.config.tasks}
    write_policy_share_table(files, plan.config.split, directory, run_name=plan.config.run_name)


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


@cli.command()
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

    train_run(_run_request(config_path, task_name, method, variant, seed), data_path, directory)


@cli.command("train-oracle")
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
    train_run(request, data_path, labels_path, directory)


@cli.command()
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
    evaluate_policy(policy_path, output, config.evaluation, source=config.source, key=key, record=record)


@cli.command("accept-policy")
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


@cli.command("evaluate-reference")
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
    roll_out_reference(reference, task, policies, card, output, config.evaluation, config.source)


@cli.command()
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--config", "config_path", type=PATH, help="Resolved configuration: ask for exactly its runs.")
@click.option("--ablation", help="With --config: ask for the runs of this ablation instead.")
@click.option("--curves", is_flag=True, help="With --config: ask for its learning curves instead.")
@OUTPUT
def gather(
    files: tuple[Path, ...], config_path: Path | None, ablation: str | None, curves: bool, output: Path
) -> None:
    """Put the episode tables FILES into one, after checking that they are comparable and complete."""
    from safemil.plan.configuration import read_resolved
    from safemil.records.completeness import check_complete
    from safemil.records.episodes import gather as gather_files
    from safemil.records.episodes import write_episodes

    if (config_path is None and (ablation or curves)) or (ablation and curves):
        raise click.UsageError("--ablation and --curves exclude each other and need --config")
    expected = _expected_runs(read_resolved(config_path), ablation, curves) if config_path else None
    episodes = gather_files(files)
    if expected is not None:
        check_complete(episodes, expected)
    write_episodes(output, episodes)


def _expected_runs(config: "Config", ablation: str | None, curves: bool) -> "list[ExpectedRun]":
    """Return the runs of the configuration, of one of its ablations, or of its learning curves."""
    from safemil.plan.rules import Plan

    plan = Plan(config)
    if curves:
        return plan.expected_curve_runs()
    return plan.expected_ablation_runs(ablation) if ablation else plan.expected_runs()


def _all_episodes(
    path: Path, config: "Config", *, ablation: str | None = None, curves: bool = False
) -> "pd.DataFrame":
    """Read a table of episodes and check that it is the configuration's, as `gather` does."""
    from safemil.records.completeness import check_complete
    from safemil.records.episodes import read_episodes

    episodes = read_episodes(path)
    check_complete(episodes, _expected_runs(config, ablation, curves))
    return episodes


@cli.command()
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for main.csv, main.md, main.tex.")
def table(config_path: Path, episodes: Path, directory: Path) -> None:
    """Compute the main table."""
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.main_table import make_main_table
    from safemil.statistics.scores import reference_notes
    from safemil.tables.captions import custom_method_notes
    from safemil.tables.main import write_main_table

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = make_main_table(_all_episodes(episodes, config), config.evaluation)
    notes = reference_notes(scores, cost_limit=limit) + custom_method_notes(config.custom_methods)
    write_main_table(scores, directory, run_name=config.run_name, notes=notes, cost_limit=limit)


@cli.command("table-per-task")
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for per_task.csv, .md and .tex.")
def table_per_task(config_path: Path, episodes: Path, directory: Path) -> None:
    """Compute the main table with tasks across: one grid per score."""
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.main_table import make_main_table
    from safemil.statistics.scores import reference_notes
    from safemil.tables.captions import custom_method_notes
    from safemil.tables.per_task import write_per_task_table

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = make_main_table(_all_episodes(episodes, config), config.evaluation)
    notes = reference_notes(scores, cost_limit=limit) + custom_method_notes(config.custom_methods)
    write_per_task_table(scores, directory, run_name=config.run_name, notes=notes, cost_limit=limit)


@cli.command("table-separability")
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for separability.csv, .md and .tex.")
@click.argument("cards", nargs=-1, type=PATH)
def table_separability(config_path: Path, episodes: Path, directory: Path, cards: tuple[Path, ...]) -> None:
    """Set the cost that each learner avoids beside the separability of the data, from their CARDS."""
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.statistics.scores import seed_scores
    from safemil.tables.separability import (
        read_separability,
        separability_table,
        write_separability_table,
    )

    config = read_resolved(config_path)
    rows = _all_episodes(episodes, config)
    seeds = seed_scores(rows[rows["task"].isin(Plan(config).bounded_tasks())])
    table = separability_table(
        seeds,
        read_separability(cards),
        n_resamples=config.evaluation.bootstrap_resamples,
        bootstrap_seed=config.evaluation.bootstrap_seed,
    )
    write_separability_table(table, directory, run_name=config.run_name)


@cli.command("table-selection")
@CONFIG
@click.option(
    "--separability", type=PATH, required=True, help="separability.csv, which has the cost avoided."
)
@click.option("--directory", type=PATH, required=True, help="Folder for selection.csv, .md and .tex.")
def table_selection(config_path: Path, separability: Path, directory: Path) -> None:
    """Set what each method has learned, and what its weights leave, beside the cost that it avoids."""
    from safemil import paths
    from safemil.learned_cost.rows import gather_rows
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.tables.selection import last_shares, selection_table, write_selection_table
    from safemil.tables.separability import read_separability_table

    plan = Plan(read_resolved(config_path))
    runs = plan.selection_runs()
    keys = [(str(run["task"]), str(run["method"]), int(run["seed"])) for run in runs]
    logs = dict(zip(keys, map(Path, plan.paths(paths.TRAINING_LOG, runs)), strict=True))
    learned = gather_rows(map(Path, plan.paths(paths.LEARNED_COST, runs)))
    table = selection_table(read_separability_table(separability), learned, last_shares(logs))
    write_selection_table(table, directory, run_name=plan.config.run_name)


@cli.command("table-aggregate")
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for aggregate.csv, .md and .tex.")
def table_aggregate(config_path: Path, episodes: Path, directory: Path) -> None:
    """Compute the statistics over all tasks."""
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.over_tasks import aggregate_table, cells_of, left_out
    from safemil.statistics.scores import relative_seed_scores
    from safemil.tables.aggregate import write_aggregate_table
    from safemil.tables.captions import custom_method_notes

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = relative_seed_scores(_all_episodes(episodes, config), cost_limit=limit)
    statistics = aggregate_table(scores, config.evaluation)
    notes = left_out(scores) + custom_method_notes(config.custom_methods)
    cells = cells_of(scores)
    write_aggregate_table(
        statistics, cells, directory, run_name=config.run_name, notes=notes, cost_limit=limit
    )


@cli.command()
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--learned-cost", type=PATH, help="learned_cost.csv of `safemil table-learned-cost`.")
@click.option("--theory", type=PATH, help="theory.csv of `safemil theory`.")
@click.option(
    "--ablation",
    "ablations",
    type=(str, PATH, PATH),
    multiple=True,
    help="Name (k, h or weighting), its table (CSV) and its episodes; repeat.",
)
@click.option("--directory", type=PATH, required=True, help="Folder for claims.md and claims.json.")
def claims(
    config_path: Path,
    episodes: Path,
    learned_cost: Path | None,
    theory: Path | None,
    ablations: tuple[tuple[str, Path, Path], ...],
    directory: Path,
) -> None:
    """Decide the paper's claims; what is not given makes claims `not measured`."""
    from safemil.claims.inputs import ClaimInputs, SeedScores, Table, read_ablation
    from safemil.claims.parts import Judge
    from safemil.claims.report import write_claims
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.learned_cost import read_learned_cost_table
    from safemil.statistics.scores import relative_seed_scores
    from safemil.theory.table import read_theory_table

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = relative_seed_scores(_all_episodes(episodes, config), cost_limit=limit)
    for name, _, rows in ablations:
        _all_episodes(rows, config, ablation=name)
    inputs = ClaimInputs(
        SeedScores(episodes.as_posix(), scores),
        Table(learned_cost.as_posix(), read_learned_cost_table(learned_cost)) if learned_cost else None,
        Table(theory.as_posix(), read_theory_table(theory)) if theory else None,
        {name: read_ablation(name, table, rows, episodes, limit) for name, table, rows in ablations},
    )
    write_claims(inputs, Judge(config.claims, config.evaluation), directory, config.run_name)


@cli.command()
@CONFIG
@click.argument("name", type=click.Choice(["main", "plane", "profiles"]))
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for NAME.png, NAME.pdf, NAME.csv.")
def figure(config_path: Path, name: str, episodes: Path, directory: Path) -> None:
    """Draw the figure NAME."""
    from safemil.figures.main_comparison import main_comparison
    from safemil.figures.plane import plane
    from safemil.figures.profiles import profiles_figure
    from safemil.figures.style import save_figure
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.main_table import make_main_table
    from safemil.statistics.over_tasks import cells_of
    from safemil.statistics.profiles import performance_profiles
    from safemil.statistics.scores import relative_seed_scores

    config = read_resolved(config_path)
    settings, rows = config.evaluation, _all_episodes(episodes, config)
    if name == "profiles":
        seeds = relative_seed_scores(rows, cost_limit=settings.cost_limit)
        drawn, plotted = profiles_figure(performance_profiles(seeds, settings), cells_of(seeds))
    else:
        draw = {"main": main_comparison, "plane": plane}[name]
        drawn, plotted = draw(rows, make_main_table(rows, settings), cost_limit=settings.cost_limit)
    save_figure(drawn, plotted, directory / name)


@cli.command()
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for main.*, per_task.*, runs.csv.")
@click.option("--figures", type=PATH, required=True, help="Folder for main.* and plane.* as figures.")
def partial(config_path: Path, directory: Path, figures: Path) -> None:
    """Make the main tables and figures of the runs that are finished so far."""
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.report.partial import make_partial

    for path in make_partial(Plan(read_resolved(config_path)), directory, figures):
        click.echo(path)


@cli.command("table-ablation")
@click.argument("name")
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes of the ablation.")
@click.option("--directory", type=PATH, required=True, help="Folder for ablation_NAME.csv, .md and .tex.")
def table_ablation(name: str, config_path: Path, episodes: Path, directory: Path) -> None:
    """Compute the scores at every point of the ablation NAME."""
    from safemil.plan.ablation_cells import ablation_runs
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.main_table import make_main_table
    from safemil.tables.ablation import ablation_table, write_ablation_table

    config = read_resolved(config_path)
    runs, limit = ablation_runs(config, name), config.evaluation.cost_limit
    rows = _all_episodes(episodes, config, ablation=name)
    scores = ablation_table(make_main_table(rows, config.evaluation), runs.points, runs.tasks)
    run_name = config.run_name
    write_ablation_table(scores, directory, name, runs.ablation, run_name=run_name, cost_limit=limit)


@cli.command("figure-ablation")
@click.argument("name")
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes of the ablation.")
@click.option("--directory", type=PATH, required=True, help="Folder for ablation_NAME.png, .pdf and .csv.")
def figure_ablation(name: str, config_path: Path, episodes: Path, directory: Path) -> None:
    """Draw the ablation NAME."""
    from safemil.figures.ablation import ablation_figure
    from safemil.figures.style import save_figure
    from safemil.plan.ablation_cells import ablation_runs
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.main_table import make_main_table
    from safemil.tables.ablation import ablation_table

    config = read_resolved(config_path)
    runs, rows = ablation_runs(config, name), _all_episodes(episodes, config, ablation=name)
    scores = make_main_table(rows, config.evaluation)
    table = ablation_table(scores, runs.points, runs.tasks)
    limit = config.evaluation.cost_limit
    drawn, plotted = ablation_figure(rows, table, scores, runs.ablation, cost_limit=limit)
    save_figure(drawn, plotted, directory / f"ablation_{name}")


@cli.command()
@CONFIG
@click.option("--origin", required=True, help="What decided the numbers, as JSON.")
@OUTPUT
@click.argument("files", nargs=-1, required=True)
def keep(config_path: Path, origin: str, output: Path, files: tuple[str, ...]) -> None:
    """Copy FILES of a finished run to those that are kept, with their origin."""
    from safemil.plan import kept as kept_runs
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan

    kept_runs.keep(Plan(read_resolved(config_path)), files, origin, output)


@cli.command("take-up")
@CONFIG
@click.option("--digest", help="Of what is to be taken up; something else is an error.")
def take_up(config_path: Path, digest: str | None) -> None:
    """Bring back the kept runs that the configuration asks for and that were not made here."""
    from safemil.plan import kept as kept_runs
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan

    kept = kept_runs.find_kept_runs(Plan(read_resolved(config_path)))
    if digest not in (None, kept.digest()):
        raise UserError(
            "the kept runs are not those that were planned",
            expected=digest,
            found=kept.digest(),
            hint="they changed meanwhile, start again",
        )
    kept_runs.take_up(kept.plan, kept.files())
    click.echo(f"{len(kept.taken)} runs are taken up")


@cli.command()
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for fairness.csv, .md and .tex.")
def fairness(config_path: Path, directory: Path) -> None:
    """Compute the table of what every method was given, from the records of all configured runs."""
    from safemil import paths
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.records.finished import check_records
    from safemil.records.training_records import read_peak_memory, read_run_record, record_frame
    from safemil.tables.fairness import write_fairness_table

    plan = Plan(read_resolved(config_path))
    check_records(plan.wanted_runs())
    runs = plan.method_runs()
    files = zip(plan.paths(paths.RUN_RECORD, runs), plan.paths(paths.TRAINING_BENCHMARK, runs), strict=True)
    records = [(read_run_record(Path(run)), read_peak_memory(Path(benchmark))) for run, benchmark in files]
    write_fairness_table(record_frame(records), directory, plan.config.run_name)


@cli.command()
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for theory.csv and theory.md.")
def theory(config_path: Path, directory: Path) -> None:
    """Check Lemma 1 and Theorem 1 by drawing bags."""
    from safemil.plan.configuration import read_resolved
    from safemil.theory.table import write_theory_table

    config = read_resolved(config_path)
    write_theory_table(config.theory, directory, config.run_name)


@cli.command("figure-theory")
@click.option("--table", "table_path", type=PATH, required=True, help="theory.csv of `safemil theory`.")
@click.option("--directory", type=PATH, required=True, help="Folder for theory.png, .pdf and .csv.")
def figure_theory(table_path: Path, directory: Path) -> None:
    """Draw the check of Lemma 1 and Theorem 1."""
    from safemil.figures.style import save_figure
    from safemil.figures.theory import theory_figure
    from safemil.theory.table import read_theory_table

    drawn, plotted = theory_figure(read_theory_table(table_path))
    save_figure(drawn, plotted, directory / "theory")


@cli.command("held-out")
@CONFIG
@TASK
@click.option("--data", "data_path", type=PATH, required=True, help="Labelled file the split was drawn from.")
@click.option("--labels", "labels_path", type=PATH, required=True, help="Oracle labels of the split.")
@OUTPUT
def held_out(config_path: Path, task_name: str, data_path: Path, labels_path: Path, output: Path) -> None:
    """Draw trajectories that are neither in D_N nor in D_U, to judge learned costs on."""
    from safemil.data.held_out import hold_out
    from safemil.plan.configuration import read_resolved
    from safemil.tasks import get_task

    config = read_resolved(config_path)
    hold_out(get_task(task_name), config.source, data_path, labels_path, config.split, output)


@cli.command("evaluate-cost")
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
    from safemil.plan.configuration import read_resolved
    from safemil.training.restore import RunFiles

    limit = read_resolved(config_path).evaluation.cost_limit
    run = RunFiles(files["data"], files["policy"], files["networks"], files["record"])
    key: dict[str, str | int] = {"task": task_name, "method": method, "variant": variant, "seed": seed}
    evaluate_run(run, held_out_path, output, traces, key=key, cost_limit=limit)


@cli.command("table-learned-cost")
@CONFIG
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--directory", type=PATH, required=True, help="Folder for learned_cost.csv, .md and .tex.")
def table_learned_cost(config_path: Path, files: tuple[Path, ...], directory: Path) -> None:
    """Compute the table of learned costs from the scores FILES."""
    from safemil.learned_cost.rows import gather_rows
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.records.completeness import check_learned_costs
    from safemil.statistics.learned_cost import learned_cost_table
    from safemil.tables.learned_cost import write_learned_cost_table

    config = read_resolved(config_path)
    settings, rows = config.evaluation, gather_rows(files)
    check_learned_costs(rows, Plan(config).expected_cost_runs())
    means = learned_cost_table(
        rows, n_resamples=settings.bootstrap_resamples, bootstrap_seed=settings.bootstrap_seed
    )
    write_learned_cost_table(means, directory, run_name=config.run_name, cost_limit=settings.cost_limit)


@cli.command("figure-learned-cost")
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--directory", type=PATH, required=True, help="Folder for learned_cost.png, .pdf and .csv.")
def figure_learned_cost(files: tuple[Path, ...], directory: Path) -> None:
    """Draw learned and true costs along the episodes in the traces FILES."""
    from safemil.figures.learned_cost import learned_cost_figure
    from safemil.figures.style import save_figure
    from safemil.learned_cost.rows import gather_traces

    drawn, plotted = learned_cost_figure(gather_traces(files))
    save_figure(drawn, plotted, directory / "learned_cost")


@cli.command("evaluate-curve")
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
    evaluate_run(policies_path, record, output, config.evaluation, source=config.source, key=key)


@cli.command("table-learning-curves")
@CONFIG
@CURVES
@EPISODES
@click.option("--directory", type=PATH, required=True, help="Folder for learning_curves.csv and .md.")
def table_learning_curves(config_path: Path, curves: Path, episodes: Path, directory: Path) -> None:
    """Say which learning curves have levelled off."""
    from safemil.plan.configuration import read_resolved
    from safemil.statistics.levelling import levelling_over_tasks, levelling_table
    from safemil.tables.learning_curves import write_learning_curves_table

    config = read_resolved(config_path)
    points, finals = _all_episodes(curves, config, curves=True), _all_episodes(episodes, config)
    settings = config.evaluation
    table = levelling_table(points, finals, settings)
    over_tasks = levelling_over_tasks(points, finals, settings)
    write_learning_curves_table(table, over_tasks, directory, run_name=config.run_name, settings=settings)


@cli.command("figure-learning-curves")
@CONFIG
@CURVES
@EPISODES
@click.option("--directory", type=PATH, required=True, help="Folder for learning_curves.png, .pdf and .csv.")
def figure_learning_curves(config_path: Path, curves: Path, episodes: Path, directory: Path) -> None:
    """Draw return and cost over the steps of the training."""
    from safemil.figures.learning_curves import learning_curves
    from safemil.figures.style import save_figure
    from safemil.plan.configuration import read_resolved

    config = read_resolved(config_path)
    points, finals = _all_episodes(curves, config, curves=True), _all_episodes(episodes, config)
    drawn, plotted = learning_curves(points, finals, config.evaluation)
    save_figure(drawn, plotted, directory / "learning_curves")


@cli.command("gather-runs")
@click.argument("records", type=PATH, nargs=-1, required=True)
@click.option("--config", "config_path", type=PATH, help="Resolved configuration whose runs they must be.")
@OUTPUT
def gather_runs(records: tuple[Path, ...], config_path: Path | None, output: Path) -> None:
    """Put what the run.json RECORDS say into one table, a row per run."""
    from safemil.plan.configuration import read_resolved
    from safemil.plan.rules import Plan
    from safemil.records.finished import check_records
    from safemil.records.trainings import gather_records, write_runs

    if config_path is not None:
        check_records(Plan(read_resolved(config_path)).wanted_runs())
    write_runs(output, gather_records(records))


@cli.command()
@click.argument("table", type=PATH)
@click.option("--runs", type=PATH, help="Table of runs: joins what it knows to each row by the run's id.")
@OUTPUT
def export(table: Path, runs: Path | None, output: Path) -> None:
    """Write TABLE, episodes or runs in Parquet, as CSV; numbers as exact as they are."""
    from safemil.records.export import export_csv

    export_csv(table, output, runs)


@cli.command()
@CONFIG
@click.option("--runs", type=PATH, required=True, help="Table of runs.")
@click.option("--directory", type=PATH, required=True, help="Folder for configuration.md and runs.md.")
def provenance(config_path: Path, runs: Path, directory: Path) -> None:
    """Write the resolved configuration with versions, commits and seeds, and the list of trainings."""
    from safemil.plan.configuration import read_resolved
    from safemil.records.trainings import read_runs
    from safemil.report.provenance_pages import write_provenance

    write_provenance(read_resolved(config_path).model_dump(mode="json"), read_runs(runs), directory)


@cli.command()
@click.option("--style", type=PATH, required=True, help="CSS of the pages.")
@click.option(
    "--page",
    "pages",
    type=(PATH, PATH),
    multiple=True,
    required=True,
    help="A Markdown file and the HTML file to make of it; repeat.",
)
def pages(style: Path, pages: tuple[tuple[Path, Path], ...]) -> None:
    """Turn tables in Markdown into HTML pages that need nothing beside themselves."""
    from safemil.report.html_page import write_page

    if not style.is_file():
        raise UserError("no style sheet here", expected="a CSS file", found="no such file", where=style)
    for source, output in pages:
        write_page(source, style.read_text(encoding="utf-8"), output)


@cli.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option("--output", type=PATH, help="File for all rows: .md, .csv or .json.")
@click.option("--fail-on-change", is_flag=True, help="Exit with 1 if a score has changed.")
def compare(run_a: str, run_b: str, output: Path | None, fail_on_change: bool) -> None:
    """Say which scores changed from RUN_A to RUN_B by more than their seeds differ.

    A run is a name (results/NAME), a folder, or a table of episodes. What is in one run only is listed, and
    is no change.
    """
    from dataclasses import replace

    from safemil.statistics.changes import CHANGED, compare_runs
    from safemil.tables import changes as text

    if output:
        text.check_suffix(output)
    first, second = text.read_run(run_a), text.read_run(run_b)
    found = compare_runs(first.episodes, second.episodes, first.settings)
    found = replace(found, differing=text.settings_sentences(first, second) + found.differing)
    text.print_comparison(first, second, found, text.plain_console())
    if output:
        text.write_comparison(output, first, second, found)
    if fail_on_change and found.count(CHANGED):
        sys.exit(1)


def main() -> None:
    """Run the command line; a person's mistake ends in a message and exit code 1, without a traceback."""
    # Methods of the user's own; last, so that nothing there hides what is installed.
    sys.path.append(str(Path.cwd()))
    try:
        cli(standalone_mode=False)
    except UserError as error:
        click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(str(error), err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
