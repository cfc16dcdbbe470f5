"""WooCommerce's rows as normalized records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.values import (
    EXACT,
    Pieces,
    id_at,
    joined,
    money,
    sum_of,
    utc,
    whole_number,
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

#: Raw fields that hold personal data; plugins put buyers' own words into `meta_data`.
PERSONAL_FIELDS = frozenset(
    {"billing", "shipping", "customer_note", "customer_ip_address", "customer_user_agent", "meta_data"}
)
#: Stock is kept once for the whole shop.
LOCATION = "shop"

_ORDER: dict[str, OrderStatus] = {
    "pending": "pending",
    "on-hold": "pending",
    "failed": "pending",
    "checkout-draft": "pending",
    "processing": "open",
    "completed": "fulfilled",
    "cancelled": "cancelled",
    "trash": "cancelled",
    "refunded": "refunded",
}
_PRODUCT: dict[str, ProductStatus] = {
    "publish": "active",
    "future": "draft",
    "pending": "draft",
    "draft": "draft",
    "private": "inactive",
    "trash": "archived",
}
#: Kinds of product that have no stock of their own.
_UNSTOCKED = {"grouped", "external"}


class _Line(msgspec.Struct, kw_only=True):
    id: int
    name: str | None = None
    product_id: int | None = None
    variation_id: int | None = None
    sku: str | None = None
    quantity: Pieces
    total: str | None = None
    #: A number, rounded if the total does not divide evenly.
    price: Decimal | None = None


class _Refund(msgspec.Struct):
    total: str


class _Address(msgspec.Struct):
    first_name: str | None = None
    last_name: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    state: str | None = None
    postcode: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None


class _Order(msgspec.Struct, kw_only=True):
    id: int
    number: str | None = None
    status: str
    currency: str
    date_created_gmt: str
    date_modified_gmt: str | None = None
    total: str
    line_items: list[_Line]
    refunds: list[_Refund] | None = None
    billing: _Address | None = None
    shipping: _Address | None = None


class _Attribute(msgspec.Struct):
    option: str | None = None


class _Variant(msgspec.Struct, kw_only=True):
    id: int
    sku: str | None = None
    global_unique_id: str | None = None
    price: str | None = None
    regular_price: str | None = None


class _Variation(_Variant, kw_only=True):
    attributes: list[_Attribute] | None = None


class _Product(_Variant, kw_only=True):
    name: str | None = None
    type: str
    status: str
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None


class _Priced(msgspec.Struct):
    """A product with the data that its row lacks; our own format, made by `priced`."""

    currency: str
    product: msgspec.Raw
    variations: list[msgspec.Raw]


class _Stock(msgspec.Struct, kw_only=True):
    id: int
    sku: str | None = None
    #: A variation's product; 0 or absent for a product itself.
    parent_id: int | None = None
    type: str | None = None
    #: `parent` if a variation shares its product's stock.
    manage_stock: bool | Literal["parent"] = False
    stock_quantity: Pieces | Decimal | None = None


class _Below(msgspec.Struct):
    """A variation with its product's id; our own format, made by `below`."""

    parent_id: int
    variation: msgspec.Raw


order_id = id_at("id", kind=int)
product_id = id_at("product", "id", kind=int)


def priced(currency: str, product: bytes, variations: Sequence[msgspec.Raw]) -> bytes:
    """A product's row with its variations' rows and the shop's currency."""
    return msgspec.json.encode(_Priced(currency, msgspec.Raw(product), list(variations)))


def below(parent_id: int, variation: msgspec.Raw) -> bytes:
    """A variation's row with its product's id, which the listing leaves out."""
    return msgspec.json.encode(_Below(parent_id, variation))


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; its lines are without tax, its total is with it."""
    row = msgspec.json.decode(raw, type=_Order)
    charged = money(row.total, row.currency)
    # Amounts of refunds are negative. Some versions leave the list of a refunded order empty.
    refunds = sum_of((refund.total for refund in row.refunds or ()), row.currency)
    refunded = money(Decimal(refunds.amount).copy_negate(), row.currency)
    if not row.refunds and row.status == "refunded":
        refunded = charged
    return Order(
        id=str(row.id),
        number=row.number or str(row.id),
        status=_ORDER.get(row.status, "unknown"),
        marketplace_status=row.status,
        total=charged,
        refunded=refunded,
        created_at=_time(row.date_created_gmt),
        updated_at=_optional_time(row.date_modified_gmt),
        lines=tuple(_line(line, row.currency) for line in row.line_items),
        buyer=_buyer(row) if with_buyer else None,
    )


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A product; a product that is not variable is its own only variant."""
    whole = msgspec.json.decode(raw, type=_Priced)
    row = msgspec.json.decode(whole.product, type=_Product)
    if row.type == "variable":
        rows = [msgspec.json.decode(variation, type=_Variation) for variation in whole.variations]
        variants = [_variant(each, whole.currency, _options(each)) for each in rows]
    else:
        variants = [_variant(row, whole.currency, None)]
    return Product(
        id=str(row.id),
        title=row.name or None,
        status=_PRODUCT.get(row.status, "unknown"),
        marketplace_status=row.status,
        created_at=_optional_time(row.date_created_gmt),
        updated_at=_optional_time(row.date_modified_gmt),
        variants=tuple(sorted(variants, key=lambda variant: int(variant.id))),
    )


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """The stock of a product or variation; variations that share one stock each show all of it."""
    parent, stock = _unpacked(raw)
    row = msgspec.json.decode(stock, type=_Stock)
    if row.type in _UNSTOCKED:
        row.manage_stock = False
    parent = parent or row.parent_id or row.id
    quantity = row.stock_quantity if row.manage_stock else None
    if quantity is not None:
        quantity = whole_number(quantity)
    return StockLevel(
        id=f"{row.id}@{LOCATION}",
        sku=row.sku or None,
        product_id=str(parent),
        variant_id=str(row.id),
        location_id=LOCATION,
        available=quantity,
    )


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


def _line(line: _Line, currency: str) -> OrderLine:
    charged = _optional_money(line.total, currency)
    return OrderLine(
        id=str(line.id),
        sku=line.sku or None,
        # 0 once there is no such product, or for a product without variations.
        product_id=str(line.product_id) if line.product_id else None,
        variant_id=str(line.variation_id or line.product_id) if line.product_id else None,
        title=line.name or None,
        quantity=line.quantity,
        unit_price=_unit_price(line, charged, currency),
        total=charged,
    )


def _unit_price(line: _Line, charged: Money | None, currency: str) -> Money | None:
    """The price, unless it is rounded: times quantity it must be the total."""
    if charged is None or line.price is None:
        return None
    try:
        unit = money(line.price, currency)
    except RecordInvalid:
        return None
    return unit if EXACT.multiply(Decimal(unit.amount), line.quantity) == Decimal(charged.amount) else None


def _variant(row: _Variant, currency: str, title: str | None) -> Variant:
    regular = row.regular_price if row.regular_price != row.price else None
    return Variant(
        id=str(row.id),
        sku=row.sku or None,
        barcode=row.global_unique_id or None,
        title=title,
        price=_optional_money(row.price, currency),
        list_price=_optional_money(regular, currency),
    )


def _options(row: _Variation) -> str | None:
    return ", ".join(each.option for each in row.attributes or () if each.option) or None


def _optional_money(amount: str | None, currency: str) -> Money | None:
    """The amount as money; null and an empty text mean that there is none."""
    return money(amount, currency) if amount else None


def _time(text: str) -> datetime:
    """A time in the sites' format of UTC: without a suffix."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RecordInvalid("a time is not one") from None
    return utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _optional_time(text: str | None) -> datetime | None:
    return _time(text) if text else None


def _buyer(row: _Order) -> Buyer:
    """The payer, and the shipping address, or the billing address if there is no other."""
    billing, shipping = row.billing or _Address(), row.shipping or _Address()
    address = shipping if shipping.address_1 or shipping.city or shipping.postcode else billing
    return Buyer(
        name=" ".join(part for part in (billing.first_name, billing.last_name) if part) or None,
        email=billing.email or None,
        phone=billing.phone or shipping.phone or None,
        street=joined(address.address_1, address.address_2),
        city=address.city or None,
        region=address.state or None,
        postal_code=address.postcode or None,
        country=address.country or None,
    )
