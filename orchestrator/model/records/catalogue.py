"""Products and stock levels: the documents of `connections/{id}/products` and `inventory`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from orchestrator.model.records.parts import Attribute, FulfilledBy, Money, Part, Quantity, Warnings

ProductStatus = Literal["active", "inactive", "draft", "archived", "unknown"]
BarcodeKind = Literal["gtin", "ean", "upc", "isbn", "asin", "other"]
WeightUnit = Literal["g", "kg", "oz", "lb"]
StockStatus = Literal["in_stock", "out_of_stock", "on_backorder"]


class Barcode(Part, frozen=True, kw_only=True):
    """A number that identifies an article outside the shop."""

    #: Told by the number's form, not by the marketplace's field.
    kind: BarcodeKind
    value: str


class Weight(Part, frozen=True, kw_only=True):
    """An exact weight."""

    #: Plain decimal notation.
    value: str
    unit: WeightUnit


class Option(Part, frozen=True, kw_only=True):
    """A property that tells the variants of a product apart."""

    name: str
    values: tuple[str, ...] = ()


class Variant(Part, frozen=True, kw_only=True):
    """A version of a product that can be bought."""

    id: str
    sku: str | None = None
    #: The first of `barcodes`.
    barcode: str | None = None
    barcodes: tuple[Barcode, ...] = ()
    title: str | None = None
    options: tuple[Attribute, ...] = ()
    price: Money | None = None
    #: The price before a reduction.
    list_price: Money | None = None
    #: The seller's own cost of one piece.
    cost: Money | None = None
    weight: Weight | None = None
    taxable: bool | None = None
    requires_shipping: bool | None = None
    #: Whether its stock is counted.
    tracked: bool | None = None
    #: Whether it can be bought while there is no stock.
    oversell: bool | None = None
    condition: str | None = None
    image_url: str | None = None
    #: Joins it to stock levels.
    inventory_item_id: str | None = None
    url: str | None = None
    status: ProductStatus | None = None


class Product(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A catalogue entry with its variants. Connectors make it with `unified.products.product_of`."""

    id: str
    title: str | None = None
    status: ProductStatus
    marketplace_status: str
    #: Plain text, made from the HTML if the marketplace keeps HTML.
    description: str | None = None
    #: As the marketplace sent it. It is untrusted: sanitize it before it is shown.
    description_html: str | None = None
    brand: str | None = None
    product_type: str | None = None
    category: str | None = None
    category_id: str | None = None
    url: str | None = None
    image_urls: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    #: The SKUs of the variants, sorted.
    skus: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    #: The variation family that this product is a part of.
    parent_id: str | None = None
    asin: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    published_at: datetime | None = None
    variants: tuple[Variant, ...] = ()
    #: Names of fields that were cut to their limit.
    truncated: tuple[str, ...] = ()
    #: Names of details that could not be read and are null, or empty if they are lists.
    warnings: Warnings = ()


class StockLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How much of one SKU lies at one location. Connectors make it with `unified.levels.level_of`."""

    id: str
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    inventory_item_id: str | None = None
    location_id: str
    location_name: str | None = None
    #: The owner of the location.
    held_by: FulfilledBy = "unknown"
    #: Whether the stock is counted; None if the marketplace does not say.
    tracked: bool | None = None
    #: Whether it can be bought, if the marketplace says so apart from the quantity.
    status: StockStatus | None = None
    #: Free to sell now; None if the marketplace does not track it.
    available: Quantity | None = None
    #: `available` times 10^6, for sums; None if it does not fit.
    available_micros: int | None = None
    on_hand: Quantity | None = None
    committed: Quantity | None = None
    incoming: Quantity | None = None
    reserved: Quantity | None = None
    #: Damaged, expired or otherwise not for sale.
    unsellable: Quantity | None = None
    #: Further amounts by names of our own, sorted.
    quantities: dict[str, Quantity] = {}
    updated_at: datetime | None = None
    #: Names of fields that were cut to their limit.
    truncated: tuple[str, ...] = ()
    #: Names of details that could not be read and are null.
    warnings: Warnings = ()
