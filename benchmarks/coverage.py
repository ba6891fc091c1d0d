"""Measures how often the 95 % bootstrap intervals hold the truth, on simulated runs whose truth is known.

Three laws of a run's score: normal; skewed (exponential); and two gaits, costs of 5 or of 100 with chances
0.8 and 0.2, as when one training in five fails. Tasks differ in level and spread. The truth of the mean is
exact; that of the other statistics is their value on very many seeds.

    python -m benchmarks.coverage --experiments 1000 --resamples 1000
"""

from collections.abc import Callable, Mapping, Sequence

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from safemil.statistics.aggregate import interquartile_mean, probability_of_improvement
from safemil.statistics.intervals import bootstrap_interval, stratified_interval

SEEDS = (3, 5, 10)
N_TASKS = 6

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

LAWS: Mapping[str, tuple[Draw, float]] = {
    "normal": (lambda g, size: g.normal(size=size), 0.0),
    "skewed": (lambda g, size: g.exponential(size=size), 1.0),
    "two gaits": (lambda g, size: np.where(g.random(size) < 0.2, 100.0, 5.0), 24.0),
}


def mean_coverage(law: str, n_seeds: int, experiments: int, resamples: int, seed: int) -> tuple[float, float]:
    """Return the coverage of the bootstrap interval of a mean, and of Student's t on the same draws.

    Args:
        law: one of `LAWS`.
        n_seeds: seeds of each simulated cell.
        experiments: simulated cells; they share the resampled seeds, not the scores.
        resamples: bootstrap resamples.
        seed: of the simulation.
    """
    draw, truth = LAWS[law]
    values = draw(np.random.default_rng(seed), (n_seeds, experiments))
    low, high = bootstrap_interval(values, n_resamples=resamples, seed=seed)
    half = stats.t.ppf(0.975, n_seeds - 1) * values.std(axis=0, ddof=1) / np.sqrt(n_seeds)
    mean = values.mean(axis=0)
    covered = (low <= truth) & (truth <= high)
    return float(covered.mean()), float((np.abs(mean - truth) <= half).mean())


def _tasks(
    law: str, generator: np.random.Generator, n_seeds: int, shift: float = 0.0
) -> list[NDArray[np.float64]]:
    draw, _ = LAWS[law]
    return [shift + task + (1 + task) * draw(generator, (n_seeds,)) for task in range(N_TASKS)]


def _coverage(
    statistic: Callable[..., NDArray[np.float64]],
    samples: Callable[[np.random.Generator, int], Sequence[list[NDArray[np.float64]]]],
    n_seeds: int,
    experiments: int,
    resamples: int,
    seed: int,
) -> float:
    generator = np.random.default_rng(seed)
    truth = float(statistic(*samples(generator, 2_000)))
    covered = 0
    for _ in range(experiments):
        low, high = stratified_interval(
            statistic, *samples(generator, n_seeds), n_resamples=resamples, seed=seed
        )
        covered += bool(low <= truth <= high)
    return covered / experiments


def iqm_coverage(law: str, n_seeds: int, experiments: int, resamples: int, seed: int) -> float:
    """Return the coverage of the interval of the interquartile mean over six tasks; as `mean_coverage`."""
    return _coverage(
        interquartile_mean, lambda g, n: [_tasks(law, g, n)], n_seeds, experiments, resamples, seed
    )


def probability_coverage(law: str, n_seeds: int, experiments: int, resamples: int, seed: int) -> float:
    """Return the coverage of the interval of the probability of improvement over six tasks.

    The better method is better by one unit of each task's score, so on the tasks of large spread by little.
    """
    return _coverage(
        probability_of_improvement,
        lambda g, n: [_tasks(law, g, n, shift=1.0), _tasks(law, g, n)],
        n_seeds,
        experiments,
        resamples,
        seed,
    )


@click.command()
@click.option("--experiments", default=1000, show_default=True, help="Simulated experiments of each row.")
@click.option("--resamples", default=1000, show_default=True, help="Bootstrap resamples.")
@click.option("--seed", default=0, show_default=True)
def main(experiments: int, resamples: int, seed: int) -> None:
    """Print the coverage of every interval, by law and number of seeds."""
    columns = ["law", "seeds", "mean", "mean, Student's t", "IQM", "probability of improvement"]
    title = f"Coverage of 95 % intervals, {experiments} experiments, {resamples} resamples, seed {seed}"
    shown = Table(*columns, title=title)
    for law in LAWS:
        for n_seeds in SEEDS:
            drawn = (law, n_seeds, experiments, resamples, seed)
            values = [*mean_coverage(*drawn), iqm_coverage(*drawn), probability_coverage(*drawn)]
            shown.add_row(law, str(n_seeds), *(f"{value:.3f}" for value in values))
    Console(width=110).print(shown)


if __name__ == "__main__":
    main()
