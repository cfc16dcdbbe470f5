"""eBay's orders: each trap, named, over the sandbox and over answers from a script."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from orchestrator.errors import (
    PageTokenExpired,
    ResponseInvalid,
)
from orchestrator.marketplaces.spec import Page, Window
from orchestrator.model.records.record import Order
from tests.marketplaces.ebay.answers import EBAY, GRANTED, ORDER, fetch, orders, session, spans
from tests.support.scripted import EVERYTHING, UNTIL, Sandbox, read, sandbox, scripted


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with several pages of everything, whom no test of this module changes."""
    with sandbox("ebay", orders=2500, products=90, accounts=2) as running:
        yield running


def test_trap_bounds_are_inclusive_milliseconds_rounded_outwards() -> None:
    """A whole window is one call: the first bound rounded down, the last one up, in UTC."""
    with scripted(GRANTED, orders(ORDER)) as server:
        page = fetch(session(server), "orders")

    assert spans(server.requests) == [("2026-11-23T06:00:00.123Z", "2026-11-23T06:10:00.001Z")]
    assert server.requests[1].query["limit"] == ["200"]
    assert (len(page.records), page.next_token) == (1, None)


def test_trap_an_order_that_changes_between_two_pages_loses_no_other() -> None:
    """Without a page by offset there is no row that slips: each span fits one page."""
    with sandbox("ebay", orders=900, products=1) as running:
        opened = running.session()
        running.control("POST", "faults", {"kind": "churn"})
        found = read(EBAY, opened, "orders")
        running.control("DELETE", "faults")
        later = Window(UNTIL, datetime.now(UTC) + timedelta(minutes=1))
        found.records |= read(EBAY, opened, "orders", later).records
        truth = running.truth()["orders"]

    assert len(found.pages) > 4
    assert found.records.keys() == truth.keys()


def test_a_window_with_more_than_a_page_is_cut_by_time(seller: Sandbox) -> None:
    """Each page is one span, no two overlap, and together they are the window."""
    recorded: list[Page] = []
    token, ends = None, []
    opened = seller.session()
    while True:
        page = fetch(opened, "orders", token, EVERYTHING)
        recorded.append(page)
        token = page.next_token
        if token is None:
            break
        ends.append(msgspec.json.decode(token)[0])
    ids = [EBAY.streams["orders"].record_id(raw) for page in recorded for raw in page.records]

    assert ends == sorted(set(ends))
    assert len(ids) == len(set(ids)) == len(seller.truth()["orders"])
    assert all(len(page.records) <= 200 for page in recorded)
    # The token's exchange, and calls whose answer did not fit.
    assert opened.client.calls < 2 * len(recorded)


def test_trap_equal_times_are_paged_by_offset_within_their_millisecond() -> None:
    """A bulk edit of more than a page in one millisecond cannot be cut by time."""
    first = [{**ORDER, "orderId": str(number)} for number in range(200)]
    second = [{**ORDER, "orderId": str(number)} for number in range(200, 250)]
    moment = Window(datetime(2026, 11, 23, 6, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC))
    with scripted(GRANTED, orders(*first, total=250), orders(*second, total=250)) as server:
        opened = session(server)
        page = fetch(opened, "orders", None, moment)
        assert page.next_token
        rest = fetch(opened, "orders", page.next_token, moment)

    assert (len(page.records), len(rest.records), rest.next_token) == (200, 50, None)
    assert [request.query.get("offset") for request in server.requests[1:]] == [["0"], ["200"]]


def test_a_millisecond_that_changes_while_it_is_paged_starts_the_window_again() -> None:
    """Its rows may have slipped from one page to the other."""
    full = [{**ORDER, "orderId": str(number)} for number in range(200)]
    moment = Window(datetime(2026, 11, 23, 6, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC))
    with scripted(GRANTED, orders(*full, total=450), orders(*full, total=449)) as server:
        opened = session(server)
        token = fetch(opened, "orders", None, moment).next_token
        with pytest.raises(PageTokenExpired):
            fetch(opened, "orders", token, moment)


def test_a_listing_that_stops_before_its_total_is_noticed() -> None:
    """It would never end, or end short."""
    moment = Window(datetime(2026, 11, 23, 6, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC))
    with scripted(GRANTED, orders(total=3)) as server, pytest.raises(ResponseInvalid, match="0 of 3"):
        fetch(session(server), "orders", None, moment)


def test_trap_next_is_a_url_and_is_not_followed() -> None:
    """Whatever host it names, only eBay's is spoken to."""
    elsewhere = "https://evil.example.com/sell/fulfillment/v1/order?offset=200"
    with scripted(GRANTED, orders(ORDER, next=elsewhere)) as server:
        assert fetch(session(server), "orders").next_token is None

    assert len(server.requests) == 2


def test_trap_creationdate_would_win_and_is_never_sent(seller: Sandbox) -> None:
    """The sandbox, like eBay, then forgets about the modification time."""
    opened = seller.session()
    fetch(opened, "orders")
    january = "[2026-01-01T00:00:00.000Z..2026-02-01T00:00:00.000Z]"
    both = f"lastmodifieddate:[2026-11-22T00:00:00.000Z..],creationdate:{january}"
    answer = opened.client.request(
        "orders",
        "https://api.ebay.com/sell/fulfillment/v1/order",
        lambda response: response.decode(dict[str, Any]),
        params=[("filter", both)],
    )

    assert answer["total"] > 50
    assert all(order["creationDate"].startswith("2026-01") for order in answer["orders"])


def test_a_page_of_older_orders_means_that_the_filter_was_not_applied() -> None:
    """Otherwise a window would be taken for complete that was never asked for."""
    old = [
        {**ORDER, "orderId": str(each), "lastModifiedDate": "2026-01-01T00:00:00.000Z"} for each in range(30)
    ]
    with scripted(GRANTED, orders(*old)) as server, pytest.raises(ResponseInvalid, match="not applied"):
        fetch(session(server), "orders")


def test_trap_no_range_is_longer_than_two_years() -> None:
    """A first window begins two years before its end, whatever was asked for."""
    with scripted(GRANTED, orders()) as server:
        fetch(session(server), "orders", None, Window(EBAY.epoch, UNTIL))

    assert spans(server.requests) == [("2024-11-23T06:00:00.000Z", "2026-11-23T06:00:00.000Z")]


def test_trap_orders_are_in_no_defined_order(seller: Sandbox) -> None:
    """The stream says so, and its rows show it: no position of theirs is trusted."""
    stream = EBAY.streams["orders"]
    raw = fetch(seller.session(), "orders", None, EVERYTHING).records
    moments = [stream.normalize(each, False).updated_at for each in raw]

    assert not stream.ordered
    assert moments != sorted(moments, key=str)


@pytest.mark.parametrize("stream", ["orders", "products"])
@pytest.mark.parametrize("token", ["x", "1", "[1]", "[1,2,3,4,5]", "1/x"])
def test_a_token_that_is_not_ours_starts_the_window_again(stream: str, token: str) -> None:
    """No call is made with it."""
    with scripted(GRANTED) as server, pytest.raises(PageTokenExpired):
        fetch(session(server), stream, token)

    assert not server.requests


def test_trap_unpaid_checkouts_never_appear(seller: Sandbox) -> None:
    """They are no orders yet; once paid, they are."""
    truth = seller.truth()["orders"]

    assert len(truth) < 2500
    assert not {held["status"] for held in truth.values()} & {"pending", "unknown"}


def test_trap_buyers_of_old_orders_are_masked(seller: Sandbox) -> None:
    """Young orders tell who bought, old ones do not; neither is an error."""
    found = [
        record
        for record in read(EBAY, seller.session(store_buyer_pii=True), "orders").records.values()
        if isinstance(record, Order)
    ]
    edge = datetime.now(UTC) - timedelta(days=90)

    told = {record.created_at > edge for record in found if record.buyer is not None}
    assert {record.created_at > edge for record in found if record.buyer is None} == {False}
    assert told <= {True}
