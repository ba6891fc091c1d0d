"""Commands on what comes before a training: configuration, behaviour policies, data, their split."""

from pathlib import Path

import click

from safemil.cli.options import CARD, CONFIG, OUTPUT, PATH, SHIPPED, SPLIT, TASK, progress
from safemil.errors import UserError

commands = click.Group()


@commands.command()
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


@commands.command()
@OUTPUT
def schema(output: Path) -> None:
    """Write the JSON schema of the configuration."""
    from safemil.files import write_text
    from safemil.plan.configuration import schema_text

    write_text(output, schema_text())


@commands.command("behavior-train")
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


@commands.command("behavior-ship")
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


@commands.command()
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
def collect(
    task_name: str,
    policies: Path,
    policies_card: Path,
    output: Path,
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
    task, report = get_task(task_name), progress(f"collect {task_name}")
    collect_source(task, policies, policies_card, chosen, output, report)


@commands.command()
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
    published = published_file(task.published_name(), table or DSRL_TABLE)
    downloader = Downloader(Progress, DEFAULT_RETRIES if retries is None else retries)
    provide(task, published, output, downloader, dataset_directory=dataset_directory)


@commands.command()
@CONFIG
@TASK
@click.option("--data", "data_path", type=PATH, required=True, help="Labelled HDF5 file in DSRL's form.")
@SPLIT
@click.option("--training", "training_path", type=PATH, required=True, help="Stripped file to write.")
@click.option("--labels", "labels_path", type=PATH, required=True, help="Oracle labels to write.")
def split(
    config_path: Path,
    task_name: str,
    data_path: Path,
    split_name: str,
    training_path: Path,
    labels_path: Path,
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
    )


@commands.command("collected-card")
@TASK
@click.option("--data", "data_path", type=PATH, required=True, help="Collected file.")
@CARD
def collected_card(task_name: str, data_path: Path, card_directory: Path) -> None:
    """Write the data card of a collected file."""
    from safemil.data.make_card import make_source_card
    from safemil.tasks import get_task

    make_source_card(get_task(task_name), data_path, card_directory)


@commands.command("split-card")
@CONFIG
@TASK
@click.option("--data", "data_path", type=PATH, required=True, help="The labelled file that was split.")
@SPLIT
@click.option("--training", "training_path", type=PATH, required=True, help="Stripped file of the split.")
@CARD
def split_card(
    config_path: Path,
    task_name: str,
    data_path: Path,
    split_name: str,
    training_path: Path,
    card_directory: Path,
) -> None:
    """Write the data card of a split."""
    from safemil.data.make_card import make_split_card
    from safemil.plan.configuration import read_resolved
    from safemil.tasks import get_task

    config = read_resolved(config_path)
    make_split_card(
        get_task(task_name),
        config.source,
        data_path,
        config.split_settings(split_name),
        training_path=training_path,
        directory=card_directory,
    )


@commands.command("held-out")
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
