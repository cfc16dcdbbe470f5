"""Rules that a record keeps by itself: its amounts add up, and its fields agree with each other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from orchestrator.marketplaces.unified.texts import SKUS
from orchestrator.model.records.record import Money, Order, OrderLine, Product, Quantity, Record, StockLevel


def amounts_add_up(record: Record) -> None:
    """The parts of an order make its total to the last decimal, and its lines make the parts."""
    if not isinstance(record, Order):
        return
    _parts_make_the_total(record)
    _lines_make(record.subtotal, [line.subtotal for line in record.lines])
    _lines_make(record.discount_total, [line.discount for line in record.lines])
    for line in record.lines:
        _line_adds_up(line)
    # An order of negative lines, such as a credit, may leave the seller with less than nothing.
    assert _value(record.net) >= min(Decimal(0), _value(record.total))
    if record.net_micros is not None:
        assert record.net_micros == _known(record.net) * 10**6


def fields_agree(record: Record) -> None:
    """Numbers of pieces, SKUs, statuses, currencies and the order of lists agree with each other."""
    match record:
        case Order():
            _pieces_are_within_the_order(record)
            _states_agree(record)
            _skus_are(record, {line.sku for line in record.lines if line.sku})
            _is_sorted(record.tags, record.discount_codes, record.payment_methods)
        case Product():
            _skus_are(record, {each.sku for each in record.variants if each.sku})
            _is_sorted(record.tags)
            for variant in record.variants:
                assert variant.barcode == (variant.barcodes[0].value if variant.barcodes else None)
        case StockLevel():
            assert list(record.quantities) == sorted(record.quantities)
            if record.available_micros is not None:
                assert record.available_micros == _pieces(record.available) * 10**6


def _parts_make_the_total(order: Order) -> None:
    parts = (order.subtotal, order.discount_total, order.shipping_total)
    if order.other_total is None:
        return
    assert order.total is not None
    assert order.taxes_included is not None or _value(order.tax_total) == 0
    items, discount, shipping = (_known(part) for part in parts)
    tax = Decimal(0) if order.taxes_included else _known(order.tax_total)
    assert items - discount + shipping + tax + _value(order.other_total) == _value(order.total)


def _lines_make(whole: Money | None, parts: Sequence[Money | None]) -> None:
    known = [part for part in parts if part is not None]
    if whole is not None and known and len(known) == len(parts):
        assert sum((_value(part) for part in known), Decimal(0)) == _value(whole)


def _line_adds_up(line: OrderLine) -> None:
    if line.subtotal is not None and line.discount is not None:
        assert line.total is not None
        assert _value(line.subtotal) - _value(line.discount) == _value(line.total)


def _pieces_are_within_the_order(order: Order) -> None:
    for line in order.lines:
        done = _pieces(line.quantity_fulfilled) + _pieces(line.quantity_cancelled)
        ordered = _pieces(line.quantity)
        # Lines of negative quantities exist: corrections, in real data.
        for pieces in (done, _pieces(line.quantity_refunded)):
            assert min(Decimal(0), ordered) <= pieces <= max(Decimal(0), ordered), line


def _states_agree(order: Order) -> None:
    assert not (order.test and order.net_micros is not None)
    if order.to_ship:
        assert order.status in {"open", "partially_fulfilled"}
        assert order.fulfilled_by in {"merchant", "mixed", "unknown"}
    amounts = (order.subtotal, order.total, order.refunded, order.net, order.tax_total, order.shipping_total)
    assert {each.currency for each in amounts if each is not None} <= {order.currency}


def _skus_are(record: Order | Product, skus: set[str]) -> None:
    """All of them, sorted; the first ones of too many, and the record says so."""
    assert record.skus == tuple(sorted(skus))[:SKUS]
    assert ("skus" in record.truncated) == (len(skus) > SKUS)


def _is_sorted(*lists: tuple[str, ...]) -> None:
    for texts in lists:
        assert texts == tuple(sorted(set(texts)))


def _known(amount: Money | None) -> Decimal:
    assert amount is not None
    return _value(amount)


def _value(amount: Money | None) -> Decimal:
    return Decimal(amount.amount) if amount is not None else Decimal(0)


def _pieces(number: Quantity | None) -> Decimal:
    return Decimal(number or 0)
