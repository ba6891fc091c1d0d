import h5py
import numpy as np
import pytest

from safemil.data.hdf5 import write_labelled
from safemil.data.labels import strip, write_oracle_labels
from safemil.data.split import SplitSettings, build_split
from safemil.data.stripped import (
    FORMAT,
    TrainingData,
    TrainingMetadata,
    read_training_data,
    read_training_metadata,
    training_digest,
    write_training_data,
)
from safemil.errors import UserError

METADATA = TrainingMetadata(task="swimmer_velocity", source="collected")
NAMES = ("observations", "actions", "next_observations", "terminals", "starts")


@pytest.fixture(scope="module")
def drawn(plane):
    settings = SplitSettings(n_non_preferred=10, n_unlabelled=40)
    split = build_split(plane.returns, plane.episode_costs, settings, np.random.default_rng(0)).split
    return split, *strip(plane.select(split.non_preferred), plane.select(split.unlabelled), split)


@pytest.fixture
def path(drawn, tmp_path):
    write_training_data(tmp_path / "train.hdf5", drawn[1], METADATA)
    return tmp_path / "train.hdf5"


def contents(path):
    """Return every dataset and every attribute of a file by its full name."""
    datasets, attributes = {}, {}
    with h5py.File(path) as file:
        attributes |= {f"/@{name}": value for name, value in file.attrs.items()}

        def visit(name, item):
            attributes.update({f"{name}@{key}": value for key, value in item.attrs.items()})
            if isinstance(item, h5py.Dataset):
                datasets[name] = item[()]

        file.visititems(visit)
    return datasets, attributes


def test_what_is_written_is_read(path, drawn):
    found, expected = read_training_data(path), drawn[1]
    for group in ("non_preferred", "unlabelled"):
        for name in NAMES:
            arrays = (getattr(getattr(data, group), name) for data in (found, expected))
            np.testing.assert_array_equal(*arrays, strict=True)
    assert read_training_metadata(path) == METADATA
    assert training_digest(found) == training_digest(expected)


def test_the_file_holds_exactly_this(path):
    datasets, attributes = contents(path)
    assert set(datasets) == {f"{group}/{name}" for group in ("non_preferred", "unlabelled") for name in NAMES}
    assert attributes == {"/@format": FORMAT, "/@task": "swimmer_velocity", "/@source": "collected"}


def test_nothing_in_the_file_tells_rewards_costs_or_preferences(path, drawn):
    datasets, _ = contents(path)
    labels = drawn[2]
    per_transition = {
        "non_preferred": (labels.non_preferred_rewards, labels.non_preferred_costs),
        "unlabelled": (labels.unlabelled_rewards, labels.unlabelled_costs),
    }
    for name, array in datasets.items():
        columns = array.reshape(len(array), -1).T.astype(np.float64)
        for label in per_transition[name.split("/")[0]]:
            for column in columns:
                if len(column) == len(label) and column.std() > 0:
                    # Random numbers, 60 or more: a leak would correlate perfectly, chance stays well below.
                    assert abs(np.corrcoef(column, label)[0, 1]) < 0.6, name
    order = np.arange(len(labels.unlabelled_is_preferred))
    assert abs(np.corrcoef(order, labels.unlabelled_is_preferred)[0, 1]) < 0.5


def test_no_label_lies_anywhere_in_the_bytes(make_labelled, tmp_path):
    # The same trajectories with other rewards, costs and provenance give the same file, byte by byte.
    files = []
    for number, sums in enumerate(([1, 2, 90, 80], [7, 0, 99, 76])):
        provenance = {"training_seed": np.arange(4) + number}
        data = make_labelled([5] * 4, costs=sums, returns=sums, provenance=provenance)
        settings = SplitSettings(n_non_preferred=1, n_unlabelled=2, rectangles=())
        split = build_split(data.returns, data.episode_costs, settings, np.random.default_rng(3)).split
        files.append(tmp_path / f"{number}.hdf5")
        sets = (data.select(split.non_preferred), data.select(split.unlabelled))
        write_training_data(files[-1], strip(*sets, split)[0], METADATA)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_equal_content_gives_equal_bytes(path, drawn, tmp_path):
    write_training_data(tmp_path / "again.hdf5", drawn[1], METADATA)
    assert (tmp_path / "again.hdf5").read_bytes() == path.read_bytes()


def _external_link(file):
    del file["unlabelled/actions"]
    file["unlabelled/actions"] = h5py.ExternalLink("labelled.hdf5", "/actions")


def _wider_numbers(file):
    observations = file["unlabelled/observations"][()]
    del file["unlabelled/observations"]
    file["unlabelled/observations"] = observations.astype(np.float64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.create_dataset("rewards", data=[1.0]), "/rewards: expected nothing of this name"),
        (
            lambda file: file.create_dataset("unlabelled/rewards", data=[1.0]),
            "/unlabelled/rewards: expected nothing",
        ),
        (
            lambda file: file.create_dataset("unlabelled/x/costs", data=[1.0]),
            "/unlabelled/x: expected nothing",
        ),
        (lambda file: file.create_group("labels"), "/labels: expected nothing"),
        (
            lambda file: file.attrs.__setitem__("costs", [1.0, 2.0]),
            "attribute costs: expected none of this name",
        ),
        (
            lambda file: file.attrs.__setitem__("task", "cost 7, 9, 0"),
            "attribute task: expected a plain name",
        ),
        (lambda file: file.attrs.__setitem__("task", 7.5), "attribute task: expected a plain name"),
        (
            lambda file: file.attrs.__setitem__("format", "other"),
            f"attribute format: expected {FORMAT}, found other",
        ),
        (lambda file: file["unlabelled"].attrs.__setitem__("is_preferred", [1]), "attribute is_preferred of"),
        (lambda file: file["unlabelled/starts"].attrs.__setitem__("cost", [1]), "attribute cost of"),
        (
            lambda file: file.__delitem__("unlabelled/terminals"),
            "/unlabelled/terminals: expected a dataset, found",
        ),
        (lambda file: file.__delitem__("non_preferred"), "/non_preferred: expected a group, found nothing"),
        (_external_link, "/unlabelled/actions: expected data in the file itself, found a link"),
        (_wider_numbers, "/unlabelled/observations: expected dtype float32, found float64"),
    ],
)
def test_anything_else_in_the_file_is_refused(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(UserError) as error:
        read_training_data(path)
    assert message in str(error.value)
    with pytest.raises(UserError):
        read_training_metadata(path)


def test_labelled_and_oracle_files_are_refused(plane, drawn, tmp_path):
    write_labelled(tmp_path / "labelled.hdf5", plane, {})
    write_oracle_labels(tmp_path / "oracle.hdf5", drawn[2])
    for name in ("labelled.hdf5", "oracle.hdf5"):
        with pytest.raises(UserError, match="not a stripped training file"):
            read_training_data(tmp_path / name)


def test_inconsistent_and_infinite_arrays_are_refused(path):
    with h5py.File(path, "r+") as file:
        file["unlabelled/actions"][0, 0] = np.nan
    with pytest.raises(UserError, match="unlabelled/actions: expected finite values, found 1"):
        read_training_data(path)
    with h5py.File(path, "r+") as file:
        file["unlabelled/starts"][0] = 1
    with pytest.raises(UserError, match="expected the first trajectory at 0, found 1") as error:
        read_training_data(path)
    assert str(path) in str(error.value)


def test_two_sets_of_different_sizes_do_not_belong_together(make_labelled):
    with pytest.raises(UserError, match="differ in observation and action size"):
        TrainingData(make_labelled([2]).unlabelled(), make_labelled([2], sizes=(4, 2)).unlabelled())


@pytest.mark.parametrize("source", ["", "two words", "x" * 65])
def test_metadata_are_plain_names(source):
    with pytest.raises(UserError, match="not a plain name"):
        TrainingMetadata(task="toy", source=source)
