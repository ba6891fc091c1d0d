"""A killed run goes on to the same bits; a checkpoint that does not belong to a run is never taken up."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from safemil.methods.safemil import SafeMIL
from safemil.training.checkpoints import read_checkpoint, write_checkpoint
from safemil.training.train import train

CURVE = "curve_policies_5.safetensors"

# Both end by SIGKILL, which no `finally` survives.
KILLED_BETWEEN_CHECKPOINTS = """
update, calls = SafeMIL.update, []

def killed_at_step_47(self, batch):
    calls.append(1)
    if len(calls) == 47:
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, batch)

SafeMIL.update = killed_at_step_47
"""
KILLED_WHILE_WRITING = """
save, calls = torch.save, []

def killed_in_the_second_checkpoint(content, path):
    calls.append(1)
    save(content, path)
    if len(calls) == 2:
        with open(path, "r+b") as file:
            file.truncate(1000)
        os.kill(os.getpid(), signal.SIGKILL)

torch.save = killed_in_the_second_checkpoint
"""
SCRIPT = """
import json, os, signal, sys
from pathlib import Path
import torch
from safemil.methods.safemil import SafeMIL
from safemil.methods.budget import TrainingSettings
from safemil.training.train import RunRequest, train
{murder}
request, data_path, directory = json.loads(sys.argv[1])
request["training"] = TrainingSettings.model_validate(request["training"])
train(RunRequest(**request), Path(data_path), Path(directory))
"""


def kill_in_a_process_of_its_own(murder, request, data_path, directory):
    raw = asdict(request) | {"training": request.training.model_dump()}
    arguments = json.dumps([raw, str(data_path), str(directory)])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(murder=murder), arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def undisturbed_curve(tmp_path_factory, data_path, make_request):
    """The bytes of the policies kept at steps 12, 24, 36, 48 and 60 of a run that nothing disturbed."""
    directory = tmp_path_factory.mktemp("curve")
    train(make_request(curve_points=5), data_path, directory)
    return (directory / CURVE).read_bytes()


@pytest.mark.parametrize(
    ("murder", "resumed_from"), [(KILLED_BETWEEN_CHECKPOINTS, 40), (KILLED_WHILE_WRITING, 20)]
)
def test_a_killed_run_goes_on_to_the_same_bits(
    murder,
    resumed_from,
    uninterrupted,
    undisturbed_curve,
    data_path,
    make_request,
    contents,
    read_record,
    tmp_path,
):
    request = make_request(curve_points=5)
    killed = kill_in_a_process_of_its_own(murder, request, data_path, tmp_path)
    assert killed.returncode == -9, killed.stderr
    assert (tmp_path / "checkpoint.pt").is_file()
    assert not any((tmp_path / name).exists() for name in (*contents(uninterrupted), CURVE))

    train(request, data_path, tmp_path)
    assert contents(tmp_path) == contents(uninterrupted)
    # Points from before the last checkpoint, from after it and from after the kill.
    assert (tmp_path / CURVE).read_bytes() == undisturbed_curve
    assert read_record(tmp_path)["timing"]["resumed_from_step"] == resumed_from
    assert read_record(tmp_path)["timing"]["steps"] == 60 - resumed_from
    assert not (tmp_path / "checkpoint.pt").exists()


class StoppedError(Exception):
    """What ends a run from within."""


@pytest.fixture
def stop_at(monkeypatch):
    """Train until some step, then stop as if the process had ended; leaves the checkpoint."""

    def stop(step, request, data_path, directory):
        update, calls = SafeMIL.update, []

        def stopping(self, batch):
            calls.append(1)
            if len(calls) == step:
                raise StoppedError
            return update(self, batch)

        with monkeypatch.context() as patch:
            patch.setattr(SafeMIL, "update", stopping)
            with pytest.raises(StoppedError):
                train(request, data_path, directory)

    return stop


def other_settings(request, **_):
    return request(settings={"temperature": 0.5}), {}


def other_training(request, **_):
    return request(learning_rate=2e-3), {}


def other_seed(request, **_):
    return request(seed=1), {}


def other_data(request, write_data, tmp_path):
    return request(), {"data_path": write_data(tmp_path / "other.hdf5", seed=5)}


def other_points(request, **_):
    return request(curve_points=4), {}


def other_code(request, **_):
    return request(), {"code": "0123456789abcdef"}


def other_versions(request, **_):
    return request(), {"versions": {"torch": "0.0"}}


CHANGES = [
    other_settings,
    other_training,
    other_seed,
    other_data,
    other_points,
    other_code,
    other_versions,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_checkpoint_of_something_else_is_ignored(
    change, data_path, make_request, write_data, stop_at, contents, read_record, tmp_path, monkeypatch
):
    stop_at(33, make_request(), data_path, tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    changed, with_ = change(make_request, write_data=write_data, tmp_path=tmp_path)
    if "code" in with_:
        monkeypatch.setattr("safemil.training.train.training_code", lambda *_: with_["code"])
    if "versions" in with_:
        monkeypatch.setattr("safemil.training.train.versions", lambda: with_["versions"])
    for directory in ("run", "clean"):
        train(changed, with_.get("data_path", data_path), tmp_path / directory)
    assert read_record(tmp_path / "run")["timing"]["resumed_from_step"] == 0
    assert contents(tmp_path / "run") == contents(tmp_path / "clean")


def test_a_run_that_is_stopped_twice(
    uninterrupted, data_path, make_request, stop_at, contents, read_record, tmp_path
):
    stop_at(25, make_request(), data_path, tmp_path)
    stop_at(29, make_request(), data_path, tmp_path)  # 29 steps after step 20: two checkpoints further
    train(make_request(), data_path, tmp_path)
    assert read_record(tmp_path)["timing"]["resumed_from_step"] == 40
    assert contents(tmp_path) == contents(uninterrupted)


def test_a_commit_alone_sets_no_checkpoint_aside(
    data_path, make_request, stop_at, read_record, tmp_path, monkeypatch
):
    stop_at(33, make_request(), data_path, tmp_path)
    monkeypatch.setattr("safemil.training.train.commit", lambda: "f" * 40)
    train(make_request(), data_path, tmp_path)
    assert read_record(tmp_path)["timing"]["resumed_from_step"] == 20


def test_checkpoints_return_what_was_written(tmp_path):
    path = tmp_path / "checkpoint.pt"
    state = {"weights": torch.arange(3.0), "big": 2**127 + 1, "rows": [{"step": 1, "loss": 0.1}]}
    write_checkpoint(path, "a", state)
    read = read_checkpoint(path, "a")
    assert torch.equal(read.pop("weights"), state.pop("weights"))
    assert read == state
    assert read_checkpoint(path, "b") is None
    assert read_checkpoint(tmp_path / "none.pt", "a") is None
