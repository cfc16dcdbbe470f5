"""WooCommerce's situations from bug reports, each with its right value."""

from __future__ import annotations

from pathlib import Path

import msgspec

from orchestrator.model.records.record import Money, Order, StockLevel
from orchestrator.model.run import TaskStatus
from tests.support.cases import load, normalized, play, prepared


def order(name: str) -> Order:
    """The order of a case."""
    (found,) = normalized(load(name))
    assert isinstance(found, Order)
    return found


def test_a_line_sold_by_weight_has_its_exact_quantity() -> None:
    """1.52 of an item, at 8 each."""
    found = order("woo-fractional-line")

    assert (found.total, found.status) == (Money("12.16", "EUR"), "open")
    assert (found.lines[0].quantity, found.lines[0].unit_price) == ("1.52", Money("8.00", "EUR"))


def test_a_price_with_the_noise_of_a_binary_fraction_is_the_price_that_was_meant() -> None:
    """10 pieces at 14.31."""
    found = order("woo-rounded-price")

    assert (found.total, found.lines[0].unit_price) == (Money("143.10", "EUR"), Money("14.31", "EUR"))


def test_an_order_that_nobody_has_saved_is_no_order() -> None:
    """Neither an automatic draft nor that of a checkout that is under way."""
    assert normalized(load("woo-auto-draft")) == [None, None]


def test_an_order_that_nobody_has_saved_is_neither_stored_nor_rejected(tmp_path: Path) -> None:
    """Once it is saved, it is stored."""
    case = load("woo-notice-before-json")
    drafts = [
        msgspec.structs.replace(route, text=(route.text or "").replace("processing", "auto-draft"))
        for route in case.routes
    ]
    with prepared(msgspec.structs.replace(case, routes=tuple(drafts)), tmp_path) as played:
        task = played.tick()
        assert (task.status, played.stored("orders"), played.rejects()) == (TaskStatus.SUCCEEDED, {}, [])
        saved = [
            msgspec.structs.replace(route, text=(route.text or "").replace("11-22T06:20", "11-23T06:20"))
            for route in case.routes
        ]
        played.case = msgspec.structs.replace(case, routes=tuple(saved))
        played.tick()
        assert played.stored("orders").keys() == {"1", "3"}


def test_a_product_without_stock_management_tells_that_it_cannot_be_bought() -> None:
    """Its quantity is not known."""
    (level,) = normalized(load("woo-stock-status"))

    assert isinstance(level, StockLevel)
    assert (level.status, level.available) == ("out_of_stock", None)


def test_php_warnings_before_the_json_cost_nothing_but_one_line_a_page(tmp_path: Path) -> None:
    """Both orders are stored."""
    played = play(load("woo-notice-before-json"), tmp_path)

    assert played.stored("orders").keys() == {"1", "3"}
    assert sum("answer_mended" in line for line in played.log.lines) == len(played.requests) == 2


def test_comments_of_a_cache_behind_the_json_cost_nothing(tmp_path: Path) -> None:
    """Both orders are stored."""
    played = play(load("woo-comment-behind-json"), tmp_path)

    assert played.stored("orders").keys() == {"1", "3"}
    assert {task.status for task in played.tasks} == {TaskStatus.SUCCEEDED}


def test_one_corrupt_order_costs_itself_alone(tmp_path: Path) -> None:
    """From the second tick on the other one is stored, and the corrupt one is a reject."""
    with prepared(load("woo-poison-order"), tmp_path) as played:
        assert played.tick().status is TaskStatus.FAILED
        task = played.tick()
        (reject,) = played.rejects()

    assert task.status is TaskStatus.SUCCEEDED
    assert played.stored("orders").keys() == {"1"}
    assert "the marketplace cannot show it" in reject["reason"]
    assert "answered 500 (internal_server_error)" in reject["reason"]


def test_a_variable_subscription_has_its_variations_and_no_stock_of_its_own(tmp_path: Path) -> None:
    """Whatever the version of WooCommerce."""
    played = play(load("woo-variable-subscription"), tmp_path)
    product = played.stored("products")["500"]
    levels = played.stored("inventory")

    assert [each["id"] for each in product["variants"]] == ["510", "511"]
    assert [each["price"]["amount"] for each in product["variants"]] == ["10.00", "99.00"]
    assert {each: level["available"] for each, level in levels.items()} == {"510@shop": 30, "511@shop": 7}
