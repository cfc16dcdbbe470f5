"""Paces: at which ticks a connection is due.

A day is cut into slots of a quarter of an hour. A connection with an interval of its own is due in one slot
of each interval. A hash of its id chooses the slot, so that not all daily ones come at midnight. Its `pace`
names both, and a tick covers the slots since the last one: `Due` tells whether it covers a pace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

#: Minutes between two tasks of a connection, if it does not take part in every tick.
INTERVALS = (15, 30, 60, 180, 360, 720, 1440)
#: The pace of a connection without an interval of its own. Every other pace sorts before it.
EVERY_TICK = "tick"
_SLOT_MINUTES = 15
_SLOTS_A_DAY = 24 * 60 // _SLOT_MINUTES


def own_interval(document: Mapping[str, Any]) -> timedelta | None:
    """A connection's own interval; None without one. People may have written it: malformed is absent."""
    minutes = document.get("interval_minutes")
    return timedelta(minutes=minutes) if isinstance(minutes, int) and minutes in INTERVALS else None


def pace_of(connection_id: str, document: Mapping[str, Any]) -> str:
    """The pace of a connection by its document: `tick`, or interval and slot as in `0060-03`."""
    interval = own_interval(document)
    if interval is None:
        return EVERY_TICK
    minutes = interval // timedelta(minutes=1)
    hashed = int.from_bytes(hashlib.sha256(connection_id.encode()).digest()[:8])
    return _pace(minutes, hashed % (minutes // _SLOT_MINUTES))


def next_at(pace: str, now: datetime) -> datetime | None:
    """When the next slot of a pace begins; None for every tick."""
    if pace == EVERY_TICK:
        return None
    minutes, slot = (int(part) for part in pace.split("-"))
    ahead = (slot - _slot(now) - 1) % (minutes // _SLOT_MINUTES) + 1
    return datetime.fromtimestamp((_slot(now) + ahead) * _SLOT_MINUTES * 60, UTC)


def _pace(minutes: int, slot: int) -> str:
    return f"{minutes:04d}-{slot:02d}"


class Due(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The connections that a tick covers: a pure function of this and of their paces.

    The span is stored with the run. So all deliveries of a tick, and all its dispatchers, cover the same.
    """

    #: The slots after this time; None for all paces.
    after: datetime | None = None
    #: The slots up to this time, and itself.
    until: datetime
    #: Marketplaces whose connections are all read: the query by pace would miss some that have none yet.
    scanned: tuple[str, ...] = ()
    #: Marketplaces with connections that are wanted whatever their pace.
    wanted: tuple[str, ...] = ()
    #: Active connections that the tick leaves out, as they were counted before it began.
    resting: int = 0

    def paces(self) -> list[str]:
        """All paces that it covers."""
        every = [(minutes, slot) for minutes in INTERVALS for slot in range(minutes // _SLOT_MINUTES)]
        return [EVERY_TICK, *(_pace(*each) for each in every if self._covers(*each))]

    def covers(self, pace: str) -> bool:
        """Whether connections of this pace are due."""
        return pace == EVERY_TICK or self._covers(*(int(part) for part in pace.split("-")))

    @property
    def is_everything(self) -> bool:
        """Whether connections of every pace are due."""
        return self.after is None or _slot(self.until) - _slot(self.after) >= _SLOTS_A_DAY

    def _covers(self, minutes: int, slot: int) -> bool:
        if self.is_everything or self.after is None:
            return True
        # The latest slot of the pace is this many slots before the end of the span.
        before = (_slot(self.until) - slot) % (minutes // _SLOT_MINUTES)
        return before < _slot(self.until) - _slot(self.after)


def _slot(at: datetime) -> int:
    """The number of a time's slot since 1970, in UTC."""
    return int(at.timestamp()) // (_SLOT_MINUTES * 60)
