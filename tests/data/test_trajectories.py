from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from safemil.data.trajectories import Trajectories
from safemil.errors import UserError


def test_sizes_and_boundaries(five):
    trajectories = five.unlabelled()
    assert (trajectories.n_trajectories, trajectories.n_transitions) == (5, 15)
    assert (trajectories.observation_size, trajectories.action_size) == (3, 2)
    assert trajectories.lengths.tolist() == [4, 2, 5, 3, 1]
    assert trajectories.stops.tolist() == [4, 6, 11, 14, 15]
    assert trajectories.lengths.dtype == trajectories.stops.dtype == np.int64


def test_unlabelled_trajectories_have_no_field_for_labels():
    names = {item.name for item in fields(Trajectories)}
    assert names == {"observations", "actions", "next_observations", "terminals", "starts"}


def test_select_keeps_the_order_asked_for(five):
    chosen = five.select([3, 1])
    assert chosen.trajectories.starts.tolist() == [0, 3]
    np.testing.assert_array_equal(chosen.trajectories.observations[:3], five.trajectories.observations[11:14])
    np.testing.assert_array_equal(chosen.trajectories.actions[3:], five.trajectories.actions[4:6])
    assert chosen.trajectories.terminals.tolist() == [False] * 4 + [True]
    assert chosen.timeouts.tolist() == [False, False, True, False, False]
    assert chosen.episode_costs.tolist() == [90, 0]
    assert chosen.returns.tolist() == [40, 20]
    assert chosen.provenance["policy"].tolist() == ["ünï", "b"]


def test_episode_sums_are_exact_where_float32_is_not(make_labelled):
    data = make_labelled([4])
    rewards = np.array([2.0**25, 1, 1, 1], dtype=np.float32)
    assert replace(data, rewards=rewards).returns.tolist() == [2.0**25 + 3]


def test_arrays_are_read_only_and_not_copied(five):
    assert not five.trajectories.observations.flags.writeable
    assert not five.costs.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        five.trajectories.actions[0] = 0
    with pytest.raises(FrozenInstanceError):
        five.trajectories.actions = five.trajectories.actions
    observations = np.zeros((2, 3), dtype=np.float32)
    held = Trajectories(observations, observations, observations, np.zeros(2, bool), np.array([0]))
    assert np.shares_memory(held.observations, observations)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observations": np.zeros((15, 3))}, "observations: expected dtype float32, found float64"),
        ({"terminals": [False] * 15}, "terminals: expected a NumPy array, found list"),
        ({"actions": np.zeros(15, np.float32)}, "actions: expected 2 dimension(s), found shape (15,)"),
        (
            {"actions": np.zeros((14, 2), np.float32)},
            "actions: expected 15 transitions as in observations, found 14",
        ),
        (
            {"next_observations": np.zeros((15, 4), np.float32)},
            "expected 3 components as in observations, found 4",
        ),
        ({"starts": np.array([1, 4])}, "starts: expected the first trajectory at 0, found 1"),
        ({"starts": np.array([0, 6, 6])}, "starts: expected strictly ascending"),
        ({"starts": np.array([0, 15])}, "starts: expected indices below 15 transitions, found 15"),
        ({"starts": np.zeros(0, np.int64)}, "starts: expected at least one trajectory, found none"),
        (
            {"terminals": np.ones(15, bool)},
            "expected none before the last transition of a trajectory, found 10",
        ),
    ],
)
def test_inconsistent_trajectories_are_refused(five, change, message):
    with pytest.raises(UserError) as error:
        replace(five.trajectories, **change)
    assert message in str(error.value)


def test_all_problems_are_named_at_once(five):
    with pytest.raises(UserError) as error:
        replace(five.trajectories, actions=np.zeros((14, 2), np.float32), starts=np.array([1, 4]))
    assert "actions:" in str(error.value)
    assert "starts:" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": np.zeros(15)}, "rewards: expected dtype float32, found float64"),
        ({"costs": np.zeros(14, np.float32)}, "costs: expected 15 transitions as in observations, found 14"),
        ({"timeouts": np.zeros(15, bool)}, "found 4 transition(s) otherwise"),
        (
            {"provenance": {"seed": np.arange(4)}},
            "provenance seed: expected integers or strings for 5 trajectories",
        ),
        ({"provenance": {"seed": np.zeros(5)}}, "provenance seed: expected integers or strings"),
    ],
)
def test_inconsistent_labels_are_refused(five, change, message):
    with pytest.raises(UserError) as error:
        replace(five, **change)
    assert message in str(error.value)


@pytest.mark.parametrize("indices", [[], [5], [-1], [[0]]])
def test_selecting_what_is_not_there_is_refused(five, indices):
    with pytest.raises(UserError, match="one or more indices from 0 to 4"):
        five.select(indices)
