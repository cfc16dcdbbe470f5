"""eBay's inventory items with their offers and stock as normalized records.

Source: eBay's own description of Inventory 1.18.4, read 2026-11-23.

A detail that cannot be read is null, and is named in the record's `warnings`; the stock of a level is none.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.ebay.order_amounts import money_of
from orchestrator.marketplaces.ebay.order_rows import Row
from orchestrator.marketplaces.unified.facts import LevelFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.products import product_of
from orchestrator.marketplaces.values import Details, Number, id_at, id_reader, quantity
from orchestrator.model.record import Product, ProductStatus, StockLevel, Variant

#: The location of stock for which eBay names none.
ANYWHERE = "ship_to_home"

_LISTING: dict[str, ProductStatus] = {
    "ACTIVE": "active",
    "OUT_OF_STOCK": "active",
    "ENDED": "inactive",
    "EBAY_ENDED": "inactive",
    "INACTIVE": "inactive",
    "NOT_LISTED": "inactive",
}
#: The product's status is the first of these among its offers'.
_FIRST: tuple[ProductStatus, ...] = ("active", "unknown", "inactive", "draft")


_NULL = msgspec.Raw(b"null")


class _CatalogueEntry(Row, frozen=True):
    title: Any = None
    ean: Any = None
    upc: Any = None
    isbn: Any = None


class _Item(Row, frozen=True, kw_only=True):
    sku: str
    product: _CatalogueEntry = _CatalogueEntry()


class _Listing(Row, frozen=True):
    listing_id: str | None = None
    listing_status: str | None = None


class _Prices(Row, frozen=True):
    price: Any = None
    original_retail_price: Any = None


class _Offer(Row, frozen=True, kw_only=True):
    offer_id: str
    status: str
    listing: _Listing = _Listing()
    pricing_summary: Any = None


class _Offered(msgspec.Struct):
    """An inventory item with its offers; our own format, made by `offered`."""

    item: _Item
    offers: list[_Offer]


class _Place(Row, frozen=True):
    merchant_location_key: str
    quantity: msgspec.Raw = _NULL


class _ShipToHome(Row, frozen=True):
    quantity: msgspec.Raw = _NULL
    availability_distributions: tuple[_Place, ...] = ()


class _Availability(Row, frozen=True):
    ship_to_location_availability: _ShipToHome | None = None
    pickup_at_location_availability: tuple[_Place, ...] = ()


class _StockedItem(Row, frozen=True, kw_only=True):
    sku: str
    availability: _Availability = _Availability()


class _Level(msgspec.Struct):
    """One location's share of an inventory item; our own format, made by `split_by_location`."""

    sku: str
    location: str
    quantity: msgspec.Raw
    #: Whether buyers collect it there.
    pickup: bool = False


product_id = id_at("item", "sku", kind=str)
_sku = id_at("sku", kind=str)


def sku_of(item: bytes) -> str | None:
    """The SKU of an inventory item; None if it is empty or cannot be read."""
    return _sku(item) or None


def without_description(offer: msgspec.Raw) -> bytes:
    """An offer without the seller's HTML: up to half a megabyte, and never stored."""
    try:
        fields = msgspec.json.decode(offer, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return bytes(offer)
    fields.pop("listingDescription", None)
    return msgspec.json.encode(fields)


def offered(item: bytes, offers: list[bytes]) -> bytes:
    """An inventory item and its offers as one record."""
    return b'{"item":' + item + b',"offers":[' + b",".join(offers) + b"]}"


def split_by_location(item: bytes) -> list[bytes]:
    """One record a location; an item that cannot be read is passed on whole, to be rejected."""
    try:
        row = msgspec.json.decode(item, type=_StockedItem)
    except UNREADABLE:
        return [item]
    levels = [
        _Level(row.sku, place.merchant_location_key, place.quantity, pickup=True)
        for place in row.availability.pickup_at_location_availability
    ]
    if home := row.availability.ship_to_location_availability:
        # If eBay names the locations, this quantity is their sum.
        places = home.availability_distributions or (_Place(ANYWHERE, home.quantity),)
        levels += [_Level(row.sku, place.merchant_location_key, place.quantity) for place in places]
    return [msgspec.json.encode(level) for level in levels]


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An inventory item is a product; its offers are the variants, or the item itself if it has no offer."""
    row, details = msgspec.json.decode(raw, type=_Offered), Details()
    item = row.item
    statuses: set[ProductStatus] = {_offer_status(offer) for offer in row.offers} or {"draft"}
    words = sorted({f"{offer.status}/{offer.listing.listing_status or 'none'}" for offer in row.offers})
    found = (_variant(details, item, offer) for offer in row.offers)
    variants = {variant.id: variant for variant in found}
    facts = ProductFacts(
        id=item.sku,
        title=details.text("title", item.product.title),
        status=next(status for status in _FIRST if status in statuses),
        marketplace_status=", ".join(words) or "no offer",
        variants=tuple(variants.values()) or (_variant(details, item, None),),
    )
    return product_of(facts, details)


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An item's stock at one location; stock for collection there is a level of its own."""
    row = msgspec.json.decode(raw, type=_Level)
    available = msgspec.json.decode(row.quantity, type=Number | None)
    facts = LevelFacts(
        id=_level_id(row),
        sku=row.sku,
        product_id=row.sku,
        location_id=row.location,
        available=None if available is None else quantity(available),
    )
    return level_of(facts, Details())


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id; an item that could not be split by location has none."""
    return _level_id(msgspec.json.decode(raw, type=_Level))


def _level_id(row: _Level) -> str:
    return f"{row.sku}@{'pickup:' if row.pickup else ''}{row.location}"


def _variant(details: Details, item: _Item, offer: _Offer | None) -> Variant:
    told = details.part("variants.price", offer.pricing_summary, _Prices) if offer else None
    prices = told or _Prices()
    numbers = (
        number
        for each in (item.product.ean, item.product.upc, item.product.isbn)
        for number in details.part("variants.barcode", each, tuple[str, ...]) or ()
    )
    return Variant(
        # Order lines name the listing, so it joins them to the variant.
        id=(offer.listing.listing_id or offer.offer_id) if offer else item.sku,
        sku=item.sku,
        barcode=next(numbers, None),
        price=money_of(details, "variants.price", prices.price),
        list_price=money_of(details, "variants.list_price", prices.original_retail_price),
    )


def _offer_status(offer: _Offer) -> ProductStatus:
    if offer.status == "UNPUBLISHED":
        return "draft"
    if offer.status != "PUBLISHED":
        return "unknown"
    return _LISTING.get(offer.listing.listing_status or "ACTIVE", "unknown")
