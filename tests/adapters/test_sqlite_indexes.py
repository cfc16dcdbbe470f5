"""The embedded store's indexes: the queries of every tick must not read all documents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded import sort_keys
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.ports import Filter, Put, Query, Write

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
DOCUMENTS = 400

_QUERIES: list[Callable[[SqliteStore], object]] = [
    lambda store: store.query(Query("sync_state", where=[Filter("lease.expires_at", "<", NOW)], limit=5)),
    lambda store: store.query(
        Query("runs/r/shards", where=[Filter("open", ">", 0)], order_by="open", limit=1)
    ),
    lambda store: store.query(
        Query("runs", where=[Filter("status", "in", ["running", "dispatching"])], order_by="order", limit=5)
    ),
    lambda store: store.query(
        Query(
            "connections",
            where=[Filter("marketplace", "==", "ebay"), Filter("status", "==", "active")],
            after=("100",),
            limit=3,
        )
    ),
    lambda store: store.count(
        "connections", [Filter("marketplace", "==", "ebay"), Filter("status", "==", "active")]
    ),
    lambda store: store.query(
        Query(
            "tasks",
            where=[Filter("connection_id", "==", "099")],
            order_by="finished_at",
            descending=True,
            limit=5,
            group=True,
        )
    ),
]


@pytest.mark.parametrize("query", _QUERIES)
def test_frequent_queries_look_into_few_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: Callable[[SqliteStore], object]
) -> None:
    """The queries of dispatch, heal, the close check and a history are answered from an index."""
    store = SqliteStore(tmp_path / "store.db")
    writes: list[Write] = []
    for number in range(DOCUMENTS):
        is_rare = number % 100 == 99
        due_at = NOW + timedelta(hours=-1 if is_rare else 1)
        marketplace, status = ("ebay", "running") if is_rare else ("amazon", "failed")
        writes += [
            Put(f"sync_state/{number:03}", {"lease": {"expires_at": due_at}}),
            Put(f"runs/r/shards/{number:03}", {"open": int(is_rare)}),
            Put(f"runs/{number:03}", {"status": status, "order": str(number)}),
            Put(f"connections/{number:03}", {"marketplace": marketplace, "status": "active"}),
            Put(f"runs/{number:03}/tasks/x", {"connection_id": f"{number:03}", "finished_at": due_at}),
        ]
    store.commit(writes)
    store.close()
    looks = 0
    real = sort_keys.sort_key_of_field

    def counting(body: bytes, field: str) -> bytes | None:
        nonlocal looks
        looks += 1
        return real(body, field)

    monkeypatch.setattr(sort_keys, "sort_key_of_field", counting)

    found = query(store)

    store.close()
    assert found
    assert looks < 40
