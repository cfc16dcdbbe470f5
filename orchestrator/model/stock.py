"""Stock levels: the documents of `connections/{id}/inventory`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from orchestrator.model.parts import FulfilledBy, Quantity, Warnings

StockStatus = Literal["in_stock", "out_of_stock", "on_backorder"]


class StockLevel(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one SKU lies at one location. Connectors make it with `unified.levels.level_of`."""

    id: str
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    inventory_item_id: str | None = None
    location_id: str
    location_name: str | None = None
    #: The owner of the location.
    held_by: FulfilledBy = "unknown"
    #: Whether the stock is counted; None if the marketplace does not say.
    tracked: bool | None = None
    #: Whether it can be bought, if the marketplace says so apart from the quantity.
    status: StockStatus | None = None
    #: Free to sell now; None if the marketplace does not track it.
    available: Quantity | None = None
    #: `available` times 10^6, for sums; None if it does not fit.
    available_micros: int | None = None
    on_hand: Quantity | None = None
    committed: Quantity | None = None
    incoming: Quantity | None = None
    reserved: Quantity | None = None
    #: Damaged, expired or otherwise not for sale.
    unsellable: Quantity | None = None
    #: Further amounts by names of our own, sorted.
    quantities: dict[str, Quantity] = {}
    updated_at: datetime | None = None
    #: Names of fields that were cut to their limit.
    truncated: tuple[str, ...] = ()
    #: Names of details that could not be read and are null.
    warnings: Warnings = ()
