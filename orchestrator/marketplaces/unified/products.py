"""From the facts of a product to its record."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.unified.barcodes import barcodes_of
from orchestrator.marketplaces.unified.facts import ProductFacts
from orchestrator.marketplaces.unified.texts import (
    DESCRIPTION,
    IMAGES,
    OPTIONS,
    TAGS,
    Texts,
    text_of_html,
)
from orchestrator.marketplaces.values import Details, Number, quantity
from orchestrator.model.records.record import Option, Product, Variant, Weight, WeightUnit

_UNITS: dict[str, WeightUnit] = {
    **dict.fromkeys(("g", "gram", "grams"), "g"),
    **dict.fromkeys(("kg", "kgs", "kilogram", "kilograms"), "kg"),
    **dict.fromkeys(("oz", "ounce", "ounces"), "oz"),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), "lb"),
}


def product_of(facts: ProductFacts, details: Details) -> Product:
    """The record of a product: its SKUs, options and plain text follow from the facts.

    Args:
        facts: The product as its marketplace tells it.
        details: The reader of the facts.

    Raises:
        RecordInvalid: A SKU is too long.
    """
    texts = Texts()
    variants = [_variant(texts, variant) for variant in facts.variants]
    if not facts.variants_as_listed:
        variants.sort(key=lambda variant: (len(variant.id), variant.id))
    described = facts.description or text_of_html(facts.description_html or "")
    return Product(
        id=facts.id,
        title=texts.text("title", facts.title),
        status=facts.status,
        marketplace_status=texts.text("marketplace_status", facts.marketplace_status) or "",
        description=texts.text("description", described, DESCRIPTION),
        description_html=texts.html("description_html", facts.description_html),
        brand=texts.text("brand", facts.brand),
        product_type=texts.text("product_type", facts.product_type),
        category=texts.text("category", facts.category),
        category_id=texts.text("category_id", facts.category_id),
        url=texts.url("url", facts.url),
        image_urls=texts.urls("image_urls", facts.image_urls, IMAGES),
        tags=texts.words("tags", facts.tags, TAGS),
        skus=texts.skus(variant.sku for variant in variants),
        options=_options(texts, facts.options or _told_by(variants)),
        parent_id=facts.parent_id,
        asin=facts.asin,
        created_at=facts.created_at,
        updated_at=facts.updated_at,
        published_at=facts.published_at,
        variants=tuple(variants),
        truncated=texts.truncated,
        warnings=details.warnings,
    )


def weight_of(value: Number, unit: str) -> Weight | None:
    """A weight; None for 0, with which shops say that it is not set.

    Raises:
        RecordInvalid: It is not a number of reasonable size, or the unit is not known.
    """
    known = _UNITS.get(unit.strip().lower())
    if known is None:
        raise RecordInvalid("a unit of weight is not known")
    number = quantity(value)
    return Weight(value=str(number), unit=known) if Decimal(number) > 0 else None


def _variant(texts: Texts, variant: Variant) -> Variant:
    barcodes = variant.barcodes or barcodes_of([variant.barcode])
    return msgspec.structs.replace(
        variant,
        sku=texts.sku(variant.sku),
        barcode=barcodes[0].value if barcodes else None,
        barcodes=barcodes,
        title=texts.text("variants.title", variant.title),
        options=texts.attributes("variants.options", variant.options),
        condition=texts.text("variants.condition", variant.condition),
        image_url=texts.url("variants.image_url", variant.image_url),
        url=texts.url("variants.url", variant.url),
    )


def _told_by(variants: Iterable[Variant]) -> list[Option]:
    """The options that the variants have, and their values in the order of the variants."""
    found: dict[str, dict[str, None]] = {}
    for variant in variants:
        for option in variant.options:
            found.setdefault(option.name, {})[option.value] = None
    return [Option(name=name, values=tuple(values)) for name, values in found.items()]


def _options(texts: Texts, options: Iterable[Option]) -> tuple[Option, ...]:
    found = [
        Option(name=name, values=texts.listed("options", option.values, OPTIONS))
        for option in options
        if (name := texts.text("options", option.name))
    ]
    return texts.first("options", found, OPTIONS)
