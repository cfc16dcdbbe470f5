"""The rows of Takealot's older Seller API v2 as normalized records.

They are marked, because the connector's streams have the records of both APIs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE, exact
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.takealot import records, sale_records
from orchestrator.marketplaces.takealot.day_span import SAST
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Detail,
    Details,
    Id,
    Number,
    id_at,
    id_reader,
    quantity,
    total_quantity,
    utc,
)
from orchestrator.model.records.record import Buyer, Order, Product, Quantity, StockLevel

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")
_MARK = b'{"seller_v2":'
_rows = msgspec.json.Decoder(list[dict[str, Any]], float_hook=exact)


class _Marked(msgspec.Struct, Generic[T]):
    seller_v2: T


class _Warehouse(msgspec.Struct):
    warehouse_id: Id
    name: str | None = None


class _OwnStock(msgspec.Struct):
    merchant_warehouse: _Warehouse
    quantity_available: Number


class _TheirStock(msgspec.Struct):
    warehouse: _Warehouse
    quantity_available: Number


class _Offer(records.Offer, kw_only=True):
    offer_url: Detail = NO_DETAIL
    date_created: Detail = NO_DETAIL


class _OfferStock(records.Share, kw_only=True):
    leadtime_stock: list[msgspec.Raw]
    stock_at_takealot: list[msgspec.Raw]
    stock_on_way: Detail = NO_DETAIL


class _Level(records.Share, kw_only=True):
    """One location's share of an offer; our own format, made by `split_by_location`."""

    #: The location's owner.
    holder: Literal["seller", "takealot"]
    #: The location's unchanged entry.
    stock: msgspec.Raw
    #: All entries of the stock on its way.
    coming: Detail = NO_DETAIL


# Made here, before any thread decodes (see orchestrator/decoding.py).
_offer = msgspec.json.Decoder(_Marked[_Offer])
_level = msgspec.json.Decoder(_Marked[_Level])


product_id = id_at("seller_v2", "offer_id")


def either(
    v1: Callable[Concatenate[bytes, P], R], v2: Callable[Concatenate[bytes, P], R]
) -> Callable[Concatenate[bytes, P], R]:
    """One reader for the records of both APIs."""

    def read(raw: bytes, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return (v2 if raw.startswith(_MARK) else v1)(raw, *args, **kwargs)

    return read


def marked(raw: bytes) -> bytes:
    """The row, marked as v2's."""
    return _MARK + raw + b"}"


def split_by_location(offer: msgspec.Raw) -> list[bytes]:
    """One record a warehouse; an offer that cannot be read is passed on whole, to become a reject."""
    try:
        row = msgspec.json.decode(offer, type=_OfferStock)
    except UNREADABLE:
        return [marked(bytes(offer))]
    return [marked(msgspec.json.encode(level)) for level in _levels(row)]


def _levels(row: _OfferStock) -> Iterator[_Level]:
    for stock in row.leadtime_stock:
        yield _Level(offer_id=row.offer_id, sku=row.sku, holder="seller", stock=stock)
    for stock in row.stock_at_takealot:
        yield _Level(
            offer_id=row.offer_id, sku=row.sku, holder="takealot", stock=stock, coming=row.stock_on_way
        )


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order from its items; with the customer's name only if personal data may be kept."""
    rows = _rows.decode(raw[len(_MARK) : -1])
    for row in rows:
        row["order_date"] = _instant(row.get("order_date"))
    sales = msgspec.convert(rows, list[sale_records.Sale])
    name = rows[0].get("customer") if rows and with_buyer else None
    buyer = Buyer(name=name) if isinstance(name, str) and name else None
    return sale_records.grouped(sales, buyer, with_buyer=with_buyer)


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An offer is a product with one variant; a list price of 0 means that there is none."""
    row, details = _offer.decode(raw).seller_v2, Details()
    if details.quantity("rrp", row.rrp) == 0:
        row.rrp = NO_DETAIL
    created = details.text("date_created", row.date_created)
    return records.offered(
        row,
        details,
        url=details.text("offer_url", row.offer_url),
        created_at=None if created is None else details.read("date_created", lambda: _instant(created)),
    )


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An offer's stock in one warehouse; an offer that came without its stock is not a level."""
    row, details = _level.decode(raw).seller_v2, Details()
    if row.holder == "seller":
        own = msgspec.json.decode(row.stock, type=_OwnStock)
        place = str(own.merchant_warehouse.warehouse_id), own.merchant_warehouse.name
        available = quantity(own.quantity_available)
        return records.stocked(row, place, available, details, held_by="merchant")
    stock = msgspec.json.decode(row.stock, type=_TheirStock)
    name = stock.warehouse.name
    # v1 identifies Takealot's own warehouses only by these names.
    place = name or str(stock.warehouse.warehouse_id), name
    incoming = _incoming(row.coming, stock.warehouse.warehouse_id, details)
    return records.stocked(
        row,
        place,
        quantity(stock.quantity_available),
        details,
        held_by="marketplace",
        incoming=incoming,
        quantities={"stock_on_way": incoming if row.coming != NO_DETAIL else None},
    )


def _incoming(coming: Detail, warehouse_id: Id, details: Details) -> Quantity | None:
    """The stock on its way to a warehouse, 0 if none is told; None if it cannot be read."""
    found = details.part("stock_on_way", coming, list[_TheirStock])
    if found is None:
        return None if details.warnings else 0
    mine = [each.quantity_available for each in found if each.warehouse.warehouse_id == warehouse_id]
    return details.read("stock_on_way", lambda: total_quantity(*mine))


def order_id(raw: bytes) -> str | None:
    """The order's id, or None."""
    return sale_records.order_id(raw[len(_MARK) : -1])


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id; an offer that came without its stock has none."""
    return level(raw, False).id


def _instant(text: object) -> datetime:
    """A time in v2's format."""
    try:
        return utc(datetime.strptime(str(text), "%d %b %Y %H:%M:%S").replace(tzinfo=SAST))
    except ValueError:
        raise RecordInvalid("a time is not of the form 01 Oct 2021 13:47:32") from None
