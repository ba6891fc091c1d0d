import shutil
import tracemalloc
from dataclasses import replace

import h5py
import numpy as np
import pytest

from safemil.data.hdf5 import KEYS, read_attributes, read_labelled, write_labelled
from safemil.errors import UserError
from safemil.tasks import Task

TASK = Task("toy", "Toy", False, "Toy-v0", 3, 2, 5, 100.0, "toy.hdf5", 5)


@pytest.fixture
def path(tmp_path, five):
    target = tmp_path / "new" / "five.hdf5"
    write_labelled(target, five, {"source": "collected", "task": "toy"})
    return target


def edit(path, **changes):
    """Replace (or, with None, remove) arrays of a file."""
    with h5py.File(path, "r+") as file:
        for name, value in changes.items():
            if name in file:
                del file[name]
            if value is not None:
                file[name] = value


def assert_same(found, expected):
    for name in ("observations", "actions", "next_observations", "terminals", "starts"):
        array = getattr(found.trajectories, name)
        np.testing.assert_array_equal(array, getattr(expected.trajectories, name), strict=True)
    for name in ("rewards", "costs", "timeouts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)
    assert list(found.provenance) == sorted(expected.provenance)
    for name, column in expected.provenance.items():
        assert found.provenance[name].tolist() == column.tolist()


def test_what_is_written_is_read(path, five):
    assert_same(read_labelled(path, task=TASK), five)
    assert_same(read_labelled(path, task=None), five)
    assert read_attributes(path) == {"source": "collected", "task": "toy"}


def test_the_file_has_dsrls_form(path):
    with h5py.File(path) as file:
        datasets = {name for name in file if isinstance(file[name], h5py.Dataset)}
        assert datasets == set(KEYS)
        assert {name: file[name].dtype for name in ("observations", "costs", "terminals", "timeouts")} == {
            "observations": np.float32,
            "costs": np.float32,
            "terminals": np.bool_,
            "timeouts": np.bool_,
        }
        assert all(file[name].compression == "gzip" for name in KEYS)
        assert list(file["provenance"]) == []


def test_equal_content_gives_equal_bytes(path, five, tmp_path):
    again = tmp_path / "again.hdf5"
    write_labelled(again, five.select(range(5)), {"task": "toy", "source": "collected"})
    assert again.read_bytes() == path.read_bytes()


def test_many_provenance_strings_fit(make_labelled, tmp_path):
    names = np.array([f"policy-{i:04d}-{'x' * 50}" for i in range(3000)])
    data = make_labelled([1] * 3000, provenance={"policy": names})
    write_labelled(tmp_path / "many.hdf5", data, {})
    assert read_labelled(tmp_path / "many.hdf5", task=None).provenance["policy"].tolist() == names.tolist()


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(path, five, monkeypatch):
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("safemil.data.hdf5._write_provenance", fail)
    with pytest.raises(OSError, match="disk full"):
        write_labelled(path, five.select([0, 1]), {})
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_values_that_are_not_finite_are_not_written(five, tmp_path):
    rewards = np.full(15, np.nan, dtype=np.float32)
    with pytest.raises(UserError, match="rewards: expected finite values, found 15"):
        write_labelled(tmp_path / "bad.hdf5", replace(five, rewards=rewards), {})
    assert list(tmp_path.iterdir()) == []


def test_columns_are_flattened_and_numbers_cast(path, five):
    flags = {"terminals": five.trajectories.terminals, "timeouts": five.timeouts}
    edit(
        path,
        rewards=five.rewards[:, None].astype(np.float64),
        costs=five.costs.astype(np.int32),
        observations=five.trajectories.observations.astype(np.float64),
        terminals=flags["terminals"][:, None].astype(np.float32),
        timeouts=flags["timeouts"].astype(np.int64),
    )
    assert_same(read_labelled(path, task=TASK), five)


def test_a_file_without_provenance_is_read(path):
    edit(path, provenance=None)
    assert read_labelled(path, task=TASK).provenance == {}


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"costs": None, "timeouts": None}, ["found none called costs, timeouts"]),
        ({"costs": np.zeros(14)}, ["costs: expected shape (15,), found (14,)"]),
        ({"costs": np.zeros((15, 2))}, ["costs: expected shape (15,), found (15, 2)"]),
        ({"actions": np.zeros((15, 4))}, ["actions: expected shape (15, 2), found (15, 4)"]),
        ({"observations": np.zeros((15, 9))}, ["observations: expected shape (15, 3), found (15, 9)"]),
        ({"observations": 1.0}, ["observations: expected shape (15, 3), found ()"]),
        ({"costs": np.full(15, b"x")}, ["costs: expected numbers, found |S1"]),
        ({"rewards": np.full(15, np.inf)}, ["rewards: expected finite values, found 15"]),
        ({"costs": np.full(15, 1e300)}, ["costs: expected finite values, found 15"]),
        ({"timeouts": np.full(15, 0.5)}, ["timeouts: expected 0 or 1, found 15 other value(s)"]),
        ({"timeouts": np.zeros(15)}, ["found 9 transition(s) behind the last end"]),
        (
            {"timeouts": np.eye(15)[14], "terminals": np.zeros(15)},
            [
                "episodes of at most 5 transitions in toy, found 1 longer, up to 15",
                "provenance policy: expected",
            ],
        ),
        (
            {"rewards": np.full(15, np.nan), "costs": np.full(15, -np.inf), "timeouts": np.zeros(15)},
            ["rewards: expected finite", "costs: expected finite", "behind the last end"],
        ),
        ({key: np.zeros((0, 3)) for key in KEYS}, ["expected at least one transition, found none"]),
    ],
)
def test_a_bad_file_is_refused_with_all_its_problems(path, changes, messages):
    edit(path, **changes)
    with pytest.raises(UserError) as error:
        read_labelled(path, task=TASK)
    assert str(path) in str(error.value)
    for message in messages:
        assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="missing") as error:
        read_labelled(tmp_path / "none.hdf5", task=TASK)
    assert "none.hdf5" in str(error.value)


def test_other_files_and_cut_files_are_refused(path, tmp_path):
    other = tmp_path / "other.hdf5"
    other.write_text("<html>404</html>")
    with pytest.raises(UserError, match="not an HDF5 file"):
        read_labelled(other, task=TASK)
    shutil.copy(path, other)
    with other.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(UserError, match="damaged"):
        read_labelled(other, task=TASK)


def test_reading_needs_less_than_twice_the_memory_kept(make_labelled, tmp_path):
    data = make_labelled([1000] * 40, sizes=(60, 2))
    path = tmp_path / "large.hdf5"
    write_labelled(path, data, {})
    kept = sum(
        getattr(data.trajectories, name).nbytes for name in ("observations", "actions", "next_observations")
    )
    edit(path, observations=data.trajectories.observations.astype(np.float64))
    tracemalloc.start()
    read_labelled(path, task=None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * kept
