"""The stock of eBay's inventory items as normalized records, one a location.

Source: eBay's own description of Inventory 1.18.4, read 2026-11-28. The stock of a level is no detail: a
level without a readable one is a reject.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.ebay.order_rows import Row
from orchestrator.marketplaces.unified.facts import LevelFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.values import Details, Number, id_reader, quantity
from orchestrator.model.records.record import StockLevel, StockStatus

#: The location of stock for which eBay names none.
ANYWHERE = "ship_to_home"
#: The state of stock in a shop, by AvailabilityTypeEnum; `SHIP_TO_STORE` is on its way there.
STATUSES: dict[str, StockStatus] = {
    "IN_STOCK": "in_stock",
    "OUT_OF_STOCK": "out_of_stock",
    "SHIP_TO_STORE": "on_backorder",
}
_NULL = msgspec.Raw(b"null")


class _Place(Row, frozen=True):
    merchant_location_key: str
    quantity: msgspec.Raw = _NULL
    #: Of stock in a shop.
    availability_type: msgspec.Raw = _NULL


class _ShipToHome(Row, frozen=True):
    quantity: msgspec.Raw = _NULL
    availability_distributions: tuple[_Place, ...] = ()
    allocation_by_format: msgspec.Raw = _NULL


class _Availability(Row, frozen=True):
    ship_to_location_availability: _ShipToHome | None = None
    pickup_at_location_availability: tuple[_Place, ...] = ()


class _StockedItem(Row, frozen=True, kw_only=True):
    sku: str
    availability: _Availability = _Availability()


class _Allocation(Row, frozen=True):
    auction: Any = None
    fixed_price: Any = None


class _Level(msgspec.Struct):
    """One location's share of an inventory item; our own format, made by `split_by_location`."""

    sku: str
    location: str
    quantity: msgspec.Raw
    #: Whether buyers collect it there.
    pickup: bool = False
    word: msgspec.Raw = _NULL
    allocation: msgspec.Raw = _NULL


def split_by_location(item: bytes) -> list[bytes]:
    """One record a location; an item that cannot be read is passed on whole, to be rejected."""
    try:
        row = msgspec.json.decode(item, type=_StockedItem)
    except UNREADABLE:
        return [item]
    levels = [
        _Level(
            row.sku, place.merchant_location_key, place.quantity, pickup=True, word=place.availability_type
        )
        for place in row.availability.pickup_at_location_availability
    ]
    if home := row.availability.ship_to_location_availability:
        # If eBay names the locations, this quantity is their sum.
        places = home.availability_distributions or (_Place(ANYWHERE, home.quantity),)
        # Nothing tells how several locations share the allocation.
        allocation = home.allocation_by_format if len(places) == 1 else _NULL
        levels += [
            _Level(row.sku, place.merchant_location_key, place.quantity, allocation=allocation)
            for place in places
        ]
    return [msgspec.json.encode(level) for level in levels]


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An item's stock at one location; stock for collection there is a level of its own."""
    row, details = msgspec.json.decode(raw, type=_Level), Details()
    available = msgspec.json.decode(row.quantity, type=Number | None)
    allocation = details.part("quantities", row.allocation, _Allocation) or _Allocation()
    facts = LevelFacts(
        id=_level_id(row),
        sku=row.sku,
        product_id=row.sku,
        location_id=row.location,
        held_by="merchant",
        status=STATUSES.get(details.text("status", row.word) or ""),
        available=None if available is None else quantity(available),
        quantities={
            "allocated_auction": details.quantity("quantities", allocation.auction),
            "allocated_fixed_price": details.quantity("quantities", allocation.fixed_price),
        },
    )
    return level_of(facts, details)


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id; an item that could not be split by location has none."""
    return _level_id(msgspec.json.decode(raw, type=_Level))


def _level_id(row: _Level) -> str:
    return f"{row.sku}@{'pickup:' if row.pickup else ''}{row.location}"
