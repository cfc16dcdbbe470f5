"""Amounts, lines, parcels and words of Amazon's orders, by the model of Orders 2026-01-01."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.marketplaces.amazon import order_records as orders
from orchestrator.marketplaces.amazon.api import SellerSettings
from orchestrator.marketplaces.amazon.order_parts import parcels, proceeds
from orchestrator.model.records.record import LinePart, Money, Order
from tests.marketplaces.amazon.test_amazon_records import ORDER, order

#: The words of the published model (orders_2026-01-01.json of
#: https://github.com/amzn/selling-partner-api-models, read 2026-11-28).
FULFILLMENT_STATUS = (
    *("PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"),
    *("CANCELLED", "UNFULFILLABLE"),
)
PACKAGE_STATUS = ("PENDING", "IN_TRANSIT", "SHIPPED", "DELIVERED", "CANCELLED", "UNDELIVERABLE")
DETAILED_STATUS = (
    *("PENDING_SCHEDULE", "PENDING_PICK_UP", "PENDING_DROP_OFF", "LABEL_CANCELLED", "PICKED_UP"),
    *("DROPPED_OFF", "AT_ORIGIN_FC", "AT_DESTINATION_FC", "DELIVERED", "REJECTED_BY_BUYER"),
    *("UNDELIVERABLE", "RETURNING_TO_SELLER", "RETURNED_TO_SELLER", "LOST", "OUT_FOR_DELIVERY", "DAMAGED"),
)
PROCEEDS_TYPE = ("ITEM", "SHIPPING", "GIFT_WRAP", "COD_FEE", "OTHER", "TAX", "DISCOUNT")
FULFILLED_BY = ("AMAZON", "MERCHANT")


def usd(amount: str) -> dict[str, str]:
    """An amount as Amazon writes it."""
    return {"amount": amount, "currencyCode": "USD"}


def kind(name: str, amount: str, **parts: str) -> dict[str, Any]:
    """A breakdown, with its parts by subtype."""
    detailed = [{"subtype": subtype, "value": usd(part)} for subtype, part in parts.items()]
    return {"type": name, "subtotal": usd(amount)} | ({"detailedBreakdowns": detailed} if parts else {})


def item(number: int, *breakdowns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An item with its proceeds."""
    told = {"proceedsTotal": usd("0"), "breakdowns": list(breakdowns)}
    return {"orderItemId": str(number), "quantityOrdered": 2, "product": {}, "proceeds": told} | fields


def charged(total: str, *items: dict[str, Any], **more: Any) -> Order:
    """An order of this total."""
    return order(proceeds={"grandTotal": usd(total)} | more, orderItems=list(items))


def amounts(found: Order) -> list[str | None]:
    """Subtotal, discount, shipping, tax and the rest."""
    told = (found.subtotal, found.discount_total, found.shipping_total, found.tax_total, found.other_total)
    return [None if amount is None else amount.amount for amount in told]


def test_the_models_own_example() -> None:
    """The tax is on top, the tip is the rest, and an item without tax has no row for it."""
    tip = {"type": "DELIVERY_TIP", "status": "FINALIZED", "subtotal": usd("5.00")}
    found = charged(
        "154.99",
        item(1, kind("ITEM", "99.98"), kind("TAX", "0.02", ITEM="0.02")),
        item(2, kind("ITEM", "49.99")),
        breakdowns=[kind("ITEM", "149.97"), kind("TAX", "0.02"), tip],
    )

    assert amounts(found) == ["149.97", "0.00", "0.00", "0.02", "5.00"]
    assert (found.taxes_included, found.total, found.net) == (
        False,
        Money("154.99", "USD"),
        Money("154.99", "USD"),
    )
    assert [line.total for line in found.lines] == [Money("99.98", "USD"), Money("49.99", "USD")]


@pytest.mark.parametrize(
    ("total", "included", "rest"),
    [("115.00", False, "0.00"), ("100.00", True, "0.00"), ("107.00", None, None)],
)
def test_taxes_are_inside_if_the_total_is_the_sum_without_them(
    total: str, included: bool | None, rest: str | None
) -> None:
    """If neither sum is the total, nothing is guessed."""
    found = charged(total, item(1, kind("ITEM", "100.00"), kind("TAX", "15.00")))

    assert (found.taxes_included, amounts(found)[-1]) == (included, rest)


def test_amounts_of_any_length_tell_where_the_tax_is() -> None:
    """They may have more than the 28 digits to which Python rounds."""
    off = kind("DISCOUNT", "-0.000000000000000001")
    price = kind("ITEM", "123456789012345678.123456789012345678")
    found = charged("123456789012345678.123456789012345677", item(1, price, off, kind("TAX", "10.00")))

    assert (found.taxes_included, amounts(found)[-1]) == (True, "0.00")


def test_numbers_of_pieces_that_make_no_sense_cost_no_order() -> None:
    """Each is readable, and their difference is not."""
    part = {"quantityFulfilled": -9_999_999_999_999_999, "quantityUnfulfilled": -9_999_999_999_999_999}
    found = order(orderItems=[item(1, fulfillment=part)])

    assert found.lines[0].quantity_cancelled is None
    assert found.warnings == ("quantityUnfulfilled",)


def test_a_tip_that_is_not_charged_yet_does_not_hide_the_tax() -> None:
    """The total is without it."""
    tip = {"type": "DELIVERY_TIP", "status": "PENDING", "subtotal": usd("5.00")}
    found = charged("115.00", item(1, kind("ITEM", "100.00"), kind("TAX", "15.00")), breakdowns=[tip])

    assert found.taxes_included is False


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_discount_of_either_sign_is_split_by_its_subject(sign: str) -> None:
    """On the item, on shipping, and on gift wrap, which is in the rest."""
    off = kind(
        "DISCOUNT", f"{sign}18.00", ITEM=f"{sign}10.00", SHIPPING=f"{sign}5.00", GIFT_WRAP=f"{sign}3.00"
    )
    found = charged(
        "107.00", item(1, kind("ITEM", "100.00"), kind("SHIPPING", "15.00"), kind("GIFT_WRAP", "10.00"), off)
    )

    assert amounts(found) == ["100.00", "10.00", "10.00", "0.00", "7.00"]
    assert found.lines[0].discount == Money("10.00", "USD")
    assert found.taxes_included is None


def test_a_discount_without_parts_is_on_the_item_and_one_that_is_too_small_is_null() -> None:
    """Parts that are more than the whole are not believed."""
    found = charged("90.00", item(1, kind("ITEM", "100.00"), kind("DISCOUNT", "10.00")))
    assert amounts(found) == ["100.00", "10.00", "0.00", "0.00", "0.00"]
    odd = charged("90.00", item(1, kind("ITEM", "100.00"), kind("DISCOUNT", "10.00", SHIPPING="20.00")))
    assert (odd.discount_total, odd.warnings) == (None, ("detailedBreakdowns",))


def test_without_breakdowns_only_the_total_is_told() -> None:
    """An item's own total contains its shipping and perhaps its tax."""
    found = charged("90.00", item(1))

    assert (found.total, amounts(found)) == (Money("90.00", "USD"), [None] * 5)
    assert (found.lines[0].total, found.warnings) == (None, ())


def test_tax_that_amazon_pays_is_not_the_sellers() -> None:
    """Of the item that it collects the tax of."""
    collected = {"taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon"}]}
    found = charged(
        "225.00",
        item(1, kind("ITEM", "100.00"), kind("TAX", "10.00"), tax=collected),
        item(2, kind("ITEM", "100.00"), kind("TAX", "15.00"), tax={"taxCollections": []}),
    )

    assert (found.marketplace_tax, found.net) == (Money("10.00", "USD"), Money("215.00", "USD"))


def test_pieces_that_are_neither_sent_nor_left_are_cancelled() -> None:
    """A buyer's request alone cancels nothing."""
    part = {"quantityFulfilled": 1, "quantityUnfulfilled": 0}
    request = {"cancellationRequest": {"requester": "BUYER", "cancelReason": "No longer needed"}}
    executed = {"cancellationExecution": {"cancelledBy": "MERCHANT", "cancelReason": "No stock"}}
    found = order(
        orderItems=[
            item(1, fulfillment=part),
            item(2, cancellation=request),
            item(3, cancellation=request | executed),
            item(4, fulfillment={"quantityFulfilled": 3, "quantityUnfulfilled": 1}),
        ]
    )

    told = [(line.quantity_fulfilled, line.quantity_cancelled) for line in found.lines]
    assert told == [(1, 1), (None, None), (None, 2), (3, None)]
    assert found.cancel_reason is None
    whole = order(
        fulfillment={"fulfillmentStatus": "CANCELLED"}, orderItems=[item(3, cancellation=request | executed)]
    )
    assert (whole.cancel_reason, whole.payment_status, whole.net) == (
        "No stock",
        "voided",
        Money("0.00", "ZAR"),
    )


def test_a_parcel_with_its_tracking() -> None:
    """Orders that Amazon ships have none here, and it is not said that there are none."""
    package = {
        "packageReferenceId": "PKG-1",
        "packageStatus": {"status": "IN_TRANSIT", "detailedStatus": "OUT_FOR_DELIVERY"},
        "carrier": "UPS",
        "trackingNumber": "1Z9",
        "packageItems": [{"orderItemId": "2", "quantity": 1}, {"orderItemId": "1", "quantity": 2}],
    }
    found = order(packages=[package]).fulfillments
    assert found is not None
    assert (found[0].status, found[0].marketplace_status) == ("out_for_delivery", "OUT_FOR_DELIVERY")
    assert (found[0].carrier, found[0].tracking_numbers) == ("UPS", ("1Z9",))
    assert found[0].lines == (LinePart(line_id="1", quantity=2), LinePart(line_id="2", quantity=1))
    amazon = {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON"}
    sent = order(fulfillment=amazon)
    assert (sent.fulfillments, sent.fulfilled_by) == (None, "marketplace")
    assert order().fulfillments == ()
    assert order(fulfillment={"fulfillmentStatus": "SHIPPED"}).fulfillments is None


def test_the_seller_has_to_ship_only_the_own_orders() -> None:
    """And an unshipped order that Amazon sends is no work for the seller."""
    window = {"latestDateTime": "2026-11-24T21:59:59Z"}
    told = {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT", "shipByWindow": window}
    found = order(fulfillment=told)

    assert (found.to_ship, str(found.ship_by)) == (True, "2026-11-24 21:59:59+00:00")
    assert not order(fulfillment={**told, "fulfilledBy": "AMAZON"}).to_ship


def test_orders_from_elsewhere_are_told_by_their_channel() -> None:
    """Amazon only ships them; others have the marketplace's name."""
    assert order(salesChannel={"channelName": "NON_AMAZON"}).sales_channel == "NON_AMAZON"
    named = {"channelName": "AMAZON", "marketplaceId": "A1", "marketplaceName": "Amazon.co.uk"}
    assert order(salesChannel=named).sales_channel == "Amazon.co.uk"


def test_a_service_belongs_to_the_product_that_it_was_sold_with() -> None:
    """The product's item names it; an item of another order has no line here."""
    other = [{"orderItemId": "2", "associationType": "VALUE_ADD_SERVICE"}, {"orderItemId": "9"}]
    found = order(orderItems=[item(1, associatedOrderItems=other), item(2)])

    assert [line.parent_id for line in found.lines] == [None, "1"]


def test_every_word_of_the_model_has_a_meaning() -> None:
    """A word that the model gets later is `unknown` and named."""
    assert tuple(orders.FULFILLMENT) == FULFILLMENT_STATUS
    assert tuple(orders.FULFILLED_BY) == FULFILLED_BY
    assert tuple(parcels.STATUSES) == PACKAGE_STATUS
    assert parcels.REFINED.keys() == set(DETAILED_STATUS)
    assert proceeds.KINDS == PROCEEDS_TYPE
    new = {"packageReferenceId": "1", "packageStatus": {"status": "ON_MARS", "detailedStatus": "IN_A_DOME"}}
    found = order(
        packages=[new],
        fulfillment={"fulfillmentStatus": "SHIPPED", "fulfilledBy": "ALIENS"},
        orderItems=[item(1, kind("ITEM", "1"), kind("OXYGEN", "1"))],
    )
    assert found.fulfilled_by == "unknown"
    assert {word.partition(" ")[2] for word in found.warnings} >= {
        *('"ON_MARS"', '"IN_A_DOME"', '"ALIENS"', '"OXYGEN"')
    }


@pytest.mark.parametrize("odd", ["yes", 1, None])
def test_the_destination_is_a_switch(odd: Any) -> None:
    """Off by default; another value is refused."""
    given = {"region": "eu", "marketplace_ids": ["A1F83G8C2ARO7P"], "seller_id": "A1MERCHANT"}

    assert not msgspec.convert(given, SellerSettings).destination
    assert msgspec.convert(given | {"destination": True}, SellerSettings).destination
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given | {"destination": odd}, SellerSettings)


def test_the_postal_code_comes_with_the_buyer_alone() -> None:
    """From the same address."""
    address = {"countryCode": "ZA", "stateOrRegion": "Western Cape", "postalCode": "8001"}
    raw = msgspec.json.encode(ORDER | {"recipient": {"deliveryAddress": address}})
    found = [orders.order(raw, with_buyer).destination for with_buyer in (False, True)]

    assert [place and place.postal_code for place in found] == [None, "8001"]
    assert {place and place.country for place in found} == {"ZA"}
