"""Small data sets whose every number is known, and learners built on them."""

import numpy as np
import pytest
import torch
from torch import nn

from safemil.data.labels import OracleLabels
from safemil.data.stripped import TrainingData, training_digest
from safemil.data.trajectories import Trajectories
from safemil.methods.budget import TrainingSettings
from safemil.methods.networks import initialise
from safemil.methods.oracle import OracleData
from safemil.training.randomness import numpy_stream, torch_stream


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")


def _trajectories(lengths, *, observations=None, actions=None, sizes=(3, 2), seed=0):
    generator = np.random.default_rng(seed)
    n, stops = sum(lengths), np.cumsum(lengths)
    if observations is None:
        observations = generator.normal(size=(n, sizes[0]))
    if actions is None:
        actions = generator.uniform(-1, 1, size=(n, sizes[1]))
    observations = np.asarray(observations, dtype=np.float32)
    return Trajectories(
        observations=observations,
        actions=np.asarray(actions, dtype=np.float32),
        next_observations=np.roll(observations, -1, axis=0),
        terminals=np.zeros(n, dtype=np.bool_),
        starts=np.asarray(stops - lengths, dtype=np.int64),
    )


@pytest.fixture(scope="session")
def make_trajectories():
    """A factory of trajectories of the given lengths; random where no arrays are given."""
    return _trajectories


@pytest.fixture(scope="session")
def random_data():
    """Trajectories of different lengths with noise in them: three in D_N, four in D_U."""
    return TrainingData(_trajectories([6, 9, 4], seed=1), _trajectories([5, 12, 7, 4], seed=2))


def _labels(data, **changes):
    generator = np.random.default_rng(3)
    u, n = data.unlabelled, data.non_preferred
    fields = {
        "non_preferred_rewards": generator.random(n.n_transitions),
        "non_preferred_costs": np.ones(n.n_transitions),
        "unlabelled_rewards": generator.random(u.n_transitions),
        "unlabelled_costs": generator.random(u.n_transitions) < 0.3,
    }
    return OracleLabels(
        **{name: np.asarray(changes.get(name, value), np.float32) for name, value in fields.items()},
        non_preferred_indices=np.arange(n.n_trajectories),
        unlabelled_indices=np.arange(u.n_trajectories),
        unlabelled_is_preferred=np.asarray(
            changes.get("unlabelled_is_preferred", np.arange(u.n_trajectories) % 2 == 0)
        ),
        training_digest=training_digest(data),
    )


@pytest.fixture(scope="session")
def make_labels():
    """A factory of labels of the given data: random, every other trajectory preferred, unless given."""
    return _labels


def _learner(method, data, *, labels=None, seed=0, settings=None, **training):
    defaults = {"steps": 100, "bag_pairs": 2, "bag_size": 3, "segment_length": 4}
    given = OracleData(data, labels or _labels(data)) if method.kind == "oracle" else data
    return method(
        given,
        method.settings_model.model_validate(settings or {}),
        TrainingSettings.model_validate(defaults | training),
        torch_stream(seed, "initial weights"),
    )


@pytest.fixture(scope="session")
def make_learner():
    """A factory of learners and oracles as the training makes them: B = 2, K = 3, H = 4 unless given."""
    return _learner


def _train(learner, *, seed=0, steps=None):
    generator = numpy_stream(seed, "batches")
    while learner.pretraining_done < learner.pretraining_steps:
        learner.pretrain(learner.sample(generator))
        learner.pretraining_done += 1
    return [
        learner.update(learner.sample(generator))
        for _ in range(learner.training.steps if steps is None else steps)
    ]


@pytest.fixture(scope="session")
def train_learner():
    """Train a learner for its budget, or `steps` of it, after pretraining; returns what each step logged."""
    return _train


def _scramble(learner, *, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    initialise(learner.cost_network, generator)
    last = learner.cost_network.layers[-1]
    with torch.no_grad():
        last.weight.mul_(scale)
    return learner


@pytest.fixture(scope="session")
def scramble():
    """Make a SafeMIL learner's cost differ from 1/2, so that a wrong formula shows."""
    return _scramble


def _doubled(learner, data):
    """Turn everything a learner computes with into float64."""
    learner.networks.double()
    pairs = [(learner._unlabelled, data.unlabelled), (learner._non_preferred, data.non_preferred)]
    for tensors, trajectories in pairs:
        raw = torch.tensor(trajectories.observations, dtype=torch.float64)
        tensors.observations = learner.policy.standardise(raw)
        tensors.actions = torch.tensor(trajectories.actions, dtype=torch.float64)
    return learner


@pytest.fixture(scope="session")
def doubled():
    """Give a SafeMIL learner float64 networks and data, for finite differences."""
    return _doubled


def _gradient(network: nn.Module):
    return torch.cat([parameter.grad.reshape(-1) for parameter in network.parameters()]).clone()


@pytest.fixture(scope="session")
def gradient_of():
    """The gradient that the last step left in a network's parameters, as one vector."""
    return _gradient
