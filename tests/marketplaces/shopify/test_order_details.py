"""The parcels and refunds of Shopify's orders: several orders by one call, and each of them whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import MarketplaceError, MarketplaceUnavailable, PermissionDenied, ResponseInvalid
from orchestrator.marketplaces.shopify import order_records, queries
from orchestrator.marketplaces.shopify.order_details import complete_orders
from orchestrator.marketplaces.shopify.order_parts.parcels import needs_details
from orchestrator.marketplaces.spec import AnySession
from orchestrator.model.records.record import Order
from tests.marketplaces.conformance.case import opened
from tests.marketplaces.conformance.market import registered
from tests.marketplaces.conformance.rules import using
from tests.marketplaces.shopify.answers import END, SHOPIFY, session
from tests.marketplaces.shopify.test_shopify_records import ORDER
from tests.support.scripted import Sandbox, completed, read, sandbox, scripted

STREAM = SHOPIFY.streams["orders"]
LINE = ORDER["lineItems"]["nodes"][0]["id"]
MORE = {"hasNextPage": True, "endCursor": "a"}
INTERNAL = {"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
DENIED = {"message": "Access denied", "extensions": {"code": "ACCESS_DENIED"}}


def gid(number: int) -> str:
    """An order's global id."""
    return f"gid://shopify/Order/{number}"


def listed(number: int) -> bytes:
    """An order as it is listed, of whose two pieces one was sent."""
    parcel = {"id": f"gid://shopify/Fulfillment/{number}01", "totalQuantity": 1}
    names = {"id": gid(number), "legacyResourceId": str(number)}
    return msgspec.json.encode({**ORDER, **names, "fulfillments": [parcel], "refunds": []})


def lines(name: str, quantities: Sequence[int], info: dict[str, Any] = END) -> dict[str, Any]:
    """Some lines of a parcel or refund."""
    return {
        name: {"nodes": [{"quantity": n, "lineItem": {"id": LINE}} for n in quantities], "pageInfo": info}
    }


def parcel(number: int, *quantities: int, info: dict[str, Any] = END, tracking: int = 0) -> dict[str, Any]:
    """A parcel; its number is that of its order and two digits."""
    return {
        "id": f"gid://shopify/Fulfillment/{number}",
        "status": "SUCCESS",
        "trackingInfo": [{"number": f"T{n}"} for n in range(tracking)],
        **lines("fulfillmentLineItems", quantities or [1], info),
    }


def refund(number: int) -> dict[str, Any]:
    """A refund of one piece."""
    return {"id": f"gid://shopify/Refund/{number}", **lines("refundLineItems", [1])}


def ids(kind: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Parts of which only the ids are told."""
    return [{"id": f"gid://shopify/{kind}/{number}"} for number in numbers]


def details(
    number: int, *parcels: dict[str, Any], refunds: Sequence[dict[str, Any]] = (), **more: Any
) -> dict[str, Any]:
    """An order's details; all its parts come with it unless `more` says so."""
    parts = {"fulfillments": parcels, "refunds": refunds}
    names = {"fulfillments": "parcelIds", "refunds": "refundIds"}
    told = {names[key]: [{"id": each["id"]} for each in found] for key, found in parts.items()}
    return {"id": gid(number), **parts, **told, **more}


def nodes(*found: dict[str, Any] | None, **beside: Any) -> Reply:
    """The answer for several nodes."""
    return Reply.json(200, {"data": {"rows": found}, **beside})


def all_ids(parcels: Sequence[int]) -> Reply:
    """The answer for all ids of one order."""
    return Reply.json(200, {"data": {"row": {"parcelIds": ids("Fulfillment", parcels), "refundIds": []}}})


def numbers(order: Order) -> list[str]:
    """The parcels of an order."""
    assert order.fulfillments is not None
    return [each.id for each in order.fulfillments]


def record(raw: bytes) -> Order:
    """Its record."""
    return order_records.order(raw, False)


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop that these tests only read."""
    with sandbox("shopify", orders=300, products=30) as served:
        yield served


def test_thirteen_orders_take_one_call() -> None:
    """Orders of which nothing more has to be known do not count."""
    many = [listed(number) for number in range(1, 21)]
    known = msgspec.json.encode({**ORDER, "fulfillments": [], "refunds": []})
    found = [details(number, parcel(number * 100 + 1)) for number in range(1, 21)]
    with scripted(nodes(*found[:13]), nodes(*found[13:])) as server:
        opened_session = session(server)
        first = complete_orders(opened_session, [known, *many, known])
        assert (len(first), first[0], opened_session.client.calls) == (14, known, 1)
        rest = complete_orders(opened_session, [*many[13:], known])
        assert (len(rest), rest[-1], opened_session.client.calls) == (8, known, 2)

    done = [*first[1:], *rest[:-1]]
    assert [numbers(record(raw)) for raw in done] == [[f"{number}01"] for number in range(1, 21)]


def test_a_shop_s_orders_take_few_calls_and_are_as_whole_as_one_by_one(shop: Sandbox) -> None:
    """Also those of many parcels, refunds and lines."""
    together, single = shop.session(), shop.session()
    thin = [raw for page in read(SHOPIFY, together, "orders").pages for raw in page.records]
    before = together.client.calls
    found = completed(STREAM, together, thin)
    needy = sum(map(needs_details, thin))

    assert [record(raw) for raw in found] == [
        record(raw) for each in thin for raw in completed(STREAM, single, [each])
    ]
    assert needy > 60
    assert together.client.calls - before < needy / 2
    assert max(len(record(raw).fulfillments or ()) for raw in found) > queries.PARCEL_IDS_SIZE
    assert max(len(msgspec.json.decode(raw)["refunds"]) for raw in found) > queries.REFUND_IDS_SIZE


def test_orders_are_told_by_their_ids_and_not_by_their_places() -> None:
    """An answer in another order, or with one order twice, mixes nothing up."""
    with scripted(nodes(details(7, parcel(701)), details(5, parcel(501)), details(7, parcel(701)))) as server:
        found = complete_orders(session(server), [listed(5), listed(7)])

    assert [numbers(record(raw)) for raw in found] == [["501"], ["701"]]


def test_what_did_not_come_with_its_order_is_asked_for_by_id() -> None:
    """Parts of several orders together, in their orders' sequence; what was deleted meanwhile stays away."""
    first = details(1, parcel(101), parcel(102), parcelIds=ids("Fulfillment", [101, 102, 103, 104]))
    second = details(2, parcel(201), refunds=[refund(201)], refundIds=ids("Refund", [201, 202]))
    parcels, refunds = nodes(None, parcel(103, 2)), nodes(refund(202))
    with scripted(nodes(first, second), parcels, refunds) as server:
        found = [record(raw) for raw in complete_orders(session(server), [listed(1), listed(2)])]
        asked = [msgspec.json.decode(each.body)["variables"]["ids"] for each in server.requests]

    assert numbers(found[0]) == ["101", "102", "103"]
    assert [part.quantity for each in found[0].fulfillments or () for part in each.lines] == [1, 1, 2]
    assert [each.id for each in found[1].refunds or ()] == ["201", "202"]
    assert asked[1:] == [
        [f"gid://shopify/Fulfillment/{number}" for number in (103, 104)],
        ["gid://shopify/Refund/202"],
    ]


def test_all_ids_are_asked_for_if_there_may_be_more() -> None:
    """Neither list has a cursor."""
    few = list(range(101, 101 + queries.PARCEL_IDS_SIZE))
    every = [*few, 198, 199]
    order = details(1, parcel(101), parcel(102), parcelIds=ids("Fulfillment", few))
    with scripted(nodes(order), all_ids(every), nodes(*map(parcel, every[2:]))) as server:
        (found,) = complete_orders(session(server), [listed(1)])
    assert numbers(record(found)) == [str(each) for each in every]

    gone = Reply.json(200, {"data": {"row": None}})
    with scripted(nodes(order), gone) as server:
        assert complete_orders(session(server), [listed(1)]) == [listed(1)]


def test_later_lines_and_tracking_numbers_are_read() -> None:
    """The part is asked for with larger pages; only then for further pages of its lines."""
    order = details(1, parcel(101, 1, info=MORE), parcel(102, tracking=queries.FIRST_TRACKING))
    larger = nodes(parcel(101, 1, 2, info=MORE), parcel(102, tracking=5))
    page = {"nodes": [{"quantity": 3, "lineItem": {"id": LINE}}], "pageInfo": END}
    with scripted(nodes(order), larger, Reply.json(200, {"data": {"parent": {"rows": page}}})) as server:
        (found,) = complete_orders(session(server), [listed(1)])
        asked = msgspec.json.decode(server.requests[1].body)["variables"]["ids"]
    long, tracked = record(found).fulfillments or ()

    assert asked == [f"gid://shopify/Fulfillment/{number}" for number in (101, 102)]
    assert [each.quantity for each in long.lines] == [1, 2, 3]
    assert len(tracked.tracking_numbers) == 5


def test_an_order_that_is_gone_is_returned_as_it_is() -> None:
    """It was deleted after its page was read."""
    with scripted(nodes(None, details(7, parcel(701)))) as server:
        gone, kept = complete_orders(session(server), [listed(5), listed(7)])

    assert (gone, record(gone).fulfillments, record(gone).warnings) == (listed(5), None, ())
    assert numbers(record(kept)) == ["701"]


def test_orders_of_very_many_parcels_are_not_completed_together() -> None:
    """Rows that are completed together have to fit one slice."""
    few = ids("Fulfillment", range(101, 101 + queries.PARCEL_IDS_SIZE))
    many = range(101, 101 + 3 * queries.PARCELS_SIZE)
    pages = [many[at : at + queries.PARCELS_SIZE] for at in range(0, len(many), queries.PARCELS_SIZE)]
    orders = details(1, parcelIds=few), details(2, parcelIds=few)
    with scripted(nodes(*orders), all_ids(many), *(nodes(*map(parcel, page)) for page in pages)) as server:
        opened_session = session(server)
        (found,) = complete_orders(opened_session, [listed(1), listed(2)])
        assert opened_session.client.calls == 5
    assert numbers(record(found)) == [str(each) for each in many]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (nodes(None, details(2, parcel(201)), errors=[INTERNAL]), MarketplaceUnavailable),
        (nodes({}, details(2, parcel(201))), ResponseInvalid),
        (nodes(details(1, {"id": "gid://shopify/Fulfillment/1"})), ResponseInvalid),
        (nodes(details(1, {"id": 5})), ResponseInvalid),
        (nodes(None, None, errors=[DENIED]), PermissionDenied),
        (Reply.json(200, {"data": None, "errors": [DENIED]}), PermissionDenied),
    ],
)
def test_details_that_make_no_sense_are_an_error(reply: Reply, kind: type[MarketplaceError]) -> None:
    """No order is stored as if it had no parcels."""
    with scripted(reply) as server, pytest.raises(kind):
        complete_orders(session(server), [listed(1), listed(2)])


def test_an_order_whose_details_fail_costs_no_other_its_own(tmp_path: Path) -> None:
    """It is stored as it is listed, says so, and is asked for again."""
    market = next(each for each in registered() if each.name == "shopify")
    with opened(market, "orders", tmp_path, size=30) as case:
        needy = [raw for page in case.pages() for raw in page.records if needs_details(raw)]
        odd = case.stream.record_id(needy[1])
        is_broken = True

        def complete(given: AnySession, raws: Sequence[bytes]) -> Sequence[bytes]:
            if is_broken and odd in map(case.stream.record_id, raws):
                raise MarketplaceUnavailable("shopify order details: answered with errors")
            return complete_orders(given, raws)

        with using(case, replace(case.stream, complete=complete)):
            case.run()
            case.run()
            stored = case.stored()
            assert len(needy) > 3
            assert stored.keys() == case.truth().keys()
            assert {name for name, each in stored.items() if each.data["warnings"]} == {odd}
            assert all(each.data["fulfillments"] is not None for name, each in stored.items() if name != odd)
            is_broken = False
            case.run(2 * 3_600.0)
        assert odd is not None
        assert case.stored()[odd].data["fulfillments"] is not None
        assert case.stored()[odd].data["warnings"] == []
