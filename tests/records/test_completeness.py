"""A missing run, an empty cell, a stranger, another budget: each is an error that names the rows."""

import pandas as pd
import pytest
from click.testing import CliRunner

from safemil.cli import cli
from safemil.errors import UserError
from safemil.plan.configuration import parse_config, write_resolved
from safemil.plan.rules import Plan, option
from safemil.records.completeness import (
    check_complete,
    check_equal,
    check_learned_costs,
    check_same_budget,
)
from safemil.records.episodes import write_episodes
from safemil.records.expected import ExpectedRun
from safemil.statistics.learned_cost import TABLE_COLUMNS, learned_cost_table, read_learned_cost_table
from safemil.statistics.scores import relative_seed_scores
from tests.statistics.test_learned_cost_scores import score_rows

RAW = {
    "run_name": "x",
    "tasks": ["swimmer_velocity"],
    "seeds": [0, 1, 2],
    "methods": {"bc": {"default": {}}, "safemil": {"default": {}}},
    "training": {"steps": 1000},
    "evaluation": {"episodes": 5, "bootstrap_resamples": 100},
    "theory": {"draws": 100},
}


def plan(**changes):
    return Plan(parse_config(RAW | changes, "here"))


@pytest.fixture
def whole(tiny, rows):
    """The tiny table with a third seed of SafeMIL: what the configuration asks for."""
    return pd.concat([tiny, rows("safemil", 2, [74] * 5, [5] * 5)], ignore_index=True)


def without(frame, **cell):
    keep = pd.concat([frame[name] != value for name, value in cell.items()], axis=1).any(axis=1)
    assert not keep.all()
    return frame[keep].reset_index(drop=True)


def refused(frame, expected) -> str:
    with pytest.raises(UserError) as caught:
        check_complete(frame, expected)
    return str(caught.value)


def test_what_the_configuration_asks_for():
    runs = plan(
        methods={"bc": {"default": {}}, "safemil": {"default": {}, "short": {"training": {"steps": 10}}}}
    ).expected_runs()
    assert [(run.method, run.variant, run.seed, run.step) for run in runs] == [
        *[("bc", "default", seed, 1000) for seed in range(3)],
        *[("safemil", "default", seed, 1000) for seed in range(3)],
        *[("safemil", "short", seed, 10) for seed in range(3)],
        *[("constrained_rl", "default", 0, 0), ("random", "default", 0, 0)],
    ]
    assert {run.episodes for run in runs} == {5}
    assert len(plan().expected_runs()) == len(plan().gathered_runs())


PROGRAM = {"custom_rules": ["mine.smk"], "custom_methods": {"Ridge": {"default": {}}}}


def test_what_an_ablation_asks_for():
    runs = plan(training={"steps": 70}, **PROGRAM).expected_ablation_runs("h")
    assert sorted((run.method, run.variant, run.seed, run.step) for run in runs) == [
        ("constrained_rl", "default", 0, 0),
        ("random", "default", 0, 0),
        *[("safemil", v, seed, 70) for v in ("default", "h1", "h10") for seed in range(3)],
    ]
    assert {run.episodes for run in runs} == {5}


def test_what_learning_curves_ask_for():
    settings = {"curve_points": 4, "curve_episodes": 2, "episodes": 5}
    runs = plan(evaluation=settings, **PROGRAM).expected_curve_runs()
    assert [(run.method, run.seed, run.step, run.episodes) for run in runs] == [
        (method, seed, 1000, 2) for method in ("bc", "safemil") for seed in range(3)
    ]


def test_a_program_must_be_there_with_any_steps(whole, rows):
    expected = plan(**PROGRAM).expected_runs()
    assert "3 missing: swimmer_velocity/collected/Ridge/default seed 0" in refused(whole, expected)
    ridge = [rows("Ridge", seed, [1] * 5, [1] * 5, step=0) for seed in range(3)]
    check_complete(pd.concat([whole, *ridge]), expected)
    half = rows("Ridge", 2, [1] * 4, [1] * 4, step=0)
    message = refused(pd.concat([whole, *ridge[:2], half]), expected)
    assert "Ridge/default seed 2 has step 0 with 4 episodes, not step 0 with 5" in message


def test_options_are_quoted_for_the_shell_and_left_out_without_values():
    assert option("ablation", "h", "a b.csv", "c.parquet") == "--ablation h 'a b.csv' c.parquet"
    assert option("learned-cost") == ""


def test_everything_there_is_accepted(whole):
    check_complete(whole, plan().expected_runs())
    curve = whole[whole["step"] > 0].assign(step=500)
    check_complete(pd.concat([whole, curve]), plan().expected_runs())


def test_a_missing_seed_and_an_empty_cell_are_named(tiny, whole):
    message = refused(tiny, plan().expected_runs())
    assert "1 missing: swimmer_velocity/collected/safemil/default seed 2\n" in message
    assert "expected: 8 runs" in message
    empty = refused(without(whole, method="bc"), plan().expected_runs())
    assert "3 missing: " + ", ".join(
        f"swimmer_velocity/collected/bc/default seed {seed}" for seed in range(3)
    ) in (empty)
    reference = refused(without(whole, method="random"), plan().expected_runs())
    assert "1 missing: swimmer_velocity/collected/random/default seed 0" in reference


def test_a_task_without_any_row_is_named(whole):
    message = refused(whole, plan(tasks=["swimmer_velocity", "ant_velocity"]).expected_runs())
    assert "8 missing: ant_velocity/collected/bc/default seed 0" in message
    assert "and 3 more" in message


def test_rows_that_nobody_asked_for_are_named(whole, rows):
    stray = pd.concat([whole, rows("trex_wbc", 7, [1] * 5, [1] * 5)])
    message = refused(stray, plan().expected_runs())
    assert "1 not configured: swimmer_velocity/collected/trex_wbc/default seed 7" in message


def test_rows_of_another_source_are_both_missing_and_strange(whole):
    message = refused(whole.assign(source="dsrl"), plan().expected_runs())
    assert "8 missing" in message
    assert "8 not configured: swimmer_velocity/dsrl/bc/default seed 0" in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": {"steps": 2000}}, "bc/default seed 0 has step 1000 with 5 episodes, not step 2000"),
        ({"evaluation": {"episodes": 20}}, "seed 0 has step 1000 with 5 episodes, not step 1000 with 20"),
    ],
)
def test_another_budget_is_named(whole, changes, words):
    message = refused(whole, plan(**changes).expected_runs())
    assert words in message
    assert "of another budget" in message


def test_half_an_evaluation_is_named(whole):
    last = without(whole, method="bc", seed=1, episode=4)
    assert (
        "1 of another budget: swimmer_velocity/collected/bc/default seed 1 has step 1000 with 4"
        in refused(last, plan().expected_runs())
    )


def test_a_run_whose_steps_are_not_configured_may_have_any(whole):
    expected = [
        ExpectedRun(*run.key, step=None if run.method == "bc" else run.step, episodes=run.episodes)
        for run in plan().expected_runs()
    ]
    check_complete(whole.assign(step=whole["step"].mask(whole["method"] == "bc", 7)), expected)


def test_learned_costs_of_every_configured_run_and_no_other():
    runs = [
        ExpectedRun("swimmer_velocity", "collected", "safemil", "default", seed, 3000, 5) for seed in (0, 1)
    ]
    found = pd.concat([score_rows("safemil", seed, [0.5] * 4) for seed in (0, 1)])
    check_learned_costs(found, runs)
    with pytest.raises(UserError, match=r"learned costs[\s\S]*1 missing: .*safemil/default seed 1"):
        check_learned_costs(found[found["seed"] == 0], runs)
    with pytest.raises(UserError, match=r"1 not configured: .*seed 1"):
        check_learned_costs(found, runs[:1])
    with pytest.raises(UserError, match="seed 1 has step 9, not step 3000"):
        check_learned_costs(found.assign(step=found["step"].mask(found["seed"] == 1, 9)), runs)


def test_a_run_that_lacks_a_score_of_its_learned_cost_is_named():
    whole = pd.concat(
        [score_rows("safemil", s, [0.5] * 4, held_out=h) for s in range(3) for h in ("all", "classes")],
        ignore_index=True,
    )
    assert len(learned_cost_table(whole, n_resamples=50)) == 2
    lacking = without(whole, seed=1, held_out="all", score="step_auroc")
    with pytest.raises(UserError, match=r"safemil/default seed 1: step_auroc on all\n"):
        learned_cost_table(lacking)
    set_lost = without(whole, seed=2, held_out="classes")
    with pytest.raises(UserError, match="seed 2: step_auroc on classes, "):
        learned_cost_table(set_lost)


def test_the_table_of_learned_costs_is_read_back_or_refused(tmp_path):
    table = learned_cost_table(score_rows("safemil", 0, [0.5] * 4), n_resamples=50)
    path = tmp_path / "learned_cost.csv"
    table.to_csv(path, index=False, na_rep="NaN")
    pd.testing.assert_frame_equal(read_learned_cost_table(path), table, check_dtype=False)
    for change, words in (
        (pd.concat([table, table]), "twice swimmer_velocity/collected/all/safemil/default"),
        (table.assign(step_auroc=float("nan")), "no value and no reason .*default step_auroc"),
        (table.drop(columns="step"), "not a table of learned costs"),
        (table.head(0), "not a table of learned costs"),
    ):
        change.to_csv(path, index=False, na_rep="NaN")
        with pytest.raises(UserError, match=words):
            read_learned_cost_table(path)
    with pytest.raises(UserError, match="no table of learned costs"):
        read_learned_cost_table(tmp_path / "gone.csv")
    assert list(table.columns) == TABLE_COLUMNS


def test_methods_that_stand_in_one_statistic_have_one_budget(whole):
    scores = relative_seed_scores(whole)
    check_same_budget(scores)
    is_bc = scores["method"] == "bc"
    with pytest.raises(
        UserError,
        match=r"different gradient steps[\s\S]*7 in swimmer_velocity/collected/bc/default; 1000 in .*safemil",
    ):
        check_same_budget(scores.assign(step=scores["step"].mask(is_bc, 7)))
    on_one_task = scores["task"] == scores["task"].iloc[0]
    check_same_budget(scores.assign(step=scores["step"].mask(on_one_task, 7)))  # every method on it alike
    with pytest.raises(UserError, match=r"different episodes per seed[\s\S]*4 in .*/random/default; 5 in"):
        check_same_budget(
            scores.assign(n_episodes=scores["n_episodes"].mask(scores["method"] == "random", 4))
        )
    with pytest.raises(
        UserError, match=r"different seeds[\s\S]*0 1 in .*/safemil/default; 0 1 2 in .*/bc/default\n"
    ):
        check_same_budget(scores[~((scores["method"] == "safemil") & (scores["seed"] == 2))])
    # A variant may have its own, and so may an oracle and a program that is not trained here.
    for other in (scores["method"].mask(is_bc, "bc_safe"), scores["method"].mask(is_bc, "mine")):
        check_same_budget(scores.assign(method=other, step=scores["step"].mask(is_bc, 7)))
    check_same_budget(
        scores.assign(variant=scores["variant"].mask(is_bc, "v"), step=scores["step"].mask(is_bc, 7))
    )


def test_equality_is_asked_for_within_groups(whole):
    scores = relative_seed_scores(whole)
    check_equal(scores, "step", "gradient steps", by=["method"])
    with pytest.raises(UserError, match=r"0 in .*constrained_rl/default, .*random/default; 1000 in"):
        check_equal(scores, "step", "gradient steps")


@pytest.fixture
def project(tmp_path, whole):
    """A resolved configuration and the episodes of its runs, in one file each."""
    write_resolved(parse_config(RAW, "here"), tmp_path / "config.json")
    files = []
    for (method, seed), part in whole.groupby(["method", "seed"]):
        files.append(write_episodes(tmp_path / f"{method}{seed}.parquet", part))
    write_episodes(tmp_path / "all.parquet", whole)
    return tmp_path, list(map(str, files))


def run(*arguments: str):
    return CliRunner().invoke(cli, list(map(str, arguments)))


def test_gather_asks_for_the_runs_of_the_configuration(project):
    folder, files = project
    config, output = folder / "config.json", folder / "gathered.parquet"
    complete = run("gather", "episodes", *files, "--config", config, "--output", output)
    assert complete.exit_code == 0, complete.exception
    assert output.read_bytes() == (folder / "all.parquet").read_bytes()
    output.unlink()
    missing = run("gather", "episodes", *files[:-1], "--config", config, "--output", output)
    assert isinstance(missing.exception, UserError)
    assert "1 missing: swimmer_velocity/collected/safemil/default seed 2" in str(missing.exception)
    assert not output.exists()


@pytest.fixture
def lengths(whole, rows):
    """The episodes of the ablation h: H = 5 is the default."""
    bc = whole["method"] == "bc"
    points = [rows("safemil", seed, [7] * 5, [7] * 5, variant=v) for v in ("h1", "h10") for seed in range(3)]
    return pd.concat([whole[~bc], *points], ignore_index=True)


def test_an_ablation_needs_all_its_rows(project, lengths):
    folder, _ = project
    config = ["--config", folder / "config.json"]
    gathered = write_episodes(folder / "h.parquet", lengths)
    asked = ["gather", "ablation_h", gathered, *config, "--output", folder / "again.parquet"]
    claims = ["claims", *config, "--episodes", folder / "all.parquet", "--directory", folder / "out"]
    claims += ["--ablation", "h", folder / "out" / "ablation_h.csv", gathered]
    table = ["table", "ablation_h", *config, "--directory", folder / "out", gathered]
    commands = [
        asked,
        table,
        ["figure", "ablation_h", *config, "--directory", folder / "figures", gathered],
        claims,
    ]
    for command in commands:
        done = run(*command)
        assert done.exit_code == 0, done.exception
    for name, ends in (("out", ("csv", "md", "tex")), ("figures", ("csv", "pdf", "png"))):
        assert {f"ablation_h.{end}" for end in ends} <= {path.name for path in (folder / name).iterdir()}
    write_episodes(gathered, without(lengths, variant="h10", seed=1))
    for command in commands:
        refusal = run(*command)
        assert isinstance(refusal.exception, UserError)
        assert "1 missing: swimmer_velocity/collected/safemil/h10 seed 1" in str(refusal.exception)


def test_learning_curves_need_all_their_rows(project, whole):
    folder, _ = project
    settings = RAW["evaluation"] | {"curve_points": 4, "curve_episodes": 2}
    write_resolved(parse_config(RAW | {"evaluation": settings}, "here"), folder / "config.json")
    config = ["--config", folder / "config.json"]
    trained = whole[(whole["step"] > 0) & (whole["episode"] < 2)]
    curve = pd.concat([trained.assign(step=step) for step in (250, 500, 750, 1000)], ignore_index=True)
    gathered = write_episodes(folder / "curve.parquet", curve)
    shown = [*config, "--directory", folder / "out", gathered, folder / "all.parquet"]
    commands = [
        ["gather", "curve_episodes", gathered, *config, "--output", folder / "again.parquet"],
        ["table", "learning_curves", *shown],
        ["figure", "learning_curves", *shown],
    ]
    for command in commands:
        done = run(*command)
        assert done.exit_code == 0, done.exception
    write_episodes(gathered, without(curve, method="bc", seed=1))
    for command in commands:
        refusal = run(*command)
        assert isinstance(refusal.exception, UserError)
        assert "1 missing: swimmer_velocity/collected/bc/default seed 1" in str(refusal.exception)


def test_a_table_that_there_is_not_is_named(project):
    folder, files = project
    refusal = run("gather", "episode", *files, "--config", folder / "config.json", "--output", folder / "x")
    assert "there is no such table" in str(refusal.exception)
    assert "episodes, curve_episodes, learned_cost" in str(refusal.exception)
    assert not (folder / "x").exists()
