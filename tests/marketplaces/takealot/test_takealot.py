"""Takealot's traps, each named, and the meaning of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from local.sandbox.generated import Generated
from local.sandbox.http import Reply
from orchestrator.errors import PageTokenExpired, RateLimited, RecordInvalid, ResponseInvalid
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Window
from orchestrator.marketplaces.takealot import records, sale_records
from orchestrator.model.records.record import Money, Order, StockLevel
from tests.support.scripted import (
    CREDENTIALS,
    EVERYTHING,
    UNTIL,
    Bench,
    Sandbox,
    Scripted,
    Secrets,
    read,
    sandbox,
    scripted,
)

#: Some 550 orders and 1,400 order items a day.
MANY = 400_000
TAKEALOT = REGISTRY["takealot"]
NOVEMBER = Window(datetime(2026, 10, 31, 22, tzinfo=UTC), datetime(2026, 11, 4, 12, tzinfo=UTC))
SALE: dict[str, Any] = {
    "order_item_id": 310224881,
    "order_id": 199823311,
    "order_date": "2026-11-22T14:30:00+02:00",
    "sale_status": "shipped_to_customer",
    "offer_id": 208877123,
    "sku": "MUG-BLU-2",
    "selling_price": 345,
    "quantity": 1,
}
OFFER: dict[str, Any] = {
    "offer_id": 208877123,
    "sku": "MUG-BLU-2",
    "barcode": "6001234567890",
    "title": "Enamel mug",
    "selling_price": 345,
    "rrp": 399,
    "status": "buyable",
    "created_at": "2026-02-15T12:34:56+02:00",
    "updated_at": "2026-11-20T09:00:00+02:00",
}
STOCK = {
    "seller_warehouse_stock": [{"seller_warehouse_id": 28676, "quantity_available": 40}],
    "takealot_warehouse_stock": [
        {"region": "JHB", "quantity_available": 12, "stock_on_way": 3, "stock_in_receiving": 2}
    ],
}


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller of whom a day has several pages of order items."""
    with sandbox("takealot", orders=MANY, products=30, accounts=1) as running:
        yield running


def session(server: Scripted, bench: Bench | None = None) -> AnySession:
    """A session with a server that answers from a script."""
    secret = msgspec.json.encode(CREDENTIALS["takealot"]).decode()
    return TAKEALOT.open((bench or Bench()).opening("takealot", {"base_url": server.url}, Secrets(secret)))


def listed(*items: dict[str, Any], **more: Any) -> Reply:
    """One page of a list."""
    return Reply.json(200, {"items": items, "limit": 1000, **more})


def test_trap_items_of_one_order_straddle_pages(seller: Sandbox) -> None:
    """A day that has several pages is read to its end, and every order of it is whole."""
    window = Window(UNTIL - timedelta(days=2), UNTIL)
    opened = seller.session()
    found = read(TAKEALOT, opened, "orders", window)

    assert max(len(page.records) for page in found.pages) > 500
    assert opened.client.calls >= len(found.pages) + 3
    truth = Generated(1, 0, sales=MANY, items=30, until=int(UNTIL.timestamp()))
    assert len(found.records) == sum(len(page.records) for page in found.pages)
    for record_id, record in found.records.items():
        assert isinstance(record, Order)
        index = truth.sale_index(int(record_id))
        assert index is not None
        assert [line.quantity for line in record.lines] == [line.quantity for line in truth.sale(index).lines]


def test_trap_dates_are_south_african_days_both_included() -> None:
    """22:30 UTC belongs to the next day there; the last day is asked for whole."""
    with scripted(listed()) as server:
        TAKEALOT.streams["orders"].fetch(session(server), NOVEMBER, None)

    assert server.requests[0].query["order_date__gte"] == ["2026-11-01"]
    assert server.requests[0].query["order_date__lte"] == ["2026-11-04"]
    assert (server.requests[0].query["limit"], server.requests[0].query["include_count"]) == (
        ["100"],
        ["true"],
    )


def test_the_page_token_is_the_next_day_and_outlives_a_session(seller: Sandbox) -> None:
    """It names no continuation of Takealot's, and another session continues from it."""
    assert TAKEALOT.streams["orders"].durable_token
    window = Window(UNTIL - timedelta(days=3), UNTIL)
    whole = read(TAKEALOT, seller.session(), "orders", window)
    assert len(whole.tokens) > 2

    assert whole.tokens[1] is not None
    assert whole.tokens[1].startswith("2026-11-2")
    rest = read(TAKEALOT, seller.session(), "orders", window, whole.tokens[1])
    first = {TAKEALOT.streams["orders"].record_id(raw) for raw in whole.pages[0].records}
    assert whole.records.keys() - rest.records.keys() == first


@pytest.mark.parametrize("token", ["", "2026-13-01/8", "x/y", "2026-11-01", "2026-11-01/x"])
def test_a_token_that_is_not_ours_starts_the_window_again(token: str) -> None:
    """An unreadable one is expired, and a missing one is the first page."""
    with scripted(listed()) as server:
        opened = session(server)
        if token:
            with pytest.raises(PageTokenExpired):
                TAKEALOT.streams["orders"].fetch(opened, NOVEMBER, token)
        else:
            assert TAKEALOT.streams["orders"].fetch(opened, NOVEMBER, token).next_token is None


def test_calls_are_few_where_little_was_sold() -> None:
    """The span grows while pages are nearly empty: 15 years cost some fifty calls."""
    with scripted(listed()) as server:
        opened = session(server)
        read(TAKEALOT, opened, "orders", Window(TAKEALOT.epoch, UNTIL))

    assert opened.client.calls < 60


@pytest.mark.parametrize("end", [{}, {"continuation_token": ""}, {"continuation_token": None}])
@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_trap_a_list_ends_with_an_absent_or_a_blank_token(stream: str, end: dict[str, Any]) -> None:
    """Both endings are seen in the wild."""
    with scripted(listed(**end)) as server:
        opened = session(server)
        assert TAKEALOT.streams[stream].fetch(opened, NOVEMBER, None).next_token is None

    assert opened.client.calls == 1


@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_trap_a_repeated_token_of_the_offers_is_noticed(stream: str) -> None:
    """It would never end."""
    with scripted(listed(continuation_token="again")) as server, pytest.raises(ResponseInvalid):
        TAKEALOT.streams[stream].fetch(session(server), NOVEMBER, "again")


def test_trap_a_repeated_token_within_a_day_of_sales_is_noticed() -> None:
    """The span is halved down to a day, and that day would never end."""
    with scripted(listed(SALE, continuation_token="again")) as server, pytest.raises(ResponseInvalid):
        TAKEALOT.streams["orders"].fetch(session(server), NOVEMBER, None)

    spans = [request.query["order_date__lte"][0] for request in server.requests]
    assert spans == ["2026-11-04", "2026-11-02", "2026-11-01", "2026-11-01"]


def test_trap_a_count_above_what_was_read_goes_along_with_the_page() -> None:
    """The engine compares the number of listed rows with the marketplace's own count."""
    offer = {**OFFER, **STOCK}
    with scripted(listed(offer, count=1000)) as server:
        opened = session(server)
        products = TAKEALOT.streams["products"].fetch(opened, NOVEMBER, None)
        inventory = TAKEALOT.streams["inventory"].fetch(opened, NOVEMBER, None)

    assert (products.total, products.listed, len(products.records)) == (1000, None, 1)
    assert (inventory.total, inventory.listed, len(inventory.records)) == (1000, 1, 2)
    assert all(request.query["include_count"] == ["true"] for request in server.requests)
    assert "expands" not in server.requests[0].query
    assert server.requests[1].query["expands"] == ["seller_warehouse_stock", "takealot_warehouse_stock"]


def test_trap_offers_without_the_stock_that_was_asked_for_are_not_empty_shelves() -> None:
    """Such an offer becomes a reject that cannot be identified, so nothing is taken as vanished."""
    with scripted(listed(OFFER)) as server:
        found = read(TAKEALOT, session(server), "inventory")

    assert len(found.rejects) == 1
    assert TAKEALOT.streams["inventory"].record_id(found.rejects[0]) is None


def test_an_offer_that_lies_nowhere_has_no_stock_level() -> None:
    """Empty lists are stock that was asked for: there is none."""
    empty = {**OFFER, "seller_warehouse_stock": [], "takealot_warehouse_stock": []}
    with scripted(listed(empty)) as server:
        page = TAKEALOT.streams["inventory"].fetch(session(server), NOVEMBER, None)

    assert (list(page.records), page.listed) == ([], 1)


def test_trap_a_cloudflare_page_is_not_a_lack_of_permission() -> None:
    """An HTML 403 passes; the API's own 403 does not."""
    page = Reply(403, b"<!DOCTYPE html><html>", "text/html; charset=UTF-8")
    bench = Bench()
    with scripted(page, listed(OFFER, count=1)) as server:
        assert len(TAKEALOT.streams["products"].fetch(session(server, bench), NOVEMBER, None).records) == 1

    assert len(bench.clock.slept) == 1


def test_rate_headers_are_waited_for_before_the_next_call() -> None:
    """With no call left, the next one waits for the reset and is not refused first."""
    page = listed(OFFER)
    page.headers = {"x-RateLimit-Limit": "5", "x-RateLimit-Remaining": "0", "x-RateLimit-Reset": "9"}
    bench = Bench()
    with scripted(page) as server:
        opened = session(server, bench)
        TAKEALOT.streams["products"].fetch(opened, NOVEMBER, None)
        assert bench.waits == []
        TAKEALOT.streams["products"].fetch(opened, NOVEMBER, None)

    assert bench.waits == [9.0]


def test_a_429_waits_for_the_reset_where_there_is_no_retry_after() -> None:
    """A reset told as a moment is understood as well."""
    moment = datetime.now(UTC) + timedelta(seconds=1000)
    headers = {"x-RateLimit-Remaining": "0", "x-RateLimit-Reset": f"{moment.timestamp():.0f}"}
    refused = Reply.json(429, {}, headers)
    with scripted(refused) as server, pytest.raises(RateLimited) as raised:
        TAKEALOT.streams["products"].fetch(session(server), NOVEMBER, None)

    assert 990 < raised.value.wait_s < 1002


def test_the_sandbox_refuses_calls_over_its_limit() -> None:
    """Its small bucket takes five calls a second, and the connector never meets a 429."""
    bench = Bench()
    with sandbox("takealot", orders=5, products=3, small_buckets=True) as running:
        opened = running.session(bench)
        for _ in range(5):
            TAKEALOT.check(opened)
        bench.longest_wait = 0
        with pytest.raises(RateLimited):
            TAKEALOT.check(opened)

    assert opened.client.calls == 5


def test_grouping_keeps_what_it_cannot_read_apart() -> None:
    """Good orders are whole and ordered, repeated items count once, strays become rejects."""
    second, stray = {**SALE, "order_item_id": 99}, {"order_item_id": 5}
    items = [msgspec.Raw(msgspec.json.encode(each)) for each in (SALE, stray, second, SALE)]

    grouped = sale_records.group_by_order(items)

    assert [msgspec.json.decode(each) for each in grouped] == [[second, SALE], [stray]]
    assert [TAKEALOT.streams["orders"].record_id(each) for each in grouped] == ["199823311", None]


def order(*changes: dict[str, Any]) -> Order:
    """An order of one item for each change."""
    items = [{**SALE, "order_item_id": number, **change} for number, change in enumerate(changes)]
    return sale_records.order(msgspec.json.encode(items), False)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["shipped_to_customer"], "fulfilled"),
        (["Shipped to Customer", "shipped_to_customer"], "fulfilled"),
        (["Preparing for Customer"], "open"),
        (["Preparing for Customer", "Shipped to Customer"], "partially_fulfilled"),
        (["Returned"], "returned"),
        (["Returned", "Shipped to Customer"], "fulfilled"),
        (["Cancelled by Customer", "Shipped to Customer"], "fulfilled"),
        (["cancelled", "CANCELLED_BY_SELLER"], "cancelled"),
        (["Something new entirely"], "unknown"),
        (["☃"], "unknown"),
        (["☃", "Shipped to Customer"], "unknown"),
    ],
)
def test_trap_sale_statuses_are_free_text(words: list[str], status: str) -> None:
    """They are mapped in either spelling, and the words are kept."""
    found = order(*({"sale_status": word} for word in words))

    assert found.status == status
    assert found.marketplace_status == ", ".join(sorted(set(words)))
    assert [line.marketplace_status for line in found.lines] == words


def test_trap_amounts_are_whole_rand_and_times_are_not_utc() -> None:
    """345 is R345.00; 14:30+02:00 is 12:30 UTC; a unit price is only given if it is known."""
    found = order({}, {"quantity": 3, "selling_price": 300})

    assert found.total == Money("645.00", "ZAR")
    assert found.lines[0].unit_price == Money("345.00", "ZAR")
    assert (found.lines[1].unit_price, found.lines[1].total) == (None, Money("300.00", "ZAR"))
    assert found.created_at == datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    assert found.updated_at is None


def test_trap_ids_may_be_numbers_or_text() -> None:
    """Some clients see text although the specification says integer."""
    as_text = {name: str(value) if name.endswith("_id") else value for name, value in SALE.items()}
    raw = [msgspec.json.encode([each]) for each in (SALE, as_text)]

    assert sale_records.order(raw[0], False) == sale_records.order(raw[1], False)


def test_an_offer_is_a_product_with_one_variant() -> None:
    """With its price, list price and barcode."""
    found = records.product(msgspec.json.encode(OFFER), False)

    assert (found.id, found.status, found.marketplace_status) == ("208877123", "active", "buyable")
    assert found.variants[0].price == Money("345.00", "ZAR")
    assert found.variants[0].list_price == Money("399.00", "ZAR")
    assert found.updated_at == datetime(2026, 11, 20, 7, tzinfo=UTC)
    unknown = records.product(msgspec.json.encode({**OFFER, "status": "new"}), False)
    assert (unknown.status, unknown.marketplace_status) == ("unknown", "new")


def test_stock_is_told_by_warehouse_and_region() -> None:
    """The seller's own warehouse by its number, Takealot's by region."""
    split = records.split_by_location(msgspec.Raw(msgspec.json.encode({**OFFER, **STOCK})))
    levels = [records.level(each, False) for each in split]

    assert levels == [
        StockLevel(
            id="208877123@28676",
            sku="MUG-BLU-2",
            product_id="208877123",
            variant_id="208877123",
            location_id="28676",
            held_by="merchant",
            available=40,
            available_micros=40_000_000,
        ),
        StockLevel(
            id="208877123@JHB",
            sku="MUG-BLU-2",
            product_id="208877123",
            variant_id="208877123",
            location_id="JHB",
            location_name="JHB",
            held_by="marketplace",
            available=12,
            available_micros=12_000_000,
            incoming=5,
            quantities={"stock_in_receiving": 2, "stock_on_way": 3},
        ),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"order_date": "2026-11-22T14:30:00"},
        {"order_date": "22 Nov 2026 14:30:00"},
        {"selling_price": "R345"},
        {"quantity": None},
        {"order_item_id": None},
    ],
)
def test_a_malformed_item_makes_its_order_a_reject_with_its_id(change: dict[str, Any]) -> None:
    """A time without a zone is not guessed at."""
    raw = msgspec.json.encode([{**SALE, **change}])
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        sale_records.order(raw, False)

    assert sale_records.order_id(raw) == "199823311"


def test_the_seller_is_named_by_the_check(seller: Sandbox) -> None:
    """One call says whose key it is."""
    assert TAKEALOT.check(seller.session()) == "takealot: Sandbox 0 (29840000)"


def test_everything_is_read_of_an_account_whose_lists_end_without_a_token() -> None:
    """Account 1 ends its lists the other way."""
    with sandbox("takealot", orders=40, products=5) as running:
        opened = running.session(credential={"api_key": "sandbox-key-1"})
        assert len(read(TAKEALOT, opened, "orders", EVERYTHING).records) == 40
        assert len(read(TAKEALOT, opened, "products").records) == 5
