"""A tiny training file and requests to train on it."""

import json
import sys

import numpy as np
import pytest
import torch

from safemil.catalogue import method_kind
from safemil.data.labels import OracleLabels, write_oracle_labels
from safemil.data.stripped import (
    TrainingData,
    TrainingMetadata,
    read_training_data,
    training_digest,
    write_training_data,
)
from safemil.data.trajectories import Trajectories
from safemil.methods.budget import TrainingSettings
from safemil.training.train import RunRequest, train
from safemil.training.train_oracle import train_oracle

TASK = "swimmer_velocity"
OUTPUTS = ("policy.safetensors", "networks.safetensors", "train.csv", "run.json")
DECIDED_BY_THE_SEED = OUTPUTS[:3]


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


def _trajectories(lengths, generator):
    n, stops = sum(lengths), np.cumsum(lengths)
    observations = generator.normal(size=(n, 3)).astype(np.float32)
    return Trajectories(
        observations=observations,
        actions=np.tanh(observations[:, :2] + 0.1 * generator.normal(size=(n, 2))).astype(np.float32),
        next_observations=np.roll(observations, -1, axis=0),
        terminals=np.zeros(n, dtype=np.bool_),
        starts=np.asarray(stops - lengths, dtype=np.int64),
    )


@pytest.fixture(scope="session")
def write_data():
    """Write a training file; another seed gives other data."""

    def write(path, *, seed=0, task=TASK):
        generator = np.random.default_rng(seed)
        data = TrainingData(_trajectories([9, 14], generator), _trajectories([8, 20, 12], generator))
        write_training_data(path, data, TrainingMetadata(task=task, source="collected"))
        return path

    return write


@pytest.fixture(scope="session")
def data_path(tmp_path_factory, write_data):
    """A training file of two and three short trajectories."""
    return write_data(tmp_path_factory.mktemp("data") / "training_data.hdf5")


@pytest.fixture(scope="session")
def write_labels():
    """Write labels of a training file; another seed gives other rewards and costs."""

    def write(path, data_path, *, seed=0):
        data, generator = read_training_data(data_path), np.random.default_rng(seed)
        n, u = data.non_preferred, data.unlabelled
        labels = OracleLabels(
            non_preferred_rewards=np.zeros(n.n_transitions, dtype=np.float32),
            non_preferred_costs=np.ones(n.n_transitions, dtype=np.float32),
            non_preferred_indices=np.arange(n.n_trajectories),
            unlabelled_rewards=generator.random(u.n_transitions, dtype=np.float32),
            unlabelled_costs=(generator.random(u.n_transitions) < 0.5).astype(np.float32),
            unlabelled_indices=np.arange(u.n_trajectories),
            unlabelled_is_preferred=np.arange(u.n_trajectories) > 0,
            training_digest=training_digest(data),
        )
        write_oracle_labels(path, labels)
        return path

    return write


@pytest.fixture(scope="session")
def labels_path(tmp_path_factory, write_labels, data_path):
    """The labels of the training file."""
    return write_labels(tmp_path_factory.mktemp("labels") / "oracle_labels.hdf5", data_path)


@pytest.fixture(scope="session")
def train_any(data_path, labels_path):
    """Train a learner on the training file alone, an oracle on its labels too."""

    def run(request, directory):
        if method_kind(request.method) == "oracle":
            train_oracle(request, data_path, labels_path, directory)
        else:
            train(request, data_path, directory)

    return run


@pytest.fixture(scope="session")
def make_request():
    """A factory of requests: SafeMIL, 60 steps of two bags of four segments of three transitions."""

    def make(method="safemil", *, seed=0, settings=None, task=TASK, curve_points=0, **training):
        defaults = {
            "steps": 60,
            "bag_pairs": 2,
            "bag_size": 4,
            "segment_length": 3,
            "log_every": 7,
            "checkpoint_every": 20,
        }
        return RunRequest(
            task,
            method,
            "default",
            seed,
            settings or {},
            TrainingSettings.model_validate(defaults | training),
            curve_points,
        )

    return make


@pytest.fixture(scope="session")
def read_record():
    """Read the run.json of a directory."""
    return lambda directory: json.loads((directory / "run.json").read_text())


@pytest.fixture(scope="session")
def contents():
    """The bytes of every output that the seed decides, by name."""
    return lambda directory: {name: (directory / name).read_bytes() for name in DECIDED_BY_THE_SEED}


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory, data_path, make_request):
    """The directory of a run that nothing disturbed."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    train(make_request(), data_path, directory)
    return directory


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a module `outside.{name}` where Python finds it; returns its dotted path."""
    root = tmp_path / "modules"
    (root / "outside").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(root))

    def write(name, source):
        (root / "outside" / f"{name}.py").write_text(source)
        return f"outside.{name}"

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "outside"]:
        del sys.modules[name]
