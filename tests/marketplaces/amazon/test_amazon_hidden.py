"""Rows that Amazon cannot show, and listings that it ends early: the others are stored all the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply, Request, Server
from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.amazon.api import Batch
from orchestrator.marketplaces.amazon.listing_search import PAGE_SIZE, Naming
from orchestrator.marketplaces.amazon.narrowing import MOST_MISSES, Spans
from orchestrator.marketplaces.paging import write_position
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Page, Unshown, Window
from orchestrator.model.run import TaskStatus
from tests.marketplaces.amazon.answers import TOKEN, session
from tests.support.cases import load, prepared
from tests.support.clocks import START
from tests.support.scripted import Bench, Scripted, running, scripted

AMAZON = REGISTRY["amazon"]
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = Window(SINCE, SINCE + timedelta(days=14))
PLACE = "AE08WJ6YKNBMC"
FAULT = Reply.json(500, {"errors": [{"code": "InternalFailure", "message": "We encountered an error."}]})


class Shop:
    """Amazon with rows of known times, of which some fail each page that they are on."""

    def __init__(self, rows: Mapping[str, datetime], poison: set[str]) -> None:
        self.rows, self.poison = rows, poison
        #: Rows on a page of a search; the count that is told with it; whether pages have tokens.
        self.size, self.told, self.has_tokens = PAGE_SIZE, True, True

    def answer(self, request: Request) -> Reply:
        """A token, orders, listings or one listing; there is no stock at Amazon."""
        if "token" in request.path:
            return TOKEN
        if "/fba/" in request.path:
            return Reply.json(200, {"payload": {"inventorySummaries": []}})
        if found := re.search(r"/items/[^/]+/(.+)", request.path):
            return FAULT if found[1] in self.poison else Reply.json(200, self.listing(found[1]))
        named = request.one("identifiers").split(",") if request.one("identifiers") else None
        is_order = request.path.startswith("/orders/")
        shown = [
            name
            for name, moment in sorted(self.rows.items(), key=lambda row: (row[1], row[0]))
            if moment >= _time(request.one("lastUpdatedAfter"), SINCE - timedelta(days=9999))
            and moment <= _time(request.one("lastUpdatedBefore"), SINCE + timedelta(days=9999))
            and (named is None or name in named)
        ]
        at = int(request.one("pageToken") or request.one("paginationToken") or 0)
        page = shown[at : at + self.size]
        if self.poison & set(page):
            return FAULT
        more = self.has_tokens and at + self.size < len(shown)
        body: dict[str, Any] = {"pagination": {"nextToken": str(at + self.size)}} if more else {}
        if is_order:
            return Reply.json(200, body | {"orders": [self.order(name) for name in page]})
        if self.told:
            body["numberOfResults"] = len(shown)
        return Reply.json(200, body | {"items": [self.listing(name) for name in page]})

    def order(self, name: str) -> dict[str, Any]:
        """An order."""
        at = self.rows[name].isoformat()
        return {"orderId": name, "createdTime": at, "lastUpdatedTime": at, "orderItems": []}

    def listing(self, name: str) -> dict[str, Any]:
        """A listing with stock of the seller's own."""
        availability = [{"fulfillmentChannelCode": "DEFAULT", "quantity": 1}]
        summaries = [{"status": ["BUYABLE"], "lastUpdatedDate": self.rows[name].isoformat()}]
        return {"sku": name, "summaries": summaries, "fulfillmentAvailability": availability}


def _time(text: str, default: datetime) -> datetime:
    return datetime.fromisoformat(text) if text else default


def rows(count: int) -> dict[str, datetime]:
    """Rows some hours apart."""
    return {f"R-{index:03d}": SINCE + timedelta(hours=5 * index + 1) for index in range(count)}


def pages(opened: AnySession, stream: str, window: Window, token: str | None = None) -> list[Page]:
    """All pages of a window; each is asked for as the window says."""
    found = []
    while True:
        page = AMAZON.streams[stream].fetch(opened, window, token)
        found.append(page)
        token = page.next_token
        if token is None:
            return found
        assert len(found) < 500


def names(stream: str, found: list[Page]) -> set[str | None]:
    """The ids of all rows."""
    return {AMAZON.streams[stream].record_id(raw) for page in found for raw in page.records}


@contextmanager
def answering(answer: Callable[[Request], Reply]) -> Iterator[Scripted]:
    """A server that answers by a function."""
    with running(Server(("127.0.0.1", 0), answer)) as url:
        yield Scripted([], url)


def hidden(found: list[Page]) -> list[Unshown]:
    """The rows that are named as hidden."""
    return [each for page in found for each in page.unshown]


@pytest.mark.parametrize("poison", [{"R-000"}, {"R-031"}, {"R-059"}, {"R-010", "R-011"}])
def test_an_order_whose_page_always_fails_stops_no_other(poison: set[str]) -> None:
    """From the second attempt on, the window is narrowed down to the second of the order."""
    shop = Shop(rows(60), poison)
    with answering(shop.answer) as server:
        opened = patient(server)
        with pytest.raises(MarketplaceUnavailable):
            pages(opened, "orders", WINDOW)
        found = pages(opened, "orders", replace(WINDOW, attempt=2))

    assert names("orders", found) == set(shop.rows) - poison
    for each in hidden(found):
        assert each.changed_since is not None
        assert each.changed_until is not None
        assert each.changed_until - each.changed_since <= timedelta(seconds=1)
    for name in poison:
        assert any(spans_over(each, shop.rows[name]) for each in hidden(found))


def spans_over(each: Unshown, moment: datetime) -> bool:
    """Whether a hidden row's span includes a moment."""
    assert each.changed_since is not None
    assert each.changed_until is not None
    return each.changed_since <= moment <= each.changed_until


@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_a_listing_whose_page_always_fails_stops_no_other(stream: str) -> None:
    """Products and stock; what changes meanwhile is searched for after that."""
    shop = Shop(rows(60), {"R-031"})
    with answering(shop.answer) as server:
        opened = patient(server, marketplace_ids=[PLACE])
        found = pages(opened, stream, replace(WINDOW, attempt=2))

    expected = {f"{name}@{PLACE}" for name in set(shop.rows) - {"R-031"}}
    assert {str(name).removesuffix("/DEFAULT") for name in names(stream, found)} == expected
    assert hidden(found)


def test_a_named_listing_that_is_not_shown_stops_no_other() -> None:
    """A report names the SKUs: each is asked for alone, and the hidden one is known by its id."""
    shop = Shop(rows(10), {"R-003"})
    with answering(shop.answer) as server:
        opened = patient(server, marketplace_ids=[PLACE])
        opened.settings.report = Batch("d", 0, sorted(shop.rows), iter(()))
        token = write_position(Naming(PLACE, "d", WINDOW.until))
        page = AMAZON.streams["products"].fetch(opened, replace(WINDOW, attempt=2), token)

    assert [each.record_id for each in page.unshown] == [f"R-003@{PLACE}"]
    assert len(page.records) == 9


@pytest.mark.parametrize("stream", ["orders", "products"])
def test_while_all_of_amazon_fails_no_row_is_taken_for_hidden(stream: str) -> None:
    """After some searches without an answer the stream fails, and its position is kept."""
    with scripted(TOKEN, FAULT) as server, pytest.raises(MarketplaceUnavailable):
        pages(patient(server), stream, replace(WINDOW, attempt=2))


def test_an_outage_in_the_middle_of_the_narrowing_ends_it_for_now() -> None:
    """The number of misses in a row is bounded, and kept with the position."""
    spans = Spans("", ((SINCE, WINDOW.until),), answered=True, misses=MOST_MISSES, end=WINDOW.until)
    with scripted(TOKEN, FAULT) as server, pytest.raises(MarketplaceUnavailable):
        AMAZON.streams["orders"].fetch(patient(server), WINDOW, write_position(spans))


@pytest.mark.parametrize("told", [True, False])
def test_a_search_for_listings_that_ends_early_continues_from_its_last_time(told: bool) -> None:
    """Whether its number of results says so, or only its last page, which is full."""
    shop = Shop(rows(90), set())
    shop.has_tokens, shop.told = False, told
    with answering(shop.answer) as server:
        found = pages(patient(server, marketplace_ids=[PLACE]), "products", WINDOW)

    assert names("products", found) == {
        f"{name}@{PLACE}" for name, at in shop.rows.items() if at <= WINDOW.until
    }


def test_a_count_that_is_never_reached_fails_the_stream() -> None:
    """A short read moves nothing."""
    answer = Reply.json(200, {"numberOfResults": 1500, "items": []})
    with scripted(TOKEN, answer) as server, pytest.raises(MarketplaceUnavailable, match="0 of 1500"):
        pages(patient(server), "products", WINDOW)


def test_a_full_page_of_orders_without_a_token_is_not_the_end() -> None:
    """Its window is read again by halves."""
    shop = Shop({f"R-{index:03d}": SINCE + timedelta(minutes=70 * index) for index in range(250)}, set())
    shop.size, shop.has_tokens = 100, False
    with answering(shop.answer) as server:
        found = pages(patient(server), "orders", WINDOW)

    assert names("orders", found) == set(shop.rows)


def patient(server: Scripted, **settings: Any) -> AnySession:
    """A session whose waits take no time."""
    bench = Bench()
    bench.longest_wait = 1e9
    return session(server, bench, **settings)


class Answers:
    """The one route of a case that a shop answers."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.request: Request | None = None

    def fits(self, request: Request) -> bool:
        """It does."""
        self.request = request
        return True

    def reply(self, number: int) -> Reply:
        """The shop's answer."""
        assert self.request is not None
        return self.shop.answer(self.request)


@pytest.mark.parametrize("count", [90, 700])
@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_a_row_that_is_never_shown_costs_its_stream_one_tick_at_most(
    stream: str, count: int, tmp_path: Path
) -> None:
    """At most; then the others are stored, the reject says why, and later ticks read new rows."""
    shop = Shop(
        {name: START - timedelta(days=2, minutes=7 * at) for at, name in enumerate(rows(count))}, {"R-031"}
    )
    case = load("amazon-empty-page-with-token")
    settings = {"region": "eu", "marketplace_ids": [PLACE], "seller_id": "ASELLER01"}
    routes: Any = (Answers(shop),)
    case = msgspec.structs.replace(case, streams=(stream,), settings=settings, routes=routes)
    with prepared(case, tmp_path) as played:
        for _ in range(3):
            played.tick()
        shop.rows = {**shop.rows, "R-900": played.world.clock.now()}
        played.tick()
        task = played.tick()

    assert task.status is TaskStatus.SUCCEEDED
    assert {name.partition("@")[0] for name in played.stored(stream)} == set(shop.rows) - {"R-031"}
    # Its time is a whole second, which both the span before it and the span after it include.
    assert len(played.rejects()) == 2
    assert all("the marketplace cannot show it" in str(each["reason"]) for each in played.rejects())


def test_a_later_full_page_without_a_token_is_asked_for_once_more() -> None:
    """It may have a token then; if not, the number of orders is a multiple of a page."""
    rows_of_page = [Shop(rows(1), set()).order("R-000")] * 100
    full = Reply.json(200, {"orders": rows_of_page})
    more = Reply.json(200, {"orders": rows_of_page, "pagination": {"nextToken": "B"}})
    with scripted(TOKEN, full, more, full) as server:
        opened = patient(server)
        first = AMAZON.streams["orders"].fetch(opened, WINDOW, "A")
        last = AMAZON.streams["orders"].fetch(opened, WINDOW, "B")

    assert (first.next_token, last.next_token) == ("B", None)
    assert len(server.requests) == 5
