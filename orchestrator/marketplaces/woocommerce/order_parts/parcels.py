"""The parcels of WooCommerce's orders, which orders themselves do not tell.

Sources: WooCommerce's order fulfillments (docs/features/order-fulfillments, `Fulfillment::get_raw_data`) and
woocommerce.com/document/shipment-tracking, REST API; read 2026-11-28. Facts that this module depends on:

- A fulfillment's payload is in its `meta_data`: `_items` ({item_id, qty} of the order's lines),
  `_tracking_number`, `_tracking_url`, `_shipment_provider` (a slug), `_provider_name` (of a provider without
  one), `_date_fulfilled`.
- Its times are UTC without a suffix. Removed fulfillments have `date_deleted`.
- Shipment Tracking tells the day of shipping without a time, and no lines.
- Links to carriers can hold the buyer's postal code: Shipment Tracking puts it there for some carriers.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from orchestrator.marketplaces.values import Details, Number, quantity, total_quantity
from orchestrator.marketplaces.woocommerce.fields import moment
from orchestrator.model.records.record import Fulfillment, LinePart, Quantity

#: Of a completed order's row, if the site has no such call.
NO_CALL = b"false"
#: Names of the provider that is none of WooCommerce's own.
_OTHER_PROVIDER = "other"


class _Meta(msgspec.Struct, kw_only=True):
    key: str
    value: object = None


class _Item(msgspec.Struct):
    item_id: object
    qty: Number


class Shipment(msgspec.Struct, kw_only=True):
    """A fulfillment of WooCommerce's own."""

    id: int
    status: str | None = None
    is_fulfilled: bool | int | str | None = None
    date_deleted: str | None = None
    meta_data: object = None


class Tracking(msgspec.Struct, kw_only=True):
    """A parcel of the extension Shipment Tracking."""

    tracking_id: str
    tracking_provider: object = None
    tracking_number: object = None
    tracking_link: object = None
    date_shipped: object = None


def parcels(
    details: Details, core: object, trackings: object, *, with_buyer: bool
) -> tuple[Fulfillment, ...] | None:
    """The parcels of an order; None if they were not asked for, or if the site has no call for them.

    Args:
        details: The reader of the order.
        core: WooCommerce's own fulfillments.
        trackings: The rows of the extension Shipment Tracking.
        with_buyer: Whether links to carriers are stored.
    """
    if core is False or trackings is False:
        details.note("fulfillments")
        return None
    if core is not None:
        made = details.items("fulfillments", core, Shipment)
        kept = None if made is None else [each for each in made if not each.date_deleted]
        return None if kept is None else tuple(_fulfillment(details, each, with_buyer) for each in kept)
    if trackings is not None:
        rows = details.items("fulfillments", trackings, Tracking)
        return None if rows is None else tuple(_tracked(details, each, with_buyer) for each in rows)
    return None


def fulfilled(line_id: str, found: Iterable[Fulfillment] | None) -> Quantity | None:
    """The pieces of a line that were sent; None if no parcel tells its lines."""
    parts = [(each, part) for each in found or () for part in each.lines]
    if not parts:
        return None
    sent = (part.quantity for each, part in parts if part.line_id == line_id and each.status == "shipped")
    return total_quantity(*sent)


def _fulfillment(details: Details, row: Shipment, with_buyer: bool) -> Fulfillment:
    metas = details.items("fulfillments", row.meta_data, _Meta) or ()
    values = {meta.key: meta.value for meta in metas}
    is_sent = row.is_fulfilled in (True, "1", "true", "yes")
    provider = details.text("fulfillments.carrier", values.get("_shipment_provider"))
    if provider in (None, _OTHER_PROVIDER):
        provider = details.text("fulfillments.carrier", values.get("_provider_name")) or provider
    return Fulfillment(
        id=str(row.id),
        status="shipped" if is_sent else "pending",
        marketplace_status=row.status,
        shipped_at=moment(details, "fulfillments.shipped_at", values.get("_date_fulfilled")),
        carrier=provider,
        tracking_numbers=_texts(details, "tracking_numbers", values.get("_tracking_number")),
        tracking_urls=_texts(details, "tracking_urls", values.get("_tracking_url")) if with_buyer else (),
        fulfilled_by="merchant",
        lines=tuple(
            LinePart(line_id=line_id, quantity=quantity(item.qty))
            for item in details.items("fulfillments.lines", values.get("_items"), _Item) or ()
            if (line_id := details.text("fulfillments.lines", item.item_id)) is not None
        ),
    )


def _tracked(details: Details, row: Tracking, with_buyer: bool) -> Fulfillment:
    return Fulfillment(
        id=row.tracking_id,
        status="shipped",
        shipped_at=moment(details, "fulfillments.shipped_at", row.date_shipped),
        carrier=details.text("fulfillments.carrier", row.tracking_provider),
        tracking_numbers=_texts(details, "tracking_numbers", row.tracking_number),
        tracking_urls=_texts(details, "tracking_urls", row.tracking_link) if with_buyer else (),
        fulfilled_by="merchant",
    )


def _texts(details: Details, name: str, value: object) -> tuple[str, ...]:
    found = details.text(f"fulfillments.{name}", value)
    return (found,) if found else ()
