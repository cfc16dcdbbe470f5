"""Where the time goes: the CPU time of an order's first sync by its parts, embedded.

The marketplace is simulated in this process and its pages lie ready. Each part is repeated alone over the
same orders: reading the row and making the record, hashing it, making its document, and storing that. The
rest is the whole run's time without these: paging, the digest, the cursor, tick and close. Nothing is to be
reached; the value is a part's time, and the floor the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec

from bench.engine import Engine
from bench.figures import Figure, Stopwatch, in_turn
from bench.simulated import PAGE_ROWS, connector, row
from bench.site import Site
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces.shopify.order_records import order
from orchestrator.model.records.document import Envelope, document_of
from orchestrator.ports import Put
from orchestrator.sync.digest import content_of, key_of

NAME = "part of an order's CPU"


def measure(site: Site) -> list[Figure]:
    """One figure for each part."""
    count = site.amount(5_000, 100)
    until = datetime.now(UTC) - timedelta(hours=1)
    rows = [row(index, count, until) for index in range(count)]
    records = [order(raw, False) for raw in rows]
    encoder = msgspec.json.Encoder(order="deterministic")
    envelope = Envelope(
        organization_id="bench", connection_id="c", marketplace="shopify", synced_at=until, id_hash=0
    )
    documents = {each.id: document_of(each, envelope, 0) for each in records}
    shop = connector(count, ready=True)

    def stored() -> None:
        puts = [Put(f"connections/c/orders/{name}", document) for name, document in documents.items()]
        with closing(SqliteStore(site.file())) as store:
            for start in range(0, count, PAGE_ROWS):
                store.commit(puts[start : start + PAGE_ROWS])

    def synced() -> None:
        with closing(SqliteStore(site.file())) as store, closing(Engine(store, {"shopify": shop})) as engine:
            engine.connect("c", "shopify", streams=["orders"])
            engine.run()

    parts: dict[str, Callable[[], object]] = {
        "record": lambda: [order(raw, False) for raw in rows],
        "hash": lambda: [(key_of(each.id), content_of(encoder.encode(each), b"salt")) for each in records],
        "document": lambda: [document_of(each, envelope, 0) for each in records],
        "store": stored,
    }
    *taken, whole = in_turn(site.amount(7, 0), *map(_cpu_of, parts.values()), _cpu_of(synced))
    times = dict(zip(parts, (each.median for each in taken), strict=True))
    times["rest"] = max(0.0, whole.median - sum(times.values()))
    return [
        Figure(
            name=f"{NAME}, {name}",
            value=1e6 * taken_s / count,
            floor=1e6 * whole.median / count,
            unit="µs",
            at_most=1,
        )
        for name, taken_s in times.items()
    ]


def _cpu_of(work: Callable[[], object]) -> Callable[[], float]:
    def measured() -> float:
        with Stopwatch() as watch:
            work()
        return watch.spent.cpu_s

    return measured
