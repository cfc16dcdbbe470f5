"""Amazon's traps of access, limits, orders and stock, each named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    MarketplaceError,
    MarketplaceUnavailable,
    PageTokenExpired,
    PermissionDenied,
    RateLimited,
    RequestRejected,
)
from orchestrator.marketplaces.amazon.api import RATES
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import Listing, Window
from tests.marketplaces.amazon.answers import TOKEN, session
from tests.support.scripted import EVERYTHING, UNTIL, Bench, Sandbox, read, sandbox, scripted

AMAZON = REGISTRY["amazon"]
ORDERS, INVENTORY = AMAZON.streams["orders"], AMAZON.streams["inventory"]
WINDOW = Window(datetime(2026, 11, 23, 5, 0, 0, 250_000, UTC), datetime(2026, 11, 23, 5, 15, 0, 250_000, UTC))
EMPTY = Reply.json(200, {"orders": []})
NO_STOCK = Reply.json(200, {"payload": {"inventorySummaries": []}})


def refusal(status: int, code: str, details: str = "", **headers: str) -> Reply:
    """An error as Amazon writes it."""
    error = {"code": code, "message": "Access to requested resource is denied.", "details": details}
    return Reply.json(status, {"errors": [error]}, {"x-amzn-RequestId": "request-1", **headers})


EXPIRED = refusal(403, "Unauthorized", "The access token you provided has expired.")
QUOTA = refusal(429, "QuotaExceeded")


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with three pages of orders and several of stock."""
    with sandbox("amazon", orders=250, products=330, accounts=1) as running:
        yield running


def test_one_access_token_serves_a_whole_session(seller: Sandbox) -> None:
    """It is exchanged once, at another host, for all streams."""
    before = seller.control("GET", "stats")["by_path"].get("/auth/o2/token", {"calls": 0})["calls"]
    opened = seller.session()
    for stream in AMAZON.streams:
        read(AMAZON, opened, stream)

    assert seller.control("GET", "stats")["by_path"]["/auth/o2/token"]["calls"] == before + 1


def test_an_access_token_is_exchanged_again_before_it_expires() -> None:
    """Form-encoded, shortly before its hour is over."""
    bench = Bench()
    with scripted(TOKEN, EMPTY, TOKEN, EMPTY) as server:
        opened = session(server, bench)
        ORDERS.fetch(opened, WINDOW, None)
        bench.clock.sleep(3600 - 60)
        ORDERS.fetch(opened, WINDOW, None)

    paths = [request.path for request in server.requests]
    assert paths == ["/auth/o2/token", "/orders/2026-01-01/orders"] * 2
    assert server.requests[0].body.startswith(b"grant_type=refresh_token&client_id=amzn1.application-oa2")
    assert server.requests[1].headers["x-amz-access-token"] == "Atza|1"


def test_trap_an_expired_access_token_is_a_403_and_is_exchanged_once() -> None:
    """After that the call goes through."""
    with scripted(TOKEN, EXPIRED, TOKEN, EMPTY) as server:
        assert ORDERS.fetch(session(server), WINDOW, None).next_token is None

    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("answers", "kind", "calls"),
    [
        ([EXPIRED, TOKEN, EXPIRED], CredentialsRejected, 4),
        ([refusal(403, "Unauthorized"), TOKEN, refusal(403, "Unauthorized")], PermissionDenied, 4),
        ([refusal(400, "InvalidInput")], RequestRejected, 2),
        ([refusal(404, "NotFound")], RequestRejected, 2),
        ([refusal(413, "RequestTooLarge")], RequestRejected, 2),
        ([refusal(503, "ServiceUnavailable")], MarketplaceUnavailable, 6),
        ([Reply(403, b"<html>blocked</html>", "text/html")], MarketplaceUnavailable, 6),
    ],
)
def test_a_refusal_is_of_its_kind(answers: list[Reply], kind: type[MarketplaceError], calls: int) -> None:
    """The message has Amazon's code and the id that its support asks for."""
    with scripted(TOKEN, *answers) as server, pytest.raises(kind) as caught:
        ORDERS.fetch(session(server), WINDOW, None)

    assert type(caught.value) is kind
    assert len(server.requests) == calls
    if "json" in answers[-1].content_type:
        assert caught.value.message.endswith(", x-amzn-RequestId request-1")
        code = msgspec.json.decode(answers[-1].body)["errors"][0]["code"]
        assert code in caught.value.message or kind is CredentialsRejected


def test_a_lacking_role_says_what_to_do() -> None:
    """A 403 that another access token does not cure is a matter of roles."""
    refused = refusal(403, "Unauthorized")
    with scripted(TOKEN, refused, TOKEN, refused) as server, pytest.raises(PermissionDenied) as caught:
        ORDERS.fetch(session(server), WINDOW, None)

    assert "role" in caught.value.action


@pytest.mark.parametrize("status", [400, 401])
def test_a_dead_authorization_is_a_rejected_credential(status: int) -> None:
    """Nothing is asked of the API then."""
    answer = Reply.json(status, {"error": "invalid_grant"})
    with scripted(answer) as server, pytest.raises(CredentialsRejected):
        ORDERS.fetch(session(server), WINDOW, None)

    assert [request.path for request in server.requests] == ["/auth/o2/token"]


def test_orders_of_all_marketplaces_are_asked_for_at_once() -> None:
    """With status and totals, bounds rounded outwards to seconds, a Z, and full pages; without buyers."""
    with scripted(TOKEN, EMPTY) as server:
        ORDERS.fetch(session(server), WINDOW, None)

    assert {name: values[0] for name, values in server.requests[1].query.items()} == {
        "lastUpdatedAfter": "2026-11-23T05:00:00Z",
        "lastUpdatedBefore": "2026-11-23T05:15:01Z",
        "marketplaceIds": "AE08WJ6YKNBMC,A1F83G8C2ARO7P",
        "maxResultsPerPage": "100",
        "includedData": "FULFILLMENT,PROCEEDS,PACKAGES,CANCELLATION,PROMOTION",
    }


def test_buyers_are_requested_only_where_they_may_be_stored(seller: Sandbox) -> None:
    """They then come with name, address and phone."""
    with scripted(TOKEN, EMPTY) as server:
        ORDERS.fetch(session(server, pii=True), WINDOW, None)
    asked = "FULFILLMENT,PROCEEDS,PACKAGES,CANCELLATION,PROMOTION,RECIPIENT,BUYER,TAX"
    assert server.requests[1].query["includedData"] == [asked]
    with scripted(TOKEN, EMPTY) as server:
        ORDERS.fetch(session(server, destination=True), WINDOW, None)
    asked = "FULFILLMENT,PROCEEDS,PACKAGES,CANCELLATION,PROMOTION,RECIPIENT"
    assert server.requests[1].query["includedData"] == [asked]

    opened = seller.session(store_buyer_pii=True)
    raw = next(raw for raw in ORDERS.fetch(opened, EVERYTHING, None).records if b"Long Street" in raw)
    buyer = getattr(ORDERS.normalize(raw, True), "buyer", None)
    assert buyer is not None
    assert buyer.street.endswith("Long Street")
    assert getattr(ORDERS.normalize(raw, False), "buyer", None) is None


def test_trap_an_upper_bound_must_be_two_minutes_old(seller: Sandbox) -> None:
    """A younger one is refused; the stream's windows end earlier."""
    now = datetime.now(UTC)
    assert ORDERS.age > timedelta(minutes=2)
    ORDERS.fetch(seller.session(), Window(UNTIL, now - ORDERS.age), None)
    with pytest.raises(RequestRejected):
        ORDERS.fetch(seller.session(), Window(UNTIL, now - timedelta(seconds=100)), None)


def test_trap_a_page_token_goes_with_its_first_query_and_is_encoded(seller: Sandbox) -> None:
    """Its `=` and `+` survive the query, and the same parameters come along."""
    first = {"orders": [], "pagination": {"nextToken": "a+b/c=="}}
    with scripted(TOKEN, Reply.json(200, first), EMPTY) as server:
        opened = session(server)
        token = ORDERS.fetch(opened, WINDOW, None).next_token
        ORDERS.fetch(opened, WINDOW, token)

    assert dict(server.requests[2].query) == {
        **server.requests[1].query,
        "paginationToken": ["a+b/c=="],
    }
    real = ORDERS.fetch(seller.session(), EVERYTHING, None).next_token
    with pytest.raises(PageTokenExpired):
        ORDERS.fetch(seller.session(), Window(EVERYTHING.since + timedelta(days=1), UNTIL), real)


def test_trap_orders_come_in_no_order(seller: Sandbox) -> None:
    """So a lost token means the whole window, and no position in it is trusted."""
    page = ORDERS.fetch(seller.session(), EVERYTHING, None)
    moments = [getattr(ORDERS.normalize(raw, False), "updated_at", None) for raw in page.records]

    assert moments != sorted(filter(None, moments))
    assert not ORDERS.ordered


def test_trap_orders_missing_from_a_list_are_not_gone() -> None:
    """They are never listed to find vanished ones; the last hours are read again instead."""
    assert ORDERS.long_span == timedelta(0)


def test_trap_old_orders_are_not_asked_for_from_before_they_are_kept() -> None:
    """Windows from the marketplace's beginning start with the oldest history of any marketplace."""
    with scripted(TOKEN, EMPTY) as server:
        ORDERS.fetch(session(server), Window(AMAZON.epoch, UNTIL), None)

    assert server.requests[1].query["lastUpdatedAfter"] == ["2016-01-01T00:00:00Z"]


def test_trap_a_quota_is_waited_for_without_advice() -> None:
    """A search for orders comes every 178 seconds: too long to sleep, so it is left to a later slice."""
    bench = Bench()
    with scripted(TOKEN, QUOTA) as server, pytest.raises(RateLimited) as caught:
        ORDERS.fetch(session(server, bench), WINDOW, None)

    assert len(server.requests) == 2
    assert 1 / RATES["orders"].per_second <= caught.value.wait_s <= 1 / RATES["orders"].per_second + 1


def test_trap_the_rate_is_told_by_a_header() -> None:
    """A higher rate shortens the wait; advice in the answer takes precedence."""
    bench = Bench()
    generous = Reply.json(200, {"orders": []}, {"x-amzn-RateLimit-Limit": "0.5"})
    advised = refusal(429, "QuotaExceeded", **{"Retry-After": "7"})
    with scripted(TOKEN, generous, QUOTA, EMPTY, advised, EMPTY) as server:
        opened = session(server, bench)
        for _ in range(3):
            ORDERS.fetch(opened, WINDOW, None)

    assert [round(wait) for wait in bench.waits if wait > 1] == [2, 2, 8]


def test_bursts_are_not_exceeded() -> None:
    """Twenty searches for orders at once, then one waits; stock is paced by itself."""
    bench = Bench()
    with scripted(TOKEN, EMPTY) as server:
        opened = session(server, bench)
        for _ in range(20):
            ORDERS.fetch(opened, WINDOW, None)
        assert not bench.waits
        with pytest.raises(RateLimited):
            ORDERS.fetch(opened, WINDOW, None)
        assert len(server.requests) == 21
        server.replies = [NO_STOCK]
        for _ in range(4):
            INVENTORY.fetch(opened, WINDOW, None)

    assert [round(wait, 2) for wait in bench.waits[1:]] == [0.5, 0.5]


def test_trap_the_token_of_fba_dies_in_seconds_and_never_leaves_the_session(seller: Sandbox) -> None:
    """A page token of ours names a page; another session lists that marketplace again from its start."""
    opened = seller.session()
    first = INVENTORY.fetch(opened, EVERYTHING, None)
    second = INVENTORY.fetch(opened, EVERYTHING, first.next_token)
    assert first.next_token == '["fba","AE08WJ6YKNBMC",1]'
    assert second.records[0] != first.records[0]

    again = INVENTORY.fetch(seller.session(), EVERYTHING, first.next_token)
    assert again.records == first.records
    whole = read(AMAZON, seller.session(), "inventory", token=first.next_token)
    assert whole.records.keys() == seller.truth()["inventory"].keys()


def test_a_dead_token_of_fba_restarts_the_listing() -> None:
    """A query that Amazon refuses with a token is refused because of the token."""
    page = Reply.json(200, {"payload": {"inventorySummaries": []}, "pagination": {"nextToken": "soon"}})
    with scripted(TOKEN, page, refusal(400, "InvalidInput")) as server:
        opened = session(server)
        token = INVENTORY.fetch(opened, EVERYTHING, None).next_token
        with pytest.raises(PageTokenExpired):
            INVENTORY.fetch(opened, EVERYTHING, token)


def test_stock_is_told_of_amazon_first_then_of_the_seller(seller: Sandbox) -> None:
    """Marketplace by marketplace; stock at Amazon is not listed twice."""
    found = read(AMAZON, seller.session(), "inventory")
    places = [re.findall(r'"(fba|search)","(A1F|AE0)', token or '"fba","AE0')[0] for token in found.tokens]

    assert list(dict.fromkeys(places)) == [
        ("fba", "AE0"),
        ("fba", "A1F"),
        ("search", "AE0"),
        ("search", "A1F"),
    ]
    assert len(found.records) == sum(len(page.records) for page in found.pages) == 330
    assert INVENTORY.listing is Listing.SNAPSHOT


@pytest.mark.parametrize("token", ["", "{", '["fba","ATVPDKIKX0DER",1]', '["nothing","AE08WJ6YKNBMC"]'])
@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_a_token_that_is_not_ours_starts_the_window_again(stream: str, token: str) -> None:
    """Also one of a marketplace that was taken out of the settings; a missing one is the first page."""
    empty = Reply.json(200, {"items": [], "payload": {"inventorySummaries": []}})
    with scripted(TOKEN, empty) as server:
        opened = session(server)
        if token:
            with pytest.raises(PageTokenExpired):
                AMAZON.streams[stream].fetch(opened, EVERYTHING, token)
        else:
            AMAZON.streams[stream].fetch(opened, EVERYTHING, token)
            assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"region": "us"}, "region"),
        ({"marketplace_ids": []}, "marketplace_ids"),
        ({"marketplace_ids": ["A1F83G8C2ARO7P", "A1F83G8C2ARO7P"]}, "marketplace_ids"),
        ({"marketplace_ids": ["a,b"]}, "marketplace_ids"),
        ({"marketplace_ids": "A1F83G8C2ARO7P"}, "marketplace_ids"),
        ({"seller_id": "../orders"}, "seller_id"),
        ({"sellerId": "A1"}, "sellerId"),
    ],
)
def test_settings_that_are_wrong_are_named(settings: dict[str, Any], named: str) -> None:
    """Before any call is made."""
    with scripted(TOKEN) as server, pytest.raises(ConnectionInvalid, match=named):
        session(server, **settings)

    assert not server.requests


@pytest.mark.parametrize("region", ["na", "eu", "fe"])
def test_each_region_has_a_host_of_its_own(region: str) -> None:
    """And the account is checked there with one call besides the exchange."""
    payload = [{"marketplace": {"id": each}, "storeName": "Shop"} for each in ("A1F83G8C2ARO7P",)]
    with scripted(TOKEN, Reply.json(200, {"payload": payload})) as server:
        opened = session(server, region=region, marketplace_ids=["A1F83G8C2ARO7P"])
        assert AMAZON.check(opened) == f"amazon: Shop ({region}, A1F83G8C2ARO7P)"
        with pytest.raises(RequestRejected, match="not one of its hosts"):
            opened.client.request("x", "https://sellingpartnerapi-xx.amazon.com/", lambda answer: answer)
        host = f"https://sellingpartnerapi-{region}.amazon.com/sellers/v1/marketplaceParticipations"
        assert opened.client.request("x", host, lambda answer: answer.status) == 200


def test_the_check_names_marketplaces_that_are_not_the_sellers(seller: Sandbox) -> None:
    """A typing mistake in the settings is found before the first sync."""
    assert AMAZON.check(seller.session()) == "amazon: Sandbox 0 (eu, AE08WJ6YKNBMC, A1F83G8C2ARO7P)"
    missing = pytest.raises(ConnectionInvalid, match="A1F83G8C2ARO7P, AE08WJ6YKNBMC")
    with scripted(TOKEN, Reply.json(200, {"payload": []})) as server, missing:
        AMAZON.check(session(server))
