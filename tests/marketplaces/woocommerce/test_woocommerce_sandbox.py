"""WooCommerce's sandbox sets the traps that the connector is to avoid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import urllib3

from local.sandbox.account import Account
from local.sandbox.generated import Generated
from local.sandbox.woocommerce import rows as sold
from local.sandbox.woocommerce import server
from orchestrator.marketplaces.woocommerce.order_records import order
from tests.support.scripted import UNTIL, Sandbox, sandbox

HOUR = timedelta(hours=1)
KEYS = "consumer_key=ck_sandbox_0&consumer_secret=cs_sandbox_0"


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop two hours ahead of UTC, in which three orders changed an hour after its data end."""
    with sandbox("woocommerce", orders=60, products=12) as running:
        running.control("POST", "change", {"orders": 3, "at": (UNTIL + HOUR).isoformat()})
        yield running


def ask(shop: Sandbox, path: str, keys: str = KEYS) -> tuple[int, Any, urllib3.BaseHTTPResponse]:
    """A call without a connector: status, decoded body, response."""
    url = f"{shop.url}/wp-json/wc/v3/{path}{'&' if '?' in path else '?'}{keys}"
    answer = urllib3.request("GET", url, timeout=60, retries=False)
    return answer.status, msgspec.json.decode(answer.data), answer


@pytest.mark.parametrize(
    ("bound", "is_gmt", "count"),
    [
        # The intended form: UTC without a suffix, compared with UTC.
        ("2026-11-23T06:59:59", True, 3),
        # Strictly after.
        ("2026-11-23T07:00:00", True, 0),
        # A suffix is converted to the site's clock first: two hours are hidden.
        ("2026-11-23T06:59:59Z", True, 0),
        ("2026-11-23T04:59:59Z", True, 3),
        # Without the switch the site's own clock is meant.
        ("2026-11-23T08:59:59", False, 3),
        ("2026-11-23T09:00:00", False, 0),
        ("2026-11-23T06:59:59Z", False, 3),
    ],
)
def test_both_clock_traps_are_set(shop: Sandbox, bound: str, is_gmt: bool, count: int) -> None:
    """As WordPress parses and WooCommerce compares."""
    _, rows, answer = ask(shop, f"orders?modified_after={bound}&dates_are_gmt={str(is_gmt).lower()}")

    assert len(rows) == count
    assert answer.headers["X-WP-Total"] == str(count)


def test_pages_are_offsets_with_counts_and_links(shop: Sandbox) -> None:
    """Ten rows unless said otherwise, newest first; the trash is in no page of `any`."""
    _, rows, answer = ask(shop, "orders?page=2")
    _, by_offset, _ = ask(shop, "orders?offset=10")
    _, last, end = ask(shop, "orders?per_page=100&_fields=id,status")

    assert rows == by_offset
    assert len(rows) == 10
    assert 'page=3>; rel="next"' in answer.headers["Link"]
    assert "Link" not in end.headers
    assert [row["id"] for row in last] == sorted((row["id"] for row in last), reverse=True)
    assert all(row.keys() == {"id", "status"} and row["status"] != "trash" for row in last)
    assert ask(shop, "orders?status=trash")[1]


@pytest.mark.parametrize(
    ("path", "keys", "status", "code"),
    [
        ("orders", "", 401, "woocommerce_rest_cannot_view"),
        ("orders", "consumer_key=ck_sandbox_9&consumer_secret=x", 401, "woocommerce_rest_cannot_view"),
        (
            "orders",
            "consumer_key=ck_sandbox_0&consumer_secret=x",
            401,
            "woocommerce_rest_authentication_error",
        ),
        ("coupons", KEYS, 404, "rest_no_route"),
        ("orders?per_page=101", KEYS, 400, "rest_invalid_param"),
        ("orders?page=0", KEYS, 400, "rest_invalid_param"),
        ("orders?orderby=total", KEYS, 400, "rest_invalid_param"),
        ("orders?order=up", KEYS, 400, "rest_invalid_param"),
        ("orders?status=lost", KEYS, 400, "rest_invalid_param"),
        ("orders?modified_after=yesterday", KEYS, 400, "rest_invalid_param"),
    ],
)
def test_it_refuses_what_woocommerce_refuses(
    shop: Sandbox, path: str, keys: str, status: int, code: str
) -> None:
    """With WordPress's own words."""
    found, body, _ = ask(shop, path, keys)

    assert (found, body["code"], body["data"]["status"]) == (status, code, status)


def test_a_firewall_lets_some_calls_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where limits are soon reached, the others are answered with a web page that says how long to wait."""
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: 0.0))
    with sandbox("woocommerce", orders=5, products=5, small_buckets=True) as running:
        url = f"{running.url}/wp-json/wc/v3/orders?{KEYS}"
        answers = [urllib3.request("GET", url, timeout=60, retries=False) for _ in range(22)]

    assert [answer.status for answer in answers] == [200] * 20 + [429] * 2
    assert answers[-1].headers["Retry-After"] == "1"
    assert answers[-1].headers["Content-Type"].startswith("text/html")


def test_the_price_of_a_line_is_that_of_one_piece_after_discounts(shop: Sandbox) -> None:
    """As WooCommerce divides: a reduced line's price is not the one that the buyer saw."""
    _, rows, _ = ask(shop, "orders?per_page=100")
    lines = [line for row in rows for line in row["line_items"]]
    reduced = [line for line in lines if line["subtotal"] != line["total"]]

    assert reduced
    assert all(line["price"] == pytest.approx(float(line["total"]) / line["quantity"]) for line in lines)


def test_a_returned_order_of_one_piece_is_refunded_whole() -> None:
    """Nothing of the payment is left, so the truth is the connector's word, and not the site's."""
    account = Account(1, Generated(77, 1, sales=750, items=80, until=int(UNTIL.timestamp())))
    sale = account.sale(300)
    (told,) = (row for row in sold.truth(account) if row["stream"] == "orders" and row["id"] == str(sale.id))

    assert sale.state == "returned"
    assert (told["status"], told["marketplace_status"]) == ("refunded", "completed")
    raw = msgspec.json.encode(sold.order(account, 300, sale))
    assert order(raw, False).status == told["status"]
