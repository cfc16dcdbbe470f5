"""Parcels of WooCommerce's orders: from its own feature, from an extension, or from nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import ConnectionInvalid, MarketplaceUnavailable
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.woocommerce import order_records
from orchestrator.marketplaces.woocommerce.api import Tracking
from orchestrator.marketplaces.woocommerce.order_details import with_details
from orchestrator.model.records.record import Fulfillment, LinePart, Order
from tests.marketplaces.conformance import record_rules
from tests.marketplaces.woocommerce.test_woocommerce import scripted_session
from tests.marketplaces.woocommerce.test_woocommerce_hosts import refused
from tests.marketplaces.woocommerce.test_woocommerce_records import LINE, ORDER
from tests.support.scripted import SETTINGS, Bench, Sandbox, Secrets, read, sandbox, scripted

WOO = REGISTRY["woocommerce"]
SHIPPED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
LINK = "https://carrier.example.com/1Z9?postcode=8001"
COMPLETED = {**ORDER, "status": "completed", "refunds": []}
REFUND = {"id": 1, "amount": "1.00", "line_items": []}


def fulfillment(number: int = 5, **changes: Any) -> dict[str, Any]:
    """A row of WooCommerce's own feature; further keys replace its payload's."""
    values = {
        "_items": [{"item_id": LINE["id"], "qty": 1}],
        "_tracking_number": "1Z9",
        "_tracking_url": LINK,
        "_shipment_provider": "ups",
        "_date_fulfilled": "2026-11-22 09:30:00",
        **changes,
    }
    metas = [{"id": 1, "key": key, "value": value} for key, value in values.items()]
    return {
        "id": number,
        "status": "fulfilled",
        "is_fulfilled": True,
        "date_deleted": None,
        "meta_data": metas,
    }


TRACKING = {
    "tracking_id": "7f49",
    "tracking_provider": "USPS",
    "tracking_number": "9400",
    "tracking_link": LINK,
    "date_shipped": "2026-11-22",
}


def order(*, with_buyer: bool = False, **changes: Any) -> Order:
    """The completed sample order with some fields changed."""
    return order_records.order(msgspec.json.encode({**COMPLETED, **changes}), with_buyer)


def completed(
    *answers: Reply, tracking: Tracking | None = "core", **changes: Any
) -> tuple[list[Order], list[str]]:
    """Two orders as the second stage completes them, and the paths that were asked for."""
    with scripted(*answers) as server:
        session = scripted_session(server)
        session.settings.tracking = tracking
        raws = [msgspec.json.encode({**COMPLETED, "id": number, **changes}) for number in (1, 2)]
        made = with_details(session, raws)
        return [order_records.order(raw, False) for raw in made], [each.path for each in server.requests]


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop with orders of every state."""
    with sandbox("woocommerce", orders=120, products=20, accounts=1) as running:
        yield running


def test_a_fulfillment_is_a_parcel() -> None:
    """Its times are UTC; a line is sent as far as its parcels are."""
    found = order(core=[fulfillment(), fulfillment(6, _date_fulfilled=None)])
    assert found.fulfillments is not None
    assert found.fulfillments[0] == Fulfillment(
        id="5",
        status="shipped",
        marketplace_status="fulfilled",
        shipped_at=SHIPPED,
        carrier="ups",
        tracking_numbers=("1Z9",),
        fulfilled_by="merchant",
        lines=(LinePart(line_id="315", quantity=1),),
    )
    assert (found.fulfillments[1].shipped_at, found.lines[0].quantity_fulfilled) == (None, 2)


def test_a_draft_is_not_shipped_and_a_removed_one_is_none() -> None:
    """The site keeps removed ones."""
    draft = fulfillment() | {"status": "unfulfilled", "is_fulfilled": False}
    gone = fulfillment(6) | {"date_deleted": "2026-11-22 10:00:00"}
    found = order(core=[draft, gone])

    assert found.fulfillments is not None
    assert [(each.id, each.status) for each in found.fulfillments] == [("5", "pending")]
    assert found.lines[0].quantity_fulfilled == 0


def test_a_carrier_outside_of_the_list_has_its_own_name() -> None:
    """Its slug says `other`."""
    names: tuple[dict[str, Any], ...] = (
        {"_shipment_provider": "other", "_provider_name": "Karoo"},
        {"_shipment_provider": "other"},
        {},
    )
    found = [order(core=[fulfillment(**each)]).fulfillments for each in names]
    assert [each[0].carrier for each in found if each] == ["Karoo", "other", "ups"]


def test_a_tracking_of_the_extension_is_a_parcel_without_lines() -> None:
    """Then nothing is known of the lines' quantities."""
    found = order(shipment_tracking=[TRACKING])

    assert found.fulfillments == (
        Fulfillment(
            id="7f49",
            status="shipped",
            shipped_at=datetime(2026, 11, 22, tzinfo=UTC),
            carrier="USPS",
            tracking_numbers=("9400",),
            fulfilled_by="merchant",
        ),
    )
    assert found.lines[0].quantity_fulfilled is None


@pytest.mark.parametrize(("source", "row"), [("core", fulfillment()), ("shipment_tracking", TRACKING)])
def test_a_link_to_the_carrier_is_stored_only_with_personal_data(source: str, row: dict[str, Any]) -> None:
    """It can hold the buyer's postal code."""
    fields: dict[str, Any] = {source: [row]}
    without = order(**fields).fulfillments
    stored = order(**fields, with_buyer=True).fulfillments

    assert [each.tracking_urls for each in (*(without or ()), *(stored or ()))] == [(), (LINK,)]


def test_unreadable_parcels_are_a_warning() -> None:
    """The order is stored without them."""
    found = order(core=[{"id": "x"}])
    assert (found.fulfillments, found.warnings) == (None, ("fulfillments",))
    assert order(core=[fulfillment(_items="a:0:{}")]).warnings == ("fulfillments.lines",)
    assert order(shipment_tracking=[{**TRACKING, "date_shipped": "22-11-2026"}]).warnings == (
        "fulfillments.shipped_at",
    )


def test_no_parcel_is_an_empty_list_and_not_asked_is_none() -> None:
    """The difference tells whether the setting is on."""
    assert (order(core=[]).fulfillments, order().fulfillments) == ((), None)


@pytest.mark.parametrize(
    ("tracking", "path"),
    [
        ("core", "/wp-json/wc/v3/orders/1/fulfillments"),
        ("shipment_tracking", "/wp-json/wc-shipment-tracking/v3/orders/1/shipment-trackings"),
    ],
)
def test_a_completed_order_costs_one_call(tracking: Tracking, path: str) -> None:
    """Below the extension's own namespace, if it is the source."""
    rows = [fulfillment()] if tracking == "core" else [TRACKING]
    found, paths = completed(Reply.json(200, rows), Reply.json(200, []), tracking=tracking)

    assert (paths[0].endswith(path), len(paths)) == (True, 2)
    assert [len(each.fulfillments or ()) for each in found] == [1, 0]


@pytest.mark.parametrize("changes", [{"status": "processing"}, {"tracking": None}])
def test_an_order_that_is_not_completed_or_not_wanted_costs_no_call(changes: dict[str, Any]) -> None:
    """Its parcels are null."""
    found, paths = completed(**changes)
    assert (paths, [each.fulfillments for each in found]) == ([], [None, None])


def test_a_site_without_the_call_is_asked_once_and_each_order_says_so() -> None:
    """The feature or the extension is off: no order waits for it."""
    found, paths = completed(refused(404, "rest_no_route"))

    assert len(paths) == 1
    assert [(each.fulfillments, each.warnings) for each in found] == [(None, ("fulfillments",))] * 2


def test_an_outage_of_parcels_is_none_of_a_missing_feature() -> None:
    """The engine asks again."""
    with pytest.raises(MarketplaceUnavailable):
        completed(*[Reply.json(503, {})] * 8)


def test_more_refunds_than_one_page_are_all_read() -> None:
    """The site's count tells how many there are."""
    refunds = [{**REFUND, "id": number} for number in range(103)]
    pages = [refunds[:100], refunds[100:]]
    answers = [Reply.json(200, page, {"X-WP-Total": "103"}) for page in pages]
    listed = [{"id": number, "total": "-1.00"} for number in range(103)]
    found, paths = completed(*answers, *answers, tracking=None, refunds=listed)

    assert [len(each.refunds or ()) for each in found] == [103, 103]
    assert len(paths) == 4


@pytest.mark.parametrize("tracking", ["core", "shipment_tracking"])
def test_the_setting_chooses_the_source(shop: Sandbox, tracking: Tracking) -> None:
    """Completed orders have parcels, other ones are not asked for."""
    settings = {**SETTINGS["woocommerce"], "base_url": shop.url, "tracking": tracking}
    secret = '{"consumer_key": "ck_sandbox_0", "consumer_secret": "cs_sandbox_0"}'
    session = WOO.open(Bench().opening("woocommerce", settings, Secrets(secret)))
    raws = [raw for page in read(WOO, session, "orders").pages for raw in page.records]
    found = [order_records.order(raw, False) for raw in with_details(session, raws)]
    for record in found:
        record_rules.fields_agree(record)

    assert {each.marketplace_status for each in found if each.fulfillments is not None} == {"completed"}
    assert all(each.fulfillments is not None for each in found if each.marketplace_status == "completed")


def test_an_unknown_source_is_refused() -> None:
    """With the words that there are."""
    settings = {**SETTINGS["woocommerce"], "tracking": "guess"}
    with pytest.raises(ConnectionInvalid, match="tracking"):
        WOO.open(Bench().opening("woocommerce", settings, Secrets("{}")))
