"""Behaviour policies: the learner's settings, snapshots, choosing, and collecting."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from safemil.behavior import ship as shipping
from safemil.behavior.card import constrained_reference
from safemil.behavior.collect import allocate, collect
from safemil.behavior.collect_settings import CollectSettings
from safemil.behavior.penalised import PenalisedTask, nearness
from safemil.behavior.settings import (
    BehaviorRun,
    Caution,
    LearnerSettings,
    RunGroup,
    behavior_runs,
    load_behavior,
    value_at,
)
from safemil.behavior.ship import Judged, choose, choose_reference, cost_band, smoothed
from safemil.behavior.snapshots import Snapshot, read_snapshots, write_snapshots
from safemil.data.hdf5 import read_attributes, read_labelled
from safemil.errors import UserError
from safemil.simulator.environments import make_environment, observation_part
from safemil.tasks import Task, get_task

SWIMMER = get_task("swimmer_velocity")


def make_snapshot(run: str = "fixed0_seed1", step: int = 1000, scale: float = 1.0, seed: int = 0) -> Snapshot:
    generator = np.random.default_rng(seed)
    sizes = [(16, 8), (2, 16)]
    return Snapshot(
        run=run,
        step=step,
        observation_mean=generator.normal(size=8).astype(np.float32),
        observation_std=generator.uniform(0.5, 2, 8).astype(np.float32),
        weights=tuple((scale * generator.normal(size=size)).astype(np.float32) for size in sizes),
        biases=tuple(generator.normal(size=size[0]).astype(np.float32) for size in sizes),
    )


def write_shipped_card(directory: Path, bands: list[int], task: Task) -> Path:
    policies = [{"name": make_snapshot(step=i + 1).name, "cost_band": band} for i, band in enumerate(bands)]
    path = directory / f"{task.name}.card.json"
    path.write_text(json.dumps({"policies": policies}))
    return path


def test_every_band_gets_the_same_number_of_episodes() -> None:
    bands = [0, 1, 1, 1, 2, 2, 0, 1]
    counts = allocate(bands, 10)
    assert [sum(c for c, b in zip(counts, bands, strict=True) if b == band) for band in range(3)] == [10] * 3
    for band in range(3):
        shares = [c for c, b in zip(counts, bands, strict=True) if b == band]
        assert max(shares) - min(shares) <= 1


def judged_as(snapshot: Snapshot, mean_return: float, cost: float) -> Judged:
    return Judged(snapshot, mean_return=mean_return, mean_cost=cost, noisy_cost=cost)


def short_run(steps: int, snapshot_every: int = 500) -> BehaviorRun:
    learner = LearnerSettings(
        discount=0.99,
        gae_lambda=0.95,
        learning_rate=((0, 3e-4), (3000, 1e-4)),
        minimum_std=((0, 0.3), (1000, 0.3), (1001, 0.1)),
        initial_log_std=0.0,
        maximum_gradient_norm=0.5,
        batch_size=50,
        n_environments=2,
        rollout_steps=250,
        snapshot_every=snapshot_every,
    )
    group = RunGroup(
        name="ramped",
        penalty=((500, 0.0), (1500, 0.5)),
        training_seeds=(1,),
        steps=steps,
        learner=learner,
    )
    return BehaviorRun(task="swimmer_velocity", group=group, training_seed=1)


def test_a_schedule_is_a_number_or_linear_between_points() -> None:
    assert value_at(0.2, 10**6) == 0.2
    assert [value_at(((10, 1.0), (20, 3.0)), step) for step in (0, 10, 15, 20, 99)] == [1, 1, 2, 3, 3]
    assert value_at(((7, 0.3),), 0) == 0.3


def test_penalty_grows_from_nothing_to_its_end() -> None:
    run = short_run(3000)
    assert [run.penalty_at(step) for step in (0, 499, 500, 1000, 1500, 9000)] == [0, 0, 0, 0.25, 0.5, 0.5]
    fixed = run.group.model_copy(update={"penalty": ((0, 0.3),)})
    assert run.model_copy(update={"group": fixed}).penalty_at(0) == 0.3


def test_reward_is_penalised_and_true_totals_are_reported() -> None:
    environment = PenalisedTask(SWIMMER, penalty=2.0)
    plain = PenalisedTask(SWIMMER, penalty=0.0)
    environment.reset(seed=3)
    plain.reset(seed=3)
    generator = np.random.default_rng(0)
    difference = total = 0.0
    for _ in range(SWIMMER.episode_length):
        action = generator.uniform(-1, 1, 2).astype(np.float32)
        _, shaped, _, truncated, info = environment.step(action)
        _, reward, _, _, _ = plain.step(action)
        difference += reward - shaped
        total += reward
    assert truncated
    true_return, true_cost = info["episode_totals"]
    assert true_cost > 0
    assert difference == pytest.approx(2.0 * true_cost)
    assert true_return == pytest.approx(total)


@pytest.mark.parametrize(("distance", "expected"), [(0.0, 1), (0.2, 1), (0.35, 0.5), (0.5, 0), (3.0, 0)])
def test_nearness_rises_from_the_margin_to_the_edge(distance: float, expected: float) -> None:
    # A hazard's radius is 0.2 m, and a lidar reads 1 at its centre and 0 from 3 m on.
    assert nearness(1 - distance / 3, margin=0.3) == pytest.approx(expected)


def test_a_sensor_is_found_in_the_flat_observation() -> None:
    environment = make_environment(get_task("point_button1"))
    environment.reset(seed=0)
    task = environment.unwrapped.task
    observation, *_ = environment.step(np.zeros(2))
    for name in ("gremlins_lidar", "hazards_lidar", "velocimeter"):
        part = observation_part(environment, name)
        np.testing.assert_array_equal(observation[part], task.obs()[part])
        assert part.stop - part.start == {"velocimeter": 3}.get(name, 16)
    hazards = np.linalg.norm([p[:2] - task.agent.pos[:2] for p in task.hazards.pos], axis=1)
    reading = observation[observation_part(environment, "hazards_lidar")].max()
    assert reading == pytest.approx(1 - hazards.min() / 3, abs=1e-6)
    with pytest.raises(UserError, match="no such sensor"):
        observation_part(environment, "hazard_lidar")


@pytest.mark.parametrize(("flat", "weight"), [(False, 2.0 * 0.25), (True, 0.25)])
def test_caution_takes_reward_away_near_hazards_and_leaves_the_totals_true(flat: bool, weight: float) -> None:
    task = get_task("point_goal1")
    caution = Caution(lidars=("hazards_lidar",), margin=0.5, weight=0.25, flat=flat)
    careful, plain = PenalisedTask(task, 2.0, caution), PenalisedTask(task, 2.0)
    careful.reset(seed=1)
    plain.reset(seed=1)
    near = 0
    for _ in range(300):
        action = np.array([0.5, 0.1], np.float32)
        observation, shaped, *_ = careful.step(action)
        _, reward, *_ = plain.step(action)
        expected = nearness(observation[28:44].max(), 0.5)
        assert reward - shaped == pytest.approx(weight * expected, abs=1e-6)
        near += 0 < expected < 1
    assert near > 10
    totals = [environment._episode_return for environment in (careful, plain)]
    assert totals[0] == totals[1]


def test_snapshot_acts_as_its_formula_says() -> None:
    snapshot = make_snapshot()
    observations = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    normalised = np.clip((observations - snapshot.observation_mean) / snapshot.observation_std, -10, 10)
    hidden = np.tanh(normalised @ snapshot.weights[0].T + snapshot.biases[0])
    expected = hidden @ snapshot.weights[1].T + snapshot.biases[1]
    np.testing.assert_allclose(snapshot.act(observations), expected, rtol=1e-6)
    assert snapshot.act(observations).dtype == np.float32


def test_snapshots_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = [make_snapshot(step=step, seed=step) for step in (3, 1, 2)]
    path = tmp_path / "snapshots.safetensors"
    write_snapshots(path, written)
    read = read_snapshots(path)
    assert [snapshot.name for snapshot in read] == [snapshot.name for snapshot in written]
    observations = np.ones((2, 8), np.float32)
    for before, after in zip(written, read, strict=True):
        np.testing.assert_array_equal(before.act(observations), after.act(observations))
    assert [path.name for path in tmp_path.iterdir()] == ["snapshots.safetensors"]
    with pytest.raises(UserError, match="behavior"):
        read_snapshots(tmp_path / "absent.safetensors")


def test_choice_covers_every_cost_level_and_no_run_dominates() -> None:
    judged = [
        judged_as(make_snapshot("fixed0_seed1", step), 0.0, cost)
        for step, cost in enumerate([*np.linspace(0, 200, 61), 500.0])
    ]
    judged += [judged_as(make_snapshot("fixed0_seed2", step), 0.0, 10.0) for step in range(50)]
    chosen = choose(judged, max_cost=200.0)
    assert max(item.noisy_cost for item in chosen) <= 220
    for run in ("fixed0_seed1", "fixed0_seed2"):
        costs = np.array([item.noisy_cost for item in chosen if item.snapshot.run == run])
        bands = [cost_band(cost, 200.0) for cost in costs]
        assert np.bincount(bands).max() <= shipping.PER_RUN_AND_BAND
    first = [item for item in chosen if item.snapshot.run == "fixed0_seed1"]
    assert {cost_band(item.noisy_cost, 200.0) for item in first} == set(range(shipping.BANDS + 1))


def test_a_task_may_have_more_episodes_in_each_band() -> None:
    settings = CollectSettings(episodes_per_band=10, more_episodes={"swimmer_velocity": 1.26})
    assert settings.episodes_in_band("swimmer_velocity") == 13
    assert settings.episodes_in_band("walker_velocity") == 10
    for wrong in ({"more_episodes": {"swimer": 2.0}}, {"highest_return": {"swimer": 2.0}}):
        with pytest.raises(ValueError, match="unknown task swimer, expected some of walker_velocity"):
            CollectSettings.model_validate(wrong)
    with pytest.raises(ValueError, match="greater than 0"):
        CollectSettings(more_episodes={"swimmer_velocity": 0.0})


def test_smoothing_averages_the_neighbours_in_a_run_and_the_cost_with_noise() -> None:
    costs = [0.0, 10.0, 20.0, 30.0, 90.0]
    run = [
        Judged(make_snapshot("a_seed1", step), float(step), cost, cost + 2)
        for step, cost in zip((4, 1, 2, 3, 0), costs, strict=True)
    ]
    other = judged_as(make_snapshot("b_seed1", 2), 50.0, 7.0)
    by_step = {item.snapshot.step: item for item in smoothed([*run, other])[:-1]}
    # Costs in order of the steps: 90, 10, 20, 30, 0; with noise each costs 2 more, so 1 more on average.
    assert by_step[0].mean_cost == pytest.approx((90 + 10 + 20) / 3 + 1)
    assert by_step[2].mean_cost == pytest.approx((90 + 10 + 20 + 30 + 0) / 5 + 1)
    assert by_step[2].mean_return == 2
    assert by_step[4].mean_return == pytest.approx(3)
    assert smoothed([*run, other])[-1] == other


def test_reference_is_the_best_that_stays_safe_when_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("lucky", "good", "slow", "costly")
    snapshots = {name: make_snapshot(f"{name}_seed1") for name in names}
    first = {"lucky": (90, 5), "good": (80, 10), "slow": (20, 0), "costly": (200, 90)}
    again = {"lucky": (85.0, 60.0), "good": (78.0, 12.0), "slow": (20.0, 0.0), "costly": (190.0, 80.0)}
    name_of = {snapshot.name: name for name, snapshot in snapshots.items()}
    monkeypatch.setattr(shipping, "_means", lambda _task, s, _n, _noise: again[name_of[s.name]])
    judged = [judged_as(snapshots[name], *map(float, values)) for name, values in first.items()]
    reference = choose_reference(SWIMMER, judged)
    assert name_of[reference.snapshot.name] == "good"
    assert (reference.mean_return, reference.mean_cost) == (78, 12)
    again.update(good=(78.0, 40.0), slow=(20.0, 22.0))
    assert name_of[choose_reference(SWIMMER, judged).snapshot.name] == "slow"
    # Where none seems safe at first, the cheapest are judged anew all the same.
    again["costly"] = (150.0, 24.0)
    assert choose_reference(SWIMMER, judged[-1:]).mean_cost == 24


def test_choosing_the_reference_narrows_down(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = [judged_as(make_snapshot(f"a{i}_seed1"), float(i), 10.0) for i in range(30)]
    asked: dict[int, list[float]] = {}

    def means(_task: object, snapshot: Snapshot, n: int, _noise: object) -> tuple[float, float]:
        number = float(snapshot.run.removeprefix("a").partition("_")[0])
        asked.setdefault(n, []).append(number)
        # On ten episodes the even ones turn out too costly; on fifty 23 does as well.
        too_costly = (n == 10 and number % 2 == 0) or (n == 50 and number in (29, 23))
        return number, 90.0 if too_costly else 10.0

    monkeypatch.setattr(shipping, "_means", means)
    assert choose_reference(SWIMMER, judged).mean_return == 27
    assert asked == {10: [float(i) for i in range(29, 5, -1)], 50: [29, 27, 25, 23, 21, 19, 17, 15]}


def test_a_reference_above_the_limit_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    snapshots = [make_snapshot("dear_seed1"), make_snapshot("less_seed1")]
    costs = {snapshots[0].name: 90.0, snapshots[1].name: 40.0}
    monkeypatch.setattr(shipping, "_means", lambda _task, s, _n, _noise: (5.0, costs[s.name]))
    assert choose_reference(SWIMMER, [judged_as(s, 5.0, 90.0) for s in snapshots]).mean_cost == 40
    write_snapshots(tmp_path / "runs.safetensors", snapshots)
    shipping.ship(SWIMMER, [], [tmp_path / "runs.safetensors"], tmp_path / "out", tmp_path / "card.json")
    reference = json.loads((tmp_path / "card.json").read_text())["constrained_reference"]
    assert reference["policy"] == snapshots[1].name
    assert reference["mean_cost"] == 40
    assert reference["chosen_as"] == "lowest mean cost, mean action; no candidate has <= 20"


def test_training_leaves_snapshots_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    from safemil.behavior.ppo import train_behavior

    directory = tmp_path / "run"
    program = (
        "import sys; from pathlib import Path; from tests.behavior.test_behavior import short_run;"
        "from safemil.behavior.ppo import train_behavior;"
        "train_behavior(short_run(10_000_000), Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(directory)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (directory / "state.json").is_file():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    before = [snapshot.step for snapshot in read_snapshots(directory / "snapshots.safetensors")]
    end = before[-1] + 2000
    after = [snapshot.step for snapshot in read_snapshots(train_behavior(short_run(end), directory))]
    assert after[: len(before)] == before
    assert after == sorted(set(after))
    assert after[-1] >= end


def test_collected_file_holds_the_episodes_in_the_range_and_says_how(tmp_path: Path) -> None:
    shipped = tmp_path / "policies.safetensors"
    write_snapshots(shipped, [make_snapshot(step=step, scale=scale) for step, scale in ((1, 0.1), (2, 3.0))])
    described = write_shipped_card(tmp_path, [0, 1], SWIMMER)
    settings = CollectSettings(episodes_per_band=3, n_environments=3)
    paths = [tmp_path / name for name in ("a.hdf5", "b.hdf5")]
    for path in paths:
        collect(SWIMMER, shipped, described, settings, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    data = read_labelled(paths[0], task=SWIMMER)
    attributes = read_attributes(paths[0])
    assert int(attributes["episodes_kept"]) + int(attributes["episodes_left_out"]) == 6
    assert data.trajectories.n_trajectories == int(attributes["episodes_kept"])
    assert data.episode_costs.max() <= SWIMMER.maximum_cost
    assert len(set(data.provenance["environment_seed"].tolist())) == data.trajectories.n_trajectories
    # Without the best episode, if the task has a limit just below it; twice as many with a factor of 2.
    limits = {"swimmer_velocity": float(data.returns.max()) - 0.01, "walker_velocity": -1.0}
    changed = settings.model_copy(
        update={"highest_return": limits, "more_episodes": {"swimmer_velocity": 2.0}}
    )
    collect(SWIMMER, shipped, described, changed, tmp_path / "c.hdf5")
    attributes = read_attributes(tmp_path / "c.hdf5")
    assert int(attributes["episodes_kept"]) + int(attributes["episodes_left_out"]) == 12
    assert read_labelled(tmp_path / "c.hdf5", task=SWIMMER).returns.max() <= limits["swimmer_velocity"]


def test_noise_is_of_one_distribution_for_every_policy(tmp_path: Path) -> None:
    shipped = tmp_path / "policies.safetensors"
    snapshots = [make_snapshot(step=step, scale=scale) for step, scale in ((1, 0.05), (2, 0.1))]
    write_snapshots(shipped, snapshots)
    described = write_shipped_card(tmp_path, [0, 0], SWIMMER)
    settings = CollectSettings(episodes_per_band=4)
    collect(SWIMMER, shipped, described, settings, tmp_path / "data.hdf5")
    data = read_labelled(tmp_path / "data.hdf5", task=SWIMMER)
    spreads = []
    for index in range(data.trajectories.n_trajectories):
        one = data.unlabelled().select([index])
        acting = next(s for s in snapshots if s.name == data.provenance["policy"][index])
        mean = acting.act(one.observations)
        within = np.abs(mean) < 0.4  # two standard deviations from where clipping would show
        spreads.append((one.actions - mean)[within].std())
    assert np.ptp(spreads) < 0.03
    assert np.mean(spreads) == pytest.approx(0.1, rel=0.05)


def test_shipped_reference_is_found_by_its_name(tmp_path: Path) -> None:
    shipped, card = tmp_path / "p.safetensors", tmp_path / "p.json"
    write_snapshots(shipped, [make_snapshot(step=7), make_snapshot(step=8)])
    card.write_text('{"constrained_reference": {"policy": "fixed0_seed1_step00000008"}}')
    assert constrained_reference(shipped, card).step == 8
    card.write_text('{"constrained_reference": {"policy": "other"}}')
    with pytest.raises(UserError, match="other"):
        constrained_reference(shipped, card)


def test_behaviour_table_is_checked(tmp_path: Path) -> None:
    assert {"swimmer_velocity", "point_circle2"} <= set(load_behavior())
    assert all(name == run.name for name, run in behavior_runs("swimmer_velocity").items())
    (tmp_path / "b.yaml").write_text(
        "swimmer_velocity: [{name: x, steps: 0, training_seeds: [1], learner: {discount: 2}}]"
    )
    with pytest.raises(UserError, match="discount"):
        load_behavior(tmp_path / "b.yaml")
    with pytest.raises(UserError, match="nowhere"):
        behavior_runs("nowhere")
