"""The parcels and refunds of Shopify's orders, and the pieces of a line that they hold.

An order as it is listed has its first parcels and refunds, without their lines. That is enough for an order
without refunds whose only parcel holds everything; any other order is completed (`details`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.shopify.nodes import number
from orchestrator.marketplaces.shopify.order_parts import order_rows as rows
from orchestrator.marketplaces.shopify.rows import Bag
from orchestrator.marketplaces.values import Details, money, optional_utc, quantity, total_quantity
from orchestrator.model.records.record import (
    FulfilledBy,
    Fulfillment,
    LinePart,
    Money,
    Quantity,
    Refund,
    ShipmentStatus,
)

T = TypeVar("T")

#: By `displayStatus` (shopify.dev, FulfillmentDisplayStatus 2026-10).
_SHIPMENT: dict[str, ShipmentStatus] = {
    "SUBMITTED": "pending",
    "CONFIRMED": "pending",
    "LABEL_PURCHASED": "pending",
    "LABEL_PRINTED": "pending",
    "LABEL_VOIDED": "pending",
    "READY_FOR_PICKUP": "pending",
    "FULFILLED": "shipped",
    "MARKED_AS_FULFILLED": "shipped",
    "CARRIER_PICKED_UP": "in_transit",
    "IN_TRANSIT": "in_transit",
    "DELAYED": "in_transit",
    "ATTEMPTED_DELIVERY": "in_transit",
    "OUT_FOR_DELIVERY": "out_for_delivery",
    "DELIVERED": "delivered",
    "PICKED_UP": "delivered",
    "NOT_DELIVERED": "failed",
    "FAILURE": "failed",
    "CANCELED": "cancelled",
}
#: By `status`, if there is no `displayStatus` (shopify.dev, FulfillmentStatus 2026-10).
_PLAIN: dict[str, ShipmentStatus] = {
    "SUCCESS": "shipped",
    "OPEN": "pending",
    "PENDING": "pending",
    "CANCELLED": "cancelled",
    "ERROR": "failed",
    "FAILURE": "failed",
}
#: Parcels by whose `status` nothing was sent.
_UNSENT = frozenset({"CANCELLED", "ERROR", "FAILURE"})
#: Orders of which nothing is left to send (shopify.dev, OrderDisplayFulfillmentStatus 2026-10).
_NOTHING_LEFT = frozenset({"FULFILLED", "FULFILLMENT_NOT_REQUIRED", "RESTOCKED"})

_listed = msgspec.json.Decoder(rows.Listed)


class Pieces(msgspec.Struct, frozen=True):
    """The pieces of each line by its id; None if they are not told."""

    fulfilled: dict[str, Quantity] | None = None
    refunded: dict[str, Quantity] | None = None
    cancelled: dict[str, Quantity] | None = None


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """The parcels and refunds of an order; None if they are not told."""

    fulfillments: tuple[Fulfillment, ...] | None = None
    refunds: tuple[Refund, ...] | None = None
    fulfilled_by: FulfilledBy | None = None
    pieces: Pieces = Pieces()


def needs_details(raw: bytes) -> bool:
    """Whether an order as it is listed does not tell the lines of its parcels and refunds.

    An order that cannot be read needs none: it becomes a reject as it is.
    """
    try:
        row = _listed.decode(raw)
        return not row.is_complete and not _is_told(row.line_items, row.fulfillments, row.refunds)
    except (RecordInvalid, *UNREADABLE):
        return False


def awaits_shipment(raw: bytes) -> bool:
    """Whether something of an order as it is listed may be left to send; not if it cannot be read."""
    try:
        row = _listed.decode(raw)
    except UNREADABLE:
        return False
    return row.cancelled_at is None and row.display_fulfillment_status not in _NOTHING_LEFT


def dispatch_of(details: Details, row: rows.OrderRow) -> Dispatch:
    """The parcels and refunds of an order."""
    parcels = _items(details, "fulfillments", row.fulfillments, rows.Parcel)
    given_back = _items(details, "refunds", row.refunds, rows.RefundRow)
    service = None if parcels is None else _shipper(parcels)
    is_told = row.is_complete or details.read(
        "fulfillments", lambda: _is_told(row.line_items, parcels, given_back)
    )
    if not is_told:
        return Dispatch(fulfilled_by=service)
    lines = row.line_items.nodes
    fulfillments = details.read("fulfillments", _all_parcels, parcels, lines)
    refunds = details.read("refunds", _all_refunds, given_back)
    fulfilled = details.read("fulfillments", _sent, parcels, fulfillments)
    refunded, cancelled = details.read("refunds", _taken_off, given_back) or (None, None)
    return Dispatch(
        fulfillments=fulfillments,
        refunds=refunds,
        fulfilled_by=service,
        pieces=Pieces(fulfilled, refunded, cancelled),
    )


def _items(details: Details, name: str, value: object, kind: type[T]) -> list[T] | None:
    return None if value is msgspec.UNSET else details.items(name, value, kind)


def _is_told(
    lines: rows.Lines, parcels: Sequence[rows.Parcel] | None, refunds: Sequence[rows.RefundRow] | None
) -> bool:
    """Whether the parcels' lines are known without a call more: no parcel, or one with everything.

    Raises:
        RecordInvalid: A number of pieces is none.
    """
    if refunds or len(parcels or ()) > 1:
        return False
    ordered = total_quantity(*(line.quantity for line in lines.nodes))
    return all(
        each.total_quantity is not None and quantity(each.total_quantity) == ordered for each in parcels or ()
    )


def _shipper(parcels: Iterable[rows.Parcel]) -> FulfilledBy | None:
    """Who sends the parcels; None if there are none, or if they do not say."""
    kinds = {each.service.type for each in parcels if each.service}
    told: set[FulfilledBy] = {"third_party" if kind == "THIRD_PARTY" else "merchant" for kind in kinds}
    return None if not told else told.pop() if len(told) == 1 else "mixed"


def _all_parcels(
    parcels: Sequence[rows.Parcel] | None, lines: Sequence[rows.Line]
) -> tuple[Fulfillment, ...] | None:
    return None if parcels is None else tuple(_parcel(each, lines) for each in parcels)


def _parcel(parcel: rows.Parcel, lines: Sequence[rows.Line]) -> Fulfillment:
    word = parcel.display_status or parcel.status
    status = _SHIPMENT.get(word or "") if parcel.display_status else _PLAIN.get(word or "")
    held = parcel.fulfillment_line_items
    parts = (
        [(each.id, each.quantity) for each in lines]
        if held is None
        else [(each.line_item.id, each.quantity) for each in held.nodes]
    )
    tracking = parcel.tracking_info
    return Fulfillment(
        id=number(parcel.id),
        status=status or "unknown",
        marketplace_status=word,
        created_at=optional_utc(parcel.created_at),
        shipped_at=optional_utc(parcel.in_transit_at),
        delivered_at=optional_utc(parcel.delivered_at),
        carrier=next((each.company for each in tracking if each.company), None),
        tracking_numbers=tuple(each.number for each in tracking if each.number),
        tracking_urls=tuple(each.url for each in tracking if each.url),
        location_id=number(parcel.location.id) if parcel.location else None,
        fulfilled_by=_shipper([parcel]),
        lines=tuple(LinePart(line_id=number(gid), quantity=quantity(pieces)) for gid, pieces in parts),
    )


def _sent(
    parcels: Sequence[rows.Parcel] | None, fulfillments: Sequence[Fulfillment] | None
) -> dict[str, Quantity] | None:
    """The pieces in the parcels that were sent."""
    if parcels is None or fulfillments is None:
        return None
    sent = (found for row, found in zip(parcels, fulfillments, strict=True) if row.status not in _UNSENT)
    return _summed((part.line_id, part.quantity) for found in sent for part in found.lines)


def _all_refunds(refunds: Sequence[rows.RefundRow] | None) -> tuple[Refund, ...] | None:
    """The refunds with an amount; one without is a removal of lines."""
    if refunds is None:
        return None
    found = (_refund(each) for each in refunds)
    return tuple(each for each in found if each.amount is None or Decimal(each.amount.amount) != 0)


def _refund(refund: rows.RefundRow) -> Refund:
    held = refund.refund_line_items
    return Refund(
        id=number(refund.id),
        created_at=optional_utc(refund.created_at),
        reason=refund.note,
        amount=_value(refund.total_refunded_set),
        lines=tuple(
            LinePart(
                line_id=number(each.line_item.id),
                quantity=quantity(each.quantity),
                amount=_value(each.subtotal_set),
            )
            for each in (held.nodes if held else ())
        ),
    )


def _taken_off(
    refunds: Sequence[rows.RefundRow] | None,
) -> tuple[dict[str, Quantity], dict[str, Quantity]] | tuple[None, None]:
    """The pieces that were refunded, and those that were removed."""
    if refunds is None:
        return None, None
    refunded: list[tuple[str, Quantity]] = []
    cancelled: list[tuple[str, Quantity]] = []
    for refund in refunds:
        amount = _value(refund.total_refunded_set)
        is_unpaid = amount is not None and Decimal(amount.amount) == 0
        for each in refund.refund_line_items.nodes if refund.refund_line_items else ():
            is_removed = each.restock_type == "CANCEL" or (is_unpaid and each.restock_type == "NO_RESTOCK")
            (cancelled if is_removed else refunded).append(
                (number(each.line_item.id), quantity(each.quantity))
            )
    return _summed(refunded), _summed(cancelled)


def _summed(parts: Iterable[tuple[str, Quantity]]) -> dict[str, Quantity]:
    found: dict[str, Quantity] = {}
    for line_id, pieces in parts:
        found[line_id] = total_quantity(found[line_id], pieces) if line_id in found else pieces
    return found


def _value(bag: Bag | None) -> Money | None:
    return None if bag is None else money(bag.shop_money.amount, bag.shop_money.currency_code)
