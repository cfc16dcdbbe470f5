"""Shopify's products as records: each mapped field, each word, and what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.shopify import product_records
from orchestrator.marketplaces.shopify.mapping import MAPPING
from orchestrator.model.records.record import Attribute, Barcode, Money, Option, Product, Variant, Weight
from tests.marketplaces.conformance.record_rules import fields_agree
from tests.marketplaces.filled import filled
from tests.marketplaces.shopify.answers import SHOPIFY
from tests.support.scripted import read, sandbox

AT = "2026-11-23T06:02:41Z"
THIN: dict[str, Any] = {
    "id": "gid://shopify/Product/5",
    "legacyResourceId": "5",
    "title": "Mug",
    "status": "ACTIVE",
    "vendor": "Karoo Clay",
    "productType": "Kitchen",
    "createdAt": "2026-11-01T08:00:00Z",
    "updatedAt": AT,
    "publishedAt": "2026-11-02T08:00:00Z",
    "onlineStoreUrl": "https://shop.example.com/products/mug",
    "variantsCount": {"count": 1},
}
ITEM: dict[str, Any] = {
    "id": "gid://shopify/InventoryItem/70",
    "tracked": True,
    "requiresShipping": True,
    "unitCost": {"amount": "60.5", "currencyCode": "USD"},
    "measurement": {"weight": {"value": 0.35, "unit": "KILOGRAMS"}},
}
VARIANT: dict[str, Any] = {
    "id": "gid://shopify/ProductVariant/7",
    "sku": "MUG-BLU",
    "barcode": "4006381333931",
    "title": "Blue",
    "price": "100.5",
    "compareAtPrice": "120",
    "taxable": True,
    "inventoryPolicy": "CONTINUE",
    "selectedOptions": [{"name": "Colour", "value": "Blue"}],
    "media": {"nodes": [{"id": "gid://shopify/MediaImage/2"}]},
    "inventoryItem": ITEM,
}
WHOLE: dict[str, Any] = {
    **THIN,
    "descriptionHtml": "<p>By hand.</p><script>alert(1)</script>",
    "tags": ["b", "a", "b"],
    "category": {"id": "gid://shopify/TaxonomyCategory/hg-11-10", "fullName": "Home > Tableware"},
    "options": [{"name": "Colour", "values": ["Blue", "Red"]}],
    "media": {
        "nodes": [
            {"id": "gid://shopify/Video/9"},
            {"id": "gid://shopify/MediaImage/1", "image": {"url": "https://cdn.example.com/1.jpg"}},
            {"id": "gid://shopify/MediaImage/2", "image": {"url": "https://cdn.example.com/2.jpg"}},
            {"id": "gid://shopify/MediaImage/3", "image": None},
        ]
    },
    "variants": {"nodes": [VARIANT]},
}


def product(row: dict[str, Any], **beside: Any) -> Product:
    """The record of a row."""
    return product_records.product(msgspec.json.encode({"currency": "ZAR", "product": row, **beside}), False)


def variant(**changes: Any) -> Product:
    """The product, with one thing about its variant changed."""
    return product({**WHOLE, "variants": {"nodes": [{**VARIANT, **changes}]}})


@pytest.fixture(scope="module")
def products() -> Iterator[list[Product]]:
    """Whole products of the sandbox."""
    with sandbox("shopify", orders=1, products=120) as running:
        found = read(SHOPIFY, running.session(), "products", whole=True).records.values()
        yield [each for each in found if isinstance(each, Product)]


@pytest.mark.parametrize("field", sorted(name for name in MAPPING if name.startswith("products.")))
def test_every_mapped_field_is_filled(field: str, products: list[Product]) -> None:
    """By some product of the sandbox."""
    assert field in filled(products)


def test_no_other_field_is_filled(products: list[Product]) -> None:
    """The mapping names all of them, beside those that follow from others."""
    derived = {"products.skus", "products.description", "products.variants.barcodes"}
    parts = ("weight.", "price.", "cost.", "options.", "barcodes.")
    told = {path for path in filled(products) if not any(part in path for part in parts)}

    assert told - MAPPING.keys() == derived


def test_whole_products_keep_the_rules(products: list[Product]) -> None:
    """Nothing of the sandbox's is unreadable or cut; images of variants are the product's."""
    for record in products:
        fields_agree(record)
        assert (record.warnings, record.truncated) == ((), ())
        shown = {each.image_url for each in record.variants if each.image_url}
        assert shown <= set(record.image_urls)
        assert "alert" not in (record.description or "")
    assert any(each.image_url for record in products for each in record.variants)
    assert max(len(record.image_urls) for record in products) > 5


def test_every_field_of_a_product() -> None:
    """As the table of fields says."""
    assert product(WHOLE) == Product(
        id="5",
        title="Mug",
        status="active",
        marketplace_status="ACTIVE",
        description="By hand.",
        description_html="<p>By hand.</p><script>alert(1)</script>",
        brand="Karoo Clay",
        product_type="Kitchen",
        category="Home > Tableware",
        category_id="hg-11-10",
        url="https://shop.example.com/products/mug",
        image_urls=("https://cdn.example.com/1.jpg", "https://cdn.example.com/2.jpg"),
        tags=("a", "b"),
        skus=("MUG-BLU",),
        options=(Option(name="Colour", values=("Blue", "Red")),),
        created_at=datetime(2026, 11, 1, 8, tzinfo=UTC),
        updated_at=datetime(2026, 11, 23, 6, 2, 41, tzinfo=UTC),
        published_at=datetime(2026, 11, 2, 8, tzinfo=UTC),
        variants=(
            Variant(
                id="7",
                sku="MUG-BLU",
                barcode="4006381333931",
                barcodes=(Barcode(kind="ean", value="4006381333931"),),
                title="Blue",
                options=(Attribute(name="Colour", value="Blue"),),
                price=Money("100.50", "ZAR"),
                list_price=Money("120.00", "ZAR"),
                cost=Money("60.50", "USD"),
                weight=Weight(value="0.35", unit="kg"),
                taxable=True,
                requires_shipping=True,
                tracked=True,
                oversell=True,
                image_url="https://cdn.example.com/2.jpg",
                inventory_item_id="70",
            ),
        ),
    )


def test_a_product_as_it_is_listed_has_no_variants_and_is_no_reject() -> None:
    """Its title, status and brand are known: a product without its details is honest about the rest."""
    found = product(THIN)

    assert (found.title, found.status, found.brand, found.url) == (
        *("Mug", "active", "Karoo Clay", "https://shop.example.com/products/mug"),
    )
    assert (found.variants, found.skus, found.image_urls, found.warnings) == ((), (), (), ())
    assert product(THIN, isGone=True).warnings == product_records.DETAIL_FIELDS


def test_a_listed_product_differs_whenever_its_modification_time_does() -> None:
    """The digest remembers the listed form alone."""
    later = {**THIN, "updatedAt": "2026-11-23T06:02:42Z"}

    assert msgspec.json.encode(product(later)) != msgspec.json.encode(product(THIN))


def test_the_fields_of_the_second_stage_are_named() -> None:
    """All those that a listed product lacks, and no others."""
    thin, whole = product(THIN), product(WHOLE)
    lacking = {name for name in Product.__struct_fields__ if getattr(whole, name) and not getattr(thin, name)}

    assert set(product_records.DETAIL_FIELDS) == lacking


def test_nulls_are_none_without_a_warning() -> None:
    """Whatever Shopify may leave out; also all that it never did so far."""
    nothing = dict.fromkeys([*WHOLE, "variants"])
    row = {**nothing, **{name: THIN[name] for name in ("id", "legacyResourceId", "status", "updatedAt")}}
    bare = {**dict.fromkeys(VARIANT), "id": VARIANT["id"]}
    item = {**dict.fromkeys(ITEM), "id": ITEM["id"]}
    media = {"nodes": [{"id": "gid://shopify/MediaImage/1"}]}
    found = product(row)

    assert (found.title, found.variants, found.warnings) == (None, (), ())
    assert product({**row, "variants": {"nodes": [bare]}}).variants == (Variant(id="7"),)
    told = product({**row, "media": media, "variants": {"nodes": [{**bare, "inventoryItem": item}]}})
    assert (told.variants, told.warnings) == ((Variant(id="7", inventory_item_id="70"),), ())


def test_a_product_without_options_has_none() -> None:
    """Shopify invents the option Title with the value Default Title, and a variant of that name."""
    invented = {"title": "Default Title", "selectedOptions": [{"name": "Title", "value": "Default Title"}]}
    row = {
        **WHOLE,
        "options": [{"name": "Title", "values": ["Default Title"]}],
        "variants": {"nodes": [{**VARIANT, **invented}]},
    }
    found = product(row)

    assert (found.options, found.variants[0].options, found.variants[0].title) == ((), (), None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"title": {"x": 1}}, "title"),
        ({"descriptionHtml": ["x"]}, "description_html"),
        ({"vendor": True}, "brand"),
        ({"category": {"id": 5}}, "category"),
        ({"category": {"id": "gid://shopify/TaxonomyCategory/"}}, "category_id"),
        ({"onlineStoreUrl": {}}, "url"),
        ({"tags": {"a": "b"}}, "tags"),
        ({"options": [{"name": "Size"}]}, "options"),
        ({"media": {"nodes": [{"id": 5}]}}, "image_urls"),
        ({"createdAt": "yesterday"}, "created_at"),
        ({"publishedAt": 5}, "published_at"),
    ],
)
def test_one_unusable_detail_is_null_and_named(change: dict[str, Any], named: str) -> None:
    """The product lives, and so do its variants."""
    found = product({**WHOLE, **change})

    assert found.warnings == (named,)
    assert found.variants[0].sku == "MUG-BLU"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sku": ["x"]}, "variants.sku"),
        ({"price": "x"}, "variants.price"),
        ({"compareAtPrice": {}}, "variants.list_price"),
        ({"taxable": "yes"}, "variants.taxable"),
        ({"inventoryPolicy": "A_NEW_WORD"}, 'variants.oversell "A_NEW_WORD"'),
        ({"selectedOptions": [{"name": "Size"}]}, "variants.options"),
        ({"media": {"nodes": 5}}, "variants.image_url"),
        ({"inventoryItem": {"id": ""}}, "variants.inventory_item_id"),
        ({"inventoryItem": {**ITEM, "unitCost": {"amount": "x", "currencyCode": "USD"}}}, "variants.cost"),
        ({"inventoryItem": {**ITEM, "unitCost": {"amount": "1"}}}, "variants.cost"),
        ({"inventoryItem": {**ITEM, "tracked": 1}}, "variants.tracked"),
        ({"inventoryItem": {**ITEM, "requiresShipping": "no"}}, "variants.requires_shipping"),
        (
            {"inventoryItem": {**ITEM, "measurement": {"weight": {"value": 1, "unit": "STONES"}}}},
            "variants.weight",
        ),
        (
            {"inventoryItem": {**ITEM, "measurement": {"weight": {"value": 1e99, "unit": "GRAMS"}}}},
            "variants.weight",
        ),
        ({"inventoryItem": {**ITEM, "measurement": 5}}, "variants.weight"),
    ],
)
def test_one_unusable_detail_of_a_variant_is_null_and_named(change: dict[str, Any], named: str) -> None:
    """The other fields of the variant stay."""
    found = variant(**change)

    assert found.warnings == (named,)
    assert found.variants[0].id == "7"
    assert found.variants[0].barcode == "4006381333931"


@pytest.mark.parametrize(
    "change",
    [{"legacyResourceId": ""}, {"status": None}, {"updatedAt": None}, {"variants": {"nodes": [{"id": 5}]}}],
)
def test_a_product_without_id_status_time_or_readable_variants_is_a_reject(change: dict[str, Any]) -> None:
    """It is never stored half."""
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        product({**WHOLE, **change})


def test_a_weight_of_zero_is_none_and_another_is_exact() -> None:
    """Shopify says 0 if none is set, and writes weights as binary fractions."""

    def weight(value: float, unit: str) -> Weight | None:
        item = {**ITEM, "measurement": {"weight": {"value": value, "unit": unit}}}
        return variant(inventoryItem=item).variants[0].weight

    assert weight(0.0, "KILOGRAMS") is None
    assert weight(14.309999999999999, "POUNDS") == Weight(value="14.31", unit="lb")
    assert [weight(1, unit) for unit in ("GRAMS", "OUNCES")] == [
        Weight(value="1", unit="g"),
        Weight(value="1", unit="oz"),
    ]


def test_every_word_of_the_official_enumerations_has_a_meaning() -> None:
    """Enumerations of 2026-10: shopify.dev/docs/api/admin-graphql/2026-10/enums. A new word is none."""
    assert set(product_records._STATUS) == {"ACTIVE", "ARCHIVED", "DRAFT", "UNLISTED"}
    assert set(product_records._OVERSELL) == {"CONTINUE", "DENY"}
    for unit in ("GRAMS", "KILOGRAMS", "OUNCES", "POUNDS"):
        item = {**ITEM, "measurement": {"weight": {"value": 1.5, "unit": unit}}}
        assert variant(inventoryItem=item).warnings == ()
