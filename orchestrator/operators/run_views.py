"""Views of runs: a list of them, and one run in detail.

Every view costs a bounded number of document reads, however many connections there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from orchestrator.errors import NotFound, RequestError
from orchestrator.model import ids
from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import attempt, read_all
from orchestrator.model.run import Run, RunStatus, Shard, Task, TaskStatus
from orchestrator.operators.paging import read_token, require_between, write_token
from orchestrator.operators.tasks.open_tasks import OpenConnection, open_connections
from orchestrator.operators.tasks.pages import STATUSES, odd_tasks, task_page
from orchestrator.ports import Document, DocumentStore, Filter, Query, Snapshot

#: Most runs of a list, and most tasks of a run, in one page.
MOST = 100
#: A list of one marketplace's runs reads this many runs at a time, and at most this many times, for one page.
_SCAN_PAGE = 100
_SCAN_PAGES = 5
#: Open shards in the view of an open run.
OPEN_SHARDS = 20


class RunPage(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A page of runs, newest first: run documents, each with its `run_id`."""

    runs: list[Document]
    #: Asks for the next page; None on the last page. Earlier pages may be shorter than the limit, too.
    next_page_token: str | None
    #: Runs of this page that cannot be read and are left out, a sentence each; absent if there are none.
    faults: list[str] = []


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
    #: At most `OPEN_CONNECTIONS` of the connections in these shards, those that are worked on first.
    connections: list[OpenConnection]


class RunView(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One run with a page of its tasks: failed, incomplete, skipped, then the others."""

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
    store: DocumentStore,
    run_id: str,
    *,
    status: str | None = None,
    marketplace: str | None = None,
    page_token: str | None = None,
    limit: int = 100,
    lease_seconds: float | None = None,
) -> RunView:
    """Show a run, a page of its tasks with the failed ones first and, while it is open, its progress.

    Args:
        store: The documents.
        run_id: The run.
        status: Only tasks of this status, one of `STATUSES`.
        marketplace: Only this marketplace's tasks.
        page_token: From the page before, with the same filters.
        limit: At most this many, from 1 to 100.
        lease_seconds: How long a lease lasts; without it no last sign of life is told.

    Raises:
        NotFound: No such run.
        RequestError: An unknown status or marketplace, a malformed page token, a limit out of range.
    """
    require_between("limit", limit, 1, MOST)
    _require("status", status, STATUSES)
    _require("marketplace", marketplace, MARKETPLACES)
    snapshot = store.get(ids.run_path(run_id)) if ids.is_document_id(run_id) else None
    if snapshot is None:
        raise NotFound(
            f"no such run: {run_id}", action="`marketplace-sync runs list` names the runs that are kept"
        )
    tasks, token, faults = task_page(
        store,
        snapshot.path,
        status=status,
        marketplace=marketplace,
        page_token=page_token,
        limit=limit,
    )
    run, fault = attempt(Run, snapshot)
    faults = [fault, *faults] if fault else faults
    if token is None and status is None:
        tasks = [*tasks, *odd_tasks(store, snapshot.path)]
    shown, unread = read_all(Task, tasks)
    faults += unread
    progress = None
    if run is not None and not run.status.is_final:
        progress, unread = _progress(store, snapshot.path, marketplace, lease_seconds)
        faults += unread
    return RunView(
        run=with_id(snapshot),
        tasks=[{"connection_id": task.id, **task.data} for task, _ in shown],
        next_page_token=token,
        progress=progress,
        faults=faults,
    )


def with_id(snapshot: Snapshot) -> Document:
    """A run's document with its `run_id`."""
    return {"run_id": snapshot.id, **snapshot.data}


def _progress(
    store: DocumentStore, run_path: str, marketplace: str | None, lease_seconds: float | None
) -> tuple[Progress, list[str]]:
    """The progress, and the faults of documents that cannot be read."""
    final = {
        known.value: store.count(f"{run_path}/tasks", [Filter("status", "==", known.value)])
        for known in TaskStatus
    }
    # Those without a record have succeeded.
    final[TaskStatus.SUCCEEDED.value] += int(store.sum(f"{run_path}/shards", "quiet"))
    is_open = [Filter("open", ">", 0)]
    found = store.query(
        Query(f"{run_path}/shards", where=is_open, order_by="open", descending=True, limit=OPEN_SHARDS)
    )
    shards, faults = read_all(Shard, found)
    of_marketplace = [each for each in shards if marketplace in {None, each[1].marketplace}]
    connections, unread = open_connections(store, run_path, of_marketplace, lease_seconds)
    progress = Progress(
        tasks=TaskTotals(total=sum(final.values()), **final),
        # A count costs one read for each thousand documents. It is not needed if all open shards are listed.
        open_shards=len(found) if len(found) < OPEN_SHARDS else store.count(f"{run_path}/shards", is_open),
        shards=[
            OpenShard(
                shard=snapshot.id, marketplace=shard.marketplace, planned=len(shard.ids), open=shard.open
            )
            for snapshot, shard in of_marketplace
        ],
        connections=connections,
    )
    return progress, faults + unread


def _require(name: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise RequestError(f"{name}: {value[:40]!r} is unknown; it takes {', '.join(known)}")
