"""Takealot's offers, whole or split by location, as normalized records."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.takealot.words import (
    offer_status,
)
from orchestrator.marketplaces.unified.barcodes import barcodes_of
from orchestrator.marketplaces.unified.facts import LevelFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.products import product_of, weight_of
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Detail,
    Details,
    Id,
    Number,
    id_at,
    id_reader,
    quantity,
    total_quantity,
)
from orchestrator.model.records.record import (
    Product,
    Quantity,
    StockLevel,
    Variant,
)

CURRENCY = "ZAR"
#: The page of a product line, as v1's description tells it.
_PAGE = "https://www.takealot.com/x/PLID{}"


class Offer(msgspec.Struct, kw_only=True):
    """An offer, as far as both APIs write it alike."""

    offer_id: Id
    status: Detail
    sku: Detail = NO_DETAIL
    barcode: Detail = NO_DETAIL
    title: Detail = NO_DETAIL
    selling_price: Detail = NO_DETAIL
    rrp: Detail = NO_DETAIL
    #: Takealot's own label for the article.
    product_label: Detail = NO_DETAIL
    condition: Detail = NO_DETAIL
    image_url: Detail = NO_DETAIL
    weight_grams: Detail = NO_DETAIL


class _V1Offer(Offer, kw_only=True):
    #: Joins offers that are variations of one product.
    productline_id: Detail = NO_DETAIL
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
    row, details = msgspec.json.decode(raw, type=_V1Offer), Details()
    family = details.text("productline_id", row.productline_id)
    return offered(
        row,
        details,
        parent_id=family,
        url=_PAGE.format(family) if family else None,
        created_at=details.moment("created_at", row.created_at),
        updated_at=details.moment("updated_at", row.updated_at),
    )


def offered(row: Offer, details: Details, **more: Any) -> Product:
    """An offer as a product; `more` are facts that the APIs tell in different ways."""
    offer_id = str(row.offer_id)
    grams = details.quantity("weight_grams", row.weight_grams)
    image = details.text("image_url", row.image_url)
    codes = details.text("barcode", row.barcode), details.text("product_label", row.product_label)
    variant = Variant(
        id=offer_id,
        sku=details.text("sku", row.sku),
        barcodes=barcodes_of(codes),
        price=details.money("selling_price", row.selling_price, CURRENCY),
        list_price=details.money("rrp", row.rrp, CURRENCY),
        weight=None if grams is None else details.read("weight_grams", weight_of, Decimal(grams), "g"),
        condition=details.text("condition", row.condition),
    )
    word = details.text("status", row.status) or ""
    facts = ProductFacts(
        id=offer_id,
        title=details.text("title", row.title),
        status=offer_status(word, details),
        marketplace_status=word,
        image_urls=(image,) if image else (),
        variants=(variant,),
        **more,
    )
    return product_of(facts, details)


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An offer's stock in one warehouse or region; an offer that came without its stock is not a level."""
    row, details = msgspec.json.decode(raw, type=_Level), Details()
    if row.holder == "seller":
        own = msgspec.json.decode(row.stock, type=_SellerStock)
        place, available = (str(own.seller_warehouse_id), None), quantity(own.quantity_available)
        return stocked(row, place, available, details, held_by="merchant")
    stock = msgspec.json.decode(row.stock, type=_RegionStock)
    on_way = details.quantity("stock_on_way", stock.stock_on_way)
    receiving = details.quantity("stock_in_receiving", stock.stock_in_receiving)
    told = [Decimal(part) for part in (on_way, receiving) if part is not None]
    return stocked(
        row,
        (stock.region, stock.region),
        quantity(stock.quantity_available),
        details,
        held_by="marketplace",
        incoming=None if details.warnings else total_quantity(*told),
        quantities={"stock_on_way": on_way, "stock_in_receiving": receiving},
    )


def stocked(
    row: Share, place: tuple[str, str | None], available: Quantity, details: Details, **more: Any
) -> StockLevel:
    """The stock of an offer at one location, given by its id and name; `more` are further facts."""
    offer_id, (location, location_name) = str(row.offer_id), place
    facts = LevelFacts(
        id=f"{offer_id}@{location}",
        sku=details.text("sku", row.sku),
        product_id=offer_id,
        variant_id=offer_id,
        location_id=location,
        location_name=location_name,
        available=available,
        **more,
    )
    return level_of(facts, details)


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id; an offer that came without its stock has none."""
    return level(raw, False).id
