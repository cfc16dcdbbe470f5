"""eBay's orders as normalized records.

Source: eBay's own description of Fulfillment 1.20.7, read 2026-11-23.

A detail that cannot be read is null, and is named in the record's `warnings`. The total of an order and the
quantities of its lines are never guessed: they make a reject.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from orchestrator.marketplaces.unified.breakdown import unit_price
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import (
    Details,
    Instant,
    Number,
    id_at,
    joined,
    money,
    quantity,
    sum_of,
    utc,
)
from orchestrator.model.record import Buyer, FulfillmentStatus, Money, Order, OrderLine, PaymentStatus

T = TypeVar("T")

#: Raw fields that hold personal data.
PERSONAL_FIELDS = frozenset(
    {"buyer", "buyerCheckoutNotes", "fulfillmentStartInstructions", "giftDetails", "shipTo", "taxIdentifier"}
)
_PAYMENT: dict[str, PaymentStatus] = {
    "PENDING": "pending",
    "FAILED": "pending",
    "PAID": "paid",
    "PARTIALLY_REFUNDED": "partially_refunded",
    "FULLY_REFUNDED": "refunded",
}
_FULFILLMENT: dict[str, FulfillmentStatus] = {
    "FULFILLED": "fulfilled",
    "IN_PROGRESS": "partially_fulfilled",
    "NOT_STARTED": "unfulfilled",
}
#: Payments with which eBay lets the seller ship.
_RELEASED = frozenset({"PAID", "PARTIALLY_REFUNDED"})


class Row(msgspec.Struct, rename="camel", frozen=True):
    """eBay's fields are in camel case; a field that eBay may leave out is optional here."""


class Amount(Row, frozen=True):
    """An amount as eBay writes it."""

    value: str
    currency: str


class _CancelStatus(Row, frozen=True):
    cancel_state: str = "NONE_REQUESTED"
    cancelled_date: Any = None


class _Total(Row, frozen=True):
    total: Amount | None = None


class _Refund(Row, frozen=True):
    amount: Amount | None = None
    refund_status: str | None = None


class _Payments(Row, frozen=True):
    refunds: Any = None


class _Aspect(Row, frozen=True):
    name: str
    value: str


class _Address(Row, frozen=True):
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    postal_code: str | None = None
    country_code: str | None = None


class _Phone(Row, frozen=True):
    phone_number: str | None = None


class _Contact(Row, frozen=True):
    full_name: str | None = None
    email: str | None = None
    primary_phone: _Phone = _Phone()
    contact_address: _Address = _Address()


class _ShippingStep(Row, frozen=True):
    ship_to: _Contact | None = None


class _Instruction(Row, frozen=True):
    shipping_step: _ShippingStep | None = None


class _LineItem(Row, frozen=True, kw_only=True):
    line_item_id: str
    #: The listing, and its variation if it has several.
    legacy_item_id: Any = None
    legacy_variation_id: Any = None
    variation_aspects: Any = None
    sku: Any = None
    title: Any = None
    quantity: Number
    line_item_cost: Any = None
    discounted_line_item_cost: Any = None
    line_item_fulfillment_status: Any = None


class _Order(Row, frozen=True, kw_only=True):
    order_id: str
    creation_date: Instant
    last_modified_date: Instant
    order_fulfillment_status: str
    order_payment_status: str
    cancel_status: _CancelStatus = _CancelStatus()
    pricing_summary: _Total = _Total()
    payment_summary: Any = None
    fulfillment_start_instructions: Any = None
    line_items: list[_LineItem]


order_id = id_at("orderId", kind=str)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; amounts are as eBay converted them to the seller's currency."""
    row, details = msgspec.json.decode(raw, type=_Order), Details()
    cancelled = row.cancel_status.cancel_state
    words = [row.order_payment_status, row.order_fulfillment_status]
    facts = OrderFacts(
        id=row.order_id,
        number=row.order_id,
        cancelled=cancelled == "CANCELED",
        payment=_PAYMENT.get(row.order_payment_status, "unknown"),
        fulfillment=_FULFILLMENT.get(row.order_fulfillment_status, "unknown"),
        released=row.order_payment_status in _RELEASED,
        marketplace_status="/".join(words if cancelled == "NONE_REQUESTED" else [*words, cancelled]),
        total=amount_of(row.pricing_summary.total),
        refunded=details.read("refunded", lambda: _refunded(row.payment_summary)),
        created_at=utc(row.creation_date),
        updated_at=utc(row.last_modified_date),
        cancelled_at=details.read("cancelled_at", lambda: _moment(row.cancel_status.cancelled_date)),
        lines=tuple(_line(details, item) for item in row.line_items),
        buyer=details.read("buyer", lambda: _buyer(row)) if with_buyer else None,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def _line(details: Details, item: _LineItem) -> OrderLine:
    sold = quantity(item.quantity)
    sku = details.text("lines.sku", item.sku)
    cost = money_of(details, "lines.unit_price", item.line_item_cost)
    discounted = money_of(details, "lines.total", item.discounted_line_item_cost)
    return OrderLine(
        id=item.line_item_id,
        # Listings made outside the Inventory model need no SKU.
        sku=sku,
        product_id=sku,
        variant_id=details.read("lines.variant_id", lambda: _variant_id(item, sku)),
        title=details.text("lines.title", item.title),
        quantity=sold,
        unit_price=unit_price(cost, sold),
        total=discounted if item.discounted_line_item_cost is not None else cost,
        marketplace_status=details.text("lines.marketplace_status", item.line_item_fulfillment_status),
    )


def _variant_id(item: _LineItem, sku: str | None) -> str | None:
    """The listing, which joins the line to its variant; without a SKU also the listing's variation.

    Variations of the Inventory model have SKUs, and their offers name the listing alone.
    """
    listing = msgspec.convert(item.legacy_item_id, str | None)
    if sku is not None or listing is None:
        return listing
    variation = msgspec.convert(item.legacy_variation_id, str | None)
    if not variation:
        aspects = msgspec.convert(item.variation_aspects or [], list[_Aspect])
        variation = ",".join(sorted(f"{aspect.name}={aspect.value}" for aspect in aspects))
    return f"{listing}/{variation}" if variation else listing


def _refunded(payments: object) -> Money | None:
    told = msgspec.convert(payments or {}, _Payments).refunds
    refunds = msgspec.convert(told or [], list[_Refund])
    amounts = [refund.amount for refund in refunds if refund.amount and refund.refund_status == "REFUNDED"]
    if not amounts:
        return None
    return sum_of((amount.value for amount in amounts), amounts[0].currency)


def _moment(value: object) -> datetime | None:
    return None if value is None else utc(msgspec.convert(value, Instant))


def money_of(details: Details, name: str, value: object) -> Money | None:
    """An amount that the record can be without."""
    amount = details.part(name, value, Amount)
    return details.money(name, amount.value, amount.currency) if amount else None


def amount_of(amount: Amount | None) -> Money | None:
    """The amount as money, if there is one."""
    return None if amount is None else money(amount.value, amount.currency)


def _buyer(row: _Order) -> Buyer | None:
    """The recipient of the order; None if eBay names nobody, as for old orders."""
    instructions = msgspec.convert(row.fulfillment_start_instructions or [], list[_Instruction])
    steps = [instruction.shipping_step for instruction in instructions]
    contact = next((step.ship_to for step in steps if step and step.ship_to), None)
    if contact is None:
        return None
    address = contact.contact_address
    return Buyer(
        name=_told(contact.full_name),
        email=_told(contact.email),
        phone=_told(contact.primary_phone.phone_number),
        street=joined(_told(address.address_line1), _told(address.address_line2)),
        city=_told(address.city),
        region=_told(address.state_or_province),
        postal_code=_told(address.postal_code),
        country=_told(address.country_code),
    )


def _told(text: str | None) -> str | None:
    """The text, unless eBay has masked it."""
    return text if text and any(map(str.isalnum, text)) else None
