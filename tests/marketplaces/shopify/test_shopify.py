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
    PageTokenExpired,
    ResponseInvalid,
)
from orchestrator.marketplaces.shopify import order_records, queries
from orchestrator.marketplaces.spec import Window
from orchestrator.model.records.record import Order
from tests.marketplaces.shopify.answers import END, SHOPIFY, rows, session
from tests.support.scripted import (
    EVERYTHING,
    UNTIL,
    Sandbox,
    read,
    sandbox,
    scripted,
)


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop that these tests only read."""
    with sandbox("shopify", orders=600, products=260) as running:
        yield running


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
    """Orders with more than 5 lines and products with more than 10 variants are whole."""
    truth = shop.truth()
    long_orders = {each: held for each, held in truth["orders"].items() if len(held["quantities"]) > 5}
    first = queries.FIRST_VARIANTS
    long_products = {each: held for each, held in truth["products"].items() if len(held["skus"]) > first}
    assert long_orders
    assert long_products

    orders = read(SHOPIFY, shop.session(), "orders").records
    products = read(SHOPIFY, shop.session(), "products", whole=True).records

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
    assert order_records.order(page.records[0], False).buyer is None


#: The most nodes that are asked for at once.
SIZES = {
    queries.WHOLE_PRODUCTS: queries.WHOLE_PRODUCTS_SIZE,
    queries.ORDER_DETAILS: queries.ORDER_DETAILS_SIZE,
    queries.PARCELS: queries.PARCELS_SIZE,
    queries.REFUNDS: queries.REFUNDS_SIZE,
    queries.DEADLINES: queries.DEADLINES_SIZE,
}


@pytest.mark.parametrize("query", queries.POINTS)
def test_every_query_is_valid_and_costs_less_than_1000_points(query: str) -> None:
    """Also where every object counts as a point and every connection as its size times its rows."""
    ids = ["gid://shopify/Product/1"] * SIZES.get(query, 0)
    cost = read_query(query, {"q": "", "id": "gid://shopify/Order/1", "ids": ids}).requested_cost()

    assert cost == queries.POINTS[query] < 1000


def test_every_query_has_an_expected_cost() -> None:
    """None is asked for whose cost nobody looked at."""
    texts = {
        value
        for name, value in vars(queries).items()
        if name[0] != "_" and isinstance(value, str) and "{" in value
    }

    assert texts == set(queries.POINTS)
