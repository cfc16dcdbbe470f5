"""Records of the truth: the normalized fields that a complete sync must store.

Each is `{stream, id, …}`; tests compare these fields with the connectors' records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from local.sandbox.catalogue import Sale, decimal

Truth = dict[str, Any]


def true_order(sale: Sale, order_id: str, number: str, status: str, total: Truth | None) -> Truth:
    """An order; `total` is None if the marketplace does not show it."""
    return {
        "stream": "orders",
        "id": order_id,
        "number": number,
        "status": status,
        "total": total,
        "quantities": [line.quantity for line in sale.lines],
    }


def true_amounts(currency: str, **cents: int | None) -> dict[str, Truth | None]:
    """Further amounts of an order, by the names of their fields; None is one that is not told.

    `other_total` is exactly the sum of all tips, duties, surcharges and the like.
    """
    return {name: None if amount is None else true_money(amount, currency) for name, amount in cents.items()}


def true_product(
    product_id: str, title: str, status: str, skus: Sequence[str | None], price: Truth, **further: Any
) -> Truth:
    """A product with its variants' SKUs; the price is the first variant's, and an empty title is none.

    `further` are other fields of the record by their names, and `costs`: those of the variants.
    """
    return {
        "stream": "products",
        "id": product_id,
        "title": title or None,
        "status": status,
        "skus": skus,
        "price": price,
        **further,
    }


def true_stock(stock_id: str, available: int) -> Truth:
    """A stock level."""
    return {"stream": "inventory", "id": stock_id, "available": available}


def true_money(cents: int, currency: str) -> Truth:
    """An amount of money as records hold it."""
    return {"amount": decimal(cents), "currency": currency}
