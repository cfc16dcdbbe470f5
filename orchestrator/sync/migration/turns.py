"""Whose turn it is to rewrite history: a share of the connections at each tick, told without a read."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.model import ids
from orchestrator.sync.digest import key_of
from orchestrator.sync.task_context import TaskContext

#: Of the connections that have a migration, one in this many takes part in a tick. Ticks that are a regular
#: number of minutes apart meet each connection, unless that number has this prime as a factor.
TURNS = 11
#: How long a turn lasts. The slice's time is a bound as well.
TURN_S = 120.0
#: No page is begun later than this after the run's start: the next tick must find the connection free, and
#: while many tasks wait for a worker, they go first.
LATEST_S = 300.0


def is_turn(connection_id: str, started_at: datetime) -> bool:
    """Whether a connection takes part in the run that was started then."""
    minute = int(started_at.timestamp()) // 60
    return (minute + key_of(connection_id)) % TURNS == 0


def over_at(task: TaskContext) -> float:
    """The monotonic time until which a task may begin pages of its connection's history.

    It has passed already if it is not the connection's turn. A run that a person asked for is always one.
    """
    clock, settings = task.services.clock, task.services.settings
    started_at = task.holder.open.deadline_at - timedelta(seconds=settings.run_seconds)
    left = LATEST_S - (clock.now() - started_at).total_seconds()
    # A connection with an interval of its own takes part in few ticks anyway.
    is_rare = task.connection.interval_minutes is not None
    has_turn = is_rare or is_turn(task.holder.connection_id, started_at) or ids.has_options(task.run_id)
    if not has_turn:
        left = 0.0
    return clock.monotonic() + min(TURN_S, left)
