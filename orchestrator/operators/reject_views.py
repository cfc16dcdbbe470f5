"""Rejects for operators: records that the sync could not store, with the reason and the kept raw body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.errors import NotFound, RequestError
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.model.documents import attempt, read_all
from orchestrator.operators.connections import not_found
from orchestrator.operators.paging import read_token, require_between, write_token
from orchestrator.ports import Document, DocumentStore, Filter, Query, Snapshot

#: Most rejects in one page. Each may hold 500 KB of a raw body, all of which is read.
MOST = 100
LIMIT = 20
#: Connections that one page looks into at most, one query each.
SCANNED = 200
_UNSHOWN = "the marketplace cannot show it"
_REFUSED = "the store refuses it"
#: A page token continues within this connection behind the named reject, or behind the whole connection.
_WITHIN, _BEHIND = "within", "behind"


class Kind(StrEnum):
    """Why a record is not stored."""

    NOT_UNDERSTOOD = "not understood"
    NOT_SHOWN = "not shown by the marketplace"
    REFUSED = "refused by the store"


class Reject(msgspec.Struct, kw_only=True, frozen=True):
    """A reject without its raw body."""

    connection_id: str
    reject_id: str
    stream: str
    #: The record's id; None if it could not be read.
    record_id: str | None
    kind: Kind
    reason: str
    #: The run that met it first, or last with other content.
    run_id: str
    rejected_at: datetime
    #: The raw record's size; 0 if the marketplace did not show it.
    size_bytes: int


class RejectPage(msgspec.Struct, kw_only=True, frozen=True):
    """A page of rejects, in order of connection and reject."""

    rejects: list[Reject]
    #: The rejects of this page by reason, the most frequent first.
    by_reason: dict[str, int]
    #: All rejects of the chosen connection, stream and reason; None if no connection was chosen.
    total: int | None
    #: Asks for the next page; None on the last page. A page may be empty and have a successor.
    next_page_token: str | None
    #: Rejects of this page that cannot be read, a sentence each.
    faults: list[str]


class RejectView(msgspec.Struct, kw_only=True, frozen=True):
    """One reject."""

    #: None if the document cannot be read.
    reject: Reject | None
    #: The raw record as it is kept: cut, and without personal data unless the connection stores them.
    raw: str
    #: Why the document cannot be read; empty if it can.
    fault: str


class _Stored(msgspec.Struct, kw_only=True, frozen=True):
    """`connections/{connection_id}/rejects/{reject_id}`, as the sync writes it."""

    stream: str
    record_id: str | None = None
    reason: str
    run_id: str
    rejected_at: datetime
    raw_bytes: int


def list_rejects(
    store: DocumentStore,
    *,
    connection_id: str | None = None,
    stream: str | None = None,
    reason: str | None = None,
    page_token: str | None = None,
    limit: int = LIMIT,
) -> RejectPage:
    """List rejects of one connection, or of all of them.

    Args:
        store: The documents.
        connection_id: Only this connection's, even if it was removed.
        stream: Only this stream's.
        reason: Only those with exactly this reason.
        page_token: From the page before, with the same filters.
        limit: At most this many, from 1 to 100.

    Raises:
        NotFound: There is neither such a connection nor a reject of it.
        RequestError: An unknown stream, a malformed page token, a limit out of range.
    """
    require_between("limit", limit, 1, MOST)
    if stream is not None and stream not in STREAMS:
        raise RequestError(f"stream: {stream[:40]!r} is unknown; it takes {', '.join(STREAMS)}")
    where = [Filter("stream", "==", stream)] if stream is not None else []
    where += [Filter("reason", "==", reason)] if reason is not None else []
    found: list[Snapshot] = []
    token, last = None, ""
    looked_at = 0
    for name, after in _places(store, connection_id, page_token):
        looked_at, last = looked_at + 1, name
        query = Query(_collection(name), where=where, after=after, limit=limit + 1 - len(found))
        found += store.query(query)
        if len(found) > limit:
            found = found[:limit]
            token = write_token(_WITHIN, _connection_of(found[-1]), found[-1].id)
            break
    if token is None and connection_id is None and looked_at >= SCANNED:
        token = write_token(_BEHIND, "-", last)
    total = None
    if connection_id is not None:
        if not found and page_token is None and store.get(ids.connection_path(connection_id)) is None:
            raise not_found(connection_id)
        total = store.count(_collection(connection_id), where)
    shown, faults = read_all(_Stored, found)
    rejects = [_reject(snapshot, stored) for snapshot, stored in shown]
    return RejectPage(
        rejects=rejects,
        by_reason=dict(Counter(reject.reason for reject in rejects).most_common()),
        total=total,
        next_page_token=token,
        faults=faults,
    )


def show_reject(store: DocumentStore, connection_id: str, reject_id: str) -> RejectView:
    """Show one reject with its raw body.

    Raises:
        NotFound: No such reject.
    """
    snapshot = None
    if ids.is_document_id(connection_id) and ids.is_document_id(reject_id):
        snapshot = store.get(f"{_collection(connection_id)}/{reject_id}")
    if snapshot is None:
        raise NotFound(
            f"connection {connection_id!r} has no reject {reject_id!r}",
            action="it may be stored by now; `marketplace-sync rejects list` names those that are not",
        )
    stored, fault = attempt(_Stored, snapshot)
    reject = _reject(snapshot, stored) if stored is not None else None
    return RejectView(reject=reject, raw=_raw(snapshot.data), fault=fault)


def _places(
    store: DocumentStore, connection_id: str | None, page_token: str | None
) -> Iterator[tuple[str, tuple[str] | None]]:
    """The connections to look into, at most `SCANNED`, each with the reject behind which to begin."""
    position = read_token(page_token, 3)
    after: tuple[str] | None = None
    if position is not None:
        word, name, last = position
        is_known = word in {_WITHIN, _BEHIND} and ids.is_document_id(name)
        if not is_known or (connection_id is not None and (word, name) != (_WITHIN, connection_id)):
            raise RequestError("page_token: it belongs to another list")
        if word == _WITHIN:
            yield name, (last,)
        after = (name if word == _WITHIN else last,)
    if connection_id is None:
        for snapshot in store.query(Query("connections", after=after, limit=SCANNED)):
            yield snapshot.id, None
    elif position is None:
        if not ids.is_document_id(connection_id):
            raise not_found(connection_id)
        yield connection_id, None


def _reject(snapshot: Snapshot, stored: _Stored) -> Reject:
    kind = Kind.NOT_UNDERSTOOD
    if stored.reason.startswith(_UNSHOWN):
        kind = Kind.NOT_SHOWN
    elif stored.reason.startswith(_REFUSED):
        kind = Kind.REFUSED
    return Reject(
        connection_id=_connection_of(snapshot),
        reject_id=snapshot.id,
        stream=stored.stream,
        record_id=stored.record_id,
        kind=kind,
        reason=stored.reason,
        run_id=stored.run_id,
        rejected_at=stored.rejected_at,
        size_bytes=stored.raw_bytes,
    )


def _raw(document: Document) -> str:
    raw = document.get("raw")
    return raw if isinstance(raw, str) else ""


def _collection(connection_id: str) -> str:
    return f"{ids.connection_path(connection_id)}/rejects"


def _connection_of(snapshot: Snapshot) -> str:
    """The connection's id: the second part of a reject's path."""
    return snapshot.path.split("/")[1]
