"""Views of runs: a list of them, and one run in detail.

Every view costs a bounded number of document reads, however many connections there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from orchestrator.errors import NotFound, RequestError
from orchestrator.model import ids
from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import attempt, read_all
from orchestrator.model.run import Run, RunStatus, Shard, Task, TaskStatus
from orchestrator.model.state import Open, SyncState
from orchestrator.operators.paging import read_token, require_between, write_token
from orchestrator.ports import Document, DocumentStore, Filter, Query, Snapshot

#: Most runs of a list, and most tasks of a run, in one page.
MOST = 100
#: A list of one marketplace's runs reads this many runs at a time, and at most this many times, for one page.
_SCAN_PAGE = 100
_SCAN_PAGES = 5
#: Open shards and open connections in the view of an open run.
OPEN_SHARDS = 20
OPEN_CONNECTIONS = 20


class RunPage(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A page of runs, newest first: run documents, each with its `run_id`."""

    runs: list[Document]
    #: Asks for the next page; None on the last page. Earlier pages may be shorter than the limit, too.
    next_page_token: str | None
    #: Runs of this page that cannot be read and are left out, a sentence each; absent if there are none.
    faults: list[str] = []


class OpenConnection(msgspec.Struct, kw_only=True, frozen=True):
    """A connection without a final task in an open run."""

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
    """A shard with open tasks."""

    shard: str
    marketplace: str
    planned: int
    open: int


class Progress(msgspec.Struct, kw_only=True, frozen=True):
    """The progress of an open run."""

    #: Final tasks so far.
    tasks: TaskTotals
    open_shards: int
    #: At most `OPEN_SHARDS` of them, the fullest first.
    shards: list[OpenShard]
    #: At most `OPEN_CONNECTIONS` of the connections in these shards.
    connections: list[OpenConnection]


class RunView(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One run with a page of its tasks, in order of connection id."""

    run: Document
    tasks: list[Document]
    next_page_token: str | None
    #: None if the run is closed.
    progress: Progress | None
    #: Documents of this run that cannot be read, a sentence each; absent if there are none. If the run's own
    #: document is among them, `run` has its fields as they are.
    faults: list[str] = []


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
        store: The documents.
        status: Only runs in this status.
        marketplace: Only runs that this marketplace takes part in.
        page_token: From the page before, with the same filters.
        limit: At most this many, from 1 to 100.

    Raises:
        RequestError: An unknown status or marketplace, a malformed page token, a limit out of range.
    """
    _require("status", status, [known.value for known in RunStatus])
    _require("marketplace", marketplace, MARKETPLACES)
    require_between("limit", limit, 1, MOST)
    after = read_token(page_token, 2)
    # A run whose `order` is no text has no place in the list.
    where = [Filter("order", ">=", "")]
    if status is not None:
        where.append(Filter("status", "==", status))
    # A run's marketplaces are keys of a map. An index for each key would be paid for with every run. Nearly
    # every run has every marketplace, so runs are filtered here.
    size, pages = (limit + 1, 1) if marketplace is None else (_SCAN_PAGE, _SCAN_PAGES)
    found: list[Snapshot] = []
    for _ in range(pages):
        page = store.query(
            Query("runs", where=where, order_by="order", descending=True, after=after, limit=size)
        )
        found += [run for run in page if marketplace is None or _takes_part(marketplace, run)]
        if len(found) > limit:
            return _run_page(found[:limit], _position(found[limit - 1]))
        if len(page) < size:
            return _run_page(found, None)
        after = _position(page[-1])
    return _run_page(found, after)


def _takes_part(marketplace: str, run: Snapshot) -> bool:
    dispatch = run.data.get("dispatch")
    return isinstance(dispatch, dict) and marketplace in dispatch


def _position(run: Snapshot) -> tuple[str, ...]:
    return run.data["order"], run.id


def _run_page(runs: Sequence[Snapshot], after: tuple[str, ...] | None) -> RunPage:
    token = write_token(*after) if after is not None else None
    found, faults = read_all(Run, runs)
    return RunPage(runs=[with_id(snapshot) for snapshot, _ in found], next_page_token=token, faults=faults)


def show_run(
    store: DocumentStore, run_id: str, *, page_token: str | None = None, limit: int = 100
) -> RunView:
    """Show a run, a page of its tasks and, while it is open, its progress.

    Raises:
        NotFound: No such run.
        RequestError: A malformed page token, a limit out of range.
    """
    require_between("limit", limit, 1, MOST)
    after = read_token(page_token, 1)
    snapshot = store.get(ids.run_path(run_id)) if ids.is_document_id(run_id) else None
    if snapshot is None:
        raise NotFound(f"no such run: {run_id}")
    tasks = store.query(Query(f"{snapshot.path}/tasks", after=after, limit=limit + 1))
    run, fault = attempt(Run, snapshot)
    faults = [fault] if fault else []
    shown, unread = read_all(Task, tasks[:limit])
    faults += unread
    progress = None
    if run is not None and not run.status.is_final:
        progress, unread = _progress(store, snapshot.path)
        faults += unread
    return RunView(
        run=with_id(snapshot),
        tasks=[{"connection_id": task.id, **task.data} for task, _ in shown],
        next_page_token=write_token(tasks[limit - 1].id) if len(tasks) > limit else None,
        progress=progress,
        faults=faults,
    )


def with_id(snapshot: Snapshot) -> Document:
    """A run's document with its `run_id`."""
    return {"run_id": snapshot.id, **snapshot.data}


def _progress(store: DocumentStore, run_path: str) -> tuple[Progress, list[str]]:
    """The progress, and the faults of documents that cannot be read."""
    final = {
        known.value: store.count(f"{run_path}/tasks", [Filter("status", "==", known.value)])
        for known in TaskStatus
    }
    is_open = [Filter("open", ">", 0)]
    found = store.query(
        Query(f"{run_path}/shards", where=is_open, order_by="open", descending=True, limit=OPEN_SHARDS)
    )
    shards, faults = read_all(Shard, found)
    connections, unread = _open_connections(store, run_path, shards[:2])
    progress = Progress(
        tasks=TaskTotals(total=sum(final.values()), **final),
        # A count costs one read for each thousand documents. It is not needed if all open shards are listed.
        open_shards=len(found) if len(found) < OPEN_SHARDS else store.count(f"{run_path}/shards", is_open),
        shards=[
            OpenShard(
                shard=snapshot.id, marketplace=shard.marketplace, planned=len(shard.ids), open=shard.open
            )
            for snapshot, shard in shards
        ],
        connections=connections,
    )
    return progress, faults + unread


def _open_connections(
    store: DocumentStore, run_path: str, shards: Iterable[tuple[Snapshot, Shard]]
) -> tuple[list[OpenConnection], list[str]]:
    """Connections of these shards without a final task, and the faults of states that cannot be read."""
    planned = [(snapshot.id, name) for snapshot, shard in shards for name in shard.ids]
    tasks = store.get_many([f"{run_path}/tasks/{name}" for _, name in planned])
    waited_for = [pair for pair, task in zip(planned, tasks, strict=True) if task is None][:OPEN_CONNECTIONS]
    states = store.get_many([ids.state_path(name) for _, name in waited_for])
    run_id = run_path.rpartition("/")[2]
    found: list[OpenConnection] = []
    faults: list[str] = []
    for (shard, name), snapshot in zip(waited_for, states, strict=True):
        state, fault = attempt(SyncState, snapshot) if snapshot is not None else (SyncState(), "")
        if state is None:
            faults.append(fault)
        else:
            found.append(_open_connection(name, shard, run_id, state))
    return found, faults


def _open_connection(name: str, shard: str, run_id: str, state: SyncState) -> OpenConnection:
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
    """Records read: by stream, the count of earlier slices or that of the open window, if it is higher.

    Each checkpoint of a window updates the window's count; a slice's count is added when the slice ends.
    """
    seen = {name: counts.seen for name, counts in task.progress.items()}
    for name, stream in state.streams.items():
        if stream.cursor.window is not None:
            seen[name] = max(seen.get(name, 0), stream.cursor.window.read)
    return sum(seen.values())


def _require(name: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise RequestError(f"{name}: {value[:40]!r} is unknown; it takes {', '.join(known)}")
