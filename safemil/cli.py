"""The command line: one thin command per rule of the workflow, each of which a person can paste.

Heavy imports happen inside the commands, so that `safemil --help` is quick.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safemil.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from safemil.config import Config
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

    from safemil.config import parse_config, write_resolved

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
    from safemil.config import schema_text
    from safemil.files import write_text

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

    given = {name: value for name, value in settings.items() if value is not None}
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
    from safemil.tasks import get_task
    from safemil.training.progress import Progress

    task = get_task(task_name)
    published = published_file(task.dsrl_file, table or DSRL_TABLE)
    downloader = Downloader(Progress, DEFAULT_RETRIES if retries is None else retries)
    provide(task, published, output, downloader, dataset_directory=dataset_directory)


@cli.command()
@CONFIG
@TASK
@click.option("--data", "data_path", type=PATH, required=True, help="Labelled HDF5 file in DSRL's form.")
@click.option("--training", "training_path", type=PATH, required=True, help="Stripped file to write.")
@click.option("--labels", "labels_path", type=PATH, required=True, help="Oracle labels to write.")
@click.option("--card", "card_directory", type=PATH, required=True, help="Folder for the data card.")
def split(
    config_path: Path,
    task_name: str,
    data_path: Path,
    training_path: Path,
    labels_path: Path,
    card_directory: Path,
) -> None:
    """Filter, draw D_N and D_U, and strip the labels off."""
    from safemil.config import read_resolved
    from safemil.data.prepare import prepare
    from safemil.tasks import get_task

    config = read_resolved(config_path)
    prepare(
        get_task(task_name),
        config.source,
        data_path,
        config.split,
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
    from safemil.config import read_resolved
    from safemil.data.overview import TaskFiles, write_overview

    config = read_resolved(config_path)
    names = {"run_name": config.run_name, "source": config.source, "extension": "json"}

    def files_of(task: str) -> TaskFiles:
        filled = {"task": task, **names}
        return TaskFiles(
            behavior_card=Path(paths.SHIPPED_CARD.format(**filled)),
            policies=Path(paths.SHIPPED_POLICIES.format(**filled)),
            source_card=Path(paths.COLLECTED_CARD.format(**filled)),
            collecting=Path(paths.COLLECTING_BENCHMARK.format(**filled)),
            split_card=Path(paths.DATA_CARD.format(**filled)),
        )

    write_overview([(task, files_of(task)) for task in config.tasks], output)


def _run_request(config_path: Path, task: str, method: str, variant: str, seed: int) -> "RunRequest":
    from safemil.config import read_resolved
    from safemil.training.train import RunRequest

    config = read_resolved(config_path)
    if variant not in config.methods.get(method, {}):
        planned = [f"{name}/{each}" for name, variants in config.methods.items() for each in variants]
        raise UserError(
            "this variant is not configured",
            expected=f"one of {', '.join(planned)}",
            found=f"{method}/{variant}",
            where=config_path,
        )
    settings = config.methods[method][variant].settings
    return RunRequest(task, method, variant, seed, settings, config.training_of(method, variant))


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
@OUTPUT
def evaluate(
    config_path: Path, task_name: str, method: str, variant: str, seed: int, policy_path: Path, output: Path
) -> None:
    """Roll out a trained policy by its mean action; writes one row per episode."""
    from safemil.config import read_resolved
    from safemil.evaluation.evaluate import evaluate_policy

    config = read_resolved(config_path)
    key: dict[str, str | int] = {"task": task_name, "method": method, "variant": variant, "seed": seed}
    evaluate_policy(policy_path, output, config.evaluation, source=config.source, key=key)


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
    from safemil.config import read_resolved
    from safemil.evaluation.evaluate import evaluate_reference as roll_out_reference
    from safemil.tasks import get_task

    config = read_resolved(config_path)
    task = get_task(task_name)
    roll_out_reference(reference, task, policies, card, output, config.evaluation, config.source)


@cli.command()
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--config", "config_path", type=PATH, help="Resolved configuration: ask for exactly its runs.")
@OUTPUT
def gather(files: tuple[Path, ...], config_path: Path | None, output: Path) -> None:
    """Put the episode tables FILES into one, after checking that they are comparable and complete."""
    from safemil.config import read_resolved
    from safemil.evaluation.completeness import check_complete
    from safemil.evaluation.episodes import gather as gather_files
    from safemil.evaluation.episodes import write_episodes
    from safemil.workflow import Plan

    expected = Plan(read_resolved(config_path)).expected_runs() if config_path else None
    episodes = gather_files(files)
    if expected is not None:
        check_complete(episodes, expected)
    write_episodes(output, episodes)


def _all_episodes(path: Path, config: "Config") -> "pd.DataFrame":
    """Read the table of all episodes and check that it is the configuration's."""
    from safemil.evaluation.completeness import check_complete
    from safemil.evaluation.episodes import read_episodes
    from safemil.workflow import Plan

    episodes = read_episodes(path)
    check_complete(episodes, Plan(config).expected_runs())
    return episodes


@cli.command()
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for main.csv, main.md, main.tex.")
def table(config_path: Path, episodes: Path, directory: Path) -> None:
    """Compute the main table."""
    from safemil.config import read_resolved
    from safemil.evaluation.outputs import make_main_table
    from safemil.evaluation.scores import reference_notes
    from safemil.evaluation.tables import write_main_table

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = make_main_table(_all_episodes(episodes, config), config.evaluation)
    notes = reference_notes(scores, cost_limit=limit)
    write_main_table(scores, directory, run_name=config.run_name, notes=notes, cost_limit=limit)


@cli.command("table-per-task")
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for per_task.csv, .md and .tex.")
def table_per_task(config_path: Path, episodes: Path, directory: Path) -> None:
    """Compute the main table with tasks across: one grid per score."""
    from safemil.config import read_resolved
    from safemil.evaluation.outputs import make_main_table
    from safemil.evaluation.per_task import write_per_task_table
    from safemil.evaluation.scores import reference_notes

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = make_main_table(_all_episodes(episodes, config), config.evaluation)
    notes = reference_notes(scores, cost_limit=limit)
    write_per_task_table(scores, directory, run_name=config.run_name, notes=notes, cost_limit=limit)


@cli.command("table-aggregate")
@CONFIG
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for aggregate.csv, .md and .tex.")
def table_aggregate(config_path: Path, episodes: Path, directory: Path) -> None:
    """Compute the statistics over all tasks."""
    from safemil.config import read_resolved
    from safemil.evaluation.aggregate_table import aggregate_table, cells_of, left_out
    from safemil.evaluation.aggregate_text import write_aggregate_table
    from safemil.evaluation.scores import relative_seed_scores

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = relative_seed_scores(_all_episodes(episodes, config), cost_limit=limit)
    statistics, notes = aggregate_table(scores, config.evaluation), left_out(scores)
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
    from safemil.config import read_resolved
    from safemil.evaluation.claims.inputs import ClaimInputs, SeedScores, Table, read_ablation
    from safemil.evaluation.claims.parts import Judge
    from safemil.evaluation.claims.report import write_claims
    from safemil.evaluation.learned_cost_table import read_learned_cost_table
    from safemil.evaluation.scores import relative_seed_scores
    from safemil.theory.table import read_theory_table

    config = read_resolved(config_path)
    limit = config.evaluation.cost_limit
    scores = relative_seed_scores(_all_episodes(episodes, config), cost_limit=limit)
    inputs = ClaimInputs(
        SeedScores(episodes.as_posix(), scores),
        Table(learned_cost.as_posix(), read_learned_cost_table(learned_cost)) if learned_cost else None,
        Table(theory.as_posix(), read_theory_table(theory)) if theory else None,
        {name: read_ablation(name, table, rows, episodes, limit) for name, table, rows in ablations},
    )
    write_claims(inputs, Judge(config.claims, config.evaluation), directory, config.run_name)


@cli.command()
@CONFIG
@click.argument("name", type=click.Choice(["main", "profiles"]))
@click.option("--episodes", type=PATH, required=True, help="All episodes.")
@click.option("--directory", type=PATH, required=True, help="Folder for NAME.png, NAME.pdf, NAME.csv.")
def figure(config_path: Path, name: str, episodes: Path, directory: Path) -> None:
    """Draw the figure NAME."""
    from safemil.config import read_resolved
    from safemil.evaluation.aggregate_table import cells_of
    from safemil.evaluation.outputs import make_main_table
    from safemil.evaluation.profiles import performance_profiles
    from safemil.evaluation.scores import relative_seed_scores
    from safemil.figures.main_comparison import main_comparison
    from safemil.figures.profiles import profiles_figure
    from safemil.figures.style import save_figure

    config = read_resolved(config_path)
    settings, rows = config.evaluation, _all_episodes(episodes, config)
    if name == "main":
        scores = make_main_table(rows, settings)
        drawn, plotted = main_comparison(rows, scores, cost_limit=settings.cost_limit)
    else:
        seeds = relative_seed_scores(rows, cost_limit=settings.cost_limit)
        drawn, plotted = profiles_figure(performance_profiles(seeds, settings), cells_of(seeds))
    save_figure(drawn, plotted, directory / name)


@cli.command()
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for fairness.csv, .md and .tex.")
def fairness(config_path: Path, directory: Path) -> None:
    """Compute the table of what every method was given, from the records of all configured runs."""
    from safemil import paths
    from safemil.config import read_resolved
    from safemil.evaluation.fairness_text import write_fairness_table
    from safemil.evaluation.run_records import read_peak_memory, read_run_record, record_frame
    from safemil.workflow import Plan

    plan = Plan(read_resolved(config_path))
    runs = plan.method_runs()
    files = zip(plan.paths(paths.RUN_RECORD, runs), plan.paths(paths.TRAINING_BENCHMARK, runs), strict=True)
    records = [(read_run_record(Path(run)), read_peak_memory(Path(benchmark))) for run, benchmark in files]
    write_fairness_table(record_frame(records), directory, plan.config.run_name)


@cli.command()
@CONFIG
@click.option("--directory", type=PATH, required=True, help="Folder for theory.csv and theory.md.")
def theory(config_path: Path, directory: Path) -> None:
    """Check Lemma 1 and Theorem 1 by drawing bags."""
    from safemil.config import read_resolved
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
    from safemil.config import read_resolved
    from safemil.data.held_out import hold_out
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
    from safemil.config import read_resolved
    from safemil.evaluation.learned_cost import evaluate_cost as evaluate_run
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
    from safemil.config import read_resolved
    from safemil.evaluation.completeness import check_learned_costs
    from safemil.evaluation.learned_cost_rows import gather_rows
    from safemil.evaluation.learned_cost_table import learned_cost_table
    from safemil.evaluation.learned_cost_text import write_learned_cost_table
    from safemil.workflow import Plan

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
    from safemil.evaluation.learned_cost_rows import gather_traces
    from safemil.figures.learned_cost import learned_cost_figure
    from safemil.figures.style import save_figure

    drawn, plotted = learned_cost_figure(gather_traces(files))
    save_figure(drawn, plotted, directory / "learned_cost")


def main() -> None:
    """Run the command line; a person's mistake ends in a message and exit code 1, without a traceback."""
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
