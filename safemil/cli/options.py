"""Options that several commands share."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safemil.protocol import DEFAULT_VARIANT

if TYPE_CHECKING:
    from safemil.reporting import StartReport

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
VARIANT = click.option("--variant", default=DEFAULT_VARIANT, show_default=True, help="Variant of the method.")
SEED = click.option("--seed", type=int, required=True, help="Training seed.")
TRAINING_DATA = click.option("--data", "data_path", type=PATH, required=True, help="Stripped training file.")
CURVES = click.option("--curves", type=PATH, required=True, help="Episodes of all learning curves.")
EPISODES = click.option("--episodes", type=PATH, required=True, help="All episodes of final policies.")
SPLIT = click.option(
    "--split", "split_name", default=DEFAULT_VARIANT, show_default=True, help="Variant whose split it is."
)
CARD = click.option("--card", "card_directory", type=PATH, required=True, help="Folder for the data card.")
RUN_DIRECTORY = click.option("--directory", type=PATH, required=True, help="Folder of the run's outputs.")


def progress(title: str) -> "StartReport":
    """Return what shows the progress of a piece of work under a title, on a terminal or in a log."""
    from safemil.progress import Progress

    return partial(Progress, title)
