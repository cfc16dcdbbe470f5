"""From the facts of a stock level to its record."""

from __future__ import annotations

from orchestrator.marketplaces.unified.breakdown import micros
from orchestrator.marketplaces.unified.facts import LevelFacts
from orchestrator.marketplaces.unified.texts import Texts
from orchestrator.marketplaces.values import Details
from orchestrator.model.records.record import StockLevel


def level_of(facts: LevelFacts, details: Details) -> StockLevel:
    """The record of a stock level.

    Args:
        facts: The level as its marketplace tells it.
        details: The reader of the facts.

    Raises:
        RecordInvalid: The SKU is too long.
    """
    texts = Texts()
    told = {name: amount for name, amount in facts.quantities.items() if amount is not None}
    return StockLevel(
        id=facts.id,
        sku=texts.sku(facts.sku),
        product_id=facts.product_id,
        variant_id=facts.variant_id,
        inventory_item_id=facts.inventory_item_id,
        location_id=facts.location_id,
        location_name=texts.text("location_name", facts.location_name),
        held_by=facts.held_by,
        tracked=facts.tracked,
        status=facts.status,
        available=facts.available,
        available_micros=None if facts.available is None else micros(facts.available),
        on_hand=facts.on_hand,
        committed=facts.committed,
        incoming=facts.incoming,
        reserved=facts.reserved,
        unsellable=facts.unsellable,
        quantities=dict(sorted(told.items())),
        updated_at=facts.updated_at,
        truncated=texts.truncated,
        warnings=details.warnings,
    )
