"""The meaning of eBay's rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.ebay import item_records, order_records, stock_records
from orchestrator.marketplaces.scrub import scrub
from orchestrator.model.records.record import Barcode, Buyer, Money, Product, StockLevel, Variant


def pounds(value: str) -> dict[str, str]:
    """An amount as eBay writes it."""
    return {"value": value, "currency": "GBP"}


LINE: dict[str, Any] = {
    "lineItemId": "10077612345614",
    "legacyItemId": "256001112223",
    "sku": "MUG-BLU-2",
    "title": "Enamel mug",
    "quantity": 3,
    "lineItemCost": pounds("74.97"),
    "total": pounds("78.47"),
    "lineItemFulfillmentStatus": "NOT_STARTED",
}
SHIP_TO: dict[str, Any] = {
    "fullName": "Pat Example",
    "companyName": "Example Ltd",
    "email": "pat@example.com",
    "primaryPhone": {"phoneNumber": "+44 20 7946 0000"},
    "contactAddress": {
        "addressLine1": "1 Example Street",
        "addressLine2": "Flat 2",
        "city": "London",
        "stateOrProvince": "Greater London",
        "postalCode": "N1 9GU",
        "countryCode": "GB",
    },
}
ORDER: dict[str, Any] = {
    "orderId": "14-08812-55731",
    "creationDate": "2026-11-22T19:41:07.000Z",
    "lastModifiedDate": "2026-11-23T06:01:55.123Z",
    "orderFulfillmentStatus": "NOT_STARTED",
    "orderPaymentStatus": "PAID",
    "buyer": {"username": "example_buyer"},
    "cancelStatus": {"cancelState": "NONE_REQUESTED", "cancelRequests": []},
    "pricingSummary": {"total": pounds("78.47")},
    "fulfillmentStartInstructions": [{"shippingStep": {"shipTo": SHIP_TO}}],
    "lineItems": [LINE],
}
ITEM: dict[str, Any] = {
    "sku": "MUG-BLU-2",
    "locale": "en_GB",
    "product": {"title": "Enamel mug", "upc": ["012345678905"], "ean": ["5012345678900"]},
}
OFFER: dict[str, Any] = {
    "offerId": "8209815010",
    "marketplaceId": "EBAY_GB",
    "status": "PUBLISHED",
    "listing": {"listingId": "256001112223", "listingStatus": "ACTIVE"},
    "pricingSummary": {"price": pounds("24.99"), "originalRetailPrice": pounds("30")},
}


def order(*, with_buyer: bool = False, **change: Any) -> Any:
    """The order with other fields; None leaves one out."""
    row = {name: value for name, value in {**ORDER, **change}.items() if value is not None}
    return order_records.order(msgspec.json.encode(row), with_buyer)


def line(**change: Any) -> Any:
    """The order's line with other fields; None leaves one out."""
    row = {name: value for name, value in {**LINE, **change}.items() if value is not None}
    return order(lineItems=[row]).lines[0]


def product(*offers: dict[str, Any], **change: Any) -> Product:
    """The item with these offers."""
    raw = item_records.offered(
        msgspec.json.encode({**ITEM, **change}), [msgspec.json.encode(offer) for offer in offers]
    )
    return item_records.product(raw, False)


def levels(availability: Any) -> list[StockLevel]:
    """The stock levels of an item."""
    item = msgspec.json.encode({**ITEM, "availability": availability})
    return [stock_records.level(raw, False) for raw in stock_records.split_by_location(item)]


def test_an_order_with_its_line() -> None:
    """Money exact, times in UTC with their fractions, no buyer."""
    found = order()

    assert (found.id, found.number, found.status) == ("14-08812-55731", "14-08812-55731", "open")
    assert found.marketplace_status == "PAID/NOT_STARTED"
    assert found.total == Money("78.47", "GBP")
    assert found.updated_at == datetime(2026, 11, 23, 6, 1, 55, 123_000, tzinfo=UTC)
    assert (found.refunded, found.cancelled_at, found.buyer) == (None, None, None)


def test_trap_line_item_cost_is_price_times_quantity() -> None:
    """A unit's price is given only if the cost divides without a remainder."""
    assert line().unit_price == Money("24.99", "GBP")
    assert line().total == Money("74.97", "GBP")
    assert line(quantity=4).unit_price is None
    assert line(quantity=1, lineItemCost=pounds("-5.5")).unit_price == Money("-5.50", "GBP")
    assert line(quantity=0).unit_price is None
    discounted = line(discountedLineItemCost=pounds("70.00"))
    assert (discounted.unit_price, discounted.total) == (Money("24.99", "GBP"), Money("70.00", "GBP"))
    assert (line(lineItemCost=None).unit_price, line(lineItemCost=None).total) == (None, None)


def test_trap_the_sku_is_optional() -> None:
    """Listings made with older tools have none; the listing is told all the same."""
    assert (line().sku, line().product_id, line().variant_id) == ("MUG-BLU-2", "MUG-BLU-2", "256001112223")
    bare = line(sku=None)
    assert (bare.sku, bare.product_id, bare.variant_id) == (None, None, "256001112223")
    assert line(sku="").sku is None


@pytest.mark.parametrize(
    ("fulfilment", "payment", "cancel", "status"),
    [
        ("NOT_STARTED", "PAID", "NONE_REQUESTED", "open"),
        ("NOT_STARTED", "PENDING", "NONE_REQUESTED", "pending"),
        ("NOT_STARTED", "FAILED", "NONE_REQUESTED", "pending"),
        ("IN_PROGRESS", "PAID", "NONE_REQUESTED", "partially_fulfilled"),
        ("FULFILLED", "PAID", "NONE_REQUESTED", "fulfilled"),
        ("FULFILLED", "PARTIALLY_REFUNDED", "NONE_REQUESTED", "fulfilled"),
        ("FULFILLED", "FULLY_REFUNDED", "NONE_REQUESTED", "refunded"),
        ("NOT_STARTED", "FULLY_REFUNDED", "CANCELED", "cancelled"),
        ("NOT_STARTED", "PAID", "IN_PROGRESS", "open"),
        ("SOMETHING_NEW", "PAID", "NONE_REQUESTED", "unknown"),
        ("FULFILLED", "SOMETHING_NEW", "SOMETHING_NEW", "fulfilled"),
    ],
)
def test_statuses(fulfilment: str, payment: str, cancel: str, status: str) -> None:
    """Cancelled goes before refunded, refunded before fulfilment; eBay's own words are kept."""
    found = order(
        orderFulfillmentStatus=fulfilment, orderPaymentStatus=payment, cancelStatus={"cancelState": cancel}
    )

    assert found.status == status
    words = [payment, fulfilment] if cancel == "NONE_REQUESTED" else [payment, fulfilment, cancel]
    assert found.marketplace_status == "/".join(words)


def test_refunds_are_added_up_once_they_are_paid() -> None:
    """Pending and failed ones are none."""
    refunds = [
        {"amount": pounds("5.00"), "refundStatus": "REFUNDED"},
        {"amount": pounds("1.50"), "refundStatus": "REFUNDED"},
        {"amount": pounds("9.00"), "refundStatus": "PENDING"},
        {"refundStatus": "REFUNDED"},
    ]

    assert order(paymentSummary={"refunds": refunds[:3]}).refunded == Money("6.50", "GBP")
    assert order(paymentSummary={"refunds": refunds[2:3]}).refunded == Money("0.00", "GBP")
    # An unknown amount is not taken as none.
    unknown = order(paymentSummary={"refunds": refunds})
    assert (unknown.refunded, unknown.warnings) == (None, ("refunded",))


def test_a_cancellation_has_its_time() -> None:
    """Where eBay tells it."""
    cancelled = {"cancelState": "CANCELED", "cancelledDate": "2026-11-23T05:00:00.000Z"}

    assert order(cancelStatus=cancelled).cancelled_at == datetime(2026, 11, 23, 5, tzinfo=UTC)


def test_buyers_are_told_only_where_they_may_be_stored() -> None:
    """With everything that is needed to send the order."""
    gift = {**LINE, "giftDetails": {"message": "Happy birthday", "recipientEmail": "gift@example.com"}}
    found = order(
        with_buyer=True,
        lineItems=[gift],
        buyerCheckoutNotes="Ring twice",
        buyer={"username": "example_buyer", "taxIdentifier": {"taxpayerId": "RSSMRA80A01H501U"}},
    )

    assert found.buyer == Buyer(
        name="Pat Example",
        company="Example Ltd",
        username="example_buyer",
        email="pat@example.com",
        phone="+44 20 7946 0000",
        street="1 Example Street, Flat 2",
        city="London",
        region="Greater London",
        postal_code="N1 9GU",
        country="GB",
        tax_ids=("RSSMRA80A01H501U",),
        note="Ring twice",
        gift_message="Happy birthday",
    )


@pytest.mark.parametrize(
    ("instructions", "buyer"),
    [
        ([], None),
        ([{}], None),
        ([{"shippingStep": {}}], None),
        ([{"shippingStep": {"shipTo": {"fullName": "*****", "email": ""}}}], Buyer()),
    ],
)
def test_trap_masked_buyers_are_nobody(instructions: list[Any], buyer: Buyer | None) -> None:
    """Nothing that eBay has masked is stored as if it were a name."""
    found = order(with_buyer=True, fulfillmentStartInstructions=instructions, buyer={"username": "********"})
    assert found.buyer == buyer


def test_rejects_keep_nothing_of_the_buyer() -> None:
    """Names, addresses, notes and the user name are scrubbed."""
    row = {**ORDER, "buyerCheckoutNotes": "Ring at Pat Example's"}
    kept = scrub(msgspec.json.encode(row), order_records.PERSONAL_FIELDS)

    assert b"Pat" not in kept
    assert b"example_buyer" not in kept
    assert b"14-08812-55731" in kept


def test_missing_optional_fields_are_none() -> None:
    """An order needs its id, times, statuses and lines."""
    found = order(cancelStatus=None, pricingSummary=None, buyer=None, fulfillmentStartInstructions=None)
    assert (found.status, found.total) == ("open", None)
    bare = line(sku=None, legacyItemId=None, title=None, lineItemCost=None, lineItemFulfillmentStatus=None)
    assert (bare.id, bare.title, bare.variant_id, bare.marketplace_status) == (
        LINE["lineItemId"],
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"creationDate": "2026-11-22T19:41:07"},
        {"lastModifiedDate": None},
        {"lineItems": 5},
        {"orderPaymentStatus": None},
        {"pricingSummary": {"total": {"value": "12,00", "currency": "GBP"}}},
        {"pricingSummary": {"total": {"value": "12.00", "currency": "£"}}},
    ],
)
def test_a_malformed_order_is_refused_and_still_has_its_id(change: dict[str, Any]) -> None:
    """A time without a zone is not guessed at, nor an amount."""
    row = {name: value for name, value in {**ORDER, **change}.items() if value is not None}
    raw = msgspec.json.encode(row)
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        order_records.order(raw, False)

    assert order_records.order_id(raw) == "14-08812-55731"
    assert order_records.order_id(b'{"orderId":5}') is None


def test_an_item_is_a_product_and_its_offer_a_variant() -> None:
    """The variant is the listing that order lines name."""
    assert product(OFFER) == Product(
        id="MUG-BLU-2",
        title="Enamel mug",
        status="active",
        marketplace_status="PUBLISHED/ACTIVE",
        url="https://www.ebay.co.uk/itm/256001112223",
        skus=("MUG-BLU-2",),
        variants=(
            Variant(
                id="256001112223",
                sku="MUG-BLU-2",
                barcode="5012345678900",
                barcodes=(
                    Barcode(kind="ean", value="5012345678900"),
                    Barcode(kind="upc", value="012345678905"),
                ),
                price=Money("24.99", "GBP"),
                list_price=Money("30.00", "GBP"),
                url="https://www.ebay.co.uk/itm/256001112223",
                status="active",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("status", "listing", "meant"),
    [
        ("PUBLISHED", "ACTIVE", "active"),
        ("PUBLISHED", "OUT_OF_STOCK", "active"),
        ("PUBLISHED", "ENDED", "inactive"),
        ("PUBLISHED", "EBAY_ENDED", "inactive"),
        ("PUBLISHED", "SOMETHING_NEW", "unknown"),
        ("PUBLISHED", None, "active"),
        ("UNPUBLISHED", None, "draft"),
        ("SOMETHING_NEW", "ACTIVE", "unknown"),
    ],
)
def test_offer_statuses(status: str, listing: str | None, meant: str) -> None:
    """An offer's listing says whether it can be bought."""
    found = product({**OFFER, "status": status, "listing": {"listingStatus": listing}})

    assert (found.status, found.marketplace_status) == (meant, f"{status}/{listing or 'none'}")
    assert found.variants[0].id == "8209815010"


def test_trap_one_sku_can_be_offered_at_auction_and_at_a_fixed_price() -> None:
    """Both are variants; the active one gives the product's status."""
    auction = {"offerId": "2", "status": "UNPUBLISHED"}
    found = product(auction, OFFER)

    assert found.status == "active"
    assert [variant.id for variant in found.variants] == ["2", "256001112223"]
    assert found.variants[0].price is None
    assert found.marketplace_status == "PUBLISHED/ACTIVE, UNPUBLISHED/none"


def test_an_item_without_offers_has_itself_as_variant() -> None:
    """And without a catalogue entry no title and no barcode."""
    found = product(product={})

    assert (found.title, found.status, found.marketplace_status) == (None, "draft", "no offer")
    assert found.variants == (Variant(id="MUG-BLU-2", sku="MUG-BLU-2"),)


def test_stock_is_told_by_location() -> None:
    """Stock to be sent is at warehouses or anywhere; stock for collection is in shops, counted apart."""
    pickup = [{"merchantLocationKey": "shop-1", "quantity": 4, "availabilityType": "IN_STOCK"}]
    placed = {
        "quantity": 9,
        "availabilityDistributions": [
            {"merchantLocationKey": "w-1", "quantity": 5},
            {"merchantLocationKey": "shop-1", "quantity": 4},
        ],
    }
    told = levels({"shipToLocationAvailability": placed, "pickupAtLocationAvailability": pickup})

    assert [(level.id, level.location_id, level.available) for level in told] == [
        ("MUG-BLU-2@pickup:shop-1", "shop-1", 4),
        ("MUG-BLU-2@w-1", "w-1", 5),
        ("MUG-BLU-2@shop-1", "shop-1", 4),
    ]
    anywhere = levels({"shipToLocationAvailability": {"quantity": 9}})
    assert [(level.id, level.available) for level in anywhere] == [("MUG-BLU-2@ship_to_home", 9)]
    assert levels({}) == []


def test_an_item_that_cannot_be_split_is_a_reject_without_an_id() -> None:
    """Then nothing is taken as vanished."""
    raw = stock_records.split_by_location(msgspec.json.encode({**ITEM, "availability": 5}))

    assert len(raw) == 1
    with pytest.raises(msgspec.ValidationError):
        stock_records.level(raw[0], False)
    assert stock_records.level_id(raw[0]) is None


def test_ids_are_read_of_items_that_cannot_be_understood() -> None:
    """As far as there is one."""
    raw = item_records.offered(b'{"sku":"A","product":5}', [])

    assert item_records.product_id(raw) == "A"
    assert item_records.product_id(b'{"item":{},"offers":[]}') is None
    assert item_records.sku_of(b'{"sku":""}') is None
    assert item_records.sku_of(b"{") is None
