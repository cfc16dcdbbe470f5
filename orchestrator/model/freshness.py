"""Freshness: how old a connection's data is, from when on it is late, and why.

`since_at` is the oldest committed `since` of the connection's own streams. `late_at` is `LATE_AFTER` of its
intervals later, and the minutes that the marketplace needs to list a change: the next tick follows an
interval later, its work takes a while, and one tick may be missed. So "late" is one query, whatever the
interval is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.model.cause import INCOMPLETE, NEEDS_ATTENTION, THROTTLED, Cause
from orchestrator.model.connection import STREAMS, ConnectionStatus
from orchestrator.model.paces import own_interval
from orchestrator.model.state import Health, Open, StreamState, SyncState

#: A connection's data is late if it is older than this many of its intervals.
LATE_AFTER = 3
#: Longer ones fail the task.
_LONGEST_ID = 300


@dataclass(frozen=True, slots=True)
class Pace:
    """A connection's own streams and interval, as its document says, and whether it takes part in runs."""

    #: Each with the age that its windows' ends must have: its data is never younger.
    streams: Mapping[str, timedelta]
    interval: timedelta
    #: Whether the interval is its own, so that it does not take part in every tick.
    is_own: bool = False
    is_active: bool = True
    organization_id: str | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any], known: Mapping[str, timedelta], tick: timedelta) -> Pace:
        """Read a connection's document, which people may have written; what is malformed counts as absent.

        Args:
            document: Empty if the connection is gone.
            known: The streams of its marketplace, each with the age that its windows' ends must have.
            tick: The time between two ticks: the interval of a connection that has none of its own.
        """
        given, own = document.get("streams", STREAMS), own_interval(document)
        organization_id = document.get("organization_id")
        stopped = (ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED)
        is_text = isinstance(organization_id, str) and len(organization_id) <= _LONGEST_ID
        return cls(
            streams={
                name: age for name, age in known.items() if isinstance(given, list | tuple) and name in given
            },
            interval=max(tick, own or tick),
            is_own=own is not None,
            is_active=bool(document) and document.get("status") not in stopped,
            organization_id=organization_id if is_text else None,
        )


def oldest_since(state: SyncState, streams: Collection[str]) -> datetime | None:
    """The oldest committed `since` of these streams; None until each has one."""
    times = [state.streams.get(name, StreamState()).cursor.since for name in streams]
    known = [time for time in times if time is not None]
    return min(known) if known and len(known) == len(times) else None


def measured(state: SyncState, pace: Pace | None, now: datetime) -> SyncState:
    """The state with its freshness.

    A connection that does not take part in every tick is wanted at each one from its claim on, until a task
    has served it: the next tick covers what failed, was left over or was never worked on. A connection that a
    command has paused or removed stays without `late_at`, until `resumed`. A connection
    without a complete window is late `LATE_AFTER` intervals after it was first met; one that was measured
    before is late when it would have been.

    Args:
        state: The state.
        pace: None if the connection's document was not read or cannot be: then nothing changes.
        now: The time.
    """
    if pace is None:
        return state
    since_at = oldest_since(state, pace.streams)
    late_at = state.late_at
    if not pace.is_active or state.removing:
        late_at = None
    elif late_at is not None:
        late_at = _late_at(state, pace, now)
    return msgspec.structs.replace(
        state,
        organization_id=pace.organization_id or state.organization_id,
        since_at=since_at,
        late_at=late_at,
        wanted=state.wanted or (pace.is_own and state.open is not None),
    )


def served(state: SyncState, opened: Open, *, incomplete: bool) -> SyncState:
    """The state after a task that succeeded: its connection waits for its slot, if the task left nothing.

    A `full` request that came between two slices is left to the next task.
    """
    is_all = opened.streams is None and not incomplete and not state.requested_full
    return msgspec.structs.replace(state, wanted=False) if is_all else state


def resumed(state: SyncState, pace: Pace, now: datetime) -> SyncState:
    """The state of a connection that takes part in runs again: its next task has time before it is late.

    The next tick covers it.
    """
    return msgspec.structs.replace(state, late_at=now + LATE_AFTER * pace.interval, wanted=pace.is_own)


def _late_at(state: SyncState, pace: Pace, now: datetime) -> datetime:
    """When the data of an active connection is late.

    A stream whose long listing rests is not late meanwhile.
    """
    after = LATE_AFTER * pace.interval
    unread = now + after if state.late_at is None or state.late_at is msgspec.UNSET else state.late_at
    times = []
    for name, age in pace.streams.items():
        stream = state.streams.get(name, StreamState())
        since = stream.cursor.since
        times.append(unread if since is None else max(since, stream.rests_until or since) + age + after)
    return min(times, default=unread)


def with_cause(state: SyncState, cause: Cause | None) -> SyncState:
    """The state with a cause; one of the same kind has kept its beginning, and a wait hides no error."""
    before = state.cause
    if cause is not None and before is not None:
        hides = (cause.is_wait and not before.is_wait) or (
            state.health is Health.NEEDS_ATTENTION and cause.kind not in NEEDS_ATTENTION
        )
        if hides and state.health is not Health.OK:
            return state
        if cause.kind == before.kind:
            cause = msgspec.structs.replace(cause, since=before.since)
    return msgspec.structs.replace(state, cause=cause)


def throttled(until: datetime, now: datetime, why: str = "", stream: str | None = None) -> Cause:
    """The marketplace asked to wait."""
    told = f": {why}" if why else ""
    return Cause(
        kind=THROTTLED,
        message=f"throttled until {until:%Y-%m-%d %H:%M}Z, asked by the marketplace{told}",
        action="nothing: the first run after that continues",
        since=now,
        until=until,
        stream=stream,
    )


def incomplete(now: datetime) -> Cause:
    """A task has ended well before everything was read."""
    return Cause(
        kind=INCOMPLETE,
        message="the last run did not read up to its own time; the next ones continue from the checkpoint",
        action="nothing: `connections show` tells how far it has come",
        since=now,
    )


def behind(state: SyncState, pace: Pace | None, now: datetime) -> SyncState:
    """The state after a task that succeeded: if its data is late before the next one, that has a cause too.

    A window keeps its end over failures and waits, so its last page may leave hours to the next window.
    """
    if pace is None or not isinstance(state.late_at, datetime) or state.cause is not None:
        return state
    return with_cause(state, incomplete(now)) if state.late_at <= now + pace.interval else state


def cleared(state: SyncState, before: datetime) -> SyncState:
    """The state after a call has shown that the credential works, without refusals from before that call.

    The next tick tries the connection again, and its refused streams too: what is refused still is refused
    once more. A cause of one stream, or of the marketplace, stays until a task works.
    """
    streams = {
        name: msgspec.structs.replace(each, refused=None)
        if each.refused is not None and each.refused.at <= before
        else each
        for name, each in state.streams.items()
    }
    state = msgspec.structs.replace(state, streams=streams)
    if state.refused_at is not None and state.refused_at > before:
        return state
    cause = state.cause
    if cause is not None and cause.kind in NEEDS_ATTENTION and cause.stream is None:
        state = msgspec.structs.replace(state, cause=None)
    if state.refused_at is None:
        return state
    return msgspec.structs.replace(
        state, health=Health.OK, last_error=None, consecutive_failures=0, refused_at=None, refusals=0
    )
