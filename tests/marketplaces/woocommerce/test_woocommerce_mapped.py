"""All that WooCommerce's orders tell comes from the sandbox's rows and from the refunds' own calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.woocommerce import order_records
from orchestrator.marketplaces.woocommerce.api import Tracking
from orchestrator.marketplaces.woocommerce.mapping import MAPPING
from orchestrator.model.records.record import Attribute, Destination, LinePart, Money, Order
from tests.delivery.docs import records as dictionary
from tests.marketplaces.conformance import record_rules
from tests.marketplaces.filled import filled
from tests.marketplaces.woocommerce.test_woocommerce_records import LINE, ORDER
from tests.support.scripted import Sandbox, completed, read, sandbox

WOO = REGISTRY["woocommerce"]
ORDERS = WOO.streams["orders"]
#: Fields that the sandbox leaves empty, as most sites do.
SELDOM = {"inventory.status"}
#: Flags that are always false here.
UNTOLD = {"orders.test", "orders.lines.gift_card"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop with every kind of order."""
    with sandbox("woocommerce", orders=300, products=60, accounts=1) as running:
        yield running


def raws(shop: Sandbox, *, with_buyer: bool, tracking: Tracking | None = None) -> list[bytes]:
    """The rows of all orders, with their refunds, and with their parcels from a source."""
    session = shop.session(store_buyer_pii=with_buyer)
    session.settings.tracking = tracking
    listed = [raw for page in read(WOO, session, "orders").pages for raw in page.records]
    return completed(ORDERS, session, listed)


def order(**changes: Any) -> Order:
    """The sample order with some fields changed."""
    return order_records.order(msgspec.json.encode({**ORDER, **changes}), with_buyer=False)


def test_every_field_of_the_mapping_is_filled(shop: Sandbox) -> None:
    """From the sandbox's rows, in the marketplace's own forms; and the mapping leaves out no field."""
    rows = raws(shop, with_buyer=True, tracking="core")
    found: list[Any] = [order_records.order(raw, True) for raw in rows]
    for stream in ("products", "inventory"):
        found += read(WOO, shop.session(), stream).records.values()

    told = filled(found) & dictionary.paths()

    assert MAPPING.keys() - told == SELDOM
    assert told - MAPPING.keys() == UNTOLD
    assert all(record.warnings == () for record in found)


def test_amounts_of_completed_orders_add_up(shop: Sandbox) -> None:
    """Surcharges are the rest, and nothing else is."""
    found = [order_records.order(raw, False) for raw in raws(shop, with_buyer=False)]
    for record in found:
        record_rules.amounts_add_up(record)
        record_rules.fields_agree(record)
    rest = {each.other_total.amount for each in found if each.other_total is not None}

    assert rest == {"0.00", "15.00"}
    assert any(line.quantity_refunded for each in found for line in each.lines)


def test_only_orders_with_refunds_cost_a_call(shop: Sandbox) -> None:
    """One for twenty refunds."""
    session = shop.session()
    listed = [raw for page in read(WOO, session, "orders").pages for raw in page.records]
    refunded = [raw for raw in listed if order_records.order(raw, False).refunds != ()]
    refunded = [raw for raw in refunded if b'"refunds":[]' not in raw]
    before = session.client.calls
    completed(ORDERS, session, listed)

    assert len(refunded) > 10
    assert 0 < session.client.calls - before <= len(refunded) / 20 + len(listed) / ORDERS.complete_rows + 1


@pytest.mark.parametrize("tracking", [None, "core", "shipment_tracking"])
def test_buyers_are_in_no_record_unless_wanted(shop: Sandbox, tracking: Tracking | None) -> None:
    """Nor in the row that is kept of a reject; the country is told without the address."""
    for raw in raws(shop, with_buyer=False, tracking=tracking):
        found = order_records.order(raw, False)
        assert b"Street" not in raw
        assert found.destination == Destination(country="ZA", region="WC")
        assert b"uyer" not in msgspec.json.encode(msgspec.structs.replace(found, buyer=None)).replace(
            b'"buyer"', b""
        )
        assert b"postcode" not in scrub(raw, order_records.PERSONAL_FIELDS) + msgspec.json.encode(found)
    for raw in raws(shop, with_buyer=True, tracking=tracking):
        assert b"uyer" not in scrub(raw, order_records.PERSONAL_FIELDS)


def test_a_refunds_lines_name_the_orders_lines() -> None:
    """By a key of their own; quantities and totals are negative there."""
    refund = {
        "id": 728,
        "date_created_gmt": "2026-11-23T06:02:00",
        "amount": "599.50",
        "reason": "broken",
        "line_items": [
            {
                "id": 9,
                "quantity": -1,
                "total": "-520.87",
                "meta_data": [{"key": "_refunded_item_id", "value": "315"}],
            },
            {"id": 10, "quantity": -1, "total": "-1.00", "meta_data": []},
        ],
    }
    found = order(whole_refunds=[refund])

    assert found.refunds is not None
    (made,) = found.refunds
    assert (made.id, made.amount, made.reason) == ("728", Money("599.50", "ZAR"), "broken")
    assert made.lines == (LinePart(line_id="315", quantity=1, amount=Money("520.87", "ZAR")),)
    assert found.lines[0].quantity_refunded == 1


@pytest.mark.parametrize(
    ("changes", "payment", "fulfillment", "status"),
    [
        ({"status": "pending"}, "pending", "unfulfilled", "pending"),
        ({"status": "on-hold"}, "pending", "unfulfilled", "pending"),
        ({"status": "failed"}, "pending", "unfulfilled", "pending"),
        ({"status": "processing"}, "pending", "unfulfilled", "open"),
        ({"status": "processing", "date_paid_gmt": "2026-11-22T06:14:05"}, "paid", "unfulfilled", "open"),
        ({"status": "completed"}, "paid", "fulfilled", "fulfilled"),
        ({"status": "cancelled"}, "voided", "cancelled", "cancelled"),
        ({"status": "refunded"}, "refunded", "cancelled", "refunded"),
        (
            {"status": "refunded", "date_completed_gmt": "2026-11-22T06:14:05"},
            *("refunded", "fulfilled", "refunded"),
        ),
        ({"status": "wc-custom"}, "unknown", "unknown", "unknown"),
    ],
)
def test_states(changes: dict[str, Any], payment: str, fulfillment: str, status: str) -> None:
    """Cash on delivery is shipped before it is paid."""
    found = order(refunds=[], **changes)

    assert (found.payment_status, found.fulfillment_status, found.status) == (payment, fulfillment, status)


def test_a_shops_own_attributes_are_options_and_others_the_buyers_words() -> None:
    """Keys with an underscore are the shop's internals."""
    metas = [
        {"key": "pa_colour", "value": "blue", "display_key": "Colour"},
        {"key": "engraving", "value": "To T."},
        {"key": "_reduced_stock", "value": "2"},
        {"key": "pa_odd", "value": {"a": 1}},
    ]
    raw = msgspec.json.encode({**ORDER, "line_items": [{**LINE, "meta_data": metas}]})

    assert order_records.order(raw, False).lines[0].options == (Attribute(name="Colour", value="blue"),)
    assert order_records.order(raw, False).lines[0].properties == ()
    assert order_records.order(raw, True).lines[0].properties == (Attribute(name="engraving", value="To T."),)
