"""eBay's orders as normalized records.

Source: eBay's own description of Fulfillment 1.20.7, read 2026-11-23.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from orchestrator.marketplaces.values import (
    EXACT,
    Instant,
    Pieces,
    id_at,
    joined,
    money,
    optional_utc,
    sum_of,
    utc,
)
from orchestrator.model.record import Buyer, Money, Order, OrderLine, OrderStatus

#: Raw fields that hold personal data.
PERSONAL_FIELDS = frozenset(
    {"buyer", "buyerCheckoutNotes", "fulfillmentStartInstructions", "giftDetails", "shipTo", "taxIdentifier"}
)
_FULFILLMENT: dict[str, OrderStatus] = {
    "FULFILLED": "fulfilled",
    "IN_PROGRESS": "partially_fulfilled",
    "NOT_STARTED": "open",
}
_UNPAID = {"PENDING", "FAILED"}


class Row(msgspec.Struct, rename="camel", frozen=True):
    """eBay's fields are in camel case; a field that eBay may leave out is optional here."""


class Amount(Row, frozen=True):
    """An amount as eBay writes it."""

    value: str
    currency: str


class _CancelStatus(Row, frozen=True):
    cancel_state: str = "NONE_REQUESTED"
    cancelled_date: Instant | None = None


class _Total(Row, frozen=True):
    total: Amount | None = None


class _Refund(Row, frozen=True):
    amount: Amount | None = None
    refund_status: str | None = None


class _Payments(Row, frozen=True):
    refunds: list[_Refund] = []


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
    legacy_item_id: str | None = None
    sku: str | None = None
    title: str | None = None
    quantity: Pieces
    line_item_cost: Amount | None = None
    discounted_line_item_cost: Amount | None = None
    line_item_fulfillment_status: str | None = None


class _Order(Row, frozen=True, kw_only=True):
    order_id: str
    creation_date: Instant
    last_modified_date: Instant
    order_fulfillment_status: str
    order_payment_status: str
    cancel_status: _CancelStatus = _CancelStatus()
    pricing_summary: _Total = _Total()
    payment_summary: _Payments = _Payments()
    fulfillment_start_instructions: list[_Instruction] = []
    line_items: list[_LineItem]


order_id = id_at("orderId", kind=str)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; amounts are as eBay converted them to the seller's currency."""
    row = msgspec.json.decode(raw, type=_Order)
    cancelled = row.cancel_status.cancel_state
    words = [row.order_payment_status, row.order_fulfillment_status]
    return Order(
        id=row.order_id,
        number=row.order_id,
        status=_order_status(row),
        marketplace_status="/".join(words if cancelled == "NONE_REQUESTED" else [*words, cancelled]),
        total=amount_of(row.pricing_summary.total),
        refunded=_refunded(row.payment_summary.refunds),
        created_at=utc(row.creation_date),
        updated_at=utc(row.last_modified_date),
        cancelled_at=optional_utc(row.cancel_status.cancelled_date),
        lines=tuple(_line(item) for item in row.line_items),
        buyer=_buyer(row) if with_buyer else None,
    )


def _order_status(row: _Order) -> OrderStatus:
    if row.cancel_status.cancel_state == "CANCELED":
        return "cancelled"
    if row.order_payment_status == "FULLY_REFUNDED":
        return "refunded"
    status = _FULFILLMENT.get(row.order_fulfillment_status, "unknown")
    return "pending" if status == "open" and row.order_payment_status in _UNPAID else status


def _line(item: _LineItem) -> OrderLine:
    cost = item.line_item_cost
    return OrderLine(
        id=item.line_item_id,
        # Listings made outside the Inventory model need no SKU.
        sku=item.sku or None,
        product_id=item.sku or None,
        variant_id=item.legacy_item_id,
        title=item.title,
        quantity=item.quantity,
        unit_price=_unit_price(cost, item.quantity) if cost else None,
        total=amount_of(item.discounted_line_item_cost or cost),
        marketplace_status=item.line_item_fulfillment_status,
    )


def _unit_price(cost: Amount, quantity: int) -> Money | None:
    """The cost is unit price times quantity; None if it cannot be divided without a remainder."""
    if quantity < 1:
        return None
    whole, _, fraction = money(cost.value, cost.currency).amount.partition(".")
    unit, rest = divmod(int(whole + fraction), quantity)
    return None if rest else money(Decimal(unit).scaleb(-len(fraction), EXACT), cost.currency)


def _refunded(refunds: list[_Refund]) -> Money | None:
    amounts = [refund.amount for refund in refunds if refund.amount and refund.refund_status == "REFUNDED"]
    if not amounts:
        return None
    return sum_of((amount.value for amount in amounts), amounts[0].currency)


def amount_of(amount: Amount | None) -> Money | None:
    """The amount as money, if there is one."""
    return None if amount is None else money(amount.value, amount.currency)


def _buyer(row: _Order) -> Buyer | None:
    """The recipient of the order; None if eBay names nobody, as for old orders."""
    steps = [instruction.shipping_step for instruction in row.fulfillment_start_instructions]
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
