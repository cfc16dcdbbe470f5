"""What is read about runs: lists, and one run in detail.

Every answer costs a bounded number of document reads, however many connections there are.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import NotFound, RequestError
from orchestrator.model import ids
from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, RunStatus, Shard, TaskStatus
from orchestrator.model.state import Open, SyncState
from orchestrator.ports import Document, DocumentStore, Filter, Query, Snapshot

#: Runs are read in pages of this many while a filter is applied to them here, and no more than so many pages.
_SCAN_PAGE = 100
_SCAN_PAGES = 5
#: Open shards and open connections that a running run is shown with.
OPEN_SHARDS = 20
OPEN_CONNECTIONS = 20

_token = msgspec.json.Decoder(tuple[str, ...])


class RunPage(msgspec.Struct, kw_only=True, frozen=True):
    """Some runs, newest first: run documents, each with its `run_id`."""

    runs: list[Document]
    #: Asks for the page after this one; None on the last. A page may be short of its limit before that.
    next_page_token: str | None


class OpenConnection(msgspec.Struct, kw_only=True, frozen=True):
    """A connection that a run still waits for."""

    connection_id: str
    shard: str
    #: `working`, `between_slices`, `waiting` (the marketplace asked for it) or `not_started`.
    state: str
    attempts: int = 0
    slices: int = 0
    started_at: datetime | None = None
    not_before: datetime | None = None
    #: Records read so far.
    seen: int = 0


class OpenShard(msgspec.Struct, kw_only=True, frozen=True):
    """A shard of which not all tasks are final."""

    shard: str
    marketplace: str
    planned: int
    open: int


class Progress(msgspec.Struct, kw_only=True, frozen=True):
    """How far a run is that is not over."""

    #: Final tasks so far.
    tasks: TaskTotals
    open_shards: int
    #: Some of the open shards, the fullest first.
    shards: list[OpenShard]
    #: Some of the connections they wait for.
    connections: list[OpenConnection]


class RunView(msgspec.Struct, kw_only=True, frozen=True):
    """One run with a page of its tasks, in order of connection id."""

    run: Document
    tasks: list[Document]
    next_page_token: str | None
    #: None once the run is over.
    progress: Progress | None


def list_runs(
    store: DocumentStore,
    *,
    status: str | None = None,
    marketplace: str | None = None,
    page_token: str | None = None,
    limit: int = 20,
) -> RunPage:
    """List runs, newest first.

    Args:
        store: Where they are.
        status: Only runs in this status.
        marketplace: Only runs that this marketplace takes part in.
        page_token: Of the page before, with the same filters.
        limit: At most this many, from 1 to 100.

    Raises:
        RequestError: An unknown status or marketplace, a malformed page token, a limit out of range.
    """
    _require("status", status, [known.value for known in RunStatus])
    _require("marketplace", marketplace, MARKETPLACES)
    _require_limit(limit)
    after: tuple[str, ...] | None = _read_token(page_token, 2)
    where = [Filter("status", "==", status)] if status is not None else []
    # Which marketplaces take part stands in a map, and an index for each of its keys would be paid for
    # with every run; nearly every run has every marketplace, so it is filtered here.
    size = limit + 1 if marketplace is None else _SCAN_PAGE
    found: list[Snapshot] = []
    for _ in range(1 if marketplace is None else _SCAN_PAGES):
        page = store.query(
            Query("runs", where=where, order_by="order", descending=True, after=after, limit=size)
        )
        for snapshot in page:
            if marketplace is None or marketplace in snapshot.data.get("dispatch", {}):
                found.append(snapshot)
            if len(found) > limit:
                return RunPage(
                    runs=[with_id(run) for run in found[:limit]], next_page_token=_run_token(found[limit - 1])
                )
            after = (snapshot.data["order"], snapshot.id)
        if len(page) < size:
            return RunPage(runs=[with_id(run) for run in found], next_page_token=None)
    return RunPage(runs=[with_id(run) for run in found], next_page_token=_write_token(*(after or ())))


def show_run(
    store: DocumentStore, run_id: str, *, page_token: str | None = None, limit: int = 100
) -> RunView:
    """Show a run, a page of its tasks and, while it is open, what it still waits for.

    Raises:
        NotFound: No such run.
        RequestError: A malformed page token, a limit out of range.
    """
    _require_limit(limit)
    after = _read_token(page_token, 1)
    snapshot = store.get(ids.run_path(run_id)) if ids.is_document_id(run_id) else None
    if snapshot is None:
        raise NotFound(f"no such run: {run_id}")
    tasks = store.query(Query(f"{snapshot.path}/tasks", after=after, limit=limit + 1))
    is_over = from_document(Run, snapshot.data).status.is_final
    return RunView(
        run=with_id(snapshot),
        tasks=[{"connection_id": task.id, **task.data} for task in tasks[:limit]],
        next_page_token=_write_token(tasks[limit - 1].id) if len(tasks) > limit else None,
        progress=None if is_over else _progress(store, snapshot.path),
    )


def with_id(snapshot: Snapshot) -> Document:
    """A run's document as people see it: with its `run_id`."""
    return {"run_id": snapshot.id, **snapshot.data}


def _progress(store: DocumentStore, run_path: str) -> Progress:
    final = {
        known.value: store.count(f"{run_path}/tasks", [Filter("status", "==", known.value)])
        for known in TaskStatus
    }
    is_open = [Filter("open", ">", 0)]
    shards = store.query(
        Query(f"{run_path}/shards", where=is_open, order_by="open", descending=True, limit=OPEN_SHARDS)
    )
    return Progress(
        tasks=TaskTotals(total=sum(final.values()), **final),
        # Counting costs one read for a thousand; where all are listed not even that.
        open_shards=len(shards) if len(shards) < OPEN_SHARDS else store.count(f"{run_path}/shards", is_open),
        shards=[
            OpenShard(
                shard=shard.id,
                marketplace=shard.data["marketplace"],
                planned=len(shard.data["ids"]),
                open=shard.data["open"],
            )
            for shard in shards
        ],
        connections=_open_connections(store, run_path, shards[:2]),
    )


def _open_connections(
    store: DocumentStore, run_path: str, shards: Iterable[Snapshot]
) -> list[OpenConnection]:
    """Connections of these shards without a final task, with what they are at."""
    planned = [(shard.id, name) for shard in shards for name in from_document(Shard, shard.data).ids]
    tasks = store.get_many([f"{run_path}/tasks/{name}" for _, name in planned])
    waited_for = [pair for pair, task in zip(planned, tasks, strict=True) if task is None][:OPEN_CONNECTIONS]
    states = store.get_many([ids.state_path(name) for _, name in waited_for])
    run_id = run_path.rpartition("/")[2]
    return [
        _open_connection(name, shard, run_id, state)
        for (shard, name), state in zip(waited_for, states, strict=True)
    ]


def _open_connection(name: str, shard: str, run_id: str, snapshot: Snapshot | None) -> OpenConnection:
    state = SyncState.of(snapshot)
    task, lease = state.open, state.lease
    if task is None or task.run_id != run_id:
        return OpenConnection(connection_id=name, shard=shard, state="not_started")
    if lease.owner is not None:
        word = "working"
    else:
        word = "waiting" if lease.not_before is not None else "between_slices"
    return OpenConnection(
        connection_id=name,
        shard=shard,
        state=word,
        attempts=task.attempts,
        slices=task.slice,
        started_at=task.started_at,
        not_before=lease.not_before,
        seen=_seen(task, state),
    )


def _seen(task: Open, state: SyncState) -> int:
    """Records read by earlier slices, or in an open window, whose checkpoint counts them page by page."""
    seen = {name: counts.seen for name, counts in task.progress.items()}
    for name, stream in state.streams.items():
        if stream.cursor.window is not None:
            seen[name] = max(seen.get(name, 0), stream.cursor.window.read)
    return sum(seen.values())


def _run_token(snapshot: Snapshot) -> str:
    return _write_token(snapshot.data["order"], snapshot.id)


def _write_token(*parts: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def _read_token(token: str | None, parts: int) -> tuple[str, ...] | None:
    if token is None:
        return None
    try:
        after = _token.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, *UNREADABLE) as error:
        raise RequestError("page_token: it is not one that was given out") from error
    if len(after) != parts or not all(after) or not ids.is_document_id(after[-1]):
        raise RequestError("page_token: it belongs to another list")
    return after


def _require(name: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise RequestError(f"{name}: {value[:40]!r} is unknown; it takes {', '.join(known)}")


def _require_limit(limit: int) -> None:
    if not 1 <= limit <= 100:
        raise RequestError("limit: it takes a whole number from 1 to 100")
