"""One training run from the stripped file to its four outputs, and what stops it."""

import math
import re

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from safemil.catalogue import built_in_methods
from safemil.errors import UserError
from safemil.files import sha256
from safemil.methods.bc import BehaviorCloning
from safemil.methods.policy_file import PolicyMetadata, read_policy
from safemil.records.provenance import training_code
from safemil.records.versions import PACKAGES
from safemil.training.train import train
from tests.training.conftest import OUTPUTS


def test_the_four_outputs_and_nothing_else(uninterrupted):
    assert {path.name for path in uninterrupted.iterdir()} == set(OUTPUTS)


def test_the_policy_says_where_it_is_from(uninterrupted):
    _, metadata = read_policy(uninterrupted / "policy.safetensors")
    assert metadata == PolicyMetadata("swimmer_velocity", "safemil", "default", 0, 60)


def test_the_other_networks_are_kept_too(uninterrupted):
    tensors = load_file(uninterrupted / "networks.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"cost"}
    assert tensors["cost.layers.4.weight"].any()


def test_the_record_of_a_run(uninterrupted, read_record, data_path):
    record = read_record(uninterrupted)
    assert {key: record[key] for key in ("task", "source", "method", "kind", "variant", "seed")} == {
        "task": "swimmer_velocity",
        "source": "collected",
        "method": "safemil",
        "kind": "learner",
        "variant": "default",
        "seed": 0,
    }
    # Every setting is resolved, also those that were left out.
    assert record["settings"]["temperature"] == 0.6
    assert record["settings"]["cost_learning_rate"] is None
    assert record["training"]["bag_size"] == 4
    assert record["training"]["weight_decay"] == 0.01
    assert record["data"] == {
        "sha256": sha256(data_path),
        "non_preferred_trajectories": 2,
        "unlabelled_trajectories": 3,
    }
    # 3 * 256 + 256, 256 * 256 + 256, two heads of 256 * 2 + 2; the cost network has 5 inputs and 1 output.
    trunk = 256 * 256 + 256
    assert record["parameters"] == {
        "policy": 4 * 256 + trunk + 2 * 514,
        "cost": 6 * 256 + trunk + 257,
    }
    assert record["transitions_per_policy_step"] == 2 * 4 * 3
    assert set(record["versions"]) == {"python", *PACKAGES}
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", record["commit"])
    assert record["code"] == training_code("safemil.methods.safemil")
    timing = record["timing"]
    assert timing["steps"] == 60
    assert timing["resumed_from_step"] == 0
    assert timing["steps_per_second"] == pytest.approx(60 / timing["seconds"])


def test_the_log_of_a_run(uninterrupted):
    log = pd.read_csv(uninterrupted / "train.csv")
    assert log["step"].tolist() == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert set(log.columns) == {
        "step",
        "cost_loss",
        "score_difference",
        "cost_non_preferred",
        "cost_unlabelled",
        "cost_gradient_norm",
        "policy_loss",
        "effective_share",
        "effective_trajectory_share",
        "policy_gradient_norm",
    }
    assert log.map(math.isfinite).all().all()
    assert log["cost_loss"].iloc[0] > log["cost_loss"].iloc[-1]


def test_rows_are_means_since_the_last_row(data_path, make_request, tmp_path):
    """With a row for each step the coarser log can be computed from it; the last row has 4 steps only."""
    for directory, every in (("fine", 1), ("coarse", 4)):
        train(make_request("bc", steps=10, log_every=every), data_path, tmp_path / directory)
    fine, coarse = (pd.read_csv(tmp_path / name / "train.csv") for name in ("fine", "coarse"))
    assert coarse["step"].tolist() == [4, 8, 10]
    for column in ("policy_loss", "policy_gradient_norm"):
        blocks = [fine[column][start:stop].mean() for start, stop in ((0, 4), (4, 8), (8, 10))]
        assert coarse[column].tolist() == pytest.approx(blocks, rel=1e-6)


@pytest.mark.parametrize("method", list(built_in_methods()))
def test_equal_seeds_give_equal_bytes_and_other_seeds_others(
    method, train_any, make_request, contents, tmp_path
):
    for directory, seed in (("first", 0), ("second", 0), ("other", 1)):
        train_any(make_request(method, seed=seed, steps=8), tmp_path / directory)
    first, second, other = (contents(tmp_path / name) for name in ("first", "second", "other"))
    assert first == second
    assert first["policy.safetensors"] != other["policy.safetensors"]
    assert first["train.csv"] != other["train.csv"]
    # Not only their metadata differ.
    tensors = (load_file(tmp_path / name / "policy.safetensors") for name in ("first", "other"))
    assert not torch.equal(*(each["mean_head.weight"] for each in tensors))


def test_the_seed_decides_the_initial_weights_and_the_batches(data_path, make_request, tmp_path, monkeypatch):
    starts, update = [], BehaviorCloning.update

    def spy(self, batch):
        starts.append((self.policy.mean_head.weight.detach().clone(), batch))
        return update(self, batch)

    monkeypatch.setattr(BehaviorCloning, "update", spy)
    for seed in (3, 3, 4):
        train(make_request("bc", seed=seed, steps=1), data_path, tmp_path)
    first, again, other = starts
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_method_from_outside_the_package(data_path, make_request, read_record, tmp_path, write_module):
    source = (
        "from safemil.methods.bc import BehaviorCloning\n\n\n"
        "class Mine(BehaviorCloning):\n    name = 'mine'\n\n\nMETHOD = Mine\n"
    )
    module = write_module("mine", source)
    train(make_request(module, steps=2), data_path, tmp_path / "run")
    assert read_record(tmp_path / "run")["method"] == "outside.mine"
    assert read_policy(tmp_path / "run" / "policy.safetensors")[1].method == "outside.mine"


def test_the_training_file_of_another_task(write_data, make_request, tmp_path):
    path = write_data(tmp_path / "data.hdf5", task="point_goal1")
    with pytest.raises(UserError, match=r"another task[\s\S]*swimmer_velocity[\s\S]*point_goal1"):
        train(make_request(), path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_wrong_setting_of_a_method_is_named(data_path, make_request, tmp_path):
    wrong = {"discount": 2, "temperature": "warm", "lambda": 1}
    with pytest.raises(UserError) as error:
        train(make_request(settings=wrong), data_path, tmp_path / "run")
    assert all(key in str(error.value) for key in wrong)
    assert "3 problem(s)" in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def diverging(monkeypatch):
    """Let the policy's loss become undefined at the seventh step."""
    policy_losses, calls = BehaviorCloning.policy_losses, []

    def at_step(value):
        def losses(self, observations, actions):
            calls.append(1)
            result = policy_losses(self, observations, actions)
            return result * value if len(calls) == 7 else result

        monkeypatch.setattr(BehaviorCloning, "policy_losses", losses)

    return at_step


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_names_the_step_and_the_loss_and_leaves_nothing(
    data_path, make_request, tmp_path, diverging, value
):
    diverging(value)
    with pytest.raises(UserError) as error:
        train(make_request("bc"), data_path, tmp_path / "run")
    assert "gradient step 7" in str(error.value)
    assert re.search(r"policy_loss = -?(nan|inf)", str(error.value))
    assert "learning_rate" in str(error.value)
    assert not list(tmp_path.glob("run/*"))


def test_divergence_after_a_checkpoint_leaves_the_checkpoint_only(
    data_path, make_request, tmp_path, diverging
):
    diverging(math.nan)
    with pytest.raises(UserError, match="gradient step 7"):
        train(make_request("bc", checkpoint_every=3), data_path, tmp_path / "run")
    assert [path.name for path in tmp_path.glob("run/*")] == ["checkpoint.pt"]
