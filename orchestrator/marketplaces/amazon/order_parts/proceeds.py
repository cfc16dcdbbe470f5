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
from typing import Any

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.amazon.fields import Row, amount_of
from orchestrator.marketplaces.unified.breakdown import difference, in_currency, sum_of_all
from orchestrator.marketplaces.values import Details, money
from orchestrator.model.records.record import Money

#: All kinds of an item's proceeds (`ItemProceedsBreakdown.type`).
KINDS = ("ITEM", "SHIPPING", "GIFT_WRAP", "COD_FEE", "OTHER", "TAX", "DISCOUNT")


class _Breakdowns(Row):
    breakdowns: Any = None


class _Breakdown(Row):
    type: str = ""
    subtotal: Any = None
    detailed_breakdowns: Any = None


class _Part(Row):
    subtype: str = ""
    value: Any = None


class LineAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts of an order item; all are None if Amazon tells no breakdown."""

    subtotal: Money | None = None
    #: Of the item itself, positive.
    discount: Money | None = None
    #: After discounts on shipping.
    shipping: Money | None = None
    tax: Money | None = None
    #: All proceeds but the tax, after all discounts.
    untaxed: Money | None = None


def line_amounts(details: Details, proceeds: object) -> LineAmounts:
    """The amounts of an order item, from its `proceeds`."""
    found = details.part("proceeds", proceeds, _Breakdowns) or _Breakdowns()
    rows = details.items("breakdowns", found.breakdowns, _Breakdown) or []
    by_kind: dict[str, list[Money | None]] = {kind: [] for kind in KINDS}
    currency: str | None = None
    for row in rows:
        amount = amount_of(details, "subtotal", row.subtotal)
        currency = currency or (amount.currency if amount else None)
        if amount is None:
            details.note("subtotal")
        if row.type not in by_kind:
            details.unknown("breakdowns", row.type)
        by_kind.setdefault(row.type, []).append(in_currency(details, "subtotal", amount, currency))
    if currency is None:
        return LineAmounts()
    zero = money(0, currency)

    def told(kind: str) -> Money | None:
        return details.read(kind, lambda: sum_of_all((zero, *by_kind[kind])))

    off = [_positive(amount) for amount in by_kind.pop("DISCOUNT")]
    taxes = told("TAX")
    del by_kind["TAX"]
    on_items, on_shipping = _discounts(details, rows, off, zero)
    return LineAmounts(
        subtotal=told("ITEM"),
        discount=on_items,
        shipping=details.read("SHIPPING", lambda: difference(told("SHIPPING"), on_shipping)),
        tax=taxes,
        untaxed=details.read(
            "breakdowns",
            lambda: difference(
                sum_of_all((zero, *(amount for each in by_kind.values() for amount in each))),
                sum_of_all((zero, *off)),
            ),
        ),
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
    untaxed = details.read("breakdowns", lambda: sum_of_all(line.untaxed for line in lines))
    taxes = details.read("TAX", lambda: sum_of_all(line.tax for line in lines))
    if not (total and untaxed and taxes) or {untaxed.currency, taxes.currency} != {total.currency}:
        return None
    tax = Decimal(taxes.amount)
    rest = Decimal(total.amount) - Decimal(untaxed.amount)
    # A tip that is not charged yet may be missing from the total.
    sums = {Decimal(0), _of_whole_order(details, breakdowns, total.currency)}
    if not tax or (rest in sums) == (rest - tax in sums):
        return None
    return rest in sums


def _of_whole_order(details: Details, breakdowns: object, currency: str) -> Decimal:
    """The sum of the proceeds that no item has, such as a tip."""
    rows = details.items("breakdowns", breakdowns, _Breakdown) or []
    amounts = (amount_of(details, "subtotal", row.subtotal) for row in rows if row.type not in KINDS)
    own = (in_currency(details, "subtotal", amount, currency) for amount in amounts)
    return sum((Decimal(amount.amount) for amount in own if amount), Decimal(0))


def _discounts(
    details: Details, rows: Iterable[_Breakdown], off: Sequence[Money | None], zero: Money
) -> tuple[Money | None, Money | None]:
    """The discounts on the item and on its shipping. A discount that is not split is on the item."""

    def reader() -> tuple[Money | None, Money | None]:
        others = [
            (part.subtype, _in(zero.currency, _positive(amount_of(details, "value", part.value))))
            for row in rows
            if row.type == "DISCOUNT"
            for part in msgspec.convert(row.detailed_breakdowns or [], list[_Part])
            if part.subtype != "ITEM"
        ]
        on_others = sum_of_all((zero, *(amount for _, amount in others)))
        on_items = difference(sum_of_all((zero, *off)), on_others)
        if on_items and on_items.amount.startswith("-"):
            raise RecordInvalid("the parts of a discount are more than all of it")
        return on_items, sum_of_all((zero, *(amount for kind, amount in others if kind == "SHIPPING")))

    return details.read("detailedBreakdowns", reader) or (None, None)


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
