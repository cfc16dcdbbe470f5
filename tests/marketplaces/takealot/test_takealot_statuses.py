"""Takealot's words for the state of a sale: an exact table, and a warning for each word that is not in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.marketplaces.takealot import records, sale_records, words
from orchestrator.model.records.record import Order
from tests.marketplaces.takealot.test_takealot import OFFER, SALE


def sold(*words: Any) -> Order:
    """An order with an item for each status."""
    items = [{**SALE, "order_item_id": number, "sale_status": word} for number, word in enumerate(words)]
    return sale_records.order(msgspec.json.encode(items), False)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("New Lead Time Order", "open"),
        ("New Leadtime Order", "open"),
        ("Draft Shipment", "open"),
        ("Preparing for Customer", "open"),
        ("preparing_for_customer", "open"),
        ("Inter DC Transfer", "open"),
        ("inter_dc_transfer", "open"),
        ("Shipped to Customer", "fulfilled"),
        ("shipped_to_customer", "fulfilled"),
        ("Shipped", "fulfilled"),
        ("Delivered to Customer", "fulfilled"),
        ("Cancelled by Customer", "cancelled"),
        ("Cancelled by customer", "cancelled"),
        ("Cancelled by Takealot", "cancelled"),
        ("Cancelled by Seller", "cancelled"),
        ("Cancelled by Takealot - DC Stock Inquiry", "cancelled"),
        ("Cancelled - Late Delivery", "cancelled"),
        ("Cancelled - Inbound Exception", "cancelled"),
        ("Lost In Transit", "cancelled"),
        ("Returned", "returned"),
    ],
)
def test_a_word_that_sellers_see_has_its_status(word: str, status: str) -> None:
    """In either spelling, and without a warning."""
    found = sold(word)

    assert (found.status, found.marketplace_status, found.warnings) == (status, word, ())


@pytest.mark.parametrize(
    "word",
    [
        "Undelivered",
        "Not Shipped to Customer",
        "Unshipped",
        "Return Requested",
        "Cancellation Pending",
        "New",
    ],
)
def test_a_word_that_is_not_in_the_table_is_unknown_and_named(word: str) -> None:
    """A part of a word tells nothing: what is undelivered is not delivered."""
    found = sold(word)

    assert (found.status, found.marketplace_status) == ("unknown", word)
    assert found.warnings == (f'sale_status "{word}"',)
    assert sold(word, "Shipped to Customer").status == "unknown"


def test_a_status_that_is_no_word_costs_nothing_else() -> None:
    """The order is stored without it."""
    found = sold({"code": 3})

    assert (found.status, found.marketplace_status, found.warnings) == ("unknown", "", ("sale_status",))


def test_an_unknown_status_of_an_offer_is_named() -> None:
    """As v1 writes it."""
    found = records.product(msgspec.json.encode({**OFFER, "status": "under_review"}), False)

    assert (found.status, found.warnings) == ("unknown", ('status "under_review"',))


@pytest.mark.parametrize("odd", ["N/A", [], {}, False, "2026-11-20"])
def test_an_odd_detail_of_an_offer_or_a_sale_is_null(odd: Any) -> None:
    """Price, list price, times and stock on its way."""
    for name in ("rrp", "selling_price", "created_at", "updated_at"):
        product = records.product(msgspec.json.encode({**OFFER, name: odd}), False)
        assert (product.id, product.status) == ("208877123", "active")
    raw = msgspec.json.encode([{**SALE, "sku": odd, "product_title": odd, "offer_id": odd}])
    assert sale_records.order(raw, False).total is not None
    stock = {"region": "JHB", "quantity_available": 12, "stock_on_way": odd, "stock_in_receiving": 1}
    split = records.split_by_location(
        msgspec.Raw(msgspec.json.encode({**OFFER, "takealot_warehouse_stock": [stock]}))
    )
    level = records.level(split[0], False)
    assert level.available == 12
    assert level.incoming in {None, 1}


def test_quantities_by_weight_are_exact() -> None:
    """Of a sale and of stock; money that an order stands for is never guessed."""
    order = sale_records.order(msgspec.json.encode([{**SALE, "quantity": 1.5}]), False)
    assert order.lines[0].quantity == "1.5"
    stock = {"seller_warehouse_id": 1, "quantity_available": 2.25}
    split = records.split_by_location(
        msgspec.Raw(msgspec.json.encode({**OFFER, "seller_warehouse_stock": [stock]}))
    )
    assert records.level(split[0], False).available == "2.25"


def test_a_long_word_is_unknown_and_does_not_stay_in_memory() -> None:
    """The process remembers words, and one may have megabytes."""
    before = words._short.cache_info().currsize
    assert sold("shipped" + " " * 200).status == "unknown"
    assert words._short.cache_info().currsize == before
