"""Shopify's global ids, amounts and other values."""

from __future__ import annotations

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.shopify import rows
from orchestrator.marketplaces.values import Details
from orchestrator.model.records.record import Money

#: The title of the only variant of a product without options, and the value of its only option.
NO_VARIANT = "Default Title"


def number(gid: str) -> str:
    """The number at the end of a global id such as `gid://shopify/Order/6023419910411`."""
    tail = gid.partition("?")[0].rpartition("/")[2]
    if not tail:
        raise RecordInvalid("an id is not a Shopify global id")
    return tail


def node_id(details: Details, name: str, ref: object) -> str | None:
    """The number of a node; None if there is no node."""
    node = details.part(name, ref, rows.Ref)
    return details.read(name, lambda: number(node.id)) if node else None


def amount(details: Details, name: str, bag: object) -> Money | None:
    """An amount in the shop's currency; None without a warning if there is none."""
    found = details.part(name, bag, rows.Bag)
    return details.money(name, found.shop_money.amount, found.shop_money.currency_code) if found else None


def words(details: Details, name: str, told: object) -> tuple[str, ...]:
    """A list of texts; none of them if one is unreadable."""
    return tuple(details.items(name, told, str) or ())
