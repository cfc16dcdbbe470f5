"""The three statuses of an order, and what follows from them."""

from __future__ import annotations

from itertools import product

import pytest

from orchestrator.marketplaces.unified.statuses import (
    Statuses,
    payment_by_amounts,
    shipper_of,
    status_of,
    statuses_of,
)
from orchestrator.model.records.record import FulfilledBy, FulfillmentStatus, OrderStatus, PaymentStatus
from tests.marketplaces.unified.examples import zar

PAYMENTS: tuple[PaymentStatus, ...] = (
    *("pending", "authorized", "partially_paid", "paid"),
    *("partially_refunded", "refunded", "voided", "unknown"),
)
FULFILLMENTS: tuple[FulfillmentStatus, ...] = (
    *("unfulfilled", "on_hold", "partially_fulfilled", "fulfilled"),
    *("not_required", "returned", "cancelled", "unknown"),
)


def statuses(
    payment: PaymentStatus = "paid",
    fulfillment: FulfillmentStatus = "unfulfilled",
    *,
    cancelled: bool = False,
    released: bool = True,
    fulfilled_by: FulfilledBy = "merchant",
    test: bool = False,
) -> Statuses:
    """The statuses of a paid order that the seller has to ship, with some facts changed."""
    return statuses_of(
        cancelled=cancelled,
        payment=payment,
        fulfillment=fulfillment,
        released=released,
        fulfilled_by=fulfilled_by,
        test=test,
    )


@pytest.mark.parametrize("payment", PAYMENTS)
@pytest.mark.parametrize("fulfillment", FULFILLMENTS)
def test_a_cancelled_order_is_cancelled(payment: PaymentStatus, fulfillment: FulfillmentStatus) -> None:
    """Whatever its payment and shipment are; one that was never paid is voided."""
    found = statuses(payment, fulfillment, cancelled=True)

    assert found.status == "cancelled"
    assert not found.to_ship
    assert found.payment_status == ("voided" if payment == "pending" else payment)
    unstarted = fulfillment in {"unfulfilled", "on_hold"}
    assert found.fulfillment_status == ("cancelled" if unstarted else fulfillment)


@pytest.mark.parametrize("fulfillment", FULFILLMENTS)
def test_a_refunded_order_is_refunded_however_far_it_was_shipped(fulfillment: FulfillmentStatus) -> None:
    """Nothing of it is to be shipped."""
    found = statuses("refunded", fulfillment)

    assert (found.status, found.to_ship) == ("refunded", False)


@pytest.mark.parametrize(
    ("fulfillment", "released", "status"),
    [
        ("returned", False, "returned"),
        ("fulfilled", False, "fulfilled"),
        ("partially_fulfilled", False, "partially_fulfilled"),
        ("cancelled", True, "cancelled"),
        ("unknown", True, "unknown"),
        ("unknown", False, "unknown"),
        ("unfulfilled", False, "pending"),
        ("on_hold", False, "pending"),
        ("not_required", False, "pending"),
        ("not_required", True, "fulfilled"),
        ("unfulfilled", True, "open"),
        ("on_hold", True, "open"),
    ],
)
@pytest.mark.parametrize("payment", ["paid", "partially_refunded", "authorized", "unknown"])
def test_the_first_row_that_holds_is_the_status(
    payment: PaymentStatus, fulfillment: FulfillmentStatus, *, released: bool, status: OrderStatus
) -> None:
    """The shipment comes before the release; a partial refund never changes the status."""
    assert statuses(payment, fulfillment, released=released).status == status


@pytest.mark.parametrize(
    ("changes", "to_ship"),
    [
        ({}, True),
        ({"fulfillment": "partially_fulfilled"}, True),
        ({"fulfillment": "on_hold"}, False),
        ({"fulfillment": "fulfilled"}, False),
        ({"fulfillment": "not_required"}, False),
        ({"fulfilled_by": "mixed"}, True),
        ({"fulfilled_by": "unknown"}, True),
        ({"fulfilled_by": "marketplace"}, False),
        ({"fulfilled_by": "third_party"}, False),
        ({"test": True}, False),
        ({"released": False}, False),
        ({"cancelled": True}, False),
        ({"payment": "refunded"}, False),
    ],
)
def test_only_the_sellers_own_open_work_is_to_ship(changes: dict[str, object], *, to_ship: bool) -> None:
    """A list of "to ship today" has no order that waits, is over, or is shipped by somebody else."""
    assert statuses(**changes).to_ship is to_ship  # type: ignore[arg-type] # the table mixes their types


@pytest.mark.parametrize(
    ("paid", "cancelled", "total", "refunded", "payment"),
    [
        (False, False, "100.00", None, "pending"),
        (False, True, "100.00", None, "voided"),
        (True, False, "100.00", None, "paid"),
        (True, False, "100.00", "0.00", "paid"),
        (True, False, "100.00", "0.01", "partially_refunded"),
        (True, False, "100.00", "99.99", "partially_refunded"),
        (True, False, "100.00", "100.00", "refunded"),
        (True, False, "100.00", "100.01", "refunded"),
        (True, True, "100.00", "100.00", "refunded"),
        (True, False, None, "5.00", "partially_refunded"),
    ],
)
def test_amounts_tell_the_payment_if_nothing_else_does(
    *, paid: bool, cancelled: bool, total: str | None, refunded: str | None, payment: PaymentStatus
) -> None:
    """A refund of everything is "refunded", a smaller one "partially_refunded"."""
    found = payment_by_amounts(
        paid=paid,
        cancelled=cancelled,
        total=zar(total) if total else None,
        refunded=zar(refunded) if refunded else None,
    )

    assert found == payment


@pytest.mark.parametrize(
    ("own", "lines", "shipper"),
    [
        (None, (), "unknown"),
        ("merchant", (), "merchant"),
        ("marketplace", (None, None), "marketplace"),
        (None, ("merchant", "merchant"), "merchant"),
        (None, ("merchant", "marketplace"), "mixed"),
        ("merchant", (None, "third_party"), "mixed"),
        (None, (None, "merchant"), "merchant"),
        (None, (None, "marketplace"), "mixed"),
    ],
)
def test_an_order_is_shipped_by_whoever_ships_its_lines(
    own: FulfilledBy | None, lines: tuple[FulfilledBy | None, ...], shipper: FulfilledBy
) -> None:
    """An order whose lines differ is mixed: the seller may have a part of it to ship."""
    assert shipper_of(own, lines) == shipper


# Shopify's enumerations OrderDisplayFinancialStatus and OrderDisplayFulfillmentStatus, Admin GraphQL 2026-10.
_FINANCIAL: dict[str, tuple[PaymentStatus, bool]] = {
    "AUTHORIZED": ("authorized", True),
    "EXPIRED": ("pending", False),
    "PAID": ("paid", True),
    "PARTIALLY_PAID": ("partially_paid", True),
    "PARTIALLY_REFUNDED": ("partially_refunded", True),
    "PENDING": ("pending", False),
    "REFUNDED": ("refunded", False),
    "VOIDED": ("voided", False),
}
_SHIPPED: dict[str, FulfillmentStatus] = {
    "FULFILLED": "fulfilled",
    "FULFILLMENT_NOT_REQUIRED": "not_required",
    "IN_PROGRESS": "unfulfilled",
    "ON_HOLD": "on_hold",
    "OPEN": "unfulfilled",
    "PARTIALLY_FULFILLED": "partially_fulfilled",
    "PENDING_FULFILLMENT": "unfulfilled",
    "REQUEST_DECLINED": "unfulfilled",
    "RESTOCKED": "returned",
    "SCHEDULED": "on_hold",
    "UNFULFILLED": "unfulfilled",
}


def status_of_version_1(financial: str, shipped: str, *, cancelled: bool) -> str:
    """The status that records of version 1 had."""
    if cancelled:
        return "cancelled"
    if financial == "REFUNDED":
        return "refunded"
    known = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partially_fulfilled", "RESTOCKED": "returned"}
    opened = {*_SHIPPED} - {*known, "FULFILLMENT_NOT_REQUIRED"}
    status = known.get(shipped, "open" if shipped in opened else "unknown")
    unpaid = {"PENDING", "AUTHORIZED", "EXPIRED"}
    return "pending" if status == "open" and financial in unpaid else status


def test_the_status_differs_from_version_1_in_three_ways_alone() -> None:
    """Orders that need no shipment are known, authorized ones are open, and voided ones pending."""
    differences = set()
    for (financial, (payment, released)), (shipped, fulfillment), cancelled in product(
        _FINANCIAL.items(), _SHIPPED.items(), (False, True)
    ):
        before = status_of_version_1(financial, shipped, cancelled=cancelled)
        after = status_of(cancelled=cancelled, payment=payment, fulfillment=fulfillment, released=released)
        if before != after:
            why = shipped if shipped == "FULFILLMENT_NOT_REQUIRED" else financial
            differences.add((why, before, after if why != shipped else "known"))

    assert differences == {
        ("FULFILLMENT_NOT_REQUIRED", "unknown", "known"),
        ("AUTHORIZED", "pending", "open"),
        ("VOIDED", "open", "pending"),
    }
