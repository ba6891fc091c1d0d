"""The `dsrl` package itself loads files of ours, and its own filter agrees with ours on every side."""

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from safemil.data.hdf5 import KEYS, write_labelled
from safemil.data.split import Rectangle, filter_rectangles


@pytest.fixture
def dsrl_environment(tmp_path, monkeypatch):
    """Swimmer-Velocity as `dsrl` registers it, without a home directory or network of its own."""
    gymnasium = pytest.importorskip("gymnasium")
    from safemil.simulator.compatibility import allow_array_defaults

    monkeypatch.setenv("DSRL_SUPPRESS_IMPORT_ERROR", "1")
    monkeypatch.setenv("DSRL_DATASET_DIR", str(tmp_path / "downloads"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    if importlib.util.find_spec("tqdm") is None:  # a progress bar only
        monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=lambda items, **_: items))
    allow_array_defaults()
    import dsrl  # noqa: F401  # registers the environments

    environment = gymnasium.make("OfflineSwimmerVelocityGymnasium-v1")
    yield environment.unwrapped
    environment.close()


@pytest.fixture
def swimmer(make_labelled):
    return make_labelled(
        [30, 20, 40, 10, 25],
        costs=[0, 50, 60, 100, 25],
        returns=[0, 50, 60, 100, 40],
        terminal=[3],
        sizes=(8, 2),
        provenance={"training_seed": np.arange(5), "policy": np.array(list("abcde"))},
    )


def test_dsrl_loads_every_array_as_we_wrote_it(dsrl_environment, swimmer, tmp_path):
    path = tmp_path / "swimmer.hdf5"
    write_labelled(path, swimmer, {"source": "collected"})
    loaded = dsrl_environment.get_dataset(h5path=str(path))
    # Provenance does not turn up among the arrays.
    assert set(loaded) == set(KEYS)
    for name in KEYS:
        owner = swimmer.trajectories if hasattr(swimmer.trajectories, name) else swimmer
        np.testing.assert_array_equal(loaded[name], getattr(owner, name), strict=True)
    ends = np.flatnonzero((loaded["terminals"] == 1) | (loaded["timeouts"] == 1))
    np.testing.assert_array_equal(ends, swimmer.trajectories.stops - 1)


@pytest.mark.parametrize("rectangle", [(0, 0.5, 0, 0.5), (0.25, 0.6, 0, 1), (0.5, 1, 0.2, 1)])
def test_our_filter_is_dsrls(dsrl_environment, swimmer, tmp_path, monkeypatch, rectangle):
    monkeypatch.chdir(tmp_path)  # dsrl writes a picture into the working directory
    path = tmp_path / "swimmer.hdf5"
    write_labelled(path, swimmer, {})
    loaded = dsrl_environment.get_dataset(h5path=str(path))
    theirs = dsrl_environment.pre_process_data(loaded, inpaint_ranges=(rectangle,))
    kept = filter_rectangles(swimmer.returns, swimmer.episode_costs, [Rectangle(*rectangle)])
    assert 0 < len(kept) < 5
    np.testing.assert_array_equal(theirs["observations"], swimmer.select(kept).trajectories.observations)
