"""Situations that sellers on Shopify reported, each with its right records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.shopify import order_records, stock_records
from orchestrator.marketplaces.shopify.listings import MOST_UNSHOWN
from orchestrator.marketplaces.shopify.queries import ORDERS_SIZE
from orchestrator.marketplaces.spec import Limiter, Window
from orchestrator.model.records.record import Money, StockLevel
from orchestrator.model.run import TaskStatus
from tests.marketplaces.shopify.answers import SHOPIFY, rows, session
from tests.marketplaces.shopify.test_shopify_records import LEVEL, ORDER, order
from tests.support.cases import load, normalized, play
from tests.support.scripted import EVERYTHING, Sandbox, read, sandbox, scripted

AGAIN = Window(EVERYTHING.since, EVERYTHING.until, attempt=2)
FAILED = Reply.json(200, {"errors": [{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]})


def rand(amount: str) -> dict[str, Any]:
    """An amount as Shopify writes it."""
    return {"shopMoney": {"amount": amount, "currencyCode": "ZAR"}}


def line(**change: Any) -> dict[str, Any]:
    """Two mugs of 599, changed."""
    return {**ORDER["lineItems"]["nodes"][0], "discountAllocations": [], **change}


def one_line(**change: Any) -> Any:
    """The only line of an order, changed; its order is of 599."""
    return order(lineItems={"nodes": [line(**change)]}).lines[0]


def node(number: int, **change: Any) -> dict[str, Any]:
    """An order as a page shows it."""
    gid = {"id": f"gid://shopify/Order/{number}", "legacyResourceId": str(number)}
    return {**ORDER, **gid, **change}


def one(row: dict[str, Any] | None) -> Reply:
    """The answer to a query of one row."""
    return Reply.json(200, {"data": {"row": row}})


def test_a_code_discount_is_in_the_total_of_its_line(tmp_path: Path) -> None:
    """The case of a 10 % code on a line of 100."""
    played = play(load("shopify-code-discount"), tmp_path)

    (stored,) = played.stored("orders").values()
    assert stored["lines"][0]["total"] == {"amount": "90.00", "currency": "EUR"}


def test_an_order_level_discount_is_in_the_total_of_its_lines() -> None:
    """`discountedTotalSet` leaves it out always: the allocations have all discounts."""
    shares = [{"allocatedAmountSet": rand(each)} for each in ("100.0", "19.8")]

    assert one_line(discountAllocations=shares).total == Money("1078.20", "ZAR")
    assert one_line(discountAllocations=[]).total == Money("1198.00", "ZAR")


def test_total_and_refunded_mean_the_same_as_on_other_marketplaces(tmp_path: Path) -> None:
    """The case of 100 refunded of 200: the total stays 200."""
    played = play(load("shopify-total-after-refund"), tmp_path)

    (stored,) = played.stored("orders").values()
    assert (stored["total"], stored["refunded"]) == (
        {"amount": "200.00", "currency": "EUR"},
        {"amount": "100.00", "currency": "EUR"},
    )


def test_untracked_stock_is_null_and_its_level_names_product_and_variant() -> None:
    """The case of a gift card: 0 available would say that it is sold out."""
    (level,) = normalized(load("shopify-untracked"))

    assert isinstance(level, StockLevel)
    assert (level.available, level.on_hand) == (None, None)
    assert (level.sku, level.product_id, level.variant_id) == (None, "7", "70")


def test_levels_without_a_sku_are_joined_by_the_variants_of_their_item() -> None:
    """`variants` replaces `variant`; an item that is sold as nothing has neither."""
    variants = {
        "nodes": [{"id": "gid://shopify/ProductVariant/70", "product": {"id": "gid://shopify/Product/7"}}]
    }
    item = {"id": "gid://shopify/InventoryItem/700", "sku": "", "tracked": True}

    def level(**change: Any) -> StockLevel:
        return stock_records.level(msgspec.json.encode({**LEVEL, "item": {**item, **change}}), False)

    found = level(variants=variants)
    assert (found.sku, found.product_id, found.variant_id, found.available) == (None, "7", "70", -2)
    bare = level(variants={"nodes": []})
    assert (bare.product_id, bare.variant_id, bare.warnings) == (None, None, ())


@pytest.mark.parametrize("payment", ["VOIDED", "EXPIRED", "PENDING", "A_NEW_WORD", None])
@pytest.mark.parametrize("shipping", ["UNFULFILLED", "ON_HOLD", "FULFILLMENT_NOT_REQUIRED"])
def test_an_order_that_nobody_pays_is_not_open(payment: str | None, shipping: str) -> None:
    """A payment is voided or expires while the order is not cancelled."""
    assert order(displayFinancialStatus=payment, displayFulfillmentStatus=shipping).status == "pending"


def test_a_paid_order_that_needs_no_shipping_is_fulfilled() -> None:
    """A word of 2026-10."""
    assert order(displayFulfillmentStatus="FULFILLMENT_NOT_REQUIRED").status == "fulfilled"


def test_a_line_that_was_edited_away_counts_nothing() -> None:
    """It stays in the list, with quantity and total 0; the order's total is the one after the edit."""
    found = order(
        edited=True,
        totalPriceSet=rand("1797.0"),
        lineItems={"nodes": [line(currentQuantity=0), line(quantity=1, currentQuantity=1)]},
    )

    assert [(each.quantity, each.total) for each in found.lines] == [
        (0, Money("0.00", "ZAR")),
        (1, Money("599.00", "ZAR")),
    ]
    assert found.total == Money("599.00", "ZAR")


def test_a_line_that_an_edit_made_smaller_counts_the_units_left() -> None:
    """With their share of the discounts; without an exact share the total is null and named."""
    change = {"currentQuantity": 1, "discountAllocations": [{"allocatedAmountSet": rand("98.0")}]}
    assert (one_line(**change).quantity, one_line(**change).total) == (1, Money("550.00", "ZAR"))

    third = order(lineItems={"nodes": [line(quantity=3, **change)]})
    assert (third.lines[0].quantity, third.lines[0].total, third.warnings) == (1, None, ("lines.discount",))


@pytest.mark.parametrize(
    "change",
    [
        {"cancelledAt": "2026-11-23T06:00:00Z"},
        {"totalRefundedSet": rand("599.0"), "displayFinancialStatus": "PARTIALLY_REFUNDED"},
        {"edited": False},
    ],
    ids=["cancelled", "refunded", "never edited"],
)
def test_a_line_that_was_refunded_or_cancelled_counts_as_ordered(change: dict[str, Any]) -> None:
    """Shopify takes those units off as well, but they were sold."""
    found = order(totalPriceSet=rand("1198.0"), lineItems={"nodes": [line(currentQuantity=0)]}, **change)

    assert (found.lines[0].quantity, found.lines[0].total) == (2, Money("1198.00", "ZAR"))
    assert found.total == Money("1198.00", "ZAR")


def test_one_row_older_than_the_window_leaves_the_others_stored(tmp_path: Path) -> None:
    """The case of one old row beside a new one: no tick fails, and one line a page says so."""
    played = play(load("shopify-row-before-window"), tmp_path)

    assert all(task.status is TaskStatus.SUCCEEDED and task.error is None for task in played.tasks)
    assert {"1", "8"} <= played.stored("orders").keys()
    assert any("outside" in each for each in played.log.lines)


def test_rows_older_than_the_window_are_counted_and_passed_on() -> None:
    """Also if a last page has no other."""
    old, new = "2020-01-01T00:00:00Z", "2026-11-23T06:02:41Z"
    with scripted(
        rows(node(1, updatedAt=old), node(2, updatedAt=new)), rows(node(1, updatedAt=old))
    ) as server:
        opened = session(server)
        pages = [SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None) for _ in range(2)]

    assert [(len(page.records), page.outside) for page in pages] == [(2, 1), (1, 1)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"totalRefundedSet": {"shopMoney": {"amount": "x", "currencyCode": "ZAR"}}}, "refunded"),
        ({"lineItems": {"nodes": [line(originalUnitPriceSet={"shopMoney": 5})]}}, "lines.unit_price"),
        ({"lineItems": {"nodes": [line(taxLines=[{"priceSet": rand("1e99")}])]}}, "lines.tax"),
        ({"lineItems": {"nodes": [line(discountAllocations={"0": {}})]}}, "lines.discount"),
        ({"fulfillments": [{"id": 5}]}, "fulfillments"),
        ({"refunds": [{"id": 5}]}, "refunds"),
        ({"shippingLine": {"discountedPriceSet": 5}}, "shipping_total"),
        ({"shippingAddress": 5}, "destination"),
        ({"tags": {"a": "b"}}, "tags"),
        ({"lineItems": {"nodes": [line(title={"x": 1})]}}, "lines.title"),
        ({"lineItems": {"nodes": [line(sku=["x"])]}}, "lines.sku"),
        ({"lineItems": {"nodes": [line(product={"id": 5})]}}, "lines.product_id"),
    ],
)
def test_one_unusable_detail_is_null_and_named(change: dict[str, Any], named: str) -> None:
    """The order lives."""
    found = order(**change)

    assert found.warnings == (named,)
    assert found.total == Money("599.00", "ZAR")


def test_a_lower_case_currency_of_a_detail_is_understood() -> None:
    """The total's own is never guessed."""
    assert order(totalRefundedSet={"shopMoney": {"amount": "1", "currencyCode": "zar"}}).refunded == Money(
        "1.00", "ZAR"
    )


def test_an_unusable_buyer_is_nobody() -> None:
    """It is read only if it may be stored."""
    raw = msgspec.json.encode({**ORDER, "shippingAddress": 5})
    assert order_records.order(raw, False).warnings == ("destination",)
    found = order_records.order(raw, True)
    assert (found.buyer, found.warnings) == (None, ("destination", "buyer"))


def test_quantities_sold_by_weight_are_exact() -> None:
    """Whole numbers stay numbers."""
    assert one_line(quantity=1.52).quantity == "1.52"
    assert one_line(quantity=2.0).quantity == 2
    raw = msgspec.json.encode({**LEVEL, "quantities": [{"name": "available", "quantity": 1.5}]})
    assert stock_records.level(raw, False).available == "1.5"


def test_an_amount_of_stock_beside_the_free_one_may_be_unusable() -> None:
    """The stock that is free to sell may not."""
    odd = [{"name": "available", "quantity": 1}, {"name": "incoming", "quantity": "many"}]
    found = stock_records.level(msgspec.json.encode({**LEVEL, "quantities": odd}), False)
    assert (found.available, found.incoming, found.warnings) == (1, None, ("incoming",))
    with pytest.raises(msgspec.ValidationError):
        stock_records.level(
            msgspec.json.encode({**LEVEL, "quantities": [{"name": "available", "quantity": "x"}]}), False
        )


def test_a_full_page_that_calls_itself_the_last_is_not_believed() -> None:
    """The page behind its cursor is asked for; a page that is not full is the last."""
    full = rows(*(node(number) for number in range(ORDERS_SIZE)), endCursor="c")
    with scripted(full, rows(node(11), endCursor="d")) as server:
        opened = session(server)
        first = SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None)
        second = SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, first.next_token)

    assert (first.next_token, second.next_token) == ("c", None)


LONG = {"nodes": [line()], "pageInfo": {"hasNextPage": True, "endCursor": "l"}}


def test_an_order_whose_later_lines_fail_leaves_the_others_stored() -> None:
    """It cannot be made without them, so it is told as unshown."""
    with scripted(rows(node(1), node(2, lineItems=LONG), node(3)), FAILED) as server:
        page = SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)

    assert [order_records.order_id(raw) for raw in page.records] == ["1", "3"]
    (unshown,) = page.unshown
    assert (unshown.name, unshown.record_id) == ("2", "2")
    assert unshown.changed_since == unshown.changed_until is not None
    assert "INTERNAL_SERVER_ERROR" in unshown.reason


def test_an_outage_while_lines_are_read_hides_no_orders() -> None:
    """So many at once are more than odd orders: the next tick asks again, and then believes it."""
    page = rows(*(node(number, lineItems=LONG) for number in range(MOST_UNSHOWN + 1)))
    with scripted(page, FAILED) as server, pytest.raises(MarketplaceUnavailable):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)
    with scripted(page, FAILED) as server:
        again = SHOPIFY.streams["orders"].fetch(session(server), AGAIN, None)
    assert len(again.unshown) == MOST_UNSHOWN + 1


def bare(*numbers: int) -> Reply:
    """A page of rows without their content."""
    return rows(*({"id": f"gid://shopify/Order/{each}", "updatedAt": ORDER["updatedAt"]} for each in numbers))


def test_a_page_that_fails_because_of_one_order_is_read_order_by_order() -> None:
    """From the second tick on; the first takes the failure for an outage."""
    with scripted(FAILED) as server, pytest.raises(MarketplaceUnavailable):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)
    failures = [FAILED] * 5
    with scripted(*failures, bare(1, 2, 3), one(node(1)), *failures, one(None)) as server:
        page = SHOPIFY.streams["orders"].fetch(session(server), AGAIN, None)

    assert [order_records.order_id(raw) for raw in page.records] == ["1"]
    assert [each.record_id for each in page.unshown] == ["2"]


def test_a_page_of_which_no_order_can_be_read_still_fails() -> None:
    """Then it is not one order."""
    with (
        scripted(*[FAILED] * 5, bare(1, 2), FAILED) as server,
        pytest.raises(MarketplaceUnavailable),
    ):
        SHOPIFY.streams["orders"].fetch(session(server), AGAIN, None)


@pytest.fixture(scope="module")
def shop() -> Any:
    """A shop that these tests only read."""
    with sandbox("shopify", orders=60, products=15) as running:
        yield running


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_rows_read_one_by_one_are_the_same(shop: Sandbox, stream: str) -> None:
    """The sandbox fails the full page alone."""
    whole = read(SHOPIFY, shop.session(), stream).pages[0]
    shop.control("POST", "faults", {"status": 503, "every": 1, "times": 5})
    page = SHOPIFY.streams[stream].fetch(shop.session(), AGAIN, None)
    shop.control("DELETE", "faults")

    decoded = [[msgspec.json.decode(raw) for raw in found.records] for found in (whole, page)]
    assert decoded[0] == decoded[1]
    assert decoded[0]


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_the_sandbox_hides_one_row_and_the_others_are_read(shop: Sandbox, stream: str) -> None:
    """The full page fails, and so does the row's own query."""
    shown = SHOPIFY.streams[stream].fetch(shop.session(), AGAIN, None).records
    first = msgspec.json.decode(shown[3])
    record = first.get("product", first)["id"]
    shop.control("POST", "faults", {"kind": "unshown", "record": record})
    page = SHOPIFY.streams[stream].fetch(shop.session(), AGAIN, None)
    shop.control("DELETE", "faults")

    assert list(page.records) == [raw for raw in shown if raw != shown[3]]
    (unshown,) = page.unshown
    assert unshown.record_id == SHOPIFY.streams[stream].record_id(shown[3])


def test_one_bucket_serves_all_streams_of_a_shop() -> None:
    """A refusal holds all of them back."""
    assert SHOPIFY.limiter is Limiter.CONNECTION
