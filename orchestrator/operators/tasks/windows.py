"""The progress of a connection's open windows: how far, how fast, and how much work is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from orchestrator.model.state import OpenWindow, StreamState, SyncState

_MINUTE_S = 60.0
#: A window that has been read for a shorter time has no rate yet.
_LEAST_S = 1.0


class WindowProgress(msgspec.Struct, kw_only=True, frozen=True):
    """The progress of an open window; times of modification, times of day in UTC."""

    stream: str
    since: datetime
    until: datetime
    #: The latest modification time read; None if the marketplace's order does not tell.
    position: datetime | None
    #: Records read so far.
    read: int
    #: The marketplace's own count of the window; None if it gives none.
    total: int | None
    #: The share read, 0 to 1: of the marketplace's count, else of the span's dates; None if neither tells.
    done: float | None
    #: Records read per minute of reading; None if too little is read to tell.
    records_per_minute: float | None
    #: Days of the span read per minute of reading; None if its order does not tell.
    days_per_minute: float | None
    #: Seconds of reading that are left at this rate, waits aside; None if unknown.
    remaining_s: float | None
    #: Whether the history is rewritten in a new version of the records.
    rewrites: bool = False


def windows(state: SyncState) -> list[WindowProgress]:
    """The open windows of a connection, in order of the stream; those that rewrite history last."""
    streams = sorted(state.streams.items())
    return [*_open(streams), *_rewriting(streams)]


def _open(streams: list[tuple[str, StreamState]]) -> Iterator[WindowProgress]:
    for name, stream in streams:
        if stream.cursor.window is not None:
            yield progress(name, stream.cursor.window, stream.took_s)


def _rewriting(streams: list[tuple[str, StreamState]]) -> Iterator[WindowProgress]:
    """The first window of each stream's rewriting: the others have not begun. Its time is not measured."""
    for name, stream in streams:
        if stream.migration:
            yield progress(name, stream.migration[0], 0, rewrites=True)


def progress(stream: str, window: OpenWindow, took_s: float, *, rewrites: bool = False) -> WindowProgress:
    """The progress of one window that has been read for `took_s` seconds."""
    days, done = None, None
    if window.position is not None and window.until > window.since:
        passed = min(max(window.position, window.since), window.until) - window.since
        days, done = passed.total_seconds() / 86_400, passed / (window.until - window.since)
    if window.total:
        done = min(1.0, window.read / window.total)
    minutes = took_s / _MINUTE_S if took_s >= _LEAST_S else None
    return WindowProgress(
        stream=stream,
        since=window.since,
        until=window.until,
        position=window.position,
        read=window.read,
        total=window.total,
        done=round(done, 4) if done is not None else None,
        records_per_minute=round(window.read / minutes, 1) if minutes and window.read else None,
        days_per_minute=round(days / minutes, 2) if minutes and days else None,
        remaining_s=round(took_s * (1 - done) / done) if minutes and done else None,
        rewrites=rewrites,
    )
