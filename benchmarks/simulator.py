"""Measures the simulator: steps per second of every task, stock and with the fast path, and their ratio.

Episodes of random actions are run one after the other in one process, resets included, in turns: stock, fast,
stock, fast. What else the machine does then slows both alike, and the ratio stays meaningful.

    python -m benchmarks.simulator --tasks point_goal1 --tasks point_button1 --seconds 30
"""

import time
from dataclasses import dataclass

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from safemil.simulator.environments import Environment, make_environment
from safemil.tasks import Task, get_task, load_tasks


@dataclass
class Measurement:
    """What one environment has done so far."""

    environment: Environment
    seconds: float = 0.0
    steps: int = 0
    episodes: int = 0

    @property
    def steps_per_second(self) -> float:
        """Steps per second, resets included."""
        return self.steps / self.seconds

    def run_episode(self, task: Task) -> None:
        """Run one more episode of seeded random actions."""
        actions = np.random.default_rng(self.episodes).uniform(-1, 1, (task.episode_length, task.action_size))
        start = time.perf_counter()
        self.environment.reset(seed=self.episodes)
        for action in actions:
            self.steps += 1
            *_, terminated, truncated, _ = self.environment.step(action)
            if terminated or truncated:
                break
        self.seconds += time.perf_counter() - start
        self.episodes += 1


def measure(task: Task, seconds: float) -> tuple[Measurement, Measurement]:
    """Run stock and fast episodes until each kind has run for `seconds`, at least two of each.

    Args:
        task: which task.
        seconds: time for each of the two.

    Returns:
        The stock and the fast measurement.
    """
    stock, fast = (Measurement(make_environment(task, fast=is_fast)) for is_fast in (False, True))
    while stock.seconds < seconds or stock.episodes < 2:
        stock.run_episode(task)
        share = stock.seconds / max(seconds, stock.seconds)
        while fast.seconds < share * seconds or fast.episodes < 2:
            fast.run_episode(task)
    return stock, fast


@click.command(help=__doc__)
@click.option(
    "--tasks",
    "names",
    multiple=True,
    type=click.Choice(list(load_tasks())),
    help="A task to measure; may be given several times. All tasks if left out.",
)
@click.option("--seconds", default=10.0, show_default=True, help="Time for each task and each of the two.")
def main(names: tuple[str, ...], seconds: float) -> None:
    """Print a table of steps per second."""
    console = Console()
    table = Table(title="Simulator, one process, random actions, resets included")
    table.add_column("task")
    for heading in ("stock, steps/s", "fast, steps/s", "ratio", "episodes (stock, fast)"):
        table.add_column(heading, justify="right")
    for name in names or load_tasks():
        task = get_task(name)
        with console.status(f"{task.paper_name} …"):
            stock, fast = measure(task, seconds)
        table.add_row(
            task.paper_name,
            f"{stock.steps_per_second:,.0f}",
            f"{fast.steps_per_second:,.0f}",
            f"{fast.steps_per_second / stock.steps_per_second:.2f}",
            f"{stock.episodes}, {fast.episodes}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
