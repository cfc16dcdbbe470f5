"""The amounts of an order: parts that add up, the rest by difference, and the seller's net."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.marketplaces.unified.breakdown import micros
from orchestrator.model.records.record import Charge, Money, Refund
from tests.marketplaces.unified.examples import line, order, zar


def test_the_parts_of_an_order_add_up_to_its_total() -> None:
    """Items before discounts, discount, shipping and tax; the tip is the rest."""
    found = order(total=zar("128.50"))

    assert (found.subtotal, found.discount_total) == (zar("100.00"), zar("10.00"))
    assert (found.shipping_total, found.tax_total) == (zar("20.00"), zar("13.50"))
    assert found.other_total == zar("5.00")
    assert (found.currency, found.net, found.net_micros) == ("ZAR", zar("128.50"), 128_500_000)


def test_a_tax_inside_the_prices_is_not_added() -> None:
    """Where taxes are included, the rest is the total less items and shipping."""
    assert order(taxes_included=True, total=zar("110.00")).other_total == zar("0.00")
    assert order(taxes_included=True, tax_total=None, total=zar("115.00")).other_total == zar("5.00")


@pytest.mark.parametrize(
    "unknown",
    [
        {"shipping_total": None},
        {"tax_total": None},
        {"total": None, "currency": "ZAR"},
        {"taxes_included": None},
        {"lines": (line(), line("2", subtotal=None))},
    ],
)
def test_the_rest_is_unknown_if_a_part_is(unknown: dict[str, Any]) -> None:
    """A part that nobody told is not taken for nothing."""
    assert order(**unknown).other_total is None


def test_amounts_of_any_length_are_exact() -> None:
    """They may have more than the 28 digits to which Python rounds."""
    long = "123456789012345678.123456789012345678"
    found = order(
        lines=(line(subtotal=zar(long), discount=zar("0.000000000000000001"), total=None),),
        shipping_total=zar(long),
        taxes_included=True,
        total=zar("246913578024691356.246913578024691357"),
        refunded=zar("0.000000000000000007"),
    )
    assert found.lines[0].total == zar("123456789012345678.123456789012345677")
    assert found.other_total == zar("0.000000000000000002")
    assert found.net == zar("246913578024691356.24691357802469135")


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=5),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_the_amounts_of_any_order_add_up(
    lines: list[tuple[int, int]],
    shipping: int,
    tax: int,
    total: int,
    taxes_included: bool,
) -> None:
    """To the cent, whatever they are."""

    def cents(number: int) -> Money:
        return zar(f"{Decimal(number).scaleb(-2):.2f}")

    found = order(
        lines=tuple(
            line(str(n), subtotal=cents(subtotal), discount=cents(discount))
            for n, (subtotal, discount) in enumerate(lines)
        ),
        shipping_total=cents(shipping),
        tax_total=cents(tax),
        total=cents(total),
        taxes_included=taxes_included,
    )
    amounts = {
        name: Decimal(getattr(found, name).amount)
        for name in ("subtotal", "discount_total", "shipping_total", "other_total", "tax_total", "total")
    }
    added = 0 if taxes_included else amounts["tax_total"]
    known = amounts["subtotal"] - amounts["discount_total"] + amounts["shipping_total"] + added

    assert known + amounts["other_total"] == amounts["total"]
    assert amounts["subtotal"] == sum(Decimal(subtotal).scaleb(-2) for subtotal, _ in lines)


@pytest.mark.parametrize(
    ("given_parts", "made"),
    [
        ({"subtotal": zar("100.00"), "discount": zar("10.00")}, ("100.00", "10.00", "90.00")),
        ({"subtotal": zar("100.00"), "total": zar("90.00")}, ("100.00", "10.00", "90.00")),
        ({"discount": zar("10.00"), "total": zar("90.00")}, ("100.00", "10.00", "90.00")),
    ],
)
def test_two_amounts_of_a_line_give_the_third(
    given_parts: dict[str, Money], made: tuple[str, str, str]
) -> None:
    """A line's total is its subtotal less its discount."""
    parts: dict[str, Any] = {"subtotal": None, "discount": None} | given_parts
    (found,) = order(lines=(line(**parts),)).lines

    assert (found.subtotal, found.discount, found.total) == tuple(zar(amount) for amount in made)
    assert found.unit_price == zar("50.00")


def test_a_unit_price_that_does_not_divide_is_unknown() -> None:
    """A third of 100.00 is no amount that the buyer saw."""
    (found,) = order(lines=(line(quantity=3),)).lines

    assert found.unit_price is None


@pytest.mark.parametrize(
    ("changes", "net"),
    [
        ({}, "128.50"),
        ({"refunds": (Refund(id="1", amount=zar("28.50")),), "payment": "partially_refunded"}, "100.00"),
        ({"refunds": (Refund(id="1", amount=zar("128.50")),), "payment": "refunded"}, "0.00"),
        ({"marketplace_tax": zar("13.50")}, "115.00"),
        ({"remaining": zar("60.00"), "refunded": zar("40.00")}, "60.00"),
        ({"remaining": zar("60.00"), "marketplace_tax": zar("10.00")}, "50.00"),
        ({"remaining": zar("5.00"), "marketplace_tax": zar("10.00")}, "0.00"),
        ({"remaining": zar("-60.00"), "marketplace_tax": zar("-10.00")}, "-50.00"),
        ({"remaining": zar("-5.00"), "marketplace_tax": zar("-10.00")}, "0.00"),
        ({"remaining": zar("-5.00"), "marketplace_tax": zar("10.00")}, "-5.00"),
        ({"remaining": zar("0.00"), "marketplace_tax": zar("-10.00")}, "0.00"),
        ({"cancelled": True, "payment": "voided"}, "0.00"),
        ({"cancelled": True, "payment": "pending"}, "0.00"),
        ({"refunds": None, "payment": "refunded"}, "0.00"),
        ({"refunds": None, "payment": "partially_refunded"}, None),
        ({"refunds": None}, "128.50"),
        ({"total": None, "currency": "ZAR"}, None),
    ],
)
def test_net_is_what_stays_with_the_seller_before_fees(changes: dict[str, Any], net: str | None) -> None:
    """Less refunds and the tax that the marketplace remits; unknown if a refund's amount is unknown."""
    found = order(**changes)

    assert found.net == (zar(net) if net else None)
    assert found.net_micros == (int(Decimal(net) * 10**6) if net else None)


def test_test_orders_have_no_part_in_sums() -> None:
    """Their net is told, the number that sums are made of is not."""
    found = order(test=True)

    assert (found.net, found.net_micros) == (zar("128.50"), None)


@pytest.mark.parametrize(
    ("number", "made"),
    [
        ("1.5", 1_500_000),
        ("-0.000001", -1),
        ("0.0000001", None),
        ("9223372036854.775807", 2**63 - 1),
        ("9223372036854.775808", None),
        (3, 3_000_000),
    ],
)
def test_micros_are_exact_or_unknown(number: Any, made: int | None) -> None:
    """They are never rounded, and fit the store's 64 bits."""
    assert micros(number) == made


def test_an_amount_in_another_currency_is_null_and_named() -> None:
    """Amounts of two currencies are never added."""
    found = order(shipping_total=Money("20.00", "USD"))

    assert (found.shipping_total, found.other_total) == (None, None)
    assert found.warnings == ("shipping_total",)
    assert order(presentment_total=Money("7.00", "USD")).presentment_total == Money("7.00", "USD")
    assert order(presentment_total=zar("128.50")).presentment_total is None


def test_fees_are_summed_by_kind() -> None:
    """Those of the lines and those of the order."""
    success = Charge(kind="success_fee", amount=zar("3.00"))
    found = order(
        lines=(line(fees=(success,)), line("2", fees=(success,))),
        fee_lines=(Charge(kind="courier_fee", amount=zar("4.00")),),
    )

    assert found.fee_lines == (
        Charge(kind="courier_fee", amount=zar("4.00")),
        Charge(kind="success_fee", amount=zar("6.00")),
    )
    assert found.fees == zar("10.00")
    assert order().fees is None
