"""First order: from the first tick of a new connection to its first committed order ÷ one page's bare sync.

Product: the WooCommerce sandbox, repeated from memory by another process (`bench/ready.py`), a new
embedded store, and messages handled as they come. The time ends when the commit with the first order
returns: tick, dispatch, claim, the first page and its commit.

Floor: the same connector's first page, and the requests for the refunds that it lacks (`bench/details.py`);
each listed row is decoded and inserted, as it came, into a new SQLite file with the same journal.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench.details import Call, noted, repeat
from bench.engine import Engine
from bench.figures import Figure, in_turn, spread
from bench.rows.embedded import decoded, opened
from bench.site import Site
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces.woocommerce.connector import CONNECTOR
from orchestrator.ports import Put, Write, Written
from tests.support.stores import WrappedStore

_ORDERS = "connections/c/orders/"


class _Watching(WrappedStore):
    """Notes when the first order was committed."""

    committed_at: float | None = None

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit, then look."""
        written = super().commit(writes)
        if self.committed_at is None and any(
            isinstance(write, Put) and write.path.startswith(_ORDERS) for write in writes
        ):
            self.committed_at = time.perf_counter()
        return written


def measure(site: Site) -> list[Figure]:
    """The figure."""
    url = site.ready("woocommerce", orders=site.amount(1_000, 150), products=20)
    session, window = opened(site.file(), "woocommerce", url, CONNECTOR)
    (details,) = noted(session, CONNECTOR.streams["orders"], window, pages=1)
    product, floor = in_turn(
        site.amount(11, 0), lambda: _product(site.file(), url), lambda: _floor(site.file(), url, details)
    )
    return [
        Figure(
            name="first tick to first order",
            value=1000 * product.median,
            floor=1000 * floor.median,
            unit="ms",
            at_most=10,
            note=f"First tick to first order: {spread(product, floor)}",
        )
    ]


def _product(path: Path, url: str) -> float:
    with closing(SqliteStore(path)) as store:
        watching = _Watching(store)
        with closing(Engine(watching)) as engine:
            engine.connect("c", "woocommerce", url, ["orders"])
            started = time.perf_counter()
            engine.run()
    if watching.committed_at is None:
        raise RuntimeError("no order was committed")
    return watching.committed_at - started


def _floor(path: Path, url: str, details: Sequence[Call]) -> float:
    session, window = opened(path, "woocommerce", url, CONNECTOR)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, body BLOB NOT NULL)")
        started = time.perf_counter()
        session.client.begin_page()
        page = CONNECTOR.streams["orders"].fetch(session, window, None)
        repeat(session, details)
        rows = [(str(decoded(raw)["id"]), raw) for raw in page.records]
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO orders VALUES (?, ?)", rows)
        database.execute("COMMIT")
        return time.perf_counter() - started
