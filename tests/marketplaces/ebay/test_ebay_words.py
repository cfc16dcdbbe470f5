"""Every word of eBay's enumerations is mapped, or is unknown on purpose."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from orchestrator.marketplaces.ebay import item_records, order_people, order_records, stock_records
from orchestrator.model.records.record import (
    FulfilledBy,
    FulfillmentStatus,
    PaymentStatus,
    ProductStatus,
    StockStatus,
)
from tests.marketplaces.ebay.test_ebay_records import LINE, OFFER, order, pounds, product

#: developer.ebay.com/api-docs/sell/fulfillment/types/sel:OrderPaymentStatusEnum
PAYMENTS = {"FAILED", "FULLY_REFUNDED", "PAID", "PARTIALLY_REFUNDED", "PENDING"}
#: …/sel:OrderFulfillmentStatus and …/sel:LineItemFulfillmentStatusEnum
FULFILLMENTS = {"FULFILLED", "IN_PROGRESS", "NOT_STARTED"}
#: …/sel:FulfillmentInstructionsType
TYPES = {"DIGITAL", "FULFILLED_BY_EBAY", "PREPARE_FOR_PICKUP", "SELLER_DEFINED", "SHIP_TO"}
#: developer.ebay.com/api-docs/sell/inventory/types/slr:ListingStatusEnum
LISTINGS = {"ACTIVE", "EBAY_ENDED", "ENDED", "INACTIVE", "NOT_LISTED", "OUT_OF_STOCK"}
#: …/slr:AvailabilityTypeEnum
AVAILABILITIES = {"IN_STOCK", "OUT_OF_STOCK", "SHIP_TO_STORE"}
#: …/slr:WeightUnitOfMeasureEnum
UNITS = {"GRAM": "g", "KILOGRAM": "kg", "OUNCE": "oz", "POUND": "lb"}


@pytest.mark.parametrize(
    ("table", "words", "meanings"),
    [
        (order_records.PAYMENTS, PAYMENTS, PaymentStatus),
        (order_records.FULFILLMENTS, FULFILLMENTS, FulfillmentStatus),
        (order_records.SHIPPERS, {"EBAY"}, FulfilledBy),
        (order_people.FULFILLMENT_TYPES, TYPES, FulfilledBy),
        (item_records.LISTINGS, LISTINGS, ProductStatus),
        (stock_records.STATUSES, AVAILABILITIES, StockStatus),
    ],
)
def test_tables_have_each_word_of_their_enumeration(
    table: dict[str, str], words: set[str], meanings: Any
) -> None:
    """And no other; their meanings are ours."""
    assert table.keys() == words
    assert set(table.values()) <= set(get_args(meanings))


@pytest.mark.parametrize(
    ("state", "cancelled"), [("CANCELED", True), ("IN_PROGRESS", False), ("NONE_REQUESTED", False)]
)
def test_cancel_states(state: str, cancelled: bool) -> None:
    """By …/sel:CancelStateEnum; a request for a cancellation is none yet."""
    assert (order(cancelStatus={"cancelState": state}).status == "cancelled") is cancelled


@pytest.mark.parametrize(
    ("state", "refunded"), [("REFUNDED", "1.00"), ("PENDING", "0.00"), ("FAILED", "0.00")]
)
def test_refund_states(state: str, refunded: str) -> None:
    """By …/sel:RefundStatusEnum."""
    refund = {"refundId": "1", "amount": pounds("1"), "refundStatus": state}

    assert order(paymentSummary={"refunds": [refund]}).refunded.amount == refunded


@pytest.mark.parametrize(("state", "counts"), [("PAID", True), ("PENDING", True), ("FAILED", False)])
def test_payment_states(state: str, counts: bool) -> None:
    """By …/sel:PaymentStatusEnum; a pending payment has no date yet, but its method."""
    paid = {"paymentMethod": "CREDIT_CARD", "paymentStatus": state}

    assert bool(order(paymentSummary={"payments": [paid]}).payment_methods) is counts


@pytest.mark.parametrize(("unit", "meant"), UNITS.items())
def test_units_of_weight(unit: str, meant: str) -> None:
    """Numbers are exact."""
    found = product(OFFER, packageWeightAndSize={"weight": {"value": 1.1, "unit": unit}})

    weight = found.variants[0].weight
    assert weight is not None
    assert (weight.value, weight.unit) == ("1.1", meant)


def test_unknown_words_are_unknown_on_purpose() -> None:
    """No meaning is guessed, and the record lives."""
    told = [{"fulfillmentInstructionsType": "BY_DRONE"}]
    found = order(
        orderPaymentStatus="X",
        orderFulfillmentStatus="X",
        fulfillmentStartInstructions=told,
        lineItems=[{**LINE, "lineItemFulfillmentStatus": "X"}],
    )
    odd = product(OFFER, packageWeightAndSize={"weight": {"value": 1, "unit": "STONE"}})

    assert (found.payment_status, found.fulfillment_status, found.fulfilled_by) == (
        "unknown",
        "unknown",
        "unknown",
    )
    assert found.lines[0].quantity_fulfilled is None
    assert (odd.variants[0].weight, odd.warnings) == (None, ("variants.weight",))


@pytest.mark.parametrize(
    ("types", "shipper", "fulfillment", "to_ship"),
    [
        (["SHIP_TO"], "merchant", "unfulfilled", True),
        (["PREPARE_FOR_PICKUP"], "merchant", "unfulfilled", True),
        (["FULFILLED_BY_EBAY"], "marketplace", "unfulfilled", False),
        (["FULFILLED_BY_EBAY", "SHIP_TO"], "mixed", "unfulfilled", True),
        (["DIGITAL"], "merchant", "not_required", False),
        (["DIGITAL", "SHIP_TO"], "merchant", "unfulfilled", True),
        ([], "merchant", "unfulfilled", True),
    ],
)
def test_who_ships(types: list[str], shipper: str, fulfillment: str, to_ship: bool) -> None:
    """Several ways of one order are told apart; one without an instruction is the seller's."""
    found = order(fulfillmentStartInstructions=[{"fulfillmentInstructionsType": each} for each in types])

    assert (found.fulfilled_by, found.fulfillment_status, found.to_ship) == (shipper, fulfillment, to_ship)


def test_ebays_program_says_who_ships() -> None:
    """Also of an order whose instructions are hidden by now."""
    program = {"fulfillmentProgram": {"fulfilledBy": "EBAY"}}
    found = order(fulfillmentStartInstructions=[], program=program)

    assert (found.fulfilled_by, found.to_ship, found.fulfillments) == ("marketplace", False, None)


def test_the_deadline_is_the_earliest_of_the_lines_still_to_ship() -> None:
    """The promised delivery is the earliest of all lines."""
    days = [f"2026-11-2{day}T23:59:59.000Z" for day in (4, 5, 6)]
    lines = [
        {
            **LINE,
            "lineItemId": day,
            "lineItemFulfillmentStatus": status,
            "lineItemFulfillmentInstructions": {"shipByDate": day, "maxEstimatedDeliveryDate": day},
        }
        for day, status in zip(days, ("FULFILLED", "NOT_STARTED", "NOT_STARTED"), strict=True)
    ]
    found = order(lineItems=lines, orderFulfillmentStatus="IN_PROGRESS")

    assert f"{found.ship_by:%d}" == "25"
    assert f"{found.deliver_by:%d}" == "24"
    assert order(lineItems=lines, orderFulfillmentStatus="FULFILLED").ship_by is None


@pytest.mark.parametrize(
    ("site", "host"),
    [
        ("EBAY_US", "com"),
        ("EBAY_MOTORS_US", "com"),
        ("EBAY_GB", "co.uk"),
        ("EBAY_AU", "com.au"),
        ("EBAY_DE", "de"),
        ("EBAY_TW", "com"),
        ("EBAY_NOWHERE", "com"),
        (None, "com"),
    ],
)
def test_a_listing_has_its_page(site: str | None, host: str) -> None:
    """An unpublished offer has none."""
    assert product({**OFFER, "marketplaceId": site}).url == f"https://www.ebay.{host}/itm/256001112223"
    assert product({**OFFER, "listing": {}}).url is None
