"""Shopify's rows as they are decoded.

A detail that a record can be without has any type here: `records` reads it, and names it if it cannot.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from orchestrator.marketplaces.values import Instant

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


class VariantRow(Row, kw_only=True):
    """A variant of a product."""

    id: Text
    sku: Any = None
    barcode: Any = None
    title: Any = None
    price: Any = None
    compare_at_price: Any = None


class Variants(Row):
    """All variants of a product."""

    nodes: list[VariantRow]


class ProductRow(Row, kw_only=True):
    """A product."""

    legacy_resource_id: Text
    title: Any = None
    status: str
    created_at: Any = None
    updated_at: Instant
    variants: Variants


class Priced(Row):
    """A product with the shop's currency; our own format, made by `listings`."""

    currency: str
    product: ProductRow


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
