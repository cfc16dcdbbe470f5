"""The facts that connectors give about orders, products and stock levels.

A fact that a marketplace does not tell keeps its default. Parts are the record's own structs. Lists come in
any order and texts as the marketplace sent them: the builders in `orders`, `products` and `levels` sort and
clean them, and fill in the fields that follow from others.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestrator.model.records.record import (
    Buyer,
    Charge,
    Destination,
    FulfilledBy,
    Fulfillment,
    FulfillmentStatus,
    Money,
    Option,
    OrderLine,
    PaymentStatus,
    ProductStatus,
    Quantity,
    Refund,
    StockStatus,
    Variant,
)


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a marketplace tells it; `orders.order_of` makes the record."""

    id: str
    number: str
    marketplace_status: str
    created_at: datetime
    updated_at: datetime | None = None
    paid_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None

    #: Whether the whole order is cancelled.
    cancelled: bool = False
    #: `statuses.payment_by_amounts` tells it if the marketplace tells only amounts.
    payment: PaymentStatus
    fulfillment: FulfillmentStatus
    #: Whether the marketplace lets the seller ship it.
    released: bool
    #: Who ships the lines that do not say it themselves.
    fulfilled_by: FulfilledBy | None = None
    test: bool = False
    sales_channel: str | None = None
    #: The deadline of the whole order; else the earliest of the lines that are still to ship counts.
    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    shipping_method: str | None = None

    #: Of orders without any amount; else the currency of `total` counts.
    currency: str | None = None
    taxes_included: bool | None = None
    #: Else the sum of the lines' `subtotal`, if all tell it.
    subtotal: Money | None = None
    #: Positive; else the sum of the lines' `discount`, if all tell it.
    discount_total: Money | None = None
    #: After discounts on shipping.
    shipping_total: Money | None = None
    #: Else the sum of the lines' `tax`, if all tell it.
    tax_total: Money | None = None
    #: Else the sum of the lines' `marketplace_tax`, if one tells it.
    marketplace_tax: Money | None = None
    #: As sold: returns and refunds do not lower it.
    total: Money | None = None
    #: Else the sum of `refunds`, if these are told.
    refunded: Money | None = None
    #: The amount that is left of `total` after all returns, refunds and cancellations, with the tax that the
    #: marketplace remits. For marketplaces that tell it themselves; else it is `total` less `refunded`.
    remaining: Money | None = None
    #: Fees that belong to no line.
    fee_lines: tuple[Charge, ...] = ()
    #: `total` in the buyer's currency; one in the order's own currency is dropped.
    presentment_total: Money | None = None

    #: Its postal code is dropped unless the connection stores personal data.
    destination: Destination | None = None
    tags: tuple[str, ...] = ()
    discount_codes: tuple[str, ...] = ()
    payment_methods: tuple[str, ...] = ()
    #: Two of a line's `subtotal`, `discount` and `total` give the third. Its `properties` are dropped unless
    #: the connection stores personal data.
    lines: tuple[OrderLine, ...] = ()
    #: Whether the marketplace's order of the lines has a meaning; else they are sorted by id.
    lines_as_listed: bool = False
    #: `()`: there are none. None: they are not told.
    fulfillments: tuple[Fulfillment, ...] | None = None
    #: `()`: there are none. None: they are not told.
    refunds: tuple[Refund, ...] | None = None
    #: Dropped unless the connection stores personal data.
    buyer: Buyer | None = None


class ProductFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A product as a marketplace tells it; `products.product_of` makes the record."""

    id: str
    title: str | None = None
    status: ProductStatus
    marketplace_status: str
    #: Plain text; else it is made from `description_html`.
    description: str | None = None
    description_html: str | None = None
    brand: str | None = None
    product_type: str | None = None
    category: str | None = None
    category_id: str | None = None
    url: str | None = None
    image_urls: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    #: Else they are made from the variants' options.
    options: tuple[Option, ...] = ()
    parent_id: str | None = None
    asin: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    published_at: datetime | None = None
    #: `barcode` alone is enough for one article number; `barcodes.barcodes_of` makes several, and
    #: `products.weight_of` a weight.
    variants: tuple[Variant, ...] = ()
    #: Whether the marketplace's order of the variants has a meaning; else they are sorted by id.
    variants_as_listed: bool = False


class LevelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A stock level as a marketplace tells it; `levels.level_of` makes the record."""

    id: str
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    inventory_item_id: str | None = None
    location_id: str
    location_name: str | None = None
    held_by: FulfilledBy = "unknown"
    tracked: bool | None = None
    status: StockStatus | None = None
    available: Quantity | None = None
    on_hand: Quantity | None = None
    committed: Quantity | None = None
    incoming: Quantity | None = None
    reserved: Quantity | None = None
    unsellable: Quantity | None = None
    #: Further amounts by names of our own, never by names from outside; a None is left out.
    quantities: dict[str, Quantity | None] = {}
    updated_at: datetime | None = None
