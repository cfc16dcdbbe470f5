"""Stored records for operators: showing one, and completing the envelopes of earlier releases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, NotFound, RecordInvalid, RequestError
from orchestrator.model import ids
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import STREAMS, Connection, connection_from_document
from orchestrator.operators.connections import not_found
from orchestrator.ports import Document, Query, Snapshot, Update
from orchestrator.runs.audit import entry
from orchestrator.services import Services

#: Documents of one page and at most one commit. A page is in memory, and a document has up to 1 MiB.
PAGE = 250
#: The form of documents that an earlier release wrote: they lack the envelope and the fields that came later.
_FIRST_SCHEMA = 1


class Progress(msgspec.Struct, kw_only=True, frozen=True):
    """How far the envelopes of a connection's documents are completed."""

    #: The last document that was read: `orders/1001`, for `--after`.
    place: str
    read: int
    patched: int


class RecordView(msgspec.Struct, kw_only=True, frozen=True):
    """One stored record."""

    path: str
    document: Document


def show_record(services: Services, connection_id: str, stream: str, record_id: str) -> RecordView:
    """Read one record's document.

    Raises:
        NotFound: No such record is stored.
        RequestError: An unknown stream.
    """
    _require_stream(stream)
    snapshot = None
    try:
        path = f"{ids.connection_path(connection_id)}/{stream}/{ids.escape(record_id)}"
    except RecordInvalid:
        path = ""
    if path and ids.is_document_id(connection_id):
        snapshot = services.store.get(path)
    if snapshot is None:
        raise NotFound(
            f"connection {connection_id!r} has no {stream} record {record_id!r}",
            action="an order's id is often not its number; `rejects list` names records that are not stored",
        )
    return RecordView(path=snapshot.path, document=snapshot.data)


def complete_envelopes(
    services: Services,
    connection_id: str,
    *,
    by: Actor,
    after: str | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Add the envelope to documents that lack it or name another owner; the others stay as they are.

    Each is changed under the version that was read, so that a record which a sync writes meanwhile stays as
    the sync wrote it.

    Args:
        services: The ports.
        connection_id: The connection.
        by: Who asks.
        after: Continue behind this document of an interrupted call, such as `orders/1001`.
        report: Called after each page.

    Raises:
        NotFound: No such connection.
        ConnectionInvalid: Its document is malformed.
        RequestError: `after` names no document.
        StoreUnavailable: Call it again, with `after` from the last report.
    """
    stream, last = _place(after)
    _owner(services, connection_id)
    asked = entry(services, by, Action.COMPLETE_ENVELOPES, connection_id=connection_id, details=after or "")
    services.store.commit([asked])
    progress = Progress(place=after or "", read=0, patched=0)
    for name in STREAMS[STREAMS.index(stream) :]:
        while True:
            read, patched, last = _complete_page(services, connection_id, name, last)
            progress = Progress(
                place=f"{name}/{last}" if last is not None else progress.place,
                read=progress.read + read,
                patched=progress.patched + patched,
            )
            if read:
                report(progress)
            if read < PAGE:
                break
        last = None
    return progress


def _complete_page(
    services: Services, connection_id: str, stream: str, after: str | None
) -> tuple[int, int, str | None]:
    """Complete the documents of one page; returns how many were read and patched, and the last one's id."""
    attempts = Attempts(services, f"the {stream} of {connection_id} change too often; continue later")
    collection = f"{ids.connection_path(connection_id)}/{stream}"
    while True:
        # Read for each page: the connection may change hands meanwhile.
        owner = _owner(services, connection_id)
        query = Query(collection, after=(after,) if after is not None else None, limit=PAGE)
        found = services.store.query(query)
        updates = _updates(services, connection_id, owner, found)
        try:
            if updates:
                services.store.commit(updates)
        except Conflict:
            attempts.again()
        else:
            return len(found), len(updates), found[-1].id if found else after


def _updates(
    services: Services, connection_id: str, owner: Connection, found: Sequence[Snapshot]
) -> list[Update]:
    envelope: dict[str, Any] = {
        "organization_id": owner.organization_id,
        "connection_id": connection_id,
        "marketplace": owner.marketplace,
    }
    now = services.store.now() or services.clock.now()
    return [
        Update(
            snapshot.path,
            {**envelope, "schema": snapshot.data.get("schema", _FIRST_SCHEMA), "synced_at": now},
            version=snapshot.version,
        )
        for snapshot in found
        if "schema" not in snapshot.data
        or any(snapshot.data.get(name) != value for name, value in envelope.items())
    ]


def _owner(services: Services, connection_id: str) -> Connection:
    snapshot = None
    if ids.is_document_id(connection_id):
        snapshot = services.store.get(ids.connection_path(connection_id))
    if snapshot is None:
        raise not_found(connection_id)
    return connection_from_document(connection_id, snapshot.data)


def _place(after: str | None) -> tuple[str, str | None]:
    """The stream and the document id behind which to continue."""
    if after is None:
        return STREAMS[0], None
    stream, _, document_id = after.partition("/")
    _require_stream(stream)
    if not ids.is_document_id(document_id):
        raise RequestError(f"after: {after[:80]!r} names no document; write it as orders/1001")
    return stream, document_id


def _require_stream(stream: str) -> None:
    if stream not in STREAMS:
        raise RequestError(f"stream: {stream[:40]!r} is unknown; it takes {', '.join(STREAMS)}")
