"""Taking in a policy that a program wrote: what is recorded, what is refused, and how it is said."""

import json
import struct
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from safemil.cli import main
from safemil.errors import UserError
from safemil.files import sha256
from safemil.methods.policy_file import read_policy
from safemil.plan.configuration import parse_config, write_resolved
from safemil.records.episodes import read_episodes
from safemil.records.identity import run_id
from safemil.records.training_records import ProgramRecord, read_run_record, record_frame
from safemil.rollouts.accept_policy import accept_policy
from safemil.rollouts.evaluate import evaluate_policy
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.fairness import budget_sentences, fairness_table
from safemil.tables.fairness import budget_rows, network_rows

KEY = {"task": "swimmer_velocity", "method": "Ridge", "variant": "default", "seed": 4}
METADATA = {"format": "safemil-policy-1", **{name: str(value) for name, value in KEY.items()}, "steps": "0"}


def policy_tensors(observation_size=8, action_size=2):
    """A policy of Swimmer-Velocity's sizes, drawn at random."""
    generator = np.random.default_rng(0)
    sizes = {
        **{"observation_mean": (observation_size,), "observation_std": (observation_size,)},
        **{"trunk.0.weight": (256, observation_size), "trunk.0.bias": (256,)},
        **{"trunk.2.weight": (256, 256), "trunk.2.bias": (256,)},
        **{"mean_head.weight": (action_size, 256), "mean_head.bias": (action_size,)},
        **{"log_std_head.weight": (action_size, 256), "log_std_head.bias": (action_size,)},
    }
    tensors = {name: generator.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    tensors["observation_std"] = np.abs(tensors["observation_std"]) + 0.1
    return tensors


def _scaled(name, tensor):
    return tensor / 16 if name.endswith("weight") else tensor


def write_bytes(path, tensors, metadata):
    """Write the format as any language can: a length, a header in JSON, numbers."""
    header, content = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        data = tensor.astype("<f4").tobytes()
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        content += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


@pytest.fixture
def path(tmp_path):
    return write_bytes(tmp_path / "policy.safetensors", policy_tensors(), METADATA)


@pytest.fixture
def accept(tmp_path):
    """Take a policy in; returns its record."""

    def run(policy_path, **changes):
        output = tmp_path / "run.json"
        accept_policy(policy_path, output, source="collected", key=KEY | changes, settings={"penalty": 1.0})
        return json.loads(output.read_text())

    return run


def test_a_policy_written_byte_by_byte_is_read_as_documented(path):
    """The arithmetic of docs/add_a_method.md, in double precision."""
    tensors = {name: tensor.astype(np.float64) for name, tensor in policy_tensors().items()}
    # Small enough that tanh does not saturate and hide what comes before it.
    path = write_bytes(
        path, {name: _scaled(name, tensor) for name, tensor in policy_tensors().items()}, METADATA
    )
    tensors = {name: _scaled(name, tensor) for name, tensor in tensors.items()}
    observations = np.random.default_rng(1).normal(size=(5, 8))
    values = (observations - tensors["observation_mean"]) / tensors["observation_std"]
    for layer in ("trunk.0", "trunk.2"):
        values = np.maximum(values @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"], 0)
    expected = np.tanh(values @ tensors["mean_head.weight"].T + tensors["mean_head.bias"])
    found = read_policy(path)[0].act(observations.astype(np.float32))
    assert 0.05 < np.abs(expected).mean() < 0.9
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_record_holds_what_the_policy_file_says(path, accept):
    record = accept(path)
    assert record.pop("commit")
    assert record == {
        **KEY,
        "source": "collected",
        "run_id": run_id({**KEY, "source": "collected", "policy": sha256(path)}),
        "kind": "program",
        "settings": {"penalty": 1.0},
        "steps": 0,
        "layers": [[8, 256], [256, 256], [256, 2], [256, 2]],
        "parameters": 9 * 256 + 257 * 256 + 2 * 257 * 2,
        "policy_sha256": sha256(path),
    }


def test_the_id_is_that_of_the_policy_and_of_its_episodes(path, accept, tmp_path):
    first = accept(path)["run_id"]
    settings = EvaluationSettings(episodes=1, n_environments=1)
    for record in (tmp_path / "run.json", None):
        output = tmp_path / "episodes.parquet"
        evaluate_policy(path, output, settings, source="collected", key=KEY, record=record)
        assert read_episodes(output)["run_id"].unique().tolist() == [first]
    write_bytes(path, {name: tensor / 2 for name, tensor in policy_tensors().items()}, METADATA)
    assert accept(path)["run_id"] != first


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((9, 2), "a policy of the wrong shape: swimmer_velocity has observations of size 8, found 9"),
        ((8, 3), "a policy of the wrong shape: swimmer_velocity has actions of size 2, found 3"),
    ],
)
def test_sizes_that_are_not_the_tasks_are_refused(tmp_path, accept, sizes, said):
    path = write_bytes(tmp_path / "policy.safetensors", policy_tensors(*sizes), METADATA)
    with pytest.raises(UserError) as caught:
        accept(path)
    for each in (said, str(path), "docs/add_a_method.md"):
        assert each in str(caught.value)
    assert not (tmp_path / "run.json").exists()


def test_a_layer_of_another_width_is_refused(tmp_path, accept):
    tensors = policy_tensors()
    tensors["trunk.0.weight"], tensors["trunk.0.bias"] = np.zeros((64, 8)), np.zeros(64)
    path = write_bytes(tmp_path / "policy.safetensors", tensors, METADATA)
    with pytest.raises(UserError, match=r"wrong shape[\s\S]*trunk\.0\.weight"):
        accept(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("trunk.2.bias", float("nan"), "trunk.2.bias: expected finite values"),
        ("mean_head.weight", float("inf"), "mean_head.weight: expected finite values"),
        ("observation_std", 0.0, "observation_std: expected values above 0, found 0"),
        ("observation_std", -1.0, "observation_std: expected values above 0, found -1"),
    ],
)
def test_values_that_cannot_be_computed_with_are_refused(tmp_path, accept, name, value, said):
    tensors = policy_tensors()
    tensors[name].flat[-1] = value
    with pytest.raises(UserError) as caught:
        accept(write_bytes(tmp_path / "policy.safetensors", tensors, METADATA))
    assert said in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_number_types_are_refused_by_name(path, accept, dtype):
    tensors = load_file(path)
    tensors["mean_head.bias"] = tensors["mean_head.bias"].to(dtype)
    save_file(tensors, path, metadata=METADATA)
    with pytest.raises(UserError, match=r"mean_head\.bias: expected float32 \(F32\), found torch\.float"):
        accept(path)


def test_every_key_of_another_run_is_named(path, accept):
    with pytest.raises(UserError) as caught:
        accept(path, task="point_circle2", seed=5)
    for said in (
        "metadata task: expected point_circle2, found swimmer_velocity",
        "metadata seed: expected 5, found 4",
        "point_circle2 has observations of size 28, found 8",
    ):
        assert said in str(caught.value)
    assert "variant" not in str(caught.value)


@pytest.mark.parametrize("steps", ["-1", "", "many"])
def test_steps_are_a_count(tmp_path, accept, steps):
    path = write_bytes(tmp_path / "policy.safetensors", policy_tensors(), METADATA | {"steps": steps})
    with pytest.raises(UserError, match=r"policy\.safetensors"):
        accept(path)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `safemil accept-policy` in this process; returns its exit code and standard error."""
    raw = {
        **{"run_name": "a", "tasks": ["swimmer_velocity"], "seeds": [4], "methods": {"bc": {"default": {}}}},
        **{"custom_rules": ["rules.smk"], "custom_methods": {"Ridge": {"default": {"settings": {"x": 2}}}}},
    }
    write_resolved(parse_config(raw, "this test"), tmp_path / "config.json")

    def run(policy_path, variant="default"):
        options = {**KEY, "variant": variant, "policy": policy_path, "output": tmp_path / "run.json"}
        options["config"] = tmp_path / "config.json"
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["safemil", "accept-policy", *words])
        monkeypatch.setattr(sys, "path", [*sys.path])  # the command adds the working directory
        try:
            main()
        except SystemExit as end:
            return end.code, capsys.readouterr().err
        return 0, ""

    return run


def test_the_command_takes_a_policy_in_with_its_configured_settings(path, command, tmp_path):
    assert command(path) == (0, "")
    assert json.loads((tmp_path / "run.json").read_text())["settings"] == {"x": 2}


def test_the_command_says_what_is_wrong_without_a_traceback(path, command, tmp_path):
    code, said = command(tmp_path / "absent.safetensors")
    assert (code, "no policy here" in said, "absent.safetensors" in said) == (1, True, True)
    code, said = command(path, variant="strong")
    assert (code, "Ridge/default" in said, "Ridge/strong" in said) == (1, True, True)
    assert "Traceback" not in said
    assert not (tmp_path / "run.json").exists()


def learner_record():
    return {
        **{
            "task": "swimmer_velocity",
            "source": "collected",
            "method": "bc",
            "variant": "default",
            "seed": 0,
        },
        **{"kind": "learner", "training": {"steps": 3000, "gradient_clip": 10.0, "policy_loss": "mse"}},
        **{"pretraining_steps": 0, "transitions_per_policy_step": 640, "parameters": {"policy": 69_124}},
        "networks": {"policy": {"layers": [[8, 256]], "learning_rates": [1e-3], "weight_decays": [0.01]}},
        **{"gradient_steps": {"policy": 3000}, "timing": {"seconds": 30.0, "steps": 3000}},
    }


@pytest.fixture
def records(path, accept, tmp_path):
    """A frame of one learner, if wanted, and one program, read as the table reads them."""

    def frame(*, with_learner=True):
        accept(path)
        program = read_run_record(tmp_path / "run.json")
        assert isinstance(program, ProgramRecord)
        (tmp_path / "bc.json").write_text(json.dumps(learner_record()))
        learners = [(read_run_record(tmp_path / "bc.json"), 400.0)] if with_learner else []
        return record_frame([*learners, (program, 90.0)])

    return frame


def test_a_program_has_its_row_and_no_made_up_numbers(records):
    table = fairness_table(records())
    learner, program = budget_rows(table)
    assert learner[:4] == ["BC-Unlabeled", "learner", "1 × 1", "3,000"]
    assert program == [
        *["Ridge", "external program", "1 × 1", "0", "n/a", "n/a", "n/a", "n/a", "n/a", "n/a"],
        "90 (90 to 90)",
    ]
    assert network_rows(table)[1] == [
        *["Ridge", "policy", "8 × 256, 256 × 256, 256 × 2, 256 × 2", f"{9 * 256 + 257 * 256 + 1028:,}"],
        *["n/a", "n/a", "n/a"],
    ]


def test_a_program_is_compared_with_nothing_and_said_to_be_one(records):
    same, programs = budget_sentences(records())
    assert same.startswith("The same on each task for BC-Unlabeled: gradient steps of the policy")
    assert programs.startswith("Made by programs of the user's own: Ridge.")
    assert budget_sentences(records(with_learner=False)) == [programs]
