"""Shopify's rows as normalized records."""

from __future__ import annotations

from typing import Annotated

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.values import (
    Instant,
    Pieces,
    id_at,
    id_reader,
    joined,
    money,
    optional_utc,
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

#: Raw fields that hold personal data.
PERSONAL_FIELDS = frozenset({"email", "phone", "customer", "shippingAddress", "billingAddress", "note"})

_FULFILLMENT: dict[str, OrderStatus] = {
    "FULFILLED": "fulfilled",
    "PARTIALLY_FULFILLED": "partially_fulfilled",
    "UNFULFILLED": "open",
    "OPEN": "open",
    "IN_PROGRESS": "open",
    "ON_HOLD": "open",
    "SCHEDULED": "open",
    "PENDING_FULFILLMENT": "open",
    "REQUEST_DECLINED": "open",
    "RESTOCKED": "returned",
}
#: Not paid yet: open orders are pending.
_UNPAID = {"PENDING", "AUTHORIZED", "EXPIRED", None}
_PRODUCT: dict[str, ProductStatus] = {
    "ACTIVE": "active",
    "ARCHIVED": "archived",
    "DRAFT": "draft",
    "UNLISTED": "active",
}

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Row(msgspec.Struct, rename="camel"):
    """Shopify's fields are in camel case; a field that is optional there is optional here."""


class _Ref(_Row):
    id: _Text


class _Amount(_Row):
    amount: str
    currency_code: str


class _Bag(_Row):
    shop_money: _Amount


class _Line(_Row, kw_only=True):
    id: _Text
    sku: str | None = None
    title: str | None = None
    quantity: Pieces
    variant: _Ref | None = None
    product: _Ref | None = None
    original_unit_price_set: _Bag | None = None
    discounted_total_set: _Bag | None = None


class _Lines(_Row):
    nodes: list[_Line]


class _Customer(_Row):
    display_name: str | None = None


class _Address(_Row):
    name: str | None = None
    phone: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    zip: str | None = None
    country_code: str | None = msgspec.field(default=None, name="countryCodeV2")


class _Order(_Row, kw_only=True):
    legacy_resource_id: _Text
    name: str
    created_at: Instant
    updated_at: Instant
    cancelled_at: Instant | None = None
    test: bool = False
    display_financial_status: str | None = None
    display_fulfillment_status: str | None = None
    current_total_price_set: _Bag | None = None
    total_refunded_set: _Bag | None = None
    line_items: _Lines
    email: str | None = None
    phone: str | None = None
    customer: _Customer | None = None
    shipping_address: _Address | None = None


class _Variant(_Row, kw_only=True):
    id: _Text
    sku: str | None = None
    barcode: str | None = None
    title: str | None = None
    price: str | None = None
    compare_at_price: str | None = None


class _Variants(_Row):
    nodes: list[_Variant]


class _Product(_Row, kw_only=True):
    legacy_resource_id: _Text
    title: str | None = None
    status: str
    created_at: Instant | None = None
    updated_at: Instant
    variants: _Variants


class _Priced(_Row):
    currency: str
    product: _Product


class _Item(_Row):
    id: _Text
    sku: str | None = None


class _Site(_Row):
    id: _Text
    name: str | None = None


class _Quantity(_Row):
    name: str
    quantity: Pieces


class _Level(_Row, kw_only=True):
    item: _Item
    location: _Site
    quantities: list[_Quantity]
    updated_at: Instant


class _LevelId(_Row):
    item: _Ref
    location: _Ref


order_id = id_at("legacyResourceId", kind=_Text)
product_id = id_at("product", "legacyResourceId", kind=_Text)


def number(gid: str) -> str:
    """The number at the end of a global id such as `gid://shopify/Order/6023419910411`."""
    tail = gid.partition("?")[0].rpartition("/")[2]
    if not tail:
        raise RecordInvalid("an id is not a Shopify global id")
    return tail


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; amounts are in the shop's own currency."""
    row = msgspec.json.decode(raw, type=_Order)
    financial, fulfillment = row.display_financial_status, row.display_fulfillment_status
    return Order(
        id=row.legacy_resource_id,
        number=row.name,
        status=_order_status(row),
        marketplace_status="/".join(word for word in (financial, fulfillment) if word) or "none",
        total=_shop_money(row.current_total_price_set),
        refunded=_shop_money(row.total_refunded_set),
        created_at=utc(row.created_at),
        updated_at=utc(row.updated_at),
        cancelled_at=optional_utc(row.cancelled_at),
        test=row.test,
        lines=tuple(_line(line) for line in row.line_items.nodes),
        buyer=_buyer(row) if with_buyer else None,
    )


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A product with its variants, priced in the shop's currency."""
    priced = msgspec.json.decode(raw, type=_Priced)
    row = priced.product
    return Product(
        id=row.legacy_resource_id,
        title=row.title,
        status=_PRODUCT.get(row.status, "unknown"),
        marketplace_status=row.status,
        created_at=optional_utc(row.created_at),
        updated_at=utc(row.updated_at),
        variants=tuple(_variant(variant, priced.currency) for variant in row.variants.nodes),
    )


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """The stock of one item at one location."""
    row = msgspec.json.decode(raw, type=_Level)
    amounts = {quantity.name: quantity.quantity for quantity in row.quantities}
    return StockLevel(
        id=_level_id(row),
        sku=row.item.sku or None,
        location_id=number(row.location.id),
        location_name=row.location.name,
        available=amounts.get("available"),
        on_hand=amounts.get("on_hand"),
        committed=amounts.get("committed"),
        incoming=amounts.get("incoming"),
        reserved=amounts.get("reserved"),
        updated_at=utc(row.updated_at),
    )


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id."""
    return _level_id(msgspec.json.decode(raw, type=_LevelId))


def _level_id(row: _LevelId | _Level) -> str:
    return f"{number(row.item.id)}@{number(row.location.id)}"


def _order_status(row: _Order) -> OrderStatus:
    if row.cancelled_at is not None:
        return "cancelled"
    if row.display_financial_status == "REFUNDED":
        return "refunded"
    status = _FULFILLMENT.get(row.display_fulfillment_status or "", "unknown")
    return "pending" if status == "open" and row.display_financial_status in _UNPAID else status


def _line(line: _Line) -> OrderLine:
    return OrderLine(
        id=number(line.id),
        sku=line.sku or None,
        # None once the product or variant is deleted.
        product_id=number(line.product.id) if line.product else None,
        variant_id=number(line.variant.id) if line.variant else None,
        title=line.title,
        quantity=line.quantity,
        unit_price=_shop_money(line.original_unit_price_set),
        total=_shop_money(line.discounted_total_set),
    )


def _variant(variant: _Variant, currency: str) -> Variant:
    return Variant(
        id=number(variant.id),
        sku=variant.sku or None,
        barcode=variant.barcode or None,
        title=variant.title,
        price=None if variant.price is None else money(variant.price, currency),
        list_price=None if variant.compare_at_price is None else money(variant.compare_at_price, currency),
    )


def _shop_money(bag: _Bag | None) -> Money | None:
    return None if bag is None else money(bag.shop_money.amount, bag.shop_money.currency_code)


def _buyer(row: _Order) -> Buyer:
    address = row.shipping_address or _Address()
    return Buyer(
        name=(row.customer and row.customer.display_name) or address.name,
        email=row.email,
        phone=row.phone or address.phone,
        street=joined(address.address1, address.address2),
        city=address.city,
        region=address.province,
        postal_code=address.zip,
        country=address.country_code,
    )
