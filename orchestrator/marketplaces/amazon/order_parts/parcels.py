"""The parcels of Amazon's orders: those that the seller sends. Amazon's own are only in reports."""

from __future__ import annotations

from typing import Any

from orchestrator.marketplaces.amazon.fields import Row, moment
from orchestrator.marketplaces.values import Details, Id, Number, quantity
from orchestrator.model.records.record import Fulfillment, LinePart, ShipmentStatus

#: All of `PackageStatus.status`.
STATUSES: dict[str, ShipmentStatus] = {
    "PENDING": "pending",
    "IN_TRANSIT": "in_transit",
    "SHIPPED": "shipped",
    "DELIVERED": "delivered",
    "CANCELLED": "cancelled",
    "UNDELIVERABLE": "failed",
}
#: All of `PackageStatus.detailedStatus`; None: it tells no more than the status.
REFINED: dict[str, ShipmentStatus | None] = {
    **dict.fromkeys(("PENDING_SCHEDULE", "PENDING_PICK_UP", "PENDING_DROP_OFF", "LABEL_CANCELLED"), None),
    **dict.fromkeys(("PICKED_UP", "DROPPED_OFF", "AT_ORIGIN_FC", "AT_DESTINATION_FC", "DELIVERED"), None),
    "OUT_FOR_DELIVERY": "out_for_delivery",
    **dict.fromkeys(("RETURNING_TO_SELLER", "RETURNED_TO_SELLER"), "returned"),
    **dict.fromkeys(("REJECTED_BY_BUYER", "UNDELIVERABLE", "LOST", "DAMAGED"), "failed"),
}


class _Status(Row):
    status: str = ""
    detailed_status: str | None = None


class _Item(Row):
    order_item_id: Id
    quantity: Number


class _Package(Row):
    package_reference_id: Id
    created_time: Any = None
    package_status: Any = None
    carrier: Any = None
    ship_time: Any = None
    shipping_service: Any = None
    tracking_number: Any = None
    package_items: Any = None


def parcels_of(details: Details, packages: object) -> tuple[Fulfillment, ...] | None:
    """The parcels; None if they cannot be read."""
    found = details.items("packages", packages, _Package)
    return None if found is None else tuple(_parcel(details, package) for package in found)


def _parcel(details: Details, package: _Package) -> Fulfillment:
    state = details.part("packageStatus", package.package_status, _Status) or _Status()
    number = details.text("trackingNumber", package.tracking_number)
    return Fulfillment(
        id=str(package.package_reference_id),
        status=_status(details, state),
        marketplace_status=state.detailed_status or state.status or None,
        created_at=moment(details, "createdTime", package.created_time),
        shipped_at=moment(details, "shipTime", package.ship_time),
        carrier=details.text("carrier", package.carrier),
        service=details.text("shippingService", package.shipping_service),
        tracking_numbers=(number,) if number else (),
        fulfilled_by="merchant",
        lines=_lines(details, package.package_items),
    )


def _status(details: Details, state: _Status) -> ShipmentStatus:
    refined = state.detailed_status
    if refined and refined not in REFINED:
        details.unknown("detailedStatus", refined)
    if state.status and state.status not in STATUSES:
        details.unknown("packageStatus", state.status)
    return REFINED.get(refined or "") or STATUSES.get(state.status, "unknown")


def _lines(details: Details, items: object) -> tuple[LinePart, ...]:
    def reader() -> tuple[LinePart, ...]:
        found = details.items("packageItems", items, _Item) or []
        return tuple(
            LinePart(line_id=str(item.order_item_id), quantity=quantity(item.quantity)) for item in found
        )

    return details.read("packageItems", reader) or ()
