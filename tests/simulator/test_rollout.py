"""Rollouts: one whole episode per seed, in order, whatever else runs beside it."""

import dataclasses

import numpy as np
import pytest
import torch

from safemil.errors import UserError
from safemil.simulator import rollout
from safemil.simulator.environments import make_environment
from safemil.simulator.rollout import ActionNoise, Episode, UniformNoise, ZeroPolicy, roll_out
from safemil.tasks import Task, get_task

FAKE_TASK = dataclasses.replace(
    get_task("swimmer_velocity"), name="fake", observation_size=3, action_size=2, episode_length=40
)


class FakeEnvironment:
    """Episodes whose length depends on the seed, and whose states depend on every action so far."""

    def __init__(self) -> None:
        self.resets: list[int] = []
        self.steps_taken = 0
        self.length = 0

    @staticmethod
    def length_of(seed: int) -> int:
        return int(np.random.default_rng(seed).geometric(0.1)) if seed % 3 else 40

    def reset(self, *, seed):
        assert self.steps_taken == self.length, "an episode was not run to its end"
        self.resets.append(seed)
        self.steps_taken, self.length = 0, min(self.length_of(seed), 40)
        self.terminates = self.length_of(seed) < 40
        self.state = np.random.default_rng(seed).normal(size=3)
        return self.state, {}

    def step(self, action):
        assert self.steps_taken < self.length, "a step after the end of an episode"
        self.steps_taken += 1
        self.state = np.cos(2.0 * self.state + action.sum())
        over = self.steps_taken == self.length
        reward, cost = float(self.state[0]), float(self.state[1] > 0)
        return self.state, reward, cost, over and self.terminates, over and not self.terminates, {}


@pytest.fixture
def fakes(monkeypatch):
    """Replace the simulator by fake environments; return those that were made."""
    made: list[FakeEnvironment] = []

    def make(_task, *, fast):
        assert fast
        made.append(FakeEnvironment())
        return made[-1]

    monkeypatch.setattr(rollout, "make_environment", make)
    return made


class ElementwisePolicy:
    """A policy whose rows do not even round differently in another batch; it notes the batches it sees."""

    def __init__(self) -> None:
        self.shapes: set[tuple[int, ...]] = set()

    def act(self, observations):
        self.shapes.add(observations.shape)
        return np.sin(3.0 * observations[:, :2])


def assert_same(first: Episode, second: Episode) -> None:
    for field in dataclasses.fields(Episode):
        np.testing.assert_array_equal(
            getattr(first, field.name), getattr(second, field.name), err_msg=field.name
        )


# The quota ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_environments", [1, 4, 10, 64])
def test_one_whole_episode_per_seed_in_order(fakes, n_environments):
    seeds = [int(seed) for seed in np.random.default_rng(0).permutation(50)]
    counts: list[int] = []
    policy = ElementwisePolicy()
    episodes = roll_out(FAKE_TASK, policy, seeds, n_environments=n_environments, on_episode=counts.append)
    assert [episode.environment_seed for episode in episodes] == seeds
    assert sorted(seed for fake in fakes for seed in fake.resets) == sorted(seeds)
    assert all(fake.steps_taken == fake.length for fake in fakes)
    assert len(fakes) == min(n_environments, 50)
    assert counts == list(range(1, 51))
    assert policy.shapes == {(n_environments, 3)}


def test_short_episodes_are_not_favoured(fakes):
    seeds = range(200)
    episodes = roll_out(FAKE_TASK, ElementwisePolicy(), seeds, n_environments=7)
    expected = [min(FakeEnvironment.length_of(seed), 40) for seed in seeds]
    assert len(set(expected)) > 10
    assert np.mean([episode.length for episode in episodes]) == np.mean(expected)
    assert len(fakes) == 7


@pytest.mark.usefixtures("fakes")
def test_an_episode_does_not_depend_on_what_runs_beside_it():
    noise = ActionNoise(0.3, seed=5)
    reference = roll_out(FAKE_TASK, ElementwisePolicy(), range(20), n_environments=1, noise=noise)
    for n_environments, seeds in [(3, range(20)), (10, range(19, -1, -1)), (4, [7]), (30, [3, 3, 11])]:
        episodes = roll_out(FAKE_TASK, ElementwisePolicy(), seeds, n_environments=n_environments, noise=noise)
        assert len(episodes) == len(seeds)
        for seed, episode in zip(seeds, episodes, strict=True):
            assert_same(episode, reference[seed])


@pytest.mark.usefixtures("fakes")
def test_no_seed_no_episode():
    assert roll_out(FAKE_TASK, ElementwisePolicy(), []) == []


# What is recorded --------------------------------------------------------------------------------


@pytest.mark.usefixtures("fakes")
def test_transitions_are_what_the_environment_did():
    noise = ActionNoise(0.5, seed=1)
    policy = ElementwisePolicy()
    for seed, episode in enumerate(roll_out(FAKE_TASK, policy, range(12), n_environments=5, noise=noise)):
        environment = FakeEnvironment()
        observation, _ = environment.reset(seed=seed)
        rewards, costs = [], []
        draws = noise.draw(seed, 40, 2)
        assert episode.length == environment.length == len(episode.actions)
        for step, action in enumerate(episode.actions):
            np.testing.assert_array_equal(episode.observations[step], observation.astype(np.float32))
            chosen = policy.act(observation.astype(np.float32)[None])[0] + draws[step]
            np.testing.assert_array_equal(action, np.clip(chosen, -1.0, 1.0))
            observation, reward, cost, terminated, _, _ = environment.step(action.astype(np.float64))
            rewards.append(reward)
            costs.append(cost)
            np.testing.assert_array_equal(episode.next_observations[step], observation.astype(np.float32))
        assert episode.terminated == terminated
        np.testing.assert_array_equal(episode.rewards, np.float32(rewards))
        np.testing.assert_array_equal(episode.costs, np.float32(costs))
        assert episode.episode_return == sum(rewards)  # of float64, not of what is recorded
        assert episode.episode_cost == sum(costs)


@pytest.mark.usefixtures("fakes")
def test_without_transitions_only_the_sums_remain():
    full = roll_out(FAKE_TASK, ElementwisePolicy(), range(12))
    lean = roll_out(FAKE_TASK, ElementwisePolicy(), range(12), keep_transitions=False)
    for kept, dropped in zip(full, lean, strict=True):
        assert dropped.observations.shape == dropped.next_observations.shape == (0, 3)
        assert dropped.actions.shape == (0, 2)
        assert dropped.rewards.shape == dropped.costs.shape == (0,)
        assert (dropped.length, dropped.terminated) == (kept.length, kept.terminated)
        assert (dropped.episode_return, dropped.episode_cost) == (kept.episode_return, kept.episode_cost)


# Noise -------------------------------------------------------------------------------------------


def test_noise_has_its_distribution_and_its_own_stream_per_episode():
    draws = ActionNoise(0.2, seed=0).draw(0, 20_000, 2)
    assert abs(draws.mean()) < 0.005
    assert abs(draws.std() - 0.2) < 0.005
    uniform = UniformNoise(seed=0).draw(0, 20_000, 2)
    assert uniform.min() >= -1.0
    assert uniform.max() <= 1.0
    assert abs(uniform.std() - 1 / np.sqrt(3)) < 0.005
    for make in (lambda seed: ActionNoise(0.2, seed), UniformNoise):
        first = make(1).draw(4, 10, 2)
        np.testing.assert_array_equal(first, make(1).draw(4, 10, 2))
        assert not np.array_equal(first, make(2).draw(4, 10, 2))
        assert not np.array_equal(first, make(1).draw(5, 10, 2))


@pytest.mark.usefixtures("fakes")
def test_the_random_policy_is_zero_plus_uniform_noise():
    episodes = roll_out(FAKE_TASK, ZeroPolicy(2), range(30), noise=UniformNoise(seed=3))
    for seed, episode in enumerate(episodes):
        np.testing.assert_array_equal(episode.actions, UniformNoise(3).draw(seed, 40, 2)[: episode.length])


# Policies that are refused -----------------------------------------------------------------------


class BrokenPolicy:
    """Returns the given actions, whatever it sees."""

    def __init__(self, actions) -> None:
        self.actions = actions

    def act(self, _observations):
        return self.actions


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("shape", [(4, 3), (2,), (3, 2), (4, 2, 1)])
def test_wrong_shape_is_refused(shape):
    with pytest.raises(UserError, match=r"wrong shape\n.*\(4, 2\)\n.*\("):
        roll_out(FAKE_TASK, BrokenPolicy(np.zeros(shape)), range(6), n_environments=4)


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_refused_where_it_matters(bad):
    actions = np.zeros((4, 2))
    actions[2, 1] = bad
    with pytest.raises(UserError, match="not finite"):
        roll_out(FAKE_TASK, BrokenPolicy(actions), range(6), n_environments=4)
    # Seeds 0 and 1 run in the first two rows; the others belong to no environment.
    assert len(roll_out(FAKE_TASK, BrokenPolicy(actions), range(2), n_environments=4)) == 2


def test_no_environment_is_refused():
    with pytest.raises(UserError, match="n_environments"):
        roll_out(FAKE_TASK, ZeroPolicy(2), range(2), n_environments=0)


# The real simulator ------------------------------------------------------------------------------


class NetworkPolicy:
    """An untrained network of the size of the benchmark's policies."""

    def __init__(self, task: Task) -> None:
        torch.manual_seed(0)
        sizes = (task.observation_size, 256, 256, task.action_size)
        layers = [layer for i in range(3) for layer in (torch.nn.Linear(*sizes[i : i + 2]), torch.nn.Tanh())]
        self.network = torch.nn.Sequential(*layers)

    def act(self, observations):
        with torch.inference_mode():
            return self.network(torch.from_numpy(observations)).numpy()


def test_a_network_acts_the_same_whatever_else_is_rolled_out():
    # Its activations round differently in different rows of the batch: an episode must keep its row.
    task = get_task("walker_velocity")
    noise = ActionNoise(0.1, seed=0)
    reference = roll_out(task, NetworkPolicy(task), range(24), noise=noise)
    for seeds in (range(23, -1, -1), [17, 3, 5], [20]):
        for seed, episode in zip(seeds, roll_out(task, NetworkPolicy(task), seeds, noise=noise), strict=True):
            assert_same(episode, reference[seed])


@pytest.mark.parametrize(("name", "terminates"), [("walker_velocity", True), ("swimmer_velocity", False)])
def test_termination_is_told_from_truncation(name, terminates):
    task = get_task(name)
    (episode,) = roll_out(task, ZeroPolicy(task.action_size), [1], noise=UniformNoise(0))
    assert episode.terminated == terminates
    assert (episode.length == task.episode_length) == (not terminates)
    environment = make_environment(task)
    environment.reset(seed=1)
    rewards = [environment.step(action)[1] for action in episode.actions.astype(np.float64)]
    assert episode.episode_return == sum(rewards)
