"""The policy file: nothing is lost, nothing wrong is read."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from safemil.errors import UserError
from safemil.methods.networks import GaussianPolicy, initialise
from safemil.methods.policy_file import (
    FORMAT,
    MeanActionPolicy,
    PolicyMetadata,
    read_policy,
    write_networks,
    write_policy,
)
from tests.methods import by_hand

METADATA = PolicyMetadata("swimmer_velocity", "bc", "default", 3, 1000)


@pytest.fixture
def policy():
    made = GaussianPolicy(4, 2)
    initialise(made, torch.Generator().manual_seed(0))
    made.observation_mean.copy_(torch.tensor([1.0, -2.0, 30.0, 0.1]))
    made.observation_std.copy_(torch.tensor([0.5, 2.0, 7.0, 1e-3]))
    return made


@pytest.fixture
def path(tmp_path, policy):
    write_policy(tmp_path / "policy.safetensors", policy, METADATA)
    return tmp_path / "policy.safetensors"


def test_round_trip_to_the_same_bits(path, policy):
    read, metadata = read_policy(path)
    state = policy.state_dict()
    assert metadata == METADATA
    assert read._policy.state_dict().keys() == state.keys()
    for name, tensor in read._policy.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert load_file(path).keys() == state.keys()


def test_equal_policies_give_equal_bytes(path, policy, tmp_path):
    for _ in range(10):  # the library's own order of metadata is random
        write_policy(tmp_path / "again.safetensors", policy, METADATA)
        assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    write_policy(tmp_path / "other.safetensors", policy, PolicyMetadata("t", "bc", "default", 4, 1000))
    assert (tmp_path / "other.safetensors").read_bytes() != path.read_bytes()


def test_actions_are_the_mean_at_standardised_raw_observations(path, policy):
    observations = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32) * 3 + [1, -2, 30, 0.1]
    mean, std = np.array([1.0, -2.0, 30.0, 0.1]), np.array([0.5, 2.0, 7.0, 1e-3])
    expected, _ = by_hand.policy_outputs(policy, (observations - mean) / std)
    actions = read_policy(path)[0].act(observations)
    assert actions.dtype == np.float32
    np.testing.assert_allclose(actions, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(actions).max() <= 1


def test_act_by_hand():
    """With a zero trunk the action is tanh of the mean head's bias, whatever the observation."""
    policy = GaussianPolicy(3, 2)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
        policy.mean_head.bias.copy_(torch.tensor([0.5, -2.0]))
    actions = MeanActionPolicy(policy).act(np.ones((1, 3)))
    assert actions.tolist() == [pytest.approx([math.tanh(0.5), math.tanh(-2.0)])]


def text(**changes):
    return {
        "format": FORMAT,
        "task": "t",
        "method": "m",
        "variant": "v",
        "seed": "0",
        "steps": "1",
    } | changes


def without_head(tensors):
    del tensors["mean_head.weight"]


def narrow_trunk(tensors):
    tensors["trunk.2.weight"] = torch.zeros(256, 100)


def wrong_inputs(tensors):
    tensors["observation_mean"] = torch.zeros(5)


def scalar_statistics(tensors):
    tensors["observation_mean"] = torch.tensor(0.0)


def one_too_many(tensors):
    tensors["value_head.weight"] = torch.zeros(1, 256)


@pytest.mark.parametrize(
    "damage", [without_head, narrow_trunk, wrong_inputs, scalar_statistics, one_too_many]
)
def test_wrong_shapes_are_refused(path, damage):
    tensors = load_file(path)
    damage(tensors)
    save_file(tensors, path, metadata=text())
    with pytest.raises(UserError, match="wrong shape") as error:
        read_policy(path)
    assert path.name in str(error.value)


@pytest.mark.parametrize(
    "changes", [{"format": "safemil-policy-0"}, {"seed": "first"}, {"steps": ""}], ids=str
)
def test_wrong_metadata_are_refused(path, changes):
    tensors = load_file(path)
    save_file(tensors, path, metadata=text())
    read_policy(path)
    save_file(tensors, path, metadata=text(**changes))
    with pytest.raises(UserError, match=path.name):
        read_policy(path)


def test_tensors_lie_where_the_format_wants_them(path):
    """The header's length is a multiple of 8 and any reader of safetensors finds metadata and tensors."""
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    with safe_open(path, framework="np") as file:
        assert file.metadata() == {
            "format": "safemil-policy-1",
            "task": "swimmer_velocity",
            "method": "bc",
            "variant": "default",
            "seed": "3",
            "steps": "1000",
        }
        assert file.get_tensor("observation_mean").tolist() == pytest.approx([1, -2, 30, 0.1])


def test_a_file_of_networks_is_not_a_policy(tmp_path, policy):
    write_networks(tmp_path / "networks.safetensors", policy, {"task": "t"})
    with pytest.raises(UserError, match="not a policy file"):
        read_policy(tmp_path / "networks.safetensors")


@pytest.mark.parametrize("kept", [0, 7, 1000, -1])
def test_a_damaged_file_is_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="damaged"):
        read_policy(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="no policy here"):
        read_policy(tmp_path / "policy.safetensors")


def test_a_failed_write_leaves_the_old_file(path, policy, monkeypatch):
    """Not even a part of a file appears where the disk is full."""
    old = path.read_bytes()
    write_bytes = Path.write_bytes

    def full(self, content):
        write_bytes(self, content[:1000])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        write_policy(path, policy, METADATA)
    assert path.read_bytes() == old
    assert [each.name for each in path.parent.iterdir()] == [path.name]
