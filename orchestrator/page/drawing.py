"""Coordinates of the drawings: the last day's runs, a run's tasks, the age of data. Templates draw them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from orchestrator.model.freshness import LATE_AFTER
from orchestrator.model.run import Run, RunStatus, Task

#: The drawings' own units; they scale with the screen.
WIDTH = 1000.0
#: Tasks of a timeline.
ROWS = 60
_DAY = timedelta(days=1)
_LEAST = 4.0


class Bar(NamedTuple):
    """A bar: place and size along the time axis, and its look."""

    x: float
    width: float
    #: A class of the style sheet.
    look: str
    #: The part of its height that failed, 0 to 1.
    failed: float
    name: str


class Lag(NamedTuple):
    """The age of a marketplace's oldest data on a scale whose half means late."""

    #: 0 to 1.
    done: float
    is_late: bool


def strip(runs: Sequence[tuple[str, Run]], now: datetime) -> list[Bar]:
    """The runs of the last day by the time of their start."""
    begun = now - _DAY
    return [
        Bar(
            x=_place(run.started_at, begun, now, WIDTH - _LEAST),
            width=max(_LEAST, WIDTH * ((run.finished_at or now) - run.started_at) / _DAY),
            look=run.status.value,
            failed=_failed(run),
            name=run_id,
        )
        for run_id, run in runs
        if run.started_at > begun
    ]


def timeline(run: Run, tasks: Sequence[Task], now: datetime) -> list[Bar]:
    """The tasks of a page between the beginning and the end of their run."""
    begun, over = run.started_at, max(run.finished_at or now, run.started_at + timedelta(seconds=1))
    drawn = []
    for task in tasks[:ROWS]:
        x = _place(task.started_at or task.finished_at, begun, over, WIDTH - _LEAST)
        end = _place(task.finished_at, begun, over, WIDTH)
        look = "incomplete" if task.incomplete else task.status.value
        drawn.append(Bar(x, max(_LEAST, end - x), look, 0.0, task.connection_id))
    return drawn


def lag(age_s: float | None, tick_s: int, late: int) -> Lag | None:
    """A marketplace's lag; None if it is not known."""
    if age_s is None:
        return None
    return Lag(done=min(1.0, max(0.0, age_s / (2 * LATE_AFTER * tick_s))), is_late=late > 0)


def _place(at: datetime, begun: datetime, over: datetime, width: float) -> float:
    return round(width * min(1.0, max(0.0, (at - begun) / (over - begun))), 1)


def _failed(run: Run) -> float:
    if run.status is RunStatus.FAILED:
        return 1.0
    share = run.tasks.failed / run.tasks.total if run.tasks.total else 0.0
    return max(0.25, min(1.0, share)) if run.tasks.failed else 0.0
