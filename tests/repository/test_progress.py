"""Progress in a log file and on a terminal."""

import io
import itertools
import re
from types import SimpleNamespace

import pytest

from safemil import progress
from safemil.progress import LOG_INTERVAL, Progress, format_values


class Clock:
    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


def test_values_are_written_compactly():
    assert (
        format_values({"cost_loss": 0.41234567, "policy_loss": -1.03})
        == "cost loss 0.4123  policy loss -1.03"
    )


def test_a_line_says_steps_rate_remaining_time_and_losses(clock):
    stream = io.StringIO()
    with Progress("bc seed 0", 2000, stream=stream) as shown:
        clock.now += 10
        shown.update(500, {"policy_loss": 0.25})
    # 500 steps in 10 s: 50 a second, 1500 to go in 30 s.
    line = stream.getvalue().splitlines()[0]
    assert line == "bc seed 0: 500/2000 (25 %)  50.0 steps/s  ETA 30 s  policy loss 0.25"


def test_a_resumed_run_counts_its_own_steps_into_the_rate(clock):
    stream = io.StringIO()
    with Progress("bc", 2000, start=1000, stream=stream) as shown:
        clock.now += 10
        shown.update(1500, {})
    assert "1500/2000 (75 %)  50.0 steps/s  ETA 10 s" in stream.getvalue()


def test_lines_are_rate_limited(clock):
    stream = io.StringIO()
    with Progress("bc", 1000, stream=stream) as shown:
        for step in range(1, 1001):
            clock.now += 0.1
            shown.update(step, {"loss": 1.0})
    steps = [int(found) for found in re.findall(r"bc: (\d+)/1000", stream.getvalue())]
    # 100 s of an update each 0.1 s: the first at once, then one each LOG_INTERVAL.
    assert len(steps) == 1 + int(99.9 // LOG_INTERVAL)
    assert all(after - before >= LOG_INTERVAL / 0.1 - 1 for before, after in itertools.pairwise(steps))
    assert stream.getvalue().splitlines()[-1] == "bc: done in 100.0 s"


@pytest.mark.usefixtures("clock")
def test_before_any_step_is_done_no_time_is_promised():
    stream = io.StringIO()
    with Progress("bc", 10, stream=stream) as shown:
        shown.update(0, {})
    assert "ETA inf s" in stream.getvalue()


def test_a_failure_is_not_reported_as_done():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="broken"), Progress("bc", 10, stream=stream):
        raise ValueError("broken")
    assert "done" not in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_in_the_stream_it_is_given(capsys):
    stream = Terminal()
    with Progress("bc seed 0", 20, start=5, stream=stream) as shown:
        for step in range(6, 21):
            shown.update(step, {"policy_loss": 0.5})
    drawn = stream.getvalue()
    assert "bc seed 0" in drawn
    assert "20/20" in drawn
    assert "policy loss 0.5" in drawn
    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_given_back_after_a_failure():
    stream = Terminal()
    with pytest.raises(ValueError, match="broken"), Progress("bc", 10, stream=stream):
        raise ValueError("broken")
    assert stream.getvalue().count("\x1b[?25h") >= 1, "the cursor is shown again"
