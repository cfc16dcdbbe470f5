"""The meaning of WooCommerce's products and stock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.woocommerce import order_records, product_records, stock_records
from orchestrator.marketplaces.woocommerce.variations import variations_of
from orchestrator.model.records.record import Money, Product, StockLevel
from tests.marketplaces.woocommerce.test_woocommerce import scripted_session
from tests.support.scripted import scripted

PRODUCT: dict[str, Any] = {
    "id": 93,
    "name": "Enamel mug",
    "type": "simple",
    "status": "publish",
    "sku": "MUG",
    "global_unique_id": "6001234567890",
    "price": "345.00",
    "regular_price": "399.00",
    "date_created_gmt": "2026-02-15T10:34:56",
    "date_modified_gmt": "2026-11-20T07:00:00",
}
VARIATION: dict[str, Any] = {
    "id": 95,
    "sku": "MUG-BLU",
    "global_unique_id": "",
    "price": "345.00",
    "regular_price": "345.00",
    "attributes": [{"id": 1, "name": "Colour", "option": "blue"}, {"id": 2, "option": ""}, {"option": "L"}],
}


def product(
    *variations: dict[str, Any], currency: str = "ZAR", unit: str | None = "kg", **changes: Any
) -> Product:
    """The normalized product."""
    raws = [msgspec.Raw(msgspec.json.encode(each)) for each in variations]
    row = msgspec.json.encode({**PRODUCT, **changes})
    raw = product_records.priced(currency, row, raws, weight_unit=unit)
    assert product_records.product_id(raw) == "93"
    return product_records.product(raw, with_buyer=False)


def level(**fields: Any) -> StockLevel:
    """The normalized stock of product 93."""
    raw = msgspec.json.encode({"id": 93, "type": "simple", "sku": "MUG", **fields})
    found = stock_records.level(raw, with_buyer=False)
    assert stock_records.level_id(raw) == found.id
    return found


@pytest.mark.parametrize("kind", ["variable-subscription", "pw-bundle", "variable"])
def test_a_type_of_a_plugin_with_variations_has_them(kind: str) -> None:
    """Whatever its name."""
    assert [each.id for each in product(VARIATION, type=kind).variants] == ["95"]
    assert product_records.has_variations(kind, [95])
    assert not product_records.has_variations("simple", [])


def test_a_product_that_lacks_some_of_its_counted_variations_says_so() -> None:
    """It is stored with the others."""
    raw = product_records.priced(
        "ZAR", msgspec.json.encode({**PRODUCT, "type": "variable"}), [], is_short=True
    )
    assert product_records.product(raw, with_buyer=False).warnings == ("variants",)


@pytest.mark.parametrize("status", ["auto-draft", "inherit", "importing"])
def test_a_product_that_nobody_has_saved_is_none(status: str) -> None:
    """WordPress makes one when somebody opens the form."""
    with pytest.raises(RecordInvalid, match=status):
        product(status=status)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"manage_stock": False, "stock_status": "outofstock"}, "out_of_stock"),
        ({"manage_stock": False, "stock_status": "instock"}, "in_stock"),
        ({"manage_stock": "no", "stock_status": "onbackorder"}, "on_backorder"),
        ({"manage_stock": True, "stock_quantity": 1, "stock_status": "instock"}, None),
        ({"manage_stock": False, "stock_status": "discontinued"}, None),
        ({"manage_stock": False}, None),
    ],
)
def test_stock_status_without_managed_stock_is_told(fields: dict[str, Any], status: object) -> None:
    """It is absent where the quantity says it all."""
    assert level(**fields).status == status


@pytest.mark.parametrize(
    "fields", [{"manage_stock": "maybe"}, {"manage_stock": True, "stock_quantity": "N/A"}]
)
def test_a_stock_quantity_is_never_guessed(fields: dict[str, Any]) -> None:
    """Such a level is a reject."""
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        level(**fields)


def test_a_simple_product_is_its_only_variant() -> None:
    """The regular price is the one it is reduced from."""
    found = product()
    variant = found.variants[0]

    assert (found.id, found.title, found.status) == ("93", "Enamel mug", "active")
    assert found.updated_at == datetime(2026, 11, 20, 7, tzinfo=UTC)
    assert (variant.id, variant.sku, variant.barcode, variant.title) == ("93", "MUG", "6001234567890", None)
    assert (variant.price, variant.list_price) == (Money("345.00", "ZAR"), Money("399.00", "ZAR"))


def test_a_variable_product_has_its_variations() -> None:
    """In the order of their ids, named by their options; a product without variations has no variant."""
    found = product({**VARIATION, "id": 96, "attributes": None, "price": ""}, VARIATION, type="variable")

    assert [(each.id, each.title) for each in found.variants] == [("95", "blue, L"), ("96", None)]
    assert (found.variants[0].list_price, found.variants[0].barcode) == (None, None)
    assert found.variants[1].price is None
    assert product(type="variable").variants == ()


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("publish", "active"),
        ("private", "inactive"),
        ("draft", "draft"),
        ("pending", "draft"),
        ("future", "draft"),
        ("trash", "archived"),
        ("hidden-by-plugin", "unknown"),
    ],
)
def test_product_states(word: str, status: str) -> None:
    """WordPress's words for posts."""
    assert product(status=word).status == status


@pytest.mark.parametrize("missing", ["name", "sku", "global_unique_id", "price", "regular_price"])
@pytest.mark.parametrize("empty", [None, "", ...])
def test_a_product_may_lack_what_is_optional(missing: str, empty: Any) -> None:
    """As null, as an empty text, or not there at all."""
    row = {name: value for name, value in PRODUCT.items() if name != missing}
    if empty is not ...:
        row[missing] = empty
    raw = product_records.priced("JPY", msgspec.json.encode(row), [])
    found = product_records.product(raw, with_buyer=False)

    variant = found.variants[0]
    fields = (found.title, variant.sku, variant.barcode, variant.price, variant.list_price)
    names = ("name", "sku", "global_unique_id", "price", "regular_price")
    assert fields[names.index(missing)] is None


@pytest.mark.parametrize(
    ("fields", "available"),
    [
        ({"manage_stock": True, "stock_quantity": 7}, 7),
        ({"manage_stock": True, "stock_quantity": -2}, -2),
        ({"manage_stock": True, "stock_quantity": 7.0}, 7),
        ({"manage_stock": True, "stock_quantity": None}, None),
        ({"manage_stock": False, "stock_quantity": None}, None),
        ({"manage_stock": False, "stock_quantity": 3}, None),
        ({"manage_stock": "parent", "stock_quantity": 9}, 9),
        ({"manage_stock": True, "stock_quantity": 7, "type": "external"}, None),
        ({}, None),
    ],
)
def test_stock_is_known_where_it_is_managed(fields: dict[str, Any], available: int | None) -> None:
    """Oversold is below nothing; a variation can share its product's stock."""
    found = level(**fields)

    assert (found.id, found.location_id, found.available) == ("93@shop", "shop", available)


def test_stock_of_a_variation_names_its_product() -> None:
    """Whether the listing says so, or was asked for below the product."""
    row = {"id": 95, "parent_id": 93, "sku": "MUG-BLU", "manage_stock": True, "stock_quantity": 4}
    together = stock_records.level(msgspec.json.encode(row), with_buyer=False)
    del row["parent_id"]
    raw = stock_records.below(93, msgspec.Raw(msgspec.json.encode(row)))
    below = stock_records.level(raw, with_buyer=False)

    assert together == below
    assert (below.id, below.product_id, below.variant_id) == ("95@shop", "93", "95")
    assert stock_records.level_id(raw) == "95@shop"


def test_stock_in_fractions_is_exact() -> None:
    """Some shops sell by weight."""
    assert level(manage_stock=True, stock_quantity=2.5).available == "2.5"
    assert level(manage_stock=True, stock_quantity="3.0").available == 3


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"id":"x"}', b'{"parent_id":1,"variation":{}}'])
def test_what_cannot_be_named_is_not_named(raw: bytes) -> None:
    """Then nothing is taken as vanished."""
    names = (order_records.order_id, product_records.product_id, stock_records.level_id)
    assert [name(raw) for name in names] == [None, None, None]


@pytest.mark.parametrize("counted", [True, False])
def test_trap_a_variation_that_comes_back_moves_others_to_the_next_page(counted: bool) -> None:
    """Variation 10 left the trash after the first page; 15, which two pages show, is one variant."""
    pages = [[11, 12, 13, 14, 15], [15, 16, 17, 18, 19], [19]]
    headers = {"X-WP-Total": "10"} if counted else {}
    rows = [[{**VARIATION, "id": number} for number in page] for page in pages]
    with scripted(*(Reply.json(200, page, headers) for page in rows)) as server:
        found = variations_of(scripted_session(server), 93, "id", 5)

    shown = product(*(msgspec.json.decode(raw) for raw in found.rows), type="variable").variants
    assert [each.id for each in shown] == [str(number) for number in range(11, 20)]
    assert [request.query["offset"] for request in server.requests] == [["0"], ["5"], ["9"]]
    # By its count the product says that one is missing.
    assert found.total == (10 if counted else 9)
