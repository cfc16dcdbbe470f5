"""Connections with an interval of their own: which runs cover them, and that none of their slots is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.model import ids
from orchestrator.model.paces import EVERY_TICK, next_at, own_interval, pace_of
from orchestrator.model.run import Run
from orchestrator.ports import Create, Document, Write
from tests.system.simulation.loop import START

if TYPE_CHECKING:
    from tests.system.simulation.history import History


HOUR_S = 3600
#: The connections' intervals in every fifth history.
INTERVALS = (180, 30, 1440, None)


class Slots:
    """What every tick has planned."""

    def __init__(self, history: History) -> None:
        self._history = history
        #: The latest tick that planned a connection.
        self._planned_at: dict[str, datetime] = {}
        history.store.watchers.append(self._note)

    def fields(self, connection_id: str) -> Document:
        """The fields of a new document; without an interval it has no pace, as of an earlier release."""
        minutes = INTERVALS[int(connection_id[1:])] if self._history.seed % 5 == 3 else None
        own: Document = {"interval_minutes": minutes}
        return {**own, "pace": pace_of(connection_id, own)} if minutes else own

    def has_own(self, connection_id: str) -> bool:
        """Whether it takes part in some ticks only."""
        return own_interval(self._document(connection_id)) is not None

    def ask_for_all(self) -> None:
        """One task more of those whose next slot is in hours: what vanishes is marked by a second one."""
        history = self._history
        if own := [each for each in history.connections if self.has_own(each)]:
            for connection_id in own:
                history.loop.at(0, partial(history.people.ask_for, connection_id))
            history.loop.run(history.loop.now_s + HOUR_S)

    def is_due(self, connection_id: str, run: Run) -> bool:
        """Whether a run has to cover it, whatever has become of it."""
        due = run.selection.due
        return due is None or due.covers(pace_of(connection_id, self._document(connection_id)))

    def look(self, run_id: str, run: Run, connection_id: str, active_since_s: float) -> None:
        """The last slot before a tick was covered by this tick or by one before it."""
        pace = pace_of(connection_id, self._document(connection_id))
        if run.schedule_time is None or pace == EVERY_TICK or connection_id in self._history.people.moved:
            return  # ticks find who is wanted by the marketplace that its state names
        following = next_at(pace, run.schedule_time)
        assert following is not None
        slot = following - (own_interval(self._document(connection_id)) or timedelta(0))
        covered_at = self._planned_at.get(connection_id, datetime.min.replace(tzinfo=UTC))
        self._history.seen["slots looked at"] += 1
        if covered_at < slot and (slot - START).total_seconds() > active_since_s:
            self._history.violated(f"{run_id}: {connection_id} was due at {slot}, and not covered since")

    def _document(self, connection_id: str) -> Document:
        found = self._history.store.documents.get(ids.connection_path(connection_id))
        return found[1] if found is not None else {}

    def _note(self, writes: Sequence[Write], _: Mapping[str, Document | None]) -> None:
        for write in writes:
            match write.path.split("/"):
                case ["runs", run_id, "shards", _] if isinstance(write, Create):
                    run = self._history.store.documents[ids.run_path(run_id)][1]
                    if isinstance(at := run["schedule_time"], datetime):
                        for name in write.data["ids"]:
                            self._planned_at[name] = max(at, self._planned_at.get(name, at))
