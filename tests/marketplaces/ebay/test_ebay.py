"""eBay's inventory, tokens, quotas and errors: each trap, named."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs

import msgspec
import pytest
import urllib3

from local.sandbox.http import Reply
from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceError,
    MarketplaceUnavailable,
    PermissionDenied,
    RequestRejected,
    ResponseInvalid,
)
from tests.marketplaces.ebay.answers import EBAY, GRANTED, ITEM, ORDER, fetch, items, orders, refused, session
from tests.support.scripted import CREDENTIALS, Bench, Sandbox, read, sandbox, scripted


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with several pages of everything, whom no test of this module changes."""
    with sandbox("ebay", orders=2500, products=90, accounts=2) as running:
        yield running


def test_trap_the_inventorys_offset_is_a_pages_number(seller: Sandbox) -> None:
    """90 items are four pages of 25, numbered 0 to 3, and none is read twice."""
    found = read(EBAY, seller.session(), "products")

    assert found.tokens == [None, "1/90", "2/90", "3/90"]
    assert sum(page.listed or 0 for page in found.pages) == len(found.records) == 90


def test_trap_a_total_that_changes_while_paging_stops_the_counting() -> None:
    """Rows may have slipped: the sum no longer equals the total, so nothing is taken as vanished."""
    rows = [{"sku": f"S{number}"} for number in range(200)]
    with scripted(
        GRANTED, items(*rows, total=500), items(*rows, total=499), items(*rows[:99], total=500)
    ) as server:
        found = read(EBAY, session(server), "inventory")

    assert [page.total for page in found.pages] == [500, 500, 500]
    assert [page.listed for page in found.pages] == [200, 0, 99]


def test_offers_are_asked_for_one_sku_at_a_time_on_the_connections_site() -> None:
    """An item costs one call; of its listing's HTML no more is carried along than a record keeps."""
    offer = {"offerId": "1", "status": "UNPUBLISHED", "listingDescription": "ß" * 500_000}
    with scripted(GRANTED, items(ITEM, total=1), Reply.json(200, {"offers": [offer]})) as server:
        page = fetch(session(server), "products")

    assert server.requests[2].query == {"sku": ["MUG-BLU-2"], "marketplace_id": ["EBAY_GB"]}
    cut = {**offer, "listingDescription": "ß" * 100_001}
    assert msgspec.json.decode(page.records[0]) == {"item": ITEM, "offers": [cut]}
    product = EBAY.streams["products"].normalize(page.records[0], False)
    assert getattr(product, "truncated", ()) == ("description", "description_html")


@pytest.mark.parametrize("answer", [refused(404, 25_713), refused(400, 25_707)], ids=["none", "no such sku"])
def test_trap_an_item_without_offers_is_a_product_without_a_price(answer: Reply) -> None:
    """Neither that nor a SKU that eBay takes no questions about stops the others."""
    with scripted(GRANTED, items(ITEM, total=1), answer) as server:
        product = EBAY.streams["products"].normalize(fetch(session(server), "products").records[0], False)

    assert product.id == "MUG-BLU-2"
    assert getattr(product, "status", None) == "draft"


def test_another_404_is_not_an_item_without_offers() -> None:
    """A call that has moved must not take all prices away."""
    with (
        scripted(GRANTED, items(ITEM, total=1), refused(404, 2002)) as server,
        pytest.raises(RequestRejected),
    ):
        fetch(session(server), "products")


def test_trap_inventory_calls_say_a_language(seller: Sandbox) -> None:
    """A missing or odd one is refused with error 25709."""
    with scripted(GRANTED, items(total=0)) as server:
        fetch(session(server), "inventory")
    assert server.requests[1].headers["accept-language"] == "en-GB"

    with pytest.raises(RequestRejected, match="25709"):
        seller.session().client.request(
            "inventory_items",
            "https://api.ebay.com/sell/inventory/v1/inventory_item",
            lambda response: response.body,
        )


def test_trap_listings_outside_the_inventory_model_are_spoken_of(seller: Sandbox) -> None:
    """An empty shop may be one that was never migrated: the check says so."""
    assert EBAY.check(seller.session()) == (
        "ebay: EBAY_GB, 90 inventory items; "
        "listings made outside the Inventory model are not seen until they are migrated to it"
    )


def test_the_refresh_token_is_exchanged_with_the_applications_password() -> None:
    """Form-encoded, with Basic credentials; the token is then a bearer's."""
    with scripted(GRANTED, orders()) as server:
        opened = session(server)
        fetch(opened, "orders")

    exchange, call = server.requests
    assert (exchange.method, exchange.path) == ("POST", "/identity/v1/oauth2/token")
    assert exchange.headers["content-type"] == "application/x-www-form-urlencoded"
    assert exchange.headers["authorization"] == "Basic c2FuZGJveC1hcHA6c2FuZGJveC1jZXJ0"
    form = parse_qs(exchange.body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"][0].startswith("refresh-")
    assert call.headers["authorization"] == "Bearer v^1.1#granted"


def test_trap_exchanges_are_limited_so_a_token_serves_all_sessions_for_its_two_hours(seller: Sandbox) -> None:
    """A later session of the same credential makes no exchange until the token expires."""
    credential = {**CREDENTIALS["ebay"], "refresh_token": "sandbox-refresh-1"}

    def exchanges() -> int:
        by_path: dict[str, dict[str, int]] = seller.control("GET", "stats")["by_path"]
        return by_path.get("/identity/v1/oauth2/token", {}).get("calls", 0)

    before, bench = exchanges(), Bench()
    for _ in range(3):
        EBAY.check(seller.session(bench, credential=credential))
    assert exchanges() == before + 1
    bench.clock.sleep(7100)
    EBAY.check(seller.session(bench, credential=credential))
    assert exchanges() == before + 2


def test_an_expired_token_is_exchanged_once_and_the_call_made_again() -> None:
    """401 with error 1001; a second one ends it."""
    with scripted(GRANTED, refused(401, 1001), GRANTED, orders(ORDER)) as server:
        assert len(fetch(session(server), "orders").records) == 1
    with scripted(GRANTED, refused(401, 1001), GRANTED, refused(401, 1001)) as server:
        with pytest.raises(CredentialsRejected, match="1001"):
            fetch(session(server), "orders")
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("answer", "kind", "named"),
    [
        (
            Reply.json(400, {"error": "invalid_grant", "error_description": "x"}),
            CredentialsRejected,
            "invalid_grant",
        ),
        (Reply.json(401, {"error": "invalid_client"}), CredentialsRejected, "invalid_client"),
        (Reply.json(400, {"error": "<script>"}), CredentialsRejected, "application/json"),
        (Reply.json(200, {"token": "x"}), ResponseInvalid, "access_token"),
        (Reply.json(503, {}), MarketplaceUnavailable, "503"),
    ],
)
def test_a_refused_exchange_is_told_as_what_it_is(
    answer: Reply, kind: type[MarketplaceError], named: str
) -> None:
    """The word eBay has for it is in the message, the tokens are not."""
    with scripted(answer) as server, pytest.raises(kind) as raised:
        fetch(session(server), "orders")

    assert named in raised.value.message
    assert "refresh-" not in f"{raised.value!r} {raised.value.__context__!r}"


@pytest.mark.parametrize(
    ("answer", "kind", "named"),
    [
        (refused(400, 30_700), RequestRejected, "400 (30700)"),
        (refused(400, 25_709), RequestRejected, "400 (25709)"),
        (refused(403, 1100), PermissionDenied, "403 (1100)"),
        (refused(500, 30_500), MarketplaceUnavailable, "500 (30500)"),
        (Reply(403, b"<html>", "text/html"), MarketplaceUnavailable, "403 (text/html)"),
        (Reply(500, b"<html>", "text/html"), MarketplaceUnavailable, "500 (text/html)"),
        (Reply(200, b"<html>", "text/html"), MarketplaceUnavailable, "not JSON"),
        (Reply.json(200, {"orders": []}), ResponseInvalid, "total"),
        (Reply.json(400, {"errors": "odd"}), RequestRejected, "400 (application/json)"),
        (Reply.json(404, {"errors": [{}]}), RequestRejected, "404 (application/json)"),
    ],
)
def test_errors_are_told_by_their_number(answer: Reply, kind: type[MarketplaceError], named: str) -> None:
    """The number is in the message; eBay's other words may name people and are not."""
    with scripted(GRANTED, answer) as server, pytest.raises(kind) as raised:
        fetch(session(server), "orders")

    assert named in raised.value.message
    assert "SECRET" not in raised.value.message


def test_the_sandbox_refuses_what_ebay_refuses(seller: Sandbox) -> None:
    """With the numbers of eBay's own description."""
    opened = seller.session()
    EBAY.check(opened)
    headers = dict(opened.client._auth.headers(opened.client)) | {"Accept-Language": "en-GB"}

    def error(path: str, given: dict[str, str] = headers) -> tuple[int, int]:
        answer = urllib3.request("GET", f"{seller.url}{path}", headers=given, timeout=60)
        return answer.status, msgspec.json.decode(answer.data)["errors"][0]["errorId"]

    order = "/sell/fulfillment/v1/order"
    assert error(f"{order}?limit=201") == (400, 31_100)
    assert error(f"{order}?offset=x") == (400, 31_000)
    assert error(f"{order}?filter=colour:%5B2026..%5D") == (400, 30_700)
    assert error(f"{order}?filter=lastmodifieddate:%5B2026-11-01..%5D") == (400, 30_810)
    assert error(f"{order}?filter=lastmodifieddate:%5B..2026-11-01T00:00:00.000Z%5D") == (400, 30_820)
    day = "T00:00:00.000Z"
    for bounds, number in (
        (f"2024-01-01{day}..2026-11-01{day}", 30_830),
        (f"2026-11-02{day}..2026-11-01{day}", 30_840),
        (f"2026-11-02{day}..2199-11-01{day}", 30_850),
    ):
        assert error(f"{order}?filter=lastmodifieddate:%5B{bounds}%5D") == (400, number)
    assert error("/sell/inventory/v1/offer") == (400, 25_707)
    assert error("/sell/inventory/v1/offer?sku=none") == (404, 25_713)
    assert error("/sell/inventory/v1/inventory_item?limit=201")[0] == 400
    assert error("/sell/inventory/v1/nothing")[0] == 404
    assert error(order, {}) == (401, 1001)
