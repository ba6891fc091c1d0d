"""Small synthetic trajectories with known lengths, costs and returns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from safemil.data.trajectories import LabelledTrajectories, Trajectories


def _with_sums(sums: Sequence[float], lengths: Sequence[int], generator: np.random.Generator) -> NDArray[Any]:
    """Spread each episode's sum at random over its transitions, in whole numbers so that sums stay exact."""
    parts = [
        generator.multinomial(total, np.full(length, 1 / length))
        for total, length in zip(sums, lengths, strict=True)
    ]
    return np.concatenate(parts).astype(np.float32)


def _labelled(
    lengths: Sequence[int],
    *,
    costs: Sequence[float] | None = None,
    returns: Sequence[float] | None = None,
    terminal: Sequence[int] = (),
    sizes: tuple[int, int] = (3, 2),
    seed: int = 0,
    provenance: Mapping[str, NDArray[Any]] | None = None,
) -> LabelledTrajectories:
    generator = np.random.default_rng(seed)
    n = sum(lengths)
    stops = np.cumsum(lengths)
    terminals, ends = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    ends[stops - 1] = True
    terminals[stops[list(terminal)] - 1] = True

    def gaussian(size: int) -> NDArray[np.float32]:
        return generator.normal(size=(n, size)).astype(np.float32)

    return LabelledTrajectories(
        Trajectories(gaussian(sizes[0]), gaussian(sizes[1]), gaussian(sizes[0]), terminals, stops - lengths),
        rewards=_with_sums(returns if returns is not None else lengths, lengths, generator),
        costs=_with_sums(costs if costs is not None else lengths, lengths, generator),
        timeouts=ends & ~terminals,
        provenance=provenance or {},
    )


@pytest.fixture(scope="session")
def make_labelled() -> Callable[..., LabelledTrajectories]:
    """A factory of labelled trajectories out of the lengths, costs and returns of their episodes."""
    return _labelled


@pytest.fixture
def five(make_labelled: Callable[..., LabelledTrajectories]) -> LabelledTrajectories:
    """Five trajectories of different lengths; the second ends by itself."""
    return make_labelled(
        [4, 2, 5, 3, 1],
        costs=[7, 0, 3, 90, 1],
        returns=[10, 20, 30, 40, 50],
        terminal=[1],
        provenance={
            "training_seed": np.array([1, 1, 2, 2, 3]),
            "policy": np.array(["a", "b", "b", "ünï", ""]),
        },
    )


@pytest.fixture(scope="session")
def plane(make_labelled: Callable[..., LabelledTrajectories]) -> LabelledTrajectories:
    """400 trajectories that fill the cost x return plane evenly: costs 0 to 199, returns 0 to 997."""
    index = np.arange(400)
    return make_labelled(
        [6] * 400, costs=(index % 200).tolist(), returns=((index * 37) % 998).tolist(), seed=1
    )
