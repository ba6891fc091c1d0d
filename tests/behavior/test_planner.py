"""The hand-written planner against geometry, and the clone a learner starts from."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from safemil.behavior.candidates import judge_snapshot, write_verdicts
from safemil.behavior.clone import make_planner, planner_episodes
from safemil.behavior.planner import Layout, Planner, object_positions
from safemil.behavior.settings import (
    BehaviorRun,
    PlannerStart,
    behavior_runs,
    load_behavior,
)
from safemil.behavior.snapshots import Snapshot, read_snapshots
from safemil.errors import UserError
from safemil.simulator.fast_lidar import pseudo_lidar
from safemil.simulator.rollout import roll_out
from safemil.tasks import get_task

GOAL = get_task("point_goal1")
LAYOUT = Layout(slice(0, 3), slice(3, 19), {"hazards_lidar": slice(19, 35)})


def lidar(*places: tuple[float, float]) -> list[float]:
    return pseudo_lidar(np.array(places, float).reshape(-1, 2), [0] * len(places), 1, 16, 3.0)


def observe(
    goal: tuple[float, float], *hazards: tuple[float, float], speed: float = 0.0
) -> NDArray[np.float32]:
    return np.array([[speed, 0.0, 0.0, *lidar(goal), *lidar(*hazards)]], np.float32)


def heading(planner: Planner, observation: NDArray[np.float32], goal: tuple[float, float]) -> float:
    return float(planner.headings(observation.astype(float), np.array([goal]))[0])


def gap(angle: float, hazard: tuple[float, float], reach: float) -> float:
    """Distance between a straight way and a hazard's centre, on a fine grid of points of the way."""
    steps = np.linspace(0, reach, 2000)
    return float(np.hypot(steps * np.cos(angle) - hazard[0], steps * np.sin(angle) - hazard[1]).min())


@pytest.mark.parametrize("angle", np.linspace(-3, 3, 13))
def test_an_object_is_where_its_lidar_shows_it(angle: float) -> None:
    place = 1.3 * np.array([np.cos(angle), np.sin(angle)])
    found = object_positions(np.array([lidar((place[0], place[1]))]))[0]
    # On the border of two bins both read the same object.
    found = found[~np.isnan(found[:, 0])]
    assert 1 <= len(found) <= 2
    np.testing.assert_allclose(found, np.tile(place, (len(found), 1)), atol=1e-6)


def test_two_objects_in_neighbouring_bins_are_both_seen() -> None:
    near, far = (0.8 * np.cos(0.2), 0.8 * np.sin(0.2)), (1.0 * np.cos(0.6), 1.0 * np.sin(0.6))
    found = object_positions(np.array([lidar(near, far)]))[0]
    for place in (near, far):
        assert np.nanmin(np.hypot(*(found - place).T)) < 0.2


@pytest.mark.parametrize("goal", [(1.0, 0.0), (0.9, 0.3), (-0.5, 1.0), (0.2, -2.0)])
def test_a_free_way_leads_straight_to_the_goal(goal: tuple[float, float]) -> None:
    planner = Planner(LAYOUT, {"hazards_lidar": 0.4})
    aside = (-1.5 * goal[0], -1.5 * goal[1])
    observation = observe(goal, aside)
    assert heading(planner, observation, goal) == pytest.approx(np.arctan2(goal[1], goal[0]), abs=1e-6)


@pytest.mark.parametrize("margin", [0.2, 0.3, 0.45])
def test_a_hazard_in_the_way_is_passed_at_its_margin(margin: float) -> None:
    goal, hazard = (1.5, 0.0), (0.6, 0.05)
    angle = heading(Planner(LAYOUT, {"hazards_lidar": margin}), observe(goal, hazard), goal)
    # Further than a heading's width from the margin there is nothing to gain, nearer there is a charge.
    assert gap(angle, hazard, 0.7) >= margin - 0.02
    assert gap(angle, hazard, 0.7) <= margin + 0.07
    assert angle < 0  # the hazard lies a little to the left
    assert heading(Planner(LAYOUT, {"hazards_lidar": 0.0}), observe(goal, hazard), goal) == pytest.approx(0)


def test_left_and_right_are_alike() -> None:
    planner = Planner(LAYOUT, {"hazards_lidar": 0.4})
    generator = np.random.default_rng(0)
    for _ in range(50):
        goal, *hazards = [tuple(place) for place in generator.uniform(-1.5, 1.5, (3, 2))]
        mirrored = [(x, -y) for x, y in (goal, *hazards)]
        first = planner.act(observe(goal, *hazards, speed=0.3))[0]
        second = planner.act(observe(*mirrored, speed=0.3))[0]
        np.testing.assert_allclose(first * [1, -1], second, atol=1e-5)


def test_it_turns_before_it_drives_and_brakes_when_too_fast() -> None:
    planner = Planner(LAYOUT, {"hazards_lidar": 0.4})
    push, turn = planner.act(observe((0.0, 1.0)))[0]
    assert abs(push) < 1e-6
    assert turn == 1
    assert planner.act(observe((0.0, -1.0)))[0, 1] == -1
    assert planner.act(observe((1.0, 0.0)))[0, 0] == 1
    assert planner.act(observe((1.0, 0.0), speed=1.2))[0, 0] == pytest.approx(-0.4, abs=1e-6)
    assert planner.act(observe((1.0, 0.05)))[0, 1] == pytest.approx(4 * np.arctan(0.05), abs=1e-3)


def test_it_acts_alike_alone_and_among_others() -> None:
    planner = Planner(LAYOUT, {"hazards_lidar": 0.4})
    rows = np.concatenate([observe((1.0, 0.0), (0.5, 0.0)), observe((-1.0, 0.4)), observe((0.3, 2.0))])
    alone = np.concatenate([planner.act(row[None]) for row in rows])
    np.testing.assert_allclose(planner.act(rows), alone, atol=1e-7)


def test_the_goal_button_is_no_obstacle_and_the_others_are() -> None:
    layout = Layout(slice(0, 3), slice(3, 19), {"buttons_lidar": slice(19, 35)})
    planner = Planner(layout, {"buttons_lidar": 0.4})
    assert planner.act(observe((1.0, 0.0), (1.0, 0.0)))[0, 1] == pytest.approx(0, abs=1e-6)
    assert abs(planner.act(observe((1.5, 0.0), (1.5, 0.0), (0.5, 0.05)))[0, 1]) > 0.5


def test_a_goal_out_of_reach_is_looked_for_among_the_objects() -> None:
    planner = Planner(LAYOUT, {"hazards_lidar": 0.4})
    assert planner.act(observe((5.0, 0.0), (0.0, 2.0)))[0, 1] == 1
    assert planner.act(observe((0.0, 5.0)))[0, 1] == pytest.approx(0, abs=1e-6)


def test_the_planner_is_far_more_careful_than_the_straight_way() -> None:
    # Medians: it can get stuck in a hazard; the worst of these episodes costs 365.
    results = {}
    for margin in (0.0, 0.4):
        planner = make_planner(GOAL, PlannerStart(margins={"hazards_lidar": margin}))
        episodes = roll_out(GOAL, planner, range(20), keep_transitions=False)
        results[margin] = np.median([(e.episode_return, e.episode_cost) for e in episodes], axis=0)
    assert results[0.0][0] > results[0.4][0] > 8
    assert results[0.4][1] < 0.2 * results[0.0][1]


def test_planner_episodes_hold_what_it_would_do_without_noise() -> None:
    start = PlannerStart(margins={"hazards_lidar": 0.4}, episodes=2, noise_std=0.2)
    observations, actions = planner_episodes(GOAL, start, seed=3)
    assert observations.shape == (2000, 60)
    np.testing.assert_array_equal(actions, make_planner(GOAL, start).act(observations))
    with pytest.raises(UserError, match="no such sensor"):
        make_planner(GOAL, PlannerStart(margins={"gremlins_lidar": 0.4}))


def planned_run(steps: int, frozen_steps: int) -> BehaviorRun:
    run = behavior_runs("point_goal1", candidates=True)["planned0.4_seed11"]
    start = PlannerStart(margins={"hazards_lidar": 0.4}, episodes=5, fit_steps=600, frozen_steps=frozen_steps)
    learner = run.group.learner.model_copy(
        update={"n_environments": 2, "rollout_steps": 256, "snapshot_every": 512}
    )
    group = run.group.model_copy(update={"start": start, "steps": steps, "learner": learner})
    return run.model_copy(update={"group": group})


def test_a_cloned_policy_is_frozen_first_then_learns_and_runs_are_repeatable(tmp_path: Path) -> None:
    from safemil.behavior.ppo import train_behavior

    files = [train_behavior(planned_run(2048, 1024), tmp_path / name) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    first, *frozen, last = read_snapshots(files[0])
    weights = [snapshot.weights[0] for snapshot in (first, *frozen)]
    np.testing.assert_array_equal(weights[0], weights[1])  # after 512 steps
    np.testing.assert_array_equal(weights[0], weights[2])  # after 1024 steps
    assert np.abs(last.weights[0] - weights[0]).max() > 1e-4
    # The clone drives and keeps from hazards; random weights of this size return about 0.
    observations, actions = planner_episodes(
        GOAL, PlannerStart(margins={"hazards_lidar": 0.4}, episodes=1, noise_std=0.2), seed=99
    )
    error = np.mean((first.act(observations) - actions) ** 2)
    assert error < 0.6 * actions.var(axis=0).mean()


def test_candidates_stay_apart_from_what_ships() -> None:
    shipping, candidates = load_behavior(), load_behavior(candidates=True)
    assert [group.name for group in shipping["point_goal1"]] == ["ramped1", "fixed0.1", "cautious"]
    assert [group.name for group in shipping["point_button1"]] == ["ramped0.5", "careful1", "cautious"]
    assert not any(group.candidate or group.start for groups in shipping.values() for group in groups)
    assert all(group.candidate for groups in candidates.values() for group in groups)
    assert not set(behavior_runs("point_goal1")) & set(behavior_runs("point_goal1", candidates=True))


def test_verdicts_are_added_to_and_replaced(tmp_path: Path) -> None:
    still = Snapshot(
        run="still_seed1",
        step=1,
        observation_mean=np.zeros(60, np.float32),
        observation_std=np.ones(60, np.float32),
        weights=(np.zeros((2, 60), np.float32),),
        biases=(np.zeros(2, np.float32),),
    )
    noisy = judge_snapshot(GOAL, still, 2, noisy=True)
    mean = judge_snapshot(GOAL, still, 3, noisy=False)
    assert (noisy.acting, noisy.episodes, mean.acting, mean.episodes) == ("noise", 2, "mean", 3)
    assert abs(mean.mean_return) < 0.1
    path = tmp_path / "judged.csv"
    write_verdicts(path, [noisy])
    write_verdicts(path, [mean])
    write_verdicts(path, [noisy])
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("still_seed1_step00000001,mean,3,")
    with pytest.raises(UserError, match="too few"):
        judge_snapshot(GOAL, still, 1, noisy=True)
