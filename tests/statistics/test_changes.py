"""Two runs held against each other: differences by hand, intervals against SciPy, rules that can say no."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from safemil.cli import cli
from safemil.errors import UserError
from safemil.records.episodes import write_episodes
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.changes import (
    CHANGED,
    COMPARED_SCORES,
    NOT_SHOWN,
    ONLY_FIRST,
    ONLY_SECOND,
    SAME,
    TOO_FEW,
    UNDEFINED,
    chance_of_change,
    compare_runs,
    compare_scores,
)
from safemil.tables.changes import RULE, read_run, summary_lines

SETTINGS = EvaluationSettings(bootstrap_resamples=2000)


def run_of(rows, costs, *, method="bc", returns=(50.0,) * 9, **changes):
    """References (returns 0 and 100, cost 10) and a method with one cost for each seed, five episodes."""
    parts = [rows("random", 0, [0] * 5, [50] * 5), rows("constrained_rl", 0, [100] * 5, [10] * 5)]
    parts += [
        rows(method, seed, [returns[seed]] * 5, [cost] * 5, **changes) for seed, cost in enumerate(costs)
    ]
    return pd.concat(parts, ignore_index=True)


def cell(found, score="cost", method="bc"):
    table = found.table
    (row,) = table[(table["score"] == score) & (table["method"] == method)].to_dict("records")
    return row


def test_a_shift_of_every_seed_has_changed_though_seeds_lie_far_apart(rows):
    """Paired: all three differences are 2, -> [2, 2]. Unpaired they would drown in the spread of 0 to 60."""
    found = compare_runs(run_of(rows, [0, 30, 60]), run_of(rows, [2, 32, 62]), SETTINGS)
    row = cell(found)
    assert (row["first"], row["second"], row["difference"]) == (30.0, 32.0, 2.0)
    assert (row["low"], row["high"]) == pytest.approx((2, 2))
    assert (row["verdict"], row["resampling"]) == (CHANGED, "paired")
    assert (row["first_seeds"], row["second_seeds"]) == (3, 3)
    # Of five episodes the costliest fifth is one; the returns are the same, and so is what is within 25.
    assert cell(found, "cvar20")["verdict"] == CHANGED
    assert [cell(found, s)["verdict"] for s in ("return", "return_norm", "share_within_limit")] == [SAME] * 3
    assert found.count(CHANGED) == 2
    assert not found.identical


def test_other_training_seeds_or_episodes_are_resampled_independently(rows):
    first, second = run_of(rows, [0, 30, 60]), run_of(rows, [2, 32, 62])
    moved = second.assign(seed=second["seed"] + 10 * (second["method"] == "bc"))
    started = second.assign(environment_seed=second["environment_seed"] + 1)
    more = run_of(rows, [2, 32, 62, 32])
    for other in (moved, started, more):
        row = cell(compare_runs(first, other, SETTINGS))
        assert (row["verdict"], row["resampling"]) == (NOT_SHOWN, "independent")
        assert row["difference"] == pytest.approx(2.0)
        assert row["low"] < -20
        assert row["high"] > 20
    assert cell(compare_runs(first, more, SETTINGS))["second_seeds"] == 4


def test_a_difference_within_its_interval_is_none(rows):
    """Differences 1, -1 and 3: mean 1, and with three seeds the interval is their range."""
    row = cell(compare_runs(run_of(rows, [10, 20, 30]), run_of(rows, [11, 19, 33]), SETTINGS))
    assert (row["difference"], row["verdict"]) == (1.0, NOT_SHOWN)
    assert (row["low"], row["high"]) == pytest.approx((-1, 3))


def test_an_interval_that_ends_at_0_has_not_changed():
    """Differences 0, 2 and 4: the lower end is 0, and 0 is not excluded."""
    first = np.array([5.0, 5.0, 5.0])
    found = compare_scores(first, np.array([5.0, 7.0, 9.0]), SETTINGS, paired=True)
    assert (found["low"], found["high"], found["verdict"]) == (0.0, 4.0, NOT_SHOWN)
    assert compare_scores(first, np.array([4.0, 3.0, 1.0]), SETTINGS, paired=True)["verdict"] == CHANGED


def test_rounding_is_no_change():
    first = np.array([1000.0, 2000.0, 1500.0])
    assert compare_scores(first, first * (1 + 1e-12), SETTINGS, paired=True)["verdict"] == NOT_SHOWN
    assert compare_scores(first, first * (1 + 1e-6), SETTINGS, paired=True)["verdict"] == CHANGED


def test_too_few_seeds_show_their_difference(rows):
    found = compare_runs(run_of(rows, [0, 10]), run_of(rows, [20, 40]), SETTINGS)
    row = cell(found)
    assert (row["verdict"], row["difference"]) == (TOO_FEW, 25.0)
    assert np.isnan([row["low"], row["high"], row["chance"]]).all()
    assert "Too few seeds: fewer than 3 in a run, so there is no interval." in summary_lines(found)
    one_sided = cell(compare_runs(run_of(rows, [0, 10, 5]), run_of(rows, [20, 40]), SETTINGS))
    assert (one_sided["verdict"], one_sided["difference"]) == (TOO_FEW, 25.0)


def test_what_is_in_one_run_only_is_listed_and_is_no_change(rows):
    first = run_of(rows, [1, 2, 3])
    second = run_of(rows, [1, 2, 3], method="safemil")
    found = compare_runs(first, second, SETTINGS)
    assert {cell(found, s)["verdict"] for s in COMPARED_SCORES} == {ONLY_FIRST}
    assert {cell(found, s, "safemil")["verdict"] for s in COMPARED_SCORES} == {ONLY_SECOND}
    assert cell(found)["first"] == 2.0
    assert np.isnan(cell(found)["second"])
    lines = summary_lines(found)
    assert lines[0] == "10 scores of cells in both runs: 10 the same."
    assert "1 cell is only in A: BC-Unlabeled on Swimmer-Velocity." in lines
    assert "1 cell is only in B: SafeMIL on Swimmer-Velocity." in lines


def test_equal_runs_differ_nowhere_even_if_their_ids_do(rows):
    first = run_of(rows, [1, 2, 3])
    found = compare_runs(first, first.sample(frac=1, random_state=0).assign(run_id="other"), SETTINGS)
    assert found.identical
    assert set(found.table["verdict"]) == {SAME}
    assert summary_lines(found) == ["No cell differs: all episodes are the same, bit for bit."]
    longer = compare_runs(first, first.assign(length=999), SETTINGS)
    assert not longer.identical


def test_without_its_reference_a_normalised_return_is_undefined(rows):
    first = run_of(rows, [1, 2, 3])
    found = compare_runs(first, first[first["method"] != "random"], SETTINGS)
    assert cell(found, "return_norm")["verdict"] == UNDEFINED
    assert cell(found, "return")["verdict"] == SAME


def test_other_terms_are_stated(rows):
    first = run_of(rows, [1, 2, 3])
    longer = run_of(rows, [1, 2, 3], step=2000, source="collected")
    assert compare_runs(first, longer, SETTINGS).differing == [
        "The gradient steps differ in 1 of 3 cells: swimmer_velocity/bc/default 1000 in A, 2000 in B."
    ]
    fewer = first[first["episode"] < 4]
    (line,) = compare_runs(first, fewer, SETTINGS).differing
    assert line.startswith(
        "The episodes per seed differ in 3 of 3 cells: swimmer_velocity/bc/default 5 in A, 4 in B"
    )
    seeds = run_of(rows, [1, 2, 3, 4])
    assert compare_runs(first, seeds, SETTINGS).differing == [
        "The training seeds differ in 1 of 3 cells: swimmer_velocity/bc/default 0 1 2 in A, 0 1 2 3 in B."
    ]
    (line,) = compare_runs(first, first.assign(environment_seed=first["episode"]), SETTINGS).differing
    assert line.startswith("Episodes start from other environment seeds in 3 of 3 cells")
    other = first.assign(source="local").replace({"method": {"constrained_rl": "coptidice"}})
    assert compare_runs(first, other, SETTINGS).differing == [
        "The sources of the data differ: collected in A, local in B."
    ]


@pytest.mark.parametrize("paired", [True, False])
def test_intervals_agree_with_scipy(paired):
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(2, 6))
    settings = EvaluationSettings(bootstrap_resamples=20_000)
    found = compare_scores(first, second, settings, paired=paired)
    interval = stats.bootstrap(
        (second, first),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        paired=paired,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(8),
    ).confidence_interval
    # The two resample by different streams: an end of 20,000 resamples is good to about 0.015.
    assert (found["low"], found["high"]) == pytest.approx(tuple(interval), abs=0.06)


# From docs/statistics.md: one minus the coverage of the mean for normal scores.
@pytest.mark.parametrize(("n_seeds", "chance"), [(3, 0.255), (5, 0.163), (10, 0.115)])
def test_chance_is_the_coverage_that_was_measured(n_seeds, chance):
    assert chance_of_change(n_seeds, n_seeds, paired=True) == pytest.approx(chance, abs=0.025)


@pytest.mark.parametrize(("sizes", "paired"), [((4, 4), True), ((4, 4), False), ((3, 9), False)])
def test_chance_is_how_often_nothing_is_flagged(sizes, paired):
    """400 experiments without a change; one standard error is at most 0.021."""
    generator = np.random.default_rng(5)
    settings = EvaluationSettings(bootstrap_resamples=500)
    flagged = [
        compare_scores(*(generator.normal(size=n) for n in sizes), settings, paired=paired)["verdict"]
        == CHANGED
        for _ in range(400)
    ]
    assert np.mean(flagged) == pytest.approx(chance_of_change(*sizes, paired=paired), abs=0.05)


def test_expected_number_by_chance_counts_what_could_be_flagged(rows):
    """Cost and its CVaR have an interval and differ; what is the same in every seed cannot be flagged."""
    found = compare_runs(run_of(rows, [10, 20, 30]), run_of(rows, [11, 19, 33]), SETTINGS)
    nominal, likely = found.expected_by_chance
    assert found.judged == 2
    assert nominal == pytest.approx(0.1)
    # Three paired seeds: a t-variable of 2 degrees of freedom beyond 1.96 * sqrt(2 / 3).
    assert likely == pytest.approx(2 * 2 * stats.t.sf(1.959964 * np.sqrt(2 / 3), 2), rel=1e-5)
    (line,) = [line for line in summary_lines(found) if line.startswith("If nothing had changed")]
    assert "0.1 of the 2 that have an interval" in line
    assert "for normal scores it would be 0.5" in line


@pytest.fixture
def stored(rows, tmp_path, monkeypatch):
    """Runs `before` and `after` under results/, whose cost has changed, and the command in that folder."""
    monkeypatch.chdir(tmp_path)
    for name, costs in (("before", [0, 30, 60]), ("after", [2, 32, 62])):
        write_episodes(tmp_path / f"results/{name}/episodes.parquet", run_of(rows, costs))
    evaluation = {"cost_limit": 1.0, "bootstrap_resamples": 500, "of_an_older_version": 1}
    (tmp_path / "results/before/config.json").write_text(json.dumps({"evaluation": evaluation}))

    def compare(*arguments):
        return CliRunner().invoke(cli, ["compare", *map(str, arguments)])

    return compare


def test_command_prints_what_changed_and_writes_every_row(stored, tmp_path):
    result = stored("before", "results/after", "--output", "out/c.csv")
    assert result.exit_code == 0, result.exception
    assert "evaluation.cost_limit differs: 1 in A, 25 in B; that of A is used for both." in result.output
    assert RULE.split(".")[0] in " ".join(result.output.split())
    shown = [line for line in result.output.splitlines() if CHANGED in line and "BC-Unlabeled" in line]
    assert (
        len(shown) == 2
    )  # cost and CVaR; at a limit of 1 one seed of three has changed, which is not enough
    table = pd.read_csv(tmp_path / "out/c.csv")
    assert len(table) == 3 * len(COMPARED_SCORES)
    assert set(table.loc[table["verdict"] == CHANGED, "score"]) == {"cost", "cvar20"}
    again = stored("before", tmp_path / "results/after/episodes.parquet", "--output", "out/c.json")
    content = json.loads((tmp_path / "out/c.json").read_text())
    assert again.exit_code == 0
    assert content["changed"] == 2
    assert content["a"] == {"run": "before", "episodes": "results/before/episodes.parquet"}
    assert {each["low"] for each in content["cells"] if each["method"] == "random"} == {None}
    stored("before", "after", "--output", "out/c.md")
    text = (tmp_path / "out/c.md").read_text()
    row = "| Swimmer-Velocity | BC-Unlabeled | cost | 3, paired | 30 | 32 | 2 | 2, 2 | changed |"
    assert row in text.splitlines()
    assert "- Warning: evaluation.cost\\_limit differs" in text


def test_exit_code_tells_of_a_change_only_if_asked(stored):
    assert stored("before", "after").exit_code == 0
    assert stored("before", "after", "--fail-on-change").exit_code == 1
    same = stored("before", "before", "--fail-on-change")
    assert same.exit_code == 0
    assert "No cell differs" in same.output


def test_a_partial_run_is_compared_by_its_folder(stored, rows, tmp_path):
    write_episodes(tmp_path / "results/before/partial/episodes.parquet", run_of(rows, [0, 30]))
    result = stored("before", "results/before/partial")
    assert result.exit_code == 0
    assert "cost_limit" not in result.output  # both by the configuration of `before`
    assert "0 1 2 in A, 0 1 in B" in " ".join(result.output.split())


def test_mistakes_are_told(stored, tmp_path):
    (tmp_path / "results/unfinished").mkdir()
    for arguments, words in (
        (["before", "nowhere"], "there is no such run"),
        (["before", "unfinished"], "this run has no table of all episodes"),
        (["before", "after", "--output", "c.txt"], "the form of the output is not known"),
        (["before", "results/before/config.json"], "cannot be read"),
    ):
        result = stored(*arguments)
        assert isinstance(result.exception, UserError), arguments
        assert words in str(result.exception)
    (tmp_path / "results/after/config.json").write_text("{")
    with pytest.raises(UserError, match="a configuration cannot be read"):
        read_run("after")
    assert not (tmp_path / "c.txt").exists()
