"""Takealot's older Seller API v2: its traps, each named, and the meaning of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceUnavailable,
    RateLimited,
    RecordInvalid,
    RequestRejected,
)
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Window
from orchestrator.marketplaces.takealot import v2_records as rows
from orchestrator.model.records.record import Buyer, Money, StockLevel
from tests.marketplaces.test_completeness import assert_holds
from tests.support.scripted import (
    EVERYTHING,
    UNTIL,
    Bench,
    Sandbox,
    Scripted,
    Secrets,
    read,
    sandbox,
    scripted,
    told,
)

TAKEALOT = REGISTRY["takealot"]
NOVEMBER = Window(datetime(2026, 10, 31, 22, tzinfo=UTC), datetime(2026, 11, 4, 12, tzinfo=UTC))
SALE: dict[str, Any] = {
    "order_item_id": 310224881,
    "order_id": 199823311,
    "order_date": "22 Nov 2026 00:30:00",
    "sale_status": "Shipped to Customer",
    "offer_id": 208877123,
    "tsin": 91822331,
    "sku": "MUG-BLU-2",
    "product_title": "Enamel mug",
    "selling_price": 690,
    "quantity": 2,
    "customer": "Example, Pat",
}
OFFER: dict[str, Any] = {
    "offer_id": 208877123,
    "sku": "MUG-BLU-2",
    "barcode": "6001234567890",
    "title": "Enamel mug",
    "selling_price": 345,
    "rrp": 0,
    "status": "Disabled by Seller",
}
STOCK: dict[str, Any] = {
    "leadtime_stock": [
        {"merchant_warehouse": {"warehouse_id": 28676, "name": "Mine"}, "quantity_available": 40}
    ],
    "stock_at_takealot": [{"warehouse": {"warehouse_id": 3, "name": "JHB"}, "quantity_available": 12}],
    "stock_on_way": [{"warehouse": {"warehouse_id": 3, "name": "JHB"}, "quantity_available": 5}],
}


def session(
    url: str, bench: Bench | None = None, *, key: str = "sandbox-v2-key-0", pii: bool = False
) -> AnySession:
    """A session of a connection whose key is for v2."""
    secrets = Secrets(msgspec.json.encode({"api_key": key}).decode())
    settings = {"api": "seller_v2", "base_url": url}
    return TAKEALOT.open((bench or Bench()).opening("takealot", settings, secrets, store_buyer_pii=pii))


def sales(*items: dict[str, Any], total: int | None = None) -> Reply:
    """One page of sales."""
    summary = {"total": len(items) if total is None else total, "page_size": 100, "page_number": 1}
    return Reply.json(200, {"page_summary": summary, "sales": items})


def offers(*items: dict[str, Any], total: int) -> Reply:
    """One page of offers."""
    return Reply.json(200, {"total_results": total, "page_size": 100, "page_number": 1, "offers": items})


def fetch(server: Scripted, stream: str, token: str | None = None) -> Any:
    """A page of a stream."""
    return TAKEALOT.streams[stream].fetch(session(server.url), NOVEMBER, token)


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with several pages of everything."""
    with sandbox("takealot", orders=3000, products=230, accounts=1) as running:
        yield running


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_reading_every_page_holds_the_truth(seller: Sandbox, stream: str) -> None:
    """Also through the older API, and under the same ids as through the newer one."""
    found = read(TAKEALOT, session(seller.url), stream)

    assert not found.rejects
    assert len(found.pages) > 2
    assert_holds(told(list(found.records.values())), seller.truth()[stream])
    assert {TAKEALOT.streams[stream].record_id(raw) for page in found.pages for raw in page.records} == set(
        found.records
    )


def test_reading_sales_continues_from_every_page_token(seller: Sandbox) -> None:
    """The next day is the token, and another session continues from it."""
    window = Window(UNTIL - timedelta(days=300), UNTIL)
    whole = read(TAKEALOT, session(seller.url), "orders", window)
    assert len(whole.tokens) > 2

    for place, token in enumerate(whole.tokens):
        rest = read(TAKEALOT, session(seller.url), "orders", window, token)
        assert [page.records for page in rest.pages] == [page.records for page in whole.pages[place:]]


def test_the_header_is_a_key_and_the_host_its_own() -> None:
    """`Authorization: Key …`, and nothing of v1's."""
    with scripted(offers(total=0)) as server:
        fetch(server, "products")

    sent = server.requests[0]
    assert sent.headers["authorization"] == "Key sandbox-v2-key-0"
    assert "x-api-key" not in sent.headers
    assert (sent.path, sent.query) == ("/v2/offers", {"page_number": ["1"], "page_size": ["100"]})


def test_trap_a_range_is_always_given_in_south_african_days() -> None:
    """No range would mean thirty days."""
    with scripted(sales()) as server:
        fetch(server, "orders")

    assert server.requests[0].query["filters"] == ["start_date:2026-11-01;end_date:2026-11-04"]


def test_trap_no_range_is_longer_than_180_days(seller: Sandbox) -> None:
    """The sandbox refuses those, and fifteen empty years are read all the same."""
    opened = session(seller.url)
    assert read(TAKEALOT, opened, "orders", Window(TAKEALOT.epoch, EVERYTHING.since)).records == {}
    assert opened.client.calls < 60

    with pytest.raises(RequestRejected):
        opened.client.request(
            "sales",
            "https://seller-api.takealot.com/v2/sales",
            lambda response: response.body,
            params=[("filters", "start_date:2026-01-01;end_date:2026-07-01")],
        )


def test_trap_items_of_one_order_straddle_pages() -> None:
    """A span is read to its last page before orders are put together."""
    first = [{**SALE, "order_item_id": number, "order_id": number} for number in range(100)]
    second = {**SALE, "order_item_id": 100, "order_id": 99}
    with scripted(sales(*first, total=101), sales(second, total=101)) as server:
        page = fetch(server, "orders")

    assert [request.query["page_number"] for request in server.requests] == [["1"], ["2"]]
    assert len(page.records) == 100
    order = TAKEALOT.streams["orders"].normalize(page.records[99], False)
    assert [line.id for line in getattr(order, "lines", ())] == ["99", "100"]


def test_a_span_with_too_many_sales_is_halved() -> None:
    """Down to a day, which is read whole however much was sold."""
    with scripted(sales(total=5000), sales(total=2000), sales(SALE)) as server:
        fetch(server, "orders")

    ends = [request.query["filters"][0].rpartition(":")[2] for request in server.requests]
    assert ends == ["2026-11-04", "2026-11-02", "2026-11-01"]


def test_trap_pages_that_were_moved_are_not_taken_for_complete() -> None:
    """Fewer rows than were counted: the stream fails and is read again, nothing is lost in silence."""
    with scripted(sales(SALE, total=150), sales(total=150)) as server, pytest.raises(MarketplaceUnavailable):
        fetch(server, "orders")


def test_a_count_above_what_was_read_goes_along_with_the_page() -> None:
    """An empty page ends the listing, and the engine sees that it was short."""
    full = offers(*[{**OFFER, "offer_id": number} for number in range(100)], total=300)
    with scripted(full, offers(total=300)) as server:
        found = read(TAKEALOT, session(server.url), "products")

    assert [(page.total, page.listed, page.next_token) for page in found.pages] == [
        (300, 100, "2"),
        (300, 0, None),
    ]


def test_trap_offers_without_stock_are_not_empty_shelves() -> None:
    """Such an offer becomes a reject that cannot be identified, so nothing is taken as vanished."""
    with scripted(offers(OFFER, {**OFFER, **STOCK}, total=2)) as server:
        found = read(TAKEALOT, session(server.url), "inventory")

    assert [TAKEALOT.streams["inventory"].record_id(raw) for raw in found.rejects] == [None]
    assert len(found.records) == 2


def test_stock_is_told_by_warehouse() -> None:
    """The seller's by number, Takealot's by the name that v1 uses, with the stock on its way."""
    with scripted(offers({**OFFER, **STOCK}, total=1)) as server:
        found = read(TAKEALOT, session(server.url), "inventory").records

    shared: dict[str, Any] = {"sku": "MUG-BLU-2", "product_id": "208877123", "variant_id": "208877123"}
    assert list(found.values()) == [
        StockLevel(
            id="208877123@28676",
            location_id="28676",
            location_name="Mine",
            held_by="merchant",
            available=40,
            available_micros=40_000_000,
            **shared,
        ),
        StockLevel(
            id="208877123@JHB",
            location_id="JHB",
            location_name="JHB",
            held_by="marketplace",
            available=12,
            available_micros=12_000_000,
            incoming=5,
            quantities={"stock_on_way": 5},
            **shared,
        ),
    ]


def test_trap_times_have_no_zone_and_prices_are_line_totals() -> None:
    """Half past midnight there is the evening before in UTC; two for R690 need not cost R345 each."""
    order = rows.order(rows.marked(msgspec.json.encode([SALE])), False)

    assert order.created_at == datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
    assert (order.status, order.marketplace_status) == ("fulfilled", "Shipped to Customer")
    assert order.total == Money("690.00", "ZAR")
    assert (order.lines[0].unit_price, order.lines[0].total) == (None, Money("690.00", "ZAR"))


def test_trap_the_customer_is_named() -> None:
    """The name is kept only if the connection says so, and else no reject keeps it."""
    raw = rows.marked(msgspec.json.encode([SALE]))

    assert rows.order(raw, False).buyer is None
    assert rows.order(raw, True).buyer == Buyer(name="Example, Pat")
    assert rows.order(rows.marked(msgspec.json.encode([{**SALE, "customer": None}])), True).buyer is None
    assert "customer" in TAKEALOT.personal_fields


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order_date": "2026-11-22T14:30:00+02:00"}, RecordInvalid),
        ({"order_date": None}, RecordInvalid),
        ({"quantity": "two"}, msgspec.ValidationError),
        ({"quantity": None}, msgspec.ValidationError),
        ({"selling_price": "R690"}, msgspec.ValidationError),
    ],
)
def test_a_malformed_item_makes_its_order_a_reject_with_its_id(
    change: dict[str, Any], error: type[Exception]
) -> None:
    """Nothing is guessed at."""
    raw = rows.marked(msgspec.json.encode([{**SALE, **change}]))
    with pytest.raises(error):
        rows.order(raw, False)

    assert rows.order_id(raw) == "199823311"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Buyable", "active"),
        ("Not Buyable", "inactive"),
        ("Disabled by Seller", "inactive"),
        ("Disabled by Takealot", "inactive"),
        ("Something new", "unknown"),
    ],
)
def test_offer_statuses_are_written_with_spaces(word: str, status: str) -> None:
    """They mean the same as v1's; a list price of 0 means that there is none."""
    product = rows.product(rows.marked(msgspec.json.encode({**OFFER, "status": word})), False)

    assert (product.status, product.marketplace_status) == (status, word)
    assert product.variants[0].price == Money("345.00", "ZAR")
    assert product.variants[0].list_price is None


def test_missing_optional_fields_are_none() -> None:
    """An offer needs its id and its status, a sale its ids, date, status and quantity."""
    product = rows.product(rows.marked(b'{"offer_id":1,"status":"Buyable"}'), False)
    assert (product.title, product.variants[0].sku, product.variants[0].price) == (None, None, None)
    needed = ("order_item_id", "order_id", "order_date", "sale_status", "quantity")
    order = rows.order(rows.marked(msgspec.json.encode([{name: SALE[name] for name in needed}])), True)
    assert (order.total, order.lines[0].sku, order.buyer) == (None, None, None)


def test_the_check_tells_that_the_key_is_for_v2(seller: Sandbox) -> None:
    """v2 does not name the seller; a key of v1 is refused."""
    assert TAKEALOT.check(session(seller.url)) == "takealot: 230 offers (Seller API v2)"
    with pytest.raises(CredentialsRejected):
        TAKEALOT.check(session(seller.url, key="sandbox-key-0"))


def test_the_rate_headers_are_heeded() -> None:
    """With no call left, the next one waits for the reset."""
    page = offers(total=0)
    page.headers = {"x-RateLimit-Limit": "5", "x-RateLimit-Remaining": "0", "x-RateLimit-Reset": "90"}
    bench = Bench()
    with scripted(page) as server:
        opened = session(server.url, bench)
        TAKEALOT.check(opened)
        with pytest.raises(RateLimited):
            TAKEALOT.check(opened)

    assert bench.waits == [90.0]
