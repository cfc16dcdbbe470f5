"""The refunds of WooCommerce's orders, whose lines cost a call."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.woocommerce import order_records
from orchestrator.marketplaces.woocommerce.order_details import with_details
from orchestrator.model.records.record import LinePart, Money, Order
from tests.marketplaces.woocommerce.test_woocommerce import scripted_session, session_at
from tests.marketplaces.woocommerce.test_woocommerce_records import ORDER
from tests.support.scripted import completed, read, sandbox, scripted

WOO = REGISTRY["woocommerce"]
ORDERS = WOO.streams["orders"]


def refund(number: int, **changes: Any) -> dict[str, Any]:
    """One refund of a piece of the sample order's line."""
    line = {
        "id": number + 1000,
        "quantity": -1,
        "total": "-1.00",
        "meta_data": [{"key": "_refunded_item_id", "value": "315"}],
    }
    made = {"date_created_gmt": "2026-11-23T06:02:00", "amount": "1.15", "reason": "", "line_items": [line]}
    return {"id": number, **made, **changes}


def raw(**changes: Any) -> bytes:
    """The sample order as it is listed, with some fields changed."""
    return msgspec.json.encode({**ORDER, **changes})


def order(**changes: Any) -> Order:
    """The record of the sample order with some fields changed."""
    return order_records.order(raw(**changes), with_buyer=False)


def test_trap_a_list_of_refunds_that_is_an_object_with_numbered_keys() -> None:
    """PHP sends it so once a plugin has taken one of them out; the refunds are asked for all the same."""
    thin = raw(refunds={"1": {"id": 728, "total": "-1.15"}})
    with scripted(Reply.json(200, [refund(728)])) as server:
        (whole,) = with_details(scripted_session(server), [thin])

    found = order_records.order(whole, False).refunds
    assert found is not None
    assert [each.id for each in found] == ["728"]


def test_refunds_are_asked_for_until_all_have_come() -> None:
    """In the order of their ids, behind those that have come."""
    pages = [[refund(number) for number in range(20)], [refund(20)]]
    with scripted(*(Reply.json(200, page, {"X-WP-Total": "21"}) for page in pages)) as server:
        (whole,) = with_details(scripted_session(server), [raw()])

    found = order_records.order(whole, False)
    assert len(found.refunds or ()) == 21
    assert found.lines[0].quantity_refunded == 21
    assert [request.query["offset"] for request in server.requests] == [["0"], ["20"]]
    assert all(request.query["orderby"] == ["id"] for request in server.requests)


def test_a_refund_that_two_pages_show_is_one_refund() -> None:
    """A page may begin with the last row of the page before it."""
    pages = [[refund(number) for number in range(20)], [refund(19), refund(20)]]
    with scripted(*(Reply.json(200, page, {"X-WP-Total": "21"}) for page in pages)) as server:
        (whole,) = with_details(scripted_session(server), [raw()])

    found = order_records.order(whole, False)
    assert [each.id for each in found.refunds or ()] == [str(number) for number in range(21)]
    assert found.lines[0].quantity_refunded == 21


def listed(number: int, *refunds: int, **changes: Any) -> bytes:
    """An order as it is listed, with these refunds."""
    return raw(id=number, refunds=[{"id": each, "total": "-1.15"} for each in refunds], **changes)


def ids(whole: bytes) -> list[str]:
    """The refunds of an order."""
    return [each.id for each in order_records.order(whole, False).refunds or ()]


def test_the_refunds_of_several_orders_take_one_call() -> None:
    """Each is its own order's, whatever their sequence."""
    rows = [listed(1, 12, 11), listed(2), listed(3, 31)]
    with scripted(Reply.json(200, [refund(number) for number in (31, 12, 11)])) as server:
        found = with_details(scripted_session(server), rows)

    assert [ids(each) for each in found] == [["11", "12"], [], ["31"]]
    (request,) = server.requests
    assert request.path.endswith("/wc/v3/refunds")
    assert request.query["include"] == ["11,12,31"]


def test_an_order_whose_refunds_are_not_all_told_is_asked_for_alone() -> None:
    """One was deleted meanwhile, or a plugin hides it."""
    told = [[refund(11)], [refund(11), refund(13)]]
    with scripted(*(Reply.json(200, rows) for rows in told)) as server:
        found = with_details(scripted_session(server), [listed(1, 11, 12), listed(2, 11)])

    assert [ids(each) for each in found] == [["11", "13"], ["11"]]
    assert [each.path.rpartition("/wc/v3/")[2] for each in server.requests] == ["refunds", "orders/1/refunds"]


def test_an_older_site_is_asked_once_for_the_refunds_of_several_orders() -> None:
    """Then each order is asked for alone; the records are the same."""
    found, calls = [], []
    with sandbox("woocommerce", orders=120, products=10, accounts=1) as shop:
        rows = [each for page in read(WOO, shop.session(), "orders").pages for each in page.records]
        for site in ("https://sandbox-0.example", "https://sandbox-0.example/wc57"):
            session = session_at(shop.url, site)
            found.append([order_records.order(each, False) for each in completed(ORDERS, session, rows)])
            calls.append(session.client.calls)
    refunded = sum(b'"refunds":[]' not in each for each in rows)

    assert found[0] == found[1]
    assert refunded > 5
    assert (calls[0] <= 3, calls[1]) == (True, 1 + refunded)


def test_many_orders_with_calls_of_their_own_are_not_completed_together() -> None:
    """Rows that are completed together have to fit one slice."""
    rows = [listed(number, status="completed") for number in range(30)]
    with scripted(Reply.json(200, [])) as server:
        session = scripted_session(server)
        session.settings.tracking = "core"
        assert len(with_details(session, rows)) == 10
        assert session.client.calls == 10
        session.settings.tracking, session.settings.has_no_refunds = None, True
        assert len(with_details(session, [listed(number, 5) for number in range(30)])) == 10
    with scripted(Reply.json(200, [])) as server:
        session = scripted_session(server)
        # The site tells none of the refunds that it lists.
        assert len(with_details(session, [listed(number, number) for number in range(1, 30)])) == 10
        assert session.client.calls == 1 + 10


def test_a_site_that_refuses_the_refunds_of_several_orders_tells_those_of_one() -> None:
    """A plugin that lists the routes it allows does not know the new one."""
    refused = Reply.json(403, {"code": "rest_forbidden", "message": "Sorry.", "data": {"status": 403}})
    told = [Reply.json(200, [refund(number)]) for number in (11, 21)]
    with scripted(refused, *told) as server:
        session = scripted_session(server)
        found = with_details(session, [listed(1, 11), listed(2, 21)])

    assert [ids(each) for each in found] == [["11"], ["21"]]
    assert session.settings.has_no_refunds


def test_trap_a_refund_of_nothing_takes_pieces_back() -> None:
    """A seller may restock pieces without paying; as listed, such refunds are not told."""
    nothing = [{"id": 728, "reason": "", "total": "0.00"}]
    back = refund(728, amount="0.00")
    thin, whole = order(refunds=nothing), order(refunds=nothing, whole_refunds=[back])

    assert (thin.refunds, thin.lines[0].quantity_refunded) == (None, None)
    assert whole.refunds is not None
    assert whole.refunds[0].lines == (LinePart(line_id="315", quantity=1, amount=Money("1.00", "ZAR")),)
    assert (whole.lines[0].quantity_refunded, whole.refunded) == (1, Money("0.00", "ZAR"))
    assert (order(refunds=[]).refunds, order(refunds=[]).lines[0].quantity_refunded) == ((), 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"line_items": {"first": {"quantity": -1}}},
        {"line_items": [{"quantity": 10**18}]},
        {"line_items": [{"quantity": "N/A"}]},
        {"line_items": 7},
    ],
)
def test_an_unusable_refund_costs_the_refunds_and_not_the_order(changes: dict[str, Any]) -> None:
    """The sum of the refunds is the order's own."""
    if isinstance(changes["line_items"], list):
        meta = [{"key": "_refunded_item_id", "value": "315"}]
        changes = {"line_items": [{**each, "meta_data": meta} for each in changes["line_items"]]}
    found = order(whole_refunds=[refund(728), refund(729, **changes)])

    assert (found.refunds, found.warnings) == (None, ("refunds",))
    assert found.refunded == Money("599.50", "ZAR")
    assert found.lines[0].quantity_refunded is None


def test_a_host_that_answers_large_pages_too_late_tells_refunds() -> None:
    """Few rows are asked for at once."""
    with sandbox("woocommerce", orders=60, products=10, accounts=1) as shop:
        session = session_at(shop.url, "https://sandbox-0.example/slow")
        rows = [each for page in read(WOO, session, "orders").pages for each in page.records]
        whole = completed(ORDERS, session, rows)

    assert any(order_records.order(each, False).refunds for each in whole)


def test_all_refunds_of_a_site_agree_with_their_orders() -> None:
    """Whole orders, pieces of a line, an amount of a line or of none; with a reason or without."""
    with sandbox("woocommerce", orders=400, products=20, accounts=1) as shop:
        session = shop.session()
        rows = [each for page in read(WOO, session, "orders").pages for each in page.records]
        orders = [order_records.order(each, False) for each in completed(ORDERS, session, rows)]

    found = [(each, refund) for each in orders for refund in each.refunds or ()]
    for each, refund in found:
        lines = {line.id: line for line in each.lines}
        back = {part.line_id: part.quantity for part in refund.lines}
        assert refund.amount == each.refunded
        if each.status == "refunded":
            assert back == {line.id: line.quantity for line in each.lines}
            assert [part.amount for part in refund.lines] == [line.total for line in each.lines]
        assert all(lines[line_id].quantity_refunded == pieces for line_id, pieces in back.items())
    returned = [
        [part.quantity for part in refund.lines] for each, refund in found if each.status != "refunded"
    ]
    assert [] in returned
    assert [0] in returned
    assert [1] in returned
    assert {refund.reason for _, refund in found} == {None, "Arrived broken"}
