"""Takealot's older Seller API v2, for connections whose key is for that one.

Source: the published OpenAPI description (seller-api.takealot.com/api-docs, version 2.0) and the seller
portal's guide as restated in public, read 2026-11-23. As v1 (see `takealot`), and besides:

- Pages are numbered from 1 and hold at most 100 rows; totals are told. An order's items can stand on
  different pages, so a span of days is read to its end before orders are put together.
- A range over 180 days is an error, and no range means 30 days: a range is always given.
- Times are `01 Oct 2021 13:47:32` without a zone: South African time.
- `selling_price` of a sale is the line's total. `customer` is a person's name.
- `rrp` is 0 where there is none. Warehouses have numbers and names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.client import Response
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.takealot import v2_records as rows
from orchestrator.marketplaces.takealot.days import Span
from orchestrator.marketplaces.takealot.records import group_by_order

HOST = "seller-api.takealot.com"
BASE = f"https://{HOST}/v2"
#: The most rows a page can hold.
PAGE_SIZE = 100
#: The most rows of sales read for one page of ours.
MOST_ROWS = 1000

T = TypeVar("T")


class _Summary(msgspec.Struct):
    total: int


class _Sales(msgspec.Struct):
    page_summary: _Summary
    sales: list[msgspec.Raw]


class _Offers(msgspec.Struct):
    total_results: int
    offers: list[msgspec.Raw]


def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders of the window's next days, each record one order's items."""
    span = Span.of(window, token)
    while True:
        end = span.end(window)
        range_ = f"start_date:{span.day.isoformat()};end_date:{end.isoformat()}"
        listing = _ask(session, "sales", 1, lambda response: response.decode(_Sales), filters=range_)
        if listing.page_summary.total <= MOST_ROWS or span.day == end:
            break
        span = span.halved(end)
    total = listing.page_summary.total
    items = listing.sales
    for number in range(2, -(-total // PAGE_SIZE) + 1):
        more = _ask(session, "sales", number, lambda response: response.decode(_Sales), filters=range_)
        items += more.sales
        if not more.sales:
            break
    if len(items) < total:
        message = f"takealot sales: {len(items)} of {total} rows came; the pages were moved by a new sale"
        raise MarketplaceUnavailable(message)
    grouped = [rows.marked(order) for order in group_by_order(items)]
    return Page(grouped, span.following(window, sparse=len(items) < MOST_ROWS // 3))


def fetch_products(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers; stock comes along and is left out."""
    return _offers(session, token, lambda offer: [rows.marked(bytes(offer))])


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers, one record a warehouse."""
    return _offers(session, token, rows.split_by_location)


def check(session: Session) -> str:
    """Tell how many offers the key opens; v2 does not name the seller."""
    listing = _ask(session, "offers", 1, lambda response: response.decode(_Offers), size=1)
    return f"takealot: {listing.total_results} offers (Seller API v2)"


def _offers(session: Session, token: str | None, split: Callable[[msgspec.Raw], list[bytes]]) -> Page:
    number = int(token or 1)
    listing = _ask(session, "offers", number, lambda response: response.decode(_Offers))
    is_last = number * PAGE_SIZE >= listing.total_results or not listing.offers
    return Page(
        [record for offer in listing.offers for record in split(offer)],
        None if is_last else str(number + 1),
        total=listing.total_results,
        listed=len(listing.offers),
    )


def _ask(
    session: Session,
    operation: str,
    number: int,
    read: Callable[[Response], T],
    *,
    size: int = PAGE_SIZE,
    filters: str = "",
) -> T:
    params = [("page_number", str(number)), ("page_size", str(size))]
    if filters:
        params.append(("filters", filters))
    return session.client.request(operation, f"{BASE}/{operation}", read, params=params)
