"""When the loop logs, checkpoints and stops, seen with a learner that only counts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from safemil.errors import UserError
from safemil.training.loop import TrainingLog, TrainingState, check_finite, run_steps
from safemil.training.settings import TrainingSettings


class CountingLearner:
    """Logs the number of its step as the loss."""

    def __init__(self, **training):
        self.training = TrainingSettings(**training)
        self.steps_done = 0

    def sample(self, generator):
        return generator.random()

    def update(self, batch):
        assert 0 <= batch < 1
        self.steps_done += 1
        return {"loss": float(self.steps_done)}


def run(learner):
    seen = SimpleNamespace(rows=[], checkpoints=[])
    state = TrainingState(learner, np.random.default_rng(0), TrainingLog())
    run_steps(state, lambda step, means: seen.rows.append((step, dict(means))), seen.checkpoints.append)
    return seen, state


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


def test_every_broken_value_is_named():
    with pytest.raises(UserError) as error:
        check_finite({"cost_loss": math.nan, "policy_loss": 1.0, "norm": math.inf}, 12)
    assert "cost_loss = nan, norm = inf" in str(error.value)
    assert "policy_loss" not in str(error.value)
    assert "gradient step 12" in str(error.value)
    check_finite({"policy_loss": 1.0}, 12)
