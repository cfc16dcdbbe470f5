"""Sync, embedded: orders/s from tick to closed run ÷ orders/s of fetch, decode and insert without logic.

Product: one connection's first sync of the Shopify sandbox into a new embedded store, with production's
executor. Another process repeats the sandbox's answers from memory (`bench/ready.py`).

Floor: the same client makes the same requests, also those for parcels and refunds that the listing lacks
(`bench/details.py`); each listed row is decoded and inserted, as it came, into a new SQLite file with the
same journal and batches of the same size. No normalizing, joining, digest, cursor or lease.

Of both, the CPU time of this process for an order is compared as well. The floor's leaves out all that
makes a record of a row.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from bench.details import Call, noted, repeat
from bench.engine import Engine
from bench.figures import Figure, Spent, Stopwatch, cpu_figure, spent_in_turn, spread
from bench.site import Site
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.marketplaces.shopify.connector import CONNECTOR
from orchestrator.marketplaces.spec import AnyConnector, AnySession, Window
from orchestrator.model import ids
from orchestrator.model.connection import connection_from_document
from orchestrator.sync.pages import JOINED_RECORDS


def measure(site: Site) -> list[Figure]:
    """One figure for wall time and one for CPU time."""
    orders = site.amount(10_000, 200)
    url = site.ready("shopify", orders=orders, products=200)
    session, window = opened(site.file(), "shopify", url, CONNECTOR)
    details = noted(session, CONNECTOR.streams["orders"], window)
    product, floor = spent_in_turn(
        site.amount(7, 0),
        lambda: _product(site.file(), url, orders),
        lambda: _floor(site.file(), url, orders, details),
    )
    return [
        Figure(
            name="sync, embedded",
            value=orders / product.wall.median,
            floor=orders / floor.wall.median,
            unit="orders/s",
            at_least=0.5,
            note=f"Sync, embedded: {spread(floor.wall, product.wall)}",
        ),
        cpu_figure("CPU of an order, embedded", product, floor, orders, at_most=1.6),
    ]


def _product(path: Path, url: str, orders: int) -> Spent:
    """The time of the whole run."""
    with closing(SqliteStore(path)) as store, closing(Engine(store)) as engine:
        engine.connect("c", "shopify", url, ["orders"])
        with Stopwatch() as watch:
            run_id = engine.run()
        _require(orders, engine.task(run_id, "c").streams["orders"].written)
    return watch.spent


def _floor(path: Path, url: str, orders: int, details: Sequence[Sequence[Call]]) -> Spent:
    """The time of the same work without any logic."""
    session, window = opened(path, "shopify", url, CONNECTOR)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, body BLOB NOT NULL)")
        with Stopwatch() as watch:
            token, following, number = None, True, 0
            rows: list[tuple[str, bytes]] = []
            while following:
                session.client.begin_page()
                page = CONNECTOR.streams["orders"].fetch(session, window, token)
                repeat(session, details[number])
                rows += [(decoded(raw)["legacyResourceId"], raw) for raw in page.records]
                token = page.next_token
                following, number = token is not None, number + 1
                if len(rows) >= JOINED_RECORDS or not following:
                    database.execute("BEGIN IMMEDIATE")
                    database.executemany("INSERT INTO orders VALUES (?, ?)", rows)
                    database.execute("COMMIT")
                    rows = []
        _require(orders, database.execute("SELECT count(*) FROM orders").fetchone()[0])
    return watch.spent


def opened(path: Path, marketplace: str, url: str, connector: AnyConnector) -> tuple[AnySession, Window]:
    """A session of a new connection, and the window of its first sync."""
    with closing(SqliteStore(path.with_suffix(".connections"))) as store, closing(Engine(store)) as engine:
        engine.connect("c", marketplace, url, ["orders"])
        snapshot = store.get(ids.connection_path("c"))
        assert snapshot is not None  # noqa: S101 - the line above stored it
        services = engine.services
        session = connector.open(
            SessionRequest(
                connection_id="c",
                connection=connection_from_document("c", snapshot.data),
                secrets=services.secrets,
                clock=services.clock,
                random=random.Random(1),  # noqa: S311 - jitter
                wait=services.clock.sleep,
                development=True,
            )
        )
    return session, Window(connector.epoch, services.clock.now() - timedelta(minutes=2))


def decoded(raw: bytes) -> dict[str, Any]:
    """A row's JSON, with no type in mind."""
    row: dict[str, Any] = msgspec.json.decode(raw)
    return row


def _require(orders: int, stored: int) -> None:
    if stored != orders:
        raise RuntimeError(f"{stored} orders were stored, not {orders}")
