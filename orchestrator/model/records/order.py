"""Orders: the documents of `connections/{id}/orders`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from orchestrator.model.records.parts import Attribute, Charge, FulfilledBy, Money, Part, Quantity, Warnings

OrderStatus = Literal[
    "pending", "open", "partially_fulfilled", "fulfilled", "cancelled", "refunded", "returned", "unknown"
]
PaymentStatus = Literal[
    "pending",
    "authorized",
    "partially_paid",
    "paid",
    "partially_refunded",
    "refunded",
    "voided",
    "unknown",
]
FulfillmentStatus = Literal[
    "unfulfilled",
    "on_hold",
    "partially_fulfilled",
    "fulfilled",
    "not_required",
    "returned",
    "cancelled",
    "unknown",
]
ShipmentStatus = Literal[
    "pending",
    "shipped",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "failed",
    "returned",
    "cancelled",
    "unknown",
]


class Buyer(Part, frozen=True, kw_only=True):
    """Personal data; stored only if the connection says `store_buyer_pii`."""

    name: str | None = None
    company: str | None = None
    #: The buyer's name on the marketplace.
    username: str | None = None
    email: str | None = None
    phone: str | None = None
    street: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    tax_ids: tuple[str, ...] = ()
    #: The buyer's own words to the seller.
    note: str | None = None
    gift_message: str | None = None


class Destination(Part, frozen=True, kw_only=True):
    """The place that the order is shipped to, as far as it is stored of every order."""

    #: ISO 3166-1 alpha-2.
    country: str | None = None
    #: As the marketplace writes it.
    region: str | None = None
    #: None unless the connection stores personal data.
    postal_code: str | None = None


class OrderLine(Part, frozen=True, kw_only=True):
    """One line of an order."""

    id: str
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    title: str | None = None
    variant_title: str | None = None
    #: As ordered: cancelled and returned pieces count.
    quantity: Quantity
    quantity_fulfilled: Quantity | None = None
    quantity_refunded: Quantity | None = None
    quantity_cancelled: Quantity | None = None
    #: Before discounts.
    unit_price: Money | None = None
    #: The line before discounts.
    subtotal: Money | None = None
    #: Positive.
    discount: Money | None = None
    tax: Money | None = None
    #: The part of the tax that the marketplace itself remits.
    marketplace_tax: Money | None = None
    #: The line after discounts: `subtotal` less `discount`.
    total: Money | None = None
    #: The marketplace's fees for this line.
    fees: tuple[Charge, ...] = ()
    #: The options of the variation, such as Colour=Blue.
    options: tuple[Attribute, ...] = ()
    #: The buyer's own words; empty unless the connection stores personal data.
    properties: tuple[Attribute, ...] = ()
    requires_shipping: bool | None = None
    gift_card: bool = False
    #: The line or group of the bundle that this line is a part of.
    parent_id: str | None = None
    #: None: as the order says.
    fulfilled_by: FulfilledBy | None = None
    ship_by: datetime | None = None
    marketplace_status: str | None = None


class LinePart(Part, frozen=True, kw_only=True):
    """The part of a line that is in a parcel or in a refund."""

    line_id: str
    quantity: Quantity
    amount: Money | None = None


class Fulfillment(Part, frozen=True, kw_only=True):
    """A parcel, or another delivery of lines of an order."""

    id: str
    status: ShipmentStatus
    marketplace_status: str | None = None
    created_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    carrier: str | None = None
    service: str | None = None
    tracking_numbers: tuple[str, ...] = ()
    tracking_urls: tuple[str, ...] = ()
    location_id: str | None = None
    fulfilled_by: FulfilledBy | None = None
    lines: tuple[LinePart, ...] = ()


class Refund(Part, frozen=True, kw_only=True):
    """An amount that the buyer got back."""

    id: str
    created_at: datetime | None = None
    reason: str | None = None
    amount: Money | None = None
    lines: tuple[LinePart, ...] = ()


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sale with its lines. Connectors make it with `unified.orders.order_of`."""

    id: str
    #: The number that seller and buyer see; unique only within a shop.
    number: str
    #: One word for payment and shipment together.
    status: OrderStatus
    payment_status: PaymentStatus = "unknown"
    fulfillment_status: FulfillmentStatus = "unknown"
    marketplace_status: str
    #: Who ships it: the lines' value, `mixed` if they differ.
    fulfilled_by: FulfilledBy = "unknown"
    #: Whether the seller has something to ship now.
    to_ship: bool = False
    #: The channel or source of the sale, as the marketplace names it.
    sales_channel: str | None = None
    created_at: datetime
    #: When the marketplace last changed it; None if the marketplace does not say.
    updated_at: datetime | None = None
    paid_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    #: The earliest deadline of the lines that are still to ship; None if nothing is left to ship.
    ship_by: datetime | None = None
    #: The latest time of the promised delivery: the earliest one of the lines.
    deliver_by: datetime | None = None
    shipping_method: str | None = None
    #: ISO 4217, of every amount of the order but `presentment_total`.
    currency: str | None = None
    #: Whether subtotal, shipping and line amounts contain the tax.
    taxes_included: bool | None = None
    #: The items before discounts: the sum of the lines' `subtotal`.
    subtotal: Money | None = None
    #: Discounts on items, positive: the sum of the lines' `discount`.
    discount_total: Money | None = None
    #: After discounts on shipping.
    shipping_total: Money | None = None
    #: The rest of `total`: tips, duties, gift wrap, surcharges, rounding. It may be negative.
    other_total: Money | None = None
    tax_total: Money | None = None
    #: The part of the tax that the marketplace itself remits; never the seller's money.
    marketplace_tax: Money | None = None
    #: The amount that the buyer was charged, as sold: returns and refunds do not lower it.
    total: Money | None = None
    #: None if the orders of this marketplace do not tell it.
    refunded: Money | None = None
    #: The amount that stays with the seller before fees.
    net: Money | None = None
    #: `net` times 10^6, for sums; None for test orders and for amounts that do not fit.
    net_micros: int | None = None
    #: The marketplace's fees if the order tells them: the sum of `fee_lines`.
    fees: Money | None = None
    #: The marketplace's fees by kind, those of the lines among them.
    fee_lines: tuple[Charge, ...] = ()
    #: `total` in the buyer's currency if that is another one.
    presentment_total: Money | None = None
    destination: Destination | None = None
    #: The SKUs of the lines, sorted.
    skus: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    discount_codes: tuple[str, ...] = ()
    payment_methods: tuple[str, ...] = ()
    test: bool = False
    lines: tuple[OrderLine, ...] = ()
    #: None if they are not told.
    fulfillments: tuple[Fulfillment, ...] | None = None
    #: None if they are not told.
    refunds: tuple[Refund, ...] | None = None
    #: None unless the connection stores personal data.
    buyer: Buyer | None = None
    #: Names of fields that were cut to their limit.
    truncated: tuple[str, ...] = ()
    #: Names of details that could not be read and are null.
    warnings: Warnings = ()
