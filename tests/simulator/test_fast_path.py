"""The fast path computes what the simulator computes, in this environment only."""

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest

from safemil.simulator.environments import Environment, make_environment
from safemil.simulator.fast_layout import FastRandomGenerator
from safemil.simulator.fast_lidar import pseudo_lidar
from safemil.tasks import Task, get_task

N_SENSORS = 12
N_BINS = 16

# Where in the observation the lidar of the goal begins; without goal the agent drives off.
GOAL_LIDAR = {"point_goal1": N_SENSORS, "point_button1": N_SENSORS + N_BINS}


def steer(observation, task, generator):
    """Drive towards the goal with some noise, so that goals are met and obstacles are hit."""
    noise = generator.normal(0.0, 0.4, 2)
    if task.name not in GOAL_LIDAR:
        return np.clip(np.array([1.0, 0.0]) + noise, -1.0, 1.0)
    lidar = observation[GOAL_LIDAR[task.name] :][:N_BINS]
    turn = math.remainder((np.argmax(lidar) + 0.5) * math.tau / N_BINS, math.tau)
    return np.clip(np.array([math.cos(turn), 2.0 * turn]) + noise, -1.0, 1.0)


def assert_same_episode(task: Task, stock: Environment, fast: Environment, seed: int, steps: int) -> Counter:
    """Compare an episode step by step; return its goals and the steps with each kind of cost."""
    generator = np.random.default_rng(seed)
    observation, _ = stock.reset(seed=seed)
    fast_observation, _ = fast.reset(seed=seed)
    events: Counter = Counter()
    for step in range(steps):
        np.testing.assert_allclose(fast_observation, observation, rtol=0, atol=1e-12, err_msg=f"step {step}")
        action = steer(observation, task, generator)
        observation, *outcome = stock.step(action)
        fast_observation, *fast_outcome = fast.step(action)
        assert fast_outcome == outcome, f"step {step} of seed {seed}"  # to the last bit
        events.update(name for name, value in outcome[-1].items() if value)
        if outcome[2] or outcome[3]:
            break
    return events


@pytest.mark.parametrize(
    ("name", "episodes", "expected_events"),
    [
        ("point_circle2", [(1, 500), (2, 500), (3, 500)], {"cost_out_of_boundary"}),
        ("point_goal1", [(1, 1000), (2, 500)], {"goal_met", "cost_hazards"}),
        (
            "point_button1",
            [(1, 1000), (2, 500)],
            {"goal_met", "cost_hazards", "cost_gremlins", "cost_buttons"},
        ),
    ],
)
def test_fast_path_equals_stock(name, episodes, expected_events):
    task = get_task(name)
    stock, fast = make_environment(task, fast=False), make_environment(task, fast=True)
    events: Counter = Counter()
    for seed, steps in episodes:
        events += assert_same_episode(task, stock, fast, seed, steps)
    # An equality of episodes in which nothing happens would prove little.
    assert expected_events <= set(events)
    # The stock environment beside it is untouched: its world still has the skybox.
    assert stock.unwrapped.task.model.ntex == fast.unwrapped.task.model.ntex + 1
    assert "Fast" not in "".join(parent.__name__ for parent in type(stock.unwrapped.task).__mro__)


@pytest.mark.parametrize("environment_id", ["SafetyPointPush1-v0", "SafetyCarGoal1-v0"])
def test_unknown_obstacles_and_agents_lose_the_skybox_only(environment_id):
    task = dataclasses.replace(get_task("point_goal1"), name="other", environment_id=environment_id)
    stock, fast = make_environment(task, fast=False), make_environment(task, fast=True)
    assert_same_episode(task, stock, fast, seed=4, steps=60)
    assert stock.unwrapped.task.model.ntex == fast.unwrapped.task.model.ntex + 1


@pytest.mark.parametrize("name", ["walker_velocity", "swimmer_velocity", "ant_velocity"])
def test_velocity_tasks_are_the_same(name):
    task = get_task(name)
    stock, fast = make_environment(task, fast=False), make_environment(task, fast=True)
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(stock.reset(seed=5)[0], fast.reset(seed=5)[0])
    for _ in range(20):
        action = generator.uniform(-1, 1, task.action_size)
        observation, reward, cost, terminated, *_ = stock.step(action)
        fast_observation, fast_reward, fast_cost, *_ = fast.step(action)
        np.testing.assert_array_equal(fast_observation, observation)
        assert (fast_reward, fast_cost) == (reward, cost)
        if terminated:
            break


# The layouts -------------------------------------------------------------------------------------

CROWDED = {
    "agent": (None, 0.4),
    "goal": (None, 0.305),
    **{f"hazard{i}": (None, 0.3) for i in range(10)},
    "pillar": ([(-1.0, 0.0, 0.0, 1.4)], 0.1),
    "vase": ([(-1.4, -1.4, 0.0, 0.0), (0.5, 0.5, 1.4, 1.4)], 0.15),
}


def generators(seed: int, placements=CROWDED):
    """Make the simulator's generator and the fast one with the same seed."""
    pair = FastRandomGenerator.__base__(), FastRandomGenerator()
    for generator in pair:
        generator.set_placements_info(placements, [-1.5, -1.5, 1.5, 1.5], 0.01)
        generator.set_random_seed(seed)
    return pair


def assert_same_layout(stock, fast):
    assert list(fast.layout) == list(stock.layout)
    for name, position in stock.layout.items():
        np.testing.assert_array_equal(fast.layout[name], position)
    # The streams stand at the same place: whatever is drawn next is the same too.
    assert stock.random_generator.random_sample() == fast.random_generator.random_sample()


def test_layouts_and_goals_come_from_the_same_stream():
    outcomes: Counter = Counter()
    for seed in range(25):
        stock, fast = generators(seed)
        sampled = stock.sample_layout()
        assert fast.sample_layout() == sampled
        outcomes["layout", sampled] += 1
        if not sampled:
            assert stock.random_generator.random_sample() == fast.random_generator.random_sample()
            continue
        assert_same_layout(stock, fast)
        del stock.layout["goal"], fast.layout["goal"]
        free = stock.sample_goal_position()
        assert fast.sample_goal_position() == free
        outcomes["goal", free] += 1
        assert_same_layout(stock, fast)
    assert len(outcomes) == 4, f"one of the four outcomes was never met: {outcomes}"


def test_no_room_is_refused_as_by_the_simulator():
    stock, fast = generators(0, {"agent": ([(0.0, 0.0, 0.1, 0.1)], 0.4)})
    for generator in (stock, fast):
        with pytest.raises(AssertionError, match="Failed to find any placements"):
            generator.sample_layout()


# The lidar ---------------------------------------------------------------------------------------


def read(*places, kinds=None, n_kinds=1):
    """Read lidars of 8 bins and 2 m for objects at (distance, angle in bins)."""
    offsets = [(d * math.cos(a * math.tau / 8), d * math.sin(a * math.tau / 8)) for d, a in places]
    kinds = [0] * len(places) if kinds is None else kinds
    return np.array(pseudo_lidar(np.array(offsets).reshape(-1, 2), kinds, n_kinds, 8, 2.0))


def test_lidar_shows_an_object_in_its_bin_and_the_neighbours():
    np.testing.assert_allclose(read((0.5, 2.25)), [0, 0.5625, 0.75, 0.1875, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(read((0.5, 7.5)), [0.375, 0, 0, 0, 0, 0, 0.375, 0.75], atol=1e-12)


def test_lidar_shows_the_nearest_and_nothing_out_of_reach():
    np.testing.assert_allclose(read((1.5, 3.5), (1.0, 3.5), (1.8, 3.5))[3], 0.5, atol=1e-12)
    assert not read((2.0, 1.5), (7.0, 4.5)).any()
    assert not read().any()


def test_lidars_keep_kinds_apart():
    both = read((0.5, 2.25), (1.0, 5.5), kinds=[1, 0], n_kinds=2)
    np.testing.assert_array_equal(both, np.concatenate([read((1.0, 5.5)), read((0.5, 2.25))]))


@pytest.mark.parametrize("edge", range(8))
def test_lidar_is_continuous_at_the_edges_of_bins(edge):
    np.testing.assert_allclose(read((1.0, edge - 1e-9)), read((1.0, edge + 1e-9)), atol=1e-8)
