"""Windows and cursors: what to ask for next, and what is certain afterwards. Pure functions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.marketplaces.spec import Sort, Stream, Window
from orchestrator.model import Connection, Cursor, OpenWindow

#: A rolling stream's long span is read about once a day, whatever the tick's exact minute.
LONG_EVERY = timedelta(hours=23, minutes=30)
_DAY_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a connection's windows depend on."""

    stream: Stream
    #: Nothing before this is asked for.
    start: datetime
    lookback: timedelta


def terms(stream: Stream, connection: Connection, epoch: datetime, lookback: timedelta) -> Terms:
    """The terms of one stream of a connection."""
    start = connection.backfill_since
    return Terms(stream=stream, start=max(start, epoch) if start is not None else epoch, lookback=lookback)


def scope_of(stream: Stream, connection: Connection) -> str:
    """Hash of all that a stream's records depend on; another one means starting again."""
    # Where a sandbox listens says nothing about what is in it.
    settings = {name: value for name, value in connection.settings.items() if name != "base_url"}
    basis = msgspec.json.encode(
        [
            connection.marketplace,
            settings,
            connection.backfill_since if stream.sort is not Sort.SNAPSHOT else None,
            connection.store_buyer_pii,
            stream.version,
        ],
        order="deterministic",
    )
    return hashlib.blake2b(basis, digest_size=8).hexdigest()


def open_window(terms: Terms, cursor: Cursor, now: datetime) -> OpenWindow | None:
    """The window to read: the one that is open, or a new one; None where there is nothing to ask for."""
    stream = terms.stream
    if cursor.window is not None:
        return cursor.window if stream.durable_token else without_token(terms, cursor.window)
    until = now - stream.age
    long = stream.sort is Sort.ROLLING and (
        cursor.since is None or cursor.long_read_at is None or now - cursor.long_read_at >= LONG_EVERY
    )
    if cursor.since is None or stream.sort is Sort.SNAPSHOT:
        since = terms.start
    elif stream.sort is Sort.INCREMENTAL:
        since = cursor.since - terms.lookback
    else:
        since = min(cursor.since - terms.lookback, until - (stream.long_span if long else stream.short_span))
    since = max(since, terms.start)
    if since >= until:
        return None
    return OpenWindow(since=since, until=until, long=long, full=cursor.full)


def without_token(terms: Terms, window: OpenWindow) -> OpenWindow:
    """The window from its last sure position: the start, unless rows are known to come in order."""
    return msgspec.structs.replace(
        window,
        since=window.position if terms.stream.ordered and window.position is not None else window.since,
        token=None,
        read=0,
        seen=b"",
        blind=False,
    )


def asked(window: OpenWindow) -> Window:
    """What the connector is asked for."""
    return Window(since=window.since, until=window.until)


def completed(cursor: Cursor, window: OpenWindow, now: datetime) -> Cursor:
    """The cursor after the window's last page: only here does `since` move."""
    return Cursor(since=window.until, long_read_at=now if window.long else cursor.long_read_at)


def oldest_remembered(terms: Terms, until: datetime) -> int:
    """The day before which a digest need not remember: no later window reads it; 0 where it must."""
    stream = terms.stream
    if stream.remembers_all:
        return 0
    span = stream.long_span if stream.sort is Sort.ROLLING else terms.lookback
    return max(1, day_of(until - span) - 1)


def day_of(moment: datetime) -> int:
    """Days since 1970-01-01 UTC, as a digest entry keeps them."""
    return min(65_535, max(0, (moment - _DAY_ZERO).days))
