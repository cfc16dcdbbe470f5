"""The local stack's ticks come on time, whatever happens to the ones before."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from local.google.scheduler import Scheduler, TickFailed
from local.ticks import Ticks
from orchestrator.model.run import RunStatus
from orchestrator.runs.start import Started
from tests.support.waiting import PATIENCE_S, wait_until

SECOND = timedelta(seconds=1)


class Function:
    """Takes the ticks; answers none until it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times: list[datetime] = []
        self.may_answer = threading.Event()
        self.fails = False
        monkeypatch.setattr(Scheduler, "deliver", lambda _, time: self._take(time))

    def _take(self, schedule_time: datetime) -> Started:
        self.times.append(schedule_time)
        self.may_answer.wait(2 * PATIENCE_S)
        if self.fails:
            raise TickFailed("nobody answers")
        return Started(run_id="t-1", status=RunStatus.DISPATCHING, tasks=1, duplicate=False)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    """Instead of the HTTP function."""
    return Function(monkeypatch)


@pytest.fixture
def ticks() -> Ticks:
    """A tick every second."""
    return Ticks(Scheduler(url="", token=lambda: "", secret=""), SECOND)


def test_a_tick_that_nobody_answers_keeps_no_other_waiting(ticks: Ticks, function: Function) -> None:
    """The first is due at once, and each later one at a full second, although none has been answered."""
    begun = datetime.now(UTC)
    with ticks:
        wait_until(lambda: len(function.times) >= 3)
    function.may_answer.set()

    assert abs(function.times[0] - begun) < SECOND
    assert all(time.microsecond == 0 for time in function.times[1:])
    assert len(set(function.times)) == len(function.times)


def test_no_tick_comes_after_the_end(ticks: Ticks, function: Function) -> None:
    """The block's end stops the clock."""
    function.may_answer.set()
    with ticks:
        wait_until(lambda: len(function.times) >= 1)
    for thread in threading.enumerate():
        if thread.name == "ticks":
            thread.join(60)
    delivered = len(function.times)

    assert not threading.Event().wait(1.2)
    assert len(function.times) == delivered


def test_each_failure_is_told_once(ticks: Ticks, function: Function) -> None:
    """With the time of the tick and the reason."""
    function.fails = True
    function.may_answer.set()
    told: list[str] = []

    def has_two() -> bool:
        told.extend(ticks.failures())
        return len(told) >= 2

    with ticks:
        wait_until(has_two)

    assert len(set(told)) == len(told)
    assert told[0] == f"The tick of {function.times[0]:%H:%M:%S}Z failed: nobody answers"
