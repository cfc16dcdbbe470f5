"""The meaning of Amazon's rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.amazon import listing_records as listings
from orchestrator.marketplaces.amazon import order_records as orders
from orchestrator.marketplaces.amazon import stock_records as stock
from orchestrator.marketplaces.amazon.fields import within
from orchestrator.marketplaces.amazon.order_parts.buyers import PERSONAL_FIELDS
from orchestrator.marketplaces.scrub import scrub
from orchestrator.model.records.record import Money, Order, OrderLine, Product, StockLevel, Variant

ORDER: dict[str, Any] = {
    "orderId": "026-4471920-8830162",
    "createdTime": "2026-11-22T08:14:05Z",
    "lastUpdatedTime": "2026-11-23T06:02:41Z",
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "AE08WJ6YKNBMC"},
    "proceeds": {"grandTotal": {"amount": "1198.00", "currencyCode": "ZAR"}},
    "fulfillment": {"fulfillmentStatus": "PARTIALLY_SHIPPED", "fulfilledBy": "MERCHANT"},
    "orderItems": [
        {
            "orderItemId": "61188203355418",
            "quantityOrdered": 2,
            "product": {
                "asin": "B0CZ1EXMPL",
                "title": "Enamel mug, blue",
                "sellerSku": "MUG-BLU-2",
                "price": {"unitPrice": {"amount": "599.00", "currencyCode": "ZAR"}},
            },
            "proceeds": {
                "proceedsTotal": {"amount": "1198.00", "currencyCode": "ZAR"},
                "breakdowns": [{"type": "ITEM", "subtotal": {"amount": "1198.00", "currencyCode": "ZAR"}}],
            },
        }
    ],
}
BUYER: dict[str, Any] = {
    "buyer": {"buyerName": "A. Buyer", "buyerEmail": "x1@marketplace.amazon.co.za"},
    "recipient": {
        "deliveryAddress": {
            "name": "B. Recipient",
            "addressLine1": "1 Long Street",
            "addressLine2": "Gardens",
            "city": "Cape Town",
            "stateOrRegion": "WC",
            "postalCode": "8001",
            "countryCode": "ZA",
            "phone": "+27 21 555 0100",
        }
    },
}
LISTING: dict[str, Any] = {
    "sku": "MUG-BLU-2",
    "summaries": [
        {
            "marketplaceId": "AE08WJ6YKNBMC",
            "productType": "MUG",
            "status": ["DISCOVERABLE", "BUYABLE"],
            "itemName": "Enamel mug, blue",
            "createdDate": "2026-02-15T12:34:56.789Z",
            "lastUpdatedDate": "2026-11-20T09:00:00+02:00",
        }
    ],
    "offers": [
        {"offerType": "B2B", "price": {"amount": "549.00", "currencyCode": "ZAR"}},
        {"offerType": "B2C", "price": {"amount": "599.00", "currencyCode": "ZAR"}},
    ],
}
FBA: dict[str, Any] = {
    "fnSku": "X00EXMPL01",
    "sellerSku": "MUG-BLU-2",
    "inventoryDetails": {
        "fulfillableQuantity": 37,
        "inboundWorkingQuantity": 1,
        "inboundShippedQuantity": 100,
        "reservedQuantity": {"totalReservedQuantity": 3, "pendingCustomerOrderQuantity": 2},
    },
    "lastUpdatedTime": "2026-11-23T05:58:12Z",
    "totalQuantity": 141,
}


def order(**change: Any) -> Order:
    """The order with other fields."""
    return orders.order(msgspec.json.encode({**ORDER, **change}), False)


def listed(row: dict[str, Any], **change: Any) -> bytes:
    """A listing's raw record."""
    return within("AE08WJ6YKNBMC", "listing", msgspec.Raw(msgspec.json.encode({**row, **change})))


def stocked(row: dict[str, Any], **change: Any) -> bytes:
    """The raw record of stock at Amazon."""
    return within("AE08WJ6YKNBMC", "fba", msgspec.Raw(msgspec.json.encode({**row, **change})))


def test_an_order_with_its_line() -> None:
    """Ids keep their hyphens; a line names the listing it was sold through."""
    assert order() == Order(
        id="026-4471920-8830162",
        number="026-4471920-8830162",
        status="partially_fulfilled",
        payment_status="paid",
        fulfillment_status="partially_fulfilled",
        marketplace_status="PARTIALLY_SHIPPED",
        fulfilled_by="merchant",
        to_ship=True,
        currency="ZAR",
        subtotal=Money("1198.00", "ZAR"),
        discount_total=Money("0.00", "ZAR"),
        shipping_total=Money("0.00", "ZAR"),
        other_total=Money("0.00", "ZAR"),
        tax_total=Money("0.00", "ZAR"),
        total=Money("1198.00", "ZAR"),
        net=Money("1198.00", "ZAR"),
        net_micros=1_198_000_000,
        skus=("MUG-BLU-2",),
        created_at=datetime(2026, 11, 22, 8, 14, 5, tzinfo=UTC),
        updated_at=datetime(2026, 11, 23, 6, 2, 41, tzinfo=UTC),
        lines=(
            OrderLine(
                id="61188203355418",
                sku="MUG-BLU-2",
                product_id="MUG-BLU-2@AE08WJ6YKNBMC",
                variant_id="MUG-BLU-2@AE08WJ6YKNBMC",
                title="Enamel mug, blue",
                quantity=2,
                unit_price=Money("599.00", "ZAR"),
                subtotal=Money("1198.00", "ZAR"),
                discount=Money("0.00", "ZAR"),
                tax=Money("0.00", "ZAR"),
                total=Money("1198.00", "ZAR"),
            ),
        ),
        fulfillments=(),
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PENDING_AVAILABILITY", "pending"),
        ("PENDING", "pending"),
        ("UNSHIPPED", "open"),
        ("PARTIALLY_SHIPPED", "partially_fulfilled"),
        ("SHIPPED", "fulfilled"),
        ("CANCELLED", "cancelled"),
        ("UNFULFILLABLE", "cancelled"),
        ("NEVER_HEARD_OF", "unknown"),
    ],
)
def test_a_status_and_amazons_own_word(word: str, status: str) -> None:
    """A word nobody knows is kept, and means `unknown`."""
    found = order(fulfillment={"fulfillmentStatus": word})

    assert (found.status, found.marketplace_status) == (status, word)


def test_trap_a_pending_order_has_no_price() -> None:
    """Neither total nor unit price; nor need it tell its SKU or marketplace."""
    item = {"orderItemId": "1", "quantityOrdered": 1, "product": {}}
    found = order(proceeds={}, fulfillment=None, salesChannel={"channelName": "AMAZON"}, orderItems=[item])

    assert (found.total, found.status, found.marketplace_status) == (None, "unknown", "")
    assert found.lines == (OrderLine(id="1", quantity=1),)


@pytest.mark.parametrize(
    ("amount", "currency", "exact"),
    [("1200", "JPY", "1200"), ("1200.00", "JPY", "1200"), ("19.9", "EUR", "19.90"), (7.25, "USD", "7.25")],
)
def test_trap_yen_have_no_decimals(amount: Any, currency: str, exact: str) -> None:
    """Amounts are exact, and have their currency's decimals."""
    found = order(proceeds={"grandTotal": {"amount": amount, "currencyCode": currency}})

    assert found.total == Money(exact, currency)


def test_a_buyer_is_told_only_where_it_may_be_stored() -> None:
    """The recipient's name goes before the buyer's."""
    raw = msgspec.json.encode({**ORDER, **BUYER})
    buyer = orders.order(raw, True).buyer

    assert orders.order(raw, False).buyer is None
    assert buyer is not None
    assert (buyer.name, buyer.email) == ("B. Recipient", "x1@marketplace.amazon.co.za")
    assert (buyer.street, buyer.city, buyer.region) == ("1 Long Street, Gardens", "Cape Town", "WC")
    assert (buyer.postal_code, buyer.country, buyer.phone) == ("8001", "ZA", "+27 21 555 0100")
    assert orders.order(msgspec.json.encode(ORDER), True).buyer is None
    only = orders.order(msgspec.json.encode({**ORDER, "buyer": BUYER["buyer"]}), True).buyer
    assert only is not None
    assert (only.name, only.street) == ("A. Buyer", None)


def test_nothing_of_a_buyer_is_kept_of_a_reject() -> None:
    """Nor a buyer's words on a gift."""
    packing = {"packing": {"giftOption": {"giftMessage": "Happy birthday, Recipient"}}}
    item = {**ORDER["orderItems"][0], "fulfillment": packing}
    kept = scrub(msgspec.json.encode({**ORDER, **BUYER, "orderItems": [item]}), PERSONAL_FIELDS)

    assert not any(word in kept for word in (b"Buyer", b"Recipient", b"Long Street", b"x1@", b"555"))
    assert b"MUG-BLU-2" in kept


def test_a_listing_is_a_product_with_one_variant() -> None:
    """With the price that consumers pay, and its id in its marketplace."""
    assert listings.product(listed(LISTING), False) == Product(
        id="MUG-BLU-2@AE08WJ6YKNBMC",
        title="Enamel mug, blue",
        status="active",
        marketplace_status="BUYABLE, DISCOVERABLE",
        product_type="MUG",
        created_at=datetime(2026, 2, 15, 12, 34, 56, 789_000, UTC),
        updated_at=datetime(2026, 11, 20, 7, tzinfo=UTC),
        skus=("MUG-BLU-2",),
        variants=(Variant(id="MUG-BLU-2@AE08WJ6YKNBMC", sku="MUG-BLU-2", price=Money("599.00", "ZAR")),),
    )


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["BUYABLE"], "active"),
        (["BUYABLE", "NEVER_HEARD_OF"], "active"),
        (["DISCOVERABLE"], "inactive"),
        ([], "inactive"),
        (["NEVER_HEARD_OF"], "unknown"),
    ],
)
def test_a_listing_has_a_set_of_statuses(words: list[str], status: str) -> None:
    """The order of the words makes no difference to the record."""
    summary = {**LISTING["summaries"][0], "status": words}
    found = listings.product(listed(LISTING, summaries=[summary]), False)

    assert (found.status, found.marketplace_status) == (status, ", ".join(sorted(words)))


def test_a_listing_of_which_little_is_told() -> None:
    """Only the SKU is certain."""
    found = listings.product(listed({"sku": " 7/ß, «x»"}), False)

    assert found == Product(
        id=" 7/ß, «x»@AE08WJ6YKNBMC",
        status="unknown",
        marketplace_status="",
        skus=(" 7/ß, «x»",),
        variants=(Variant(id=" 7/ß, «x»@AE08WJ6YKNBMC", sku=" 7/ß, «x»"),),
    )


def test_what_lies_with_amazon() -> None:
    """On hand is the total without the stock on its way."""
    assert stock.level(stocked(FBA), False) == StockLevel(
        id="MUG-BLU-2@AE08WJ6YKNBMC/AMAZON/X00EXMPL01",
        sku="MUG-BLU-2",
        product_id="MUG-BLU-2@AE08WJ6YKNBMC",
        variant_id="MUG-BLU-2@AE08WJ6YKNBMC",
        location_id="AMAZON@AE08WJ6YKNBMC",
        location_name="Fulfillment by Amazon",
        inventory_item_id="X00EXMPL01",
        held_by="marketplace",
        tracked=True,
        available=37,
        available_micros=37_000_000,
        on_hand=40,
        committed=2,
        incoming=101,
        reserved=3,
        quantities={"inbound_shipped": 100, "inbound_working": 1},
        updated_at=datetime(2026, 11, 23, 5, 58, 12, tzinfo=UTC),
    )


def test_trap_stock_that_never_moved_has_an_empty_time() -> None:
    """As in Amazon's own example."""
    found = stock.level(stocked(FBA, lastUpdatedTime="", totalQuantity=None), False)

    assert (found.updated_at, found.on_hand) == (None, None)


def test_what_lies_with_the_seller() -> None:
    """Channels that are Amazon's are left to the listing of its own stock."""
    shares = [
        {"fulfillmentChannelCode": "DEFAULT", "quantity": 12},
        {"fulfillmentChannelCode": "AMAZON_EU"},
        {"fulfillmentChannelCode": "b1c9-store", "quantity": 0},
        {"fulfillmentChannelCode": "untracked"},
    ]
    raw = msgspec.Raw(msgspec.json.encode({"sku": "A", "fulfillmentAvailability": shares}))
    levels = [
        stock.level(within("A1F83G8C2ARO7P", "merchant", share), False) for share in stock.merchant_stock(raw)
    ]

    assert [(each.id, each.location_id, each.location_name, each.available) for each in levels] == [
        ("A@A1F83G8C2ARO7P/DEFAULT", "DEFAULT@A1F83G8C2ARO7P", "Merchant", 12),
        ("A@A1F83G8C2ARO7P/b1c9-store", "b1c9-store@A1F83G8C2ARO7P", None, 0),
        ("A@A1F83G8C2ARO7P/untracked", "untracked@A1F83G8C2ARO7P", None, None),
    ]
    assert stock.merchant_stock(msgspec.Raw(b'{"sku":"PARENT"}')) == []


@pytest.mark.parametrize(
    "change",
    [
        {"createdTime": "2026-11-22T08:14:05"},
        {"orderItems": None},
        {"proceeds": {"grandTotal": {"amount": "R1198", "currencyCode": "ZAR"}}},
        {"proceeds": {"grandTotal": {"amount": "1198", "currencyCode": "rand"}}},
        {"orderItems": [{"orderItemId": "1", "quantityOrdered": "two", "product": {}}]},
    ],
)
def test_a_malformed_order_is_a_reject_with_its_id(change: dict[str, Any]) -> None:
    """A time without a zone is not guessed at."""
    raw = msgspec.json.encode({**ORDER, **change})
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        orders.order(raw, False)

    assert orders.order_id(raw) == "026-4471920-8830162"


@pytest.mark.parametrize(
    ("raw", "record_id"),
    [
        (listed(LISTING, offers="none"), "MUG-BLU-2@AE08WJ6YKNBMC"),
        (listed(LISTING, sku=5), None),
        (b"[]", None),
    ],
)
def test_a_malformed_listing_is_a_reject(raw: bytes, record_id: str | None) -> None:
    """With its id, if that can be read."""
    with pytest.raises(msgspec.ValidationError):
        listings.product(raw, False)

    assert listings.product_id(raw) == record_id


@pytest.mark.parametrize(
    ("raw", "record_id"),
    [
        (stocked(FBA, totalQuantity="many"), "MUG-BLU-2@AE08WJ6YKNBMC/AMAZON/X00EXMPL01"),
        (
            stocked(FBA, inventoryDetails={"fulfillableQuantity": "some"}),
            "MUG-BLU-2@AE08WJ6YKNBMC/AMAZON/X00EXMPL01",
        ),
        (stocked(FBA, sellerSku=None), None),
        (b'{"marketplace":"A1","merchant":{"sku":"A","fulfillmentAvailability":5}}', None),
        (b'{"marketplace":"A1"}', None),
        (b"5", None),
    ],
)
def test_malformed_stock_is_a_reject(raw: bytes, record_id: str | None) -> None:
    """With its id, if that can be read."""
    with pytest.raises((RecordInvalid, msgspec.ValidationError)):
        stock.level(raw, False)

    assert stock.level_id(raw) == record_id
    assert orders.order_id(raw) is None


def test_a_good_record_is_identified_as_it_is_normalized() -> None:
    """Also of the seller's own stock."""
    merchant = within(
        "A1", "merchant", msgspec.Raw(b'{"sku":"A","fulfillmentChannelCode":"DEFAULT","quantity":1}')
    )
    for raw in (stocked(FBA), stocked({**FBA, "fnSku": None}), merchant):
        assert stock.level_id(raw) == stock.level(raw, False).id
    assert listings.product_id(listed(LISTING)) == listings.product(listed(LISTING), False).id
