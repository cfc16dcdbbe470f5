"""WooCommerce's traps of clocks, bounds and pages, each named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Listing, Page, Window
from tests.marketplaces.test_completeness import assert_holds
from tests.support.scripted import (
    CREDENTIALS,
    EVERYTHING,
    UNTIL,
    Bench,
    Read,
    Sandbox,
    Scripted,
    Secrets,
    read,
    sandbox,
    scripted,
    told,
)

WOO = REGISTRY["woocommerce"]
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
AT = UNTIL + HOUR
LATER = Window(UNTIL + timedelta(minutes=1), UNTIL + 2 * HOUR)
ORDER: dict[str, Any] = {
    "id": 727,
    "number": "727",
    "status": "processing",
    "currency": "ZAR",
    "date_created": "2026-11-22T08:14:05",
    "date_created_gmt": "2026-11-22T06:14:05",
    "date_modified_gmt": "2026-11-23T06:02:41",
    "total": "1198.00",
    "line_items": [],
    "refunds": [],
}


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    """A shop with some pages of orders."""
    with sandbox("woocommerce", orders=450, products=70, accounts=2) as running:
        yield running


def session_at(
    url: str, site: str = "https://sandbox-0.example", *, account: int = 0, bench: Bench | None = None
) -> AnySession:
    """A session with any site of a server."""
    secret = {"consumer_key": f"ck_sandbox_{account}", "consumer_secret": f"cs_sandbox_{account}"}
    settings = {"site": site, "base_url": url}
    secrets = Secrets(msgspec.json.encode(secret).decode())
    return WOO.open((bench or Bench()).opening("woocommerce", settings, secrets))


def scripted_session(server: Scripted, bench: Bench | None = None) -> AnySession:
    """A session with a server that answers from a script."""
    assert CREDENTIALS["woocommerce"]["consumer_key"] == "ck_sandbox_0"
    return session_at(server.url, bench=bench)


def listed(*rows: dict[str, Any], total: int | None = None) -> Reply:
    """One page of a listing."""
    headers = {"X-WP-Total": str(len(rows) if total is None else total)}
    return Reply.json(200, rows, headers)


def pages(session: AnySession, stream: str, window: Window) -> Iterator[Page]:
    """The pages one by one, for changes between them."""
    token: str | None = None
    while True:
        page = WOO.streams[stream].fetch(session, window, token)
        yield page
        token = page.next_token
        if token is None:
            return


def ids_of(stream: str, found: list[Page]) -> set[str | None]:
    """The ids on some pages."""
    return {WOO.streams[stream].record_id(raw) for page in found for raw in page.records}


def test_trap_both_clocks_and_strict_bounds() -> None:
    """The bounds say that they are UTC, have no suffix, and lie a second outside the window."""
    window = Window(
        datetime(2026, 11, 23, 6, 0, 0, 500_000, tzinfo=UTC), datetime(2026, 11, 23, 6, 10, 0, 1, tzinfo=UTC)
    )
    with scripted(listed()) as server:
        page = WOO.streams["orders"].fetch(scripted_session(server), window, None)

    query = server.requests[0].query
    assert query["modified_after"] == ["2026-11-23T05:59:59"]
    assert query["modified_before"] == ["2026-11-23T06:10:02"]
    assert query["dates_are_gmt"] == ["true"]
    assert (query["orderby"], query["order"], query["per_page"]) == (["modified"], ["asc"], ["100"])
    assert (list(page.records), page.total) == ([], None)


@pytest.mark.parametrize("account", [0, 1])
def test_trap_a_site_whose_zone_is_not_utc_hides_nothing(shop: Sandbox, account: int) -> None:
    """A change lies in the hour in which it happened, east and west of Greenwich."""
    changed = shop.control("POST", "change", {"orders": 3, "account": account, "at": AT.isoformat()})
    opened = session_at(shop.url, account=account)

    spans: tuple[tuple[datetime, datetime, list[str]], ...] = (
        (LATER.since, AT - SECOND, []),
        (AT, AT + HOUR, changed["orders"]),
        (AT + SECOND, AT + HOUR, []),
    )

    for since, until, expected in spans:
        assert sorted(read(WOO, opened, "orders", Window(since, until)).records) == sorted(expected)


def test_trap_the_first_and_the_last_second_belong_to_the_window(shop: Sandbox) -> None:
    """Strict bounds lose neither."""
    changed = shop.control("POST", "change", {"orders": 2, "at": AT.isoformat()})["orders"]

    assert read(WOO, shop.session(), "orders", Window(AT, AT)).records.keys() == set(changed)


@pytest.mark.parametrize("site", ["wc40", "wc57"])
@pytest.mark.parametrize("stream", ["orders", "products"])
def test_trap_an_old_store_does_not_filter_by_modification(shop: Sandbox, site: str, stream: str) -> None:
    """Whether it refuses the order or ignores the bounds: the connector drops the unchanged rows."""
    changed = shop.control("POST", "change", {"orders": 3, "prices": 2, "at": AT.isoformat()})
    opened = session_at(shop.url, f"https://sandbox-0.example/{site}")
    whole, some = read(WOO, opened, stream), read(WOO, opened, stream, LATER)

    expected = changed["orders" if stream == "orders" else "prices"]
    assert some.records.keys() == set(expected)
    later = read(WOO, opened, stream, Window(EVERYTHING.since, LATER.until))
    assert_holds(told(list(later.records.values())), shop.truth()[stream])
    assert whole.pages[-1].total == sum(page.listed or 0 for page in whole.pages)


def test_trap_orders_in_the_trash_are_not_among_any(shop: Sandbox) -> None:
    """They are asked for apart, and are cancelled."""
    found = read(WOO, shop.session(), "orders")

    truth = shop.truth()["orders"]
    trashed = {each for each, held in truth.items() if held["marketplace_status"] == "trash"}
    assert trashed
    assert ids_of("orders", found.pages[-1:]) == trashed
    assert {getattr(found.records[each], "status", None) for each in trashed} == {"cancelled"}


def test_trap_an_edit_between_two_pages_loses_no_other_order(shop: Sandbox) -> None:
    """Orders that leave the window while it is read move others up; each of those is read all the same."""
    before = shop.truth()["orders"].keys()
    opened, seen, changed = shop.session(), [], set()
    for page in pages(opened, "orders", EVERYTHING):
        seen.append(page)
        edited = shop.control("POST", "change", {"orders": 25, "at": (AT + HOUR).isoformat()})
        changed |= set(edited["orders"])

    assert len(seen) > 4
    assert before - changed <= ids_of("orders", seen)


@pytest.mark.parametrize(("stream", "kind", "count"), [("orders", "orders", 260), ("products", "prices", 65)])
def test_trap_many_rows_of_one_second(shop: Sandbox, stream: str, kind: str, count: int) -> None:
    """A bulk edit is read whole, also of products, whose equal times come in another order for each page."""
    changed = shop.control("POST", "change", {kind: count, "at": AT.isoformat()})[kind]
    after = shop.control("POST", "change", {kind: 1, "at": (AT + timedelta(seconds=9)).isoformat()})[kind]
    found = read(WOO, shop.session(), stream, LATER)

    assert found.records.keys() == {*changed, *after}
    assert len(found.records) == sum(len(page.records) for page in found.pages)
    assert found.pages[-1].total == sum(page.listed or 0 for page in found.pages)


def test_trap_an_edit_inside_a_second_that_is_being_read(shop: Sandbox) -> None:
    """Offsets count only there, and step back by as many as have left."""
    changed = set(shop.control("POST", "change", {"orders": 330, "at": AT.isoformat()})["orders"])
    seen: list[Page] = []
    left: set[str] = set()
    for page in pages(shop.session(), "orders", LATER):
        seen.append(page)
        if len(seen) in (3, 4):
            edited = shop.control("POST", "change", {"orders": 40, "at": (AT + 3 * HOUR).isoformat()})
            left |= set(edited["orders"])

    assert changed & left
    assert changed - left <= ids_of("orders", seen)


def test_a_site_that_does_not_keep_to_the_order_is_read_by_id(shop: Sandbox) -> None:
    """Rows in another order do not tell the position of the reading."""
    shop.control("POST", "faults", {"kind": "unordered"})
    for stream in WOO.streams:
        found = read(WOO, shop.session(), stream)
        assert_holds(told(list(found.records.values())), shop.truth()[stream])


@pytest.mark.parametrize("stream", sorted(WOO.streams))
@pytest.mark.parametrize("account", [0, 1])
def test_every_token_goes_on_in_another_session(shop: Sandbox, stream: str, account: int) -> None:
    """Also of a store that lists variations only below their products, before WooCommerce 10.3."""
    whole = read(WOO, session_at(shop.url, account=account), stream)

    assert len(whole.tokens) > 2
    for place, token in enumerate(whole.tokens):
        rest = read(WOO, session_at(shop.url, account=account), stream, token=token)
        assert [page.records for page in rest.pages] == [page.records for page in whole.pages[place:]]


@pytest.mark.parametrize("token", ["x", "{}x", '{"part":7}', '{"at":"yesterday"}', '{"part":-1}'])
@pytest.mark.parametrize("stream", sorted(WOO.streams))
def test_a_token_that_is_not_ours_starts_the_window_again(stream: str, token: str) -> None:
    """It is expired; no call is made."""
    with scripted(listed()) as server, pytest.raises(PageTokenExpired):
        WOO.streams[stream].fetch(scripted_session(server), LATER, token)

    assert server.requests == []


def inventory_of(shop: Sandbox, account: int) -> tuple[AnySession, Read]:
    """A session with an account, and its stock."""
    opened = session_at(shop.url, account=account)
    return opened, read(WOO, opened, "inventory")


def test_trap_a_sale_moves_no_date(shop: Sandbox) -> None:
    """So stock is a snapshot of everything, in few calls where variations can be listed at once."""
    assert WOO.streams["inventory"].listing is Listing.SNAPSHOT
    changed = shop.control("POST", "change", {"stock": 3, "at": AT.isoformat()})["stock"]
    assert not read(WOO, shop.session(), "products", LATER).records

    opened, found = inventory_of(shop, 0)
    assert_holds(told(list(found.records.values())), shop.truth()["inventory"])
    assert found.records.keys() >= set(changed)
    assert opened.client.calls <= 6
    older, below = inventory_of(shop, 1)
    assert len(below.records) > 100
    assert older.client.calls > 30


@pytest.mark.parametrize("account", [0, 1])
def test_the_stock_listing_tells_whether_it_is_complete(shop: Sandbox, account: int) -> None:
    """The site's own counts of products and variations, against the number of rows read."""
    _, found = inventory_of(shop, account)

    assert found.pages[-1].total == sum(page.listed or 0 for page in found.pages)
    assert [page.total for page in found.pages[:-1]] == [None] * (len(found.pages) - 1)


def test_rows_that_are_counted_and_not_shown_are_missed() -> None:
    """Then the total is more than was listed, and nothing is taken as vanished."""
    with scripted(listed(ORDER, total=3), listed()) as server:
        found = read(WOO, scripted_session(server), "orders", LATER)

    assert (found.pages[-1].total, sum(page.listed or 0 for page in found.pages)) == (3, 1)


def test_a_proxy_that_removes_the_count_does_not_end_the_listing() -> None:
    """A full page says that there may be more."""
    rows = [{**ORDER, "id": each, "date_modified_gmt": f"2026-11-23T06:{each:02d}:00"} for each in range(60)]
    full = [{**row, "id": row["id"] + 100 * part} for part in (0, 1) for row in rows][:100]
    full.sort(key=lambda row: str(row["date_modified_gmt"]))
    with scripted(Reply.json(200, full), Reply.json(200, full[-1:]), Reply.json(200, [])) as server:
        found = read(WOO, scripted_session(server), "orders", Window(UNTIL, UNTIL + HOUR))

    assert len(found.records) == 100
    assert [request.query["status"] for request in server.requests] == [["any"], ["any"], ["trash"]]
    assert server.requests[1].query["modified_after"] == ["2026-11-23T06:58:59"]


def test_a_page_of_products_ends_early_where_variations_take_long(shop: Sandbox) -> None:
    """It continues after the last finished product, and holds the truth in the end."""
    bench = Bench()
    opened = session_at(shop.url, bench=bench)
    fetch = opened.client.request

    def slow(*args: Any, **options: Any) -> Any:
        bench.clock.sleep(4)
        return fetch(*args, **options)

    opened.client.request = slow  # type: ignore[method-assign] # a slow site, without waiting for it
    found = read(WOO, opened, "products")

    assert max(len(page.records) for page in found.pages) < 50
    assert_holds(told(list(found.records.values())), shop.truth()["products"])
    assert found.pages[-1].total == sum(page.listed or 0 for page in found.pages)


def test_personal_data_is_not_even_asked_for(shop: Sandbox) -> None:
    """Addresses are asked for only if the connection stores them."""
    page = WOO.streams["orders"].fetch(shop.session(), EVERYTHING, None)
    with_buyer = WOO.streams["orders"].fetch(shop.session(store_buyer_pii=True), EVERYTHING, None)

    assert not any(b"Long Street" in raw or b"example.com" in raw for raw in page.records)
    assert all(b"Long Street" in raw and b"@example.com" in raw for raw in with_buyer.records)
