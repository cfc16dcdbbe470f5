"""Shopify's rows as they are decoded.

A detail that a record can be without has any type here: `records` reads it, and names it if it cannot.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from orchestrator.marketplaces.values import NO_DETAIL, Detail, Instant, Number

#: A text that is not empty.
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Row(msgspec.Struct, rename="camel"):
    """Shopify's fields are in camel case; a field that is optional there is optional here."""


class Ref(Row):
    """A node by its global id."""

    id: Text


class Amount(Row):
    """An amount in one currency."""

    amount: str
    currency_code: str


class Bag(Row):
    """An amount in the shop's own currency, and in the buyer's if it is asked for."""

    shop_money: Amount
    presentment_money: Amount | None = None


class InventoryItem(Row, kw_only=True):
    """The part of a variant that stock levels and shipping go by."""

    id: Text
    tracked: Any = None
    requires_shipping: Any = None
    unit_cost: Any = None
    measurement: Any = None


class Measured(Row):
    """A weight and its unit."""

    value: Number
    unit: str


class Measurement(Row):
    """The weight of an inventory item; `null` if it has none."""

    weight: Measured | None = None


class SelectedOption(Row):
    """A variant's value of one option."""

    name: str
    value: str


class OptionRow(Row):
    """An option of a product, with the values that variants have."""

    name: str
    values: list[str]


class Category(Row):
    """A node of Shopify's product taxonomy."""

    id: Text
    full_name: str | None = None


class Image(Row):
    """An image."""

    url: str | None = None


class Media(Row):
    """An image, or a video or model: then without `image`."""

    id: Text
    image: Image | None = None


class MediaList(Row):
    """All media of a product, or the first one of a variant."""

    nodes: list[Media]


class VariantRow(Row, kw_only=True):
    """A variant of a product."""

    id: Text
    sku: Any = None
    barcode: Any = None
    title: Any = None
    price: Any = None
    compare_at_price: Any = None
    taxable: Any = None
    inventory_policy: Any = None
    selected_options: Any = None
    media: Any = None
    inventory_item: Detail = NO_DETAIL


class Variants(Row):
    """All variants of a product."""

    nodes: list[VariantRow]


class ProductRow(Row, kw_only=True):
    """A product."""

    legacy_resource_id: Text
    title: Any = None
    status: str
    vendor: Any = None
    product_type: Any = None
    created_at: Any = None
    updated_at: Instant
    published_at: Any = None
    online_store_url: Any = None
    #: From here on only if it was completed.
    description_html: Any = None
    tags: Any = None
    category: Any = None
    options: Any = None
    media: Any = None
    variants: Variants | None = None


class Priced(Row):
    """A product with the shop's currency; our own format, made by `listings`."""

    currency: str
    product: ProductRow
    #: Whether it was deleted before it could be completed.
    is_gone: bool = False


class SoldAs(Row):
    """The variant of an inventory item."""

    id: Text
    product: Ref | None = None


class SoldAsList(Row):
    """The variants of an inventory item; one, for now."""

    nodes: list[SoldAs]


class Item(Row, kw_only=True):
    """An inventory item."""

    id: Text
    sku: Any = None
    #: Whether Shopify counts its stock; if not, its quantities mean nothing.
    tracked: bool = True
    variants: Any = None
    #: The only one, as older API versions tell it.
    variant: Any = None


class Site(Row):
    """A location."""

    id: Text
    name: Any = None


class Quantity(Row):
    """One of the amounts of a stock level."""

    name: str
    quantity: Any


class Level(Row, kw_only=True):
    """The stock of an item at a location."""

    item: Item
    location: Site
    quantities: list[Quantity]
    updated_at: Instant


class LevelId(Row):
    """The parts of the id of a stock level."""

    item: Ref
    location: Ref
