"""Amazon's stock, and the seller's own of Amazon's listings, as normalized records.

Rows do not name their marketplace; `fields.within` adds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.amazon.fields import Row, listing_id_of, pieces
from orchestrator.marketplaces.unified.facts import LevelFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Detail,
    Details,
    Number,
    id_reader,
    less,
    number_of,
    quantity,
    total_quantity,
)
from orchestrator.model.records.record import Quantity, StockLevel

#: The channel of the seller's own stock; Amazon's channels begin with `AMAZON`.
MERCHANT, AMAZON = "DEFAULT", "AMAZON"
_NEITHER = "a stock level of neither Amazon nor the seller"


class _Availability(Row):
    fulfillment_channel_code: str
    quantity: Number | None = None


class _Sku(Row):
    sku: str


class _Stocked(_Sku):
    #: Absent for parents of variations, which are not for sale.
    fulfillment_availability: tuple[_Availability, ...] = ()


class _Reserved(Row):
    total_reserved_quantity: Any = None
    pending_customer_order_quantity: Any = None
    pending_transshipment_quantity: Any = None
    fc_processing_quantity: Any = None


class _Researching(Row):
    total_researching_quantity: Any = None


class _Unsellable(Row):
    total_unfulfillable_quantity: Any = None
    customer_damaged_quantity: Any = None
    warehouse_damaged_quantity: Any = None
    distributor_damaged_quantity: Any = None
    carrier_damaged_quantity: Any = None
    defective_quantity: Any = None
    expired_quantity: Any = None


class _Details(Row):
    fulfillable_quantity: Number | None = None
    inbound_working_quantity: Detail = NO_DETAIL
    inbound_shipped_quantity: Detail = NO_DETAIL
    inbound_receiving_quantity: Detail = NO_DETAIL
    reserved_quantity: Detail = NO_DETAIL
    researching_quantity: Detail = NO_DETAIL
    unfulfillable_quantity: Detail = NO_DETAIL


class _FbaId(Row):
    seller_sku: str
    #: Amazon's own SKU; a seller's SKU can have several.
    fn_sku: str | None = None


class _FbaStock(_FbaId, kw_only=True):
    #: Asked for, and yet sometimes absent or an empty list
    #: (github.com/amzn/selling-partner-api-models/issues/1445).
    inventory_details: Detail = NO_DETAIL
    total_quantity: Number | None = None
    #: Empty for stock that has never moved.
    last_updated_time: Detail = NO_DETAIL


class _MerchantId(Row):
    sku: str
    fulfillment_channel_code: str


class _MerchantStock(_MerchantId, kw_only=True):
    """One channel's share of a listing; our own form, made by `merchant_stock`."""

    quantity: Number | None = None


class _LevelRow(msgspec.Struct):
    marketplace: str
    fba: _FbaStock | None = None
    merchant: _MerchantStock | None = None


class _LevelRowId(msgspec.Struct):
    marketplace: str
    fba: _FbaId | None = None
    merchant: _MerchantId | None = None


_NOT_TOLD = _Details()


def merchant_stock(listing: msgspec.Raw) -> list[msgspec.Raw]:
    """One row for each channel that is not Amazon's; a listing that cannot be read is passed on whole."""
    try:
        found = msgspec.json.decode(listing, type=_Stocked)
    except UNREADABLE:
        return [listing]
    shares = [
        _MerchantStock(
            sku=found.sku,
            fulfillment_channel_code=share.fulfillment_channel_code,
            quantity=share.quantity,
        )
        for share in found.fulfillment_availability
        if not share.fulfillment_channel_code.startswith(AMAZON)
    ]
    return [msgspec.Raw(msgspec.json.encode(share)) for share in shares]


def lies_with_amazon(listing: msgspec.Raw) -> bool:
    """Whether Amazon fulfils a listing's orders."""
    try:
        found = msgspec.json.decode(listing, type=_Stocked)
    except UNREADABLE:
        return False
    return any(share.fulfillment_channel_code.startswith(AMAZON) for share in found.fulfillment_availability)


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """The stock of one SKU for one marketplace, at Amazon or at the seller."""
    found = msgspec.json.decode(raw, type=_LevelRow)
    if found.fba is not None:
        return _fba_level(found.marketplace, found.fba)
    if found.merchant is None:
        raise RecordInvalid(_NEITHER)
    listing_id = listing_id_of(found.merchant.sku, found.marketplace)
    channel = found.merchant.fulfillment_channel_code
    facts = LevelFacts(
        id=_merchant_id(found.marketplace, found.merchant),
        sku=found.merchant.sku,
        product_id=listing_id,
        variant_id=listing_id,
        location_id=f"{channel}@{found.marketplace}",
        location_name="Merchant" if channel == MERCHANT else None,
        held_by="merchant",
        available=pieces(found.merchant.quantity),
    )
    return level_of(facts, Details())


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id."""
    row = msgspec.json.decode(raw, type=_LevelRowId)
    if row.fba is not None:
        return _fba_id(row.marketplace, row.fba)
    if row.merchant is None:
        raise RecordInvalid(_NEITHER)
    return _merchant_id(row.marketplace, row.merchant)


def _fba_id(marketplace: str, row: _FbaId) -> str:
    return f"{listing_id_of(row.seller_sku, marketplace)}/{AMAZON}/{row.fn_sku or ''}"


def _merchant_id(marketplace: str, row: _MerchantId) -> str:
    return f"{listing_id_of(row.sku, marketplace)}/{row.fulfillment_channel_code}"


def _fba_level(marketplace: str, row: _FbaStock) -> StockLevel:
    listing_id = listing_id_of(row.seller_sku, marketplace)
    details = Details()
    found = _read(details, row.inventory_details)
    reserved = details.part("reservedQuantity", found.reserved_quantity, _Reserved) or _Reserved()
    unsellable = details.part("unfulfillableQuantity", found.unfulfillable_quantity, _Unsellable)
    incoming = _incoming(details, found) if found is not _NOT_TOLD else None
    total = pieces(row.total_quantity)
    facts = LevelFacts(
        id=_fba_id(marketplace, row),
        sku=row.seller_sku,
        product_id=listing_id,
        variant_id=listing_id,
        location_id=f"{AMAZON}@{marketplace}",
        location_name="Fulfillment by Amazon",
        inventory_item_id=row.fn_sku,
        held_by="marketplace",
        tracked=True,
        available=pieces(found.fulfillable_quantity),
        # Amazon's total includes stock on its way.
        on_hand=None if total is None else quantity(less(number_of(total), number_of(incoming or 0))),
        committed=details.quantity("pendingCustomerOrderQuantity", reserved.pending_customer_order_quantity),
        incoming=incoming,
        reserved=details.quantity("totalReservedQuantity", reserved.total_reserved_quantity),
        unsellable=details.quantity(
            "totalUnfulfillableQuantity", unsellable and unsellable.total_unfulfillable_quantity
        ),
        quantities=dict(_quantities(details, found, reserved, unsellable)),
        updated_at=details.moment("lastUpdatedTime", row.last_updated_time),
    )
    return level_of(facts, details)


def _read(details: Details, told: Detail) -> _Details:
    """The details of a level, `_NOT_TOLD` if there are none; a quantity for sale in them is never guessed.

    Raises:
        ValidationError: They tell a quantity for sale that is no number.
    """
    if details.part("inventoryDetails", told, dict[str, Any]) is None:
        details.note("inventoryDetails")
        return _NOT_TOLD
    return msgspec.json.decode(told, type=_Details)


def _incoming(details: Details, found: _Details) -> Quantity | None:
    """The stock on its way to Amazon; None if a part of it cannot be read."""
    parts = (
        details.quantity("inboundWorkingQuantity", found.inbound_working_quantity),
        details.quantity("inboundShippedQuantity", found.inbound_shipped_quantity),
        details.quantity("inboundReceivingQuantity", found.inbound_receiving_quantity),
    )
    if any("inbound" in name for name in details.warnings):
        return None
    return total_quantity(*(Decimal(part) for part in parts if part is not None))


def _quantities(
    details: Details, found: _Details, reserved: _Reserved, unsellable: _Unsellable | None
) -> Iterator[tuple[str, Quantity | None]]:
    """Further amounts by names of our own."""
    research = details.part("researchingQuantity", found.researching_quantity, _Researching)
    for name, told, number in (
        ("inbound_working", "inboundWorkingQuantity", found.inbound_working_quantity),
        ("inbound_shipped", "inboundShippedQuantity", found.inbound_shipped_quantity),
        ("inbound_receiving", "inboundReceivingQuantity", found.inbound_receiving_quantity),
        ("fc_transfer", "pendingTransshipmentQuantity", reserved.pending_transshipment_quantity),
        ("fc_processing", "fcProcessingQuantity", reserved.fc_processing_quantity),
        ("researching", "totalResearchingQuantity", research and research.total_researching_quantity),
    ):
        yield name, details.quantity(told, number)
    if unsellable is None:
        return
    for name, told, number in (
        ("customer_damaged", "customerDamagedQuantity", unsellable.customer_damaged_quantity),
        ("warehouse_damaged", "warehouseDamagedQuantity", unsellable.warehouse_damaged_quantity),
        ("distributor_damaged", "distributorDamagedQuantity", unsellable.distributor_damaged_quantity),
        ("carrier_damaged", "carrierDamagedQuantity", unsellable.carrier_damaged_quantity),
        ("defective", "defectiveQuantity", unsellable.defective_quantity),
        ("expired", "expiredQuantity", unsellable.expired_quantity),
    ):
        yield name, details.quantity(told, number)
