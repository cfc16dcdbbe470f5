"""WooCommerce's rows as normalized records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.unified.facts import LevelFacts, OrderFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.unified.products import product_of
from orchestrator.marketplaces.unified.statuses import payment_by_amounts
from orchestrator.marketplaces.values import (
    EXACT,
    NO_DETAIL,
    Detail,
    Details,
    Many,
    Number,
    id_at,
    listed,
    money,
    plain_text,
    quantity,
    sum_of,
    utc,
)
from orchestrator.marketplaces.woocommerce.buyers import buyer
from orchestrator.model.record import (
    FulfillmentStatus,
    Money,
    Order,
    OrderLine,
    PaymentStatus,
    Product,
    ProductStatus,
    Quantity,
    StockLevel,
    StockStatus,
    Variant,
)

#: Raw fields that hold personal data; plugins put buyers' own words into `meta_data`.
PERSONAL_FIELDS = frozenset(
    {"billing", "shipping", "customer_note", "customer_ip_address", "customer_user_agent", "meta_data"}
)
#: Stock is kept once for the whole shop.
LOCATION = "shop"

_FULFILLMENT: dict[str, FulfillmentStatus] = {
    "pending": "unfulfilled",
    "on-hold": "unfulfilled",
    "failed": "unfulfilled",
    "processing": "unfulfilled",
    "ready-for-pickup": "unfulfilled",
    "completed": "fulfilled",
    "cancelled": "cancelled",
    "trash": "cancelled",
    "refunded": "unknown",
}
_CANCELLED = frozenset({"cancelled", "trash"})
#: States with which the shop lets the seller ship.
_RELEASED = frozenset({"processing", "ready-for-pickup", "completed"})
_PRODUCT: dict[str, ProductStatus] = {
    "publish": "active",
    "future": "draft",
    "pending": "draft",
    "draft": "draft",
    "private": "inactive",
    "trash": "archived",
}
#: States that WordPress and WooCommerce keep for themselves: such a row is nothing that anybody has saved
#: (woocommerce: src/Enums/OrderStatus.php; WordPress: register_post_status).
INTERNAL_ORDERS = frozenset({"auto-draft", "checkout-draft", "draft", "inherit", "new"})
INTERNAL_PRODUCTS = frozenset({"auto-draft", "importing", "inherit"})
#: Kinds of product that have no stock of their own.
_UNSTOCKED = {"grouped", "external"}
_STOCK_STATUS: dict[str, StockStatus] = {
    "instock": "in_stock",
    "outofstock": "out_of_stock",
    "onbackorder": "on_backorder",
}
#: Words for whether stock is managed, as plugins write them too; `parent` shares the product's stock.
_MANAGED: dict[object, bool] = {
    **dict.fromkeys((True, "yes", "1", "true", "parent"), True),
    **dict.fromkeys((False, None, "no", "0", "false", ""), False),
}


class _Line(msgspec.Struct, kw_only=True):
    id: int
    name: Detail = NO_DETAIL
    product_id: Detail = NO_DETAIL
    variation_id: Detail = NO_DETAIL
    sku: Detail = NO_DETAIL
    quantity: Number
    total: Detail = NO_DETAIL
    #: A number, rounded if the total does not divide evenly.
    price: Detail = NO_DETAIL


class _Refund(msgspec.Struct):
    total: Number


class _Order(msgspec.Struct, kw_only=True):
    id: int
    number: Detail = NO_DETAIL
    status: str
    currency: str
    date_created_gmt: str
    date_modified_gmt: Detail = NO_DETAIL
    total: str
    line_items: Many[_Line]
    refunds: Detail = NO_DETAIL
    billing: Detail = NO_DETAIL
    shipping: Detail = NO_DETAIL


class _Attribute(msgspec.Struct):
    option: str | None = None


class _Variant(msgspec.Struct, kw_only=True):
    id: int
    sku: Detail = NO_DETAIL
    global_unique_id: Detail = NO_DETAIL
    price: Detail = NO_DETAIL
    regular_price: Detail = NO_DETAIL


class _Variation(_Variant, kw_only=True):
    attributes: Detail = NO_DETAIL


class _Product(_Variant, kw_only=True):
    name: Detail = NO_DETAIL
    type: str
    status: str
    variations: Detail = NO_DETAIL
    date_created_gmt: Detail = NO_DETAIL
    date_modified_gmt: Detail = NO_DETAIL


class _Priced(msgspec.Struct):
    """A product with the data that its row lacks; our own format, made by `priced`."""

    currency: str
    product: msgspec.Raw
    variations: list[msgspec.Raw]
    #: Whether the site counts more variations than it has sent.
    is_short: bool = False


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


order_id = id_at("id", kind=int)
product_id = id_at("product", "id", kind=int)


def has_variations(kind: str | None, variations: object) -> bool:
    """Whether a product of this type has variations, with the value of its field of that name.

    Plugins bring types of their own: any type has variations that names some.
    """
    return bool(variations) or (kind or "").startswith("variable")


def priced(
    currency: str, product: bytes, variations: Sequence[msgspec.Raw], *, is_short: bool = False
) -> bytes:
    """A product's row with its variations' rows and the shop's currency."""
    return msgspec.json.encode(_Priced(currency, msgspec.Raw(product), list(variations), is_short))


def below(parent_id: int, variation: msgspec.Raw) -> bytes:
    """A variation's row with its product's id, which the listing leaves out."""
    return msgspec.json.encode(_Below(parent_id, variation))


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; its lines are without tax, its total is with it."""
    row = msgspec.json.decode(raw, type=_Order)
    if row.status in INTERNAL_ORDERS:
        raise RecordInvalid(f"no order: {row.status} is a state that WordPress keeps for itself")
    details = Details()
    charged = money(row.total, row.currency)
    refunded = _refunded(details, row, charged)
    facts = OrderFacts(
        id=str(row.id),
        number=details.text("number", row.number) or str(row.id),
        cancelled=row.status in _CANCELLED,
        payment=_payment(row.status, charged, refunded),
        fulfillment=_FULFILLMENT.get(row.status, "unknown"),
        released=row.status in _RELEASED,
        marketplace_status=row.status,
        total=charged,
        refunded=refunded,
        created_at=_time(row.date_created_gmt),
        updated_at=_moment(details, "updated_at", row.date_modified_gmt),
        lines=tuple(_line(details, line, row.currency) for line in listed(row.line_items)),
        lines_as_listed=True,
        buyer=buyer(details, row.billing, row.shipping) if with_buyer else None,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A product; a product without variations is its own only variant."""
    whole = msgspec.json.decode(raw, type=_Priced)
    row = msgspec.json.decode(whole.product, type=_Product)
    if row.status in INTERNAL_PRODUCTS:
        raise RecordInvalid(f"no product: {row.status} is a state that WordPress keeps for itself")
    details = Details()
    if whole.variations or has_variations(row.type, None):
        rows = [msgspec.json.decode(variation, type=_Variation) for variation in whole.variations]
        variants = [_variant(details, each, whole.currency, _options(details, each)) for each in rows]
    else:
        variants = [_variant(details, row, whole.currency, None)]
    if whole.is_short:
        details.note("variants")
    facts = ProductFacts(
        id=str(row.id),
        title=_title(details, "title", row.name),
        status=_PRODUCT.get(row.status, "unknown"),
        marketplace_status=row.status,
        created_at=_moment(details, "created_at", row.date_created_gmt),
        updated_at=_moment(details, "updated_at", row.date_modified_gmt),
        variants=tuple(variants),
    )
    return product_of(facts, details)


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """The stock of a product or variation; variations that share one stock each show all of it."""
    parent, stock = _unpacked(raw)
    row = msgspec.json.decode(stock, type=_Stock)
    details = Details()
    if row.manage_stock not in _MANAGED:
        raise RecordInvalid("whether stock is managed is not told")
    is_managed = _MANAGED[row.manage_stock] and row.type not in _UNSTOCKED
    word = None if is_managed else details.text("status", row.stock_status)
    facts = LevelFacts(
        id=f"{row.id}@{LOCATION}",
        sku=details.text("sku", row.sku),
        product_id=str(parent or row.parent_id or row.id),
        variant_id=str(row.id),
        location_id=LOCATION,
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


def _payment(word: str, charged: Money, refunded: Money | None) -> PaymentStatus:
    """The state of the payment, as far as the order's state and its refunds tell it."""
    if word == "refunded":
        return "refunded"
    if word not in _FULFILLMENT:
        return "unknown"
    is_cancelled = word in _CANCELLED
    return payment_by_amounts(
        paid=word in _RELEASED, cancelled=is_cancelled, total=charged, refunded=refunded
    )


def _refunded(details: Details, row: _Order, charged: Money) -> Money | None:
    """The sum of an order's refunds, whose amounts are negative."""
    refunds = details.items("refunded", row.refunds, _Refund)
    if refunds is None:
        return None
    # Some versions leave the list of a refunded order empty.
    if not refunds and row.status == "refunded":
        return charged

    def read() -> Money:
        found = sum_of((refund.total for refund in refunds), row.currency)
        return money(Decimal(found.amount).copy_negate(), row.currency)

    return details.read("refunded", read)


def _line(details: Details, line: _Line, currency: str) -> OrderLine:
    charged = details.money("lines.total", line.total, currency)
    pieces = quantity(line.quantity)
    product = _reference(details, "lines.product_id", line.product_id)
    return OrderLine(
        id=str(line.id),
        sku=details.text("lines.sku", line.sku),
        product_id=product,
        variant_id=_reference(details, "lines.variant_id", line.variation_id) or product if product else None,
        title=_title(details, "lines.title", line.name),
        quantity=pieces,
        unit_price=_unit_price(details, line, charged, currency, pieces),
        total=charged,
    )


def _reference(details: Details, name: str, number: Detail) -> str | None:
    """The id of a product or variation; 0 once there is none, or for a product without variations."""
    found = details.text(name, number)
    return None if found == "0" else found


def _unit_price(
    details: Details, line: _Line, charged: Money | None, currency: str, pieces: Quantity
) -> Money | None:
    """The price, unless it is rounded: times quantity it must be the total."""
    unit = details.money("lines.unit_price", line.price, currency)
    if charged is None or unit is None:
        return None
    whole = EXACT.multiply(Decimal(unit.amount), Decimal(pieces))
    return unit if whole == Decimal(charged.amount) else None


def _variant(details: Details, row: _Variant, currency: str, title: str | None) -> Variant:
    price = details.money("variants.price", row.price, currency)
    regular = details.money("variants.list_price", row.regular_price, currency)
    return Variant(
        id=str(row.id),
        sku=details.text("variants.sku", row.sku),
        barcode=details.text("variants.barcode", row.global_unique_id),
        title=title,
        price=price,
        list_price=regular if regular != price else None,
    )


def _options(details: Details, row: _Variation) -> str | None:
    found = details.items("variants.title", row.attributes, _Attribute) or ()
    options = (plain_text(each.option) for each in found if each.option)
    return ", ".join(option for option in options if option) or None


def _title(details: Details, name: str, markup: Detail) -> str | None:
    """A text without the HTML that WordPress keeps in titles."""
    return plain_text(details.text(name, markup) or "") or None


def _time(text: str) -> datetime:
    """A time in the sites' format of UTC: without a suffix."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RecordInvalid("a time is not one") from None
    return utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _moment(details: Details, name: str, text: Detail) -> datetime | None:
    """A time that a record can do without."""
    found = details.text(name, text)
    return details.read(name, lambda: _time(found)) if found is not None else None
