"""Consumers are told: of every change after it was stored, at least once, and of nothing else."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import ChangesUnavailable
from orchestrator.model.change_event import CHANGED, Changed, ChangeEvent, Purged
from orchestrator.model.connection import STREAMS
from orchestrator.ports import Delete, Document, Put, Update, Write
from tests.system.simulation.loop import START, chance
from tests.system.simulation.process import Killed, Process

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: A stream of a connection.
_Key = tuple[str, str]


class Tellings:
    """The events that consumers got, and the changes that no event has told yet."""

    def __init__(self, history: History) -> None:
        self._history = history
        #: Chooses the faults of events; the rest of a history is the same without them.
        self.rng = random.Random(f"tellings {history.seed}")
        self.often = self.rng.uniform(0, 0.4) if chance(self.rng, 0.5) else 0.0
        #: When records were written, by their writers' clocks.
        self._moments: dict[_Key, list[datetime]] = defaultdict(list)
        #: The earliest write of which no event has told since.
        self._owed: dict[_Key, datetime] = {}
        #: Connections of which records were purged that no event has told since.
        self._purged: set[str] = set()
        history.store.watchers.append(self.look)

    def look(self, writes: Sequence[Write], _before: Mapping[str, Document | None]) -> None:
        """Note written and purged records."""
        for write in writes:
            match write.path.split("/"):
                case ["connections", connection_id, stream, _] if stream in STREAMS:
                    if isinstance(write, Delete):
                        self._purged.add(connection_id)
                    else:
                        self._wrote((connection_id, stream), write)

    def told(self, event: ChangeEvent) -> None:
        """An event was accepted: consumers read the records that are stored now, from its moment on."""
        history = self._history
        history.leaks.search("an event", event.encoded())
        history.say(lambda: f"tells {event.type} {bytes(event.data)!r}")
        if event.type != CHANGED:
            history.seen["purge told"] += 1
            self._forget(msgspec.json.decode(event.data, type=Purged).connection_id)
            return
        history.seen["told"] += 1
        data = msgspec.json.decode(event.data, type=Changed)
        if not data.streams:
            history.violated(f"an event tells nothing: {data}")
        for stream, changes in data.streams.items():
            key = (data.connection_id, stream)
            told = changes.written + changes.deleted
            made = sum(moment >= changes.since for moment in self._moments[key])
            if not 0 < told <= made:
                history.violated(f"{told} changes of {key} are told since {changes.since}, there are {made}")
            if key in self._owed and changes.since <= self._owed[key]:
                del self._owed[key]

    def history(self) -> None:
        """After all has come to rest nothing is owed."""
        if self._owed or self._purged:
            self._history.violated(f"nobody is told of {self._owed}, nor of purges of {self._purged}")

    def _wrote(self, key: _Key, write: Write) -> None:
        fields = write.data if isinstance(write, Put) else write.fields if isinstance(write, Update) else {}
        process = self._history.running
        now = START + timedelta(seconds=self._history.loop.now_s + process.skew_s)
        moment = fields.get("synced_at", now)
        self._moments[key].append(moment)
        self._owed[key] = min(moment, self._owed.get(key, moment))

    def _forget(self, connection_id: str) -> None:
        """A consumer that is told of a purge reads everything of the connection again."""
        self._purged.discard(connection_id)
        for stream in STREAMS:
            self._owed.pop((connection_id, stream), None)


class SimFeed:
    """The change feed as one process reaches it: with faults."""

    def __init__(self, history: History, process: Process) -> None:
        self._history, self._process = history, process

    def publish(self, events: Sequence[ChangeEvent]) -> None:
        """See ChangeFeed."""
        tellings = self._history.tellings
        fails = self._process.began_s < self._history.quiet_s and chance(tellings.rng, tellings.often)
        how = tellings.rng.choice(["before", "after", "refused", "unanswered"]) if fails else ""
        if how in {"before", "refused"}:
            self._fail(how)
        for event in events:
            tellings.told(event)
        if how:
            self._fail(how)

    def _fail(self, how: str) -> None:
        if how in {"before", "after"}:
            self._history.seen["killed while telling"] += 1
            self._history.say(f"is killed {how} it tells")
            self._process.kill()
            raise Killed
        self._history.seen["not told"] += 1
        self._history.say(f"cannot tell: {how}")
        raise ChangesUnavailable(how)
