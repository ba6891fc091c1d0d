"""No learner reads a file with labels: the command line says so, without a traceback."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from safemil.cli import main
from safemil.data.hdf5 import write_labelled
from safemil.data.labels import OracleLabels, write_oracle_labels
from safemil.data.stripped import read_training_data, training_digest
from safemil.data.trajectories import LabelledTrajectories
from safemil.plan.configuration import parse_config, write_resolved
from tests.training.conftest import OUTPUTS, TASK


@pytest.fixture
def config_path(tmp_path):
    raw = {
        "run_name": "test",
        "tasks": [TASK],
        "seeds": [0],
        "methods": {"bc": {"default": {}}},
        "training": {"steps": 3, "bag_size": 4, "segment_length": 2},
    }
    write_resolved(parse_config(raw, "this test"), tmp_path / "config.json")
    return tmp_path / "config.json"


@pytest.fixture
def arguments(config_path, tmp_path):
    def make(data_path):
        run = ["train", "--task", TASK, "--method", "bc", "--seed", "0"]
        places = {"--config": config_path, "--data": data_path, "--directory": tmp_path / "run"}
        return run + [str(part) for option in places.items() for part in option]

    return make


@pytest.fixture
def run_main(arguments, monkeypatch, capsys):
    """Run the command in this process; returns its exit code and what it wrote to standard error."""

    def run(data_path):
        monkeypatch.setattr(sys, "argv", ["safemil", *arguments(data_path)])
        try:
            main()
        except SystemExit as end:
            return end.code, capsys.readouterr().err
        return 0, capsys.readouterr().err

    return run


@pytest.fixture
def run_process(arguments):
    """The same in a process of its own."""

    def run(data_path):
        done = subprocess.run(
            [sys.executable, "-m", "safemil", *arguments(data_path)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def labelled_file(path, data):
    trajectories = data.unlabelled
    ends = np.zeros(trajectories.n_transitions, dtype=np.bool_)
    ends[trajectories.stops - 1] = True
    zeros = np.zeros(trajectories.n_transitions, dtype=np.float32)
    write_labelled(path, LabelledTrajectories(trajectories, zeros, zeros + 1, ends), {"source": "collected"})
    return ("rewards", "costs")


def oracle_file(path, data):
    u, n = data.unlabelled, data.non_preferred
    labels = OracleLabels(
        non_preferred_rewards=np.zeros(n.n_transitions, dtype=np.float32),
        non_preferred_costs=np.ones(n.n_transitions, dtype=np.float32),
        non_preferred_indices=np.arange(n.n_trajectories),
        unlabelled_rewards=np.zeros(u.n_transitions, dtype=np.float32),
        unlabelled_costs=np.ones(u.n_transitions, dtype=np.float32),
        unlabelled_indices=np.arange(u.n_trajectories),
        unlabelled_is_preferred=np.ones(u.n_trajectories, dtype=np.bool_),
        training_digest=training_digest(data),
    )
    write_oracle_labels(path, labels)
    return ("unlabelled/costs", "is_preferred")


def test_the_command_trains_on_the_stripped_file(run_main, data_path, tmp_path):
    code, _ = run_main(data_path)
    assert code == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == set(OUTPUTS)


def check_refusal(code, text, named):
    assert code == 1, text
    assert "Traceback" not in text
    assert text.startswith("Error: this is not a stripped training file")
    assert "labels.hdf5" in text
    assert all(name in text for name in named)
    assert "never a labelled or an oracle file" in text


@pytest.mark.parametrize("write", [labelled_file, oracle_file])
def test_the_command_refuses_labels(run_main, data_path, tmp_path, write):
    named = write(tmp_path / "labels.hdf5", read_training_data(data_path))
    check_refusal(*run_main(tmp_path / "labels.hdf5"), named)
    assert not (tmp_path / "run").exists()


def test_a_person_who_hands_over_labels_sees_no_traceback(run_process, data_path, tmp_path):
    named = labelled_file(tmp_path / "labels.hdf5", read_training_data(data_path))
    check_refusal(*run_process(tmp_path / "labels.hdf5"), named)
    assert not (tmp_path / "run").exists()
