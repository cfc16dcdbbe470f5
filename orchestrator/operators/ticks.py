"""The scheduler's ticks: when the last one was, and whether the next one is overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.model.documents import readable
from orchestrator.model.run import Run
from orchestrator.ports import Query, Snapshot
from orchestrator.settings import Settings

#: The run of the last tick. Runs of people, and forced ones, have no schedule time.
LAST = Query("runs", order_by="schedule_time", descending=True, limit=1)
#: A tick may be delivered this late.
_DELIVERED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Ticks:
    """The last tick, and the time between two."""

    every: timedelta
    #: None if no tick is known.
    last_at: datetime | None
    due_at: datetime | None

    @classmethod
    def of(cls, found: Sequence[Snapshot], settings: Settings) -> Ticks:
        """From the answer to `LAST`."""
        every = timedelta(seconds=settings.tick_seconds)
        run = next((run for _, run in readable(Run, found) if run.schedule_time is not None), None)
        if run is None or run.schedule_time is None:
            return cls(every, None, None)
        return cls(every, run.started_at, run.schedule_time + every)

    def silent_for(self, now: datetime) -> timedelta | None:
        """How long no tick has come, if two are missing; None while they come."""
        if self.last_at is None or now - self.last_at <= 2 * self.every + _DELIVERED:
            return None
        return now - self.last_at
