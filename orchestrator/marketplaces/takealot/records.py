"""Takealot's rows, grouped by order or split by location, as normalized records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.takealot.words import (
    FULFILLMENT,
    offer_status,
    order_status,
    payment_of,
    sale_status,
)
from orchestrator.marketplaces.unified.facts import LevelFacts, OrderFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.unified.products import product_of
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Detail,
    Details,
    Id,
    Instant,
    Number,
    id_at,
    id_reader,
    money,
    quantity,
    sum_of,
    total_quantity,
    utc,
)
from orchestrator.model.record import (
    Buyer,
    Money,
    Order,
    OrderLine,
    Product,
    Quantity,
    StockLevel,
    Variant,
)

#: Raw fields that hold personal data; v1 documents none, the older API names the customer.
PERSONAL_FIELDS = frozenset({"customer", "customer_name", "customer_email", "customer_phone"})
_CURRENCY = "ZAR"


class Sale(msgspec.Struct, kw_only=True):
    """A row of the sales: one item of an order."""

    order_item_id: Id
    order_id: Id
    order_date: Instant
    #: What was paid for the line; its sum over the order is the order's total.
    selling_price: Decimal | None = None
    quantity: Number
    sale_status: Any = None
    offer_id: Any = None
    sku: Any = None
    product_title: Any = None


class _OrderId(msgspec.Struct):
    order_id: Id


class _SaleIds(_OrderId):
    order_item_id: Id


class Offer(msgspec.Struct, kw_only=True):
    """An offer, as far as both APIs write it alike."""

    offer_id: Id
    status: Detail
    sku: Detail = NO_DETAIL
    barcode: Detail = NO_DETAIL
    title: Detail = NO_DETAIL
    selling_price: Detail = NO_DETAIL
    rrp: Detail = NO_DETAIL


class _DatedOffer(Offer, kw_only=True):
    created_at: Detail = NO_DETAIL
    updated_at: Detail = NO_DETAIL


class Share(msgspec.Struct, kw_only=True):
    """The offer that a stock level belongs to."""

    offer_id: Id
    sku: Detail = NO_DETAIL


class _OfferStock(Share, kw_only=True):
    seller_warehouse_stock: list[msgspec.Raw] | None = None
    takealot_warehouse_stock: list[msgspec.Raw] | None = None


class _SellerStock(msgspec.Struct, kw_only=True):
    seller_warehouse_id: Id
    quantity_available: Number


class _RegionStock(msgspec.Struct, kw_only=True):
    region: str
    quantity_available: Number
    stock_on_way: Detail = NO_DETAIL
    stock_in_receiving: Detail = NO_DETAIL


class _Level(Share, kw_only=True):
    """One location's share of an offer; our own format, made by `split_by_location`."""

    #: The location's owner.
    holder: Literal["seller", "takealot"]
    #: The location's unchanged entry.
    stock: msgspec.Raw


product_id = id_at("offer_id")


def group_by_order(items: Iterable[msgspec.Raw]) -> list[bytes]:
    """One JSON array an order, its items in the order of their ids, repeated items once.

    An item that names no order gets an array of its own, and becomes a reject.
    """
    orders: dict[str, dict[str, bytes]] = {}
    strays: list[bytes] = []
    for item in items:
        try:
            ids = msgspec.json.decode(item, type=_SaleIds)
        except UNREADABLE:
            strays.append(b"[" + bytes(item) + b"]")
            continue
        orders.setdefault(str(ids.order_id), {})[str(ids.order_item_id)] = bytes(item)
    grouped = [
        b"[" + b",".join(found[item_id] for item_id in sorted(found, key=_by_number)) + b"]"
        for found in orders.values()
    ]
    return grouped + strays


def distinct(items: Iterable[msgspec.Raw]) -> int:
    """The number of items; one that is repeated counts once, one that cannot be read counts each time."""
    found: set[tuple[str, str]] = set()
    unreadable = 0
    for item in items:
        try:
            ids = msgspec.json.decode(item, type=_SaleIds)
        except UNREADABLE:
            unreadable += 1
        else:
            found.add((str(ids.order_id), str(ids.order_item_id)))
    return len(found) + unreadable


def _by_number(item_id: str) -> tuple[int, str]:
    return len(item_id), item_id


def split_by_location(offer: msgspec.Raw) -> list[bytes]:
    """One record a warehouse or region; an unreadable offer is passed on whole, to become a reject."""
    try:
        row = msgspec.json.decode(offer, type=_OfferStock)
    except UNREADABLE:
        return [bytes(offer)]
    if row.seller_warehouse_stock is None and row.takealot_warehouse_stock is None:
        # Stock was asked for and is absent. Taking that for "no stock" would delete the known levels.
        return [bytes(offer)]
    stocks: list[tuple[Literal["seller", "takealot"], msgspec.Raw]] = [
        *(("seller", stock) for stock in row.seller_warehouse_stock or ()),
        *(("takealot", stock) for stock in row.takealot_warehouse_stock or ()),
    ]
    return [
        msgspec.json.encode(_Level(holder=holder, stock=stock, offer_id=row.offer_id, sku=row.sku))
        for holder, stock in stocks
    ]


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order from its items; its total is their sum. Sales name no buyer."""
    return grouped(msgspec.json.decode(raw, type=list[Sale]), None, with_buyer=with_buyer)


def grouped(items: Sequence[Sale], buyer: Buyer | None, *, with_buyer: bool) -> Order:
    """An order from its items; its total is their sum.

    Raises:
        RecordInvalid: There are none.
    """
    if not items:
        raise RecordInvalid("an order without items")
    details = Details()
    words = [details.text("sale_status", item.sale_status) or "" for item in items]
    statuses = {sale_status(word, details) for word in words}
    lines = tuple(_line(item, word, details) for item, word in zip(items, words, strict=True))
    prices = [item.selling_price for item in items]
    known = [price for price in prices if price is not None]
    order_id, state = str(items[0].order_id), order_status(statuses)
    facts = OrderFacts(
        id=order_id,
        number=order_id,
        cancelled=state == "cancelled",
        payment=payment_of(state, statuses),
        fulfillment=FULFILLMENT[state],
        released=state != "pending",
        marketplace_status=", ".join(sorted(set(words))),
        total=sum_of(known, _CURRENCY) if len(known) == len(prices) else None,
        created_at=min(utc(item.order_date) for item in items),
        lines=lines,
        buyer=buyer,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An offer is a product with one variant."""
    row, details = msgspec.json.decode(raw, type=_DatedOffer), Details()
    dates = _moment(details, "created_at", row.created_at), _moment(details, "updated_at", row.updated_at)
    return offered(row, details, *dates)


def offered(
    row: Offer,
    details: Details,
    created_at: datetime | None = None,
    updated_at: datetime | None = None,
) -> Product:
    """An offer as a product."""
    offer_id = str(row.offer_id)
    variant = Variant(
        id=offer_id,
        sku=details.text("sku", row.sku),
        barcode=details.text("barcode", row.barcode),
        price=details.money("selling_price", row.selling_price, _CURRENCY),
        list_price=details.money("rrp", row.rrp, _CURRENCY),
    )
    word = details.text("status", row.status) or ""
    facts = ProductFacts(
        id=offer_id,
        title=details.text("title", row.title),
        status=offer_status(word, details),
        marketplace_status=word,
        created_at=created_at,
        updated_at=updated_at,
        variants=(variant,),
    )
    return product_of(facts, details)


def _moment(details: Details, name: str, value: Detail) -> datetime | None:
    """A time that a record can do without."""
    found = details.part(name, value, Instant)
    return None if found is None else details.read(name, lambda: utc(found))


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An offer's stock in one warehouse or region; an offer that came without its stock is not a level."""
    row, details = msgspec.json.decode(raw, type=_Level), Details()
    if row.holder == "seller":
        own = msgspec.json.decode(row.stock, type=_SellerStock)
        return stocked(row, (str(own.seller_warehouse_id), None), quantity(own.quantity_available), details)
    stock = msgspec.json.decode(row.stock, type=_RegionStock)
    coming = (
        details.quantity("stock_on_way", stock.stock_on_way),
        details.quantity("stock_in_receiving", stock.stock_in_receiving),
    )
    told = [Decimal(part) for part in coming if part is not None]
    incoming = None if details.warnings else total_quantity(*told)
    available = quantity(stock.quantity_available)
    return stocked(row, (stock.region, stock.region), available, details, incoming)


def stocked(
    row: Share,
    place: tuple[str, str | None],
    available: Quantity,
    details: Details,
    incoming: Quantity | None = None,
) -> StockLevel:
    """The stock of an offer at one location, given by its id and name."""
    offer_id, (location, location_name) = str(row.offer_id), place
    facts = LevelFacts(
        id=f"{offer_id}@{location}",
        sku=details.text("sku", row.sku),
        product_id=offer_id,
        variant_id=offer_id,
        location_id=location,
        location_name=location_name,
        available=available,
        incoming=incoming,
    )
    return level_of(facts, details)


@id_reader
def order_id(raw: bytes) -> str:
    """The order's id."""
    items = msgspec.json.decode(raw, type=list[_OrderId])
    if not items:
        raise RecordInvalid("an order without items")
    return str(items[0].order_id)


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id; an offer that came without its stock has none."""
    return level(raw, False).id


def _rand(amount: Decimal | None) -> Money | None:
    """An amount in rand, if there is one."""
    return None if amount is None else money(amount, _CURRENCY)


def _line(item: Sale, word: str, details: Details) -> OrderLine:
    total = _rand(item.selling_price)
    offer_id = details.text("offer_id", item.offer_id)
    return OrderLine(
        id=str(item.order_item_id),
        sku=details.text("sku", item.sku),
        product_id=offer_id,
        variant_id=offer_id,
        title=details.text("product_title", item.product_title),
        quantity=quantity(item.quantity),
        unit_price=total if item.quantity == 1 else None,
        total=total,
        marketplace_status=word,
    )
