"""eBay's limits: a refusal holds its own resource back, and no longer than eBay says or a proof demands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.sandbox.http import Reply, Request, Server
from orchestrator.errors import RateLimited
from orchestrator.marketplaces.spec import Limiter
from tests.marketplaces.ebay.answers import EBAY, GRANTED, ITEM, ORDER, fetch, items, orders, refused, session
from tests.support.clocks import VirtualClock
from tests.support.scripted import CREDENTIALS, UNTIL, Bench, Scripted, running, sandbox, scripted

NO_ROUTE = Reply.json(404, {})


def limits(remaining: int, reset: str) -> Reply:
    """The answer of `getRateLimits` for one API."""
    rate = {"limit": 100_000, "remaining": remaining, "reset": reset, "timeWindow": 86_400}
    resource = {"name": "sell.fulfillment", "rates": [rate]}
    return Reply.json(200, {"rateLimits": [{"apiName": "Fulfillment", "resources": [resource]}]})


class Answering(Scripted):
    """A server that answers by the path of the call."""

    def __init__(self, **answers: Callable[[], Reply] | Reply) -> None:
        super().__init__([])
        self.answers = answers

    def answer(self, request: Request) -> Reply:
        """The answer of the path's last part."""
        self.requests.append(request)
        found = self.answers.get(request.path.strip("/").rpartition("/")[2], NO_ROUTE)
        return found if isinstance(found, Reply) else found()

    def calls(self, name: str) -> int:
        """The number of calls of a path."""
        return sum(request.path.strip("/").endswith(name) for request in self.requests)


def test_retry_after_wins_over_everything_else() -> None:
    """Error 2001 was taken for a used-up day until 08:00 UTC, whatever it said."""
    bench = Bench(VirtualClock(UNTIL))
    headers = {"Retry-After": "30", "X-EBAY-C-RATELIMIT-RESET": "2026-11-24T08:00:00.000Z"}
    with scripted(GRANTED, refused(429, 2001, headers), orders(ORDER)) as server:
        assert len(fetch(session(server, bench), "orders").records) == 1

    assert 30 <= sum(bench.waits) <= 33


def test_a_retry_after_beyond_the_slice_is_deferred_for_exactly_that_long() -> None:
    """Nobody is asked about it."""
    server = Answering(token=GRANTED, order=refused(429, 2001, {"Retry-After": "600"}))
    with running(Server(("127.0.0.1", 0), server.answer)) as server.url:
        with pytest.raises(RateLimited) as raised:
            fetch(session(server), "orders")
        assert raised.value.wait_s == pytest.approx(600, abs=61)
        assert server.calls("rate_limit") == 0


def test_one_refusal_without_advice_costs_seconds() -> None:
    """It may be a burst: the same session tries again."""
    bench = Bench()
    with scripted(GRANTED, refused(429, 2001), orders(ORDER)) as server:
        assert len(fetch(session(server, bench), "orders").records) == 1

    assert sum(bench.waits) < 5


def test_refusals_without_advice_and_proof_are_tried_again_further_and_further_apart() -> None:
    """Doubled, and never more than an hour: an application whose day is used up costs a call an hour."""
    bench = Bench(VirtualClock(UNTIL))
    server = Answering(token=GRANTED, order=refused(429, 2001))
    waits = []
    with running(Server(("127.0.0.1", 0), server.answer)) as server.url:
        opened = session(server, bench)
        for _ in range(14):
            with pytest.raises(RateLimited) as raised:
                fetch(opened, "orders")
            waits.append(raised.value.wait_s)
            bench.clock.sleep(raised.value.wait_s)
        before = server.calls("order")
        bench.clock.sleep(1.0)
        with pytest.raises(RateLimited):
            fetch(opened, "orders")

    assert [int(wait) // 32 for wait in waits[:4]] == [1, 2, 4, 8]
    assert 3_600 <= waits[-1] <= 3_602
    assert before < 25


def test_a_used_up_day_that_is_proved_waits_for_its_reset() -> None:
    """With a token of the application; the next calls of the resource are not made at all."""
    bench = Bench(VirtualClock(UNTIL))
    proof = limits(0, "2026-11-23T08:00:00.000Z")
    server = Answering(token=GRANTED, order=refused(429, 2001), rate_limit=proof)
    with running(Server(("127.0.0.1", 0), server.answer)) as server.url:
        opened = session(server, bench)
        with pytest.raises(RateLimited) as raised:
            fetch(opened, "orders")
        reset = datetime(2026, 11, 23, 8, tzinfo=UTC)
        assert bench.clock.now() + timedelta(seconds=raised.value.wait_s) == reset
        made = server.calls("order")
        with pytest.raises(RateLimited):
            fetch(session(server, bench), "orders")

    assert server.calls("order") == made
    asked = next(each for each in server.requests if "rate_limit" in each.path)
    assert asked.query == {"api_context": ["sell"], "api_name": ["fulfillment"]}
    assert any(b"grant_type=client_credentials" in each.body for each in server.requests)


def test_calls_that_remain_are_no_used_up_day() -> None:
    """The tries continue."""
    server = Answering(
        token=GRANTED, order=refused(429, 2001), rate_limit=limits(7, "2026-11-24T08:00:00.000Z")
    )
    with running(Server(("127.0.0.1", 0), server.answer)) as server.url, pytest.raises(RateLimited) as raised:
        fetch(session(server), "orders")

    assert raised.value.wait_s < 60


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"X-EBAY-C-RATELIMIT-REMAINING": "0", "X-EBAY-C-RATELIMIT-RESET": "2026-11-23T06:20:00.000Z"}, 1200),
        ({"X-EBAY-C-RATELIMIT-RESET": "2026-11-23T06:20:00.000Z"}, 1200),
        ({"X-EBAY-C-RATELIMIT-REMAINING": "5", "X-EBAY-C-RATELIMIT-RESET": "2026-11-24T06:20:00.000Z"}, 32),
        ({"X-EBAY-C-RATELIMIT-REMAINING": "0", "X-EBAY-C-RATELIMIT-RESET": "soon"}, 32),
    ],
)
def test_a_reset_in_a_header_is_a_proof_if_no_call_remains(headers: dict[str, str], wait_s: float) -> None:
    """As `getRateLimits` tells it."""
    bench = Bench(VirtualClock(UNTIL))
    server = Answering(token=GRANTED, order=refused(429, 2001, headers))
    with (
        running(Server(("127.0.0.1", 0), server.answer)) as server.url,
        pytest.raises(RateLimited) as raised,
    ):
        fetch(session(server, bench), "orders")

    assert raised.value.wait_s == pytest.approx(wait_s, abs=2)


def test_the_wait_belongs_to_the_resource() -> None:
    """Products and stock share one, orders have another; all sellers of the application share both."""
    told: dict[str, Any] = {"headers": {"Retry-After": "900"}}
    server = Answering(
        token=GRANTED, order=orders(ORDER), inventory_item=refused(429, 2001, **told), offer=NO_ROUTE
    )
    with running(Server(("127.0.0.1", 0), server.answer)) as server.url:
        opened = session(server)
        with pytest.raises(RateLimited):
            fetch(opened, "products")
        assert len(fetch(opened, "orders").records) == 1
        for other in (opened, session(server)):
            with pytest.raises(RateLimited):
                fetch(other, "inventory")
        assert server.calls("inventory_item") == 1
        # Another application is not held back.
        with pytest.raises(RateLimited):
            fetch(session(server, client_id="another"), "inventory")
        assert server.calls("inventory_item") == 2
    assert EBAY.limiter is Limiter.STREAM


def test_an_answer_ends_the_tries() -> None:
    """The next refusal begins with a short wait again."""
    bench = Bench()
    refusal = refused(429, 2001)
    with scripted(
        GRANTED, refusal, refusal, refusal, items(ITEM, total=1), refusal, items(ITEM, total=1)
    ) as server:
        opened = session(server, bench)
        fetch(opened, "inventory")
        assert sum(bench.waits) > 10
        bench.waits.clear()
        fetch(opened, "inventory")

    assert sum(bench.waits) < 5


def test_the_sandbox_counts_calls_of_all_sellers_together() -> None:
    """The sellers share one quota; once it is proved used up, the connector waits and does not ask again."""
    with sandbox("ebay", orders=5, products=3, small_buckets=True) as running_sandbox:
        opened = running_sandbox.session()
        for _ in range(100):
            EBAY.check(opened)
        credential = {**CREDENTIALS["ebay"], "refresh_token": "sandbox-refresh-1"}
        other = running_sandbox.session(credential=credential)
        with pytest.raises(RateLimited) as raised:
            EBAY.check(other)
        assert raised.value.wait_s > 60
        # Two tokens, five tries and the proof; then nothing.
        for _ in range(2):
            assert other.client.calls == 8
            with pytest.raises(RateLimited):
                EBAY.check(other)
