"""Fields that Amazon's rows have in common: amounts, times, and the id of a listing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from orchestrator.marketplaces.values import Details, Number, money, quantity
from orchestrator.model.records.record import Money, Quantity


class Row(msgspec.Struct, rename="camel", kw_only=True):
    """Amazon writes names in camel case."""


class Price(Row):
    """An amount with its currency."""

    amount: Decimal
    currency_code: str


class Amount(Row):
    """An amount that a record can do without."""

    amount: Any = None
    currency_code: Any = None


def within(marketplace: str, kind: Literal["listing", "fba", "merchant"], row: msgspec.Raw) -> bytes:
    """A row under the name of its kind, beside the marketplace that listed it."""
    return b'{"marketplace":%b,"%b":%b}' % (msgspec.json.encode(marketplace), kind.encode(), bytes(row))


def listing_id_of(sku: str, marketplace: str) -> str:
    """The id of a SKU in a marketplace."""
    return f"{sku}@{marketplace}"


def price(amount: Price | None) -> Money | None:
    """The amount as money, if there is one."""
    # As text: the hash of a Decimal, by which `money` remembers an amount, takes longer than all the rest.
    return None if amount is None else money(str(amount.amount), amount.currency_code)


def amount_of(details: Details, name: str, amount: object) -> Money | None:
    """An amount that a record can do without."""
    found = details.part(name, amount, Amount)
    return None if found is None else details.money(name, found.amount, found.currency_code)


def pieces(number: Number | None) -> Quantity | None:
    """A number of pieces, if there is one."""
    return None if number is None else quantity(number)
