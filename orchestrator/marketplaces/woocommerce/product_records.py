"""WooCommerce's products as normalized records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from orchestrator.decoding import UNREADABLE, exact
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.unified.facts import ProductFacts
from orchestrator.marketplaces.unified.products import product_of, weight_of
from orchestrator.marketplaces.values import Details, id_at, plain_text
from orchestrator.marketplaces.woocommerce.fields import MANAGED, moment, title
from orchestrator.model.records.record import Attribute, Option, Product, ProductStatus, Variant, Weight

_STATUS: dict[str, ProductStatus] = {
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
#: `shipping` taxes only the shipping (woocommerce: src/Enums/ProductTaxStatus.php).
_TAXABLE = {"taxable": True, "shipping": False, "none": False}
#: Whether it can be bought without stock; `notify` tells the buyer.
_OVERSELL = {"yes": True, "notify": True, "no": False}
_FLAGS: dict[object, bool] = {key: value for key, value in MANAGED.items() if key not in (None, "")}


# Inside of a detail, a value of any JSON form is an `object`.


class _Named(msgspec.Struct, kw_only=True):
    """A category, tag or brand."""

    id: object = None
    name: str | None = None


class _Image(msgspec.Struct):
    src: str | None = None


class _Attribute(msgspec.Struct, kw_only=True):
    """A product's attribute with all its `options`, or a variation's with its own `option`."""

    name: str | None = None
    option: str | None = None
    options: list[str] = []
    #: Whether the variations differ by it.
    variation: object = None


class _Cost(msgspec.Struct):
    total_value: object = None


class _Sold(msgspec.Struct, kw_only=True):
    """The fields of a product that has no variations, and of a variation."""

    id: int
    sku: Annotated[object, str] = None
    global_unique_id: Annotated[object, str] = None
    price: Annotated[object, str] = None
    regular_price: Annotated[object, str] = None
    cost_of_goods_sold: Annotated[object, _Cost] = None
    tax_status: Annotated[object, str] = None
    virtual: object = None
    weight: Annotated[object, str] = None
    manage_stock: object = None
    backorders: Annotated[object, str] = None
    permalink: Annotated[object, str] = None
    attributes: Annotated[object, list[_Attribute]] = None


class _Variation(_Sold, kw_only=True):
    status: Annotated[object, str] = None
    image: Annotated[object, _Image] = None


class _Product(_Sold, kw_only=True):
    name: Annotated[object, str] = None
    type: str
    status: str
    date_created_gmt: Annotated[object, str] = None
    date_modified_gmt: Annotated[object, str] = None
    description: Annotated[object, str] = None
    short_description: Annotated[object, str] = None
    categories: Annotated[object, list[_Named]] = None
    tags: Annotated[object, list[_Named]] = None
    brands: Annotated[object, list[_Named]] = None
    images: Annotated[object, list[_Image]] = None


class _Priced(msgspec.Struct):
    """A product with the data that its row lacks; our own format, made by `priced`."""

    currency: str
    product: msgspec.Raw
    variations: list[msgspec.Raw]
    #: Whether the site counts more variations than it has sent.
    is_short: bool = False
    #: The shop's unit; None if nothing has a weight, or if the site does not tell it.
    weight_unit: str | None = None


class _Whole(msgspec.Struct):
    """The same with its rows."""

    currency: str
    product: _Product
    variations: list[_Variation]
    is_short: bool = False
    weight_unit: str | None = None


class _Weighed(msgspec.Struct):
    weight: object = None


product_id = id_at("product", "id", kind=int)
_rows = Rows(_Whole)


def has_variations(kind: str | None, variations: object) -> bool:
    """Whether a product of this type has variations, with the value of its field of that name.

    Plugins bring types of their own: any type has variations that names some.
    """
    return bool(variations) or (kind or "").startswith("variable")


def is_weighed(rows: Iterable[bytes]) -> bool:
    """Whether a product or variation has a weight, so that its unit is needed."""
    try:
        return any(msgspec.json.decode(row, type=_Weighed).weight not in (None, "") for row in rows)
    except UNREADABLE:
        return False


def priced(
    currency: str,
    product: bytes,
    variations: Sequence[msgspec.Raw],
    *,
    is_short: bool = False,
    weight_unit: str | None = None,
) -> bytes:
    """A product's row with its variations' rows, and with the shop's currency and unit of weight."""
    row = msgspec.Raw(product)
    return msgspec.json.encode(_Priced(currency, row, list(variations), is_short, weight_unit))


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A product; a product without variations is its own only variant."""
    whole = _rows.decode(raw)
    row = whole.product
    if row.status in INTERNAL_PRODUCTS:
        raise RecordInvalid(f"no product: {row.status} is a state that WordPress keeps for itself")
    details = Details()
    if whole.variations or has_variations(row.type, None):
        variants = [_variation(details, each, whole) for each in whole.variations]
    else:
        variants = [_variant(details, row, whole)]
    if whole.is_short:
        details.note("variants")
    category = _first(details, "category", row.categories)
    brand = _first(details, "brand", row.brands)
    images = details.items("image_urls", row.images, _Image) or ()
    facts = ProductFacts(
        id=str(row.id),
        title=title(details, "title", row.name),
        status=_STATUS.get(row.status, "unknown"),
        marketplace_status=row.status,
        description_html=details.text("description_html", row.description)
        or details.text("description_html", row.short_description),
        brand=_name(brand),
        category=_name(category),
        category_id=details.text("category_id", category.id) if category else None,
        url=details.text("url", row.permalink),
        image_urls=tuple(image.src for image in images if image.src),
        tags=tuple(filter(None, map(_name, details.items("tags", row.tags, _Named) or ()))),
        options=_options(details, row),
        created_at=moment(details, "created_at", row.date_created_gmt),
        updated_at=moment(details, "updated_at", row.date_modified_gmt),
        variants=tuple(variants),
    )
    return product_of(facts, details)


def _variation(details: Details, row: _Variation, whole: _Whole) -> Variant:
    """A variation; its title is made of its options."""
    found = details.items("variants.options", row.attributes, _Attribute) or ()
    chosen = [(each.name, plain_text(each.option)) for each in found if each.option]
    status = details.text("variants.status", row.status)
    image = details.part("variants.image_url", row.image, _Image)
    return msgspec.structs.replace(
        _variant(details, row, whole),
        title=", ".join(option for _, option in chosen if option) or None,
        options=tuple(Attribute(name=plain_text(name), value=option) for name, option in chosen if name),
        image_url=image.src if image else None,
        url=details.text("variants.url", row.permalink),
        status=_STATUS.get(status, "unknown") if status else None,
    )


def _variant(details: Details, row: _Sold, whole: _Whole) -> Variant:
    """The fields that a product without variations has as well."""
    price = details.money("variants.price", row.price, whole.currency)
    regular = details.money("variants.list_price", row.regular_price, whole.currency)
    cost = details.part("variants.cost", row.cost_of_goods_sold, _Cost)
    virtual = _flag(details, "variants.requires_shipping", row.virtual)
    tracked = _flag(details, "variants.tracked", row.manage_stock)
    oversell = _word(details, "variants.oversell", row.backorders, _OVERSELL)
    return Variant(
        id=str(row.id),
        sku=details.text("variants.sku", row.sku),
        barcode=details.text("variants.barcode", row.global_unique_id),
        price=price,
        list_price=regular if regular != price else None,
        cost=details.money("variants.cost", cost.total_value, whole.currency) if cost else None,
        weight=_weight(details, row, whole.product, whole.weight_unit),
        taxable=_taxable(details, row, whole.product),
        requires_shipping=None if virtual is None else not virtual,
        tracked=tracked,
        # Without a count the shop decides by `stock_status` alone.
        oversell=None if tracked is False else oversell,
    )


def _weight(details: Details, row: _Sold, parent: _Product, unit: str | None) -> Weight | None:
    """The weight; a variation without one has its product's."""
    name = "variants.weight"
    text = details.text(name, row.weight) or details.text(name, parent.weight)
    if text is None:
        return None
    if unit is None:
        details.note(name)
        return None
    return details.read(name, _weight_of, text, unit)


def _weight_of(text: str, unit: str) -> Weight | None:
    return weight_of(exact(text), unit)


def _taxable(details: Details, row: _Sold, parent: _Product) -> bool | None:
    """Whether tax is due; a variation may leave it to its product."""
    asked = parent if details.text("variants.taxable", row.tax_status) == "parent" else row
    return _word(details, "variants.taxable", asked.tax_status, _TAXABLE)


def _flag(details: Details, name: str, value: object) -> bool | None:
    """A flag in any of the forms that plugins write; None if the site does not tell it."""
    if value is None or value == "":
        return None
    if isinstance(value, bool | str) and value in _FLAGS:
        return _FLAGS[value]
    details.note(name)
    return None


def _word(details: Details, name: str, value: object, words: dict[str, bool]) -> bool | None:
    word = details.text(name, value)
    if word is not None and word not in words:
        details.unknown(name, word)
    return words.get(word or "")


def _first(details: Details, name: str, value: object) -> _Named | None:
    """The first category or brand; a shop names no main one."""
    return next(iter(details.items(name, value, _Named) or ()), None)


def _name(named: _Named | None) -> str | None:
    return (plain_text(named.name) or None) if named and named.name else None


def _options(details: Details, row: _Product) -> tuple[Option, ...]:
    """The attributes that variations differ by; empty if the product names none."""
    found = details.items("options", row.attributes, _Attribute) or ()
    return tuple(
        Option(name=plain_text(each.name), values=tuple(plain_text(value) for value in each.options))
        for each in found
        if each.name and each.variation is True
    )
