"""Takealot's offers, whole or split by location, as normalized records."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.takealot.words import (
    offer_status,
)
from orchestrator.marketplaces.unified.facts import LevelFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.products import product_of
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Detail,
    Details,
    Id,
    Instant,
    Number,
    id_at,
    id_reader,
    quantity,
    total_quantity,
    utc,
)
from orchestrator.model.record import (
    Product,
    Quantity,
    StockLevel,
    Variant,
)

CURRENCY = "ZAR"


class Offer(msgspec.Struct, kw_only=True):
    """An offer, as far as both APIs write it alike."""

    offer_id: Id
    status: Detail
    sku: Detail = NO_DETAIL
    barcode: Detail = NO_DETAIL
    title: Detail = NO_DETAIL
    selling_price: Detail = NO_DETAIL
    rrp: Detail = NO_DETAIL


class _DatedOffer(Offer, kw_only=True):
    created_at: Detail = NO_DETAIL
    updated_at: Detail = NO_DETAIL


class Share(msgspec.Struct, kw_only=True):
    """The offer that a stock level belongs to."""

    offer_id: Id
    sku: Detail = NO_DETAIL


class _OfferStock(Share, kw_only=True):
    seller_warehouse_stock: list[msgspec.Raw] | None = None
    takealot_warehouse_stock: list[msgspec.Raw] | None = None


class _SellerStock(msgspec.Struct, kw_only=True):
    seller_warehouse_id: Id
    quantity_available: Number


class _RegionStock(msgspec.Struct, kw_only=True):
    region: str
    quantity_available: Number
    stock_on_way: Detail = NO_DETAIL
    stock_in_receiving: Detail = NO_DETAIL


class _Level(Share, kw_only=True):
    """One location's share of an offer; our own format, made by `split_by_location`."""

    #: The location's owner.
    holder: Literal["seller", "takealot"]
    #: The location's unchanged entry.
    stock: msgspec.Raw


product_id = id_at("offer_id")


def split_by_location(offer: msgspec.Raw) -> list[bytes]:
    """One record a warehouse or region; an unreadable offer is passed on whole, to become a reject."""
    try:
        row = msgspec.json.decode(offer, type=_OfferStock)
    except UNREADABLE:
        return [bytes(offer)]
    if row.seller_warehouse_stock is None and row.takealot_warehouse_stock is None:
        # Stock was asked for and is absent. Taking that for "no stock" would delete the known levels.
        return [bytes(offer)]
    stocks: list[tuple[Literal["seller", "takealot"], msgspec.Raw]] = [
        *(("seller", stock) for stock in row.seller_warehouse_stock or ()),
        *(("takealot", stock) for stock in row.takealot_warehouse_stock or ()),
    ]
    return [
        msgspec.json.encode(_Level(holder=holder, stock=stock, offer_id=row.offer_id, sku=row.sku))
        for holder, stock in stocks
    ]


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An offer is a product with one variant."""
    row, details = msgspec.json.decode(raw, type=_DatedOffer), Details()
    dates = _moment(details, "created_at", row.created_at), _moment(details, "updated_at", row.updated_at)
    return offered(row, details, *dates)


def offered(
    row: Offer,
    details: Details,
    created_at: datetime | None = None,
    updated_at: datetime | None = None,
) -> Product:
    """An offer as a product."""
    offer_id = str(row.offer_id)
    variant = Variant(
        id=offer_id,
        sku=details.text("sku", row.sku),
        barcode=details.text("barcode", row.barcode),
        price=details.money("selling_price", row.selling_price, CURRENCY),
        list_price=details.money("rrp", row.rrp, CURRENCY),
    )
    word = details.text("status", row.status) or ""
    facts = ProductFacts(
        id=offer_id,
        title=details.text("title", row.title),
        status=offer_status(word, details),
        marketplace_status=word,
        created_at=created_at,
        updated_at=updated_at,
        variants=(variant,),
    )
    return product_of(facts, details)


def _moment(details: Details, name: str, value: Detail) -> datetime | None:
    """A time that a record can do without."""
    found = details.part(name, value, Instant)
    return None if found is None else details.read(name, lambda: utc(found))


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An offer's stock in one warehouse or region; an offer that came without its stock is not a level."""
    row, details = msgspec.json.decode(raw, type=_Level), Details()
    if row.holder == "seller":
        own = msgspec.json.decode(row.stock, type=_SellerStock)
        return stocked(row, (str(own.seller_warehouse_id), None), quantity(own.quantity_available), details)
    stock = msgspec.json.decode(row.stock, type=_RegionStock)
    coming = (
        details.quantity("stock_on_way", stock.stock_on_way),
        details.quantity("stock_in_receiving", stock.stock_in_receiving),
    )
    told = [Decimal(part) for part in coming if part is not None]
    incoming = None if details.warnings else total_quantity(*told)
    available = quantity(stock.quantity_available)
    return stocked(row, (stock.region, stock.region), available, details, incoming)


def stocked(
    row: Share,
    place: tuple[str, str | None],
    available: Quantity,
    details: Details,
    incoming: Quantity | None = None,
) -> StockLevel:
    """The stock of an offer at one location, given by its id and name."""
    offer_id, (location, location_name) = str(row.offer_id), place
    facts = LevelFacts(
        id=f"{offer_id}@{location}",
        sku=details.text("sku", row.sku),
        product_id=offer_id,
        variant_id=offer_id,
        location_id=location,
        location_name=location_name,
        available=available,
        incoming=incoming,
    )
    return level_of(facts, details)


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id; an offer that came without its stock has none."""
    return level(raw, False).id
