"""The fault switches cause their fault, as often as they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from local.sandbox.http import Reply, Request
from tests.delivery.docs.guide import driftwood
from tests.marketplaces.conformance.market import Sandbox, running
from tests.support.clocks import VirtualClock


class Caller:
    """Calls the guide's sandbox with a token, without HTTP between."""

    def __init__(self, sandbox: Sandbox) -> None:
        form = b"client_id=sandbox-client-0&client_secret=sandbox-secret-0"
        granted = sandbox.app.answer(Request("POST", "/v1/token", {}, {}, form)).body
        self.sandbox = sandbox
        self._headers = {"authorization": f"Bearer {msgspec.json.decode(granted)['access_token']}"}

    def ask(self, path: str = "listings", **query: str) -> Reply:
        """One call."""
        values = {name: [value] for name, value in query.items()}
        return self.sandbox.app.answer(Request("GET", f"/v1/{path}", values, self._headers, b""))

    def rows(self, **query: str) -> list[dict[str, Any]]:
        """The listings of one page."""
        found: list[dict[str, Any]] = msgspec.json.decode(self.ask(**query).body)["listings"]
        return found


@pytest.fixture
def caller() -> Iterator[Caller]:
    """Somebody who may call."""
    with running(driftwood(), VirtualClock(), orders=120, products=120) as served:
        yield Caller(served)


def test_a_switch_with_a_percentage_strikes_about_so_often_and_the_same_calls_again(caller: Caller) -> None:
    """Of 400 calls at 25 % some 100 are hit, and the same ones with the same seed."""

    def struck() -> list[bool]:
        caller.sandbox.mend()
        caller.sandbox.fault(status=503, percent=25, seed=7)
        return [caller.ask("seller").status == 503 for _ in range(200)]

    first, second = struck(), struck()
    assert first == second
    assert 25 < sum(first) < 75


def test_two_switches_with_one_seed_strike_different_calls(caller: Caller) -> None:
    """They are thrown for independently."""
    caller.sandbox.fault(status=502, percent=50, seed=7)
    caller.sandbox.fault(status=503, percent=50, seed=7)
    statuses = {caller.ask("seller").status for _ in range(60)}

    assert {502, 503} < statuses


@pytest.mark.parametrize("fault", [{"kind": "none"}, {"every": 0}, {"percent": 0}, {"percent": 101}])
def test_a_fault_that_is_none_is_refused(caller: Caller, fault: dict[str, Any]) -> None:
    """An unknown kind and impossible numbers answer 400 and name the valid values."""
    reply = caller.sandbox.app.answer(Request("POST", "/_sandbox/faults", {}, {}, msgspec.json.encode(fault)))

    assert reply.status == 400
    assert b"kind is one of" in reply.body or b"every is at least 1" in reply.body


@pytest.mark.parametrize(
    ("kind", "error", "timeout_s"),
    [("reset", ProtocolError, 60), ("truncated", ProtocolError, 60), ("hang", ReadTimeoutError, 0.3)],
)
def test_a_connection_breaks_as_asked(
    caller: Caller, kind: str, error: type[HTTPError], timeout_s: float
) -> None:
    """Reset, cut off in the middle, or silent; the next call is answered."""
    caller.sandbox.fault(kind=kind, times=1)
    with urllib3.PoolManager(retries=False) as pool:
        with pytest.raises(error):
            pool.request("GET", f"{caller.sandbox.url}/v1/seller", timeout=timeout_s)

        assert pool.request("GET", f"{caller.sandbox.url}/v1/seller", timeout=300).status == 401


def test_a_reset_is_one_at_the_socket(caller: Caller) -> None:
    """Not an end of the stream: the peer's kernel says so."""
    caller.sandbox.fault(kind="reset", times=1)
    with urllib3.PoolManager(retries=False) as pool, pytest.raises(ProtocolError) as caught:
        pool.request("GET", f"{caller.sandbox.url}/v1/seller", timeout=300)

    assert "ConnectionResetError" in str(caught.value)


def test_invalid_json_is_half_of_the_answer_with_its_own_length(caller: Caller) -> None:
    """The body is complete as HTTP and not as JSON."""
    whole = caller.ask().body
    caller.sandbox.fault(kind="invalid_json")
    half = caller.ask()

    assert (half.status, half.breakage) == (200, "")
    assert half.body == whole[: len(whole) // 2]


def test_records_come_in_the_other_order(caller: Caller) -> None:
    """The same records, turned round."""
    straight = caller.rows()
    caller.sandbox.fault(kind="unordered")

    assert caller.rows() == straight[::-1]


def test_a_page_begins_with_the_last_record_of_the_one_before(caller: Caller) -> None:
    """Only the second page has a record too many, and only of its own listing."""
    caller.sandbox.fault(kind="duplicate")
    first = caller.rows(limit="50")
    second = caller.rows(limit="50", page_token="../0-50")
    other = caller.rows(limit="49")

    assert (len(first), len(second), len(other)) == (50, 51, 49)
    assert second[0] == first[-1]


def test_words_become_unknown_and_optional_fields_go(caller: Caller) -> None:
    """Required fields stay."""
    straight = caller.rows()[0]
    caller.sandbox.fault(kind="unknown_words")
    caller.sandbox.fault(kind="missing_optional")
    odd = caller.rows()[0]

    assert odd["state"] == "NEVER_HEARD_OF"
    assert straight.keys() - odd.keys() == {"sku", "title"}
    assert odd["listing_id"] == straight["listing_id"]


def test_churn_changes_an_order_a_price_and_a_stock_level_and_adds_an_order(caller: Caller) -> None:
    """At each call that is struck, and before it is answered."""
    before = {stream: caller.sandbox.truth(stream) for stream in ("orders", "products", "inventory")}
    caller.sandbox.fault(kind="churn")
    caller.ask()
    after = {stream: caller.sandbox.truth(stream) for stream in before}
    changed = {
        stream: sum(fields != before[stream].get(record_id) for record_id, fields in after[stream].items())
        for stream in after
    }

    assert changed == {"orders": 2, "products": 1, "inventory": 1}


def test_an_access_token_and_a_page_token_expire_on_demand(caller: Caller) -> None:
    """Each as the marketplace tells it: 401 and 410."""
    caller.sandbox.fault(kind="expired_access")
    assert caller.ask().status == 401
    caller.sandbox.mend()
    caller.sandbox.fault(kind="expired_token")
    assert caller.ask().status == 200
    assert caller.ask(page_token="../0-50").status == 410
