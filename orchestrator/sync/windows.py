"""Windows and cursors: the span to ask for next, and the certain progress afterwards. Pure functions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.marketplaces.spec import AnyStream, Listing
from orchestrator.model.connection import Connection
from orchestrator.model.state import Cursor, OpenWindow

#: A long span may be read this much before it is due, so that it stays with the same tick of the day.
LONG_SLACK = timedelta(minutes=30)
#: A listing rests this many times as long as it took, a day at most; a shorter listing does not rest.
REST_FACTOR = 9
RESTLESS = timedelta(minutes=1)
MAX_REST = timedelta(days=1)
#: The marketplace's clock may be told in whole seconds.
CLOCK_SLACK = timedelta(seconds=2)
_DAY_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Terms:
    """The values that a stream's windows depend on."""

    stream: AnyStream
    #: No window reaches back before this.
    start: datetime
    lookback: timedelta
    #: How often the stream's long span is read.
    long_every: timedelta


def terms(stream: AnyStream, connection: Connection, epoch: datetime, lookback: timedelta) -> Terms:
    """The terms of one stream of a connection."""
    start = connection.backfill_since
    return Terms(
        stream=stream,
        start=max(start, epoch) if start is not None else epoch,
        lookback=lookback,
        long_every=timedelta(hours=connection.reconcile_hours),
    )


def scope_of(stream: AnyStream, connection: Connection) -> str:
    """Hash of the connection's fields that a stream's records depend on; a changed hash means starting again.

    The stream's version is stored beside it: another version starts nothing again.
    """
    return _hash(
        [
            connection.marketplace,
            _settings(connection),
            connection.backfill_since if stream.listing is not Listing.SNAPSHOT else None,
            connection.store_buyer_pii,
            connection.keep_raw,
            connection.organization_id,
        ]
    )


def is_scope_of(scope: str, stream: AnyStream, connection: Connection) -> bool:
    """Whether a stored scope is the connection's, in the form of this release or of release 0.1.

    Release 0.1 hashed a stream's version together with fewer fields. A hash cannot be taken apart, but every
    stream of that release had version 1: so its hash can be computed, and its states are told from those
    of a connection that was edited. They lack a version, which is read as 1.
    """
    return scope in {scope_of(stream, connection), _scope_of_release_0_1(stream, connection)}


def _scope_of_release_0_1(stream: AnyStream, connection: Connection) -> str:
    return _hash(
        [
            connection.marketplace,
            _settings(connection),
            connection.backfill_since if stream.listing is not Listing.SNAPSHOT else None,
            connection.store_buyer_pii,
            1,
        ]
    )


def _settings(connection: Connection) -> dict[str, object]:
    """The settings without a sandbox's address, which says nothing about its content."""
    return {name: value for name, value in connection.settings.items() if name != "base_url"}


def _hash(basis: list[object]) -> str:
    encoded = msgspec.json.encode(basis, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=8).hexdigest()


def open_window(
    terms: Terms, cursor: Cursor, now: datetime, told: datetime | None = None
) -> OpenWindow | None:
    """The window to read: the open window, or a new one; None if it would be empty.

    A clock that is ahead must not put an end into the future: `since` would pass changes that are made
    after the listing. So the earliest clock counts: here this process's and the store's, in `shortened` the
    marketplace's own.

    Args:
        terms: The stream's terms.
        cursor: Its cursor.
        now: The time by this process's clock.
        told: The store's time; None if it tells none.
    """
    stream = terms.stream
    if cursor.window is not None:
        return cursor.window if stream.durable_token else without_token(terms, cursor.window)
    until = min(now, told or now) - stream.age
    read_at = cursor.long_read_at
    long = bool(stream.long_span) and (read_at is None or now - read_at >= terms.long_every - LONG_SLACK)
    if cursor.since is None or stream.listing is Listing.SNAPSHOT:
        since = terms.start
    else:
        span = stream.long_span if long else stream.short_span
        since = max(terms.start, min(cursor.since - terms.lookback, _back(until, span)))
    if since >= until:
        return None
    return OpenWindow(since=since, until=until, long=long, full=cursor.full)


def lists_all(stream: AnyStream, window: OpenWindow) -> bool:
    """Whether known records of the window's span that it does not show may have vanished."""
    return stream.listing is Listing.SNAPSHOT or (stream.listing is Listing.INCREMENTAL and window.long)


def _back(until: datetime, span: timedelta) -> datetime:
    """A span before a moment, but not before 1970."""
    return until - span if span < until - _DAY_ZERO else _DAY_ZERO


def without_token(terms: Terms, window: OpenWindow) -> OpenWindow:
    """The window from its last certain position: the start, unless rows are known to come in order."""
    return msgspec.structs.replace(
        window,
        since=window.position if terms.stream.ordered and window.position is not None else window.since,
        token=None,
        read=0,
        total=None,
        seen=b"",
        blind=False,
        recent=b"",
        stale=0,
        stored=b"",
    )


def from_start(window: OpenWindow) -> OpenWindow:
    """The window as if none of it had been read."""
    return OpenWindow(since=window.since, until=window.until, long=window.long, full=window.full)


def given_up(terms: Terms, cursor: Cursor, window: OpenWindow) -> Cursor:
    """The cursor after a window whose listing ended early: `since` stays, and the next window ends later.

    A long span is not read again before it is due, so that the stream keeps up with changes meanwhile.
    """
    read_at = window.until + terms.stream.age if window.long else cursor.long_read_at
    return msgspec.structs.replace(cursor, window=None, long_read_at=read_at)


def shortened(window: OpenWindow, server_time: datetime | None, age: timedelta) -> OpenWindow | None:
    """The window with an end before the marketplace's own clock; None if it has such an end already.

    Args:
        window: A window is fixed once a page of it was taken: then None is returned, too.
        server_time: The marketplace's clock; None if it is not known.
        age: How old a window's end must be.
    """
    if server_time is None or window.token is not None or window.read:
        return None
    until = server_time - age
    return msgspec.structs.replace(window, until=until) if until < window.until - CLOCK_SLACK else None


def rest(stream: AnyStream, took: timedelta, now: datetime) -> datetime | None:
    """Until when a stream that lists everything rests after a listing; None if it does not rest.

    A listing that took long (many items, a slow or limited marketplace) is not begun again at once: it
    takes up a tenth of the time. A short listing has no rest, even if it lay idle in between.
    """
    if stream.listing is not Listing.SNAPSHOT or took < RESTLESS:
        return None
    return now + min(REST_FACTOR * took, MAX_REST)


def completed(terms: Terms, cursor: Cursor, window: OpenWindow, took: timedelta) -> Cursor:
    """The cursor after the window's last page: only here does `since` move, and never back.

    A window may end before the last one did, if the clock of another instance was behind. `long_read_at`
    becomes the time at which the long span would have been read had the window never lain idle.
    """
    since = window.until if cursor.since is None else max(cursor.since, window.until)
    read_at = window.until + terms.stream.age + took
    return Cursor(since=since, long_read_at=read_at if window.long else cursor.long_read_at)


def oldest_remembered(terms: Terms, until: datetime) -> int:
    """The first day that a digest must remember: no later window reads an earlier one; 0 means every day."""
    stream = terms.stream
    if stream.remembers_all:
        return 0
    span = max(terms.lookback, stream.short_span, stream.long_span)
    return max(1, day_of(_back(until, span)) - 1)


def oldest_listed(terms: Terms, window: OpenWindow) -> int:
    """The first day of which a complete listing of this window shows every record; 0 if it shows all."""
    return 0 if window.since <= terms.start else day_of(window.since) + 1


def day_of(moment: datetime) -> int:
    """Days since 1970-01-01 UTC, within the range of a digest entry."""
    return min(65_534, max(0, (moment - _DAY_ZERO).days))
