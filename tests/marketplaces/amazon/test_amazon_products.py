"""Attributes and families of Amazon's listings, and the conditions of its stock."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.marketplaces.amazon import listing_records as listings
from orchestrator.marketplaces.amazon import stock_records as stock
from orchestrator.model.records.record import Attribute, Barcode, Money, Option, Product, Weight
from tests.marketplaces.amazon.test_amazon_records import FBA, LISTING, listed, stocked

HERE, ELSEWHERE = "AE08WJ6YKNBMC", "ATVPDKIKX0DER"
#: The relationships of the published model (listingsItems_2021-08-01.json of
#: https://github.com/amzn/selling-partner-api-models, read 2026-11-28).
RELATIONSHIPS = ("VARIATION", "PACKAGE_HIERARCHY")


def product(attributes: Any = None, **more: Any) -> Product:
    """The listing with these attributes."""
    return listings.product(listed(LISTING, attributes=attributes, **more), False)


def here(value: Any, **more: Any) -> dict[str, Any]:
    """An attribute's entry for this marketplace."""
    return {"value": value, "marketplace_id": HERE} | more


def family(kind: str = "VARIATION", place: str = HERE, **fields: Any) -> list[dict[str, Any]]:
    """A listing's relationships."""
    return [{"marketplaceId": place, "relationships": [{"type": kind, **fields}]}]


def test_an_attribute_is_told_for_its_marketplace() -> None:
    """Of another marketplace it says nothing; without one it is for all."""
    other = {"value": "Elsewhere", "marketplace_id": ELSEWHERE}

    assert product({"brand": [other, here("Kopje")]}).brand == "Kopje"
    assert product({"brand": [other]}).brand is None
    assert product({"brand": [{"value": "Everywhere"}]}).brand == "Everywhere"


def test_a_description_is_text_with_its_bullets() -> None:
    """The HTML is kept as well, if it is any."""
    bullets = {"bullet_point": [here("Dishwasher safe"), here("Blue")]}
    marked = product({"product_description": [here("<p>A mug &amp; more</p>")], **bullets})
    plain = product({"product_description": [here("A mug")]})

    assert marked.description == "A mug & more\nDishwasher safe\nBlue"
    assert marked.description_html == "<p>A mug &amp; more</p>"
    assert (plain.description, plain.description_html) == ("A mug", None)
    assert product(bullets).description == "Dishwasher safe\nBlue"
    assert product().description is None


def test_codes_weight_prices_and_images() -> None:
    """Some marketplaces tell the list price with its tax alone."""
    found = product(
        {
            "externally_assigned_product_identifier": [here("4006381333931", type="ean"), here("X-1")],
            "item_weight": [here(107.6, unit="pounds")],
            "list_price": [{"currency": "ZAR", "value_with_tax": 699.5, "marketplace_id": HERE}],
            "other_product_image_locator_2": [{"media_location": "https://m.example/2.jpg"}],
            "other_product_image_locator_1": [{"media_location": "https://m.example/1.jpg"}],
        },
        summaries=[{**LISTING["summaries"][0], "mainImage": {"link": "https://m.example/0.jpg"}}],
    )
    variant = found.variants[0]

    assert variant.barcodes == (
        Barcode(kind="ean", value="4006381333931"),
        Barcode(kind="other", value="X-1"),
    )
    assert variant.weight == Weight(value="107.6", unit="lb")
    assert variant.list_price == Money("699.50", "ZAR")
    assert found.image_urls == tuple(f"https://m.example/{number}.jpg" for number in range(3))
    assert found.warnings == ()


@pytest.mark.parametrize(
    "odd", ["none", 5, [], {}, [5], [{"value": {"size": "M"}}], [{}], {"0": {"value": 1}}]
)
def test_attributes_have_any_form_and_none_makes_a_reject(odd: Any) -> None:
    """An attribute of another form is none, and so are all attributes."""
    names = (
        *("brand", "product_description", "bullet_point", "item_weight", "list_price", "color"),
        *("externally_assigned_product_identifier", "other_product_image_locator_1"),
    )
    theme: dict[str, Any] = {"variationTheme": {"attributes": ["color"]}}
    for attributes in (odd, dict.fromkeys(names, odd)):
        found = product(attributes, relationships=family(**theme))
        assert (found.title, found.variants[0].price) == ("Enamel mug, blue", Money("599.00", "ZAR"))
        assert (found.variants[0].weight, found.variants[0].list_price) == (None, None)
    for relationships in (odd, family(parentSkus=odd, variationTheme=odd)):
        assert product(relationships=relationships).parent_id is None


def test_a_variation_names_its_parent_and_its_options() -> None:
    """An attribute whose value has parts is no option; a family elsewhere is none."""
    theme = {"attributes": ["color", "size"], "theme": "SIZE/COLOR"}
    attributes = {"color": [here("Blue")], "size": [{"size": "m", "marketplace_id": HERE}]}
    member: dict[str, Any] = {"parentSkus": ["MUG"], "variationTheme": theme}
    found = product(attributes, relationships=family(**member))

    assert found.parent_id == f"MUG@{HERE}"
    assert found.variants[0].options == (Attribute(name="color", value="Blue"),)
    assert found.options == (Option(name="color", values=("Blue",)),)
    assert product(attributes, relationships=family(place=ELSEWHERE, **member)).parent_id is None


@pytest.mark.parametrize("kind", RELATIONSHIPS)
def test_only_variations_are_families(kind: str) -> None:
    """A package of several pieces is no variation of them."""
    found = product(relationships=family(kind, parentSkus=["MUG"]))

    assert (found.parent_id is None) == (kind != "VARIATION")


def test_the_summary_of_the_marketplace_counts() -> None:
    """A listing can have one for each."""
    other = {**LISTING["summaries"][0], "marketplaceId": ELSEWHERE, "itemName": "Elsewhere"}
    found = product(summaries=[other, *LISTING["summaries"]])

    assert (found.title, found.product_type, found.asin) == ("Enamel mug, blue", "MUG", None)


def test_stock_at_amazon_by_condition() -> None:
    """Each amount under a name of our own; one that is not told is absent."""
    details = {
        **FBA["inventoryDetails"],
        "reservedQuantity": {"pendingTransshipmentQuantity": 4, "fcProcessingQuantity": 5},
        "researchingQuantity": {"totalResearchingQuantity": 6},
        "unfulfillableQuantity": {
            "totalUnfulfillableQuantity": 7,
            "customerDamagedQuantity": 1,
            "warehouseDamagedQuantity": 1,
            "distributorDamagedQuantity": 1,
            "carrierDamagedQuantity": 1,
            "defectiveQuantity": 2,
            "expiredQuantity": 1,
        },
    }
    found = stock.level(stocked(FBA, inventoryDetails=details), False)

    assert found.unsellable == 7
    assert found.quantities == {
        "carrier_damaged": 1,
        "customer_damaged": 1,
        "defective": 2,
        "distributor_damaged": 1,
        "expired": 1,
        "fc_processing": 5,
        "fc_transfer": 4,
        "inbound_shipped": 100,
        "inbound_working": 1,
        "researching": 6,
        "warehouse_damaged": 1,
    }
    odd = stock.level(stocked(FBA, inventoryDetails={**details, "unfulfillableQuantity": 5}), False)
    assert (odd.unsellable, odd.available) == (None, 37)
    assert "unfulfillableQuantity" in odd.warnings
    raw = stock.level(stocked(FBA, inventoryDetails=[]), False)
    assert (raw.unsellable, raw.quantities) == (None, {})
    assert msgspec.json.encode(raw)
