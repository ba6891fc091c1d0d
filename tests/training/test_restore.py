"""A finished run is the learner that it was when it was trained."""

import shutil

import pytest
import torch

from safemil.errors import UserError
from safemil.methods.policy_file import read_policy
from safemil.methods.safemil import SafeMIL
from safemil.training.restore import RunFiles, restore_run


@pytest.fixture
def files(uninterrupted, data_path):
    return RunFiles(
        data_path,
        uninterrupted / "policy.safetensors",
        uninterrupted / "networks.safetensors",
        uninterrupted / "run.json",
    )


def changed(files, **changes):
    return RunFiles(**(vars(files) | changes))


def test_every_tensor_is_the_saved_one(files):
    run = restore_run(files, SafeMIL)
    policy, _ = read_policy(files.policy)
    raw = run.data.unlabelled.observations.copy()
    with torch.inference_mode():
        mean, _ = run.learner.policy(run.learner.policy.standardise(torch.tensor(raw)))
    assert torch.equal(mean, torch.from_numpy(policy.act(raw)))
    # The last layer of an untrained cost is 0: this one has been trained.
    assert run.learner.networks["cost"].layers[-1].weight.abs().max() > 0
    assert not run.learner.networks.training
    assert run.record["method"] == "safemil"


def test_files_of_different_runs_are_refused(files, write_data, tmp_path):
    with pytest.raises(UserError, match="different runs: training data"):
        restore_run(changed(files, training_data=write_data(tmp_path / "other.hdf5", seed=1)), SafeMIL)
    with pytest.raises(UserError, match="do not fit the method"):
        restore_run(changed(files, networks=files.policy), SafeMIL)
    for name in ("policy", "networks", "record"):
        with pytest.raises(UserError, match="train the run first"):
            restore_run(changed(files, **{name: tmp_path / "absent"}), SafeMIL)


def test_damaged_networks_are_named(files, tmp_path):
    broken = tmp_path / "networks.safetensors"
    shutil.copy(files.networks, broken)
    broken.write_bytes(broken.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged file of networks"):
        restore_run(changed(files, networks=broken), SafeMIL)
