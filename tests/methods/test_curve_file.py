"""The file of kept policies: nothing is lost, nothing wrong is read."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from safemil.errors import UserError
from safemil.methods.curve_file import FORMAT, read_curve_policies, write_curve_policies
from safemil.methods.networks import GaussianPolicy, initialise
from safemil.methods.policy_file import PolicyMetadata, read_policy, write_policy

METADATA = PolicyMetadata("swimmer_velocity", "bc", "default", 3, 1000)


@pytest.fixture
def policies():
    made = {}
    for seed, step in enumerate((1000, 50)):
        policy = GaussianPolicy(4, 2)
        initialise(policy, torch.Generator().manual_seed(seed))
        made[step] = policy.state_dict()
    return made


@pytest.fixture
def path(tmp_path, policies):
    write_curve_policies(tmp_path / "curve.safetensors", policies, METADATA, "0123456789abcdef")
    return tmp_path / "curve.safetensors"


def test_round_trip_to_the_same_bits_in_order_of_steps(path, policies):
    kept = read_curve_policies(path)
    assert list(kept.policies) == [50, 1000]
    for step, policy in kept.policies.items():
        read = policy._policy.state_dict()
        assert read.keys() == policies[step].keys()
        assert all(torch.equal(read[name], policies[step][name]) for name in read)
    assert (kept.metadata, kept.run_id) == (METADATA, "0123456789abcdef")


def test_equal_policies_give_equal_bytes(path, policies, tmp_path):
    for order in (sorted(policies), sorted(policies, reverse=True)):
        again = tmp_path / "again.safetensors"
        write_curve_policies(again, {step: policies[step] for step in order}, METADATA, "0123456789abcdef")
        assert again.read_bytes() == path.read_bytes()


def text(**changes):
    named = {"task": "t", "method": "m", "variant": "v", "seed": "0", "steps": "1", "run_id": "a"}
    return {"format": FORMAT, **named} | changes


def without_one_head(tensors):
    del tensors["50.mean_head.weight"]


def without_step(tensors):
    tensors["mean_head.weight"] = tensors.pop("50.mean_head.weight")


@pytest.mark.parametrize("damage", [without_one_head, without_step])
def test_wrong_content_is_refused(path, damage):
    tensors = load_file(path)
    damage(tensors)
    save_file(tensors, path, metadata=text())
    with pytest.raises(UserError, match=r"wrong shape[\s\S]*curve\.safetensors"):
        read_curve_policies(path)


def test_metadata_must_name_the_run(path):
    tensors = load_file(path)
    metadata = text()
    del metadata["run_id"]
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(UserError, match="run_id"):
        read_curve_policies(path)


def test_a_single_policy_and_the_policies_of_a_curve_are_not_mixed_up(path, policies, tmp_path):
    policy = GaussianPolicy(4, 2)
    policy.load_state_dict(policies[50])
    write_policy(tmp_path / "policy.safetensors", policy, METADATA)
    with pytest.raises(UserError, match=FORMAT):
        read_curve_policies(tmp_path / "policy.safetensors")
    with pytest.raises(UserError, match="not a policy file"):
        read_policy(path)
    with pytest.raises(UserError, match="no policy here"):
        read_curve_policies(tmp_path / "absent.safetensors")
