"""Refunds of a site's orders, as an order lists them and as its own call tells them.

Sources: woocommerce, `wc_create_refund` in wc-order-functions.php: quantities and amounts of a refund's lines
are negative, and a seller may pay back an amount of a line without a piece, or an amount of no line.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from local.sandbox.account import Account
from local.sandbox.catalogue import Sale, decimal
from local.sandbox.woocommerce import items
from local.sandbox.woocommerce.amounts import charged, discounted, line_tax, net

Node = dict[str, Any]
#: A refund's id is that of its order and this.
_ID_AFTER = 1


class _Part(NamedTuple):
    """A refunded part of a line: its number, its pieces, and amounts in cents."""

    line: int
    pieces: int
    total: int
    tax: int


def order_id(refund_id: int) -> int:
    """The id of a refund's order."""
    return refund_id - _ID_AFTER


def listed(sale: Sale) -> list[Node]:
    """The refunds in the order itself."""
    # Sites were reported in 2026 whose refunded orders have an empty list of refunds.
    if not _has_refund(sale) or (sale.state == "refunded" and sale.id % 3 == 0):
        return []
    return [{"id": sale.id + _ID_AFTER, "reason": _reason(sale), "total": decimal(-refunded(sale))}]


def whole(account: Account, sale: Sale) -> list[Node]:
    """The refunds with their lines."""
    if not listed(sale):
        return []
    refund = {
        "id": sale.id + _ID_AFTER,
        **items.times(account, "date_created", sale.updated),
        "amount": decimal(refunded(sale)),
        "reason": _reason(sale),
        "line_items": [_line(sale, part) for part in _parts(sale)],
    }
    return [refund]


def refunded(sale: Sale) -> int:
    """The amount that the buyer got back."""
    if sale.state == "refunded":
        return charged(sale)
    if not _has_refund(sale):
        return 0
    parts = _parts(sale)
    return sum(part.total + part.tax for part in parts) if parts else charged(sale) // 2


def _has_refund(sale: Sale) -> bool:
    return sale.state in {"refunded", "returned"}


def _reason(sale: Sale) -> str:
    """The seller's words, often none."""
    return "Arrived broken" if sale.id % 2 else ""


def _parts(sale: Sale) -> list[_Part]:
    """All lines of a refunded order; half of a returned order's first line, or an amount of no line."""
    whole = [
        _Part(number, line.quantity, net(line) - discounted(sale, line), line_tax(sale, line))
        for number, line in enumerate(sale.lines)
    ]
    if sale.state == "refunded":
        return whole
    match sale.buyer % 3:
        case 0:
            return [part._replace(pieces=0, total=part.total // 2, tax=part.tax // 2) for part in whole[:1]]
        case 1:
            return [_half(part) for part in whole[:1]]
    return []


def _half(part: _Part) -> _Part:
    """Half of a line's pieces, at least one, with their share of its amounts."""
    pieces = max(1, part.pieces // 2)
    share = max(1, part.pieces)
    return part._replace(pieces=pieces, total=part.total * pieces // share, tax=part.tax * pieces // share)


def _line(sale: Sale, part: _Part) -> Node:
    line_id = str(sale.id * 1000 + part.line)
    return {
        "id": sale.id * 10_000 + part.line,
        "name": sale.lines[part.line].title,
        "quantity": -part.pieces,
        "subtotal": decimal(-part.total),
        "total": decimal(-part.total),
        "total_tax": decimal(-part.tax),
        "price": part.total / 100 / part.pieces if part.pieces else 0,
        "meta_data": [{"id": 1, "key": "_refunded_item_id", "value": line_id}],
    }
