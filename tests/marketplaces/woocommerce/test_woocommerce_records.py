"""The meaning of WooCommerce's rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.woocommerce import order_records
from orchestrator.model.records.record import Buyer, Money, Order
from tests.marketplaces.woocommerce.test_woocommerce_products import VARIATION, product

CONNECTOR = REGISTRY["woocommerce"]
LINE: dict[str, Any] = {
    "id": 315,
    "name": "Enamel mug",
    "product_id": 93,
    "variation_id": 0,
    "quantity": 2,
    "subtotal": "1041.74",
    "total": "1041.74",
    "total_tax": "156.26",
    "sku": "MUG-BLU-2",
    "price": 520.87,
}
ADDRESS = {
    "first_name": "Thandi",
    "last_name": "Ñandú",
    "address_1": "1 Long Street",
    "address_2": "",
    "city": "Cape Town",
    "state": "WC",
    "postcode": "8001",
    "country": "ZA",
}
ORDER: dict[str, Any] = {
    "id": 727,
    "number": "727",
    "status": "processing",
    "currency": "ZAR",
    "date_created_gmt": "2026-11-22T06:14:05",
    "date_modified_gmt": "2026-11-23T06:02:41",
    "prices_include_tax": True,
    "total": "1198.00",
    "customer_id": 0,
    "billing": {**ADDRESS, "email": "thandi@example.com", "phone": "+27210000000"},
    "shipping": dict.fromkeys(ADDRESS, ""),
    "line_items": [LINE],
    "refunds": [{"id": 728, "reason": "", "total": "-599.00"}, {"id": 729, "total": "-0.50"}],
}


def order(**changes: Any) -> Order:
    """The normalized order with some fields changed."""
    return order_records.order(msgspec.json.encode({**ORDER, **changes}), with_buyer=False)


def test_an_order_is_what_woocommerce_says() -> None:
    """Times without a suffix are UTC; refunds are negative there and an amount here."""
    found = order()

    assert (found.id, found.number, found.status, found.marketplace_status) == (
        "727",
        "727",
        "open",
        "processing",
    )
    assert found.created_at == datetime(2026, 11, 22, 6, 14, 5, tzinfo=UTC)
    assert found.updated_at == datetime(2026, 11, 23, 6, 2, 41, tzinfo=UTC)
    assert (found.total, found.refunded) == (Money("1198.00", "ZAR"), Money("599.50", "ZAR"))
    assert found.buyer is None


def test_trap_a_line_is_without_tax_though_prices_include_it() -> None:
    """Its total is not a share of the order's; its price is a number, read exactly."""
    line = order().lines[0]

    assert (line.total, line.unit_price) == (Money("1041.74", "ZAR"), Money("520.87", "ZAR"))
    assert (line.product_id, line.variant_id, line.sku) == ("93", "93", "MUG-BLU-2")


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"price": 347.24666666666667, "quantity": 3}, "unit_price", None),
        ({"price": None}, "unit_price", Money("520.87", "ZAR")),
        ({"price": None, "subtotal": None}, "unit_price", None),
        ({"total": None}, "total", None),
        ({"total": "", "subtotal": ""}, "unit_price", None),
        ({"product_id": 0}, "product_id", None),
        ({"product_id": 0}, "variant_id", None),
        ({"variation_id": 95}, "variant_id", "95"),
        ({"sku": None}, "sku", None),
        ({"sku": ""}, "sku", None),
        ({"name": None}, "title", None),
        (
            {"quantity": -2, "subtotal": "-10.00", "total": "-10.00", "price": 5},
            "unit_price",
            Money("5.00", "ZAR"),
        ),
    ],
)
def test_trap_lines_leave_fields_empty_as_null_or_text(
    changes: dict[str, Any], field: str, value: object
) -> None:
    """A price that the total does not divide into is not made up."""
    assert getattr(order(line_items=[{**LINE, **changes}]).lines[0], field) == value


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", "pending"),
        ("on-hold", "pending"),
        ("failed", "pending"),
        ("ready-for-pickup", "open"),
        ("processing", "open"),
        ("completed", "fulfilled"),
        ("cancelled", "cancelled"),
        ("trash", "cancelled"),
        ("refunded", "refunded"),
        ("wc-awaiting-pickup", "unknown"),
        ("", "unknown"),
    ],
)
def test_order_states(word: str, status: str) -> None:
    """Plugins add words of their own: they are kept, and unknown."""
    assert (order(status=word).status, order(status=word).marketplace_status) == (status, word)


def test_trap_a_refunded_order_whose_list_of_refunds_is_empty() -> None:
    """Reported in 2026 (woocommerce#65488): the state says that all of it was refunded."""
    nothing: tuple[list[Any] | None, ...] = ([], None)
    for empty in nothing:
        assert order(status="refunded", refunds=empty).refunded == Money("1198.00", "ZAR")
        assert order(refunds=empty).refunded == Money("0.00", "ZAR")


def test_the_key_is_the_id_and_not_the_number() -> None:
    """Plugins change numbers; one that is missing is the id."""
    assert (order(number="INV/2026-1").id, order(number="INV/2026-1").number) == ("727", "INV/2026-1")
    assert (order(number="").number, order(number=None).number) == ("727", "727")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"shipping": None}, "Thandi Ñandú"),
        ({"billing": {"email": ""}, "shipping": None}, None),
        ({"billing": None, "shipping": None}, None),
    ],
)
def test_a_buyer_may_be_a_guest_or_nobody(changes: dict[str, Any], name: str | None) -> None:
    """Empty fields are none."""
    found = order_records.order(msgspec.json.encode({**ORDER, **changes}), with_buyer=True).buyer

    assert found is not None
    assert found.name == name
    assert "" not in msgspec.structs.astuple(found)


def test_a_buyer_is_billed_and_shipped_to() -> None:
    """An empty shipping address is the billing one."""
    billed = order_records.order(msgspec.json.encode(ORDER), with_buyer=True).buyer
    elsewhere = {**ORDER, "shipping": {**ADDRESS, "address_1": "2 Side Road", "address_2": "Flat 3"}}
    shipped = order_records.order(msgspec.json.encode(elsewhere), with_buyer=True).buyer

    assert billed == Buyer(
        name="Thandi Ñandú",
        email="thandi@example.com",
        phone="+27210000000",
        street="1 Long Street",
        city="Cape Town",
        region="WC",
        postal_code="8001",
        country="ZA",
    )
    assert shipped is not None
    assert shipped.street == "2 Side Road, Flat 3"


def test_rejects_keep_nothing_personal() -> None:
    """Also a buyer's own words in a plugin's field."""
    raw = {
        **ORDER,
        "customer_note": "Ring twice",
        "line_items": [{**LINE, "meta_data": [{"value": "For Thandi"}]}],
    }
    kept = scrub(msgspec.json.encode(raw), CONNECTOR.personal_fields)

    assert not any(word in kept for word in (b"Thandi", b"Long Street", b"Ring", b"+27", b"@example"))
    assert b'"total":"1198.00"' in kept


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x"},
        {"status": None},
        {"currency": "rand"},
        {"total": "12,00"},
        {"total": 12.5},
        {"date_created_gmt": None},
        {"date_created_gmt": ""},
        {"line_items": [{"id": 1}]},
        {"line_items": [{**LINE, "quantity": "N/A"}]},
        {"line_items": [{**LINE, "quantity": None}]},
        {"line_items": {"first": LINE}},
        {"status": "auto-draft"},
        {"status": "checkout-draft"},
        {"status": "inherit"},
    ],
)
def test_what_is_not_an_order_is_refused(changes: dict[str, Any]) -> None:
    """It becomes a reject, and is not guessed at."""
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        order(**changes)


@pytest.mark.parametrize("odd", ["N/A", {}, [1], True, {"amount": "1"}, "12,00"])
def test_an_unusable_detail_is_null_and_named_and_the_order_lives(odd: Any) -> None:
    """Whatever a plugin writes into an amount or a text that is not the order's total."""
    line = {**LINE, "total": odd, "subtotal": odd, "price": odd}
    found = order(line_items=[line], refunds=[{"id": 1, "total": odd}], date_modified_gmt=odd)

    assert (found.total, found.refunded, found.updated_at) == (Money("1198.00", "ZAR"), None, None)
    assert (found.lines[0].total, found.lines[0].unit_price) == (None, None)
    assert set(found.warnings) == {
        *("refunded", "updated_at", "lines.subtotal", "lines.total", "lines.unit_price"),
    }


def test_an_odd_address_costs_the_address_alone() -> None:
    """PHP sends an empty object as a list."""
    raw = {**ORDER, "shipping": [], "billing": {"email": 7}}
    found = order_records.order(msgspec.json.encode(raw), with_buyer=True)

    assert (found.buyer, found.warnings) == (Buyer(), ("buyer",))


def test_lists_that_are_sent_as_objects_with_numbered_keys_are_lists() -> None:
    """PHP does so once a plugin has taken one of them out."""
    found = order(line_items={"1": LINE, "3": {**LINE, "id": 316}}, refunds={"2": {"total": "-1.00"}})
    attributes = {"0": {"option": "blue"}, "2": {"option": "L"}}

    assert [line.id for line in found.lines] == ["315", "316"]
    assert found.refunded == Money("1.00", "ZAR")
    assert product({**VARIATION, "attributes": attributes}, type="variable").variants[0].title == "blue, L"


def test_a_currency_in_lower_case_is_the_same_currency() -> None:
    """Also of the order's total."""
    assert order(currency="zar").total == Money("1198.00", "ZAR")


def test_titles_are_text_and_not_html() -> None:
    """WordPress keeps entities and tags in names; what looks like a tag and is none stays."""
    name = "Tom &amp; Jerry&#233;s <b>mug</b><br/>3/4&quot; <5m <!-- x --><script>alert(1)</script>"
    text = 'Tom & Jerryés mug 3/4" <5m'
    options = [{"option": "red &amp; blue"}, {"option": "<i></i>"}]

    assert order(line_items=[{**LINE, "name": name}]).lines[0].title == text
    found = product({**VARIATION, "attributes": options}, type="variable", name=name)
    assert (found.title, found.variants[0].title) == (text, "red & blue")
    assert product(name="  A  <  B ").title == "A  <  B"
    assert product(name="<p></p>").title is None


def test_a_quantity_in_fractions_is_exact() -> None:
    """A shop that sells by weight."""
    assert order(line_items=[{**LINE, "quantity": 1.52}]).lines[0].quantity == "1.52"
