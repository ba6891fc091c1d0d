from dataclasses import fields

import h5py
import numpy as np
import pytest

from safemil.data.labels import OracleLabels, read_oracle_labels, strip, write_oracle_labels
from safemil.data.split import SplitSettings, build_split
from safemil.errors import UserError


def stripped(data, seed):
    settings = SplitSettings(n_non_preferred=5, n_unlabelled=10)
    split = build_split(data.returns, data.episode_costs, settings, np.random.default_rng(seed)).split
    return split, *strip(data.select(split.non_preferred), data.select(split.unlabelled), split)


def test_labels_belong_to_the_transitions_of_the_training_data(plane):
    split, data, labels = stripped(plane, seed=0)
    np.testing.assert_array_equal(labels.unlabelled_indices, split.unlabelled)
    starts = data.unlabelled.starts
    np.testing.assert_array_equal(
        np.add.reduceat(labels.unlabelled_costs, starts), plane.episode_costs[split.unlabelled]
    )
    np.testing.assert_array_equal(
        np.add.reduceat(labels.non_preferred_rewards, data.non_preferred.starts),
        plane.returns[split.non_preferred],
    )
    np.testing.assert_array_equal(
        plane.episode_costs[labels.unlabelled_indices] < 25, labels.unlabelled_is_preferred
    )


def test_what_is_written_is_read_and_equal_bytes(plane, tmp_path):
    labels = stripped(plane, seed=0)[2]
    one, two = tmp_path / "one.hdf5", tmp_path / "two.hdf5"
    write_oracle_labels(one, labels)
    write_oracle_labels(two, labels)
    assert one.read_bytes() == two.read_bytes()
    found = read_oracle_labels(one)
    for item in fields(OracleLabels):
        np.testing.assert_array_equal(getattr(found, item.name), getattr(labels, item.name), strict=True)


def test_labels_of_another_split_are_refused(plane):
    _, data, labels = stripped(plane, seed=0)
    labels.check_belongs_to(data)
    with pytest.raises(UserError, match="belong to other training data"):
        labels.check_belongs_to(stripped(plane, seed=1)[1])


def test_other_files_are_refused(plane, tmp_path):
    path = tmp_path / "labels.hdf5"
    write_oracle_labels(path, stripped(plane, seed=0)[2])
    with h5py.File(path, "r+") as file:
        del file["unlabelled/costs"]
        del file.attrs["format"]
    with pytest.raises(UserError) as error:
        read_oracle_labels(path)
    assert "unlabelled/costs: expected an array, found none" in str(error.value)
    assert "attribute format: expected" in str(error.value)
