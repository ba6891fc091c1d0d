"""Policies kept along a training: the right ones, at the right steps, and nothing else changes by it."""

import itertools
import json

import pytest
import torch
from safetensors.torch import load_file

from safemil.methods.curve_file import read_curve_policies
from safemil.methods.policy_file import PolicyMetadata
from safemil.methods.safemil import SafeMIL
from safemil.training.kept_policies import curve_steps
from safemil.training.train import train

NAME = "curve_policies_5.safetensors"


@pytest.mark.parametrize(
    ("points", "steps", "expected"),
    [
        (4, 10, (3, 5, 8, 10)),
        (5, 60, (12, 24, 36, 48, 60)),
        (1, 7, (7,)),
        (0, 7, ()),
        (10, 3, (1, 2, 3)),  # no more points than steps, and none before the first
    ],
)
def test_points_are_evenly_spaced_and_the_last_one_is_the_end(points, steps, expected):
    assert curve_steps(points, steps) == expected


@pytest.fixture(scope="module")
def watched(tmp_path_factory, data_path, make_request):
    """The directory of a run with a curve, and the policy's head after every step of it."""
    directory, heads, update = tmp_path_factory.mktemp("watched"), {}, SafeMIL.update

    def watching(self, batch):
        metrics = update(self, batch)
        heads[self.steps_done] = self.policy.mean_head.weight.detach().clone()
        return metrics

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SafeMIL, "update", watching)
        train(make_request(curve_points=5), data_path, directory)
    return directory, heads


def test_each_kept_policy_is_that_of_its_step(watched):
    directory, heads = watched
    kept = read_curve_policies(directory / NAME)
    assert list(kept.policies) == [12, 24, 36, 48, 60]
    for step, policy in kept.policies.items():
        assert torch.equal(policy._policy.mean_head.weight, heads[step])
    assert kept.metadata == PolicyMetadata("swimmer_velocity", "safemil", "default", 0, 60)


def test_the_last_kept_policy_is_the_final_one(watched):
    final = load_file(watched[0] / "policy.safetensors")
    last = read_curve_policies(watched[0] / NAME).policies[60]._policy.state_dict()
    assert last.keys() == final.keys()
    assert all(torch.equal(last[name], final[name]) for name in final)


def test_keeping_policies_changes_no_bit_of_anything_else(watched, uninterrupted, contents, read_record):
    directory, _ = watched
    assert contents(directory) == contents(uninterrupted)
    assert {path.name for path in directory.iterdir()} == {
        *(path.name for path in uninterrupted.iterdir()),
        NAME,
    }
    with_curve, without = read_record(directory), read_record(uninterrupted)
    assert (with_curve.pop("curve_steps"), without.pop("curve_steps")) == ([12, 24, 36, 48, 60], [])
    # The id too: it is that of the final policy.
    assert {**with_curve, "timing": None} == {**without, "timing": None}
    assert read_curve_policies(directory / NAME).run_id == without["run_id"]


def test_the_id_of_a_run_is_that_of_what_decides_it(data_path, make_request, read_record, tmp_path):
    changed = {
        "first": make_request("bc", steps=2),
        "again": make_request("bc", steps=2),
        "seed": make_request("bc", steps=2, seed=1),
        "training": make_request("bc", steps=2, learning_rate=2e-3),
    }
    ids = {}
    for name, request in changed.items():
        train(request, data_path, tmp_path / name)
        ids[name] = read_record(tmp_path / name)["run_id"]
    assert ids["first"] == ids["again"]
    assert len(set(ids.values())) == 3
    assert all(len(identity) == 16 and int(identity, 16) >= 0 for identity in ids.values())


def test_points_of_a_curve_are_counted_in_steps_of_the_policy(data_path, make_request, tmp_path):
    """SafeDICE trains its discriminator for 5 steps before the policy's first: none of them is a point."""
    request = make_request("safedice", steps=10, settings={"pretraining_share": 0.5}, curve_points=5)
    train(request, data_path, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["pretraining_steps"] == 5
    kept = read_curve_policies(tmp_path / NAME)
    assert list(kept.policies) == [2, 4, 6, 8, 10]
    heads = [policy._policy.mean_head.weight for policy in kept.policies.values()]
    assert not any(torch.equal(one, other) for one, other in itertools.pairwise(heads))
