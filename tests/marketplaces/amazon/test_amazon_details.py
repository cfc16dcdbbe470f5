"""Details of Amazon's records that cannot be read: they are null and named, and the record is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.marketplaces.amazon import listing_records as listings
from orchestrator.marketplaces.amazon import order_records as orders
from orchestrator.marketplaces.amazon import stock_records as stock
from orchestrator.model.records.record import Money
from tests.marketplaces.amazon.test_amazon_records import FBA, LISTING, ORDER, listed, order, stocked

SHIPPING = [{"type": "SHIPPING", "subtotal": {"amount": "50", "currencyCode": "ZAR"}}]
ODD: list[Any] = ["N/A", 5, [], {}, None, False, {"amount": "N/A", "currencyCode": "ZAR"}, {"amount": "5"}]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_detail_of_an_order_costs_neither_the_order_nor_its_total(odd: Any) -> None:
    """Each detail in turn: it is null, and named unless there is simply none."""
    item = ORDER["orderItems"][0]
    changes: list[dict[str, Any]] = [
        {"salesChannel": odd},
        {"fulfillment": odd},
        {"orderItems": [{**item, "product": odd}]},
        {"orderItems": [{**item, "proceeds": odd}]},
        {"orderItems": [{**item, "proceeds": {"breakdowns": odd}}]},
        {"orderItems": [{**item, "proceeds": {"breakdowns": [{"type": "ITEM", "subtotal": odd}]}}]},
        {"orderItems": [{**item, **dict.fromkeys(("promotion", "cancellation", "fulfillment"), odd)}]},
        {"orderItems": [{**item, "tax": odd, "associatedOrderItems": odd}]},
        {"packages": odd, "tax": odd},
        {"packages": [{"packageReferenceId": "1", "packageStatus": odd, "packageItems": odd}]},
        {"orderItems": [{**item, "product": {**item["product"], "price": odd}}]},
        {"orderItems": [{**item, "product": {**item["product"], "price": {"unitPrice": odd}}}]},
        {"orderItems": [{**item, "product": {**item["product"], "title": odd}}]},
        {"buyer": odd, "recipient": odd},
        {"recipient": {"deliveryAddress": odd}},
    ]
    for change in changes:
        found = orders.order(msgspec.json.encode({**ORDER, **change}), True)
        assert found.total == Money("1198.00", "ZAR")
        assert found.lines[0].quantity == 2


def test_an_unusable_amount_is_named() -> None:
    """The line has no price; the warning says which one."""
    item = ORDER["orderItems"][0]
    odd = [{"type": "ITEM", "subtotal": {"amount": "N/A", "currencyCode": "ZAR"}}, *SHIPPING]
    found = order(orderItems=[{**item, "proceeds": {"breakdowns": odd}}])

    assert (found.lines[0].subtotal, found.lines[0].total, found.subtotal) == (None, None, None)
    assert found.total == Money("1198.00", "ZAR")
    assert "subtotal" in found.warnings
    assert order().warnings == ()


def test_a_quantity_by_weight_is_exact() -> None:
    """Of an order, and of stock."""
    item = ORDER["orderItems"][0]
    assert order(orderItems=[{**item, "quantityOrdered": 1.52}]).lines[0].quantity == "1.52"
    raw = stocked(FBA, inventoryDetails={"fulfillableQuantity": 2.5}, totalQuantity=2.5)
    level = stock.level(raw, False)
    assert (level.available, level.on_hand) == ("2.5", "2.5")


@pytest.mark.parametrize("odd", ["yesterday", 5, [], {}, "2026-11-20T09:00:00"])
def test_an_odd_detail_of_a_listing_or_of_stock_is_null(odd: Any) -> None:
    """A time without a zone is not guessed at."""
    summary = {**LISTING["summaries"][0], "lastUpdatedDate": odd, "createdDate": odd}
    product = listings.product(listed(LISTING, summaries=[summary]), False)
    level = stock.level(stocked(FBA, lastUpdatedTime=odd), False)

    assert (product.updated_at, product.created_at, product.status) == (None, None, "active")
    assert (level.updated_at, level.available) == (None, 37)
    for name in ("itemName", "status"):
        changed = {**LISTING["summaries"][0], name: {"odd": odd}}
        assert listings.product(listed(LISTING, summaries=[changed]), False).warnings == (name,)


def test_a_part_of_the_stock_on_its_way_that_cannot_be_read_is_no_zero() -> None:
    """Then nothing is told about stock on its way; the quantity for sale is."""
    details = {**FBA["inventoryDetails"], "inboundShippedQuantity": "many", "reservedQuantity": 5}
    found = stock.level(stocked(FBA, inventoryDetails=details), False)

    assert (found.available, found.incoming, found.reserved) == (37, None, None)
    assert found.warnings == ("reservedQuantity", "inboundShippedQuantity")
