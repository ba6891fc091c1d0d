"""Held-out trajectories are never drawn ones, are what the source holds, and are the same each time."""

from dataclasses import replace

import numpy as np
import pytest

from safemil.data.hdf5 import write_labelled
from safemil.data.held_out import SET_SIZE, SETS, draw_held_out, hold_out, read_held_out
from safemil.data.labels import strip, write_oracle_labels
from safemil.data.split import Classes, SplitSettings, build_split
from safemil.data.stripped import training_digest
from safemil.errors import UserError
from safemil.tasks import Task

TASK = Task("toy", "Toy", False, "Toy-v0", 3, 2, 6, 199, "toy.hdf5", 400)
SETTINGS = SplitSettings(n_non_preferred=10, n_unlabelled=40, seed=3)


def split_files(directory, plane, settings=SETTINGS):
    """Write source and labels as the split does; returns their paths, the split and the training data."""
    built = build_split(plane.returns, plane.episode_costs, settings, np.random.default_rng(settings.seed))
    sets = [plane.select(indices) for indices in (built.split.non_preferred, built.split.unlabelled)]
    data, labels = strip(*sets, built.split)
    write_labelled(directory / "source.hdf5", plane, {})
    write_oracle_labels(directory / "labels.hdf5", labels)
    return directory / "source.hdf5", directory / "labels.hdf5", built, data


@pytest.fixture
def files(tmp_path, plane):
    return split_files(tmp_path, plane)


@pytest.fixture
def held_out(tmp_path, files):
    hold_out(TASK, "collected", *files[:2], SETTINGS, tmp_path / "held_out.hdf5")
    return read_held_out(tmp_path / "held_out.hdf5", task=TASK)


def first_states(trajectories):
    return {trajectories.observations[start].tobytes() for start in trajectories.starts}


def test_no_drawn_trajectory_is_held_out(held_out, files):
    """By content, so that indices into D_U taken for indices into the source would show."""
    _, _, built, data = files
    kept = first_states(held_out.data.trajectories)
    assert len(kept) == held_out.data.trajectories.n_trajectories
    assert kept.isdisjoint(first_states(data.non_preferred) | first_states(data.unlabelled))
    drawn = {*built.split.non_preferred.tolist(), *built.split.unlabelled.tolist()}
    assert drawn.isdisjoint(held_out.source_indices.tolist())


def test_trajectories_are_those_of_the_source(held_out, plane):
    expected = plane.select(held_out.source_indices)
    for name in ("observations", "actions", "starts"):
        assert np.array_equal(getattr(held_out.data.trajectories, name), getattr(expected.trajectories, name))
    assert np.array_equal(held_out.data.costs, expected.costs)


def test_the_sets_are_what_they_say(held_out, files, plane):
    _, _, built, data = files
    assert held_out.training_digest == training_digest(data)
    costs = held_out.data.episode_costs
    everything, classes = (held_out.sets[name] for name in SETS)
    assert len(everything) == SET_SIZE
    # 400 costs from 0 to 199: the middle, which the split filters out, is among all and not among classes.
    assert ((costs[everything] > 60) & (costs[everything] < 140)).any()
    unsafe = built.classes.non_preferred[held_out.source_indices]
    safe = built.classes.preferred[held_out.source_indices]
    assert (unsafe | safe)[classes].all()
    left = int(built.classes.non_preferred.sum()) - 30, int(built.classes.preferred.sum()) - 20
    assert [int(unsafe[classes].sum()), int(safe[classes].sum())] == [min(n, SET_SIZE // 2) for n in left]
    assert plane.episode_costs[held_out.source_indices[everything]].max() > 140


def test_the_draw_is_fixed_by_the_data_seed(tmp_path, files):
    outputs = [tmp_path / name for name in ("a", "b")]
    for output in outputs:
        hold_out(TASK, "collected", *files[:2], SETTINGS, output)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    drawn = np.arange(10)
    classes = Classes(np.zeros(400, bool), np.ones(400, bool), "absolute", 75, 25)
    draws = [draw_held_out(drawn, classes, np.random.default_rng(seed))["all"].tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_at_most_so_many_of_each_and_all_where_few_are_left():
    costly = np.arange(30) % 3 == 0
    classes = Classes(costly, ~costly & (np.arange(30) > 20), "absolute", 75, 25)
    sets = draw_held_out(np.arange(0, 30, 2), classes, np.random.default_rng(0), size=6)
    assert len(sets["all"]) == 6
    assert set(sets["all"]) <= set(range(1, 30, 2))
    # Left are 3, 9, 15, 21, 27 of the one class and 23, 25, 29 of the other.
    assert len(set(sets["classes"]) & {3, 9, 15, 21, 27}) == 3
    assert set(sets["classes"]) >= {23, 25, 29}
    assert len(sets["classes"]) == 6


def test_labels_of_another_source_are_refused(tmp_path, files, plane):
    other = replace(plane, costs=np.roll(plane.costs, 6))
    write_labelled(tmp_path / "other.hdf5", other, {})
    with pytest.raises(UserError, match="another source file"):
        hold_out(TASK, "collected", tmp_path / "other.hdf5", files[1], SETTINGS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_left_over_is_an_error(tmp_path, make_labelled):
    small = make_labelled([6] * 6, costs=[100, 100, 100, 0, 0, 100])
    settings = SplitSettings(n_non_preferred=2, n_unlabelled=4, rectangles=())
    source, labels, _, _ = split_files(tmp_path, small, settings)
    with pytest.raises(UserError, match="no trajectory is held out"):
        hold_out(TASK, "collected", source, labels, settings, tmp_path / "out")


@pytest.mark.usefixtures("held_out")
def test_a_file_of_another_kind_or_task_is_refused(tmp_path, files):
    with pytest.raises(UserError, match="not a held-out file"):
        read_held_out(files[0], task=TASK)
    with pytest.raises(UserError, match="not a held-out file"):
        read_held_out(tmp_path / "held_out.hdf5", task=replace(TASK, name="other"))
