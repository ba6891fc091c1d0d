"""What a learned cost is found to know: by hand, for costs that know everything, nothing, or the opposite."""

import json

import numpy as np
import pytest
import torch
from scipy import stats

from safemil.cli import cli
from safemil.data.hdf5 import write_labelled
from safemil.data.stripped import TrainingData
from safemil.data.trajectories import LabelledTrajectories, Trajectories
from safemil.errors import UserError
from safemil.learned_cost.measure import (
    cost_scores,
    discrimination,
    example_episodes,
    learned_costs,
    rank_correlation,
)
from safemil.learned_cost.rows import SCORES, gather_rows, gather_traces, write_all_rows
from safemil.methods.bc import BehaviorCloning
from safemil.methods.budget import TrainingSettings
from safemil.methods.policy_file import write_networks
from safemil.methods.safemil import SafeMIL
from safemil.plan.configuration import parse_config, write_resolved
from safemil.training.restore import RunFiles, restore_run

TASK = "swimmer_velocity"
LENGTHS = [6, 4, 5] * 20
# More than are held out, so that places among the held-out ones and in the set of all differ.
SOURCE_LENGTHS = [6, 4, 5] * 90


def labelled(costs, lengths=LENGTHS, scale=1.0, seed=0):
    """Trajectories of Swimmer-Velocity's sizes; `costs` makes each step's cost of the observations (N, 8)."""
    generator = np.random.default_rng(seed)
    n, stops = sum(lengths), np.cumsum(lengths)
    # Each episode has a level of its own, so that episodes differ in cost.
    levels = np.repeat(np.linspace(-3, 3, len(lengths)), lengths)
    observations = generator.normal(size=(n, 8)) * scale
    observations[:, 0] += levels
    observations = observations.astype(np.float32)
    ends = np.zeros(n, dtype=np.bool_)
    ends[stops - 1] = True
    trajectories = Trajectories(
        observations=observations,
        actions=generator.uniform(-1, 1, size=(n, 2)).astype(np.float32),
        next_observations=observations,
        terminals=np.zeros(n, dtype=np.bool_),
        starts=np.asarray(stops - lengths, dtype=np.int64),
    )
    values = np.asarray(costs(observations), dtype=np.float32)
    return LabelledTrajectories(trajectories, np.zeros(n, np.float32), values, ends)


def above_zero(observations):
    return 30.0 * (observations[:, 0] > 0)


def set_cost(network, weights, sign=1.0):
    """Make c strictly increasing in sign * (weights . standardised observation); 1/2 for sign 0."""
    first, second, last = (layer for layer in network.layers if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        first.weight[0, : len(weights)] = torch.tensor(weights) * 0.1
        second.weight[0, 0] = 1.0
        last.weight[0, 0] = sign


def learner(method, trajectories):
    data = TrainingData(trajectories.select([0, 1]), trajectories.select(range(2, 20)))
    return method(data, method.settings_model(), TrainingSettings(steps=1), torch.Generator().manual_seed(0))


def values(scores):
    return [scores[name].value for name in SCORES]


def test_rank_correlation_by_hand():
    # Midranks of (1, 1, 2, 5) are 1.5, 1.5, 3, 4; of (0, 1, 1, 9) they are 1, 2.5, 2.5, 4.
    # Deviations from 2.5: (-1, -1, .5, 1.5) and (-1.5, 0, 0, 1.5). Products sum to 3.75, squares to 4.5 each.
    learned, true = np.array([1.0, 1, 2, 5]), np.array([0.0, 1, 1, 9])
    assert rank_correlation(learned, true).value == pytest.approx(3.75 / 4.5)
    assert rank_correlation(np.exp(learned), true**3).value == pytest.approx(3.75 / 4.5)
    assert rank_correlation(-learned, true).value == pytest.approx(-3.75 / 4.5)


def test_what_is_undefined_says_why():
    ones = np.ones(3)
    assert rank_correlation(ones, np.arange(3.0)).missing == "constant learned cost"
    assert rank_correlation(np.arange(3.0), ones).missing == "constant true cost"
    for positive, reason in ((ones == 0, "none"), (ones == 1, "all")):
        score = discrimination(np.arange(3.0), positive, "none", "all")
        assert np.isnan(score.value)
        assert score.missing == reason


def test_the_four_scores_by_hand():
    """Two episodes of two steps: costs (0, 30) and (0, 0), the first unsafe."""
    data = labelled(lambda observations: np.zeros(len(observations)), lengths=[2, 3])
    data = LabelledTrajectories(
        data.trajectories, data.rewards, np.array([0, 30, 0, 0, 0], np.float32), data.timeouts
    )
    # Steps: 0.3 beats 0.1 and 0.2 and loses to 0.4 and 0.5. Means: 0.2 below 11/30. Sums: 0.4 below 1.1.
    scores = cost_scores(np.array([0.1, 0.3, 0.2, 0.4, 0.5]), data, cost_limit=25)
    assert scores["step_auroc"].value == 2 / 4
    assert scores["trajectory_auroc"].value == 0.0
    assert scores["trajectory_spearman"].value == pytest.approx(-1)
    # A longer safe episode: its mean 0.15 is below the other's 0.2, its sum 0.45 above 0.4.
    scores = cost_scores(np.array([0.1, 0.3, 0.1, 0.15, 0.2]), data, cost_limit=25)
    assert scores["trajectory_auroc"].value == 1.0
    assert scores["trajectory_spearman"].value == pytest.approx(-1)
    assert cost_scores(np.ones(5), data, cost_limit=30)["trajectory_auroc"].missing == "no unsafe episode"


@pytest.mark.parametrize(("sign", "auroc"), [(1.0, 1.0), (-1.0, 0.0)])
def test_a_cost_network_that_is_the_true_cost(sign, auroc):
    data = labelled(above_zero)
    made = learner(SafeMIL, data.trajectories)
    # Increasing in the first component, as the true cost is.
    set_cost(made.cost_network, [1.0], sign)
    scores = cost_scores(learned_costs(made, data.trajectories), data, 25.0)
    assert scores["step_auroc"].value == auroc
    exact = cost_scores(sign * data.costs.astype(float), data, 25.0)
    assert exact["step_auroc"].value == auroc
    assert values(exact)[1] == pytest.approx(sign)
    assert values(exact)[3] == pytest.approx(sign)
    assert stats.spearmanr(
        data.costs, data.trajectories.observations[:, 0]
    ).statistic * sign == pytest.approx(scores["step_spearman"].value, abs=1e-6)


@pytest.mark.parametrize("constant", [0.5, 0.3])
def test_a_constant_cost_is_chance_and_correlates_with_nothing(constant):
    """Also where episodes differ in length, and the rounding of sums of 0.3 in the last digit."""
    data, equal = labelled(above_zero), labelled(above_zero, lengths=[7] * 30)
    scores = cost_scores(np.full(len(data.costs), constant), data, 25.0)
    assert [scores["step_auroc"].value, scores["trajectory_auroc"].value] == [0.5, 0.5]
    assert scores["step_spearman"].missing == "constant learned cost"
    scores = cost_scores(np.full(len(equal.costs), constant), equal, 25.0)
    assert scores["trajectory_spearman"].missing == "constant learned cost"


def test_observations_are_standardised_by_the_statistics_of_the_policy():
    """Scales differ by 1000: without the right statistics the second component drowns the first."""
    data = labelled(above_zero, scale=np.array([1, 1000] + [1] * 6))
    made = learner(SafeMIL, data.trajectories)
    set_cost(made.cost_network, [1.0, -1.0])
    observations = data.trajectories.observations.astype(np.float64)
    unlabelled = data.trajectories.select(range(2, 20)).observations.astype(np.float64)
    standardised = (observations - unlabelled.mean(0)) / (unlabelled.std(0) + 1e-3)
    learned = learned_costs(made, data.trajectories)
    expected = standardised[:, 0] - standardised[:, 1]
    assert stats.spearmanr(learned, expected).statistic == pytest.approx(1, abs=1e-6)
    assert abs(stats.spearmanr(learned, observations[:, 0] - observations[:, 1]).statistic) < 0.95


def test_a_method_without_a_cost_is_refused():
    data = labelled(above_zero)
    with pytest.raises(UserError, match="has not learned a cost"):
        learned_costs(learner(BehaviorCloning, data.trajectories), data.trajectories)


def test_examples_are_nearest_to_the_median_of_their_class():
    costs = np.array([30.0, 0, 25, 100, 4, 5, 40, 41])
    # Safe: 0, 25, 4, 5 with median 4.5, of which 4 comes first. Unsafe: 30, 100, 40, 41 with median 40.5.
    assert example_episodes(costs, 25.0) == {"safe": 4, "unsafe": 6}
    assert example_episodes(costs, 200.0) == {"safe": 0}
    assert example_episodes(np.array([26.0]), 25.0) == {"unsafe": 0}


# The command line, on a tiny data set


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a pipeline run through the commands: split, held-out, and SafeMIL trained for three steps."""
    folder = tmp_path_factory.mktemp("run")
    raw = {
        "run_name": "test",
        "tasks": [TASK],
        "seeds": [0],
        "methods": {"safemil": {"default": {}}},
        "split": {"n_non_preferred": 5, "n_unlabelled": 20, "rectangles": []},
        "training": {"steps": 3, "bag_size": 4, "segment_length": 2},
    }
    write_resolved(parse_config(raw, "this test"), folder / "config.json")
    write_labelled(folder / "source.hdf5", labelled(above_zero, SOURCE_LENGTHS), {})
    command("split", folder, data="source.hdf5", training="data.hdf5", labels="labels.hdf5")
    command("held-out", folder, data="source.hdf5", labels="labels.hdf5", output="held_out.hdf5")
    command("train", folder, "--method", "safemil", "--seed", "0", data="data.hdf5", directory="run")
    return folder


def command(name, folder, *arguments, **paths):
    options = [f"--{option.replace('_', '-')}={folder / path}" for option, path in paths.items()]
    task = [] if name in ("table", "figure") else [f"--task={TASK}"]
    cli.main(
        [name, f"--config={folder / 'config.json'}", *task, *options, *map(str, arguments)],
        standalone_mode=False,
    )


def evaluate(folder, *, networks="run/networks.safetensors", output="rows.csv", seed=0, **changes):
    paths = {
        "data": "data.hdf5",
        "policy": "run/policy.safetensors",
        "networks": networks,
        "record": "run/run.json",
        "held_out": "held_out.hdf5",
        "output": output,
        "traces": "traces.parquet",
    }
    command("evaluate-cost", folder, "--method", "safemil", "--seed", seed, **(paths | changes))


def files_of(folder):
    run = folder / "run"
    return RunFiles(
        folder / "data.hdf5", run / "policy.safetensors", run / "networks.safetensors", run / "run.json"
    )


def rewrite_networks(folder, name, sign):
    """Write the run's networks with a cost that is known."""
    finished = restore_run(files_of(folder), SafeMIL)
    set_cost(finished.learner.cost_network, [1.0], sign)
    others = torch.nn.ModuleDict({"cost": finished.learner.cost_network})
    names = ("task", "method", "variant", "seed")
    write_networks(folder / name, others, {key: str(finished.record[key]) for key in names})
    return name


@pytest.mark.parametrize(("sign", "step_auroc"), [(1.0, 1.0), (-1.0, 0.0), (0.0, 0.5)])
def test_the_whole_way_for_a_cost_that_is_known(run, tmp_path, sign, step_auroc):
    networks = rewrite_networks(run, f"sign{sign}.safetensors", sign)
    evaluate(run, networks=networks, output=tmp_path / "rows.csv")
    rows = gather_rows([tmp_path / "rows.csv"])
    assert rows["held_out"].unique().tolist() == ["all", "classes"]
    assert rows.loc[rows["score"] == "step_auroc", "value"].tolist() == [step_auroc] * 2
    missing = rows.loc[rows["score"] == "step_spearman", "missing"].tolist()
    assert missing == (["constant learned cost"] * 2 if sign == 0 else ["", ""])
    assert rows.groupby("held_out")["n_trajectories"].unique().map(list).tolist() == [[200], [175]]
    assert rows["step"].unique().tolist() == [3]


def test_traces_hold_two_episodes_and_the_commands_make_table_and_figure_of_them(run):
    evaluate(run)
    traces = gather_traces([run / "traces.parquet"])
    source = labelled(above_zero, SOURCE_LENGTHS)
    for episode, steps in traces.groupby("episode"):
        index = steps["source_index"].iloc[0]
        rows = source.trajectories.transition_indices([index])
        assert steps["cost"].tolist() == source.costs[rows].tolist()
        assert steps["environment_step"].tolist() == list(range(len(rows)))
        assert (source.episode_costs[index] > 25) == (episode == "unsafe")
    finished = restore_run(files_of(run), SafeMIL)
    learned = learned_costs(finished.learner, source.trajectories)[rows]
    assert steps["learned_cost"].tolist() == pytest.approx(learned.tolist(), rel=1e-6)
    write_all_rows(run / "all.parquet", gather_rows([run / "rows.csv"]))
    command("table", run, "learned_cost", run / "all.parquet", directory="tables")
    command("figure", run, "learned_cost", run / "traces.parquet", directory="figures")
    made = [path.name for folder in ("tables", "figures") for path in sorted((run / folder).iterdir())]
    assert made == [f"learned_cost.{suffix}" for suffix in ("csv", "md", "tex", "csv", "pdf", "png")]


def test_the_same_run_gives_the_same_bytes(run):
    for name in ("a.csv", "b.csv"):
        evaluate(run, output=name)
    assert (run / "a.csv").read_bytes() == (run / "b.csv").read_bytes()


def test_files_that_do_not_belong_together_are_refused(run, tmp_path):
    with pytest.raises(UserError, match="another run"):
        evaluate(run, seed=1)
    with pytest.raises(UserError, match="different runs: training data"):
        evaluate(run, data="labels.hdf5")
    with pytest.raises(UserError, match="do not fit the method"):
        evaluate(run, networks="run/policy.safetensors")
    with pytest.raises(UserError, match="not a held-out file"):
        evaluate(run, held_out="source.hdf5")
    record = json.loads((run / "run/run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(record | {"variant": "other"}))
    with pytest.raises(UserError, match="different runs: variant"):
        evaluate(run, record=tmp_path / "run.json")


def test_trajectories_held_out_from_another_split_are_refused(run):
    text = (run / "config.json").read_text().replace('"seed": 0', '"seed": 1')
    other = run / "other"
    other.mkdir()
    (other / "config.json").write_text(text)
    (other / "source.hdf5").write_bytes((run / "source.hdf5").read_bytes())
    command("split", other, data="source.hdf5", training="data.hdf5", labels="labels.hdf5")
    command("held-out", other, data="source.hdf5", labels="labels.hdf5", output="held_out.hdf5")
    with pytest.raises(UserError, match="other training data"):
        evaluate(run, held_out=other / "held_out.hdf5")
