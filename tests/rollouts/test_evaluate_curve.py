"""Rolling out the policies kept along a training: whose rows they are, and on which episodes."""

import json
from pathlib import Path

import pytest
import torch

from safemil.errors import UserError
from safemil.methods.curve_file import write_curve_policies
from safemil.methods.networks import GaussianPolicy, initialise
from safemil.methods.policy_file import PolicyMetadata, write_policy
from safemil.records.episodes import read_episodes
from safemil.rollouts.evaluate import evaluate_policy
from safemil.rollouts.evaluate_curve import evaluate_curve
from safemil.rollouts.settings import EvaluationSettings
from safemil.simulator.seeds import EVALUATION_SEEDS
from safemil.tasks import get_task

SWIMMER = get_task("swimmer_velocity")
SETTINGS = EvaluationSettings(episodes=3, curve_points=2, curve_episodes=2, n_environments=2)
METADATA = PolicyMetadata(SWIMMER.name, "bc", "default", 4, steps=70)
KEY: dict[str, str | int] = {"task": SWIMMER.name, "method": "bc", "variant": "default", "seed": 4}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that kept policies at steps 35 and 70."""
    policies = {}
    for seed, step in enumerate((35, 70)):
        policy = GaussianPolicy(SWIMMER.observation_size, SWIMMER.action_size)
        initialise(policy, torch.Generator().manual_seed(seed))
        policies[step] = policy.state_dict()
    write_curve_policies(tmp_path / "curve_policies_2.safetensors", policies, METADATA, "abc")
    write_policy(tmp_path / "policy.safetensors", policy, METADATA)
    (tmp_path / "run.json").write_text(json.dumps({**KEY, "source": "collected", "run_id": "abc"}))
    return tmp_path


def roll_out(run: Path, **changes: str | int) -> Path:
    policies, output = run / "curve_policies_2.safetensors", run / "curve.parquet"
    evaluate_curve(policies, run / "run.json", output, SETTINGS, source="collected", key=KEY | changes)
    return output


def test_the_last_point_is_the_beginning_of_the_final_evaluation(run: Path) -> None:
    rows = read_episodes(roll_out(run))
    assert rows.groupby("step")["environment_seed"].agg(list).to_dict() == {
        step: list(EVALUATION_SEEDS[:2]) for step in (35, 70)
    }
    assert rows[["source", "method", "seed", "run_id"]].drop_duplicates().values.tolist() == [
        ["collected", "bc", 4, "abc"]
    ]
    final = run / "episodes.parquet"
    evaluate_policy(
        run / "policy.safetensors", final, SETTINGS, source="collected", key=KEY, record=run / "run.json"
    )
    last, whole = rows[rows["step"] == 70].reset_index(drop=True), read_episodes(final)
    assert last.equals(whole[:2])
    assert not rows.loc[rows["step"] == 35, "return"].equals(last["return"])


@pytest.mark.parametrize(
    ("change", "record", "words"),
    [
        ({"seed": 5}, {"seed": 5}, "kept policies are of another run"),
        ({"seed": 5}, {}, "record is of another run"),
        # The same key, of another training: other code, data or settings.
        ({}, {"run_id": "def"}, "kept policies are of another run"),
    ],
)
def test_policies_of_another_run_are_refused(
    run: Path, change: dict[str, int], record: dict[str, str | int], words: str
) -> None:
    content = {**KEY, "source": "collected", "run_id": "abc", **record}
    (run / "run.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=words):
        roll_out(run, **change)
    assert not (run / "curve.parquet").exists()
