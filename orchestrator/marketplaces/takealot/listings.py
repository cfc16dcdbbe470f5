"""The pages of Takealot's Marketplace API v1: sales are read again by order date, offers are listed whole.

Source: marketplace-api.takealot.com/v1/docs, a public copy of its OpenAPI description 1.0.0
(github.com/jiamei95/takealot-erp, assets/openapi.json) and public clients, read 2026-11-23 and 2026-11-28.
Facts that this module depends on:

- Sales have no modification time and change for weeks: a short span each tick, a long one each day.
- A sale is an order *item*. Items of one order can be on different pages, in any order. So orders are put
  together from whole calendar days; the page token is ours: the next day and the number of days to ask for.
- Dates are calendar days in South African time (UTC+2), both ends included.
- A list ends with a token that is absent or blank; a repeated token would never end.
- Both lists tell a `count` if asked. Lists have ended early, with a count that shows it. Sales are compared
  with it here; each page of offers passes it on.
- A page of sales has at most 100 rows, one of offers 1000.
- Stock comes only with `expands`. Amounts are whole rand. A sale's `selling_price` is taken for the line's
  total, as in the older API; for more than one unit v1 does not define it.
- Limits are not published. They are told by headers, which serve all calls of a key alike here.
- A 403 can be a firewall's HTML page, which does not mean that a permission is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.paging import single_step
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.takealot import records, sale_records
from orchestrator.marketplaces.takealot.api import MOST_ROWS, Api
from orchestrator.marketplaces.takealot.day_span import EndsEarly, read_days

_HOST = "marketplace-api.takealot.com"
_BASE = f"https://{_HOST}/v1"
#: The most rows on a page.
SALES_SIZE, OFFERS_SIZE = 100, 1000
_COUNTED = [("include_count", "true")]


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
    continuation_token: str | None = None
    count: int | None = None


class _Seller(msgspec.Struct):
    seller_id: int | str | None = None
    display_name: str | None = None


def _fetch_orders(session: Session[Api], window: Window, token: str | None) -> Page:
    """Orders of the window's next days, each record a JSON array of one order's items."""

    def read(first: date, last: date, is_one: bool) -> Sequence[msgspec.Raw] | None:
        return _sales(session, first, last, is_one)

    return read_days(window, token, read, sale_records.group_by_order, sparse_below=MOST_ROWS // 3)


def _sales(session: Session[Api], first: date, last: date, is_one: bool) -> Sequence[msgspec.Raw] | None:
    """All sales of some days; None if they are too many for one page of ours, and of more than one day.

    Raises:
        EndsEarly: Fewer came than were counted.
    """
    bounds = [("order_date__gte", first.isoformat()), ("order_date__lte", last.isoformat())]
    listing = _ask(session, "sales", [*bounds, *_COUNTED], None, SALES_SIZE)
    told = listing.count
    # Without a count, orders could straddle the end of a page that has no token.
    too_many = told > MOST_ROWS if told is not None else bool(listing.continuation_token)
    if too_many and not is_one:
        return None
    items = listing.items
    following = single_step("takealot sales", None, listing.continuation_token)
    while following:
        listing = _ask(session, "sales", [*bounds, *_COUNTED], following, SALES_SIZE)
        items += listing.items
        told = listing.count if listing.count is not None else told
        following = single_step("takealot sales", following, listing.continuation_token)
    came = sale_records.distinct(items)
    if told is None and len(listing.items) >= SALES_SIZE:
        if not is_one:
            return None
        # A full last page may only look like the last one: smaller pages have to show as many rows.
        again = _in_smaller_pages(session, bounds)
        told, items = came, [*items, *again]
        came = sale_records.distinct(again)
    if told is not None and came < told:
        message = f"takealot sales: {came} of {told} rows came for {first.isoformat()} to {last.isoformat()}"
        raise EndsEarly(message)
    return items


def _in_smaller_pages(session: Session[Api], bounds: Sequence[tuple[str, str]]) -> list[msgspec.Raw]:
    """The same sales in pages of half the size."""
    items: list[msgspec.Raw] = []
    following: str | None = None
    while True:
        listing = _ask(session, "sales", bounds, following, SALES_SIZE // 2)
        items += listing.items
        following = single_step("takealot sales", following, listing.continuation_token)
        if not following:
            return items


def _fetch_products(session: Session[Api], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers, without their stock."""
    listing = _ask(session, "offers", _COUNTED, token, OFFERS_SIZE)
    return Page(
        [bytes(item) for item in listing.items],
        single_step("takealot offers", token, listing.continuation_token),
        total=listing.count,
    )


def _fetch_inventory(session: Session[Api], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers with their stock, one record a warehouse or region."""
    expands = [("expands", "seller_warehouse_stock"), ("expands", "takealot_warehouse_stock")]
    listing = _ask(session, "offers", [*_COUNTED, *expands], token, OFFERS_SIZE)
    return Page(
        [level for item in listing.items for level in records.split_by_location(item)],
        single_step("takealot offers", token, listing.continuation_token),
        total=listing.count,
        listed=len(listing.items),
    )


def _ask(
    session: Session[Api], operation: str, filters: Iterable[tuple[str, str]], token: str | None, limit: int
) -> _List:
    params = [*filters, ("limit", str(limit))]
    if token:
        # It is not documented whether the token includes the filters; sending both is harmless.
        params.append(("continuation_token", token))
    return session.client.request(
        operation,
        f"{_BASE}/{operation}",
        lambda response: response.decode(_List),
        params=params,
        # The same query was accepted without a token.
        errors={400: PageTokenExpired} if token else None,
    )


def _check(session: Session[Api]) -> str:
    """Name the seller that the key belongs to."""
    seller = session.client.request("seller", f"{_BASE}/seller", lambda response: response.decode(_Seller))
    name = seller.display_name or "seller"
    return f"takealot: {name} ({seller.seller_id if seller.seller_id is not None else 'no id given'})"


MARKETPLACE_V1 = Api(
    _HOST,
    header=lambda key: FixedHeader("X-API-Key", key),
    fetch_orders=_fetch_orders,
    fetch_products=_fetch_products,
    fetch_inventory=_fetch_inventory,
    check=_check,
)
