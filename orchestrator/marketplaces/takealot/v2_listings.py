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

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.paging import numbered_page
from orchestrator.marketplaces.spec import Page, Session, Unshown, Window
from orchestrator.marketplaces.takealot import v2_records as rows
from orchestrator.marketplaces.takealot.api import MOST_ROWS, Api
from orchestrator.marketplaces.takealot.day_span import EndsEarly, read_days
from orchestrator.marketplaces.takealot.sale_records import distinct, group_by_order

_HOST = "seller-api.takealot.com"
_BASE = f"https://{_HOST}/v2"
#: The most rows on a page.
PAGE_SIZE = 100
#: A page that fails is asked for in this many smaller ones: 100 rows, 10, 1.
_NARROWER = 10
_BEHIND = 1_000_000

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

    def read(first: date, last: date, is_one: bool) -> Sequence[msgspec.Raw] | None:
        return _sold(session, first, last, is_one)

    def group(items: Sequence[msgspec.Raw]) -> list[bytes]:
        return [rows.marked(order) for order in group_by_order(items)]

    return read_days(window, token, read, group, sparse_below=MOST_ROWS // 3)


def _sold(session: Session[Api], first: date, last: date, is_one: bool) -> Sequence[msgspec.Raw] | None:
    """All sales of some days; None if they are too many for one page of ours, and of more than one day.

    Raises:
        EndsEarly: Fewer came than were counted.
    """
    range_ = f"start_date:{first.isoformat()};end_date:{last.isoformat()}"
    listing = _ask(session, "sales", 1, _Sales, filters=range_)
    told = listing.page_summary.total
    if told > MOST_ROWS and not is_one:
        return None
    items, number = listing.sales, 1
    # A new sale moves the last row to another page.
    while number * PAGE_SIZE < listing.page_summary.total and listing.sales:
        number += 1
        listing = _ask(session, "sales", number, _Sales, filters=range_)
        items = [*items, *listing.sales]
    came = distinct(items)
    if came < told:
        message = f"takealot sales: {came} of {told} rows came; a new sale moved the pages"
        raise EndsEarly(message)
    return items


def _fetch_products(session: Session[Api], window: Window, token: str | None) -> Page:
    """Offers, without the stock that comes with them."""
    return _offers(session, token, window.attempt, lambda offer: [rows.marked(bytes(offer))])


def _fetch_inventory(session: Session[Api], window: Window, token: str | None) -> Page:
    """Offers, one record a warehouse."""
    return _offers(session, token, window.attempt, rows.split_by_location)


def _check(session: Session[Api]) -> str:
    """Count the offers that the key can read; v2 does not name the seller."""
    listing = _ask(session, "offers", 1, _Offers, size=1)
    return f"takealot: {listing.total_results} offers (Seller API v2)"


def _offers(
    session: Session[Api], token: str | None, attempt: int, split: Callable[[msgspec.Raw], list[bytes]]
) -> Page:
    number = numbered_page("takealot offers", token)
    unshown: list[Unshown] = []
    try:
        listing = _ask(session, "offers", number, _Offers)
    except MarketplaceUnavailable:
        # An earlier page was shown: then Takealot answers, and this page has a row to blame.
        if attempt == 1 and number == 1:
            raise
        listing, unshown = _narrowed(session, number)
    is_last = number * PAGE_SIZE >= listing.total_results or not (listing.offers or unshown)
    return Page(
        [record for offer in listing.offers for record in split(offer)],
        None if is_last else str(number + 1),
        total=listing.total_results,
        listed=len(listing.offers) + len(unshown),
        unshown=unshown,
    )


def _narrowed(session: Session[Api], number: int) -> tuple[_Offers, list[Unshown]]:
    """A page in smaller pages, down to one row; and the rows that Takealot cannot show.

    Raises:
        MarketplaceUnavailable: It cannot even count them.
    """
    # A page behind all others has no rows.
    total = _ask(session, "offers", _BEHIND, _Offers).total_results
    offers: list[msgspec.Raw] = []
    unshown: list[Unshown] = []
    todo = [((number - 1) * PAGE_SIZE, PAGE_SIZE)]
    while todo:
        first, size = todo.pop()
        if first >= total:
            continue
        try:
            offers += _ask(session, "offers", first // size + 1, _Offers, size=size).offers
        except MarketplaceUnavailable as error:
            if size == 1:
                unshown.append(Unshown(f"offer {first + 1}", error.message))
            else:
                smaller = size // _NARROWER
                todo += [(start, smaller) for start in reversed(range(first, first + size, smaller))]
    return _Offers(total, offers), unshown


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
