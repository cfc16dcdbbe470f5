"""All that Takealot's records tell comes from the sandbox's rows, of either API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.takealot.rows import MARK
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.spec import AnySession
from orchestrator.marketplaces.takealot import records, sale_records, v2_records
from orchestrator.marketplaces.takealot.mapping import MAPPING
from orchestrator.model.records.record import Barcode, Charge, Money, Order, Record, Weight
from tests.marketplaces.conformance.case import every, opened
from tests.marketplaces.conformance.market import registered
from tests.marketplaces.filled import filled
from tests.marketplaces.takealot.test_takealot import OFFER, SALE
from tests.marketplaces.takealot.test_takealot_v2 import session as v2_session
from tests.support.scripted import Sandbox, read, sandbox

TAKEALOT = REGISTRY["takealot"]
#: Fields that only the older API fills, and that only the newer one does.
V2_ALONE = {"orders.buyer", "orders.buyer.name"}
V1_ALONE = {
    *("products.parent_id", "products.updated_at", "products.image_urls", "products.variants.weight"),
    "products.variants.condition",
}


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with every kind of sale and offer."""
    with sandbox("takealot", orders=300, products=120, accounts=1) as running:
        yield running


def everything(session: AnySession) -> list[Record]:
    """The records of all streams."""
    found = [read(TAKEALOT, session, stream) for stream in TAKEALOT.streams]
    assert not any(each.rejects for each in found)
    return [record for each in found for record in each.records.values()]


def order(*changes: dict[str, Any]) -> Order:
    """An order whose items differ from the sample."""
    items = [{**SALE, "order_item_id": number, **change} for number, change in enumerate(changes)]
    return sale_records.order(msgspec.json.encode(items), False)


def test_every_field_of_the_mapping_is_filled(seller: Sandbox) -> None:
    """By the API that has it; no order tells refunds, tax, shipping or discounts."""
    v1 = filled(everything(seller.session(store_buyer_pii=True)))
    v2 = filled(everything(v2_session(seller.url, pii=True)))

    assert MAPPING.keys() - v1 == V2_ALONE
    assert MAPPING.keys() - v2 == V1_ALONE
    for name in ("refunded", "refunds", "fulfillments", "tax_total", "shipping_total", "discount_total"):
        assert f"orders.{name}" not in v1 | v2


def test_records_have_no_warning(seller: Sandbox) -> None:
    """Every form that the sandbox writes is one that is documented or has been seen."""
    for session in (seller.session(), v2_session(seller.url)):
        assert all(record.warnings == () for record in everything(session))


def test_the_customer_is_marked_and_in_no_record_unless_wanted(seller: Sandbox) -> None:
    """Nor in the row that is kept of a reject."""
    session = v2_session(seller.url, pii=True)
    raws = [raw for page in read(TAKEALOT, session, "orders").pages for raw in page.records]

    assert all(MARK.encode() in raw for raw in raws)
    assert all(MARK in str(v2_records.order(raw, True).buyer) for raw in raws)
    assert all(MARK not in repr(v2_records.order(raw, False)) for raw in raws)
    assert all(MARK.encode() not in scrub(raw, sale_records.PERSONAL_FIELDS) for raw in raws)


def test_no_personal_data_is_kept_of_the_older_api(tmp_path: Path) -> None:
    """Neither in documents nor in rejects, nor in any log line."""
    market = next(each for each in registered() if each.name == "takealot")
    market = replace(market, settings={"api": "seller_v2"}, credential={"api_key": "sandbox-v2-key-0"})
    with opened(market, "orders", tmp_path, size=60) as case:
        case.sandbox.fault(kind="malformed", every=1)
        case.run()
        assert case.stored()
        assert case.rejects()
        collections = ("runs", "connections", "sync_state", "digests")
        documents = [each.data for name in collections for each in every(case.world.store, name)]
        documents += [each.data for each in (*case.stored().values(), *case.rejects())]
        shown = [*case.log.lines, *map(repr, documents)]

    assert not [text for text in shown if MARK.lower() in text.lower()]


def test_fees_are_told_by_kind_and_summed() -> None:
    """Their sum alone only if no kind is told; floats are exact."""
    kinds = {"success_fee": 41.4, "fulfillment_fee": 25, "courier_collection_fee": 0, "total_fees": 66.4}
    found = order(kinds, {**kinds, "stock_transfer_fee": 5.25}, {"total_fee": 10})

    assert found.fees == Money("148.05", "ZAR")
    assert found.fee_lines == (
        Charge(kind="courier_collection_fee", amount=Money("0.00", "ZAR")),
        Charge(kind="fulfillment_fee", amount=Money("50.00", "ZAR")),
        Charge(kind="stock_transfer_fee", amount=Money("5.25", "ZAR")),
        Charge(kind="success_fee", amount=Money("82.80", "ZAR")),
        Charge(kind="total_fee", amount=Money("10.00", "ZAR")),
    )
    assert (order({}).fees, order({"success_fee": "N/A"}).warnings) == (None, ("success_fee",))


def test_fees_are_exact() -> None:
    """A binary fraction has too few digits for all amounts."""
    fee = b"12345678901234567.89"
    raw = msgspec.json.encode([{**SALE, "success_fee": 1}]).replace(
        b'"success_fee":1', b'"success_fee":' + fee
    )
    assert sale_records.order(raw, False).fees == Money(fee.decode(), "ZAR")


def test_trap_a_cancelled_item_counts_in_the_total_but_not_in_the_net() -> None:
    """The total is as sold; nothing is left of items that are cancelled, given back or refunded."""
    words = ("Shipped to Customer", "Cancelled by Customer", "Returned", "Refunded")
    found = order(*({"sale_status": word} for word in words))

    assert (found.total, found.subtotal) == (Money("1380.00", "ZAR"), Money("1380.00", "ZAR"))
    assert (found.net, found.net_micros) == (Money("345.00", "ZAR"), 345_000_000)
    told = [
        (line.quantity_fulfilled, line.quantity_refunded, line.quantity_cancelled) for line in found.lines
    ]
    assert told == [(1, 0, 0), (0, 0, 1), (1, 1, 0), (None, 1, None)]
    gone = order({"sale_status": "Cancelled by Customer"})
    assert (gone.total, gone.net) == (Money("345.00", "ZAR"), Money("0.00", "ZAR"))


@pytest.mark.parametrize(
    ("change", "who", "to_ship"),
    [
        ({"stock_source_region": "CPT"}, "marketplace", False),
        ({"stock_source_region": None}, "merchant", True),
        ({"stock_source_region": ""}, "merchant", True),
        ({"dc": "CPT", "po_number": None}, "marketplace", False),
        ({"dc": "CPT", "po_number": "PO1"}, "merchant", True),
        ({"sale_status": "New Lead Time Order", "stock_source_region": "CPT"}, "merchant", True),
        ({"sale_status": "new_drop_ship_order"}, "merchant", True),
        ({}, "unknown", True),
    ],
)
def test_who_sends_an_item(change: dict[str, Any], who: str, to_ship: bool) -> None:
    """Takealot from its own warehouses; the seller has to bring a lead-time item to it."""
    found = order({"sale_status": "Preparing for Customer", **change})

    assert (found.fulfilled_by, found.to_ship) == (who, to_ship)


def test_an_order_of_both_is_mixed() -> None:
    """Then the seller may have something to send."""
    open_ = {"sale_status": "Preparing for Customer"}
    found = order({**open_, "stock_source_region": "CPT"}, {**open_, "stock_source_region": None})

    assert (found.fulfilled_by, found.to_ship) == ("mixed", True)


@pytest.mark.parametrize("names", [("sales_region",), ("customer_dc",)])
def test_the_destination_is_a_region_of_south_africa(names: Sequence[str]) -> None:
    """Of either API; it is a distribution centre's, so it is no personal data."""
    found = order(dict.fromkeys(names, "JHB")).destination

    assert found is not None
    assert (found.country, found.region, found.postal_code) == ("ZA", "JHB", None)
    assert str(order({}).destination) == str(type(found)(country="ZA"))


def test_an_offers_label_follows_its_barcode_and_a_weight_of_zero_is_none() -> None:
    """The label is Takealot's own number for the article."""
    more = {"product_label": "9900208877123", "weight_grams": 345.8, "productline_id": 98765}
    found = records.product(msgspec.json.encode({**OFFER, **more}), False)
    variant = found.variants[0]

    assert (variant.barcode, [each.value for each in variant.barcodes]) == (
        "6001234567890",
        ["6001234567890", "9900208877123"],
    )
    assert isinstance(variant.barcodes[1], Barcode)
    assert variant.weight == Weight(value="345.8", unit="g")
    assert (found.parent_id, found.url) == ("98765", "https://www.takealot.com/x/PLID98765")
    light = records.product(msgspec.json.encode({**OFFER, "weight_grams": 0}), False)
    assert (light.variants[0].weight, light.url, light.warnings) == (None, None, ())
