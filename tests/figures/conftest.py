"""Invented episodes in any number of tasks and methods, with the shape of a real run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest


def invented_episodes(
    tasks: Sequence[str], methods: Sequence[str], n_seeds: int = 3, n_episodes: int = 5
) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    parts = []
    for task in tasks:
        for rank, method in enumerate([*methods, "constrained_rl", "random"]):
            reference = method in ("constrained_rl", "random")
            level = {"constrained_rl": 12.0, "random": 60.0}.get(method, 150.0 - 20 * rank)
            reward = {"constrained_rl": 200.0, "random": 1.0}.get(method, 120.0 + 10 * rank)
            for seed in range(1 if reference else n_seeds):
                rows = {
                    "task": task,
                    "source": "collected",
                    "method": method,
                    "variant": "default",
                    "seed": seed,
                    "step": 0 if reference else 100_000,
                    "episode": np.arange(n_episodes),
                    "environment_seed": 500 + np.arange(n_episodes),
                    "return": reward + generator.normal(size=n_episodes),
                    "cost": np.maximum(level + generator.normal(0, 15, size=n_episodes), 0).round(),
                    "length": 1000,
                    "run_id": f"{task}/{method}/{seed}",
                }
                parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def invented_curves(
    finals: pd.DataFrame, n_points: int = 10, steps: int = 10_000, without: Sequence[str] = ()
) -> pd.DataFrame:
    """Curves of the trained methods that come to their final level, cost from above and return from below."""
    generator = np.random.default_rng(1)
    trained = finals[(finals["step"] > 0) & ~finals["method"].isin(without)]
    parts = []
    for point in range(1, n_points + 1):
        rest = np.exp(-5 * point / n_points)
        noise = generator.normal(0, 4, size=len(trained))
        changes = {
            "step": point * steps // n_points,
            "return": trained["return"] * (1 - rest) + noise / 4,
            "cost": np.maximum(trained["cost"] + 250 * rest + noise, 0).round(),
        }
        parts.append(trained.assign(**changes))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def invent():
    return invented_episodes


@pytest.fixture
def invent_curves():
    return invented_curves
