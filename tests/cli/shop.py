"""A store with one shop, as the examples of the help texts name it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.model.counts import Counts, ErrorInfo, MarketplaceTotals, RecordTotals, RunCost, TaskTotals
from orchestrator.model.documents import to_document
from orchestrator.model.run import Dispatch, Run, RunStatus, Task, TaskStatus
from orchestrator.ports import Put

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOP = "my-shop"
RUN_ID = "t-20260301T120000Z-sync"


def environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded store in a folder, as a developer's shell names it; no worker listens."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{folder / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:1")
    monkeypatch.setenv("SHOP_SECRET", '{"access_token": "shpat_1"}')
    monkeypatch.delenv("K_SERVICE", raising=False)


def fill(
    folder: Path, *, name: str = "My shop", run_at: datetime = START, error: str = "shop said 401"
) -> None:
    """Put the shop, an order, a reject, and a closed run in which it failed into the folder's store."""
    store = SqliteStore(folder / "store.db")
    tasks = TaskTotals(total=1, failed=1)
    orders = Counts(seen=3, written=2, rejected=1)
    records = RecordTotals(seen=3, written=2, rejected=1, by_stream={"orders": orders})
    cost = RunCost(
        document_reads=5, document_writes=12, marketplace_calls=6, marketplace_bytes=-1, estimated_usd=0.001
    )
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        schedule_time=run_at,
        order=f"{run_at:%Y-%m-%dT%H:%M:%S.%fZ}|{RUN_ID}",
        status=RunStatus.FAILED,
        dispatch={"shopify": Dispatch(n=1, done=True)},
        dispatched_at=run_at,
        deadline_at=run_at + timedelta(hours=1),
        tasks=tasks,
        records=records,
        cost=cost,
        by_marketplace={"shopify": MarketplaceTotals(tasks=tasks, records=records, cost=cost)},
        started_at=run_at,
        finished_at=run_at + timedelta(seconds=12.5),
        expires_at=run_at + timedelta(days=30),
    )
    task = Task(
        run_id=RUN_ID,
        shard="shopify-000000",
        connection_id=SHOP,
        marketplace="shopify",
        status=TaskStatus.FAILED,
        reason="credentials_rejected",
        attempts=1,
        error=ErrorInfo(kind="credentials_rejected", message=error, action="store a valid access token"),
        finished_at=run_at,
        expires_at=run_at + timedelta(days=30),
    )
    store.commit(
        [
            Put(f"connections/{SHOP}", connection(name)),
            Put(f"connections/{SHOP}/orders/450789469", {"id": "450789469", "hash": "0"}),
            Put(f"connections/{SHOP}/rejects/orders-1001", _REJECT),
            Put(f"runs/{RUN_ID}", to_document(run)),
            Put(f"runs/{RUN_ID}/tasks/{SHOP}", to_document(task)),
        ]
    )
    store.close()


def connection(name: str = "My shop") -> dict[str, object]:
    """The shop's document; nothing listens at its address."""
    return {
        "organization_id": "my-company",
        "marketplace": "shopify",
        "name": name,
        "status": "active",
        "credential": "env:SHOP_SECRET",
        "settings": {"shop": "one.myshopify.com", "base_url": "http://127.0.0.1:1"},
        "streams": ["orders", "products", "inventory"],
        "store_buyer_pii": False,
        "created_at": START,
        "updated_at": START,
    }


_REJECT = {
    "stream": "orders",
    "record_id": "1001",
    "reason": "order 1001: total: no number",
    "run_id": RUN_ID,
    "rejected_at": START,
    "raw": "{}",
    "raw_bytes": 2,
    "raw_hash": "0",
}
