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
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PageTokenExpired, ResponseInvalid
from orchestrator.marketplaces.ebay import item_records
from orchestrator.marketplaces.ebay.api import NoOffers, SiteSettings, ask_inventory
from orchestrator.marketplaces.paging import not_ours, read_position, write_position
from orchestrator.marketplaces.spec import Page, Session, Window
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


def fetch_orders(session: Session[SiteSettings], window: Window, token: str | None) -> Page:
    """Orders changed in the window's next span."""
    span, end = Span.of(window, token), _end(window)
    while True:
        last = min(span.at + span.length - 1, end)
        listing = _ask_orders(session, span, last)
        read = span.offset + len(listing.orders)
        if read >= listing.total:
            break
        if last == span.at:
            return Page(_checked(listing, span.at), write_position(_further(span, listing, read)))
        # More than a page. Its rows are not used, because the start of the next page is not defined.
        length = (last - span.at + 1) * AIM // max(listing.total, AIM * 2)
        span = Span(span.at, max(1, length))
    found = _checked(listing, span.at)
    if last >= end:
        return Page(found, None)
    # At most four times as long, if few orders changed.
    length = (last - span.at + 1) * AIM // max(len(found), AIM // 4)
    return Page(found, write_position(Span(last + 1, max(1, length))))


def _further(span: Span, listing: _Orders, read: int) -> Span:
    """The next page of one millisecond."""
    if span.offset and listing.total != span.total:
        raise PageTokenExpired("ebay orders: the orders of one millisecond changed while they were read")
    if not listing.orders:
        raise ResponseInvalid(f"ebay orders: {read} of {listing.total} orders came, and no more")
    return Span(span.at, 1, read, listing.total)


def _ask_orders(session: Session[SiteSettings], span: Span, last: int) -> _Orders:
    return session.client.request(
        "orders",
        ORDERS_URL,
        lambda response: response.decode(_Orders),
        params=[
            ("filter", f"lastmodifieddate:[{_written(span.at)}..{_written(last)}]"),
            ("limit", str(LIMIT)),
            ("offset", str(span.offset)),
        ],
    )


def _checked(listing: _Orders, since: int) -> list[bytes]:
    """The orders; an order that cannot be read is passed on to become a reject.

    Raises:
        ResponseInvalid: An order is older than the span: the filter was not applied.
    """
    earliest = _ZERO + since * _MS
    for raw in listing.orders:
        try:
            changed = msgspec.json.decode(raw, type=_Changed)
        except UNREADABLE:
            continue
        if changed.at < earliest:
            message = "ebay orders: an order is older than the window; the filter was not applied"
            raise ResponseInvalid(message)
    return [bytes(raw) for raw in listing.orders]


def _end(window: Window) -> int:
    """The window's last millisecond, rounded up."""
    return -((_ZERO - window.until) // _MS)


def _written(moment: int) -> str:
    return f"{_ZERO + moment * _MS:%Y-%m-%dT%H:%M:%S}.{moment % 1000:03d}Z"


class _Items(msgspec.Struct):
    total: int
    items: list[msgspec.Raw] = msgspec.field(default=[], name="inventoryItems")


class _Offers(msgspec.Struct):
    offers: list[msgspec.Raw] = []


def fetch_products(session: Session[SiteSettings], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Inventory items, each with its offers."""
    page = _page(session, token, PRODUCT_ITEMS)
    rows = [item_records.offered(raw, _offers_of(session, raw)) for raw in page.records]
    return Page(rows, page.next_token, page.total, page.listed)


def fetch_inventory(session: Session[SiteSettings], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """The stock of inventory items, one record a location."""
    page = _page(session, token, STOCK_ITEMS)
    levels = [level for raw in page.records for level in item_records.split_by_location(raw)]
    return Page(levels, page.next_token, page.total, page.listed)


def count_items(session: Session[SiteSettings]) -> int:
    """The number of inventory items; one call."""
    return _ask_items(session, 0, 1).total


def _page(session: Session[SiteSettings], token: str | None, size: int) -> Page:
    """A page of inventory items; the token is its number, and the total that the first page told."""
    try:
        number, told = map(int, token.split("/")) if token else (0, None)
    except ValueError:
        raise not_ours("ebay inventory_items") from None
    listing = _ask_items(session, number, size)
    total = listing.total if told is None else told
    is_last = (number + 1) * size >= listing.total or not listing.items
    return Page(
        [bytes(item) for item in listing.items],
        None if is_last else f"{number + 1}/{total}",
        total=total,
        listed=len(listing.items) if listing.total == total else 0,
    )


def _ask_items(session: Session[SiteSettings], number: int, size: int) -> _Items:
    params = [("limit", str(size)), ("offset", str(number))]
    return ask_inventory(session, "inventory_items", "inventory_item", _Items, params)


def _offers_of(session: Session[SiteSettings], item: bytes) -> list[bytes]:
    sku = item_records.sku_of(item)
    if sku is None:
        return []
    params = [("sku", sku), ("marketplace_id", session.settings.marketplace_id)]
    try:
        offers = ask_inventory(session, "offers", "offer", _Offers, params).offers
    except NoOffers:
        return []
    return [item_records.without_description(offer) for offer in offers]
