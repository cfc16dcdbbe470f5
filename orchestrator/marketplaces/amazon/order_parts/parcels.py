"""The parcels of Amazon's orders: those that the seller sends. Amazon's own are only in reports."""

from __future__ import annotations

from typing import Annotated

from orchestrator.marketplaces.amazon.fields import Row
from orchestrator.marketplaces.values import Details, Id, Instant, Number, quantity
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


class Package(Row):
    """A parcel that the seller sends."""

    package_reference_id: Id
    created_time: Annotated[object, Instant] = None
    package_status: Annotated[object, _Status] = None
    carrier: Annotated[object, str] = None
    ship_time: Annotated[object, Instant] = None
    shipping_service: Annotated[object, str] = None
    tracking_number: Annotated[object, str] = None
    package_items: Annotated[object, list[_Item]] = None


def parcels_of(details: Details, packages: object) -> tuple[Fulfillment, ...] | None:
    """The parcels; None if they cannot be read."""
    found = details.items("packages", packages, Package)
    return None if found is None else tuple(_parcel(details, package) for package in found)


def _parcel(details: Details, package: Package) -> Fulfillment:
    state = details.part("packageStatus", package.package_status, _Status) or _Status()
    number = details.text("trackingNumber", package.tracking_number)
    return Fulfillment(
        id=str(package.package_reference_id),
        status=_status(details, state),
        marketplace_status=state.detailed_status or state.status or None,
        created_at=details.moment("createdTime", package.created_time),
        shipped_at=details.moment("shipTime", package.ship_time),
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
