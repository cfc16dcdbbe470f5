"""Records of eBay's sandbox: every field of the mapping is filled, parcels are read, buyers are kept out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import MarketplaceUnavailable, RateLimited, RequestRejected
from orchestrator.marketplaces.ebay import order_records
from orchestrator.marketplaces.ebay.mapping import MAPPING
from orchestrator.marketplaces.scrub import scrub
from orchestrator.model.records.record import Order, Record
from tests.marketplaces.conformance import case as conformance
from tests.marketplaces.conformance.market import registered
from tests.marketplaces.conformance.record_rules import amounts_add_up, fields_agree
from tests.marketplaces.ebay.answers import EBAY, GRANTED, fetch, refused, session
from tests.support.scripted import Sandbox, read, sandbox, scripted

COMPLETE = EBAY.streams["orders"].complete
#: Fields inside personal ones that are stored of every order, or are words of an enumeration.
_NOT_PERSONAL = frozenset(
    {
        *("countryCode", "stateOrProvince", "issuingCountry", "taxIdentifierType", "name", "title"),
        *("fulfillmentInstructionsType", "shippingCarrierCode", "shippingServiceCode", "lineItemId"),
        *("maxEstimatedDeliveryDate", "orderId"),
    }
)


@pytest.fixture(scope="module")
def seller() -> Iterator[Sandbox]:
    """A seller with many orders, whom no test of this module changes."""
    with sandbox("ebay", orders=1200, products=40) as running:
        yield running


def thin_rows(seller: Sandbox) -> list[bytes]:
    """All orders as they are listed."""
    return [raw for page in read(EBAY, seller.session(), "orders").pages for raw in page.records]


def completed(seller: Sandbox, rows: list[bytes]) -> list[bytes]:
    """The rows with their details, in one session."""
    assert COMPLETE is not None
    opened = seller.session()
    found: list[bytes] = []
    for raw in rows:
        opened.client.begin_page()
        found += COMPLETE(opened, [raw])
    return found


@pytest.fixture(scope="module")
def rows(seller: Sandbox) -> list[bytes]:
    """Three hundred of the orders, the latest among them, with their parcels."""
    thin = sorted(thin_rows(seller), key=lambda raw: msgspec.json.decode(raw)["creationDate"])
    return completed(seller, thin[-300:])


@pytest.fixture(scope="module")
def records(seller: Sandbox, rows: list[bytes]) -> dict[str, list[Record]]:
    """Records of each stream, with the buyers."""
    found = {name: list(read(EBAY, seller.session(), name).records.values()) for name in EBAY.streams}
    return {**found, "orders": [EBAY.streams["orders"].normalize(raw, True) for raw in rows]}


def filled(value: Any, prefix: str) -> set[str]:
    """The paths of fields that are not null, not empty and not their default."""
    if isinstance(value, list | tuple):
        return {path for item in value for path in filled(item, prefix)}
    if not isinstance(value, msgspec.Struct) or prefix.count(".") > 1:
        return set()
    paths: set[str] = set()
    for field in msgspec.structs.fields(type(value)):
        held, path = getattr(value, field.name), f"{prefix}.{field.name}"
        if held not in (None, (), {}):
            paths |= {path} | filled(held, path)
    return paths


@pytest.mark.parametrize("field", sorted(MAPPING))
def test_every_mapped_field_is_filled(field: str, records: dict[str, list[Record]]) -> None:
    """By some record of the sandbox."""
    stream = field.partition(".")[0]

    assert any(field in filled(record, stream) for record in records[stream])


def test_no_other_field_is_filled(records: dict[str, list[Record]]) -> None:
    """Beside those that records have by themselves."""
    own = {"orders.test", "orders.truncated", "orders.warnings", "orders.destination"}
    known = {*MAPPING, *own}
    found = {path for stream, held in records.items() for record in held for path in filled(record, stream)}

    unknown = {path for path in found - known if path.rpartition(".")[0] in known or path.count(".") == 1} - {
        f"orders.destination.{name}" for name in ("country", "region", "postal_code")
    }
    parts = ("orders.fee_lines", "orders.lines.", "products.variants.barcodes", "products.options")
    assert {path for path in unknown if not path.startswith(parts) and not is_money(path)} == set()


def is_money(path: str) -> bool:
    """Whether the path leads into an amount."""
    return path.rpartition(".")[2] in {"amount", "currency"}


def test_orders_with_their_parcels_keep_the_rules(rows: list[bytes]) -> None:
    """Amounts add up, numbers agree, and nothing is unreadable."""
    for raw in rows:
        record = EBAY.streams["orders"].normalize(raw, False)
        amounts_add_up(record)
        fields_agree(record)
        assert isinstance(record, Order)
        assert (record.warnings, record.truncated) == ((), ())
        assert record.other_total is not None


def test_orders_are_completed_with_one_call_for_those_with_parcels(seller: Sandbox) -> None:
    """An order without a parcel costs no call and is returned as it is."""
    assert COMPLETE is not None
    thin = thin_rows(seller)[:60]
    without = [raw for raw in thin if not msgspec.json.decode(raw)["fulfillmentHrefs"]]
    opened = seller.session()
    assert list(COMPLETE(opened, without)) == without
    assert opened.client.calls == 0
    sent = [raw for raw in thin if raw not in without][:5]
    done = [raw for each in sent for raw in COMPLETE(opened, [each])]
    assert opened.client.calls <= 6

    for before, after in zip(sent, done, strict=True):
        listed, full = (EBAY.streams["orders"].normalize(raw, False) for raw in (before, after))
        assert isinstance(listed, Order)
        assert isinstance(full, Order)
        assert EBAY.streams["orders"].record_id(after) == listed.id
        assert listed.fulfillments is None
        assert full.fulfillments
        assert {parcel.status for parcel in full.fulfillments} == {"shipped"}
        lines = {line.id for line in full.lines}
        assert all({part.line_id for part in parcel.lines} <= lines for parcel in full.fulfillments)


def test_an_order_that_cannot_be_read_is_completed_by_no_call() -> None:
    """It becomes a reject as it is."""
    assert COMPLETE is not None
    odd = [b'{"orderId":5,"fulfillmentHrefs":["x"]}', b'{"orderId":"1","fulfillmentHrefs":5}', b"{"]
    with scripted(GRANTED) as server:
        assert list(COMPLETE(session(server), odd)) == odd
        assert not server.requests


def test_the_id_is_quoted_and_no_url_of_the_answer_is_followed() -> None:
    """Ids of older orders have an exclamation mark."""
    assert COMPLETE is not None
    row = {"orderId": "1100/2!3", "fulfillmentHrefs": ["https://evil.example.com/x"]}
    with scripted(GRANTED, Reply.json(200, {"fulfillments": [], "total": 0})) as server:
        (done,) = COMPLETE(session(server), [msgspec.json.encode(row)])

    assert server.requests[1].path == "/sell/fulfillment/v1/order/1100%2F2%213/shipping_fulfillment"
    assert msgspec.json.decode(done) == {**row, "shippingFulfillments": []}


def test_details_that_fail_are_told_as_what_they_are() -> None:
    """An outage is one; a refusal holds the orders back too, whose quota it is."""
    assert COMPLETE is not None
    row = [msgspec.json.encode({"orderId": "1", "fulfillmentHrefs": ["x"]})]
    with scripted(GRANTED, refused(500, 30_500)) as server, pytest.raises(MarketplaceUnavailable):
        COMPLETE(session(server), row)
    with scripted(GRANTED, refused(429, 2001, {"Retry-After": "900"})) as server:
        opened = session(server)
        with pytest.raises(RateLimited):
            COMPLETE(opened, row)
        with pytest.raises(RateLimited):
            fetch(opened, "orders")


def personal_texts(row: Any, *, inside: bool = False) -> set[str]:
    """All texts of an order's personal fields."""
    if isinstance(row, list):
        return {text for item in row for text in personal_texts(item, inside=inside)}
    if isinstance(row, dict):
        return {
            text
            for name, item in row.items()
            if name not in _NOT_PERSONAL
            for text in personal_texts(item, inside=inside or name in order_records.PERSONAL_FIELDS)
        }
    return {row} if inside and isinstance(row, str) else set()


def test_buyers_are_in_no_record_and_in_no_kept_row(rows: list[bytes]) -> None:
    """Whatever the field that eBay tells them in."""
    marks: set[str] = set()
    for raw in rows:
        marks |= (texts := personal_texts(msgspec.json.decode(raw)))
        kept = scrub(raw, order_records.PERSONAL_FIELDS)
        stored = msgspec.json.encode(EBAY.streams["orders"].normalize(raw, False))
        for text in texts:
            assert text.encode() not in kept, text
            assert text.encode() not in stored, text

    told = " ".join(marks)
    kinds = ("Buyer Number", "Company of", "buyer_", "Buyerton", "Sandbox Street", "N1 ", "+44", "Taxville")
    more = ("@members", "TAXID", "Neighbour", "Many happy", "recipient-", "Gifter", "PLATE", "fitter_", "IM0")
    assert not [kind for kind in (*kinds, *more, "UKAD", "Registered", "TX") if kind not in told]


def test_buyers_are_nowhere_after_a_sync(tmp_path: Path) -> None:
    """In no document, no reject and no log line."""
    (market,) = [each for each in registered() if each.name == "ebay"]
    with conformance.opened(market, "orders", tmp_path, size=400) as case:
        raws = [raw for page in case.pages(conformance.EVERYTHING, case.session()) for raw in page.records]
        marks = {text for raw in raws for text in personal_texts(msgspec.json.decode(raw))}
        case.sandbox.fault(kind="malformed", every=3)
        case.run()
        kept = [*case.log.lines, *(repr(each.data) for each in case.rejects()), repr(case.stored())]

    assert len(marks) > 50
    assert not [mark for mark in marks for text in kept if mark in text]


def test_buyers_are_told_where_they_may_be_stored(records: dict[str, list[Record]]) -> None:
    """With the destination's postal code."""
    young = [each for each in records["orders"] if isinstance(each, Order) and each.buyer is not None]

    assert any(each.destination and each.destination.postal_code for each in young)


def test_trap_the_destination_is_behind_the_hub(rows: list[bytes]) -> None:
    """An international parcel goes to a hub in the seller's country; an authenticator's tells no buyer."""
    seen = set()
    for raw in rows:
        record = EBAY.streams["orders"].normalize(raw, True)
        assert isinstance(record, Order)
        for told in msgspec.json.decode(raw)["fulfillmentStartInstructions"]:
            if told.get("finalDestinationAddress"):
                assert record.destination is not None
                assert record.destination.country == "US"
                assert record.buyer is not None
                assert record.buyer.country == "GB"
                seen.add("international")
            elif told.get("ebaySupportedFulfillment"):
                assert record.destination is None
                seen.add("authenticator")

    assert seen == {"international", "authenticator"}


def test_without_the_breakdown_the_collected_tax_is_left_out(seller: Sandbox) -> None:
    """As eBay does; another group is refused."""
    opened = seller.session()

    def listed(group: str | None) -> dict[str, Any]:
        params = [("limit", "200"), *([("fieldGroups", group)] if group else [])]
        answer = opened.client.request(
            "orders",
            "https://api.ebay.com/sell/fulfillment/v1/order",
            lambda response: response.decode(dict[str, Any]),
            params=params,
        )
        return {each["orderId"]: each["pricingSummary"]["total"]["value"] for each in answer["orders"]}

    bare, full = listed(None), listed("TAX_BREAKDOWN")
    assert bare.keys() == full.keys()
    assert any(float(bare[each]) < float(full[each]) for each in full)
    with pytest.raises(RequestRejected, match="32800"):
        listed("ALL")
