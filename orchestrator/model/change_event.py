"""Changes of a connection's records that a task made, and the event that tells consumers of them.

An event is a CloudEvent 1.0 in structured JSON (github.com/cloudevents/spec, v1.0.2). It never holds a
record's content.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

_SOURCE = "/marketplace-sync"
CHANGED = "marketplace-sync.connection.changed.v1"
PURGED = "marketplace-sync.connection.purged.v1"
#: Of a structured CloudEvent.
CONTENT_TYPE = "application/cloudevents+json"


class StreamChanges(msgspec.Struct, kw_only=True, frozen=True):
    """Records of one stream that were stored or marked as deleted."""

    written: int = 0
    deleted: int = 0
    #: The earliest `synced_at` of these writes: a consumer reads the stream from here on.
    since: datetime

    def plus(self, other: StreamChanges) -> StreamChanges:
        """The sum of both."""
        return StreamChanges(
            written=self.written + other.written,
            deleted=self.deleted + other.deleted,
            since=min(self.since, other.since),
        )


class Changes(msgspec.Struct, kw_only=True, frozen=True):
    """Changes of one connection of which consumers are not told yet."""

    run_id: str
    organization_id: str
    streams: dict[str, StreamChanges] = {}

    def plus(self, later: Changes) -> Changes:
        """The sum with later changes, as those of the later run."""
        streams = dict(self.streams)
        for name, changes in later.streams.items():
            streams[name] = streams[name].plus(changes) if name in streams else changes
        return msgspec.structs.replace(later, streams=streams)


def joined(earlier: Changes | None, later: Changes | None) -> Changes | None:
    """The sum of both; None if there are none."""
    if earlier is None or later is None:
        return earlier or later
    return earlier.plus(later)


class Changed(msgspec.Struct, kw_only=True, frozen=True):
    """The data of an event: records of a connection were written or marked as deleted."""

    connection_id: str
    organization_id: str
    marketplace: str
    run_id: str
    #: Only streams with changes.
    streams: dict[str, StreamChanges]


class Purged(msgspec.Struct, kw_only=True, frozen=True):
    """The data of an event: all records of a removed connection were deleted."""

    connection_id: str
    #: None if it was not known any more.
    organization_id: str | None
    marketplace: str
    #: When the removal began; tells it from other removals of the same id.
    removed_at: datetime | None


class ChangeEvent(msgspec.Struct, kw_only=True, frozen=True):
    """One event; the fields are those of a CloudEvent."""

    specversion: str = "1.0"
    #: Two events with equal data have equal ids: the second one tells nothing new.
    id: str
    source: str = _SOURCE
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    #: The JSON of a `Changed` or `Purged`.
    data: msgspec.Raw

    def encoded(self) -> bytes:
        """The event as structured JSON."""
        return msgspec.json.encode(self)


def changed_event(connection_id: str, marketplace: str, changes: Changes, now: datetime) -> ChangeEvent:
    """The event that tells of changes."""
    data = Changed(
        connection_id=connection_id,
        organization_id=changes.organization_id,
        marketplace=marketplace,
        run_id=changes.run_id,
        streams=dict(sorted(changes.streams.items())),
    )
    return _event(CHANGED, connection_id, data, now)


def purged_event(data: Purged, now: datetime) -> ChangeEvent:
    """The event that tells of a purge."""
    return _event(PURGED, data.connection_id, data, now)


def _event(kind: str, connection_id: str, data: Changed | Purged, now: datetime) -> ChangeEvent:
    encoded = msgspec.json.encode(data)
    return ChangeEvent(
        id=hashlib.blake2b(kind.encode() + encoded, digest_size=16).hexdigest(),
        type=kind,
        subject=f"connections/{connection_id}",
        time=now,
        data=msgspec.Raw(encoded),
    )
