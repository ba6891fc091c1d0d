"""When the loop logs, checkpoints and stops, seen with a learner that only counts."""

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from safemil.errors import UserError
from safemil.methods.budget import TrainingSettings
from safemil.training.kept_policies import KeptPolicies
from safemil.training.loop import TrainingLog, TrainingState, check_finite, run_steps


class CountingLearner:
    """Logs the number of its step as the loss, and that of its pretraining step as another."""

    def __init__(self, pretraining_steps=0, **training):
        self.training = TrainingSettings(**training)
        self.pretraining_steps = pretraining_steps
        self.steps_done = self.pretraining_done = 0
        self.calls = []

    def sample(self, generator):
        return generator.random()

    def pretrain(self, batch):
        self.calls.append(("pretrain", batch))
        return {"first_loss": self.pretraining_done + 1.0}

    def update(self, batch):
        self.calls.append(("update", batch))
        self.steps_done += 1
        return {"loss": float(self.steps_done)}

    def state(self):
        return {"done": [self.pretraining_done, self.steps_done]}

    def load_state(self, state):
        self.pretraining_done, self.steps_done = state["done"]


class HastyLearner(CountingLearner):
    """Takes as many steps of the policy in each update as it is told to."""

    def __init__(self, steps_per_update):
        super().__init__(steps=10)
        self.steps_per_update = steps_per_update

    def update(self, batch):
        metrics = super().update(batch)
        self.steps_done += self.steps_per_update - 1
        return metrics


def start(learner):
    return TrainingState(learner, np.random.default_rng(0), TrainingLog())


def go_on(state, stop_at=None):
    """Take the steps that are left, or those until the checkpoint at `stop_at`; returns what was reported."""
    seen = SimpleNamespace(rows=[], checkpoints=[])

    def on_checkpoint(done):
        seen.checkpoints.append(done)
        if done == stop_at:
            raise StoppedError(copy.deepcopy(state.dump()))

    run_steps(state, lambda step, means: seen.rows.append((step, dict(means))), on_checkpoint)
    return seen


class StoppedError(Exception):
    """Ends a run at a checkpoint, which it carries."""


def run(learner):
    state = start(learner)
    return go_on(state), state


def test_rows_and_checkpoints_come_at_their_steps():
    seen, state = run(CountingLearner(steps=12, log_every=5, checkpoint_every=4))
    assert seen.rows == [(5, {"loss": 3.0}), (10, {"loss": 8.0}), (12, {"loss": 11.5})]
    assert state.log.rows == [{"step": step, **means} for step, means in seen.rows]
    # None after the last step: the outputs are there then.
    assert seen.checkpoints == [4, 8]


def test_a_run_that_is_done_takes_no_step():
    learner = CountingLearner(steps=3)
    learner.steps_done = 3
    seen, _ = run(learner)
    assert learner.steps_done == 3
    assert seen.rows == seen.checkpoints == []


PRETRAINED = {"pretraining_steps": 7, "steps": 6, "log_every": 3, "checkpoint_every": 4}


def test_pretraining_comes_first_and_is_beyond_the_budget_of_updates():
    learner = CountingLearner(**PRETRAINED)
    run(learner)
    assert [name for name, _ in learner.calls] == ["pretrain"] * 7 + ["update"] * 6
    assert (learner.pretraining_done, learner.steps_done) == (7, 6)
    # One stream of batches, drawn in the order of the steps.
    assert [batch for _, batch in learner.calls] == list(np.random.default_rng(0).random(13))


def test_rows_of_pretraining_stand_at_step_zero_with_a_count_of_their_own():
    seen, state = run(CountingLearner(**PRETRAINED))
    assert state.log.rows == [
        {"step": 0, "pretraining_step": 3, "first_loss": 2.0},
        {"step": 0, "pretraining_step": 6, "first_loss": 5.0},
        {"step": 0, "pretraining_step": 7, "first_loss": 7.0},
        {"step": 3, "loss": 2.0},
        {"step": 6, "loss": 5.0},
    ]
    # Progress counts pretraining in.
    assert [step for step, _ in seen.rows] == [3, 6, 7, 10, 13]
    assert [means for _, means in seen.rows][2:4] == [{"first_loss": 7.0}, {"loss": 2.0}]


def test_checkpoints_of_pretraining_and_of_updates_are_counted_apart():
    seen, _ = run(CountingLearner(**PRETRAINED))
    # Pretraining step 4, and update 4, which is step 11 in all.
    assert seen.checkpoints == [4, 11]


@pytest.mark.parametrize("where", [4, 11])
def test_a_run_stopped_at_a_checkpoint_ends_like_one_that_was_not(where):
    """In the midst of pretraining, and of the updates after it; both amid a row of the log."""
    undisturbed = CountingLearner(**PRETRAINED)
    whole = start(undisturbed)
    seen = go_on(whole)

    first = CountingLearner(**PRETRAINED)
    with pytest.raises(StoppedError) as stopped:
        go_on(start(first), stop_at=where)
    second = CountingLearner(**PRETRAINED)
    resumed = start(second)
    resumed.load(stopped.value.args[0])
    rest = go_on(resumed)

    assert first.calls + second.calls == undisturbed.calls
    assert resumed.dump() == whole.dump()
    assert rest.rows == [row for row in seen.rows if row[0] > where]
    assert rest.checkpoints == [done for done in seen.checkpoints if done > where]


class Counted:
    """Stands in for a policy: its one parameter is the number of updates."""

    def __init__(self, learner):
        self.learner = learner

    def state_dict(self):
        return {"updates": torch.tensor(self.learner.steps_done)}


@pytest.mark.parametrize("stopped_at", [None, 4, 11])
def test_policies_are_kept_at_their_updates_whether_or_not_the_run_is_stopped(stopped_at):
    """Steps 4 and 11 are checkpoints amid pretraining and at update 4, at which a policy is kept."""
    kept = KeptPolicies(steps=(2, 4, 6))
    learner = CountingLearner(**PRETRAINED)
    learner.policy = Counted(learner)
    state = TrainingState(learner, np.random.default_rng(0), TrainingLog(), kept)
    if stopped_at is None:
        go_on(state)
    else:
        with pytest.raises(StoppedError) as stopped:
            go_on(state, stop_at=stopped_at)
        learner = CountingLearner(**PRETRAINED)
        learner.policy = Counted(learner)
        state = TrainingState(learner, np.random.default_rng(0), TrainingLog(), KeptPolicies(steps=(2, 4, 6)))
        state.load(stopped.value.args[0])
        assert list(state.kept.tensors) == ([2, 4] if stopped_at == 11 else [])
        go_on(state)
    assert {step: int(policy["updates"]) for step, policy in state.kept.tensors.items()} == {2: 2, 4: 4, 6: 6}


def test_a_broken_loss_of_pretraining_names_its_step():
    learner = CountingLearner(**PRETRAINED)
    pretrain = learner.pretrain
    learner.pretrain = lambda batch: (
        {"first_loss": math.nan} if learner.pretraining_done == 4 else pretrain(batch)
    )
    with pytest.raises(UserError, match=r"first_loss = nan[\s\S]*gradient step 5"):
        run(learner)


def test_every_broken_value_is_named():
    with pytest.raises(UserError) as error:
        check_finite({"cost_loss": math.nan, "policy_loss": 1.0, "norm": math.inf}, 12)
    assert "cost_loss = nan, norm = inf" in str(error.value)
    assert "policy_loss" not in str(error.value)
    assert "gradient step 12" in str(error.value)
    check_finite({"policy_loss": 1.0}, 12)


@pytest.mark.parametrize("taken", [0, 2])
def test_an_update_takes_one_step_of_the_policy(taken):
    """Without any, a run would end with the policy that it began with, and nothing would say so."""
    with pytest.raises(UserError, match=rf"one step of the policy[\s\S]*{taken} calls[\s\S]*gradient step 1"):
        run(HastyLearner(taken))
    run(HastyLearner(1))
