"""The pages of Takealot's older Seller API v2, for connections whose key is for that API.

Source: the published OpenAPI description (seller-api.takealot.com/api-docs, version 2.0) and the seller
portal's guide as restated in public, read 2026-11-23. The facts of v1 apply (see `listings`), and these:

- Pages are numbered from 1 and have at most 100 rows and a total. An order's items can be on different
  pages, so a span of days is read to its end before orders are put together.
- A range over 180 days is an error, and no range means 30 days: a range is always given.
- Times are `01 Oct 2021 13:47:32` without a zone: South African time.
- `selling_price` of a sale is the line's total. `customer` is a person's name.
- `rrp` is 0 if there is none. Warehouses have numbers and names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.takealot import v2_records as rows
from orchestrator.marketplaces.takealot.api import MOST_ROWS, Api
from orchestrator.marketplaces.takealot.day_span import DaySpan
from orchestrator.marketplaces.takealot.records import group_by_order

_HOST = "seller-api.takealot.com"
_BASE = f"https://{_HOST}/v2"
#: The most rows on a page.
PAGE_SIZE = 100

T = TypeVar("T")


class _Summary(msgspec.Struct):
    total: int


class _Sales(msgspec.Struct):
    page_summary: _Summary
    sales: list[msgspec.Raw]


class _Offers(msgspec.Struct):
    total_results: int
    offers: list[msgspec.Raw]


def _fetch_orders(session: Session[Api], window: Window, token: str | None) -> Page:
    """Orders of the window's next days, each record one order's items."""
    span = DaySpan.of(window, token)
    while True:
        end = span.end(window)
        range_ = f"start_date:{span.day.isoformat()};end_date:{end.isoformat()}"
        listing = _ask(session, "sales", 1, _Sales, filters=range_)
        if listing.page_summary.total <= MOST_ROWS or span.day == end:
            break
        span = span.halved(end)
    total = listing.page_summary.total
    items = listing.sales
    for number in range(2, -(-total // PAGE_SIZE) + 1):
        more = _ask(session, "sales", number, _Sales, filters=range_)
        items += more.sales
        if not more.sales:
            break
    if len(items) < total:
        message = f"takealot sales: {len(items)} of {total} rows came; a new sale moved the pages"
        raise MarketplaceUnavailable(message)
    grouped = [rows.marked(order) for order in group_by_order(items)]
    return Page(grouped, span.following(window, sparse=len(items) < MOST_ROWS // 3))


def _fetch_products(session: Session[Api], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers, without the stock that comes with them."""
    return _offers(session, token, lambda offer: [rows.marked(bytes(offer))])


def _fetch_inventory(session: Session[Api], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers, one record a warehouse."""
    return _offers(session, token, rows.split_by_location)


def _check(session: Session[Api]) -> str:
    """Count the offers that the key can read; v2 does not name the seller."""
    listing = _ask(session, "offers", 1, _Offers, size=1)
    return f"takealot: {listing.total_results} offers (Seller API v2)"


def _offers(session: Session[Api], token: str | None, split: Callable[[msgspec.Raw], list[bytes]]) -> Page:
    number = int(token or 1)
    listing = _ask(session, "offers", number, _Offers)
    is_last = number * PAGE_SIZE >= listing.total_results or not listing.offers
    return Page(
        [record for offer in listing.offers for record in split(offer)],
        None if is_last else str(number + 1),
        total=listing.total_results,
        listed=len(listing.offers),
    )


def _ask(
    session: Session[Api],
    operation: str,
    number: int,
    kind: type[T],
    *,
    size: int = PAGE_SIZE,
    filters: str = "",
) -> T:
    params = [("page_number", str(number)), ("page_size", str(size))]
    if filters:
        params.append(("filters", filters))
    return session.client.request(
        operation, f"{_BASE}/{operation}", lambda response: response.decode(kind), params=params
    )


SELLER_V2 = Api(
    _HOST,
    header=lambda key: FixedHeader("Authorization", f"Key {key}"),
    fetch_orders=_fetch_orders,
    fetch_products=_fetch_products,
    fetch_inventory=_fetch_inventory,
    check=_check,
)
