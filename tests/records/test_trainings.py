"""The table of runs says what the records say and joins the episodes by run id; CSV keeps every digit."""

import json

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.records.episodes import read_episodes, write_episodes
from safemil.records.export import export_csv
from safemil.records.record_table import gather_record_table
from safemil.records.trainings import COLUMNS, join_runs, read_runs, runs_of, write_runs


def raw_record(method="bc", seed=0, **changes):
    return {
        **{"task": "swimmer_velocity", "source": "collected", "method": method, "variant": "default"},
        **{"seed": seed, "kind": "learner", "run_id": f"swimmer_velocity/collected/{method}/default/{seed}"},
        "training": {"steps": 1000, "learning_rate": 1e-3},
        "settings": {"temperature": 0.6},
        "estimates": {},
        "parameters": {"policy": 100, "cost": 20},
        "pretraining_steps": 7,
        "transitions_per_policy_step": 640,
        "data": {"sha256": "d" * 64, "non_preferred_trajectories": 50},
        "code": "c0de",
        "commit": "c0ffee",
        "versions": {"torch": "2", "python": "3.11"},
        "timing": {"seconds": 12.5, "steps": 400, "resumed_from_step": 607, "steps_per_second": 32.0},
        "curve_steps": [500, 1000],
    } | changes


def gather_runs(paths):
    return runs_of(gather_record_table([(path, path.with_suffix(".tsv")) for path in paths]))


@pytest.fixture
def records(tmp_path):
    """Write run.json of several runs; returns the paths."""

    def write(*raws):
        paths = [tmp_path / f"run{i}.json" for i in range(len(raws))]
        for path, raw in zip(paths, raws, strict=True):
            path.write_text(json.dumps(raw))
        return paths

    return write


@pytest.fixture
def runs(records):
    """The runs behind the table of episodes `tiny`."""
    keys = [("bc", 0), ("bc", 1), ("bc", 2), ("safemil", 0), ("safemil", 1)]
    return gather_runs(records(*(raw_record(method, seed) for method, seed in keys)))


def test_one_row_per_run_with_what_its_record_says(records):
    oracle = raw_record("bc_safe", kind="oracle", data={"sha256": "d" * 64, "labels_sha256": "f"})
    runs = gather_runs(records(raw_record("bc", 1), oracle, raw_record("bc", 0)))
    assert list(runs.columns) == COLUMNS
    assert runs[["method", "seed"]].values.tolist() == [["bc", 0], ["bc", 1], ["bc_safe", 0]]
    row = runs.iloc[1]
    assert row["run_id"] == "swimmer_velocity/collected/bc/default/1"
    # 100 + 20 of both networks.
    assert (row["policy_steps"], row["pretraining_steps"], row["parameters"]) == (1000, 7, 120)
    assert (row["seconds"], row["timed_steps"], row["resumed_from_step"]) == (12.5, 400, 607)
    assert (row["transitions_per_step"], row["code"], row["commit"]) == (640, "c0de", "c0ffee")
    assert json.loads(row["settings"]) == {"temperature": 0.6}
    assert json.loads(row["training"])["learning_rate"] == 1e-3
    assert json.loads(row["versions"]) == {"torch": "2", "python": "3.11"}
    assert runs["labels_sha256"].tolist() == ["", "", "f"]


def test_runs_of_one_task_on_different_data_are_refused(records):
    other = {"data": {"sha256": "e" * 64}}
    elsewhere = raw_record("safemil", task="point_goal1", run_id="x", **other)
    assert len(gather_runs(records(raw_record("bc"), elsewhere))) == 2
    with pytest.raises(UserError, match="runs on swimmer_velocity were trained on different data") as error:
        gather_runs(records(raw_record("bc"), raw_record("safemil", 3, **other)))
    assert "bc/default seed 0 and of safemil/default seed 3" in str(error.value)


def test_a_file_gives_back_the_rows_and_its_bytes_do_not_depend_on_their_order(runs, tmp_path):
    path = write_runs(tmp_path / "runs.parquet", runs.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(read_runs(path), runs)
    assert write_runs(tmp_path / "again.parquet", runs).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (raw_record("bc", 0, run_id="other"), "task.*source.*method"),
        (raw_record("bc", 1, run_id=raw_record("bc", 0)["run_id"]), "run_id"),
    ],
)
def test_the_same_run_twice_is_refused(records, second, words):
    with pytest.raises(UserError, match=words):
        gather_runs(records(raw_record("bc", 0), second))


def test_a_record_without_what_is_needed_is_named(records, tmp_path):
    old = raw_record()
    del old["run_id"]
    with pytest.raises(UserError, match=r"run_id[\s\S]*swimmer_velocity/bc/default seed 0"):
        gather_runs(records(old))
    with pytest.raises(UserError, match=r"absent\.json"):
        gather_runs([tmp_path / "absent.json"])


def test_episodes_are_joined_by_the_id_of_their_run(tiny, runs):
    marked = runs.assign(code=[f"code{i}" for i in range(len(runs))])
    joined = join_runs(tiny, marked)
    assert len(joined) == len(tiny)
    assert joined[tiny.columns].equals(tiny)
    codes = joined.groupby(["method", "seed"])["code"].agg(lambda each: set(each.dropna()))
    assert codes["bc", 2] == {"code2"}
    assert codes["safemil", 0] == {"code3"}
    # References were rolled out without a training.
    assert codes["random", 0] == set()
    assert joined.loc[joined["method"] == "constrained_rl", "seconds"].isna().all()


def test_runs_that_are_not_those_of_the_episodes_are_refused(tiny, runs):
    with pytest.raises(UserError, match="do not belong together"):
        join_runs(tiny, runs.assign(run_id=[f"other{i}" for i in range(len(runs))]))
    swapped = runs.assign(run_id=runs["run_id"].iloc[[1, 0, 2, 3, 4]].to_numpy())
    with pytest.raises(UserError, match=r"bc/default/0 in the episodes, .*bc/default/1 in the runs"):
        join_runs(tiny, swapped)


def test_exported_numbers_read_back_as_the_same_numbers(tiny, runs, tmp_path):
    exact = tiny.assign(**{"return": tiny["return"] + 1 / 3, "cost": np.sqrt(tiny["cost"])})
    table = write_episodes(tmp_path / "episodes.parquet", exact)
    read = pd.read_csv(export_csv(table, tmp_path / "episodes.csv"), float_precision="round_trip")
    pd.testing.assert_frame_equal(read, read_episodes(table), check_exact=True)

    run_table = write_runs(tmp_path / "runs.parquet", runs)
    exported = export_csv(run_table, tmp_path / "runs.csv")
    pd.testing.assert_frame_equal(pd.read_csv(exported, keep_default_na=False), runs)

    joined = pd.read_csv(export_csv(table, tmp_path / "joined.csv", run_table))
    assert len(joined) == len(tiny)
    assert joined.loc[joined["method"] == "bc", "policy_steps"].eq(1000).all()
    assert joined.loc[joined["method"] == "random", "policy_steps"].isna().all()


def test_only_episodes_and_runs_are_exported(runs, tmp_path):
    table = write_runs(tmp_path / "runs.parquet", runs)
    with pytest.raises(UserError, match="joined to episodes only"):
        export_csv(table, tmp_path / "a.csv", table)
    with pytest.raises(UserError, match=r"no table here[\s\S]*absent\.parquet"):
        export_csv(tmp_path / "absent.parquet", tmp_path / "a.csv")
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(UserError, match="cannot be read"):
        export_csv(tmp_path / "text.parquet", tmp_path / "a.csv")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="do not fit the schema"):
        export_csv(tmp_path / "other.parquet", tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()
