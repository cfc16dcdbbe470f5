"""Takealot's rows, grouped by order or split by location, as normalized records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.values import (
    Id,
    Instant,
    Pieces,
    id_at,
    id_reader,
    money,
    optional_utc,
    sum_of,
    utc,
)
from orchestrator.model.record import (
    Buyer,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    Product,
    ProductStatus,
    StockLevel,
    Variant,
)

#: Raw fields that hold personal data; v1 documents none, the older API names the customer.
PERSONAL_FIELDS = frozenset({"customer", "customer_name", "customer_email", "customer_phone"})
_CURRENCY = "ZAR"

#: Parts of a sale's free-text status with their meaning, in the order of the search.
_SALE: tuple[tuple[str, OrderStatus], ...] = (
    ("cancel", "cancelled"),
    ("refund", "refunded"),
    ("return", "returned"),
    ("shipped", "fulfilled"),
    ("deliver", "fulfilled"),
    ("collected", "fulfilled"),
    ("complete", "fulfilled"),
    ("unpaid", "pending"),
    ("pending", "pending"),
    ("prepar", "open"),
    ("confirm", "open"),
    ("ready", "open"),
    ("transit", "open"),
    ("new", "open"),
)
_OFFER: dict[str, ProductStatus] = {
    "buyable": "active",
    "not_buyable": "inactive",
    "disabled_by_seller": "inactive",
    "disabled_by_takealot": "inactive",
}


class Sale(msgspec.Struct, kw_only=True):
    """A row of the sales: one item of an order."""

    order_item_id: Id
    order_id: Id
    order_date: Instant
    sale_status: str
    offer_id: Id | None = None
    sku: str | None = None
    product_title: str | None = None
    selling_price: Decimal | None = None
    quantity: Pieces


class _OrderId(msgspec.Struct):
    order_id: Id


class _SaleIds(_OrderId):
    order_item_id: Id


class Offer(msgspec.Struct, kw_only=True):
    """An offer, as far as both APIs write it alike."""

    offer_id: Id
    sku: str | None = None
    barcode: str | None = None
    title: str | None = None
    selling_price: Decimal | None = None
    rrp: Decimal | None = None
    status: str


class _DatedOffer(Offer, kw_only=True):
    created_at: Instant | None = None
    updated_at: Instant | None = None


class Share(msgspec.Struct, kw_only=True):
    """The offer that a stock level belongs to."""

    offer_id: Id
    sku: str | None = None


class _OfferStock(Share, kw_only=True):
    seller_warehouse_stock: list[msgspec.Raw] | None = None
    takealot_warehouse_stock: list[msgspec.Raw] | None = None


class _SellerStock(msgspec.Struct, kw_only=True):
    seller_warehouse_id: Id
    quantity_available: Pieces


class _RegionStock(msgspec.Struct, kw_only=True):
    region: str
    quantity_available: Pieces
    stock_on_way: Pieces = 0
    stock_in_receiving: Pieces = 0


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


def order(raw: bytes, with_buyer: bool) -> Order:  # noqa: ARG001 - sales name no buyer
    """An order from its items; its total is their sum."""
    return order_of(msgspec.json.decode(raw, type=list[Sale]))


def order_of(items: Sequence[Sale], buyer: Buyer | None = None) -> Order:
    """An order from its items; its total is their sum.

    Raises:
        RecordInvalid: There are none.
    """
    if not items:
        raise RecordInvalid("an order without items")
    lines = tuple(_line(item) for item in items)
    prices = [item.selling_price for item in items]
    known = [price for price in prices if price is not None]
    order_id = str(items[0].order_id)
    return Order(
        id=order_id,
        number=order_id,
        status=_order_status({_sale_status(item.sale_status) for item in items}),
        marketplace_status=", ".join(sorted({item.sale_status for item in items})),
        total=sum_of(known, _CURRENCY) if len(known) == len(prices) else None,
        created_at=min(utc(item.order_date) for item in items),
        lines=lines,
        buyer=buyer,
    )


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An offer is a product with one variant."""
    row = msgspec.json.decode(raw, type=_DatedOffer)
    return product_of(row, row.status, optional_utc(row.created_at), optional_utc(row.updated_at))


def product_of(
    row: Offer, status: str, created_at: datetime | None = None, updated_at: datetime | None = None
) -> Product:
    """An offer as a product; `status` is its status in v1's spelling."""
    offer_id = str(row.offer_id)
    variant = Variant(
        id=offer_id,
        sku=row.sku or None,
        barcode=row.barcode or None,
        price=_rand(row.selling_price),
        list_price=_rand(row.rrp),
    )
    return Product(
        id=offer_id,
        title=row.title,
        status=_OFFER.get(status, "unknown"),
        marketplace_status=row.status,
        created_at=created_at,
        updated_at=updated_at,
        variants=(variant,),
    )


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """An offer's stock in one warehouse or region; an offer that came without its stock is not a level."""
    row = msgspec.json.decode(raw, type=_Level)
    if row.holder == "seller":
        own = msgspec.json.decode(row.stock, type=_SellerStock)
        return level_of(row, str(own.seller_warehouse_id), None, own.quantity_available, None)
    stock = msgspec.json.decode(row.stock, type=_RegionStock)
    incoming = stock.stock_on_way + stock.stock_in_receiving
    return level_of(row, stock.region, stock.region, stock.quantity_available, incoming)


def level_of(
    row: Share, location: str, location_name: str | None, available: int, incoming: int | None
) -> StockLevel:
    """The stock of an offer at one location."""
    offer_id = str(row.offer_id)
    return StockLevel(
        id=f"{offer_id}@{location}",
        sku=row.sku or None,
        product_id=offer_id,
        variant_id=offer_id,
        location_id=location,
        location_name=location_name,
        available=available,
        incoming=incoming,
    )


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


def _line(item: Sale) -> OrderLine:
    total = _rand(item.selling_price)
    return OrderLine(
        id=str(item.order_item_id),
        sku=item.sku or None,
        product_id=None if item.offer_id is None else str(item.offer_id),
        variant_id=None if item.offer_id is None else str(item.offer_id),
        title=item.product_title,
        quantity=item.quantity,
        unit_price=total if item.quantity == 1 else None,
        total=total,
        marketplace_status=item.sale_status,
    )


def _sale_status(word: str) -> OrderStatus:
    lowered = word.lower()
    return next((status for part, status in _SALE if part in lowered), "unknown")


def _order_status(statuses: set[OrderStatus]) -> OrderStatus:
    """One status for all items: a cancelled item counts only if all are cancelled."""
    left = statuses - {"cancelled"} or {"cancelled"}
    if len(left) == 1:
        return left.pop()
    if "unknown" in left:
        return "unknown"
    if "fulfilled" in left:
        return "partially_fulfilled" if left & {"open", "pending"} else "fulfilled"
    return "open" if "open" in left else "pending" if "pending" in left else "returned"
