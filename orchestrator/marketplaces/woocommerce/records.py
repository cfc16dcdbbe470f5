"""WooCommerce's rows as normalized records."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.unified.facts import LevelFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.products import product_of
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Detail,
    Details,
    Number,
    id_at,
    plain_text,
    quantity,
)
from orchestrator.marketplaces.woocommerce.fields import moment, title
from orchestrator.marketplaces.woocommerce.order_records import order_id
from orchestrator.model.record import (
    Product,
    ProductStatus,
    Quantity,
    StockLevel,
    StockStatus,
    Variant,
)

#: Stock is kept once for the whole shop.
LOCATION = "shop"

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
        title=title(details, "title", row.name),
        status=_PRODUCT.get(row.status, "unknown"),
        marketplace_status=row.status,
        created_at=moment(details, "created_at", row.date_created_gmt),
        updated_at=moment(details, "updated_at", row.date_modified_gmt),
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
