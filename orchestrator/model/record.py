"""Normalized records: the documents that consumers read in `connections/{id}/orders|products|inventory`.

Times are aware UTC, money is a decimal string with its ISO 4217 code, ids are strings, our own
enumerations are lower snake case. `marketplace_status` keeps the marketplace's own word.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

OrderStatus = Literal[
    "pending", "open", "partially_fulfilled", "fulfilled", "cancelled", "refunded", "returned", "unknown"
]
ProductStatus = Literal["active", "inactive", "draft", "archived", "unknown"]
StockStatus = Literal["in_stock", "out_of_stock", "on_backorder"]
#: A number of pieces: an integer if it is whole, else an exact decimal string ("1.52", sold by weight).
Quantity = int | str
#: Names of details that could not be read and are null; absent if all could be read.
Warnings = tuple[str, ...] | msgspec.UnsetType


class Money(msgspec.Struct, frozen=True):
    """An exact amount."""

    #: Plain decimal notation with at least the currency's own decimals: "599.00", "1200" (JPY).
    amount: str
    #: ISO 4217.
    currency: str


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """Personal data; stored only if the connection says `store_buyer_pii`."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    street: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order."""

    id: str
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    title: str | None = None
    quantity: Quantity
    unit_price: Money | None = None
    #: The line after discounts, as the marketplace states it.
    total: Money | None = None
    marketplace_status: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A sale with its lines."""

    id: str
    #: The number that seller and buyer see; unique only within a shop.
    number: str
    status: OrderStatus
    marketplace_status: str
    total: Money | None = None
    refunded: Money | None = None
    created_at: datetime
    #: When the marketplace last changed it; None if the marketplace does not say.
    updated_at: datetime | None = None
    cancelled_at: datetime | None = None
    test: bool = False
    lines: tuple[OrderLine, ...] = ()
    #: None unless the connection stores personal data.
    buyer: Buyer | None = None
    warnings: Warnings = msgspec.UNSET


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a product that can be bought."""

    id: str
    sku: str | None = None
    barcode: str | None = None
    title: str | None = None
    price: Money | None = None
    list_price: Money | None = None


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue entry with its variants."""

    id: str
    title: str | None = None
    status: ProductStatus
    marketplace_status: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    variants: tuple[Variant, ...] = ()
    warnings: Warnings = msgspec.UNSET


class StockLevel(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one SKU lies at one location."""

    id: str
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    location_id: str
    location_name: str | None = None
    #: Whether it can be bought, if the marketplace says so apart from the quantity; absent if it does not.
    status: StockStatus | msgspec.UnsetType = msgspec.UNSET
    #: Free to sell now; None if the marketplace does not track it.
    available: Quantity | None = None
    on_hand: Quantity | None = None
    committed: Quantity | None = None
    incoming: Quantity | None = None
    reserved: Quantity | None = None
    updated_at: datetime | None = None
    warnings: Warnings = msgspec.UNSET


Record = Order | Product | StockLevel
