"""WooCommerce's stock as normalized records."""

from __future__ import annotations

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.unified.facts import LevelFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.values import NO_DETAIL, Detail, Details, Number, quantity
from orchestrator.marketplaces.woocommerce.fields import MANAGED
from orchestrator.marketplaces.woocommerce.order_records import order_id
from orchestrator.model.records.record import Quantity, StockLevel, StockStatus

#: Stock is kept once for the whole shop.
LOCATION = "shop"
#: Kinds of product that have no stock of their own.
_UNSTOCKED = {"grouped", "external"}
_STOCK_STATUS: dict[str, StockStatus] = {
    "instock": "in_stock",
    "outofstock": "out_of_stock",
    "onbackorder": "on_backorder",
}


class _Stock(msgspec.Struct, kw_only=True):
    id: int
    sku: Detail = NO_DETAIL
    #: A variation's product; 0 or absent for a product itself.
    parent_id: int | None = None
    type: str | None = None
    manage_stock: bool | str | None = None
    stock_quantity: Detail = NO_DETAIL
    stock_status: Detail = NO_DETAIL


class _Below(msgspec.Struct):
    """A variation with its product's id; our own format, made by `below`."""

    parent_id: int
    variation: msgspec.Raw


def below(parent_id: int, variation: msgspec.Raw) -> bytes:
    """A variation's row with its product's id, which the listing leaves out."""
    return msgspec.json.encode(_Below(parent_id, variation))


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """The stock of a product or variation; variations that share one stock each show all of it."""
    parent, stock = _unpacked(raw)
    row = msgspec.json.decode(stock, type=_Stock)
    details = Details()
    if row.manage_stock not in MANAGED:
        raise RecordInvalid("whether stock is managed is not told")
    is_managed = MANAGED[row.manage_stock] and row.type not in _UNSTOCKED
    word = None if is_managed else details.text("status", row.stock_status)
    facts = LevelFacts(
        id=f"{row.id}@{LOCATION}",
        sku=details.text("sku", row.sku),
        product_id=str(parent or row.parent_id or row.id),
        variant_id=str(row.id),
        location_id=LOCATION,
        held_by="merchant",
        tracked=None if row.manage_stock in (None, "") else is_managed,
        status=_STOCK_STATUS.get(word or ""),
        available=_managed(row.stock_quantity) if is_managed else None,
    )
    return level_of(facts, details)


def _managed(number: Detail) -> Quantity | None:
    """The quantity of managed stock; None if the site does not say."""
    if bytes(number) in (b"null", b'""'):
        return None
    return quantity(msgspec.json.decode(number, type=Number))


def level_id(raw: bytes) -> str | None:
    """The stock level's id, or None."""
    # Without its wrapping, the row of a stock level has its id in the same place as an order.
    found = order_id(_unpacked(raw)[1])
    return None if found is None else f"{found}@{LOCATION}"


def _unpacked(raw: bytes) -> tuple[int | None, bytes]:
    """A stock row, and its product's id if it came with one."""
    try:
        whole = msgspec.json.decode(raw, type=_Below)
    except UNREADABLE:
        return None, raw
    return whole.parent_id, bytes(whole.variation)
