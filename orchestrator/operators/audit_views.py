"""Who did what: the latest actions, of all or about one connection or run."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestrator.errors import RequestError
from orchestrator.model.audit import AuditEntry
from orchestrator.model.documents import read_all
from orchestrator.operators.paging import read_token, require_between, write_token
from orchestrator.ports import DocumentStore, Filter, Query

MOST = 100


class AuditPage(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Some actions, the latest first."""

    entries: list[AuditEntry]
    next_page_token: str | None
    #: Documents that cannot be read and are left out here, a sentence each.
    faults: list[str] = []


def list_audit(
    store: DocumentStore,
    *,
    connection_id: str | None = None,
    run_id: str | None = None,
    page_token: str | None = None,
    limit: int = 20,
) -> AuditPage:
    """List actions, the latest first.

    Args:
        store: The documents.
        connection_id: Only those about this connection.
        run_id: Only those about this run.
        page_token: From the page before, with the same filters.
        limit: At most this many, from 1 to 100.

    Raises:
        RequestError: A malformed page token, or a limit out of range.
    """
    require_between("limit", limit, 1, MOST)
    after = _behind(read_token(page_token, 2))
    wanted = {"connection_id": connection_id, "run_id": run_id}
    where = [Filter(name, "==", value) for name, value in wanted.items() if value is not None]
    found = store.query(
        Query(
            "audit",
            where=where,
            order_by="at",
            descending=True,
            after=after,
            limit=limit + 1,
        )
    )
    entries, faults = read_all(AuditEntry, found[:limit])
    token = None
    if len(found) > limit:
        last = found[limit - 1]
        token = write_token(last.data["at"].isoformat(), last.id)
    return AuditPage(entries=[entry for _, entry in entries], next_page_token=token, faults=faults)


def _behind(position: tuple[str, ...] | None) -> tuple[datetime, str] | None:
    """Where a page begins, from its token."""
    if position is None:
        return None
    try:
        at = datetime.fromisoformat(position[0])
    except ValueError as error:
        raise RequestError("page_token: it belongs to another list") from error
    if at.tzinfo is None:
        raise RequestError("page_token: it belongs to another list")
    return at, position[1]
