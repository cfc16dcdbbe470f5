"""Shopify's products as normalized records: as they are listed, and as they are completed.

A detail that cannot be read is null, and is named in the record's `warnings`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.marketplaces.shopify import rows
from orchestrator.marketplaces.shopify.nodes import NO_VARIANT, number, words
from orchestrator.marketplaces.unified.facts import ProductFacts
from orchestrator.marketplaces.unified.products import product_of, weight_of
from orchestrator.marketplaces.values import Details, Instant, id_at, optional_utc, utc
from orchestrator.model.records.record import (
    Attribute,
    Money,
    Option,
    Product,
    ProductStatus,
    Variant,
    Weight,
)

#: The fields that a product has only if it was completed.
DETAIL_FIELDS = (
    *("description", "description_html", "category", "category_id", "image_urls", "tags", "skus", "options"),
    "variants",
)
#: By `status` (shopify.dev, ProductStatus 2026-10).
_STATUS: dict[str, ProductStatus] = {
    "ACTIVE": "active",
    "ARCHIVED": "archived",
    "DRAFT": "draft",
    "UNLISTED": "active",
}
#: Whether it is sold without stock (shopify.dev, ProductVariantInventoryPolicy 2026-10).
_OVERSELL = {"CONTINUE": True, "DENY": False}
_When = Instant | None

product_id = id_at("product", "legacyResourceId", kind=rows.Text)


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A product, priced in the shop's currency; one that was not completed has no variants."""
    priced, details = msgspec.json.decode(raw, type=rows.Priced), Details()
    row = priced.product
    if priced.is_gone:
        for name in DETAIL_FIELDS:
            details.note(name)
    media = details.part("image_urls", row.media, rows.MediaList)
    images = (
        {each.id: each.image.url for each in media.nodes if each.image and each.image.url} if media else {}
    )
    category = details.part("category", row.category, rows.Category)
    variants = row.variants.nodes if row.variants else ()
    facts = ProductFacts(
        id=row.legacy_resource_id,
        title=details.text("title", row.title),
        status=_STATUS.get(row.status, "unknown"),
        marketplace_status=row.status,
        description_html=details.text("description_html", row.description_html),
        brand=details.text("brand", row.vendor),
        product_type=details.text("product_type", row.product_type),
        category=category.full_name if category else None,
        category_id=details.read("category_id", number, category.id) if category else None,
        url=details.text("url", row.online_store_url),
        image_urls=tuple(images.values()),
        tags=words(details, "tags", row.tags),
        options=_options(details, row),
        created_at=details.read("created_at", lambda: optional_utc(msgspec.convert(row.created_at, _When))),
        updated_at=utc(row.updated_at),
        published_at=details.read(
            "published_at", lambda: optional_utc(msgspec.convert(row.published_at, _When))
        ),
        variants=tuple(_variant(details, each, priced.currency, images) for each in variants),
        variants_as_listed=True,
    )
    return product_of(facts, details)


def _options(details: Details, row: rows.ProductRow) -> tuple[Option, ...]:
    """The options of a product; Shopify invents one for a product without any, which is left out."""
    found = details.items("options", row.options, rows.OptionRow) or ()
    return tuple(
        Option(name=each.name, values=tuple(each.values)) for each in found if each.values != [NO_VARIANT]
    )


def _variant(details: Details, row: rows.VariantRow, currency: str, images: Mapping[str, str]) -> Variant:
    title = details.text("variants.title", row.title)
    shown = details.part("variants.image_url", row.media, rows.MediaList)
    item = details.part("variants.inventory_item_id", row.inventory_item, rows.InventoryItem)
    found = Variant(
        id=number(row.id),
        sku=details.text("variants.sku", row.sku),
        barcode=details.text("variants.barcode", row.barcode),
        title=None if title == NO_VARIANT else title,
        options=_selected(details, row),
        price=details.money("variants.price", row.price, currency),
        list_price=details.money("variants.list_price", row.compare_at_price, currency),
        taxable=details.flag("variants.taxable", row.taxable),
        oversell=_oversell(details, row.inventory_policy),
        image_url=next((images[each.id] for each in shown.nodes if each.id in images), None)
        if shown
        else None,
    )
    if item is None:
        return found
    return msgspec.structs.replace(
        found,
        cost=_cost(details, item),
        weight=_weight(details, item),
        requires_shipping=details.flag("variants.requires_shipping", item.requires_shipping),
        tracked=details.flag("variants.tracked", item.tracked),
        inventory_item_id=details.read("variants.inventory_item_id", number, item.id),
    )


def _selected(details: Details, row: rows.VariantRow) -> tuple[Attribute, ...]:
    told = details.items("variants.options", row.selected_options, rows.SelectedOption) or ()
    return tuple(Attribute(name=each.name, value=each.value) for each in told if each.value != NO_VARIANT)


def _oversell(details: Details, policy: object) -> bool | None:
    word = details.text("variants.oversell", policy)
    if word is not None and word not in _OVERSELL:
        details.unknown("variants.oversell", word)
    return _OVERSELL.get(word or "")


def _cost(details: Details, item: rows.InventoryItem) -> Money | None:
    """The cost of one piece; `null` without the permission to see it."""
    told = details.part("variants.cost", item.unit_cost, rows.Amount)
    return details.money("variants.cost", told.amount, told.currency_code) if told else None


def _weight(details: Details, item: rows.InventoryItem) -> Weight | None:
    told = details.part("variants.weight", item.measurement, rows.Measurement)
    weight = told.weight if told else None
    return details.read("variants.weight", weight_of, weight.value, weight.unit) if weight else None
