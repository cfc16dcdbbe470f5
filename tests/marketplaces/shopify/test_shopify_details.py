"""Shopify's second stage: whole products in few calls, deadlines of orders, and the costs that it logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.account import Account
from local.sandbox.app import App
from local.sandbox.catalogue import Item
from local.sandbox.generated import Generated
from local.sandbox.http import Reply, Server
from local.sandbox.shopify.server import Shopify
from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    PageTokenExpired,
    PermissionDenied,
    ResponseInvalid,
)
from orchestrator.marketplaces.shopify import order_records, product_records, queries
from orchestrator.marketplaces.shopify.product_details import complete_products, has_many_variants
from orchestrator.marketplaces.spec import AnySession
from orchestrator.model.documents import document_bytes
from orchestrator.model.records.record import Order, Product
from tests.marketplaces.conformance.case import opened
from tests.marketplaces.conformance.market import registered
from tests.marketplaces.conformance.rules import using
from tests.marketplaces.shopify.answers import END, SHOPIFY, rows, session
from tests.marketplaces.shopify.test_shopify_products import THIN, VARIANT, WHOLE
from tests.marketplaces.shopify.test_shopify_records import ORDER
from tests.support.scripted import EVERYTHING, UNTIL, Sandbox, completed, read, running, sandbox, scripted

FAILED = Reply.json(200, {"errors": [{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]})
DENIED = {"errors": [{"message": "Access denied", "extensions": {"code": "ACCESS_DENIED"}}]}
MOST_VARIANTS = 2_048


def listed(number: int = 5, **changes: Any) -> bytes:
    """A product as the first stage lists it."""
    row = {**THIN, "id": f"gid://shopify/Product/{number}", "legacyResourceId": str(number), **changes}
    return msgspec.json.encode({"currency": "ZAR", "product": row})


def whole(number: int = 5, **changes: Any) -> dict[str, Any]:
    """A product as the second stage answers."""
    gid = {"id": f"gid://shopify/Product/{number}", "legacyResourceId": str(number)}
    nested = {name: {**WHOLE[name], "pageInfo": END} for name in ("media", "variants")}
    return {**WHOLE, **nested, **gid, **changes}


def nodes(*found: dict[str, Any] | None) -> Reply:
    """The answer for several products."""
    return Reply.json(200, {"data": {"rows": found}})


def record(raw: bytes) -> Product:
    """Its record."""
    return product_records.product(raw, False)


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop that these tests only read."""
    with sandbox("shopify", orders=300, products=120) as served:
        yield served


def test_seven_products_take_one_call(shop: Sandbox) -> None:
    """Those with further images or variants take one more for each page."""
    opened_session = shop.session()
    thin = [raw for page in read(SHOPIFY, opened_session, "products").pages for raw in page.records]
    before = opened_session.client.calls
    found = completed(SHOPIFY.streams["products"], opened_session, thin)
    records = [record(raw) for raw in found]
    many_images = sum(len(msgspec.json.decode(raw)["product"]["media"]["nodes"]) > 10 for raw in found)
    further = [max(0, len(each.variants) - queries.FIRST_VARIANTS) for each in records]

    assert [each.id for each in records] == [SHOPIFY.streams["products"].record_id(raw) for raw in thin]
    assert many_images
    assert max(further) > 0
    batches = -(-len(thin) // queries.WHOLE_PRODUCTS_SIZE)
    pages = sum(-(-each // queries.VARIANTS_SIZE) for each in further)
    assert opened_session.client.calls - before == batches + pages + many_images


def test_products_are_told_by_their_ids_and_not_by_their_places() -> None:
    """An answer in another order, or with one product twice, mixes nothing up."""
    with scripted(nodes(whole(7), whole(5), whole(7))) as server:
        found = complete_products(session(server), [listed(5), listed(7)])

    assert [record(raw).id for raw in found] == ["5", "7"]


def test_a_product_that_is_gone_says_that_its_details_are_missing() -> None:
    """It was deleted after its page was read, and does not count as vanished yet."""
    with scripted(nodes(None, whole(7))) as server:
        gone, kept = complete_products(session(server), [listed(5), listed(7)])

    assert (record(gone).id, record(gone).title, record(gone).variants) == ("5", "Mug", ())
    assert record(gone).warnings == product_records.DETAIL_FIELDS
    assert record(kept).warnings == ()


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"currency":"ZAR","product":{}}', b'{"currency":5}'])
def test_a_row_that_cannot_be_read_is_returned_as_it_is(raw: bytes) -> None:
    """It becomes a reject; alone it costs no call."""
    with scripted(nodes(whole(7))) as server:
        opened_session = session(server)
        assert complete_products(opened_session, [raw]) == [raw]
        assert opened_session.client.calls == 0
        assert complete_products(opened_session, [raw, listed(7)])[0] == raw
        assert not has_many_variants(raw)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (FAILED, MarketplaceUnavailable),
        (nodes({"title": "no id"}), ResponseInvalid),
        (nodes({"id": THIN["id"], "variants": None}), ResponseInvalid),
        (Reply.json(200, {"data": {"rows": None}}), ResponseInvalid),
        (Reply.json(200, {"data": {"rows": 5}}), ResponseInvalid),
    ],
)
def test_details_that_make_no_sense_are_an_error(reply: Reply, kind: type[MarketplaceError]) -> None:
    """No product is stored as if it had none."""
    with scripted(reply) as server, pytest.raises(kind):
        complete_products(session(server), [listed()])


def page_of(*found: Any, **info: Any) -> Reply:
    """A further page of a product's connection."""
    return Reply.json(200, {"data": {"parent": {"rows": {"nodes": found, "pageInfo": {**END, **info}}}}})


EXPIRED = Reply.json(200, {"errors": [{"message": "Invalid cursor for current pagination sort."}]})
MORE = {"nodes": [VARIANT], "pageInfo": {"hasNextPage": True, "endCursor": "a"}}


def test_a_cursor_of_variants_that_is_refused_begins_them_again() -> None:
    """Not the page of products, whose own cursor is good: that would read the same product for ever."""
    other = {**VARIANT, "id": "gid://shopify/ProductVariant/8"}
    with scripted(nodes(whole(variants=MORE)), EXPIRED, page_of(VARIANT, other)) as server:
        (found,) = complete_products(session(server), [listed()])
    assert [each.id for each in record(found).variants] == ["7", "8"]

    with scripted(nodes(whole(variants=MORE)), EXPIRED) as server:
        opened_session = session(server)
        with pytest.raises(PageTokenExpired):
            complete_products(opened_session, [listed()])
    assert opened_session.client.calls == 5


@pytest.mark.parametrize("info", [{"endCursor": "a"}, {"endCursor": None}])
def test_variants_whose_cursor_repeats_are_an_error(info: dict[str, Any]) -> None:
    """They would have no end."""
    again = page_of(VARIANT, **{**info, "hasNextPage": True})
    with (
        scripted(nodes(whole(variants=MORE)), again) as server,
        pytest.raises(ResponseInvalid),
    ):
        complete_products(session(server), [listed()])


class Huge(Generated):
    """Products with as many variants as Shopify takes."""

    def item(self, index: int) -> Item:
        """The usual one, with more variants."""
        return replace(super().item(index), variants=MOST_VARIANTS)


def test_a_product_of_2048_variants_is_whole_and_read_alone() -> None:
    """By 24 further pages; its document has room."""
    source = Huge(1, 0, sales=1, items=2, until=int(UNTIL.timestamp()))
    accounts = [Account(0, source)]
    with running(Server(("127.0.0.1", 0), App(Shopify(accounts, False), accounts).answer)) as url:
        opened_session = Sandbox("shopify", url).session()
        thin = SHOPIFY.streams["products"].fetch(opened_session, EVERYTHING, None).records
        before = opened_session.client.calls
        (raw,) = complete_products(opened_session, thin[:1])
        pages = -(-(MOST_VARIANTS - queries.FIRST_VARIANTS) // queries.VARIANTS_SIZE)
        media = len(msgspec.json.decode(raw)["product"]["media"]["nodes"])
        assert opened_session.client.calls - before == 1 + pages + (media > queries.FIRST_IMAGES)

    found = record(raw)
    assert len({each.id for each in found.variants}) == MOST_VARIANTS
    assert [int(each.id) for each in found.variants] == sorted(int(each.id) for each in found.variants)
    assert found.options[0].name == "Size"
    assert document_bytes("connections/c/products/1", msgspec.to_builtins(found)) < 1_048_576
    assert all(map(has_many_variants, thin))
    assert SHOPIFY.streams["products"].completed_alone is has_many_variants


@pytest.mark.parametrize(("count", "is_alone"), [(1, False), (95, False), (96, True), (2_048, True)])
def test_a_product_is_read_alone_if_it_takes_more_than_one_further_page(count: int, is_alone: bool) -> None:
    """Seven of those could take longer than a slice, which would read them again and again."""
    assert has_many_variants(listed(variantsCount={"count": count})) is is_alone
    assert not has_many_variants(listed(variantsCount=None))


def test_a_product_whose_details_fail_keeps_title_and_status_and_says_so(tmp_path: Path) -> None:
    """It is stored as it is listed, with a warning for each field that is missing, and is asked for again."""
    market = next(each for each in registered() if each.name == "shopify")
    with opened(market, "products", tmp_path, size=12) as case:
        odd = case.stream.record_id(next(case.pages()).records[3])
        is_broken = True

        def complete(given: AnySession, raws: Sequence[bytes]) -> Sequence[bytes]:
            if is_broken and odd in map(case.stream.record_id, raws):
                raise MarketplaceUnavailable("shopify product details: answered with errors")
            return complete_products(given, raws)

        with using(case, replace(case.stream, complete=complete)):
            case.run()
            case.run()
            stored = case.stored()
            assert stored.keys() == case.truth().keys()
            assert odd is not None
            held = stored[odd].data
            assert (held["title"], held["status"]) == (
                case.truth()[odd]["title"] or None,
                case.truth()[odd]["status"],
            )
            assert (held["variants"], held["skus"]) == ([], [])
            assert held["warnings"] == list(product_records.DETAIL_FIELDS)
            is_broken = False
            case.run(2 * 3_600.0)
        case.assert_holds_the_truth()
        assert case.stored()[odd].data["warnings"] == []


# Deadlines of orders


def deadline(status: str, at: str | None) -> dict[str, Any]:
    """A fulfilment order."""
    return {"status": status, "fulfillBy": at}


def due(*told: dict[str, Any], **info: Any) -> Reply:
    """The fulfilment orders of the order of these tests."""
    return nodes({"id": ORDER["id"], "rows": {"nodes": told, "pageInfo": {**END, **info}}})


def thin_order(**changes: Any) -> bytes:
    """An order that is paid and not sent, as it is listed."""
    return msgspec.json.encode({**ORDER, "fulfillments": [], "refunds": [], **changes})


def complete_order(opened_session: AnySession, raw: bytes) -> Order:
    """Its record with details."""
    stream = SHOPIFY.streams["orders"]
    assert stream.complete is not None
    (found,) = stream.complete(opened_session, [raw])
    return order_records.order(found, False)


def test_deadlines_are_read_only_by_their_setting(shop: Sandbox) -> None:
    """Then each order that is not sent yet has the earliest deadline of what is left."""
    plain, asking = shop.session(), shop.session(fulfillment_orders=True)
    thin = [raw for page in read(SHOPIFY, plain, "orders").pages for raw in page.records]
    orders = SHOPIFY.streams["orders"]
    without = [order_records.order(raw, False) for raw in completed(orders, plain, thin)]
    having = [order_records.order(raw, False) for raw in completed(orders, asking, thin)]
    awaiting = sum(
        each.status in {"pending", "open", "partially_fulfilled"} or each.fulfillment_status == "unfulfilled"
        for each in having
        if each.cancelled_at is None
    )

    assert {each.ship_by for each in without} == {None}
    assert 0 < asking.client.calls - plain.client.calls + read_calls(shop) < awaiting / 5
    for each in having:
        days = 4 if each.status == "partially_fulfilled" else 3
        assert each.ship_by in {None, each.created_at + timedelta(days=days)}
        assert each.ship_by is None or each.fulfillment_status in {"unfulfilled", "partially_fulfilled"}
    assert {each.status for each in having if each.ship_by} == {"pending", "open", "partially_fulfilled"}
    assert [replace_deadline(each) for each in having] == without


def read_calls(shop: Sandbox) -> int:
    """The calls of the listing alone."""
    fresh = shop.session()
    read(SHOPIFY, fresh, "orders")
    calls: int = fresh.client.calls
    return calls


def replace_deadline(order: Order) -> Order:
    """The order without its deadline."""
    return msgspec.structs.replace(order, ship_by=None)


@pytest.mark.parametrize("status", ["OPEN", "IN_PROGRESS", "ON_HOLD", "SCHEDULED", "A_NEW_WORD"])
def test_the_earliest_deadline_that_is_left_counts(status: str) -> None:
    """What is closed, cancelled or incomplete needs nothing more (FulfillmentOrderStatus 2026-10)."""
    told = [
        *(deadline(each, "2026-11-01T00:00:00Z") for each in ("CLOSED", "CANCELLED", "INCOMPLETE")),
        deadline(status, "2026-11-26T12:00:00Z"),
        deadline(status, None),
        deadline(status, "2026-11-25T12:00:00Z"),
    ]
    first = due(*told[:2], hasNextPage=True, endCursor="a")
    with scripted(first, page_of(*told[2:])) as server:
        found = complete_order(session(server, fulfillment_orders=True), thin_order())

    assert found.ship_by is not None
    assert (f"{found.ship_by:%Y-%m-%d}", found.warnings) == ("2026-11-25", ())


@pytest.mark.parametrize(
    "changes",
    [
        {"cancelledAt": "2026-11-23T06:00:00Z"},
        {"displayFulfillmentStatus": "FULFILLED"},
        {"displayFulfillmentStatus": "FULFILLMENT_NOT_REQUIRED"},
        {"displayFulfillmentStatus": "RESTOCKED"},
    ],
)
def test_an_order_of_which_nothing_is_left_to_send_costs_no_call(changes: dict[str, Any]) -> None:
    """Most orders of a shop are such."""
    with scripted(FAILED) as server:
        opened_session = session(server, fulfillment_orders=True)
        assert complete_order(opened_session, thin_order(**changes)).ship_by is None
        assert opened_session.client.calls == 0


@pytest.mark.parametrize("data", [None, {"rows": [None]}])
def test_without_the_access_scope_orders_come_without_deadlines(
    data: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The session asks once and says so once; the stream is not refused."""
    with scripted(Reply.json(200, {**DENIED, "data": data})) as server:
        opened_session = session(server, fulfillment_orders=True)
        for _ in range(3):
            found = complete_order(opened_session, thin_order())
            assert (found.ship_by, found.warnings) == (None, ())
        assert opened_session.client.calls == 1
    assert len([each for each in caplog.records if "without ship_by" in each.message]) == 1


def test_without_access_to_orders_the_stream_is_refused() -> None:
    """Only the right to deadlines is optional."""
    with scripted(Reply.json(200, {**DENIED, "data": None})) as server, pytest.raises(PermissionDenied):
        complete_order(session(server), thin_order(refunds=[{"id": "gid://shopify/Refund/1"}]))


def test_an_unusable_deadline_is_null_and_named() -> None:
    """The order lives."""
    with scripted(due(deadline("OPEN", "soon"))) as server:
        found = complete_order(session(server, fulfillment_orders=True), thin_order())

    assert (found.ship_by, found.warnings) == (None, ("ship_by",))


# Costs


def test_each_querys_cost_is_logged_once_a_session(shop: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Beside the expected one: how Shopify counts lists is known only from its answers."""
    caplog.set_level(logging.INFO)
    for _ in range(2):
        opened_session = shop.session()
        read(SHOPIFY, opened_session, "orders")
        read(SHOPIFY, opened_session, "products", whole=True)
    told = [vars(each) for each in caplog.records if vars(each).get("action") == "query_cost"]
    orders = [each for each in told if each["expected_points"] == queries.POINTS[queries.ORDERS]]

    assert len(orders) == 2
    assert {each["levelname"] for each in told} == {"INFO"}
    assert all(each["points"] <= each["expected_points"] < 1_000 for each in told)
    assert queries.POINTS[queries.WHOLE_PRODUCTS] in {each["points"] for each in told}


def test_an_answer_without_a_cost_is_read_all_the_same() -> None:
    """Nothing is logged of it."""
    with scripted(rows()) as server:
        assert SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None).records == []
