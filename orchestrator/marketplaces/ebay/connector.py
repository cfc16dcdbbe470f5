"""eBay: Fulfillment and Inventory v1; orders by modification time, the catalogue listed whole.

Source: eBay's own descriptions of Fulfillment 1.20.7 and Inventory 1.18.4, its pages on OAuth and on call
limits, read 2026-11-23. What is heeded:

- Orders come in no defined order and in pages by offset: one that is changed meanwhile leaves the window,
  and the next page would begin one row too late. So a window is cut into spans of time that fit one page,
  and the page token is ours: the next span. Bounds are inclusive, in milliseconds.
- A range reaches over two years at most. `creationdate` beside `lastmodifieddate` would win: never sent.
- `next` is a URL and is not followed: what follows is counted.
- The inventory's `offset` is a page's number. When its total changes between two pages, rows may have
  slipped: from there on rows are not counted as listed, and nothing is taken as vanished.
- Prices stand in offers, which are asked for one SKU at a time: a listing of N items costs 1.04 N calls
  (10,000 items some 30 minutes, and as many of the application's 2,000,000 inventory calls a day). Nothing
  tells which prices changed, so all are asked for. Stock needs no offers: N / 200 calls.
- Only what lives in the Inventory model is listed; the check says so.
- Calls a day are limited for the application, over all its sellers: 429 with error 2001 until midnight
  Pacific. Token exchanges too (50,000): tokens are shared by an instance's sessions for their two hours.
- Inventory calls need a language that eBay knows, or answer 400 with error 25709.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.ebay import catalogue, records
from orchestrator.marketplaces.ebay.api import (
    ACCESS,
    Credential,
    NoOffers,
    SiteSettings,
    ask_inventory,
    open_session,
)
from orchestrator.marketplaces.ebay.spans import fetch_orders
from orchestrator.marketplaces.spec import Connector, Listing, Page, Session, Stream, Window

#: Inventory items on a page of stock, and of products: of those each costs a call more.
STOCK_ITEMS, PRODUCT_ITEMS = 200, 25


class _Items(msgspec.Struct):
    total: int
    items: list[msgspec.Raw] = msgspec.field(default=[], name="inventoryItems")


class _Offers(msgspec.Struct):
    offers: list[msgspec.Raw] = []


def fetch_products(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Inventory items, each with its offers on the connection's site."""
    page = _items(session, token, PRODUCT_ITEMS)
    rows = [catalogue.offered(raw, _offers_of(session, raw)) for raw in page.records]
    return Page(rows, page.next_token, page.total, page.listed)


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """What inventory items say of their stock, one record a location."""
    page = _items(session, token, STOCK_ITEMS)
    levels = [level for raw in page.records for level in catalogue.split_by_location(raw)]
    return Page(levels, page.next_token, page.total, page.listed)


def _items(session: Session, token: str | None, size: int) -> Page:
    """A page of inventory items; the token is its number, and the total that the first page told."""
    try:
        number, told = map(int, token.split("/")) if token else (0, None)
    except ValueError:
        raise PageTokenExpired("ebay inventory_items: the page token is not one of ours") from None
    params = [("limit", str(size)), ("offset", str(number))]
    listing = ask_inventory(session, "inventory_items", "inventory_item", _Items, params)
    total = listing.total if told is None else told
    is_last = (number + 1) * size >= listing.total or not listing.items
    return Page(
        [bytes(item) for item in listing.items],
        None if is_last else f"{number + 1}/{total}",
        total=total,
        listed=len(listing.items) if listing.total == total else 0,
    )


def _offers_of(session: Session, item: bytes) -> list[bytes]:
    sku = catalogue.sku_of(item)
    if sku is None:
        return []
    params = [("sku", sku), ("marketplace_id", session.settings.marketplace_id)]
    try:
        offers = ask_inventory(session, "offers", "offer", _Offers, params).offers
    except NoOffers:
        return []
    return [catalogue.without_description(offer) for offer in offers]


def check(session: Session) -> str:
    """Count the inventory items the credential opens."""
    listing = ask_inventory(
        session, "inventory_items", "inventory_item", _Items, [("limit", "1"), ("offset", "0")]
    )
    return (
        f"ebay: {session.settings.marketplace_id}, {listing.total} inventory items; "
        "listings made outside the Inventory model are not seen until they are migrated to it"
    )


CONNECTOR = Connector(
    marketplace="ebay",
    settings=SiteSettings,
    credential=Credential,
    access=ACCESS,
    streams={
        "orders": Stream(
            name="orders",
            listing=Listing.INCREMENTAL,
            fetch=fetch_orders,
            normalize=records.order,
            record_id=records.order_id,
            version=1,
            age=timedelta(minutes=2),
            durable_token=True,
            remembers_all=False,
            # After 90 days buyers are masked: what was stored before is not read again without need.
            long_span=timedelta(days=30),
        ),
        "products": Stream(
            name="products",
            listing=Listing.SNAPSHOT,
            fetch=fetch_products,
            normalize=catalogue.product,
            record_id=catalogue.product_id,
            version=1,
            age=timedelta(0),
            durable_token=True,
        ),
        "inventory": Stream(
            name="inventory",
            listing=Listing.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=catalogue.level,
            record_id=catalogue.level_id,
            version=1,
            age=timedelta(0),
            durable_token=False,
        ),
    },
    epoch=datetime(1995, 9, 3, tzinfo=UTC),
    open=open_session,
    check=check,
    personal_fields=records.PERSONAL_FIELDS,
)
