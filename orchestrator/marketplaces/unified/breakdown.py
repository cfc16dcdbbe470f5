"""The amounts of an order and of its lines: sums, the rest of the total, and the seller's net."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.statuses import UNPAID
from orchestrator.marketplaces.values import EXACT, Details, money, total_of
from orchestrator.model.records.record import Charge, Money, OrderLine, PaymentStatus, Quantity

_MICROS = 6
_LARGEST = 2**63 - 1


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an order that are amounts, or say how to read them."""

    currency: str | None
    taxes_included: bool | None
    subtotal: Money | None
    discount_total: Money | None
    shipping_total: Money | None
    other_total: Money | None = None
    tax_total: Money | None
    marketplace_tax: Money | None
    total: Money | None
    refunded: Money | None
    net: Money | None = None
    net_micros: int | None = None
    fees: Money | None = None
    fee_lines: tuple[Charge, ...]
    presentment_total: Money | None


def currency_of(facts: OrderFacts) -> str | None:
    """The currency of an order's amounts: the total's, else the one that is told, else the first found."""
    if facts.total:
        return facts.total.currency
    if facts.currency:
        return facts.currency
    amounts = (facts.subtotal, facts.refunded, facts.remaining, facts.shipping_total)
    lines = (amount for line in facts.lines for amount in (line.total, line.subtotal, line.unit_price))
    return next((amount.currency for amount in (*amounts, *lines) if amount), None)


def in_currency(details: Details, name: str, amount: Money | None, currency: str | None) -> Money | None:
    """An amount of the order; one in another currency is None with a warning."""
    if amount is None or amount.currency == currency:
        return amount
    details.note(name)
    return None


def priced_line(line: OrderLine, currency: str | None, details: Details) -> OrderLine:
    """A line with the amounts that follow from its others, all in the order's currency."""
    subtotal = in_currency(details, "lines.subtotal", line.subtotal, currency)
    discount = in_currency(details, "lines.discount", line.discount, currency)
    total = in_currency(details, "lines.total", line.total, currency)
    unit = in_currency(details, "lines.unit_price", line.unit_price, currency)
    if total is None:
        total = details.read("lines.total", difference, subtotal, discount)
    elif discount is None:
        discount = details.read("lines.discount", difference, subtotal, total)
    elif subtotal is None:
        subtotal = details.read("lines.subtotal", sum_of_all, (total, discount))
    return msgspec.structs.replace(
        line,
        unit_price=unit or unit_price(subtotal, line.quantity),
        subtotal=subtotal,
        discount=discount,
        tax=in_currency(details, "lines.tax", line.tax, currency),
        marketplace_tax=in_currency(details, "lines.marketplace_tax", line.marketplace_tax, currency),
        total=total,
        fees=tuple(each for each in line.fees if in_currency(details, "lines.fees", each.amount, currency)),
    )


def breakdown_of(facts: OrderFacts, payment: PaymentStatus, details: Details) -> Breakdown:
    """The amounts of an order.

    Args:
        facts: The order, with its lines as `priced_line` makes them.
        payment: The state of its payment.
        details: Takes the names of amounts that cannot be told.
    """
    currency, lines = currency_of(facts), facts.lines

    def own(name: str, told: Money | None, parts: Iterable[Money | None] = ()) -> Money | None:
        """The amount as told, else the sum of its parts."""
        return in_currency(details, name, told, currency) if told else details.read(name, sum_of_all, parts)

    found = Breakdown(
        currency=currency,
        taxes_included=facts.taxes_included,
        subtotal=own("subtotal", facts.subtotal, (line.subtotal for line in lines)),
        discount_total=own("discount_total", facts.discount_total, (line.discount for line in lines)),
        shipping_total=own("shipping_total", facts.shipping_total),
        tax_total=own("tax_total", facts.tax_total, (line.tax for line in lines)),
        marketplace_tax=own(
            "marketplace_tax",
            facts.marketplace_tax,
            (line.marketplace_tax for line in lines if line.marketplace_tax),
        ),
        total=facts.total,
        refunded=in_currency(details, "refunded", facts.refunded, currency)
        if facts.refunded
        else details.read("refunded", _refunded, facts, currency),
        fee_lines=details.read("fee_lines", _fees, facts, currency, details) or (),
        presentment_total=_presented(facts.presentment_total, currency),
    )
    net = details.read("net", _net, facts, found, payment, details)
    return msgspec.structs.replace(
        found,
        other_total=details.read("other_total", _rest, found),
        net=net,
        net_micros=micros(net.amount) if net and not facts.test else None,
        fees=details.read("fees", sum_of_all, (charge.amount for charge in found.fee_lines)),
    )


def sum_of_all(amounts: Iterable[Money | None]) -> Money | None:
    """The sum of amounts of one currency; None if one of them is unknown, or if there are none.

    Raises:
        RecordInvalid: The sum is too large.
    """
    found: list[Money] = []
    for amount in amounts:
        if amount is None:
            return None
        found.append(amount)
    return _total(found) if found else None


def difference(whole: Money | None, part: Money | None) -> Money | None:
    """The whole less a part, both of one currency; None if one of them is unknown.

    Raises:
        RecordInvalid: The difference is too large.
    """
    if whole is None or part is None:
        return None
    # Most lines have no discount.
    return money(0, whole.currency) if whole == part else _plus(whole, Decimal(part.amount).copy_negate())


def unit_price(subtotal: Money | None, pieces: Quantity) -> Money | None:
    """The price of one piece; None if the subtotal does not divide without a remainder."""
    if subtotal is None or not isinstance(pieces, int) or pieces < 1:
        return None
    whole, _, fraction = subtotal.amount.partition(".")
    unit, rest = divmod(int(whole + fraction), pieces)
    return None if rest else money(Decimal(unit).scaleb(-len(fraction), EXACT), subtotal.currency)


def micros(number: Quantity) -> int | None:
    """A number times 10^6; None if it has more than six decimals, or does not fit the store's 64 bits."""
    scaled = Decimal(number).scaleb(_MICROS, EXACT)
    whole = int(scaled)
    return whole if scaled == whole and abs(whole) <= _LARGEST else None


def _plus(amount: Money, more: Decimal) -> Money:
    if not more:
        return amount
    # As text: the hash of a new Decimal, by which `money` finds an amount, takes longer than all the rest.
    return money(str(EXACT.add(Decimal(amount.amount), more)), amount.currency)


def _total(amounts: Sequence[Money]) -> Money:
    """The sum of amounts of one currency, at least one."""
    if len(amounts) == 1:
        return amounts[0]
    found = total_of(Decimal(each.amount) for each in amounts)
    return money(str(found), amounts[0].currency)


def _refunded(facts: OrderFacts, currency: str | None) -> Money | None:
    """The sum of the refunds; 0 if it is told that there are none."""
    if facts.refunds == () and currency is not None:
        return money(0, currency)
    return sum_of_all(refund.amount for refund in facts.refunds or ())


def _fees(facts: OrderFacts, currency: str | None, details: Details) -> tuple[Charge, ...]:
    """The fees of the order and of its lines, one sum for each kind."""
    found: dict[str, list[Money]] = {}
    for charge in (*facts.fee_lines, *(charge for line in facts.lines for charge in line.fees)):
        amount = in_currency(details, "fee_lines", charge.amount, currency)
        if amount is not None:
            found.setdefault(charge.kind, []).append(amount)
    return tuple(Charge(kind=kind, amount=_total(found[kind])) for kind in sorted(found))


def _presented(total: Money | None, currency: str | None) -> Money | None:
    return total if total and total.currency != currency else None


def _rest(found: Breakdown) -> Money | None:
    """The total less all parts that are known by name; None if one of them is unknown."""
    if found.subtotal is None or found.discount_total is None or found.shipping_total is None:
        return None
    if found.total is None or (found.taxes_included is not True and found.tax_total is None):
        return None
    named = [found.subtotal, found.shipping_total]
    if found.taxes_included is not True and found.tax_total:
        if found.taxes_included is None and Decimal(found.tax_total.amount):
            return None
        named.append(found.tax_total)
    return difference(_total([found.total, found.discount_total]), _total(named))


def _net(facts: OrderFacts, found: Breakdown, payment: PaymentStatus, details: Details) -> Money | None:
    """The amount that stays with the seller before fees; nothing of an order that was never paid.

    An unknown refund counts as none, unless the payment's state or a warning says that there is one. The tax
    that the marketplace remits is taken off as far as something is left.
    """
    if facts.cancelled and payment in UNPAID:
        return money(0, found.currency) if found.currency else None
    left = in_currency(details, "remaining", facts.remaining, found.currency)
    if left is None:
        left = found.total
        if left and found.refunded:
            left = difference(left, found.refunded)
        elif left and payment == "refunded":
            left = money(0, left.currency)
        elif payment == "partially_refunded" or "refunded" in details.warnings:
            left = None
    if left is None or found.marketplace_tax is None:
        return left
    rest, none = Decimal(left.amount), Decimal(0)
    tax = min(Decimal(found.marketplace_tax.amount), max(rest, none))
    # A credit's amounts are negative, and so is its tax; of one that is paid back, nothing is left either.
    return _plus(left, (max(tax, rest) if rest <= none else tax).copy_negate())
