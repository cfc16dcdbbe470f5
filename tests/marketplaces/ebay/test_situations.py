"""Situations that sellers on eBay reported, each with its right records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.ebay import stock_records
from orchestrator.marketplaces.ebay.listings import MOST_UNSHOWN
from orchestrator.marketplaces.spec import AnySession, Page, Window
from orchestrator.model.records.record import Destination, Money
from orchestrator.model.run import TaskStatus
from tests.marketplaces.ebay.answers import EBAY, GRANTED, ORDER, fetch, items, orders, refused, session
from tests.marketplaces.ebay.test_ebay_records import ITEM, LINE, OFFER, line, order, pounds, product
from tests.support.cases import load, play
from tests.support.scripted import EVERYTHING, Sandbox, read, sandbox, scripted

AGAIN = Window(EVERYTHING.since, EVERYTHING.until, attempt=2)
FAILED = refused(500, 25_001)
OFFERED = Reply.json(200, {"offers": [OFFER]})


def shown(*skus: str) -> Reply:
    """One page of items, the only one."""
    return items(*({**ITEM, "sku": sku} for sku in skus), total=len(skus))


def test_the_offers_of_one_sku_that_fail_leave_the_other_products_stored(tmp_path: Path) -> None:
    """The case of one SKU of three; it is told as one that eBay cannot show."""
    played = play(load("ebay-offers-of-one-sku-500"), tmp_path)

    assert {task.status for task in played.tasks} == {TaskStatus.SUCCEEDED}
    assert played.stored("products").keys() == {"SKU-0", "SKU-2"}
    (reject,) = played.rejects()
    assert reject["record_id"] == "SKU-1"
    assert "25001" in reject["reason"]


def test_a_product_whose_offers_fail_is_not_taken_as_vanished(tmp_path: Path) -> None:
    """Its stored version stays, with its prices."""
    with scripted(GRANTED, shown("A", "B"), OFFERED, FAILED) as server:
        page = fetch(session(server), "products")

    assert [msgspec.json.decode(raw)["item"]["sku"] for raw in page.records] == ["A"]
    assert [(each.name, each.record_id) for each in page.unshown] == [("B", "B")]
    assert (page.total, page.listed) == (2, 2)


def test_an_outage_of_offers_hides_no_products() -> None:
    """No SKU is answered, not even one that does not exist."""
    with scripted(GRANTED, shown("A", "B"), FAILED) as server, pytest.raises(MarketplaceUnavailable):
        fetch(session(server), "products")


def test_the_only_product_of_a_page_can_be_unshown() -> None:
    """Offers are answered: there is none of a SKU that does not exist."""
    failing = [FAILED] * 5
    with scripted(GRANTED, shown("A"), *failing, refused(404, 25_713)) as server:
        page = fetch(session(server), "products")

    assert [each.record_id for each in page.unshown] == ["A"]


def test_many_products_that_fail_at_once_are_asked_for_again_at_the_next_tick() -> None:
    """Then they are believed to be unshown."""
    skus = [f"S{number}" for number in range(MOST_UNSHOWN + 2)]
    with scripted(GRANTED, shown(*skus), OFFERED, FAILED) as server, pytest.raises(MarketplaceUnavailable):
        fetch(session(server), "products")
    with scripted(GRANTED, shown(*skus), OFFERED, FAILED) as server:
        page = fetch(session(server), "products", window=AGAIN)
    assert len(page.unshown) == MOST_UNSHOWN + 1


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with more than a page of orders and items."""
    with sandbox("ebay", orders=500, products=60) as running:
        yield running


@pytest.fixture
def hidden(seller: Sandbox) -> Iterator[Sandbox]:
    """The seller's sandbox with faults, which end with the test."""
    yield seller
    seller.control("DELETE", "faults")


def hide(seller: Sandbox, record: str) -> None:
    """A record makes every page with it fail."""
    seller.control("POST", "faults", {"kind": "unshown", "record": record})


def pages(opened: AnySession, stream: str) -> list[Page]:
    """All pages, each asked for at a second attempt."""
    found, token = [], None
    while True:
        found.append(EBAY.streams[stream].fetch(opened, AGAIN, token))
        token = found[-1].next_token
        if token is None:
            return found


def test_a_page_that_fails_because_of_one_order_is_narrowed_down_to_it(hidden: Sandbox) -> None:
    """All other orders are read, and its time is told, so that it can be asked for again."""
    truth = hidden.truth()["orders"]
    poison = sorted(truth)[len(truth) // 2]
    hide(hidden, poison)
    with pytest.raises(MarketplaceUnavailable):
        read(EBAY, hidden.session(), "orders")
    found = pages(hidden.session(), "orders")

    ids = [EBAY.streams["orders"].record_id(raw) for page in found for raw in page.records]
    (unshown,) = [each for page in found for each in page.unshown]
    assert sorted(filter(None, ids)) == sorted(truth.keys() - {poison})
    changed = datetime.fromisoformat(truth[poison]["updated_at"])
    assert unshown.changed_since is not None
    assert unshown.changed_until is not None
    assert unshown.changed_since <= changed <= unshown.changed_until
    assert unshown.changed_until - unshown.changed_since < timedelta(seconds=1)


def test_an_outage_of_orders_is_not_narrowed(hidden: Sandbox) -> None:
    """Another span fails as well: it is not one order."""
    hidden.control("POST", "faults", {"status": 500})
    opened = hidden.session()
    with pytest.raises(MarketplaceUnavailable):
        EBAY.streams["orders"].fetch(opened, AGAIN, None)

    assert opened.client.calls < 20


@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_a_page_that_fails_because_of_one_item_is_narrowed_down_to_it(hidden: Sandbox, stream: str) -> None:
    """Its place in the listing is all that is known of it."""
    sku = sorted(hidden.truth()["products"])[7]
    hide(hidden, sku)
    found = pages(hidden.session(), stream)

    records = [EBAY.streams[stream].normalize(raw, False) for page in found for raw in page.records]
    skus = {getattr(record, "product_id", record.id) for record in records}
    assert skus == hidden.truth()["products"].keys() - {sku}
    (unshown,) = [each for page in found for each in page.unshown]
    assert unshown.record_id is None
    assert unshown.name.startswith("inventory item ")
    assert sum(page.listed or 0 for page in found) == 60


def test_an_outage_of_items_is_not_narrowed(hidden: Sandbox) -> None:
    """No part of the page is shown."""
    hidden.control("POST", "faults", {"status": 500})
    with pytest.raises(MarketplaceUnavailable):
        EBAY.streams["inventory"].fetch(hidden.session(), AGAIN, None)


def test_an_order_older_than_its_span_leaves_the_others_stored() -> None:
    """It is passed on and counted; only many older ones show that the filter was not applied."""
    old = {**ORDER, "orderId": "1", "lastModifiedDate": "2026-01-01T00:00:00.000Z"}
    with scripted(GRANTED, orders(old, ORDER), orders(old)) as server:
        opened = session(server)
        first, second = fetch(opened, "orders"), fetch(opened, "orders")

    assert [(len(page.records), page.outside) for page in (first, second)] == [(2, 1), (1, 1)]


def test_lines_of_one_listings_variations_are_told_apart_without_skus() -> None:
    """By the variation's own id, or by its aspects if there is none."""
    aspects = [{"name": "Size", "value": "M"}, {"name": "Colour", "value": "Blue"}]
    blue, red = (line(sku=None, legacyVariationId=each, variationAspects=aspects) for each in ("1", "2"))
    assert (blue.variant_id, red.variant_id) == ("256001112223/1", "256001112223/2")
    assert line(sku=None, variationAspects=aspects).variant_id == "256001112223/Colour=Blue,Size=M"
    assert line(sku=None).variant_id == "256001112223"


def test_a_line_with_a_sku_is_joined_to_its_variant_by_the_listing() -> None:
    """Offers name the listing alone; the SKU tells variations apart."""
    assert line(legacyVariationId="1").variant_id == "256001112223"


def test_an_order_whose_payment_is_not_there_is_not_open() -> None:
    """Whatever the word."""
    assert order(orderPaymentStatus="SOMETHING_NEW").status == "pending"
    assert order(orderPaymentStatus="PARTIALLY_REFUNDED").status == "open"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lineItems": [{**LINE, "lineItemCost": {"value": "x", "currency": "GBP"}}]}, "lines.subtotal"),
        ({"lineItems": [{**LINE, "discountedLineItemCost": {"value": "1", "currency": "£"}}]}, "lines.total"),
        ({"lineItems": [{**LINE, "title": [5]}]}, "lines.title"),
        ({"lineItems": [{**LINE, "sku": [5]}]}, "lines.sku"),
        ({"lineItems": [{**LINE, "legacyItemId": 5}]}, "lines.variant_id"),
        ({"paymentSummary": {"refunds": [5]}}, "refunded"),
        ({"paymentSummary": {"refunds": [{"amount": pounds("x"), "refundStatus": "REFUNDED"}]}}, "refunded"),
        ({"cancelStatus": {"cancelState": "CANCELED", "cancelledDate": "soon"}}, "cancelled_at"),
    ],
)
def test_one_unusable_detail_is_null_and_named(change: dict[str, Any], named: str) -> None:
    """The order lives, and its total with it."""
    found = order(**change)

    assert named in found.warnings
    assert found.total == Money("78.47", "GBP")


def test_an_unusable_buyer_is_nobody() -> None:
    """It is read only if it may be stored."""
    step = {"shippingStep": {"shipTo": {"fullName": 5, "contactAddress": {"countryCode": "GB"}}}}
    assert order(fulfillmentStartInstructions=[step]).warnings == ()
    found = order(with_buyer=True, buyer=None, fulfillmentStartInstructions=[step])
    assert (found.buyer, found.warnings) == (None, ("buyer",))
    assert found.destination == Destination(country="GB")
    assert order(fulfillmentStartInstructions=5).warnings == ("destination",)


def test_a_lower_case_currency_of_a_detail_is_understood() -> None:
    """The total's own is never guessed."""
    assert line(lineItemCost={"value": "3", "currency": "gbp"}).total == Money("3.00", "GBP")


def test_an_unusable_price_leaves_the_product() -> None:
    """Null and named; other details likewise."""
    odd = product({**OFFER, "pricingSummary": {"price": {"value": "?", "currency": "GBP"}}})
    assert (odd.variants[0].price, odd.warnings) == (None, ("variants.price",))
    bare = product(OFFER, product={"title": [5], "ean": {"0": "1"}})
    assert (bare.title, bare.variants[0].barcode, bare.warnings) == (
        None,
        None,
        ("variants.barcode", "title"),
    )


def test_quantities_sold_by_weight_are_exact() -> None:
    """Whole numbers stay numbers."""
    assert (line(quantity=1.52).quantity, line(quantity=1.52).unit_price) == ("1.52", None)
    assert line(quantity=3.0).quantity == 3
    places = [{"merchantLocationKey": "w", "quantity": 1.5}, {"merchantLocationKey": "v", "quantity": "x"}]
    availability = {"shipToLocationAvailability": {"availabilityDistributions": places}}
    weighed, odd = stock_records.split_by_location(
        msgspec.json.encode({**ITEM, "availability": availability})
    )

    assert stock_records.level(weighed, False).available == "1.5"
    # Stock is not guessed: a reject, with its id.
    with pytest.raises(msgspec.ValidationError):
        stock_records.level(odd, False)
    assert stock_records.level_id(odd) == "MUG-BLU-2@v"


def test_the_count_of_items_is_passed_on() -> None:
    """A listing that ends before it is short, and the engine says so."""
    with scripted(GRANTED, items(ITEM, total=500), items(total=500)) as server:
        opened = session(server)
        first = fetch(opened, "inventory")
        second = fetch(opened, "inventory", first.next_token)

    assert [(page.total, page.listed) for page in (first, second)] == [(500, 1), (500, 0)]
