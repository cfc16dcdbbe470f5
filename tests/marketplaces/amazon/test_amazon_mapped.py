"""Amazon's records tell all that the sandbox's rows do, and personal data only if it may be stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.amazon.order_rows import MARK
from orchestrator.marketplaces.amazon.mapping import MAPPING
from orchestrator.marketplaces.amazon.order_parts.buyers import PERSONAL_FIELDS
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.scrub import scrub
from orchestrator.model.records.record import Buyer, Order
from tests.marketplaces.conformance.case import every, opened
from tests.marketplaces.conformance.market import registered
from tests.marketplaces.filled import filled
from tests.support.scripted import CREDENTIALS, EVERYTHING, SETTINGS, Bench, Sandbox, Secrets, read, sandbox

AMAZON = REGISTRY["amazon"]


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with every kind of order and listing."""
    with sandbox("amazon", orders=300, products=120) as running:
        yield running


def orders(seller: Sandbox, *, pii: bool, **settings: Any) -> tuple[list[bytes], list[Order]]:
    """The raw rows and the records of all orders."""
    secrets = Secrets(msgspec.json.encode(CREDENTIALS["amazon"]).decode())
    given = {**SETTINGS["amazon"], "base_url": seller.url, **settings}
    session = AMAZON.open(Bench().opening("amazon", given, secrets, store_buyer_pii=pii))
    found = read(AMAZON, session, "orders", EVERYTHING)
    assert not found.rejects
    raws = [raw for page in found.pages for raw in page.records]
    return raws, [each for each in found.records.values() if isinstance(each, Order)]


def test_every_field_of_the_mapping_is_filled(seller: Sandbox) -> None:
    """And no other, apart from those that follow from others."""
    raws, found = orders(seller, pii=True)
    assert raws
    session = seller.session(store_buyer_pii=True)
    others = [
        record
        for stream in ("products", "inventory")
        for record in read(AMAZON, session, stream).records.values()
    ]
    paths = filled([*found, *others])

    assert MAPPING.keys() - paths == set()
    for name in ("cost", "taxable", "oversell", "url"):
        assert f"products.variants.{name}" not in paths
    for name in ("refunded", "refunds", "paid_at", "cancelled_at", "payment_methods", "presentment_total"):
        assert f"orders.{name}" not in paths


def test_records_have_no_warning(seller: Sandbox) -> None:
    """Every form that the sandbox writes is one that Amazon documents."""
    session = seller.session()
    for stream in AMAZON.streams:
        for record in read(AMAZON, session, stream).records.values():
            assert record.warnings == ()


def test_a_buyer_has_every_personal_field_and_nothing_else_has_it(seller: Sandbox) -> None:
    """The mark is in all of a buyer's texts but country and region, and nowhere else without the setting."""
    _, found = orders(seller, pii=True)
    buyers = [each.buyer for each in found if each.buyer is not None]
    for name in set(Buyer.__struct_fields__) - {"country", "region", "username"}:
        texts = [str(getattr(buyer, name)) for buyer in buyers if getattr(buyer, name)]
        assert texts, name
        assert all(MARK in text for text in texts), name
    for settings in ({}, {"destination": True}):
        raws, plain = orders(seller, pii=False, **settings)
        assert all(MARK.encode() not in msgspec.json.encode(each) for each in plain)
        assert all(each.buyer is None for each in plain)
        assert all(MARK.encode() not in scrub(raw, PERSONAL_FIELDS) for raw in raws)


def test_marked_rows_are_scrubbed_of_all_personal_data(seller: Sandbox) -> None:
    """Also of what is asked for only with the setting; what the seller wrote is kept."""
    raws, _ = orders(seller, pii=True)
    kept = [scrub(raw, PERSONAL_FIELDS) for raw in raws]

    assert sum(MARK.encode() in raw for raw in raws) > len(raws) // 2
    assert all(MARK.encode() not in raw for raw in kept)
    assert any(b"PROMO-" in raw for raw in kept)


def test_the_destination_is_stored_without_the_address(seller: Sandbox) -> None:
    """Its setting asks for the address, and keeps country and region alone; Amazon's own orders have none."""
    _, without = orders(seller, pii=False)
    _, found = orders(seller, pii=False, destination=True)
    _, known = orders(seller, pii=True)

    assert all(each.destination is None for each in without)
    assert {each.fulfilled_by for each in found if each.destination is None} == {"marketplace"}
    places = [each.destination for each in found if each.destination is not None]
    assert {(place.country, place.region, place.postal_code) for place in places} == {
        ("ZA", "Western Cape", None)
    }
    codes = {each.destination.postal_code for each in known if each.destination is not None}
    assert codes == {f"8001-{MARK}"}


def test_no_personal_data_is_kept_of_a_connection_that_asks_for_the_destination(tmp_path: Path) -> None:
    """Neither in documents nor in rejects, nor in any log line; the rows have it."""
    market = next(each for each in registered() if each.name == "amazon")
    market = replace(market, settings={**market.settings, "destination": True})
    with opened(market, "orders", tmp_path, size=60) as case:
        case.sandbox.fault(kind="malformed", every=1)
        case.run()
        assert any(each.data["destination"] for each in case.stored().values())
        assert case.rejects()
        collections = ("runs", "connections", "sync_state", "digests")
        documents = [each.data for name in collections for each in every(case.world.store, name)]
        documents += [each.data for each in (*case.stored().values(), *case.rejects())]
        shown = [*case.log.lines, *map(repr, documents)]

    assert not [text for text in shown if MARK.lower() in text.lower()]
