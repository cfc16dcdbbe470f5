"""Shopify's rows as normalized records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.shopify import order_records, product_records, stock_records
from orchestrator.model.records.record import Money, Order, StockLevel

ORDER: dict[str, Any] = {
    "id": "gid://shopify/Order/6023419910411",
    "legacyResourceId": "6023419910411",
    "name": "#1042",
    "createdAt": "2026-11-22T08:14:05Z",
    "updatedAt": "2026-11-23T06:02:41Z",
    "cancelledAt": None,
    "test": False,
    "displayFinancialStatus": "PAID",
    "displayFulfillmentStatus": "UNFULFILLED",
    "currentTotalPriceSet": {"shopMoney": {"amount": "599.0", "currencyCode": "ZAR"}},
    "totalRefundedSet": {"shopMoney": {"amount": "0.0", "currencyCode": "ZAR"}},
    "lineItems": {
        "nodes": [
            {
                "id": "gid://shopify/LineItem/15100477718667",
                "sku": "MUG-BLU-2",
                "title": "Enamel mug",
                "quantity": 2,
                "variant": None,
                "product": None,
                "originalUnitPriceSet": {"shopMoney": {"amount": "599.0", "currencyCode": "ZAR"}},
            }
        ],
        "pageInfo": {"hasNextPage": False},
    },
}


def order(**changes: Any) -> Order:
    """The sample order, changed."""
    return order_records.order(msgspec.json.encode({**ORDER, **changes}), False)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "open"),
        ({"displayFinancialStatus": "PENDING"}, "pending"),
        ({"displayFinancialStatus": "AUTHORIZED"}, "open"),
        ({"displayFulfillmentStatus": "FULFILLED", "displayFinancialStatus": "PENDING"}, "fulfilled"),
        ({"displayFulfillmentStatus": "PARTIALLY_FULFILLED"}, "partially_fulfilled"),
        ({"displayFulfillmentStatus": "ON_HOLD"}, "open"),
        ({"displayFinancialStatus": "REFUNDED"}, "refunded"),
        ({"displayFinancialStatus": "PARTIALLY_REFUNDED"}, "open"),
        ({"cancelledAt": "2026-11-23T06:00:00Z"}, "cancelled"),
        ({"displayFulfillmentStatus": "A_NEW_WORD"}, "unknown"),
        ({"displayFulfillmentStatus": None, "displayFinancialStatus": None}, "unknown"),
    ],
)
def test_order_statuses_are_mapped_and_their_words_kept(changes: dict[str, Any], status: str) -> None:
    """Ours is one of few; theirs is kept as it came."""
    found = order(**changes)

    assert found.status == status
    words = [{**ORDER, **changes}[f"display{kind}Status"] for kind in ("Financial", "Fulfillment")]
    assert found.marketplace_status == ("/".join(word for word in words if word) or "none")


def test_an_order_keeps_exact_money_and_lines_of_deleted_variants() -> None:
    """Amounts have two decimals at least; a line whose variant is gone is keyed by its own id."""
    found = order()

    assert found.total == Money("599.00", "ZAR")
    assert found.created_at == datetime(2026, 11, 22, 8, 14, 5, tzinfo=UTC)
    assert (found.lines[0].id, found.lines[0].variant_id, found.lines[0].quantity) == (
        "15100477718667",
        None,
        2,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"createdAt": "2026-11-22T08:14:05"},
        {"createdAt": None},
        {"legacyResourceId": ""},
        {"currentTotalPriceSet": {"shopMoney": {"amount": "x", "currencyCode": "ZAR"}}},
        {"currentTotalPriceSet": {"shopMoney": {"amount": 599.0, "currencyCode": "ZAR"}}},
        {"lineItems": {"nodes": [{"id": "gid://shopify/LineItem/", "quantity": 1}]}},
        {"lineItems": None},
    ],
)
def test_a_malformed_order_is_refused_and_still_identified(changes: dict[str, Any]) -> None:
    """A time without a zone, money as a float, a missing part: each makes a reject of its own."""
    raw = msgspec.json.encode({**ORDER, **changes})
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        order_records.order(raw, False)

    expected = None if changes == {"legacyResourceId": ""} else "6023419910411"
    assert order_records.order_id(raw) == expected


def test_a_product_is_priced_in_the_shops_currency() -> None:
    """Variants carry no currency of their own; empty SKUs and barcodes are none."""
    variant = {"id": "gid://shopify/ProductVariant/7", "sku": "", "barcode": "", "price": "10.5"}
    row = {
        "legacyResourceId": "5",
        "title": "Mug",
        "status": "UNLISTED",
        "updatedAt": "2026-11-23T06:02:41Z",
        "variants": {"nodes": [{**variant, "compareAtPrice": "12"}]},
    }
    raw = msgspec.json.encode({"currency": "GBP", "product": row})

    found = product_records.product(raw, False)

    assert (found.id, found.status, found.marketplace_status) == ("5", "active", "UNLISTED")
    assert (found.variants[0].sku, found.variants[0].barcode) == (None, None)
    assert found.variants[0].price == Money("10.50", "GBP")
    assert found.variants[0].list_price == Money("12.00", "GBP")
    assert product_records.product_id(raw) == "5"
    assert product_records.product_id(b'{"currency":"GBP","product":{}}') is None


LEVEL: dict[str, Any] = {
    "id": "gid://shopify/InventoryLevel/900?inventory_item_id=700",
    "updatedAt": "2026-11-23T06:02:41Z",
    "item": {"id": "gid://shopify/InventoryItem/700", "sku": "MUG"},
    "location": {"id": "gid://shopify/Location/900", "name": "Cape Town"},
    "quantities": [{"name": "available", "quantity": -2}, {"name": "on_hand", "quantity": 3}],
}


def test_a_stock_level_is_named_by_item_and_location() -> None:
    """Oversold stock is negative, and a quantity that was not told is not zero."""
    raw = msgspec.json.encode(LEVEL)

    assert stock_records.level(raw, False) == StockLevel(
        id="700@900",
        sku="MUG",
        inventory_item_id="700",
        tracked=True,
        location_id="900",
        location_name="Cape Town",
        available=-2,
        available_micros=-2_000_000,
        on_hand=3,
        updated_at=datetime(2026, 11, 23, 6, 2, 41, tzinfo=UTC),
    )
    assert stock_records.level_id(raw) == "700@900"


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"junk", msgspec.json.encode({**LEVEL, "item": {"id": ""}})])
def test_what_has_no_readable_id_is_not_identified(raw: bytes) -> None:
    """None, and no error, whatever the bytes."""
    assert order_records.order_id(raw) is None
    assert product_records.product_id(raw) is None
    assert stock_records.level_id(raw) is None
