"""Oracles: trained with labels, by a command and a function of their own, in the same loop as learners."""

import sys

import pytest

from safemil.cli import cli, main
from safemil.errors import UserError
from safemil.files import sha256
from safemil.methods.bc_safe import SafeBehaviorCloning
from safemil.methods.coptidice import COptiDICE
from safemil.methods.policy_file import read_policy
from safemil.methods.safemil_true_cost import SafeMILTrueCost
from safemil.plan.configuration import parse_config, write_resolved
from safemil.records.provenance import training_code
from safemil.training import train_oracle as module
from safemil.training.train import train
from safemil.training.train_oracle import train_oracle
from tests.training.conftest import OUTPUTS, TASK

ORACLES = {
    "bc_safe": SafeBehaviorCloning,
    "coptidice": COptiDICE,
    "safemil_true_cost": SafeMILTrueCost,
}
ESTIMATES = {"bc_safe": {"preferred_transitions"}, "coptidice": {"lambda", "tau", "limit"}}


@pytest.fixture(scope="module", params=list(ORACLES))
def oracle(request):
    return request.param


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, oracle, make_request, data_path, labels_path):
    """The directory of an oracle's run that nothing disturbed."""
    directory = tmp_path_factory.mktemp(oracle)
    train_oracle(make_request(oracle), data_path, labels_path, directory)
    return directory


def test_an_oracle_leaves_what_a_learner_leaves(undisturbed, oracle):
    assert {path.name for path in undisturbed.iterdir()} == set(OUTPUTS)
    _, metadata = read_policy(undisturbed / "policy.safetensors")
    assert (metadata.method, metadata.steps) == (oracle, 60)


def test_the_record_says_that_it_is_an_oracle_and_on_which_labels(
    undisturbed, oracle, read_record, data_path, labels_path
):
    record = read_record(undisturbed)
    assert record["kind"] == "oracle"
    assert record["data"] == {
        "sha256": sha256(data_path),
        "labels_sha256": sha256(labels_path),
        "non_preferred_trajectories": 2,
        "unlabelled_trajectories": 3,
    }
    assert record["code"] == training_code(f"safemil.methods.{oracle}")
    assert record["transitions_per_policy_step"] == 2 * 4 * 3
    assert set(record["estimates"]) == ESTIMATES.get(oracle, set())


class StoppedError(Exception):
    """What ends a run from within."""


def test_a_stopped_oracle_goes_on_to_the_same_bits(
    undisturbed, oracle, make_request, data_path, labels_path, contents, read_record, tmp_path, monkeypatch
):
    update, calls = ORACLES[oracle].update, []

    def stopping(self, batch):
        calls.append(1)
        if len(calls) == 47:
            raise StoppedError
        return update(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(ORACLES[oracle], "update", stopping)
        with pytest.raises(StoppedError):
            train_oracle(make_request(oracle), data_path, labels_path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    train_oracle(make_request(oracle), data_path, labels_path, tmp_path)
    assert read_record(tmp_path)["timing"]["resumed_from_step"] == 40
    assert contents(tmp_path) == contents(undisturbed)


def test_a_checkpoint_of_other_labels_is_ignored(
    make_request, data_path, write_labels, contents, read_record, tmp_path, monkeypatch
):
    """Equal in everything but the labels, which the fingerprint knows by their digest."""
    paths = [write_labels(tmp_path / f"labels{seed}.hdf5", data_path, seed=seed) for seed in (0, 1)]
    monkeypatch.setattr("safemil.training.train.remove_checkpoint", lambda _: None)
    train_oracle(make_request("coptidice"), data_path, paths[0], tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    for directory in ("run", "clean"):
        train_oracle(make_request("coptidice"), data_path, paths[1], tmp_path / directory)
    assert read_record(tmp_path / "run")["timing"]["resumed_from_step"] == 0
    assert contents(tmp_path / "run") == contents(tmp_path / "clean")


def test_labels_of_other_data_are_refused_before_anything_is_written(
    make_request, write_data, write_labels, data_path, tmp_path
):
    labels = write_labels(tmp_path / "l.hdf5", write_data(tmp_path / "other.hdf5", seed=5))
    with pytest.raises(UserError, match="oracle labels belong to other training data"):
        train_oracle(make_request("bc_safe"), data_path, labels, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_each_kind_is_refused_by_the_training_of_the_other(make_request, data_path, labels_path, tmp_path):
    with pytest.raises(UserError, match="bc_safe is an oracle"):
        train(make_request("bc_safe"), data_path, tmp_path / "run")
    with pytest.raises(UserError, match="bc is a learner"):
        train_oracle(make_request("bc"), data_path, labels_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_learner_never_opens_the_labels(make_request, data_path, labels_path, tmp_path, monkeypatch):
    """With the labels beside the training file, and even broken, a learner trains as ever."""
    (tmp_path / "training_data.hdf5").write_bytes(data_path.read_bytes())
    (tmp_path / "oracle_labels.hdf5").write_bytes(labels_path.read_bytes()[:100])
    monkeypatch.setattr(module, "read_oracle_labels", lambda _: pytest.fail("labels were read"))
    train(make_request("bc", steps=2), tmp_path / "training_data.hdf5", tmp_path / "run")
    assert (tmp_path / "run" / "policy.safetensors").is_file()


@pytest.mark.parametrize(
    "line", ["from safemil.data.labels import read_oracle_labels", "import safemil.data.hdf5"]
)
def test_a_learner_whose_module_could_read_labels_is_refused(
    make_request, data_path, write_module, tmp_path, line
):
    source = f"{line}\nfrom safemil.methods.bc import BehaviorCloning as METHOD\n"
    mine = write_module("peeking", source)
    with pytest.raises(UserError, match=r"can read labels[\s\S]*safemil\.data\.(labels|hdf5)"):
        train(make_request(mine), data_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_oracle_from_outside_the_package(
    make_request, data_path, labels_path, write_module, read_record, tmp_path
):
    mine = write_module("mine", "from safemil.methods.bc_safe import METHOD\n")
    train_oracle(make_request(mine, steps=2), data_path, labels_path, tmp_path / "run")
    assert read_record(tmp_path / "run")["kind"] == "oracle"


@pytest.fixture
def command(data_path, tmp_path, monkeypatch, capsys):
    """Run `safemil COMMAND` on configured methods; returns the exit code and standard error."""
    raw = {
        "run_name": "test",
        "tasks": [TASK],
        "seeds": [0],
        "methods": {"bc": {"default": {}}, "bc_safe": {"default": {}}},
        "training": {"steps": 3, "bag_size": 4, "segment_length": 2},
    }
    write_resolved(parse_config(raw, "this test"), tmp_path / "config.json")

    def run(name, method, *further):
        places = {
            "--config": tmp_path / "config.json",
            "--data": data_path,
            "--directory": tmp_path / "run",
        }
        options = [str(part) for option in places.items() for part in option]
        arguments = [name, "--task", TASK, "--method", method, "--seed", "0", *options, *map(str, further)]
        monkeypatch.setattr(sys, "argv", ["safemil", *arguments])
        try:
            main()
        except SystemExit as end:
            return end.code, capsys.readouterr().err
        return 0, capsys.readouterr().err

    return run


def test_the_command_trains_an_oracle(command, labels_path, tmp_path):
    code, _ = command("train-oracle", "bc_safe", "--labels", labels_path)
    assert code == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == set(OUTPUTS)


def check_refusal(outcome, *words):
    code, text = outcome
    assert code == 1, text
    assert text.startswith("Error: ")
    assert text.count("Error") == 1
    assert "Traceback" not in text
    assert all(word in text for word in words), text


def test_commands_refuse_what_is_not_theirs(
    command, labels_path, data_path, write_data, write_labels, tmp_path
):
    check_refusal(command("train", "bc_safe"), "bc_safe is an oracle", "safemil train-oracle")
    check_refusal(
        command("train-oracle", "bc", "--labels", labels_path), "bc is a learner", "never given labels"
    )
    other = write_labels(tmp_path / "labels.hdf5", write_data(tmp_path / "other.hdf5", seed=5))
    check_refusal(
        command("train-oracle", "bc_safe", "--labels", other), "labels belong to other training data"
    )
    check_refusal(
        command("train-oracle", "bc_safe", "--labels", data_path), "this is not an oracle label file"
    )
    assert not (tmp_path / "run").exists()


def test_train_has_no_option_for_labels(command, labels_path):
    code, text = command("train", "bc", "--labels", labels_path)
    assert code == 2
    assert "No such option" in text
    options = {name for option in cli.commands["train"].params for name in option.opts}
    assert options == {"--config", "--task", "--method", "--variant", "--seed", "--data", "--directory"}
    further = {name for option in cli.commands["train-oracle"].params for name in option.opts} - options
    assert further == {"--labels"}
