"""The statuses of an order: one derivation for all marketplaces."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from orchestrator.model.records.record import (
    FulfilledBy,
    FulfillmentStatus,
    Money,
    OrderStatus,
    PaymentStatus,
)

#: Payments of an order that was never paid.
UNPAID: frozenset[PaymentStatus] = frozenset({"pending", "authorized", "voided"})
#: Statuses of an order whose shipment is not over.
UNSHIPPED: frozenset[OrderStatus] = frozenset({"pending", "open", "partially_fulfilled", "unknown"})
_TO_SHIP: frozenset[FulfillmentStatus] = frozenset({"unfulfilled", "partially_fulfilled"})
_BY_SELLER: frozenset[FulfilledBy] = frozenset({"merchant", "mixed", "unknown"})
_UNSTARTED: frozenset[FulfillmentStatus] = frozenset({"unfulfilled", "on_hold"})


class Statuses(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an order that tell its state."""

    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    fulfilled_by: FulfilledBy
    to_ship: bool


def statuses_of(
    *,
    cancelled: bool,
    payment: PaymentStatus,
    fulfillment: FulfillmentStatus,
    released: bool,
    fulfilled_by: FulfilledBy,
    test: bool,
) -> Statuses:
    """The statuses of an order.

    Args:
        cancelled: Whether the whole order is cancelled.
        payment: The state of the payment, as the marketplace tells it.
        fulfillment: The state of the shipment, as the marketplace tells it.
        released: Whether the marketplace lets the seller ship it.
        fulfilled_by: Who ships it.
        test: Whether it is a test order.
    """
    if cancelled and payment == "pending":
        payment = "voided"
    if cancelled and fulfillment in _UNSTARTED:
        fulfillment = "cancelled"
    status = status_of(cancelled=cancelled, payment=payment, fulfillment=fulfillment, released=released)
    has_left = status in {"open", "partially_fulfilled"} and fulfillment in _TO_SHIP
    return Statuses(
        status=status,
        payment_status=payment,
        fulfillment_status=fulfillment,
        fulfilled_by=fulfilled_by,
        to_ship=has_left and fulfilled_by in _BY_SELLER and not test,
    )


def status_of(
    *, cancelled: bool, payment: PaymentStatus, fulfillment: FulfillmentStatus, released: bool
) -> OrderStatus:
    """One word for payment and shipment; the first that holds. A partial refund does not change it."""
    if cancelled:
        return "cancelled"
    if payment == "refunded":
        return "refunded"
    match fulfillment:
        case "returned" | "fulfilled" | "partially_fulfilled" | "cancelled" | "unknown":
            return fulfillment
    if not released:
        return "pending"
    return "fulfilled" if fulfillment == "not_required" else "open"


def payment_by_amounts(
    *, paid: bool, cancelled: bool, total: Money | None, refunded: Money | None
) -> PaymentStatus:
    """The state of the payment if a marketplace tells only amounts.

    Args:
        paid: Whether the order was ever paid.
        cancelled: Whether the whole order is cancelled.
        total: The amount that was paid.
        refunded: The amount that the buyer got back; None counts as nothing.
    """
    if not paid:
        return "voided" if cancelled else "pending"
    back = Decimal(refunded.amount) if refunded else Decimal(0)
    if back <= 0:
        return "paid"
    return "refunded" if total and back >= Decimal(total.amount) else "partially_refunded"


def shipper_of(order: FulfilledBy | None, lines: Iterable[FulfilledBy | None]) -> FulfilledBy:
    """Who ships an order, from the order's own word and its lines'; `mixed` if they differ.

    A line that does not say counts as the order says. Beside the seller's lines it does not count: beside
    lines of somebody else it does, because the seller may have it to ship.
    """
    own = order or "unknown"
    told = {line or own for line in lines} or {own}
    if told == {"merchant", "unknown"}:
        return "merchant"
    return told.pop() if len(told) == 1 else "mixed"
