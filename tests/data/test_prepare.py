"""The split of a file: what is checked before, what the card says, and how much memory it takes."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from safemil.data.hdf5 import read_labelled, write_labelled
from safemil.data.labels import read_oracle_labels
from safemil.data.make_card import make_split_card
from safemil.data.prepare import prepare
from safemil.data.split import SplitSettings
from safemil.data.stripped import read_training_data
from safemil.errors import UserError
from safemil.tasks import Task

TASK = Task("toy", "Toy", False, "Toy-v0", 3, 2, 6, 199.0, "Toy-v0-199-400.hdf5", 400)
SETTINGS = SplitSettings(n_non_preferred=10, n_unlabelled=40)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of files with the toy's."""
    path = tmp_path_factory.mktemp("table") / "files.tsv"
    header = "file\tlicence\tprimary\tmirror\tsize\tsha256\n"
    path.write_text(f"{header}{TASK.dsrl_file}\tCC-BY-4.0\thttps://x\t\t\t\n")
    return path


def split(source, path, directory, table):
    prepare(
        TASK,
        source,
        path,
        SETTINGS,
        training_path=directory / "training.hdf5",
        labels_path=directory / "labels.hdf5",
        dsrl_table=table,
    )
    make_split_card(
        TASK,
        source,
        path,
        SETTINGS,
        training_path=directory / "training.hdf5",
        directory=directory,
        dsrl_table=table,
    )
    return json.loads((directory / "card.json").read_text())


@pytest.fixture
def path(plane, tmp_path):
    target = tmp_path / "data" / TASK.dsrl_file
    write_labelled(target, plane, {})
    return target


def test_what_is_read_is_what_lies_in_the_file(plane, path, tmp_path, table):
    split("collected", path, tmp_path / "out", table)
    data = read_training_data(tmp_path / "out" / "training.hdf5")
    labels = read_oracle_labels(tmp_path / "out" / "labels.hdf5")
    for group, indices, costs in (
        (data.non_preferred, labels.non_preferred_indices, labels.non_preferred_costs),
        (data.unlabelled, labels.unlabelled_indices, labels.unlabelled_costs),
    ):
        expected = plane.select(indices)
        for name in ("observations", "actions", "next_observations", "terminals", "starts"):
            found = getattr(group, name)
            np.testing.assert_array_equal(found, getattr(expected.trajectories, name), strict=True)
        np.testing.assert_array_equal(costs, expected.costs, strict=True)
    labels.check_belongs_to(data)


def test_the_card_names_the_file_and_its_hash(path, tmp_path, table):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for source in ("collected", "local"):
        card = split(source, path, tmp_path / source, table)
        assert card["source_file"] == {"name": path.name, "sha256": digest, "licence": None}
        assert f"| SHA-256 of the source file | {digest} |" in (tmp_path / source / "card.md").read_text()


def test_a_published_file_is_held_to_its_hash_and_its_licence_told(path, plane, tmp_path, table):
    assert split("dsrl", path, tmp_path / "one", table)["source_file"]["licence"] == "CC-BY-4.0"
    record = path.with_name(f"{path.name}.sha256")
    assert record.read_text().split() == [hashlib.sha256(path.read_bytes()).hexdigest(), path.name]
    write_labelled(path, plane, {"edited": "yes"})
    with pytest.raises(UserError, match="recorded at first use"):
        split("dsrl", path, tmp_path / "two", table)
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("source", "name", "refused"),
    [
        ("dsrl", TASK.dsrl_file, True),
        ("dsrl", "toy.hdf5", True),
        ("local", TASK.dsrl_file, True),
        ("local", "toy.hdf5", False),
        ("collected", "toy.hdf5", False),
    ],
)
def test_the_numbers_of_a_published_name_are_checked(plane, tmp_path, table, source, name, refused):
    path = tmp_path / "data" / name
    write_labelled(path, plane.select(range(399)), {})
    if not refused:
        split(source, path, tmp_path / "out", table)
        return
    with pytest.raises(UserError) as error:
        split(source, path, tmp_path / "out", table)
    assert "expected 400 trajectories, found 399" in str(error.value)
    assert not (tmp_path / "out").exists()


# Sizes of Point-Button1: 450 trajectories are 280 MB, of which a third is drawn, in the protocol's shares.
BIG = Task("big", "Big", False, "Big-v0", 76, 2, 1000, 100.0, "Big-v0-100-450.hdf5", 450)
PEAK = """
import resource, sys
from pathlib import Path
from safemil.data.prepare import prepare
from safemil.data.split import SplitSettings
from tests.data.test_prepare import BIG, DRAWN

def peak(path, settings):
    out = Path(sys.argv[3])
    prepare(BIG, "local", path, settings, training_path=out / "t", labels_path=out / "l")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

# Once with a small file, so that what the libraries take is not counted.
before = peak(Path(sys.argv[1]), SplitSettings(n_non_preferred=4, n_unlabelled=8, rectangles=()))
print(peak(Path(sys.argv[2]), DRAWN) - before)
"""
DRAWN = SplitSettings(n_non_preferred=30, n_unlabelled=120, rectangles=())


def write_noise(path: Path, n_trajectories: int, length: int) -> int:
    """Write trajectories of noise piece by piece, half of them costly; return the bytes of one of them."""
    n, generator = n_trajectories * length, np.random.default_rng(0)
    sizes = {"observations": 76, "next_observations": 76, "actions": 2}
    with h5py.File(path, "w") as file:
        for name, size in sizes.items():
            file.create_dataset(name, (n, size), np.float32, chunks=True)
            for start in range(0, n, length):
                file[name][start : start + length] = generator.random((length, size), dtype=np.float32)
        ends = np.zeros((n_trajectories, length), dtype=np.bool_)
        ends[:, -1] = True
        costs = np.zeros((n_trajectories, length), dtype=np.float32)
        costs[::2, :100] = 1
        file["costs"], file["timeouts"] = costs.reshape(-1), ends.reshape(-1)
        file["terminals"] = np.zeros(n, dtype=np.bool_)
        file["rewards"] = generator.random(n, dtype=np.float32)
    return 4 * length * sum(sizes.values())


def test_splitting_takes_less_than_twice_the_memory_of_what_is_kept(tmp_path):
    write_noise(tmp_path / "small.hdf5", 20, 200)
    kept = 150 * write_noise(tmp_path / "big.hdf5", 450, 1000)
    arguments = [str(tmp_path / name) for name in ("small.hdf5", "big.hdf5", "out")]
    result = subprocess.run(
        [sys.executable, "-c", PEAK, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    grown = int(result.stdout)
    assert grown < 2 * kept, f"{grown / kept:.2f} times what is kept"


@pytest.mark.parametrize("chunks", [None, (7, 1), (1000, 2), (400, 1)])
@pytest.mark.parametrize("block", [1, 100, 1 << 22])
def test_reading_is_the_same_for_every_storage_and_block(plane, tmp_path, monkeypatch, chunks, block):
    path = tmp_path / "plane.hdf5"
    write_labelled(path, plane, {})
    with h5py.File(path, "r+") as file:
        for name in ("observations", "actions"):
            values = file[name][()]
            del file[name]
            file.create_dataset(name, data=values, chunks=chunks)
    monkeypatch.setattr("safemil.data.hdf5._BLOCK_BYTES", block * 4)
    if block == 1:
        with h5py.File(path, "r+") as file:
            short = 60
            for name in list(file):
                values = file[name][:short]
                del file[name]
                file[name] = values
    found = read_labelled(path, task=None)
    expected = plane.select(range(found.trajectories.n_trajectories))
    np.testing.assert_array_equal(found.trajectories.observations, expected.trajectories.observations)
    np.testing.assert_array_equal(found.trajectories.actions, expected.trajectories.actions)
    np.testing.assert_array_equal(found.rewards, expected.rewards)
