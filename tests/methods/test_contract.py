"""What every method must keep to. A built-in one is tested here by being registered.

One's own is tested by a file that takes these tests over: workflow/templates/new_method/test_method.py.
"""

import copy
import importlib
import inspect
import io
import math
import typing
from dataclasses import fields

import numpy as np
import pytest
import torch

from safemil.catalogue import built_in_methods, method_kind, method_named, module_name, taken_by
from safemil.data.stripped import TrainingData
from safemil.data.trajectories import Trajectories
from safemil.errors import UserError
from safemil.methods.cost_learner import CostLearner
from safemil.methods.learner import MethodSettings
from safemil.methods.networks import GaussianPolicy
from safemil.methods.oracle import OracleData
from safemil.methods.own_method import find_checked
from safemil.methods.registry import find_learner, find_method
from safemil.records.provenance import modules_behind
from safemil.training.train_oracle import find_oracle

pytestmark = pytest.mark.parametrize("method", list(built_in_methods()))
# Every test is run for every method, also one that knows it by the fixture `learner` only.
# ruff: noqa: ARG001


@pytest.fixture(scope="module")
def easy_data(make_trajectories):
    """Actions are a smooth function of the observation; the non-preferred states lie elsewhere."""
    generator = np.random.default_rng(0)

    def trajectories(lengths, centre):
        observations = generator.normal(size=(sum(lengths), 3)) + centre
        actions = np.tanh(observations @ np.array([[0.8, -0.3], [0.1, 0.5], [-0.6, 0.2]]))
        return make_trajectories(lengths, observations=observations, actions=actions)

    return TrainingData(trajectories([30] * 5, 1.5), trajectories([30] * 10, 0.0))


@pytest.fixture
def learner(method, easy_data, make_learner):
    return make_learner(find_method(method), easy_data, steps=40)


def policy_tensors(learner):
    return copy.deepcopy(learner.policy.state_dict())


def all_equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_name_and_settings(method):
    found = find_checked(method)
    if method in built_in_methods():
        assert found.name == method
    else:  # the user's own is called what its class says, so by nothing that is taken
        assert taken_by(found.name) is None
        assert method_named(method).display == found.name
    assert issubclass(found.settings_model, MethodSettings)
    assert found.settings_model.model_config["extra"] == "forbid"
    found.settings_model()  # every setting has a default


def test_the_page_of_the_method(method):
    page = importlib.import_module(module_name(method)).__doc__
    assert "Logged" in page
    assert "Constants" in page


def test_a_learner_is_given_training_data_and_nothing_with_labels(method, easy_data):
    found = find_method(method)
    constructor = found.__init__
    assert list(inspect.signature(constructor).parameters) == [
        "self",
        "data",
        "settings",
        "training",
        "generator",
    ]
    asked = typing.get_type_hints(constructor)["data"]
    if method_kind(method) == "oracle":
        assert asked is OracleData
        assert find_oracle(method) is found
        with pytest.raises(UserError, match="train-oracle"):
            find_learner(method)
        return
    assert asked is TrainingData
    assert find_learner(method) is found
    with pytest.raises(UserError, match="never given labels"):
        find_oracle(method)
    types = [typing.get_type_hints(TrainingData)[field.name] for field in fields(TrainingData)]
    assert types == [Trajectories, Trajectories]
    names = {name for part in (easy_data, easy_data.unlabelled) for name in dir(part)}
    assert not [name for name in names if "reward" in name or "cost" in name or "label" in name.split("_")]


def test_the_table_the_class_and_the_label_agree_on_the_kind(method):
    """The workflow goes by the table, the commands by the class, tables and figures by the label."""
    found = find_method(method)
    assert method_kind(method) == found.kind == method_named(method).kind
    assert method_named(method).learns_cost == (found.kind == "learner" and issubclass(found, CostLearner))


def test_only_an_oracle_can_reach_what_reads_labels(method):
    """Following imports: neither the module of a learner nor what trains it knows labels or oracles."""
    trainers = {"learner": "safemil.training.train", "oracle": "safemil.training.train_oracle"}
    module = module_name(method)
    for modules in ((module,), (trainers[method_kind(method)], module)):
        behind = modules_behind(*modules)
        assert ("safemil.data.labels" in behind) == (method_kind(method) == "oracle")
        assert ("safemil.methods.oracle" in behind) == (method_kind(method) == "oracle")


def test_shapes_and_networks(method, learner, easy_data):
    assert isinstance(learner.policy, GaussianPolicy)
    assert learner.networks["policy"] is learner.policy
    assert learner.optimizers.keys() == learner.networks.keys()
    for name, network in learner.networks.items():
        owned = {id(p) for group in learner.optimizers[name].param_groups for p in group["params"]}
        assert owned == {id(parameter) for parameter in network.parameters()}
    observations = torch.tensor(easy_data.unlabelled.observations[:7])
    mean, log_std = learner.policy(learner.policy.standardise(observations))
    assert mean.shape == log_std.shape == (7, 2)
    assert learner.policy_losses(observations, torch.zeros(7, 2)).shape == (7,)


def test_every_update_counts_one_step_and_logs_the_same_finite_values(method, learner, train_learner):
    logged = train_learner(learner, steps=12)
    assert learner.steps_done == 12
    assert "policy_loss" in logged[0]
    for row in logged:
        assert row.keys() == logged[0].keys()
        assert all(type(value) is float and math.isfinite(value) for value in row.values())
    assert all(torch.isfinite(tensor).all() for tensor in learner.networks.state_dict().values())


def test_sampling_draws_from_the_given_stream_alone(method, learner, train_learner):
    """Neither global stream has a part in a run."""
    before = policy_tensors(learner), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train_learner(learner, steps=3)
    assert not all_equal(before[0], policy_tensors(learner))
    assert torch.equal(before[1], torch.get_rng_state())
    assert (before[2] == np.random.get_state()[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("horizon", [3, "full"])
def test_a_seed_decides_every_bit(method, easy_data, make_learner, train_learner, horizon):
    def trained(weights_seed, batches_seed):
        made = make_learner(
            find_method(method), easy_data, seed=weights_seed, segment_length=horizon, steps=5
        )
        train_learner(made, seed=batches_seed)
        return made.networks.state_dict()

    first = trained(0, 0)
    assert all_equal(first, trained(0, 0))
    for other in (trained(1, 0), trained(0, 1)):
        assert not torch.equal(first["policy.trunk.0.weight"], other["policy.trunk.0.weight"])
        assert torch.equal(first["policy.observation_mean"], other["policy.observation_mean"])


def test_a_saved_learner_goes_on_to_the_same_bits(method, easy_data, make_learner, train_learner):
    original, resumed = (make_learner(find_method(method), easy_data, steps=20, seed=s) for s in (0, 9))
    train_learner(original, steps=7)
    file = io.BytesIO()
    torch.save(original.state(), file)
    file.seek(0)
    resumed.load_state(torch.load(file, weights_only=True))
    assert resumed.steps_done == 7
    after = [train_learner(each, seed=3, steps=13) for each in (original, resumed)]
    assert after[0] == after[1]
    assert all_equal(original.networks.state_dict(), resumed.networks.state_dict())


def test_a_learner_saved_before_its_first_update_goes_on_to_the_same_bits(
    method, easy_data, make_learner, train_learner
):
    """In the middle of pretraining, where a method has any."""
    original, resumed = (make_learner(find_method(method), easy_data, steps=40, seed=s) for s in (0, 9))
    generator = np.random.default_rng(1)
    while 2 * original.pretraining_done < original.pretraining_steps:
        original.pretrain(original.sample(generator))
        original.pretraining_done += 1
    file = io.BytesIO()
    torch.save(original.state(), file)
    file.seek(0)
    resumed.load_state(torch.load(file, weights_only=True))
    assert resumed.pretraining_done == original.pretraining_done
    after = [train_learner(each, seed=3, steps=5) for each in (original, resumed)]
    assert after[0] == after[1]
    assert all_equal(original.networks.state_dict(), resumed.networks.state_dict())
    assert original.estimates() == resumed.estimates()


def test_the_policy_loss_falls_on_an_easy_problem(method, easy_data, make_learner, train_learner):
    made = make_learner(
        find_method(method), easy_data, steps=150, bag_size=16, learning_rate=1e-3, policy_loss="mse"
    )
    losses = [row["policy_loss"] for row in train_learner(made)]
    assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:5])
    with torch.no_grad():
        unlabelled = easy_data.unlabelled
        mean, _ = made.policy(made.policy.standardise(torch.tensor(unlabelled.observations)))
    # Actions have a variance near 0.3 each: most of it is explained.
    residual = (mean - torch.tensor(unlabelled.actions)).square().mean().item()
    assert residual < 0.1 * unlabelled.actions.var()
