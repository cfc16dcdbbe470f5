"""What Amazon's sandbox shows of a seller's data: orders, listings and stock."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Sale, State, mix

#: Where a seller sells: most in the first, every fifth item and order in the second.
MARKETPLACES = {"AE08WJ6YKNBMC": "Amazon.co.za", "A1F83G8C2ARO7P": "Amazon.co.uk"}
_STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("PENDING", "pending"),
    "open": ("UNSHIPPED", "open"),
    "partly_shipped": ("PARTIALLY_SHIPPED", "partially_fulfilled"),
    "shipped": ("SHIPPED", "fulfilled"),
    "cancelled": ("CANCELLED", "cancelled"),
    # A refund or a return leaves an order as shipped as it was.
    "refunded": ("SHIPPED", "fulfilled"),
    "returned": ("SHIPPED", "fulfilled"),
}
_LISTED = {
    "active": (["BUYABLE", "DISCOVERABLE"], "active"),
    "draft": ([], "inactive"),
    "archived": (["DISCOVERABLE"], "inactive"),
}


def marketplace(index: int) -> str:
    """Where an item or an order belongs."""
    return list(MARKETPLACES)[index % 5 == 4]


def lies_with_amazon(index: int) -> bool:
    """Whether Amazon sends an item."""
    return index % 2 == 1


def order_id(sale: Sale) -> str:
    """Three, seven and seven digits."""
    digits = f"{sale.id:017d}"
    return f"{digits[:3]}-{digits[3:10]}-{digits[10:]}"


def product_id(item: Item) -> str:
    """SKU and marketplace."""
    return f"{item.sku}@{marketplace(_index(item))}"


def _index(item: Item) -> int:
    """Ids of items are numbered through; both generators begin with a multiple of 1,000."""
    return item.id % 1000


def stock_id(account: Account, index: int) -> str:
    """The one place where an item lies."""
    item = account.item(index)
    place = f"AMAZON/{_fn_sku(item)}" if lies_with_amazon(_index(item)) else "DEFAULT"
    return f"{product_id(item)}/{place}"


def quantity(account: Account, index: int) -> int:
    """What can be sold of an item, wherever the generator says it lies."""
    return sum(account.stock(index, 0, place)[0] for place in (0, 1))
