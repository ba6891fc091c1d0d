"""Learning curves in the workflow: the right episodes, and a change of settings reruns only what it must."""

import pandas as pd
import pytest

from tests.workflow.conftest import PROVENANCE, Project
from tests.workflow.test_pipeline import RUN, edit

CURVES = {"gather": 1, "table": 2, "figure_learning_curves": 1}


def test_every_trained_run_has_its_points_and_ends_where_the_final_policy_is(finished: Project) -> None:
    curves = pd.read_parquet(finished.directory / "results/tiny/curve_episodes.parquet")
    finals = pd.read_parquet(finished.directory / "results/tiny/episodes.parquet")
    assert len(curves) == 5 * 4 * 2
    points = curves.groupby(["method", "variant"])["step"].unique().map(list)
    assert points.tolist() == [[10, 20, 30, 40]] * 5
    key = ["method", "variant", "seed", "step", "episode"]
    last = curves[curves["step"] == 40].set_index(key).sort_index()
    pd.testing.assert_frame_equal(last, finals.set_index(key).loc[last.index])


def test_episodes_are_joined_to_their_runs(finished: Project) -> None:
    episodes = pd.read_parquet(finished.directory / "results/tiny/episodes.parquet")
    runs = pd.read_parquet(finished.directory / "results/tiny/runs.parquet").set_index("run_id")
    assert len(runs) == 5
    references = episodes["method"].isin(["constrained_rl", "random"])
    joined = episodes[~references].join(runs, on="run_id", rsuffix="_of_run")
    for name in ("task", "source", "method", "variant", "seed"):
        assert joined[name].equals(joined[f"{name}_of_run"])
    assert not set(episodes.loc[references, "run_id"]) & set(runs.index)


def test_settings_of_curves_rerun_only_what_they_must(editable: Project) -> None:
    edit(editable, "tiny.yaml", "curve_points: 4", "curve_points: 0")
    assert editable.planned("all") == {"all": 1, **PROVENANCE}
    edit(editable, "tiny.yaml", "curve_points: 0", "curve_points: 5")
    planned = editable.planned("all")
    assert (planned["train_method"], planned["train_oracle"], planned["evaluate_curve"]) == (3, 2, 5)
    assert "split" not in planned
    edit(editable, "tiny.yaml", "curve_points: 5", "curve_points: 4")
    edit(editable, "tiny.yaml", "curve_episodes: 2", "curve_episodes: 1")
    assert editable.planned("all") == {"all": 1, "evaluate_curve": 5, **CURVES, **PROVENANCE}
    edit(editable, "tiny.yaml", "curve_episodes: 1", "curve_episodes: 2\n  level_tolerance: 0.2")
    assert editable.planned("all") == {"all": 1, "table": 2, **PROVENANCE}


@pytest.mark.parametrize("figure", ["learning_curves", "plane"])
def test_one_figure_is_redrawn_alone(editable: Project, figure: str) -> None:
    (editable.directory / f"figures/tiny/{figure}.png").unlink()
    assert editable.planned(f"figure_{figure}") == {f"figure_{figure}": 1}


def test_tables_are_exported_on_request(editable: Project) -> None:
    names = ("episodes", "curve_episodes", "runs")
    assert not any((editable.directory / f"results/tiny/{name}.csv").exists() for name in names)
    editable.snakemake("export", "--configfile", "tiny.yaml")
    for name in names:
        table = editable.directory / f"results/tiny/{name}.parquet"
        exported = pd.read_csv(table.with_suffix(".csv"), float_precision="round_trip", keep_default_na=False)
        pd.testing.assert_frame_equal(exported, pd.read_parquet(table), check_exact=True)


def test_asking_for_a_figure_without_curves_is_told(editable: Project) -> None:
    edit(editable, "tiny.yaml", "curve_points: 4", "curve_points: 0")
    result = editable.snakemake("figure_learning_curves", "--configfile", "tiny.yaml", check=False)
    message = result.stdout + result.stderr
    assert result.returncode != 0
    assert "this configuration has no learning curves" in message
    assert "evaluation.curve_points" in message
    assert "Traceback (most recent call last)" not in message  # Snakemake names the rule and the line


def test_no_learner_trains_again_for_a_figure(editable: Project) -> None:
    edit(editable, "safemil/figures/learning_curves.py", "_BAND_ALPHA = 0.1 ", "_BAND_ALPHA = 0.2 ")
    assert editable.planned("all") == {"all": 1, "figure_learning_curves": 1}
    assert (editable.directory / f"{RUN}/bc/default/seed0/curve_policies_4.safetensors").is_file()
