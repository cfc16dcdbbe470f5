"""Rejects by connection, and a connection's rejects by reason: counted through an index, one by one not read.

A distinct value costs one document, found behind the value before, and one count. So the reads depend on the
number of connections and reasons that are shown, and not on the number of rejects or connections.
"""

from __future__ import annotations

import msgspec

from orchestrator.errors import RequestError
from orchestrator.model import ids
from orchestrator.operators.connections import not_found
from orchestrator.operators.paging import read_token, require_between, write_token
from orchestrator.ports import DocumentStore, Filter, Query, Snapshot

#: Connections or reasons in one page.
MOST = 50
LIMIT = 20


class ConnectionRejects(msgspec.Struct, kw_only=True, frozen=True):
    """A connection's number of rejects."""

    connection_id: str
    count: int
    #: The reason of one of them.
    example: str


class ReasonRejects(msgspec.Struct, kw_only=True, frozen=True):
    """A connection's number of rejects for one reason."""

    reason: str
    count: int
    #: One of them.
    example: str


class RejectCounts(msgspec.Struct, kw_only=True, frozen=True):
    """A page of counts: by connection, or by reason if one connection was chosen."""

    by_connection: list[ConnectionRejects]
    by_reason: list[ReasonRejects]
    #: All rejects of the chosen connection; None if none was chosen.
    total: int | None
    #: Asks for the next page; None on the last page.
    next_page_token: str | None


def count_by_connection(
    store: DocumentStore, *, page_token: str | None = None, limit: int = LIMIT
) -> RejectCounts:
    """The connections that have rejects, in order of their ids, each with their number.

    Rejects of earlier releases do not tell their connection until they are written again; `count_by_reason`
    counts them all the same.

    Raises:
        RequestError: A malformed page token, a limit out of range.
    """
    require_between("limit", limit, 1, MOST)
    position = read_token(page_token, 1)
    last = position[0] if position is not None else ""
    found: list[ConnectionRejects] = []
    while True:
        where = [Filter("connection_id", ">", last)]
        page = store.query(Query("rejects", where=where, order_by="connection_id", limit=1, group=True))
        if not page or len(found) == limit:
            token = write_token(last) if page else None
            return RejectCounts(by_connection=found, by_reason=[], total=None, next_page_token=token)
        last = page[0].data["connection_id"]
        # Of its own collection, which a removal empties; the field is only the way to find it.
        number = store.count(_collection(last)) if ids.is_document_id(last) else 0
        found.append(ConnectionRejects(connection_id=last, count=number, example=_reason(page[0])))


def count_by_reason(
    store: DocumentStore, connection_id: str, *, page_token: str | None = None, limit: int = LIMIT
) -> RejectCounts:
    """A connection's rejects by reason, in the order of the reasons' text, even if it was removed.

    Raises:
        NotFound: There is neither such a connection nor a reject of it.
        RequestError: A malformed page token, a limit out of range.
    """
    require_between("limit", limit, 1, MOST)
    if not ids.is_document_id(connection_id):
        raise not_found(connection_id)
    collection = _collection(connection_id)
    last = _reason_behind(store, collection, page_token)
    found: list[ReasonRejects] = []
    token = None
    while True:
        where = [Filter("reason", ">=" if last is None else ">", last or "")]
        page = store.query(Query(collection, where=where, order_by="reason", limit=1))
        if not page or len(found) == limit:
            # A reason may be longer than a token's parts: the reject that has it takes its place.
            token = write_token(found[-1].example) if page else None
            break
        last = _reason(page[0])
        number = store.count(collection, [Filter("reason", "==", last)])
        found.append(ReasonRejects(reason=last, count=number, example=page[0].id))
    if not found and store.get(ids.connection_path(connection_id)) is None:
        raise not_found(connection_id)
    total = store.count(collection)
    return RejectCounts(by_connection=[], by_reason=found, total=total, next_page_token=token)


def _reason_behind(store: DocumentStore, collection: str, page_token: str | None) -> str | None:
    position = read_token(page_token, 1)
    if position is None:
        return None
    snapshot = store.get(f"{collection}/{position[0]}")
    if snapshot is None:
        raise RequestError("page_token: the reject it names is stored by now; begin with the first page")
    return _reason(snapshot)


def _reason(reject: Snapshot) -> str:
    reason = reject.data.get("reason")
    return reason if isinstance(reason, str) else ""


def _collection(connection_id: str) -> str:
    return f"{ids.connection_path(connection_id)}/rejects"
