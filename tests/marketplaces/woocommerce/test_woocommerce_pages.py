"""A WooCommerce product's page, and the further fields of its variants and of its stock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from local.sandbox.http import Reply
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.records.record import Attribute, Money, Option, Product, Weight
from tests.marketplaces.woocommerce.test_woocommerce import LATER, listed, scripted_session
from tests.marketplaces.woocommerce.test_woocommerce_hosts import CURRENCY, refused
from tests.marketplaces.woocommerce.test_woocommerce_products import PRODUCT, VARIATION, level, product
from tests.support.scripted import read, scripted

WOO = REGISTRY["woocommerce"]
#: Within the window.
TIME = f"{LATER.since + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}"

PAGE: dict[str, Any] = {
    "description": "<p>Holds <b>350 ml</b></p>",
    "short_description": "Short",
    "permalink": "https://shop.example.com/product/mug/",
    "categories": [{"id": 15, "name": "Mugs &amp; cups"}, {"id": 9, "name": "Gifts"}],
    "tags": [{"id": 2, "name": "new"}, {"id": 1, "name": "blue"}],
    "brands": [{"id": 7, "name": "Ñandú"}],
    "images": [{"src": "https://shop.example.com/1.jpg"}, {"src": ""}],
    "attributes": [
        {"name": "Colour", "variation": True, "options": ["blue", "red"]},
        {"name": "Material", "variation": False, "options": ["Steel"]},
    ],
}


def test_a_products_page_is_told() -> None:
    """An attribute that variations do not differ by is no option."""
    found = product(**PAGE)

    assert (found.description, found.description_html) == ("Holds 350 ml", "<p>Holds <b>350 ml</b></p>")
    assert (found.brand, found.category, found.category_id) == ("Ñandú", "Mugs & cups", "15")
    assert (found.url, found.tags) == ("https://shop.example.com/product/mug/", ("blue", "new"))
    assert found.image_urls == ("https://shop.example.com/1.jpg",)
    assert found.options == (Option(name="Colour", values=("blue", "red")),)
    assert product(**{**PAGE, "description": ""}).description == "Short"


def test_a_product_of_an_older_site_has_no_page() -> None:
    """Each of these fields may be absent; nothing is a warning."""
    found = product()

    assert (found.description_html, found.brand, found.category, found.url) == (None, None, None, None)
    assert (found.options, found.tags, found.image_urls, found.warnings) == ((), (), (), ())


@pytest.mark.parametrize(
    "name", ["categories", "tags", "brands", "images", "attributes", "cost_of_goods_sold"]
)
def test_an_unreadable_field_of_a_page_is_a_warning(name: str) -> None:
    """The product is stored without it."""
    found = product(**{**PAGE, name: [7]})
    assert len(found.warnings) == 1
    assert found.title == "Enamel mug"


@pytest.mark.parametrize(
    ("fields", "tracked", "oversell"),
    [
        ({"manage_stock": True, "backorders": "no"}, True, False),
        ({"manage_stock": True, "backorders": "notify"}, True, True),
        ({"manage_stock": "parent", "backorders": "yes"}, True, True),
        ({"manage_stock": False, "backorders": "yes"}, False, None),
        ({"manage_stock": "no"}, False, None),
        ({}, None, None),
    ],
)
def test_sales_without_stock(fields: dict[str, Any], tracked: bool | None, oversell: bool | None) -> None:
    """A shop that does not count its stock sells by the stock's status."""
    variant = product(**fields).variants[0]
    assert (variant.tracked, variant.oversell) == (tracked, oversell)


#: woocommerce: src/Enums/ProductTaxStatus.php, and `parent` of variations; `maybe` is no word of it.
@pytest.mark.parametrize(
    ("own", "parents", "taxable"),
    [
        ("taxable", "none", True),
        ("shipping", "taxable", False),
        ("none", "taxable", False),
        ("parent", "taxable", True),
        ("parent", "none", False),
        ("maybe", "taxable", None),
        (None, "taxable", None),
    ],
)
def test_tax_states(own: str | None, parents: str, taxable: bool | None) -> None:
    """A variation can leave it to its product."""
    found = product({**VARIATION, "tax_status": own}, type="variable", tax_status=parents)
    assert found.variants[0].taxable is taxable
    assert found.warnings == (('variants.taxable "maybe"',) if own == "maybe" else ())


def test_a_variation_tells_its_own_fields() -> None:
    """A private variation is not for sale; a cost is in the shop's currency."""
    row = {
        **VARIATION,
        "attributes": [{"name": "Colour", "option": "blue"}],
        "status": "private",
        "virtual": True,
        "image": {"src": "https://shop.example.com/blue.jpg"},
        "permalink": "https://shop.example.com/product/mug/?colour=blue",
        "cost_of_goods_sold": {"values": [], "total_value": 12.5},
    }
    (variant,) = product(row, type="variable").variants

    assert variant.options == (Attribute(name="Colour", value="blue"),)
    assert (variant.status, variant.requires_shipping) == ("inactive", False)
    assert variant.image_url == "https://shop.example.com/blue.jpg"
    assert variant.url == "https://shop.example.com/product/mug/?colour=blue"
    assert variant.cost == Money("12.50", "ZAR")


@pytest.mark.parametrize(
    ("own", "unit", "weight", "warnings"),
    [
        ("0.25", "kg", Weight(value="0.25", unit="kg"), ()),
        ("8", "lbs", Weight(value="8", unit="lb"), ()),
        ("", "g", Weight(value="2.5", unit="g"), ()),
        ("0", "g", None, ()),
        ("heavy", "g", None, ("variants.weight",)),
        ("1", None, None, ("variants.weight",)),
        ("1", "stone", None, ("variants.weight",)),
    ],
)
def test_weights(own: str, unit: str | None, weight: Weight | None, warnings: tuple[str, ...]) -> None:
    """A variation without a weight has its product's; without a unit a weight means nothing."""
    found = product({**VARIATION, "weight": own}, type="variable", weight="2.5", unit=unit)
    assert (found.variants[0].weight, found.warnings) == (weight, warnings)


@pytest.mark.parametrize(
    ("fields", "tracked"), [({"manage_stock": "parent", "stock_quantity": 1}, True), ({}, None)]
)
def test_stock_tells_whether_it_is_counted(fields: dict[str, Any], tracked: bool | None) -> None:
    """The shop holds it itself."""
    found = level(**fields)
    assert (found.tracked, found.held_by) == (tracked, "merchant")


UNIT = Reply.json(200, {"id": "woocommerce_weight_unit", "value": "kg"})


def scripted_products(
    *answers: Reply, weight: str = "0.5", count: int = 2
) -> tuple[list[Product], list[str]]:
    """The products of a scripted site, and the paths that were asked for."""
    rows = [
        {**PRODUCT, "id": number, "weight": weight, "date_created": TIME, "date_modified_gmt": TIME}
        for number in range(1, count + 1)
    ]
    with scripted(listed(*rows), *answers, listed()) as server:
        found = read(WOO, scripted_session(server), "products", LATER).records.values()
        return [each for each in found if isinstance(each, Product)], [each.path for each in server.requests]


def test_the_unit_of_weight_is_asked_for_once_a_session() -> None:
    """Prices' currency too; two calls for all products."""
    found, paths = scripted_products(CURRENCY, UNIT)

    assert [each.variants[0].weight for each in found] == [Weight(value="0.5", unit="kg")] * 2
    assert len([path for path in paths if path.endswith("/settings/products/woocommerce_weight_unit")]) == 1


def test_products_without_weights_cost_no_call_for_the_unit() -> None:
    """A shop of downloads."""
    _, paths = scripted_products(CURRENCY, weight="")
    assert not [path for path in paths if "settings" in path]


@pytest.mark.parametrize(
    "answer", [refused(403, "woocommerce_rest_forbidden"), refused(404, "rest_no_route")]
)
def test_a_shop_that_refuses_to_tell_its_unit_has_products_without_weights(answer: Reply) -> None:
    """It is asked once; each product says so."""
    found, paths = scripted_products(CURRENCY, answer)

    assert [(each.variants[0].weight, each.warnings) for each in found] == [(None, ("variants.weight",))] * 2
    assert len([path for path in paths if "settings" in path]) == 1
