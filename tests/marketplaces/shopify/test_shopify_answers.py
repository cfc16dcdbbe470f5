"""Shopify's refusals and errors, and the waiting for its bucket of points."""

from __future__ import annotations

from typing import Any

import pytest

from local.sandbox.http import Reply
from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from tests.marketplaces.shopify.answers import COST, END, SHOPIFY, rows, session
from tests.support.scripted import (
    EVERYTHING,
    Bench,
    read,
    sandbox,
    scripted,
)


@pytest.mark.parametrize(
    "with_data", [False, True], ids=["throttled with status 200", "and the cost is told"]
)
def test_trap_throttled_with_status_200_waits_for_the_bucket(with_data: bool) -> None:
    """The wait is the missing points of the cost, divided by the told rate."""
    throttled: dict[str, Any] = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
    if with_data:
        throttled["extensions"] = {"cost": COST | {"actualQueryCost": None}}
    bench = Bench()
    with scripted(Reply.json(200, throttled), rows()) as server:
        SHOPIFY.streams["orders"].fetch(session(server, bench), EVERYTHING, None)

    assert len(server.requests) == 2
    expected = 5.0 if with_data else 1.0
    assert sum(bench.waits) == pytest.approx(expected, abs=0.6)


def test_the_bucket_is_waited_for_before_a_call_that_would_not_fit() -> None:
    """The second page waits (800 - 300) / 100 seconds and is not refused first."""
    page = Reply.json(200, {"data": {"rows": {"nodes": [], "pageInfo": END}}, "extensions": {"cost": COST}})
    bench = Bench()
    with scripted(page) as server:
        opened = session(server, bench)
        SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None)
        assert bench.waits == []
        SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None)

    assert bench.waits == [5.0]


def test_a_plain_429_is_honoured_too() -> None:
    """Shopify has both ways to say wait."""
    bench = Bench()
    with scripted(Reply(429, b"", headers={"Retry-After": "2.0"}), rows()) as server:
        SHOPIFY.streams["orders"].fetch(session(server, bench), EVERYTHING, None)

    assert 2.0 <= bench.waits[0] <= 2.2


def test_a_small_bucket_throttles_nobody_who_waits() -> None:
    """Against the sandbox's real bucket, every page is read and no call is refused."""

    class RealBench(Bench):
        def wait(self, seconds: float) -> None:
            import time  # noqa: PLC0415 - the one test that lets real time pass

            self.waits.append(seconds)
            self.clock.sleep(seconds)
            time.sleep(seconds)

    bench = RealBench()
    with sandbox("shopify", orders=60, products=2, small_buckets=True) as running:
        found = read(SHOPIFY, running.session(bench), "orders")

    assert len(found.records) == 60
    assert bench.waits


@pytest.mark.parametrize(
    ("code", "data", "kind"),
    [
        ("ACCESS_DENIED", None, PermissionDenied),
        ("ACCESS_DENIED", {"rows": None}, PermissionDenied),
        ("MAX_COST_EXCEEDED", None, RequestRejected),
        ("undefinedField", None, RequestRejected),
        (None, None, RequestRejected),
        ("INTERNAL_SERVER_ERROR", None, MarketplaceUnavailable),
        ("SOMETHING", {"rows": {"nodes": [], "pageInfo": END}}, MarketplaceUnavailable),
    ],
)
def test_errors_in_the_body_have_their_kind(
    code: str | None, data: Any, kind: type[MarketplaceError]
) -> None:
    """The status is 200 for all of them."""
    body: dict[str, Any] = {"errors": [{"message": "No.", "extensions": {"code": code}}]}
    if data is not None:
        body["data"] = data
    with scripted(Reply.json(200, body)) as server, pytest.raises(kind):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)


def test_trap_access_denied_beside_data_is_normal_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Without protected-customer-data approval the buyer's fields are null and the order is good."""
    node = {"id": "gid://shopify/Order/1", "updatedAt": "2026-11-01T00:00:00Z", "email": None}
    denied = [{"message": "no", "path": ["orders"], "extensions": {"code": "ACCESS_DENIED"}}]
    body = {"data": {"rows": {"nodes": [node], "pageInfo": END}}, "errors": denied}
    with scripted(Reply.json(200, body)) as server:
        opened = session(server)
        for _ in range(2):
            assert len(SHOPIFY.streams["orders"].fetch(opened, EVERYTHING, None).records) == 1

    assert len([each for each in caplog.records if "withheld" in each.message]) == 1


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": {"rows": None}}, {"data": []}])
def test_an_answer_without_data_and_errors_is_invalid(body: dict[str, Any]) -> None:
    """It is not an empty page."""
    with scripted(Reply.json(200, body)) as server, pytest.raises(ResponseInvalid):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)


def test_trap_another_version_served_in_silence_is_noticed() -> None:
    """An old version falls forward without an error: the header tells."""
    page = rows()
    page.headers = {"X-Shopify-API-Version": "2027-10"}
    with scripted(page) as server, pytest.raises(ResponseInvalid, match="2027-10 instead of 2026-10"):
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)


def test_deprecated_fields_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Shopify names the deprecated fields in a header."""
    page = rows()
    page.headers = {"X-Shopify-API-Deprecated-Reason": "Order.name"}
    with scripted(page) as server:
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)

    assert "Order.name" in caplog.text


def test_waits_longer_than_the_slice_are_deferred() -> None:
    """The engine hears for how long."""
    slow = COST | {"throttleStatus": COST["throttleStatus"] | {"currentlyAvailable": 0, "restoreRate": 1.0}}  # type: ignore[operator] # a literal of mixed values
    throttled = {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": slow},
    }
    with scripted(Reply.json(200, throttled)) as server, pytest.raises(RateLimited) as raised:
        SHOPIFY.streams["orders"].fetch(session(server), EVERYTHING, None)

    assert raised.value.wait_s >= 800
