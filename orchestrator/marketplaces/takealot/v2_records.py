"""The rows of Takealot's older Seller API v2 as normalized records.

They are marked, because the connector's streams have the records of both APIs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE, exact
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.takealot import records
from orchestrator.marketplaces.takealot.day_span import SAST
from orchestrator.marketplaces.values import Id, Pieces, id_at, id_reader, utc
from orchestrator.model.record import Buyer, Order, Product, StockLevel

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
    quantity_available: Pieces


class _TheirStock(msgspec.Struct):
    warehouse: _Warehouse
    quantity_available: Pieces


class _OfferStock(records.Share, kw_only=True):
    leadtime_stock: list[_OwnStock]
    stock_at_takealot: list[_TheirStock]
    stock_on_way: tuple[_TheirStock, ...] = ()


class _Level(records.Share, kw_only=True):
    """One location's share of an offer; our own format, made by `split_by_location`."""

    location_id: str
    location_name: str | None
    available: Pieces
    incoming: Pieces | None


# Made here, before any thread decodes (see orchestrator/decoding.py).
_offer = msgspec.json.Decoder(_Marked[records.Offer])
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
    for own in row.leadtime_stock:
        place = own.merchant_warehouse
        yield _Level(
            offer_id=row.offer_id,
            sku=row.sku,
            location_id=str(place.warehouse_id),
            location_name=place.name,
            available=own.quantity_available,
            incoming=None,
        )
    coming = {stock.warehouse.warehouse_id: stock.quantity_available for stock in row.stock_on_way}
    for stock in row.stock_at_takealot:
        place = stock.warehouse
        yield _Level(
            offer_id=row.offer_id,
            sku=row.sku,
            # v1 identifies Takealot's own warehouses only by these names.
            location_id=place.name or str(place.warehouse_id),
            location_name=place.name,
            available=stock.quantity_available,
            incoming=coming.get(place.warehouse_id, 0),
        )


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order from its items; with the customer's name only if personal data may be kept."""
    rows = _rows.decode(raw[len(_MARK) : -1])
    for row in rows:
        row["order_date"] = _instant(row.get("order_date"))
    sales = msgspec.convert(rows, list[records.Sale])
    name = rows[0].get("customer") if rows and with_buyer else None
    return records.order_of(sales, Buyer(name=name) if isinstance(name, str) and name else None)


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An offer is a product with one variant; a list price of 0 means that there is none."""
    row = _offer.decode(raw).seller_v2
    row.rrp = row.rrp or None
    return records.product_of(row, row.status.lower().replace(" ", "_"))


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An offer's stock in one warehouse; an offer that came without its stock is not a level."""
    row = _level.decode(raw).seller_v2
    return records.level_of(row, row.location_id, row.location_name, row.available, row.incoming)


def order_id(raw: bytes) -> str | None:
    """The order's id, or None."""
    return records.order_id(raw[len(_MARK) : -1])


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
