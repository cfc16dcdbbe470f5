"""Amounts of a site's orders, in cents; prices are told without their tax."""

from __future__ import annotations

from local.sandbox.catalogue import Line, Sale

_TAX_PERCENT = 15


def net(line: Line) -> int:
    """The price of a line without its tax."""
    return round(line.total * 100 / (100 + _TAX_PERCENT))


def discount(sale: Sale) -> int:
    """Per cent off each line."""
    return 10 if sale.id % 5 == 0 else 0


def discounted(sale: Sale, line: Line) -> int:
    """The discount of a line."""
    return net(line) * discount(sale) // 100


def shipping(sale: Sale) -> int:
    """The costs of shipping."""
    return 0 if sale.id % 4 == 0 else 6_000


def fee(sale: Sale) -> int:
    """A surcharge that the buyer pays."""
    return 1_500 if sale.id % 6 == 0 else 0


def line_tax(sale: Sale, line: Line) -> int:
    """The tax of a line after its discount."""
    return (net(line) - discounted(sale, line)) * _TAX_PERCENT // 100


def tax(sale: Sale) -> int:
    """Of the lines and of shipping."""
    return sum(line_tax(sale, line) for line in sale.lines) + shipping(sale) * _TAX_PERCENT // 100


def charged(sale: Sale) -> int:
    """The amount that the buyer pays."""
    lines = sum(net(line) - discounted(sale, line) for line in sale.lines)
    return lines + shipping(sale) + fee(sale) + tax(sale)
