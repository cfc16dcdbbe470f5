"""Lists of runs, and runs: their content and their cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.errors import NotFound, RequestError
from orchestrator.model import ids
from orchestrator.model.counts import (
    MarketplaceTotals,
    RecordTotals,
    RunCost,
    StreamCounts,
    TaskTotals,
)
from orchestrator.model.documents import to_document
from orchestrator.model.run import Dispatch, Run, RunStatus, Shard, Task, TaskStatus
from orchestrator.model.state import Lease, Open, SyncState
from orchestrator.operators import run_views
from orchestrator.ports import DocumentStore, Put
from tests.support.stores import CountingStore

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountingStore]:
    """An embedded store."""
    behind = SqliteStore(tmp_path / "store.db")
    yield CountingStore(behind)
    behind.close()


def add_run(
    store: DocumentStore,
    run_id: str,
    minute: int,
    *,
    status: RunStatus = RunStatus.SUCCEEDED,
    marketplaces: Sequence[str] = ("shopify",),
    by_marketplace: dict[str, MarketplaceTotals] | None = None,
) -> None:
    """Store a run that started a number of minutes before now."""
    at = NOW - timedelta(minutes=minute)
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        schedule_time=at,
        order=ids.order_key(at, run_id),
        status=status,
        dispatch={name: Dispatch(done=True) for name in marketplaces},
        dispatched_at=at,
        deadline_at=at + timedelta(hours=1),
        by_marketplace=by_marketplace or {},
        started_at=at,
        expires_at=LATER,
    )
    store.commit([Put(f"runs/{run_id}", to_document(run))])


def share(succeeded: int, failed: int) -> MarketplaceTotals:
    """A marketplace's part of a run."""
    tasks = TaskTotals(total=succeeded + failed, succeeded=succeeded, failed=failed)
    return MarketplaceTotals(tasks=tasks, records=RecordTotals(), cost=RunCost())


def add_task(store: DocumentStore, run_id: str, connection_id: str, status: TaskStatus) -> None:
    """Store a final task."""
    task = Task(
        run_id=run_id,
        shard="shopify-000000",
        connection_id=connection_id,
        marketplace="shopify",
        status=status,
        finished_at=NOW,
        expires_at=LATER,
    )
    store.commit([Put(ids.task_path(run_id, connection_id), to_document(task))])


def add_shard(
    store: DocumentStore, run_id: str, number: int, planned: Sequence[str], still_open: int
) -> None:
    """Store a shard."""
    shard = Shard(marketplace="shopify", ids=tuple(planned), open=still_open, expires_at=LATER)
    store.commit([Put(ids.shard_path(run_id, ids.shard_id("shopify", number)), to_document(shard))])


def _ids(page: run_views.RunPage) -> list[str]:
    return [run["run_id"] for run in page.runs]


def test_runs_are_paged_newest_first(store: CountingStore) -> None:
    """Pages join without gap or overlap, even if two runs started at the same moment."""
    for number in range(7):
        add_run(store, f"t-{number}", minute=number // 2)
    seen: list[str] = []
    token = None
    for _ in range(4):
        page = run_views.list_runs(store, page_token=token, limit=2)
        seen += _ids(page)
        token = page.next_page_token

    assert token is None
    assert seen == ["t-1", "t-0", "t-3", "t-2", "t-5", "t-4", "t-6"]


def test_full_last_page_has_no_successor(store: CountingStore) -> None:
    """A page that ends with the list does not promise another."""
    for number in range(2):
        add_run(store, f"t-{number}", minute=number)

    assert run_views.list_runs(store, limit=2).next_page_token is None


def test_filters_narrow_each_other(store: CountingStore) -> None:
    """Status and marketplace both hold."""
    add_run(store, "t-0", 0, status=RunStatus.FAILED)
    add_run(store, "t-1", 1, status=RunStatus.FAILED, marketplaces=["takealot"])
    add_run(store, "t-2", 2, marketplaces=["takealot", "shopify"])

    assert _ids(run_views.list_runs(store, status="failed")) == ["t-0", "t-1"]
    assert _ids(run_views.list_runs(store, marketplace="takealot")) == ["t-1", "t-2"]
    assert _ids(run_views.list_runs(store, status="failed", marketplace="takealot")) == ["t-1"]


def test_marketplace_is_paged_too(store: CountingStore) -> None:
    """A filtered list continues after the last run that was shown."""
    for number in range(6):
        add_run(store, f"t-{number}", number, marketplaces=["shopify"] if number % 2 else ["takealot"])
    first = run_views.list_runs(store, marketplace="shopify", limit=2)
    second = run_views.list_runs(store, marketplace="shopify", limit=2, page_token=first.next_page_token)

    assert [_ids(first), _ids(second)] == [["t-1", "t-3"], ["t-5"]]
    assert second.next_page_token is None


def test_rare_marketplace_costs_a_bounded_scan(store: CountingStore) -> None:
    """A search that finds nothing stops after 500 runs, with a token for the next ones."""
    for number in range(520):
        add_run(store, f"t-{number:03}", number)
    add_run(store, "t-old", 10_000, marketplaces=["ebay"])
    first = run_views.list_runs(store, marketplace="ebay")
    reads = store.reads
    second = run_views.list_runs(store, marketplace="ebay", page_token=first.next_page_token)

    assert (first.runs, reads) == ([], 500)
    assert _ids(second) == ["t-old"]


@pytest.mark.parametrize(
    "token", ["", "junk", "!", "W10", "WyJhIl0", "WzFd", "bnVsbA", "WyJhIiwiYi9jIl0", "\u00e9"]
)
def test_foreign_page_token_is_refused(store: CountingStore, token: str) -> None:
    """A token of another origin is the caller's mistake."""
    with pytest.raises(RequestError, match="page_token"):
        run_views.list_runs(store, page_token=token)


@pytest.mark.parametrize(
    "wrong", [{"status": "done"}, {"marketplace": "etsy"}, {"limit": 0}, {"limit": 101}], ids=str
)
def test_wrong_argument_is_named(store: CountingStore, wrong: dict[str, Any]) -> None:
    """An unknown word or a limit out of range is named."""
    with pytest.raises(RequestError, match=next(iter(wrong))):
        run_views.list_runs(store, **wrong)


@pytest.mark.parametrize("run_id", ["t-9", "", "t-1/tasks/c-1"])
def test_unknown_run_is_not_found(store: CountingStore, run_id: str) -> None:
    """Only a run's own id finds it."""
    with pytest.raises(NotFound):
        run_views.show_run(store, run_id)


def test_tasks_are_paged_by_connection(store: CountingStore) -> None:
    """A closed run is shown with its tasks in order of connection id."""
    add_run(store, "t-1", 0)
    for number in range(5):
        add_task(store, "t-1", f"c-{number}", TaskStatus.SUCCEEDED)
    first = run_views.show_run(store, "t-1", limit=3)
    second = run_views.show_run(store, "t-1", limit=3, page_token=first.next_page_token)
    shown = [task["connection_id"] for task in first.tasks + second.tasks]

    assert shown == [f"c-{number}" for number in range(5)]
    assert (second.next_page_token, second.progress) == (None, None)
    assert first.run["run_id"] == "t-1"


def test_open_run_shows_its_open_connections(store: CountingStore) -> None:
    """Each connection without a final task is shown with its state."""
    add_run(store, "t-1", 0, status=RunStatus.RUNNING)
    planned = ["done", "fresh", "between", "waiting", "working", "elsewhere"]
    add_shard(store, "t-1", 0, planned, 5)
    add_shard(store, "t-1", 1, ["closed"], 0)
    add_task(store, "t-1", "done", TaskStatus.FAILED)
    leases = {
        "between": Lease(fence=1, expires_at=LATER),
        "waiting": Lease(fence=1, not_before=LATER),
        "working": Lease(owner="w", fence=2, expires_at=LATER),
        "elsewhere": Lease(owner="w", fence=2, expires_at=LATER),
    }
    for name, lease in leases.items():
        task = Open(
            run_id="t-0" if name == "elsewhere" else "t-1",
            order="1",
            deadline_at=LATER,
            shard="shopify-000000",
            slice=2,
            started_at=NOW,
            progress={"orders": StreamCounts(seen=250), "products": StreamCounts(seen=5)},
        )
        store.commit([Put(ids.state_path(name), to_document(SyncState(seq=1, lease=lease, open=task)))])
    progress = run_views.show_run(store, "t-1").progress

    assert progress is not None
    assert progress.tasks == TaskTotals(total=1, failed=1)
    assert progress.open_shards == 1
    assert [(shard.shard, shard.planned, shard.open) for shard in progress.shards] == [
        ("shopify-000000", 6, 5)
    ]
    assert {each.connection_id: each.state for each in progress.connections} == {
        "fresh": "not_started",
        "between": "between_slices",
        "waiting": "waiting",
        "working": "working",
        "elsewhere": "not_started",
    }
    assert {each.connection_id: each.seen for each in progress.connections}["working"] == 255


def test_open_run_costs_a_bounded_number_of_reads(store: CountingStore) -> None:
    """However many shards are open, all are counted but only some are read."""
    add_run(store, "t-1", 0, status=RunStatus.RUNNING)
    for number in range(40):
        add_shard(store, "t-1", number, [f"c-{number:02}-{each:02}" for each in range(64)], 64)
    progress = run_views.show_run(store, "t-1").progress

    assert progress is not None
    assert progress.open_shards == 40
    assert len(progress.shards) == 20
    assert len(progress.connections) == 20
    assert store.reads < 200
