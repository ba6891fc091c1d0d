"""Rolling out policies and references: the rows they leave."""

import json
from pathlib import Path

import pytest
import torch

from safemil.errors import UserError
from safemil.methods.networks import GaussianPolicy, initialise
from safemil.methods.policy_file import PolicyMetadata, write_policy
from safemil.records.episodes import read_episodes
from safemil.rollouts.evaluate import evaluate_policy, evaluate_reference
from safemil.rollouts.settings import EvaluationSettings
from safemil.simulator.seeds import COLLECTION_SEEDS, EVALUATION_SEEDS, SELECTION_SEEDS
from safemil.tasks import get_task

SETTINGS = EvaluationSettings(episodes=3, n_environments=2)
SWIMMER = get_task("swimmer_velocity")


@pytest.fixture
def policy_path(tmp_path: Path) -> Path:
    policy = GaussianPolicy(SWIMMER.observation_size, SWIMMER.action_size)
    initialise(policy, torch.Generator().manual_seed(0))
    path = tmp_path / "policy.safetensors"
    write_policy(path, policy, PolicyMetadata(SWIMMER.name, "bc", "default", 4, steps=70))
    return path


def key(**changes: str | int) -> dict[str, str | int]:
    return {"task": SWIMMER.name, "method": "bc", "variant": "default", "seed": 4, **changes}


def test_rows_say_whose_they_are_and_the_same_policy_gives_the_same_bytes(
    policy_path: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for output in outputs:
        evaluate_policy(policy_path, output, SETTINGS, source="collected", key=key())
    rows = read_episodes(outputs[0])
    assert rows[["method", "source", "seed", "step"]].drop_duplicates().values.tolist() == [
        ["bc", "collected", 4, 70]
    ]
    assert rows["environment_seed"].tolist() == list(EVALUATION_SEEDS[:3])
    assert rows["length"].tolist() == [SWIMMER.episode_length] * 3
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_rows_have_the_id_of_the_record_or_else_of_the_policy_file(policy_path: Path, tmp_path: Path) -> None:
    record = tmp_path / "run.json"
    record.write_text(json.dumps({**key(), "source": "collected", "run_id": "abc"}))

    def id_of(record: Path | None = None, source: str = "collected") -> str:
        output = tmp_path / "a.parquet"
        evaluate_policy(policy_path, output, SETTINGS, source=source, key=key(), record=record)
        (identity,) = read_episodes(output)["run_id"].unique()
        return str(identity)

    assert id_of(record) == "abc"
    without = id_of()
    assert without == id_of() != id_of(source="local")
    policy = GaussianPolicy(SWIMMER.observation_size, SWIMMER.action_size)
    initialise(policy, torch.Generator().manual_seed(1))
    write_policy(policy_path, policy, PolicyMetadata(SWIMMER.name, "bc", "default", 4, steps=70))
    assert id_of() != without
    with pytest.raises(UserError, match="record is of another run"):
        id_of(record, source="local")


def test_stock_simulator_gives_the_same_rows(policy_path: Path, tmp_path: Path) -> None:
    stock = SETTINGS.model_copy(update={"fast_simulator": False})
    for name, settings in (("fast", SETTINGS), ("stock", stock)):
        evaluate_policy(policy_path, tmp_path / name, settings, source="collected", key=key())
    assert read_episodes(tmp_path / "fast").equals(read_episodes(tmp_path / "stock"))


@pytest.mark.parametrize("change", [{"method": "safemil"}, {"seed": 5}, {"task": "ant_velocity"}])
def test_policy_of_another_run_is_refused(
    policy_path: Path, tmp_path: Path, change: dict[str, str | int]
) -> None:
    with pytest.raises(UserError, match="another run"):
        evaluate_policy(policy_path, tmp_path / "a", SETTINGS, source="collected", key=key(**change))
    assert not (tmp_path / "a").exists()


def test_random_reference_needs_no_policy_and_differs_between_episodes(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    evaluate_reference("random", SWIMMER, None, None, tmp_path / "a", SETTINGS, "collected")
    rows = read_episodes(tmp_path / "a")
    assert rows["method"].unique().tolist() == ["random"]
    assert rows["return"].nunique() == 3
    with pytest.raises(UserError, match="constrained_rl, random"):
        evaluate_reference("best", SWIMMER, absent, absent, tmp_path / "b", SETTINGS, "collected")
    with pytest.raises(UserError, match="from the shipped policies and their card: name both"):
        evaluate_reference("constrained_rl", SWIMMER, absent, None, tmp_path / "b", SETTINGS, "collected")
    with pytest.raises(UserError, match="no card"):
        evaluate_reference("constrained_rl", SWIMMER, absent, absent, tmp_path / "b", SETTINGS, "collected")


def test_ranges_of_environment_seeds_never_meet() -> None:
    ranges = [range(100_000), EVALUATION_SEEDS, COLLECTION_SEEDS, SELECTION_SEEDS]
    for i, one in enumerate(ranges):
        assert all(one.stop <= other.start for other in ranges[i + 1 :])
