"""Shopify's traps, each named, and the meaning of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import urllib3

from local.sandbox.http import Reply
from local.sandbox.shopify.graphql import read_query
from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    PageTokenExpired,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.shopify import queries, records
from orchestrator.marketplaces.spec import AnySession, Window
from orchestrator.model.record import Order
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

SHOPIFY = REGISTRY["shopify"]
COST = {
    "requestedQueryCost": 800,
    "actualQueryCost": 10,
    "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 300.0, "restoreRate": 100.0},
}
END = {"hasNextPage": False, "endCursor": None}


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop that these tests only read."""
    with sandbox("shopify", orders=600, products=120) as running:
        yield running


def session(server: Scripted, bench: Bench | None = None) -> AnySession:
    """A session with a server that answers from a script."""
    settings = {"shop": "sandbox-0.myshopify.com", "base_url": server.url}
    secret = msgspec.json.encode(CREDENTIALS["shopify"]).decode()
    return SHOPIFY.open((bench or Bench()).opening("shopify", settings, Secrets(secret)))


def rows(*nodes: dict[str, Any], **info: Any) -> Reply:
    """A page of rows."""
    return Reply.json(200, {"data": {"rows": {"nodes": nodes, "pageInfo": {**END, **info}}}})


def graphql(shop: Sandbox, query: str, **variables: Any) -> Any:
    """A raw query to the sandbox."""
    response = urllib3.request(
        "POST",
        f"{shop.url}/admin/api/2026-10/graphql.json",
        json={"query": query, "variables": variables},
        headers={"X-Shopify-Access-Token": "shpat_sandbox_0"},
        timeout=60,
    )
    return msgspec.json.decode(response.data)


def orders_matching(shop: Sandbox, terms: str) -> list[str]:
    """Times of the last change of the orders that a filter lets through."""
    answer = graphql(
        shop, "query($q:String!){orders(first:250,sortKey:UPDATED_AT,query:$q){nodes{updatedAt}}}", q=terms
    )
    return [node["updatedAt"] for node in answer["data"]["orders"]["nodes"]]


def test_trap_unquoted_timestamps_filter_by_day(shop: Sandbox) -> None:
    """The sandbox ignores the time of day unless it is quoted; the connector quotes."""
    changed = orders_matching(shop, "updated_at:>='2026-09-01'")[0]
    since, day = datetime.fromisoformat(changed), changed[:10]
    whole_day = orders_matching(shop, f"updated_at:>={day}T23:59:59Z updated_at:<={day}T00:00:00Z")
    assert changed in whole_day
    assert not orders_matching(shop, f"updated_at:>='{day}T23:59:59Z' updated_at:<='{day}T00:00:00Z'")

    found = read(SHOPIFY, shop.session(), "orders", Window(since, since))

    assert {record.updated_at for record in found.records.values()} == {since}


def test_trap_bounds_are_inclusive_in_whole_seconds(shop: Sandbox) -> None:
    """An order changed in the very second of either bound is read, also if the bound has fractions."""
    times = sorted(
        datetime.fromisoformat(each) for each in orders_matching(shop, "updated_at:>='2026-09-01'")
    )
    first, last = times[0], times[-1]

    fraction = timedelta(milliseconds=900)
    found = read(SHOPIFY, shop.session(), "orders", Window(first + fraction, last - fraction))

    read_times = [record.updated_at for record in found.records.values()]
    assert {first, last} <= set(read_times)


def test_trap_rows_come_in_the_order_of_their_change(shop: Sandbox) -> None:
    """SortKey is always given: the default would be another order, and a position could not be trusted."""
    for stream in ("orders", "products"):
        times = [record.updated_at for record in read(SHOPIFY, shop.session(), stream).records.values()]
        assert times == sorted(times, key=str)
        assert len(set(times)) < len(times) or stream == "products"


def test_trap_a_filter_that_was_ignored_is_noticed() -> None:
    """A page of nothing but rows older than the window, with more behind it: the filter did not filter."""
    old = {"id": "gid://shopify/Order/1", "updatedAt": "2020-01-01T00:00:00Z"}
    page = rows(old, old, hasNextPage=True, endCursor="c")
    with scripted(page) as server, pytest.raises(ResponseInvalid, match="filter was not applied"):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)


def test_trap_a_row_edited_after_it_was_found_is_no_error() -> None:
    """Its own time is later than the window's end; the next window reads it again."""
    node = {"id": "gid://shopify/Order/1", "updatedAt": "2030-01-01T00:00:00Z"}
    with scripted(rows(node)) as server:
        page = SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)

    assert len(page.records) == 1


def test_trap_lines_and_variants_beyond_their_first_page_are_read(shop: Sandbox) -> None:
    """Orders with more than 5 lines and products with more than 40 variants are whole."""
    truth = shop.truth()
    long_orders = {each: held for each, held in truth["orders"].items() if len(held["quantities"]) > 5}
    long_products = {each: held for each, held in truth["products"].items() if len(held["skus"]) > 40}
    assert long_orders
    assert long_products

    orders = read(SHOPIFY, shop.session(), "orders").records
    products = read(SHOPIFY, shop.session(), "products").records

    for each, held in long_orders.items():
        assert [line.quantity for line in orders[each].lines] == held["quantities"]  # type: ignore[union-attr] # these are orders
    for each, held in long_products.items():
        assert [variant.sku for variant in products[each].variants] == held["skus"]  # type: ignore[union-attr] # these are products


def test_an_order_deleted_while_its_lines_are_read_is_kept_as_far_as_it_came() -> None:
    """Its parent is null then, which is no error."""
    lines = {"nodes": [{"id": "l1"}], "pageInfo": {"hasNextPage": True, "endCursor": "c"}}
    node = {"id": "gid://shopify/Order/1", "updatedAt": "2026-11-01T00:00:00Z", "lineItems": lines}
    gone = Reply.json(200, {"data": {"parent": None}})
    with scripted(rows(node), gone) as server:
        page = SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)

    kept = msgspec.json.decode(page.records[0])["lineItems"]
    assert kept == {"nodes": [{"id": "l1"}], "pageInfo": {"hasNextPage": False}}


def test_a_shop_without_locations_has_no_stock() -> None:
    """That is an empty page, and the last one."""
    with scripted(rows()) as server:
        page = SHOPIFY.streams["inventory"].fetch(session(server), EVERYTHING, None)

    assert (list(page.records), page.next_token) == ([], None)


def test_products_without_the_shops_currency_are_invalid() -> None:
    """A price is not stored without one."""
    with scripted(rows()) as server, pytest.raises(ResponseInvalid, match="currency"):
        SHOPIFY.streams["products"].fetch(session(server), EVERYTHING, None)


def test_trap_products_of_every_status_are_listed(shop: Sandbox) -> None:
    """Without a status term Shopify lists active ones only."""
    found = {record.status for record in read(SHOPIFY, shop.session(), "products").records.values()}

    assert found == {"active", "draft", "archived"}


def test_trap_inactive_locations_are_listed(shop: Sandbox) -> None:
    """Stock at a closed location is stock."""
    found = {record.location_name for record in read(SHOPIFY, shop.session(), "inventory").records.values()}  # type: ignore[union-attr] # these are levels

    assert found == {"Cape Town", "Jo'burg (Midrand)", "Old store"}


def test_trap_test_orders_are_flagged(shop: Sandbox) -> None:
    """They are kept, and told apart."""
    flags = {record.test for record in read(SHOPIFY, shop.session(), "orders").records.values()}  # type: ignore[union-attr] # these are orders

    assert flags == {True, False}


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
@pytest.mark.parametrize("info", [{"endCursor": "again"}, {"endCursor": None}])
def test_trap_a_repeated_or_missing_cursor_ends_the_scan(stream: str, info: dict[str, Any]) -> None:
    """Missing read_all_orders was seen to repeat the same page for ever."""
    again = {**END, "hasNextPage": True, **info}
    inner: dict[str, Any] = {"inventoryLevels": {"nodes": [], "pageInfo": again}}
    data = {
        "rows": {"nodes": [inner] if stream == "inventory" else [], "pageInfo": again},
        "shop": {"currencyCode": "ZAR"},
    }
    token = '[null,"again"]' if stream == "inventory" else "again"
    with scripted(Reply.json(200, {"data": data})) as server, pytest.raises(ResponseInvalid):
        SHOPIFY.streams[stream].fetch(session(server), EVERYTHING, token)


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_a_cursor_of_another_query_is_a_token_that_expired(shop: Sandbox, stream: str) -> None:
    """The window then starts again; it does not fail."""
    opened = shop.session()
    spec = SHOPIFY.streams[stream]
    token = spec.fetch(opened, EVERYTHING, None).next_token
    other = Window(EVERYTHING.since + timedelta(days=1), UNTIL)

    with pytest.raises(PageTokenExpired):
        spec.fetch(opened, other, token)
    with pytest.raises(PageTokenExpired):
        spec.fetch(opened, EVERYTHING, "junk")


@pytest.mark.parametrize(
    "with_data", [False, True], ids=["throttled with status 200", "and the cost is told"]
)
def test_trap_throttled_with_status_200_waits_for_the_bucket(with_data: bool) -> None:
    """The wait is the missing points of the cost, divided by the told rate."""
    throttled: dict[str, Any] = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
    if with_data:
        throttled["extensions"] = {"cost": COST | {"actualQueryCost": None}}
    bench = Bench()
    with scripted(Reply.json(200, throttled), rows()) as server:
        SHOPIFY.streams["orders"].fetch(session(server, bench), EVERYTHING, None)

    assert len(server.requests) == 2
    expected = 5.0 if with_data else 1.0
    assert sum(bench.waits) == pytest.approx(expected, abs=0.6)


def test_the_bucket_is_waited_for_before_a_call_that_would_not_fit() -> None:
    """The second page waits (800 - 300) / 100 seconds and is not refused first."""
    page = Reply.json(200, {"data": {"rows": {"nodes": [], "pageInfo": END}}, "extensions": {"cost": COST}})
    bench = Bench()
    with scripted(page) as server:
        opened = session(server, bench)
        SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None)
        assert bench.waits == []
        SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None)

    assert bench.waits == [5.0]


def test_a_plain_429_is_honoured_too() -> None:
    """Shopify has both ways to say wait."""
    bench = Bench()
    with scripted(Reply(429, b"", headers={"Retry-After": "2.0"}), rows()) as server:
        SHOPIFY.streams["orders"].fetch(session(server, bench), EVERYTHING, None)

    assert 2.0 <= bench.waits[0] <= 2.2


def test_a_small_bucket_throttles_nobody_who_waits() -> None:
    """Against the sandbox's real bucket, every page is read and no call is refused."""

    class RealBench(Bench):
        def wait(self, seconds: float) -> None:
            import time  # noqa: PLC0415 - the one test that lets real time pass

            self.waits.append(seconds)
            self.clock.sleep(seconds)
            time.sleep(seconds)

    bench = RealBench()
    with sandbox("shopify", orders=60, products=2, small_buckets=True) as running:
        found = read(SHOPIFY, running.session(bench), "orders")

    assert len(found.records) == 60
    assert bench.waits


@pytest.mark.parametrize(
    ("code", "data", "kind"),
    [
        ("ACCESS_DENIED", None, PermissionDenied),
        ("ACCESS_DENIED", {"rows": None}, PermissionDenied),
        ("MAX_COST_EXCEEDED", None, RequestRejected),
        ("undefinedField", None, RequestRejected),
        (None, None, RequestRejected),
        ("INTERNAL_SERVER_ERROR", None, MarketplaceUnavailable),
        ("SOMETHING", {"rows": {"nodes": [], "pageInfo": END}}, MarketplaceUnavailable),
    ],
)
def test_errors_in_the_body_have_their_kind(
    code: str | None, data: Any, kind: type[MarketplaceError]
) -> None:
    """The status is 200 for all of them."""
    body: dict[str, Any] = {"errors": [{"message": "No.", "extensions": {"code": code}}]}
    if data is not None:
        body["data"] = data
    with scripted(Reply.json(200, body)) as server, pytest.raises(kind):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)


def test_trap_access_denied_beside_data_is_normal_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Without protected-customer-data approval the buyer's fields are null and the order is good."""
    node = {"id": "gid://shopify/Order/1", "updatedAt": "2026-11-01T00:00:00Z", "email": None}
    denied = [{"message": "no", "path": ["orders"], "extensions": {"code": "ACCESS_DENIED"}}]
    body = {"data": {"rows": {"nodes": [node], "pageInfo": END}}, "errors": denied}
    with scripted(Reply.json(200, body)) as server:
        opened = session(server)
        for _ in range(2):
            assert len(SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None).records) == 1

    assert len([each for each in caplog.records if "withheld" in each.message]) == 1


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": {"rows": None}}, {"data": []}])
def test_an_answer_without_data_and_errors_is_invalid(body: dict[str, Any]) -> None:
    """It is not an empty page."""
    with scripted(Reply.json(200, body)) as server, pytest.raises(ResponseInvalid):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)


def test_trap_another_version_served_in_silence_is_noticed() -> None:
    """An old version falls forward without an error: the header tells."""
    page = rows()
    page.headers = {"X-Shopify-API-Version": "2027-10"}
    with scripted(page) as server, pytest.raises(ResponseInvalid, match="2027-10 instead of 2026-10"):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)


def test_deprecated_fields_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Shopify names the deprecated fields in a header."""
    page = rows()
    page.headers = {"X-Shopify-API-Deprecated-Reason": "Order.name"}
    with scripted(page) as server:
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)

    assert "Order.name" in caplog.text


@pytest.mark.parametrize("with_buyer", [False, True])
def test_buyers_are_asked_for_only_where_they_may_be_stored(shop: Sandbox, with_buyer: bool) -> None:
    """Without leave, no personal field is in the query, in a raw record or in a normalized one."""
    opened = shop.session(store_buyer_pii=with_buyer)
    page = SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None)
    order = SHOPIFY.streams["orders"].normalize(page.records[0], with_buyer)

    assert isinstance(order, Order)
    assert (b"@example.com" in page.records[0]) is with_buyer
    assert (order.buyer is not None) is with_buyer
    if order.buyer:
        assert order.buyer.email is not None
        assert order.buyer.street
    assert records.order(page.records[0], False).buyer is None


@pytest.mark.parametrize(
    "query",
    [
        queries.ORDERS,
        queries.ORDERS_WITH_BUYER,
        queries.BARE_ORDERS,
        queries.ORDER,
        queries.ORDER_WITH_BUYER,
        queries.LINES,
        queries.PRODUCTS,
        queries.BARE_PRODUCTS,
        queries.PRODUCT,
        queries.VARIANTS,
        queries.LEVELS,
        queries.BARE_LEVELS,
        queries.LEVEL,
        queries.SHOP,
    ],
)
def test_every_query_is_valid_and_costs_at_most_1000_points(query: str) -> None:
    """Also where every object counts as a point and every connection as its size times its rows."""
    assert read_query(query, {"q": "", "id": "gid://shopify/Order/1"}).requested_cost() <= 1000


def test_waits_longer_than_the_slice_are_deferred() -> None:
    """The engine hears for how long."""
    slow = COST | {"throttleStatus": COST["throttleStatus"] | {"currentlyAvailable": 0, "restoreRate": 1.0}}  # type: ignore[operator] # a literal of mixed values
    throttled = {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": slow},
    }
    with scripted(Reply.json(200, throttled)) as server, pytest.raises(RateLimited) as raised:
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)

    assert raised.value.wait_s >= 800
