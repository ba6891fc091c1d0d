"""Every task of the table can be made, and what it does is a function of its seed and actions."""

import numpy as np
import pytest

from safemil.simulator.environments import make_environment
from safemil.tasks import Task, get_task, load_tasks


def trajectory(environment, task: Task, seed: int, steps: int = 60) -> np.ndarray:
    """Return (L, d_s + 2) observations, rewards and costs of a seeded episode with seeded actions."""
    generator = np.random.default_rng(seed)
    observation, _ = environment.reset(seed=seed)
    rows = [np.append(observation, [0.0, 0.0])]
    for _ in range(steps):
        action = generator.uniform(-1.0, 1.0, task.action_size)
        observation, reward, cost, terminated, truncated, _ = environment.step(action)
        rows.append(np.append(observation, [reward, cost]))
        if terminated or truncated:
            break
    return np.array(rows)


@pytest.mark.parametrize("name", load_tasks())
def test_sizes_are_those_of_the_table(name):
    task = get_task(name)
    environment = make_environment(task)
    observation, _ = environment.reset(seed=0)
    assert observation.shape == environment.observation_space.shape == (task.observation_size,)
    assert environment.action_space.shape == (task.action_size,)
    np.testing.assert_array_equal(environment.action_space.low, -1.0)
    np.testing.assert_array_equal(environment.action_space.high, 1.0)
    observation, reward, cost, terminated, truncated, _ = environment.step(np.zeros(task.action_size))
    assert environment.observation_space.contains(observation.astype(environment.observation_space.dtype))
    assert np.isfinite(reward)
    assert cost in (0.0, 1.0)
    assert not terminated
    assert not truncated


@pytest.mark.parametrize("name", ["swimmer_velocity", "point_circle2", "point_goal1", "point_button1"])
def test_an_episode_is_truncated_at_the_length_of_the_table(name):
    task = get_task(name)
    environment = make_environment(task)
    environment.reset(seed=0)
    for step in range(1, task.episode_length + 1):
        *_, terminated, truncated, _ = environment.step(np.zeros(task.action_size))
        assert not terminated
        assert truncated == (step == task.episode_length)


@pytest.mark.parametrize("name", load_tasks())
def test_the_same_seed_gives_the_same_trajectory(name):
    task = get_task(name)
    environment, other = make_environment(task), make_environment(task)
    first = trajectory(environment, task, seed=7)
    between = trajectory(environment, task, seed=8)
    again = trajectory(environment, task, seed=7)
    elsewhere = trajectory(other, task, seed=7)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, elsewhere)
    assert not np.array_equal(first[0], between[0])
