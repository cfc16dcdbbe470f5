"""Shopify's stock levels as normalized records.

A detail that cannot be read is null, and is named in the record's `warnings`. The stock that is free to sell
is never guessed: it makes a reject.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec

from orchestrator.marketplaces.shopify import rows
from orchestrator.marketplaces.shopify.nodes import node_id, number
from orchestrator.marketplaces.unified.facts import LevelFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.values import (
    EXACT,
    Details,
    Number,
    id_reader,
    quantity,
    utc,
)
from orchestrator.model.records.record import (
    Quantity,
    StockLevel,
)

T = TypeVar("T")

#: Amounts beside those with a field of their own; `quantities` asks for them by these names.
_FURTHER = ("damaged", "quality_control", "safety_stock")


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """The stock of one item at one location; no amount is told of an item whose stock is not counted."""
    row, details = msgspec.json.decode(raw, type=rows.Level), Details()
    amounts = {each.name: each.quantity for each in row.quantities if row.item.tracked}
    available = amounts.get("available")
    sold_as = _sold_as(details, row.item)
    further = {name: details.quantity(f"quantities.{name}", amounts.get(name)) for name in _FURTHER}
    facts = LevelFacts(
        id=_level_id(row),
        sku=details.text("sku", row.item.sku),
        product_id=node_id(details, "product_id", sold_as.product) if sold_as else None,
        variant_id=details.read("variant_id", number, sold_as.id) if sold_as else None,
        inventory_item_id=number(row.item.id),
        tracked=row.item.tracked,
        location_id=number(row.location.id),
        location_name=details.text("location_name", row.location.name),
        available=None if available is None else quantity(msgspec.convert(available, Number)),
        on_hand=details.quantity("on_hand", amounts.get("on_hand")),
        committed=details.quantity("committed", amounts.get("committed")),
        incoming=details.quantity("incoming", amounts.get("incoming")),
        reserved=details.quantity("reserved", amounts.get("reserved")),
        unsellable=_unsellable(further),
        quantities=further,
        updated_at=utc(row.updated_at),
    )
    return level_of(facts, details)


def _unsellable(further: dict[str, Quantity | None]) -> Quantity | None:
    """The pieces that are not for sale; None if one of their amounts is unknown."""
    damaged, held = further["damaged"], further["quality_control"]
    return None if damaged is None or held is None else quantity(EXACT.add(Decimal(damaged), Decimal(held)))


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id."""
    return _level_id(msgspec.json.decode(raw, type=rows.LevelId))


def _level_id(row: rows.LevelId | rows.Level) -> str:
    return f"{number(row.item.id)}@{number(row.location.id)}"


def _sold_as(details: Details, item: rows.Item) -> rows.SoldAs | None:
    """The variant that an inventory item is sold as; None if it is not told."""
    if item.variants is None:
        return details.part("variant_id", item.variant, rows.SoldAs)
    variants = details.part("variant_id", item.variants, rows.SoldAsList)
    return next(iter(variants.nodes), None) if variants else None
