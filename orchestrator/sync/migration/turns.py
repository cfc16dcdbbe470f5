"""Whose turn it is to rewrite history: a share of the connections at each tick, told without a read."""

from __future__ import annotations

from datetime import timedelta

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


def over_at(task: TaskContext) -> float:
    """The monotonic time until which a task may begin pages of its connection's history.

    It has passed already if it is not the connection's turn. A run that a person asked for is always one.
    """
    clock, settings = task.services.clock, task.services.settings
    now = clock.monotonic()
    started_at = task.holder.open.deadline_at - timedelta(seconds=settings.run_seconds)
    minute = int(started_at.timestamp()) // 60
    is_turn = (minute + key_of(task.holder.connection_id)) % TURNS == 0
    if not is_turn and not ids.has_options(task.run_id):
        return now
    left = LATEST_S - (clock.now() - started_at).total_seconds()
    return now + min(TURN_S, left)
