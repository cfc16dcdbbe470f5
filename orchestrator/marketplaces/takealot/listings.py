"""The pages of Takealot's Marketplace API v1: sales are read again by order date, offers are listed whole.

Source: marketplace-api.takealot.com/v1/docs and public clients of it, read 2026-11-23. Facts that this
module depends on:

- Sales have no modification time and change for weeks: a short span each tick, a long one each day.
- A sale is an order *item*. Items of one order can be on different pages, in any order. So orders are put
  together from whole calendar days; the page token is ours: the next day and the number of days to ask for.
- Dates are calendar days in South African time (UTC+2), both ends included.
- A list ends with a token that is absent or blank; a repeated token would never end.
- Offers have been listed incompletely, with a `count` that shows it: each page passes the count on.
- Stock comes only with `expands`. Amounts are whole rand. A sale's `selling_price` is taken for the line's
  total, as in the older API; for more than one unit v1 does not define it.
- A 403 can be a firewall's HTML page, which does not mean that a permission is missing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.paging import single_step
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.takealot import records
from orchestrator.marketplaces.takealot.api import MOST_ROWS, Api
from orchestrator.marketplaces.takealot.day_span import DaySpan

_HOST = "marketplace-api.takealot.com"
_BASE = f"https://{_HOST}/v1"


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
    continuation_token: str | None = None
    count: int | None = None


class _Seller(msgspec.Struct):
    seller_id: int | str | None = None
    display_name: str | None = None


def _fetch_orders(session: Session[Api], window: Window, token: str | None) -> Page:
    """Orders of the window's next days, each record a JSON array of one order's items."""
    span = DaySpan.of(window, token)
    while True:
        end = span.end(window)
        bounds = [("order_date__gte", span.day.isoformat()), ("order_date__lte", end.isoformat())]
        listing = _ask(session, "sales", bounds, None)
        if not listing.continuation_token or span.day == end:
            break
        # More than a page: orders could straddle its end. Ask for fewer days, down to one.
        span = span.halved(end)
    items = listing.items
    following = single_step("takealot sales", None, listing.continuation_token)
    while following:
        listing = _ask(session, "sales", bounds, following)
        items += listing.items
        following = single_step("takealot sales", following, listing.continuation_token)
    return Page(records.group_by_order(items), span.following(window, sparse=len(items) < MOST_ROWS // 3))


def _fetch_products(session: Session[Api], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers, without their stock."""
    listing = _ask(session, "offers", [("include_count", "true")], token)
    return Page(
        [bytes(item) for item in listing.items],
        single_step("takealot offers", token, listing.continuation_token),
        total=listing.count,
    )


def _fetch_inventory(session: Session[Api], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers with their stock, one record a warehouse or region."""
    expands = [("expands", "seller_warehouse_stock"), ("expands", "takealot_warehouse_stock")]
    listing = _ask(session, "offers", [("include_count", "true"), *expands], token)
    return Page(
        [level for item in listing.items for level in records.split_by_location(item)],
        single_step("takealot offers", token, listing.continuation_token),
        total=listing.count,
        listed=len(listing.items),
    )


def _ask(
    session: Session[Api], operation: str, filters: Iterable[tuple[str, str]], token: str | None
) -> _List:
    params = [*filters, ("limit", str(MOST_ROWS))]
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
