"""A site's parcels, in the forms of WooCommerce's own feature and of the extension Shipment Tracking."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from local.sandbox.catalogue import Sale

Node = dict[str, Any]


def fulfillments(sale: Sale) -> list[Node]:
    """An order's fulfillments: a parcel for each line, and one that was removed."""
    made = f"{datetime.fromtimestamp(sale.updated, UTC):%Y-%m-%d %H:%M:%S}"
    parcels = [
        _fulfillment(sale, number, made, [{"item_id": sale.id * 1000 + number, "qty": line.quantity}])
        for number, line in enumerate(sale.lines)
    ]
    removed = _fulfillment(sale, len(parcels), made, []) | {"date_deleted": made}
    return [*parcels, removed]


def _fulfillment(sale: Sale, number: int, made: str, lines: list[Node]) -> Node:
    # Carriers outside of WooCommerce's list have a name of their own.
    is_listed = (sale.id + number) % 2 == 0
    values: dict[str, object] = {
        "_items": lines,
        "_tracking_number": f"1Z{sale.id}{number}",
        "_tracking_url": _link(sale),
        "_shipment_provider": "ups" if is_listed else "other",
        **({} if is_listed else {"_provider_name": "Karoo Couriers"}),
        "_date_fulfilled": made,
        "note": f"For buyer {sale.buyer}",
    }
    return {
        "id": sale.id * 10 + number,
        "fulfillment_id": sale.id * 10 + number,
        "entity_type": "WC_Order",
        "entity_id": str(sale.id),
        "status": "fulfilled",
        "is_fulfilled": True,
        "date_updated": made,
        "date_deleted": None,
        "meta_data": [
            {"id": at, "key": key, "value": value} for at, (key, value) in enumerate(values.items())
        ],
    }


def trackings(sale: Sale) -> list[Node]:
    """The extension's rows of an order: days without a time, and no lines."""
    return [
        {
            "tracking_id": f"{sale.id:032x}",
            "tracking_provider": "Karoo Couriers",
            "tracking_link": _link(sale),
            "tracking_number": f"KC{sale.id}",
            "date_shipped": f"{datetime.fromtimestamp(sale.updated, UTC):%Y-%m-%d}",
        }
    ]


def _link(sale: Sale) -> str:
    """Some carriers want the buyer's postal code."""
    return f"https://carrier.example.com/{sale.id}?postcode=8001&to=buyer{sale.buyer}"
