"""A method with pretraining: what its run leaves behind, and that it goes on from anywhere."""

import pandas as pd
import pytest

from safemil.methods.safedice import SafeDICE
from safemil.training.train import train

PRETRAINING, STEPS = 30, 60


@pytest.fixture
def request_safedice(make_request):
    return make_request("safedice", settings={"pretraining_share": 0.5}, steps=STEPS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data_path, make_request):
    """The directory of a run that nothing disturbed."""
    directory = tmp_path_factory.mktemp("finished")
    train(make_request("safedice", settings={"pretraining_share": 0.5}, steps=STEPS), data_path, directory)
    return directory


def test_the_log_holds_pretraining_before_step_one(finished):
    log = pd.read_csv(finished / "train.csv")
    before = log[log["step"] == 0]
    assert before["pretraining_step"].tolist() == [7, 14, 21, 28, 30]
    assert log["step"].tolist()[len(before) :] == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    first, then = (
        {"discriminator_loss", "gradient_penalty", "discriminator_non_preferred", "discriminator_unlabelled"},
        {"nu_loss", "nu_gradient_norm", "policy_loss", "effective_share", "effective_trajectory_share"},
    )
    assert before[[*first]].notna().all().all()
    assert before[[*then]].isna().all().all()
    assert log[len(before) :][[*then]].notna().all().all()
    assert log[len(before) :][[*first]].isna().all().all()


def test_the_record_holds_the_estimates_and_the_steps_of_each_network(finished, read_record):
    record = read_record(finished)
    assert record["pretraining_steps"] == PRETRAINING
    assert record["gradient_steps"] == {"policy": STEPS, "discriminator": PRETRAINING, "nu": STEPS}
    assert record["timing"]["steps"] == PRETRAINING + STEPS
    estimates = record["estimates"]
    assert 0 <= estimates["non_preferred_share"] <= 0.999
    assert estimates["non_preferred_share"] == pytest.approx(
        min(max(estimates["odds_minimum"] - 1e-5, 0), 0.999), abs=1e-12
    )


class StoppedError(Exception):
    """What ends a run from within."""


@pytest.mark.parametrize(
    ("method", "call", "resumed_from"), [("pretrain", 25, 20), ("update", 3, 20), ("update", 33, 50)]
)
def test_a_stopped_run_goes_on_to_the_same_bits(
    method,
    call,
    resumed_from,
    finished,
    request_safedice,
    data_path,
    contents,
    read_record,
    tmp_path,
    monkeypatch,
):
    """Stopped in pretraining, and before and after the first checkpoint that holds the estimates."""
    original, calls = getattr(SafeDICE, method), []

    def stopping(self, batch):
        calls.append(1)
        if len(calls) == call:
            raise StoppedError
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(SafeDICE, method, stopping)
        with pytest.raises(StoppedError):
            train(request_safedice, data_path, tmp_path)
    train(request_safedice, data_path, tmp_path)
    assert contents(tmp_path) == contents(finished)
    record, expected = read_record(tmp_path), read_record(finished)
    assert record["timing"]["resumed_from_step"] == resumed_from
    for key in ("estimates", "pretraining_steps", "gradient_steps"):
        assert record[key] == expected[key]
