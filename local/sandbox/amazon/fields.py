"""Fields that the rows of Amazon's sandbox have in common."""

from __future__ import annotations

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, decimal

#: A seller's marketplaces: every fifth item and order is in the second, all others in the first.
MARKETPLACES = {"AE08WJ6YKNBMC": "Amazon.co.za", "A1F83G8C2ARO7P": "Amazon.co.uk"}


def marketplace(number: int) -> str:
    """The marketplace of the item or the order with this id."""
    return list(MARKETPLACES)[number % 5 == 4]


def asin(item: Item) -> str:
    """Amazon's number of an item."""
    return f"B{item.id:09d}"


def amount(account: Account, cents: int) -> dict[str, str]:
    """An amount in the account's currency."""
    return {"amount": decimal(cents), "currencyCode": account.currency}
