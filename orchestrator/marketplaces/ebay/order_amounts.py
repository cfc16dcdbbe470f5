"""The amounts of eBay's orders: prices, taxes, refunds.

Source: eBay's own description of Fulfillment 1.20.7, read 2026-11-28. Facts that this module depends on:

- The tax that eBay collects and remits is in `pricingSummary.total` only if the call asks for TAX_BREAKDOWN.
- The description does not say whether `pricingSummary.tax` holds that tax. So it is read in the way by which
  the total is the sum of its parts: see `_read_tax`.
- Discounts "should be" negative numbers. The sign is not relied on.
- The id of a refund by line is told at the line alone. The description does not say whether the order's own
  list tells such a refund too: one of the same amount and time counts as the same.
- A refund is the seller's part, without the tax that eBay collected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.ebay.order_rows import Amount, LineItem, OrderRow, Payments, Pricing, Tax
from orchestrator.marketplaces.ebay.order_rows import Refund as RefundRow
from orchestrator.marketplaces.unified.breakdown import sum_of_all
from orchestrator.marketplaces.values import EXACT, Details, money, total_of
from orchestrator.model.records.record import LinePart, Money, Refund

#: Fees for recycling and the like, which are listed among the taxes; the word ends with this.
_FEE = "_FEE"
#: The characters of a text with more digits than a person writes.
_LONG = 16
#: The most time between the order's own word of a refund and its line's.
_ONE_REFUND = timedelta(days=1)


class LineTaxes(msgspec.Struct, frozen=True, kw_only=True):
    """The taxes of a line."""

    #: Of the seller.
    own: Money | None = None
    #: Collected and remitted by eBay.
    collected: Money | None = None
    #: The same, with the fees that eBay remits.
    remitted: Money | None = None


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """The order's amounts, as far as they are told."""

    subtotal: Money | None
    discount_total: Money | None
    shipping_total: Money | None
    tax_total: Money | None
    marketplace_tax: Money | None
    total: Money | None
    presentment_total: Money | None


def money_of(details: Details, name: str, value: object) -> Money | None:
    """An amount that the record can be without."""
    amount = details.part(name, value, Amount)
    return details.money(name, _number(amount.value), amount.currency) if amount else None


def prices_of(details: Details, told: Pricing, lines: Sequence[LineTaxes]) -> tuple[Prices, bool]:
    """The order's amounts, and whether the total holds the tax that eBay remits.

    An amount that eBay leaves out because it is none counts as 0.

    Raises:
        RecordInvalid: The total is not an amount.
    """
    total, subtotal = _total(told.total), money_of(details, "subtotal", told.price_subtotal)
    # Without these two nothing says that eBay tells the order's amounts.
    zero = money(0, total.currency) if total and subtotal else None
    discount = _size(money_of(details, "discount_total", told.price_discount)) or zero
    shipping = _shipping(details, told, zero)
    tax, is_in_total = money_of(details, "tax_total", told.tax) or zero, True
    remitted = added(details, "marketplace_tax", [each.remitted for each in lines])
    rest = [money_of(details, "other_total", each) for each in (told.fee, told.adjustment)]
    if zero and total and tax and remitted:
        parts = [amount for amount in (subtotal, shipping, *rest) if amount]
        left = EXACT.subtract(total_of(map(_value, (total, discount))), total_of(map(_value, parts)))
        tax, is_in_total = _read_tax(details, tax, remitted, lines, left)
    prices = Prices(
        subtotal=subtotal,
        discount_total=discount,
        shipping_total=shipping,
        tax_total=tax,
        marketplace_tax=remitted or zero if is_in_total else zero,
        total=total,
        presentment_total=_presented(details, told.total),
    )
    return prices, is_in_total


def taxes_of(details: Details, item: LineItem) -> LineTaxes:
    """The taxes of a line. Those that eBay collects may be among the others too: they count once."""
    listed = _taxes(details, "lines.tax", item.taxes)
    collected = _taxes(details, "lines.marketplace_tax", item.ebay_collect_and_remit_taxes)
    if not listed and not collected:
        return LineTaxes()
    own = [each for each in listed if each not in collected]
    return LineTaxes(
        own=added(details, "lines.tax", [amount for kind, amount in own if not kind.endswith(_FEE)]),
        collected=added(
            details, "lines.tax", [amount for kind, amount in collected if not kind.endswith(_FEE)]
        ),
        remitted=added(details, "lines.marketplace_tax", [amount for _, amount in collected]),
    )


def added(details: Details, name: str, told: Iterable[Money | None]) -> Money | None:
    """The sum of the told amounts; None if there are none, or with a warning if their currencies differ."""
    amounts = [amount for amount in told if amount]
    if len(amounts) < 2:
        return amounts[0] if amounts else None
    if any(first.currency != second.currency for first, second in pairwise(amounts)):
        details.note(name)
        return None
    return details.read(name, sum_of_all, amounts)


def refunds_of(details: Details, row: OrderRow) -> tuple[Refund, ...] | None:
    """The paid refunds; None if they are not told or cannot be read."""
    payments = details.part("refunds", row.payment_summary, Payments)
    if payments is None or payments.refunds is None:
        return None
    listed = details.items("refunds", payments.refunds, RefundRow)
    by_line = _line_refunds(details, row.line_items)
    if listed is None or by_line is None:
        details.note("refunded")
        return None
    found = []
    for number, told in enumerate(listed, 1):
        parts = _take_lines(details, told, by_line)
        if told.refund_status == "REFUNDED":
            amount = money_of(details, "refunds.amount", told.amount)
            found.append(_refund(details, told, amount, parts, f"refund-{number}"))
    for parts in by_line.values():
        line_id, told = parts[0]
        if told.refund_date is not None:
            found.append(_refund(details, told, _amount(details, parts), parts, f"line-{line_id}"))
    return tuple(found)


_LineRefund = tuple[str, RefundRow]


def _line_refunds(details: Details, items: Iterable[LineItem]) -> dict[str, list[_LineRefund]] | None:
    """The refunds of lines, together by their id; without one, by their time."""
    found: dict[str, list[_LineRefund]] = {}
    for item in items:
        rows = details.items("refunds", item.refunds, RefundRow)
        if rows is None:
            return None
        for row in rows:
            found.setdefault(str(row.refund_id or row.refund_date or ""), []).append((item.line_item_id, row))
    return found


def _take_lines(
    details: Details, told: RefundRow, by_line: dict[str, list[_LineRefund]]
) -> list[_LineRefund]:
    """The lines of a refund of the order, by its id, else by amount and time; they are taken out."""
    if told.refund_id:
        return by_line.pop(str(told.refund_id), [])
    amount = money_of(details, "refunds.amount", told.amount)
    at = details.moment("refunds.created_at", told.refund_date)
    for key, parts in by_line.items():
        when = details.moment("refunds.created_at", parts[0][1].refund_date)
        is_near = at is None or when is None or abs(at - when) <= _ONE_REFUND
        if is_near and amount is not None and amount == _amount(details, parts):
            return by_line.pop(key)
    return []


def _refund(
    details: Details, told: RefundRow, amount: Money | None, parts: list[_LineRefund], otherwise: str
) -> Refund:
    if amount is None:
        details.note("refunded")
    return Refund(
        id=details.text("refunds.id", told.refund_id or told.refund_reference_id) or otherwise,
        created_at=details.moment("refunds.created_at", told.refund_date),
        amount=amount,
        # The number of pieces is not told.
        lines=tuple(
            LinePart(line_id=line_id, quantity=0, amount=money_of(details, "refunds.amount", row.amount))
            for line_id, row in parts
        ),
    )


def _amount(details: Details, parts: list[_LineRefund]) -> Money | None:
    amounts = [money_of(details, "refunds.amount", row.amount) for _, row in parts]
    return added(details, "refunds.amount", amounts) if all(amounts) else None


def _number(value: object) -> object:
    """The value of an amount; a long text as a number, because it may come from a binary fraction."""
    if type(value) is not str or len(value) < _LONG:
        return value
    try:
        return Decimal(value)
    except InvalidOperation:
        return value


def _total(told: Amount | None) -> Money | None:
    """The order's total, if it is told.

    Raises:
        RecordInvalid: It is not an amount.
    """
    details = Details()
    found = money_of(details, "total", told)
    if details.warnings:
        raise RecordInvalid("the total is not a number and a currency")
    return found


def _size(amount: Money | None) -> Money | None:
    return Money(amount.amount.removeprefix("-"), amount.currency) if amount else None


def _shipping(details: Details, told: Pricing, zero: Money | None) -> Money | None:
    cost = money_of(details, "shipping_total", told.delivery_cost) or zero
    discount = _size(money_of(details, "shipping_total", told.delivery_discount))
    if cost is None or discount is None:
        return cost
    return added(details, "shipping_total", [cost, Money(f"-{discount.amount}", discount.currency)])


def _read_tax(
    details: Details, tax: Money, remitted: Money, lines: Sequence[LineTaxes], left: Decimal
) -> tuple[Money | None, bool]:
    """The order's tax, and whether the total holds the tax that eBay remits.

    The readings of eBay's amount are tried in turn. The first is right by which nothing of the total is left.
    If none is, the larger of eBay's amount and the lines' taxes counts.

    Args:
        details: Takes the names of amounts that cannot be told.
        tax: The amount as eBay tells it.
        remitted: The sum of the lines' taxes and fees that eBay remits.
        lines: The lines' taxes.
        left: The total less all of its parts but the tax.
    """
    collected = added(details, "tax_total", [each.collected for each in lines])
    if {tax.currency} != {each.currency for each in (remitted, collected) if each}:
        return tax, True
    if _value(tax) == left:
        # An amount smaller than the collected tax cannot hold it: the total leaves it out.
        return tax, _value(tax) >= _value(collected)
    for more in (collected, remitted):
        if more and _value(tax) + _value(more) == left:
            return money(left, tax.currency), True
    of_lines = added(details, "tax_total", [part for each in lines for part in (each.own, each.collected)])
    return max(tax, of_lines or tax, key=_value), True


def _taxes(details: Details, name: str, value: object) -> list[tuple[str, Money]]:
    """Kinds and amounts of taxes."""
    return [
        (str(row.tax_type or ""), amount)
        for row in details.items(name, value, Tax) or ()
        if (amount := money_of(details, name, row.amount))
    ]


def _presented(details: Details, total: Amount | None) -> Money | None:
    if total is None:
        return None
    value = _number(total.converted_from_value)
    return details.money("presentment_total", value, total.converted_from_currency)


def _value(amount: Money | None) -> Decimal:
    return Decimal(amount.amount) if amount else Decimal(0)
