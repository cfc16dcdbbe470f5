"""Listings of Takealot's that end early, and pages that always fail: nothing is lost in silence."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply, Request, Server
from orchestrator.errors import MarketplaceUnavailable, PageTokenExpired
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Page, Window
from tests.marketplaces.takealot import test_takealot, test_takealot_v2
from tests.support.scripted import Scripted, running

TAKEALOT = REGISTRY["takealot"]
FIRST = date(2026, 11, 1)
WINDOW = Window(datetime(2026, 10, 31, 22, tzinfo=UTC), datetime(2026, 11, 20, 21, tzinfo=UTC))
FAULT = Reply.json(500, {"message": "Internal Server Error"})


class Shop:
    """A seller with some sales a day, behind either API."""

    def __init__(self, a_day: int, days: int = 20) -> None:
        #: Order item and day, in the order of the listing.
        self.sales = [
            (day * 1000 + number, FIRST + timedelta(days=day))
            for day in range(days)
            for number in range(a_day)
        ]
        #: Whether v1 tells counts; the most pages that it lists; sales whose pages fail.
        self.counts, self.pages = True, 99
        self.poison: set[int] = set()
        self.down = False
        self.calls = 0

    def answer(self, request: Request) -> Reply:
        """A page of sales or of offers."""
        self.calls += 1
        if self.down:
            return FAULT
        if request.path == "/v2/offers":
            return self.offers(int(request.one("page_number")), int(request.one("page_size")))
        if request.path == "/v2/sales":
            days = re.findall(r"\d{4}-\d\d-\d\d", request.one("filters"))
            size = int(request.one("page_size"))
            shown = self.between(*days)
            at = (int(request.one("page_number")) - 1) * size
            body: dict[str, Any] = {"page_summary": {"total": len(shown)}}
            return self.page(shown[at : at + size], test_takealot_v2.SALE, body, "sales")
        shown = self.between(request.one("order_date__gte"), request.one("order_date__lte"))
        size = int(request.one("limit"))
        at = int(base64.b64decode(request.one("continuation_token")) or 0)
        body = {"count": len(shown)} if self.counts and request.one("include_count") == "true" else {}
        if at + size < min(len(shown), size * self.pages):
            body["continuation_token"] = base64.b64encode(str(at + size).encode()).decode()
        return self.page(shown[at : at + size], test_takealot.SALE, body, "items")

    def between(self, first: str, last: str) -> list[int]:
        """The sales of some days, both included."""
        since, until = date.fromisoformat(first), date.fromisoformat(last)
        return [item for item, day in self.sales if since <= day <= until]

    def page(self, items: list[int], row: dict[str, Any], body: dict[str, Any], name: str) -> Reply:
        """A page, or a failure if one of its rows cannot be shown."""
        if self.poison & set(items):
            return FAULT
        rows = [{**row, "order_item_id": item, "order_id": item} for item in items]
        return Reply.json(200, {**body, name: rows})

    def offers(self, number: int, size: int) -> Reply:
        """Offers with the ids of the sales."""
        items = [item for item, _ in self.sales]
        shown = items[(number - 1) * size : number * size]
        if self.poison & set(shown):
            return FAULT
        row = {**test_takealot_v2.OFFER, **test_takealot_v2.STOCK}
        offers = [{**row, "offer_id": item} for item in shown]
        return Reply.json(200, {"total_results": len(items), "offers": offers})


@contextmanager
def opened(shop: Shop, api: str) -> Iterator[AnySession]:
    """A session with the shop."""
    with running(Server(("127.0.0.1", 0), shop.answer)) as url:
        if api == "v2":
            yield test_takealot_v2.session(url)
        else:
            yield test_takealot.session(Scripted([], url))


def pages(session: AnySession, stream: str, *, attempt: int = 1) -> list[Page]:
    """All pages of the window."""
    found: list[Page] = []
    token: str | None = None
    while True:
        page = TAKEALOT.streams[stream].fetch(session, replace(WINDOW, attempt=attempt), token)
        found.append(page)
        token = page.next_token
        if token is None:
            return found


def ids(found: list[Page]) -> set[int]:
    """The orders of the pages."""
    read: Callable[[bytes], str | None] = TAKEALOT.streams["orders"].record_id
    return {int(read(raw) or -1) for page in found for raw in page.records}


@pytest.mark.parametrize(("a_day", "counts"), [(3, True), (75, True), (100, True), (75, False)])
def test_a_list_of_sales_that_stops_giving_tokens_is_read_in_shorter_spans(a_day: int, counts: bool) -> None:
    """1,500 sales of which one page is listed at a time: all of them are stored."""
    shop = Shop(a_day)
    shop.counts, shop.pages = counts, 1
    with opened(shop, "v1") as session:
        assert ids(pages(session, "orders")) == {item for item, _ in shop.sales}


def test_a_full_page_without_a_token_or_a_count_is_asked_for_in_smaller_pages() -> None:
    """They show as many rows, or the list ends early."""
    shop = Shop(100, days=2)
    shop.counts = False
    with opened(shop, "v1") as session:
        assert len(ids(pages(session, "orders"))) == 200
    shop.pages = 1
    with opened(shop, "v1") as session, pytest.raises(MarketplaceUnavailable, match="50 of 100 rows"):
        pages(session, "orders")


def test_a_day_of_which_rows_are_missing_fails_the_stream() -> None:
    """The error says how many came; no later attempt passes over it."""
    shop = Shop(150, days=3)
    shop.pages = 1
    for attempt in (1, 2):
        with opened(shop, "v1") as session, pytest.raises(MarketplaceUnavailable, match="100 of 150 rows"):
            pages(session, "orders", attempt=attempt)


def test_a_sale_that_repeats_does_not_stand_for_one_that_is_missing() -> None:
    """A new sale moves the rows of v2: distinct rows are counted."""
    sale = test_takealot_v2.SALE
    first = [{**sale, "order_item_id": number} for number in range(100)]
    last = [{**sale, "order_item_id": 99}]
    replies = [test_takealot_v2.sales(*first, total=101), test_takealot_v2.sales(*last, total=101)]

    def answer(request: Request) -> Reply:
        return replies[int(request.one("page_number")) - 1]

    with running(Server(("127.0.0.1", 0), answer)) as url, pytest.raises(MarketplaceUnavailable):
        TAKEALOT.streams["orders"].fetch(test_takealot_v2.session(url), WINDOW, "2026-11-20/1")


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_a_sale_whose_page_always_fails_costs_its_day_alone(api: str) -> None:
    """From the second attempt on; the day is named, with its span."""
    shop = Shop(5)
    shop.poison = {7002}
    with opened(shop, api) as session:
        with pytest.raises(MarketplaceUnavailable):
            pages(session, "orders")
        found = pages(session, "orders", attempt=2)

    hidden = [each for page in found for each in page.unshown]
    assert [each.name for each in hidden] == ["sales of 2026-11-08"]
    assert hidden[0].changed_since == datetime(2026, 11, 7, 22, tzinfo=UTC)
    assert ids(found) == {item for item, day in shop.sales if day != date(2026, 11, 8)}


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_while_all_of_takealot_fails_no_day_is_passed_over(api: str) -> None:
    """The stream fails, as at its first attempt."""
    shop = Shop(5)
    shop.down = True
    with opened(shop, api) as session, pytest.raises(MarketplaceUnavailable):
        pages(session, "orders", attempt=2)


@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_an_offer_whose_page_always_fails_stops_no_other(stream: str) -> None:
    """Pages of v2 are numbered: smaller ones lead around it."""
    shop = Shop(50, days=5)
    shop.poison = {2031}
    with opened(shop, "v2") as session:
        found = pages(session, stream, attempt=2)

    assert [each.name for page in found for each in page.unshown] == ["offer 132"]
    assert sum(page.listed or 0 for page in found) == found[-1].total == 250
    shown = {msgspec.json.decode(raw)["seller_v2"]["offer_id"] for page in found for raw in page.records}
    assert shown == {item for item, _ in shop.sales} - {2031}


@pytest.mark.parametrize("token", ["x", "0", "-1", "1.5", "\u0661", "9" * 30, "None"])
@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_a_page_number_that_is_none_starts_the_listing_again(stream: str, token: str) -> None:
    """It is not a defect of the connector."""
    with opened(Shop(1), "v2") as session, pytest.raises(PageTokenExpired):
        TAKEALOT.streams[stream].fetch(session, WINDOW, token)
