"""A connection's history: its tasks in all runs, and the one that is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.errors import RequestError
from orchestrator.model import ids
from orchestrator.model.documents import attempt, read_all
from orchestrator.model.run import Task
from orchestrator.model.state import LastRun, Open, SyncState
from orchestrator.operators.connections import not_found, paths
from orchestrator.operators.paging import read_token, require_between, write_token
from orchestrator.operators.tasks.open_tasks import OpenConnection, open_task
from orchestrator.ports import Document, DocumentStore, Filter, Query, Snapshot

#: Most tasks of a page.
MOST = 100
LIMIT = 20
#: In a page token, instead of a shard: the record is in its usual place.
_USUAL = "-"
#: A record is kept for at least this long (RETENTION_DAYS).
_KEPT = timedelta(days=2)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class History(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A page of a connection's tasks, newest first."""

    connection_id: str
    #: Task records, each with its `run_id`.
    tasks: list[Document]
    #: Asks for the next page; None on the last page.
    next_page_token: str | None
    #: The open task; None if there is none, and on later pages.
    open: OpenConnection | None = None
    #: When the latest task ended, if it has no record because nothing happened in it; None on later pages.
    unchanged_at: datetime | None = None
    #: Documents that cannot be read and are left out, a sentence each; absent if there are none.
    faults: list[str] = []


def history(
    store: DocumentStore,
    connection_id: str,
    *,
    lease_seconds: float,
    now: datetime,
    page_token: str | None = None,
    limit: int = LIMIT,
) -> History:
    """A connection's tasks across runs, as long as their records are kept, even if it was removed.

    Args:
        store: The documents.
        connection_id: The connection.
        lease_seconds: How long a lease lasts.
        now: The time.
        page_token: From the page before.
        limit: At most this many, from 1 to 100.

    Raises:
        NotFound: There is neither such a connection nor a task of it.
        RequestError: A malformed page token, a limit out of range.
    """
    require_between("limit", limit, 1, MOST)
    if not ids.is_document_id(connection_id):
        raise not_found(connection_id)
    after = _position(connection_id, page_token)
    # Before its tasks: one that ends in between is told by its record alone.
    documents = store.get_many(paths(connection_id)) if page_token is None else []
    found = _records(store, connection_id, after, limit + 1)
    faults, task, unchanged_at = [], None, None
    if documents:
        connection, state = documents
        if connection is None and not found:
            raise not_found(connection_id, state)
        known, fault = attempt(SyncState, state) if state is not None else (SyncState(), "")
        faults = [fault] if fault else []
        if known is not None and not _is_closed(known.open, found):
            task = open_task(connection_id, known, lease_seconds)
        unchanged_at = _unchanged_at(known, found, now) if known is not None else None
    shown, unread = read_all(Task, found[:limit])
    return History(
        connection_id=connection_id,
        tasks=[snapshot.data for snapshot, _ in shown],
        next_page_token=_token(found[limit - 1]) if len(found) > limit else None,
        open=task,
        unchanged_at=unchanged_at,
        faults=faults + unread,
    )


def _records(
    store: DocumentStore, connection_id: str, after: tuple[datetime, str] | None, limit: int
) -> list[Snapshot]:
    """Records of a connection's tasks, newest first; one whose time is no time has no place in the list."""
    where = [Filter("connection_id", "==", connection_id), Filter("finished_at", ">", _FIRST)]
    return store.query(
        Query(
            "tasks",
            where=where,
            order_by="finished_at",
            descending=True,
            after=after,
            limit=limit,
            group=True,
        )
    )


def _unchanged_at(state: SyncState, found: Sequence[Snapshot], now: datetime) -> datetime | None:
    """The time of the last success, if it has no record and is later than the newest one.

    A sweep may have closed the task that it was with a record, before its work was stored. Without any record
    an old success proves nothing: its record may have expired.
    """
    at, last = state.last_success_at, state.last_run
    if at is None or (not found and at < now - _KEPT):
        return None
    if found and (found[0].data["finished_at"] >= at or _is_of(found[0], last)):
        return None
    return at


def _is_closed(opened: Open | None, found: Sequence[Snapshot]) -> bool:
    """Whether the open task has ended since the state was read."""
    return bool(found) and _is_of(found[0], opened)


def _is_of(record: Snapshot, run: Open | LastRun | None) -> bool:
    return run is not None and record.data.get("run_id") == run.run_id


def _token(snapshot: Snapshot) -> str:
    """The position behind a record: its time, and the run and shard in its path."""
    parts = snapshot.path.split("/")
    finished_at: datetime = snapshot.data["finished_at"]
    return write_token(finished_at.isoformat(), _USUAL if len(parts) == 4 else parts[3], parts[1])


def _position(connection_id: str, page_token: str | None) -> tuple[datetime, str] | None:
    position = read_token(page_token, 3)
    if position is None:
        return None
    time, shard, run_id = position
    try:
        finished_at = datetime.fromisoformat(time).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RequestError("page_token: it belongs to another list") from error
    if not ids.is_document_id(shard):
        raise RequestError("page_token: it belongs to another list")
    if shard == _USUAL:
        return finished_at, ids.task_path(run_id, connection_id)
    return finished_at, ids.second_task_path(run_id, shard, connection_id)
