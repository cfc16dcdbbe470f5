"""The pages of eBay's inventory items: products with their offers, and stock.

Source: eBay's own description of Inventory 1.18.4, read 2026-11-23. Facts that this module depends on:

- The inventory's `offset` is a page's number. If the total changes between two pages, rows may have moved
  past the reader: from there on rows are not counted as listed, and no record is taken as vanished.
- Prices are in offers, which are asked for one SKU at a time: a listing of N items costs 1.04 N calls
  (10,000 items some 30 minutes, and as many of the application's 2,000,000 inventory calls a day). Nothing
  tells which prices changed, so all are asked for. Stock needs no offers: N / 200 calls.
- Only items in the Inventory model are listed; the check says so.
"""

from __future__ import annotations

import msgspec

from orchestrator.marketplaces.ebay import item_records
from orchestrator.marketplaces.ebay.api import NoOffers, SiteSettings, ask_inventory
from orchestrator.marketplaces.paging import not_ours
from orchestrator.marketplaces.spec import Page, Session, Window

#: Inventory items on a page of stock, and of products, each of which costs one more call.
STOCK_ITEMS, PRODUCT_ITEMS = 200, 25


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
    return _ask(session, 0, 1).total


def _page(session: Session[SiteSettings], token: str | None, size: int) -> Page:
    """A page of inventory items; the token is its number, and the total that the first page told."""
    try:
        number, told = map(int, token.split("/")) if token else (0, None)
    except ValueError:
        raise not_ours("ebay inventory_items") from None
    listing = _ask(session, number, size)
    total = listing.total if told is None else told
    is_last = (number + 1) * size >= listing.total or not listing.items
    return Page(
        [bytes(item) for item in listing.items],
        None if is_last else f"{number + 1}/{total}",
        total=total,
        listed=len(listing.items) if listing.total == total else 0,
    )


def _ask(session: Session[SiteSettings], number: int, size: int) -> _Items:
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
