"""The documented queries give the right records, from documents as the sync makes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1.client import Client

from local.google.emulators import Emulators
from orchestrator.model.records.document import Envelope, document_of, vanished_fields
from orchestrator.model.records.record import Order, Product, Record, StockLevel
from tests.delivery.consumers import queries
from tests.support.clocks import START
from tests.support.emulators import fresh_project

pytestmark = pytest.mark.emulator
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def db(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Firestore, as a reader opens it."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulators.firestore_host)
    client = Client(project=fresh_project(), credentials=AnonymousCredentials())
    yield client
    client.close()


def put(db: Client, connection: str, record: Record, *, vanished: bool = False, **envelope: Any) -> None:
    """Store a record as the sync does."""
    stream = {Order: "orders", Product: "products", StockLevel: "inventory"}[type(record)]
    given: dict[str, Any] = {
        "organization_id": "org-1",
        "marketplace": "shopify",
        "synced_at": START,
    } | envelope
    document = document_of(record, Envelope(connection_id=connection, id_hash=0, **given), 1)
    if vanished:
        document |= vanished_fields(stream, START, START)
    db.document(f"connections/{connection}/{stream}/{record.id}").set(document)


def order(record_id: str, **fields: Any) -> Order:
    """An order of ten rand."""
    given = {"status": "open", "created_at": START, "currency": "ZAR", "net_micros": 10_000_000} | fields
    return msgspec.convert({"id": record_id, "number": record_id, "marketplace_status": "", **given}, Order)


def ids(query: Any) -> list[str]:
    """The ids that a query finds, in its order."""
    return [found.get("id") for found in query.stream()]


def total(query: Any) -> float:
    """The sum of an aggregation."""
    ((result,),) = query.get()
    return float(result.value)


def test_to_ship_today(db: Client) -> None:
    """All connections of the organization; neither another's, nor shipped, nor vanished ones."""
    for name, ship_by in (("late", START + DAY), ("soon", START + HOUR), ("some", None)):
        put(db, f"c-{name}", order(name, to_ship=True, ship_by=ship_by))
    put(db, "c-1", order("shipped", ship_by=START))
    put(db, "c-1", order("gone", to_ship=True, ship_by=START), vanished=True)
    put(db, "c-2", order("other", to_ship=True, ship_by=START), organization_id="org-2")

    assert ids(queries.to_ship(db, "org-1")) == ["some", "soon", "late"]
    assert ids(queries.to_ship_by(db, "org-1", START + 2 * HOUR)) == ["soon"]


def test_the_revenue_of_a_day(db: Client) -> None:
    """Exact to the sixth decimal; test and vanished orders count nothing."""
    put(db, "c-1", order("a", net_micros=19_990_001))
    put(db, "c-2", order("b", net_micros=10_000_000, created_at=START + HOUR))
    put(db, "c-1", order("test", net_micros=None))
    put(db, "c-1", order("gone"), vanished=True)
    put(db, "c-1", order("tomorrow", created_at=START + DAY))
    put(db, "c-1", order("euro", currency="EUR"))
    put(db, "c-3", order("elsewhere"), marketplace="ebay")
    put(db, "c-4", order("other"), organization_id="org-2")

    assert total(queries.revenue(db, "org-1", "shopify", "ZAR", START, START + DAY)) == 29_990_001


def test_by_sku_and_by_status(db: Client) -> None:
    """The newest orders first, and the products of a SKU."""
    put(db, "c-1", order("old", skus=("s-1", "s-2")))
    put(db, "c-2", order("new", skus=("s-1",), created_at=START + HOUR, status="pending"))
    put(db, "c-2", order("none", skus=("s-3",)))
    put(db, "c-1", Product(id="p", status="active", marketplace_status="", skus=("s-1",)))

    assert ids(queries.orders_with_sku(db, "org-1", "s-1")) == ["new", "old"]
    assert sorted(ids(queries.orders_of_status(db, "org-1", "open"))) == ["none", "old"]
    assert ids(queries.products_with_sku(db, "org-1", "s-1")) == ["p"]


def test_the_stock_of_a_sku(db: Client) -> None:
    """The sum over all connections, without levels that have vanished."""
    for name, micros in (("c-1", 3_000_000), ("c-2", 1_520_000), ("c-3", None)):
        put(db, name, StockLevel(id="l", sku="s-1", location_id="", available_micros=micros))
    put(db, "c-1", StockLevel(id="m", sku="s-1", location_id="", available_micros=9_000_000), vanished=True)
    put(db, "c-1", StockLevel(id="n", sku="s-2", location_id="", available_micros=9_000_000))

    assert total(queries.stock(db, "org-1", "s-1")) == 4_520_000


@pytest.mark.parametrize("records", ["orders", "products", "inventory"])
def test_the_changes_since_a_time(db: Client, records: str) -> None:
    """Everything written since, vanished records among them, in the order of writing."""
    made: dict[str, Any] = {
        "orders": order,
        "products": lambda name: Product(id=name, status="active", marketplace_status=""),
        "inventory": lambda name: StockLevel(id=name, location_id=""),
    }
    for n, name in enumerate(("first", "second", "third")):
        put(db, f"c-{n}", made[records](name), synced_at=START + n * HOUR)
    put(db, "c-9", made[records]("other"), synced_at=START + DAY, organization_id="org-2")

    assert ids(queries.changes(db, records, "org-1", START)) == ["second", "third"]
