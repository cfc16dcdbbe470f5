"""A stream's stored state under the connection and the stream's version as they are now. Pure functions."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from orchestrator.marketplaces.spec import Listing
from orchestrator.model.connection import Connection
from orchestrator.model.state import Cursor, OpenWindow, StreamState
from orchestrator.sync import windows
from orchestrator.sync.windows import Terms


def current(terms: Terms, known: StreamState | None, connection: Connection) -> StreamState:
    """The state to work on: another scope starts again, another version rewrites history beside the ticks.

    The digest of the stored records stays true in both cases. It holds hashes that were made with the version
    before, so that every record is written once when it is listed again, by whichever window is the first.

    Args:
        terms: The stream's terms.
        known: The stored state; None if the stream was never read.
        connection: The connection as it is now.
    """
    scope, version = windows.scope_of(terms.stream, connection), terms.stream.version
    if known is None:
        return StreamState(scope=scope, version=version)
    cursor, migration = known.cursor, known.migration
    if not windows.is_scope_of(known.scope, terms.stream, connection):
        cursor, migration = Cursor(full=cursor.full), ()
    elif known.version != version:
        migration = _history(terms, cursor)
    elif cursor.since is None and cursor.window is None:
        # Everything is about to be read from its beginning: a person has asked for it.
        migration = ()
    state = msgspec.structs.replace(known, scope=scope, version=version, cursor=cursor, migration=migration)
    return state if cursor.window is not None else msgspec.structs.replace(state, took_s=0.0)


def left_to_history(terms: Terms, state: StreamState, window: OpenWindow) -> OpenWindow | None:
    """The part of the history whose known records a window leaves to the migration; None if there is none.

    A reconcile would find a difference in each of them, and changes would wait until all are read in full and
    written. It still tells which of them have vanished. Records from behind `since`, and those that may be
    indexed late, are changes that no window has stored so far: the reconcile stores them.
    """
    since = state.cursor.since
    is_reconcile = terms.stream.listing is Listing.INCREMENTAL and window.long
    if not is_reconcile or since is None or not state.migration:
        return None
    first = state.migration[0]
    return msgspec.structs.replace(first, until=min(first.until, since - terms.lookback))


def _history(terms: Terms, cursor: Cursor) -> tuple[OpenWindow, ...]:
    """The windows over all records that an earlier version may have written, the latest first.

    They end with the last window of that version. An open window continues from its page token: its later
    pages are written in the new version, and its earlier ones belong to this history. The first window is the
    span of a reconcile, which leaves it to the migration. A listing of everything needs no such window: the
    next one shows every record.
    """
    ends = [cursor.since, cursor.window.until if cursor.window is not None else None]
    start, until = terms.start, max((end for end in ends if end is not None), default=terms.start)
    if terms.stream.listing is Listing.SNAPSHOT or until <= start:
        return ()
    span = terms.stream.long_span
    if not timedelta(0) < span < until - start:
        return (OpenWindow(since=start, until=until),)
    return OpenWindow(since=until - span, until=until), OpenWindow(since=start, until=until - span)
