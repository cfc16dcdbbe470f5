"""Shopify's orders as they are decoded.

A detail that an order can be without is declared as `Annotated[object, Kind]`: `order_records` reads it, and
names it if it cannot.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from orchestrator.marketplaces.shopify.rows import Bag, Ref, Row, Text
from orchestrator.marketplaces.values import Instant, Number


class Discount(Row):
    """One discount's share of a line, of the units that were refunded or removed as well."""

    allocated_amount_set: Bag


class TaxLine(Row):
    """One tax of a line."""

    price_set: Bag
    #: Whether the sales channel remits it.
    channel_liable: bool | None = None


class Attribute(Row):
    """A named text of the buyer's."""

    key: str
    value: str | None = None


class Line(Row, kw_only=True):
    """A line of an order."""

    id: Text
    sku: Annotated[object, str] = None
    title: Annotated[object, str] = None
    variant_title: Annotated[object, str] = None
    #: As ordered, with the units that were refunded or removed, and without them.
    quantity: Number
    current_quantity: Annotated[object, Number] = None
    variant: Annotated[object, Ref] = None
    product: Annotated[object, Ref] = None
    requires_shipping: Annotated[object, bool] = None
    is_gift_card: Annotated[object, bool] = None
    line_item_group: Annotated[object, Ref] = None
    original_unit_price_set: Annotated[object, Bag] = None
    discount_allocations: Annotated[object, list[Discount]] = None
    tax_lines: Annotated[object, list[TaxLine]] = None
    custom_attributes: Annotated[object, list[Attribute]] = None


class Lines(Row):
    """All lines of an order."""

    nodes: list[Line]


class ParcelLine(Row):
    """The part of a line that is in a parcel."""

    quantity: Number
    line_item: Ref


class ParcelLines(Row):
    """All lines of a parcel."""

    nodes: list[ParcelLine]


class Tracking(Row):
    """A number by which a carrier tells where a parcel is."""

    company: str | None = None
    number: str | None = None
    url: str | None = None


class Service(Row):
    """Who sends a parcel."""

    type: str


class Parcel(Row, kw_only=True):
    """A fulfilment of an order."""

    id: Text
    status: str | None = None
    display_status: str | None = None
    created_at: Instant | None = None
    in_transit_at: Instant | None = None
    delivered_at: Instant | None = None
    total_quantity: Number | None = None
    tracking_info: tuple[Tracking, ...] = ()
    service: Service | None = None
    location: Ref | None = None
    #: Absent unless the order was completed.
    fulfillment_line_items: ParcelLines | None = None


class RefundLine(Row, kw_only=True):
    """The part of a line that is in a refund."""

    quantity: Number
    restock_type: str | None = None
    line_item: Ref
    subtotal_set: Bag | None = None


class RefundLines(Row):
    """All lines of a refund."""

    nodes: list[RefundLine]


class RefundRow(Row, kw_only=True):
    """A refund of an order; one without an amount is a removal of lines."""

    id: Text
    created_at: Instant | None = None
    note: str | None = None
    total_refunded_set: Bag | None = None
    #: Absent unless the order was completed.
    refund_line_items: RefundLines | None = None


class ShippingLine(Row):
    """A summary of all shipping costs of an order."""

    title: Annotated[object, str] = None
    discounted_price_set: Annotated[object, Bag] = None


class Attribution(Row):
    """The sales channel."""

    handle: str | None = None
    display_name: str | None = None


class Customer(Row):
    """The account that bought."""

    display_name: str | None = None


class Address(Row):
    """The address of the parcel; country and region alone unless the connection stores personal data."""

    name: str | None = None
    company: str | None = None
    phone: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code: str | None = msgspec.field(default=None, name="countryCodeV2")


class Person(Row):
    """The buyer's share of an order."""

    email: str | None = None
    phone: str | None = None
    note: str | None = None
    customer: Customer | None = None
    shipping_address: Address | None = None


class Deadline(Row, kw_only=True):
    """When a fulfilment order has to be sent."""

    status: str | None = None
    fulfill_by: Instant | None = None


class Deadlines(Row):
    """The first fulfilment orders of an order."""

    nodes: list[Deadline]


class OrderRow(Row, kw_only=True):
    """An order."""

    legacy_resource_id: Text
    name: str
    created_at: Instant
    updated_at: Instant
    cancelled_at: Instant | None = None
    cancel_reason: Annotated[object, str] = None
    test: bool = False
    #: Whether the seller has edited it after it was placed.
    edited: bool | None = None
    display_financial_status: str | None = None
    display_fulfillment_status: str | None = None
    return_status: str | None = None
    source_name: Annotated[object, str] = None
    attribution: Annotated[object, Attribution] = None
    tags: Annotated[object, list[str]] = None
    discount_codes: Annotated[object, list[str]] = None
    payment_gateway_names: Annotated[object, list[str]] = None
    taxes_included: Annotated[object, bool] = None
    #: Before returns and refunds; after them and after edits.
    total_price_set: Bag | None = None
    current_total_price_set: Bag | None = None
    total_tax_set: Annotated[object, Bag] = None
    current_total_tax_set: Annotated[object, Bag] = None
    total_refunded_set: Annotated[object, Bag] = None
    #: Null if nothing is shipped; absent if it was not asked for.
    shipping_line: Annotated[object, ShippingLine] = msgspec.UNSET
    shipping_address: Annotated[object, Address] = None
    line_items: Lines
    #: The first of them; all of them if the order was completed.
    fulfillments: Annotated[object, list[Parcel]] = msgspec.UNSET
    refunds: Annotated[object, list[RefundRow]] = msgspec.UNSET
    #: Whether the order was completed; our own field.
    is_complete: bool = False
    fulfillment_orders: Annotated[object, Deadlines] = None


class Listed(Row, kw_only=True):
    """The fields of an order that tell whether its details have to be read; `null` is none."""

    id: Text
    cancelled_at: Any = None
    display_fulfillment_status: Any = None
    line_items: Lines
    fulfillments: list[Parcel] | None = None
    refunds: list[RefundRow] | None = None
    is_complete: bool = False
