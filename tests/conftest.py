"""A table of episodes small enough to be scored by hand; every expected number is derived in the tests."""

from collections.abc import Sequence

import pandas as pd
import pytest


def episode_rows(
    method: str, seed: int, returns: Sequence[float], costs: Sequence[float], **changes: object
) -> pd.DataFrame:
    n_episodes = len(costs)
    step = 0 if method in ("random", "constrained_rl") else 1000
    rows = {
        "task": "swimmer_velocity",
        "source": "collected",
        "method": method,
        "variant": "default",
        "seed": seed,
        "step": step,
        "episode": range(n_episodes),
        "environment_seed": [7000 + episode for episode in range(n_episodes)],
        "return": [float(value) for value in returns],
        "cost": [float(value) for value in costs],
        "length": 1000,
    }
    rows |= changes
    run = "/".join(str(rows[name]) for name in ("task", "source", "method", "variant", "seed"))
    return pd.DataFrame({"run_id": run} | rows)


@pytest.fixture
def rows():
    return episode_rows


@pytest.fixture
def tiny() -> pd.DataFrame:
    """References, BC with three seeds and SafeMIL with two, five episodes each."""
    return pd.concat(
        [
            episode_rows("random", 0, [0, 2, 4, 6, 8], [50] * 5),
            episode_rows("constrained_rl", 0, [104] * 5, [10, 20, 30, 0, 15]),
            episode_rows("bc", 0, [54] * 5, [100, 0, 0, 0, 0]),
            episode_rows("bc", 1, [70, 78, 74, 74, 74], [25] * 5),
            episode_rows("bc", 2, [34] * 5, [26, 24, 25, 25, 50]),
            episode_rows("safemil", 0, [64] * 5, [0] * 5),
            episode_rows("safemil", 1, [84] * 5, [0, 0, 20, 0, 0]),
        ],
        ignore_index=True,
    )
