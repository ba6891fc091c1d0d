"""Tables and figures of the finished runs: what is counted, what is left out and why, and what is said."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from safemil.cli import cli
from safemil.errors import UserError
from safemil.plan.configuration import parse_config, write_resolved
from safemil.plan.rules import Plan
from safemil.records.finished import gather_finished, left_out_lines
from safemil.report.partial import make_partial
from safemil.statistics.partial import partial_notes, partial_table
from safemil.statistics.scores import main_table
from tests.runs_on_disk import lay_down

RAW = {
    "run_name": "x",
    "tasks": ["swimmer_velocity", "point_circle2"],
    "seeds": [0, 1, 2],
    "methods": {
        "bc": {"default": {}},
        "safemil": {"default": {}, "short": {"training": {"steps": 10}, "tasks": ["swimmer_velocity"]}},
        "bc_safe": {"default": {}},
    },
    "training": {"steps": 1000},
    "evaluation": {"episodes": 5, "bootstrap_resamples": 2000},
    "ablations_in_all": [],
}
RETURNS = {"random": 0.0, "constrained_rl": 100.0, "bc": 60.0, "safemil": 40.0, "bc_safe": 80.0}


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Plan(parse_config(RAW, "here"))


def finish(plan, folder, *, seeds=(0, 1, 2), skip=(), **changes):
    """Finish the runs of the configuration with these seeds: cost 10 times the seed, on all episodes."""
    for wanted in plan.wanted_runs():
        if wanted.run.seed in seeds and (wanted.run.task, wanted.run.method) not in skip:
            value = RETURNS[wanted.run.method] + wanted.run.seed
            lay_down(folder, wanted, [value] * 5, [10.0 * wanted.run.seed] * 5, **changes)


def wanted_run(plan, **key):
    (found,) = [w for w in plan.wanted_runs() if all(getattr(w.run, k) == v for k, v in key.items())]
    return found


BC0 = {"task": "swimmer_velocity", "method": "bc", "seed": 0}


def test_of_all_finished_runs_the_numbers_are_those_of_the_main_table(plan, tmp_path):
    finish(plan, tmp_path)
    runs = gather_finished(plan.wanted_runs())
    part = partial_table(runs, plan.config.evaluation)
    whole = main_table(runs.episodes, n_resamples=2000)
    assert (part["n_configured"] == part["n_seeds"]).all()
    pd.testing.assert_frame_equal(part.drop(columns="n_configured"), whole, check_exact=True)
    assert partial_notes(runs, part, [], 25.0) == []


def test_cells_count_their_seeds_and_empty_ones_stay(plan, tmp_path):
    finish(plan, tmp_path, seeds=(0,), skip=[("point_circle2", "safemil"), ("swimmer_velocity", "bc_safe")])
    finish(plan, tmp_path, seeds=(2,), skip=[(t, m) for t in RAW["tasks"] for m in ("safemil", "bc_safe")])
    table = partial_table(gather_finished(plan.wanted_runs()), plan.config.evaluation)
    cells = table.set_index(["task", "method", "variant"])
    assert cells["n_seeds"].tolist() == [2, 1, 1, 0, 1, 1, 2, 0, 1, 1, 1]
    assert cells["n_configured"].tolist() == [3, 3, 3, 3, 1, 1, 3, 3, 3, 1, 1]
    bc = cells.loc[("swimmer_velocity", "bc", "default")]
    # Seeds 0 and 2: returns 60 and 62, costs 0 and 20; the reference returns 100, random actions 0.
    assert (bc["return"], bc["cost"], bc["return_norm"], bc["n_episodes"]) == (61.0, 10.0, 0.61, 10)
    assert np.isnan([bc["cost_low"], bc["cost_high"]]).all()
    empty = cells.loc[("point_circle2", "safemil", "default")]
    assert empty["kind"] == "learner"
    assert empty[["return", "cost", "share_within_limit", "step"]].isna().all()


def test_files_say_how_many_of_how_many(plan, tmp_path):
    finish(plan, tmp_path, skip=[("point_circle2", "safemil")])
    made = make_partial(plan, tmp_path / "tables", tmp_path / "figures")
    assert all(path.is_file() for path in made)
    text = (tmp_path / "tables/main.md").read_text()
    assert text.splitlines()[0] == "# Main comparison (partial: 22 of 25 runs): run `x`, source `collected`"
    lines = text.splitlines()
    assert "| SafeMIL | 0 of 3 | — | — | — | — | — | — | — |" in lines
    assert "| SafeMIL (short) | 3 of 3 | 41.0 [40.0, 42.0] |" in text
    assert "**" not in text
    assert "Nothing is bold" in text
    grid = (tmp_path / "tables/per_task.md").read_text()
    assert grid.startswith("# Task by task (partial: 22 of 25 runs)")
    assert "| SafeMIL | 41.0 [40.0, 42.0] (3 of 3) | — (0 of 3) |" in grid
    assert "| Random | 0.0 (one policy; 1 of 1) | 0.0 (one policy; 1 of 1) |" in grid
    for name in ("main", "per_task"):
        tex = (tmp_path / f"tables/{name}.tex").read_text()
        assert tex.isascii()
        assert "(partial: 22 of 25 runs)" in tex
        assert "0 of 3" in tex
    status = pd.read_csv(tmp_path / "tables/runs.csv")
    assert status["status"].value_counts().to_dict() == {"finished": 22, "not finished": 3}


def test_figures_hold_the_counts_and_the_empty_cells(plan, tmp_path):
    from safemil.figures.main_comparison import main_comparison
    from safemil.figures.plane import plane

    finish(plan, tmp_path, skip=[("point_circle2", "safemil"), ("point_circle2", "random")])
    runs = gather_finished(plan.wanted_runs())
    table = partial_table(runs, plan.config.evaluation)
    for draw in (main_comparison, plane):
        figure, data = draw(runs.episodes, table)
        assert figure.get_suptitle().startswith("partial: 21 of 25 runs. Source collected")
        means = data[(data["element"] == "mean") & (data["task"] == "point_circle2")]
        counts = means.drop_duplicates("method").set_index("method")[["n_seeds", "n_configured"]]
        assert counts.loc["safemil"].tolist() == [0, 3]
        assert counts.loc["bc"].tolist() == [3, 3]
        written = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
        assert "0 of 3" in written
        assert "3 of 3" in written


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"record": {"training": {"steps": 1000}}}, "training.bag_size is absent, configured 128"),
        ({"record": {"settings": {"x": 1}}}, "settings.x is 1, configured absent"),
        ({"record": {"seed": 7}}, "the record is of another run"),
        ({"record": {"run_id": "newer"}}, "the episodes are of run trained, and the record is of another"),
        ({"step": 999}, "step 999, configured 1000"),
        ({"variant": "other"}, "its file holds rows of swimmer_velocity/collected/bc/other seed 0"),
    ],
)
def test_a_run_that_is_not_what_is_asked_for_is_left_out_and_named(plan, tmp_path, changes, reason):
    finish(plan, tmp_path)
    lay_down(tmp_path, wanted_run(plan, **BC0), [1.0] * 5, [0.0] * 5, **changes)
    runs = gather_finished(plan.wanted_runs())
    (line,) = left_out_lines(runs.status)
    assert line.startswith("swimmer_velocity/bc/default seed 0: ")
    assert reason in line
    table = partial_table(runs, plan.config.evaluation)
    assert table["n_seeds"].tolist()[0] == 2
    assert runs.episodes["return"].min() == 0.0  # of random actions, and never the 1 of the run left out
    assert not (runs.episodes["return"] == 1.0).any()
    (note,) = partial_notes(runs, table, [], 25.0)
    assert note.startswith(
        "Left out, for they are not what the configuration asks for (runs.csv lists all): "
    )
    assert line in note


def test_too_few_episodes_a_missing_record_and_rows_of_an_older_version_are_left_out(plan, tmp_path):
    finish(plan, tmp_path)
    lay_down(tmp_path, wanted_run(plan, **BC0), [1.0] * 4, [0.0] * 4)
    (tmp_path / wanted_run(plan, **BC0 | {"seed": 1}).record).unlink()
    old = tmp_path / wanted_run(plan, **BC0 | {"seed": 2}).episodes
    pd.read_parquet(old).drop(columns="run_id").to_parquet(old)
    lines = left_out_lines(gather_finished(plan.wanted_runs()).status)
    reasons = ["4 episodes, configured 5", "a run has no record", "missing column run_id"]
    assert [reason in line for reason, line in zip(reasons, lines, strict=True)] == [True] * 3


def test_other_data_and_other_shipped_policies_are_found_out(plan, tmp_path):
    finish(plan, tmp_path)
    for wanted in (wanted_run(plan, **BC0), wanted_run(plan, task="point_circle2", method="constrained_rl")):
        for file in (wanted.data, *wanted.files):
            if file:
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / file).write_text("new")
    lines = left_out_lines(gather_finished(plan.wanted_runs()).status)
    data = [line for line in lines if line.endswith("trained on other data than the present ones")]
    assert len(data) == 12  # all that is trained on Swimmer's default split
    assert [line for line in lines if line not in data] == [
        "point_circle2/constrained_rl/default seed 0: rolled out from other files than the present ones"
    ]


def test_without_its_reference_a_task_keeps_its_raw_scores(plan, tmp_path):
    finish(plan, tmp_path, skip=[("point_circle2", "constrained_rl")])
    runs = gather_finished(plan.wanted_runs())
    table = partial_table(runs, plan.config.evaluation)
    circle = table[(table["task"] == "point_circle2") & (table["n_seeds"] > 0)]
    assert circle["return"].notna().all()
    assert circle[["return_norm", "cost_diff", "cvar20_diff"]].isna().all(axis=None)
    assert table.loc[table["task"] == "swimmer_velocity", "return_norm"].notna().all()
    assert partial_notes(runs, table, [], 25.0) == [
        "Point-Circle2: of the reference Constrained RL 0 of 1 seeds finished; scores relative to it are "
        "undefined."
    ]


def test_other_files_and_mixed_code_are_named(plan, tmp_path):
    finish(plan, tmp_path)
    lay_down(tmp_path, wanted_run(plan, **BC0), [60.0] * 5, [0.0] * 5, record={"code": "c1"})
    strange = tmp_path / "results/x/collected/swimmer_velocity/bc/old/seed0/episodes.parquet"
    ablation = tmp_path / "results/x/collected/swimmer_velocity/safemil/h10/seed0/episodes.parquet"
    for path in (strange, ablation):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    found = plan.unconfigured_episodes()
    assert [tmp_path / path for path in found] == [strange]
    runs = gather_finished(plan.wanted_runs())
    notes = partial_notes(runs, partial_table(runs, plan.config.evaluation), list(map(str, found)), 25.0)
    assert notes == [
        f"Not asked for by the configuration, and left out too: {found[0]}.",
        "Seeds trained by different versions of the code stand together in swimmer_velocity/bc/default.",
    ]


def test_runs_that_do_not_belong_together_are_refused_as_gather_does(plan, tmp_path):
    finish(plan, tmp_path)
    lay_down(tmp_path, wanted_run(plan, **BC0), [1.0] * 5, [0.0] * 5, environment_seed=range(5))
    with pytest.raises(UserError, match="did not start from the same environment seed"):
        gather_finished(plan.wanted_runs())


def test_nothing_finished_is_an_error_that_says_what_lies_there(plan, tmp_path):
    write_resolved(plan.config, tmp_path / "config.json")
    lay_down(tmp_path, wanted_run(plan, **BC0), [1.0] * 5, [0.0] * 5, step=3)
    arguments = ["partial", "--config", "config.json", "--directory", "tables", "--figures", "figures"]
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, UserError)
    assert "no run of this configuration is finished" in str(result.exception)
    assert "0 finished, 1 left out; swimmer_velocity/bc/default seed 0: step 3, configured 1000" in str(
        result.exception
    )
    assert not (tmp_path / "tables").exists()


def test_programs_and_settings_are_asked_for_as_configured(plan):
    programs = {
        "custom_rules": ["mine.smk"],
        "custom_methods": {"Ridge": {"default": {"settings": {"a": 1}}}},
    }
    wanted = wanted_run(Plan(parse_config(RAW | programs, "here")), **BC0 | {"method": "Ridge"})
    assert (wanted.asked, wanted.data, wanted.run.step) == ({"settings": {"a": 1}}, None, None)
    asked = wanted_run(plan, task="swimmer_velocity", method="safemil", variant="short", seed=0).asked
    assert asked["training"]["steps"] == 10
    assert json.loads(json.dumps(asked)) == asked
    assert asked["settings"]["weighting"] == "trajectory"
