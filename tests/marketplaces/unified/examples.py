"""Facts of an order that is complete, for tests to change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import Details
from orchestrator.model.records.record import Money, Order, OrderLine
from tests.support.clocks import START

HOUR = timedelta(hours=1)


def zar(amount: str) -> Money:
    """An amount in rand."""
    return Money(amount, "ZAR")


def line(line_id: str = "1", **fields: Any) -> OrderLine:
    """Two pieces at 50.00, 10.00 off."""
    given: dict[str, Any] = {
        "quantity": 2,
        "subtotal": zar("100.00"),
        "discount": zar("10.00"),
        "sku": f"SKU-{line_id}",
    }
    return OrderLine(id=line_id, **given | fields)


def facts(**fields: Any) -> OrderFacts:
    """A paid order of one line: 100.00 - 10.00 + 20.00 shipping + 13.50 tax + a tip of 5.00."""
    given: dict[str, Any] = {
        "id": "1001",
        "number": "#1001",
        "marketplace_status": "PAID",
        "created_at": START,
        "payment": "paid",
        "fulfillment": "unfulfilled",
        "released": True,
        "taxes_included": False,
        "shipping_total": zar("20.00"),
        "tax_total": zar("13.50"),
        "total": zar("128.50"),
        "refunds": (),
        "lines": (line(),),
    }
    return OrderFacts(**given | fields)


def order(*, with_buyer: bool = False, **fields: Any) -> Order:
    """The record of the facts."""
    return order_of(facts(**fields), Details(), with_buyer=with_buyer)
