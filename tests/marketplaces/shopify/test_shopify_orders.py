"""Orders of Shopify's sandbox: each mapped field is filled, details are read, buyers kept out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.shopify import order_records
from orchestrator.marketplaces.shopify.mapping import MAPPING
from orchestrator.marketplaces.shopify.order_parts import parcels
from orchestrator.model.records.record import Order
from tests.marketplaces.conformance.record_rules import amounts_add_up, fields_agree
from tests.marketplaces.shopify.answers import SHOPIFY
from tests.support.scripted import Sandbox, read, sandbox

COMPLETE = SHOPIFY.streams["orders"].complete
#: Marks of the sandbox's buyers, one for each personal field.
MARKS = re.compile(
    rb"@example|\+27 |Neighbour|PO-|Gifter|Engraved|Buyer \d|Company of|Long Street|Flat \d|Buyerton|Z\d"
)
#: Words of the enumerations of 2026-10 (shopify.dev/docs/api/admin-graphql/2026-10/enums).
SHIPMENTS = (
    "ATTEMPTED_DELIVERY CANCELED CARRIER_PICKED_UP CONFIRMED DELAYED DELIVERED FAILURE FULFILLED IN_TRANSIT "
    "LABEL_PRINTED LABEL_PURCHASED LABEL_VOIDED MARKED_AS_FULFILLED NOT_DELIVERED OUT_FOR_DELIVERY PICKED_UP "
    "READY_FOR_PICKUP SUBMITTED"
)
FULFILLMENTS = (
    "FULFILLED FULFILLMENT_NOT_REQUIRED IN_PROGRESS ON_HOLD OPEN PARTIALLY_FULFILLED PENDING_FULFILLMENT "
    "REQUEST_DECLINED RESTOCKED SCHEDULED UNFULFILLED"
)
PAYMENTS = "AUTHORIZED EXPIRED PAID PARTIALLY_PAID PARTIALLY_REFUNDED PENDING REFUNDED VOIDED"


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop that these tests only read."""
    with sandbox("shopify", orders=400, products=40) as running:
        yield running


def completed(
    shop: Sandbox, *, with_buyer: bool, with_deadlines: bool = False
) -> tuple[list[bytes], list[bytes]]:
    """All orders as they are listed, and with their details."""
    assert COMPLETE is not None
    opened = shop.session(store_buyer_pii=with_buyer, fulfillment_orders=with_deadlines)
    thin = [raw for page in read(SHOPIFY, opened, "orders").pages for raw in page.records]
    whole: list[bytes] = []
    for raw in thin:
        opened.client.begin_page()
        whole += COMPLETE(opened, [raw])
    return thin, whole


@pytest.fixture(scope="module")
def orders(shop: Sandbox) -> list[Order]:
    """Whole orders, with the buyers."""
    return [
        order_records.order(raw, True) for raw in completed(shop, with_buyer=True, with_deadlines=True)[1]
    ]


def filled(value: Any, prefix: str) -> set[str]:
    """The paths of fields that are not null, not empty and not their default."""
    if isinstance(value, tuple):
        return {path for item in value for path in filled(item, prefix)}
    if not isinstance(value, msgspec.Struct) or prefix.count(".") > 1:
        return set()
    paths: set[str] = set()
    for field in msgspec.structs.fields(type(value)):
        held, path = getattr(value, field.name), f"{prefix}.{field.name}"
        if held is not False and held not in (None, (), {}, "unknown"):
            paths |= {path} | filled(held, path)
    return paths


@pytest.mark.parametrize("field", sorted(name for name in MAPPING if name.startswith("orders.")))
def test_every_mapped_field_is_filled(field: str, orders: list[Order]) -> None:
    """By some order of the sandbox."""
    assert any(field in filled(record, "orders") for record in orders)


@pytest.mark.parametrize("field", sorted(name for name in MAPPING if name.startswith("inventory.")))
def test_every_mapped_field_of_stock_is_filled(field: str, shop: Sandbox) -> None:
    """By some level of the sandbox; levels keep the rules."""
    levels = list(read(SHOPIFY, shop.session(), "inventory").records.values())

    assert any(field in filled(record, "inventory") for record in levels)
    for record in levels:
        fields_agree(record)


def test_whole_orders_keep_the_rules(shop: Sandbox, orders: list[Order]) -> None:
    """Amounts add up, tips and duties are the rest, and parcels and refunds are told."""
    truth = shop.truth()["orders"]
    for record in orders:
        amounts_add_up(record)
        fields_agree(record)
        assert (record.warnings, record.truncated) == ((), ())
        assert msgspec.to_builtins(record.other_total) == truth[record.id]["other_total"]
        assert record.fulfillments is not None
        assert record.refunds is not None
        lines = {line.id for line in record.lines}
        assert {part.line_id for each in record.fulfillments for part in each.lines} <= lines
        assert {part.line_id for each in record.refunds for part in each.lines} <= lines
        if record.fulfillment_status == "fulfilled":
            assert all(line.quantity_fulfilled == line.quantity for line in record.lines)
    assert max(len(each.fulfillments or ()) for each in orders) > 10


def test_only_orders_that_need_it_cost_a_call(shop: Sandbox) -> None:
    """The others are returned as they are."""
    assert COMPLETE is not None
    thin, whole = completed(shop, with_buyer=False)
    plain = [raw for raw, full in zip(thin, whole, strict=True) if raw == full]
    opened = shop.session()

    assert list(COMPLETE(opened, plain)) == plain
    assert opened.client.calls == 0
    assert len(thin) // 2 < len(plain) < len(thin)
    for raw, full in zip(thin, whole, strict=True):
        listed = order_records.order(raw, False)
        assert order_records.order_id(full) == listed.id
        assert (listed.fulfillments is None) is (raw != full)


def test_buyers_are_in_no_row_and_in_no_record(shop: Sandbox) -> None:
    """They are not asked for; else they are scrubbed from the kept row and dropped from the record."""
    for raw in completed(shop, with_buyer=False)[1]:
        assert not MARKS.search(raw)
    seen: set[bytes] = set()
    for raw in completed(shop, with_buyer=True)[1][:200]:
        seen |= set(MARKS.findall(raw))
        assert not MARKS.search(scrub(raw, order_records.PERSONAL_FIELDS))
        assert not MARKS.search(msgspec.json.encode(order_records.order(raw, False)))
    assert len({re.sub(rb"\d", b"", each) for each in seen}) >= 9


def test_every_word_of_the_official_enumerations_has_a_meaning() -> None:
    """A new word is `unknown`."""
    assert set(parcels._SHIPMENT) == set(SHIPMENTS.split())
    assert set(parcels._PLAIN) == {"CANCELLED", "ERROR", "FAILURE", "OPEN", "PENDING", "SUCCESS"}
    assert set(order_records._FULFILLMENT) == set(FULFILLMENTS.split())
    assert set(order_records._PAYMENT) == set(PAYMENTS.split())
