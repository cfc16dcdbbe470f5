"""The pages of eBay's three streams.

Source: eBay's own descriptions of Fulfillment 1.20.7 and Inventory 1.18.4, read 2026-11-23. Facts that this
module depends on:

- Orders come in no defined order and in pages by offset. An order that changes meanwhile leaves the window,
  and the next page would begin one row too late. So a window is cut into spans of time that fit one page,
  and the page token is ours: the next span. Bounds are inclusive, in milliseconds.
- A range covers two years at most. `creationdate` would replace `lastmodifieddate`, so it is never sent.
- `next` is a URL and is not followed: the rows are counted.
- The inventory's `offset` is a page's number. If the total changes between two pages, rows may have moved
  past the reader: from there on rows are not counted as listed, and no record is taken as vanished.
- Prices are in offers, which are asked for one SKU at a time: a listing of N items costs 1.04 N calls
  (10,000 items some 30 minutes, and as many of the application's 2,000,000 inventory calls a day). Nothing
  tells which prices changed, so all are asked for. Stock needs no offers: N / 200 calls.
- Only items in the Inventory model are listed; the check says so.
- `getOffers` was seen to answer 500 with error 25001 for one SKU. A product is not stored without its offers,
  which are its price: the SKU is told as unshown, and its stored version stays.
- A page that fails at two ticks is narrowed down to its records: see `narrowing`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    PageTokenExpired,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.client import Errors
from orchestrator.marketplaces.ebay import item_records, narrowing, stock_records
from orchestrator.marketplaces.ebay.api import INVENTORY, NoOffers, Seller, ask
from orchestrator.marketplaces.paging import not_ours, read_position, write_position
from orchestrator.marketplaces.spec import Page, Session, Unshown, Window
from orchestrator.marketplaces.values import Instant

ORDERS_URL = "https://api.ebay.com/sell/fulfillment/v1/order"
#: The most orders on a page, and the number that a span aims at.
LIMIT, AIM = 200, 150
#: The longest range that eBay accepts, in milliseconds: two years.
LONGEST = 730 * 86_400_000
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
#: Inventory items on a page of stock, and of products, each of which costs one more call.
STOCK_ITEMS, PRODUCT_ITEMS = 200, 25
#: If more products of a page cannot be shown at its first attempt, it may be an outage: the next tick asks.
MOST_UNSHOWN = 5
#: More orders than these, all older than their span, are no accident: the filter was not applied.
_MOST_OLDER = 20
#: No seller's SKU.
_NO_SKU = "marketplace-sync-asks-whether-offers-are-shown"


class _Orders(msgspec.Struct):
    total: int
    orders: list[msgspec.Raw] = []


class _Changed(msgspec.Struct):
    at: Instant = msgspec.field(name="lastModifiedDate")


class Span(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The next span to read; as JSON it is the page token."""

    #: First millisecond since 1970, and the number of milliseconds.
    at: int
    length: int
    #: Inside one millisecond with more than a page: orders read of it, and its total at its first page.
    offset: int = 0
    total: int = 0

    @classmethod
    def of(cls, window: Window, token: str | None) -> Span:
        """The token's span, or the whole window.

        Raises:
            PageTokenExpired: The token is not one of ours.
        """
        if token:
            return read_position("ebay orders", token, _spans)
        end = _end(window)
        at = max((window.since - _ZERO) // _MS, end - LONGEST)
        return cls(at, end - at + 1)


_spans = msgspec.json.Decoder(Span)


def fetch_orders(session: Session[Seller], window: Window, token: str | None) -> Page:
    """Orders changed in the window's next span."""
    span, end = Span.of(window, token), _end(window)
    while True:
        last = min(span.at + span.length - 1, end)
        try:
            listing = _ask_orders(session, span, last)
        except MarketplaceUnavailable:
            if window.attempt == 1:
                raise
            return _narrowed(session, span, last, end)
        read = span.offset + len(listing.orders)
        if read >= listing.total:
            break
        if last == span.at:
            return _page_of(listing, span.at, write_position(_further(span, listing, read)))
        # More than a page. Its rows are not used, because the start of the next page is not defined.
        length = (last - span.at + 1) * AIM // max(listing.total, AIM * 2)
        span = Span(span.at, max(1, length))
    if last >= end:
        return _page_of(listing, span.at, None)
    # At most four times as long, if few orders changed.
    length = (last - span.at + 1) * AIM // max(len(listing.orders), AIM // 4)
    return _page_of(listing, span.at, write_position(Span(last + 1, max(1, length))))


def _narrowed(session: Session[Seller], span: Span, last: int, end: int) -> Page:
    """The orders of a span that fails, without those that eBay cannot show."""

    def part(first: int, last: int, offset: int, limit: int, *, patient: bool) -> narrowing.Part:
        listing = _ask_orders(
            session, Span(first, 1, offset), last, limit, errors=None if patient else narrowing.AT_ONCE
        )
        return narrowing.Part([bytes(raw) for raw in listing.orders], listing.total)

    found = narrowing.orders(part, span.at, last, LIMIT)
    following = None if found.until >= end else Span(found.until + 1, max(1, last - found.until))
    return Page(found.records, write_position(following) if following else None, unshown=found.unshown)


def _further(span: Span, listing: _Orders, read: int) -> Span:
    """The next page of one millisecond."""
    if span.offset and listing.total != span.total:
        raise PageTokenExpired("ebay orders: the orders of one millisecond changed while they were read")
    if not listing.orders:
        raise ResponseInvalid(f"ebay orders: {read} of {listing.total} orders came, and no more")
    return Span(span.at, 1, read, listing.total)


def _ask_orders(
    session: Session[Seller], span: Span, last: int, limit: int = LIMIT, errors: Errors | None = None
) -> _Orders:
    params = [
        ("filter", f"lastmodifieddate:[{narrowing.written(span.at)}..{narrowing.written(last)}]"),
        # Without it the tax that eBay collects is missing in the totals.
        ("fieldGroups", "TAX_BREAKDOWN"),
        ("limit", str(limit)),
        ("offset", str(span.offset)),
    ]
    return ask(session, "orders", ORDERS_URL, _Orders, params, errors=errors)


def _page_of(listing: _Orders, since: int, next_token: str | None) -> Page:
    """The page; an order that cannot be read is passed on to become a reject.

    Raises:
        ResponseInvalid: Many orders, and all are older than the span: the filter was not applied.
    """
    earliest, older = narrowing.moment(since), 0
    for raw in listing.orders:
        try:
            older += msgspec.json.decode(raw, type=_Changed).at < earliest
        except UNREADABLE:
            continue
    if older == len(listing.orders) > _MOST_OLDER:
        message = "ebay orders: all orders are older than the window; the filter was not applied"
        raise ResponseInvalid(message)
    return Page([bytes(raw) for raw in listing.orders], next_token, outside=older)


def _end(window: Window) -> int:
    """The window's last millisecond, rounded up."""
    return -((_ZERO - window.until) // _MS)


class _Items(msgspec.Struct):
    total: int
    items: list[msgspec.Raw] = msgspec.field(default=[], name="inventoryItems")


class _Offers(msgspec.Struct):
    offers: list[msgspec.Raw] = []


def fetch_products(session: Session[Seller], window: Window, token: str | None) -> Page:
    """Inventory items, each with its offers; without those whose offers eBay cannot show."""
    page = _page(session, window, token, PRODUCT_ITEMS)
    rows: list[bytes] = []
    unshown = list(page.unshown)
    failure: MarketplaceError | None = None
    for raw in page.records:
        sku = item_records.sku_of(raw)
        try:
            offers = [] if sku is None else _offers_of(session, sku)
        except (MarketplaceUnavailable, RequestRejected, ResponseInvalid) as error:
            failure = error
            unshown.append(Unshown(sku or "", error.message, sku))
            if len(unshown) > MOST_UNSHOWN and window.attempt == 1:
                raise
        else:
            rows.append(item_records.offered(raw, offers))
    if failure is not None and not rows:
        # No SKU was answered: it is an outage, unless a question about a SKU that does not exist is.
        try:
            _offers_of(session, _NO_SKU)
        except MarketplaceError:
            raise failure from None
    return Page(rows, page.next_token, page.total, page.listed, unshown)


def fetch_inventory(session: Session[Seller], window: Window, token: str | None) -> Page:
    """The stock of inventory items, one record a location."""
    page = _page(session, window, token, STOCK_ITEMS)
    levels = [level for raw in page.records for level in stock_records.split_by_location(raw)]
    return Page(levels, page.next_token, page.total, page.listed, page.unshown)


def count_items(session: Session[Seller]) -> int:
    """The number of inventory items; one call."""
    return _ask_items(session, 0, 1).total


def _page(session: Session[Seller], window: Window, token: str | None, size: int) -> Page:
    """A page of inventory items; the token is its number, and the total that the first page told."""
    try:
        number, told = map(int, token.split("/")) if token else (0, None)
    except ValueError:
        raise not_ours("ebay inventory_items") from None

    def part(number: int, size: int, *, patient: bool) -> narrowing.Part:
        errors = None if patient else narrowing.AT_ONCE
        listing = _ask_items(session, number, size, errors=errors)
        return narrowing.Part([bytes(item) for item in listing.items], listing.total)

    unshown: list[Unshown] = []
    try:
        listing = _ask_items(session, number, size)
        items, counted = [bytes(item) for item in listing.items], listing.total
    except MarketplaceUnavailable:
        if window.attempt == 1:
            raise
        found = narrowing.items(part, number, size)
        items, counted, unshown = found.records, found.total, found.unshown
    total = counted if told is None else told
    shown = len(items) + len(unshown)
    is_last = (number + 1) * size >= counted or not shown
    return Page(
        items,
        None if is_last else f"{number + 1}/{total}",
        total=total,
        listed=shown if counted == total else 0,
        unshown=unshown,
    )


def _ask_items(session: Session[Seller], number: int, size: int, errors: Errors | None = None) -> _Items:
    params = [("limit", str(size)), ("offset", str(number))]
    return ask(session, "inventory_items", f"{INVENTORY}/inventory_item", _Items, params, errors=errors)


def _offers_of(session: Session[Seller], sku: str) -> list[bytes]:
    params = [("sku", sku), ("marketplace_id", session.settings.marketplace_id)]
    try:
        offers = ask(session, "offers", f"{INVENTORY}/offer", _Offers, params).offers
    except NoOffers:
        return []
    return [item_records.shortened(offer) for offer in offers]
