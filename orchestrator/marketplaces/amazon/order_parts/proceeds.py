"""The amounts of Amazon's order items, and whether they contain the tax.

Source: the published model of the Orders API 2026-01-01, read 2026-11-28. Facts that this module depends on:

- `breakdowns` lists an item's proceeds by kind. A kind without proceeds is not listed: in the model's
  example an item without tax has no `TAX`.
- The sum that the buyer was charged is told by the order's `grandTotal` alone. The model does not say
  whether it contains the tax: in its example it is the items, their tax, and a tip.
- The sign of `DISCOUNT` is not documented. Its `detailedBreakdowns` tell what was discounted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.amazon.fields import Amount, Row, amount_of
from orchestrator.marketplaces.unified.breakdown import difference, in_currency, sum_of_all
from orchestrator.marketplaces.values import EXACT, Details, money, total_of
from orchestrator.model.records.record import Money

#: All kinds of an item's proceeds (`ItemProceedsBreakdown.type`).
KINDS = ("ITEM", "SHIPPING", "GIFT_WRAP", "COD_FEE", "OTHER", "TAX", "DISCOUNT")


class _Part(Row):
    subtype: str = ""
    value: Annotated[object, Amount] = None


class Breakdown(Row):
    """The proceeds of one kind."""

    type: str = ""
    subtotal: Annotated[object, Amount] = None
    detailed_breakdowns: Annotated[object, list[_Part]] = None


class Proceeds(Row):
    """The proceeds of an item."""

    breakdowns: Annotated[object, list[Breakdown]] = None


class LineAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts of an order item; all are None if Amazon tells no breakdown."""

    subtotal: Money | None = None
    #: Of the item itself, positive.
    discount: Money | None = None
    #: After discounts on shipping.
    shipping: Money | None = None
    tax: Money | None = None
    #: All proceeds but the tax, after all discounts.
    untaxed: Decimal | None = None


def line_amounts(details: Details, proceeds: object) -> LineAmounts:
    """The amounts of an order item, from its `proceeds`."""
    found = details.part("proceeds", proceeds, Proceeds) or Proceeds()
    rows = details.items("breakdowns", found.breakdowns, Breakdown) or []
    by_kind: dict[str, list[Money | None]] = {}
    currency: str | None = None
    for row in rows:
        amount = amount_of(details, "subtotal", row.subtotal)
        if amount is None:
            details.note("subtotal")
        elif currency is None:
            currency = amount.currency
        if row.type not in KINDS:
            details.unknown("breakdowns", row.type)
        owned = in_currency(details, "subtotal", amount, currency)
        by_kind.setdefault(row.type, []).append(_positive(owned) if row.type == "DISCOUNT" else owned)
    if currency is None:
        return LineAmounts()
    zero = money(0, currency)

    def told(kind: str) -> Money | None:
        return details.read(kind, _sum, by_kind.get(kind, ()), zero)

    off = told("DISCOUNT")
    discounts = [row for row in rows if row.type == "DISCOUNT"]
    split = details.read("detailedBreakdowns", _discounts, details, discounts, off, zero)
    on_items, on_shipping = split or (None, None)
    gross = [each for kind in by_kind.keys() - {"TAX", "DISCOUNT"} for each in by_kind[kind]]
    return LineAmounts(
        subtotal=told("ITEM"),
        discount=on_items,
        shipping=details.read("SHIPPING", difference, told("SHIPPING"), on_shipping),
        tax=told("TAX"),
        untaxed=None if off is None or None in gross else EXACT.subtract(_value(gross), _value([off])),
    )


def contains_tax(
    details: Details, total: Money | None, lines: Sequence[LineAmounts], breakdowns: object
) -> bool | None:
    """Whether the amounts of an order contain the tax: with it, or without, their sum is the order's total.

    None if there is no tax, or if neither sum is the total.

    Args:
        details: The reader.
        total: The order's total.
        lines: The amounts of its items.
        breakdowns: The order's own proceeds by kind, which may have a tip.
    """
    untaxed = [line.untaxed for line in lines if line.untaxed is not None]
    taxes = details.read("TAX", sum_of_all, [line.tax for line in lines])
    if not (total and taxes) or taxes.currency != total.currency or len(untaxed) < len(lines):
        return None
    tax, rest = Decimal(taxes.amount), EXACT.subtract(Decimal(total.amount), total_of(untaxed))
    # A tip that is not charged yet may be missing from the total.
    sums = (Decimal(0), _of_whole_order(details, breakdowns, total.currency))
    if not tax or (rest in sums) == (EXACT.subtract(rest, tax) in sums):
        return None
    return rest in sums


def _of_whole_order(details: Details, breakdowns: object, currency: str) -> Decimal:
    """The sum of the proceeds that no item has, such as a tip."""
    rows = details.items("breakdowns", breakdowns, Breakdown) or []
    amounts = (amount_of(details, "subtotal", row.subtotal) for row in rows if row.type not in KINDS)
    return _value(in_currency(details, "subtotal", amount, currency) for amount in amounts)


def _discounts(
    details: Details, rows: Iterable[Breakdown], off: Money | None, zero: Money
) -> tuple[Money | None, Money | None]:
    """The discounts on the item and on its shipping. A discount that is not split is on the item.

    Raises:
        RecordInvalid: Its parts are unreadable, or more than all of it.
    """
    others = [
        (part.subtype, _in(zero.currency, _positive(amount_of(details, "value", part.value))))
        for row in rows
        for part in _parts(details, row)
        if part.subtype != "ITEM"
    ]
    on_items = difference(off, _sum([amount for _, amount in others], zero))
    if on_items and on_items.amount.startswith("-"):
        raise RecordInvalid("the parts of a discount are more than all of it")
    return on_items, _sum([amount for kind, amount in others if kind == "SHIPPING"], zero)


def _parts(details: Details, row: Breakdown) -> Sequence[_Part]:
    """The parts of a discount.

    Raises:
        RecordInvalid: They are no list, or one of them is unreadable.
    """
    told = row.detailed_breakdowns or []
    found = details.items("detailedBreakdowns", told, _Part) if type(told) is list else None
    if found is None:
        raise RecordInvalid("the parts of a discount are unreadable")
    return found


def _sum(amounts: Sequence[Money | None], zero: Money) -> Money | None:
    """The sum of amounts, 0 if there are none; None if one of them is unknown."""
    return sum_of_all(amounts) if amounts else zero


def _value(amounts: Iterable[Money | None]) -> Decimal:
    """The sum of the known amounts."""
    return total_of(Decimal(amount.amount) for amount in amounts if amount)


def _positive(amount: Money | None) -> Money | None:
    return amount and Money(amount.amount.removeprefix("-"), amount.currency)


def _in(currency: str, amount: Money | None) -> Money:
    """The amount, which is told and in this currency.

    Raises:
        RecordInvalid: It is not.
    """
    if amount is None or amount.currency != currency:
        raise RecordInvalid("an amount is missing, or in another currency")
    return amount
