"""One page of a listing is read with all that belongs to its rows, and is bounded all the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from local.sandbox.http import Reply, Request, Server
from orchestrator.errors import ResponseInvalid
from orchestrator.marketplaces import client
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession
from orchestrator.marketplaces.woocommerce.variations import variations_of
from tests.support.scripted import CREDENTIALS, EVERYTHING, Sandbox, running

LINES = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "0"}}


def session(marketplace: str, url: str) -> AnySession:
    """A session with the server there."""
    return Sandbox(marketplace, url).session(credential=CREDENTIALS[marketplace])


def refused(marketplace: str, value: Callable[[int], object], read: Callable[[AnySession], object]) -> int:
    """See the reading of such answers, by their number, given up; returns how many there were."""
    calls = itertools.count()

    def answer(request: Request) -> Reply:
        return Reply.json(200, value(next(calls)))

    with (
        running(Server(("127.0.0.1", 0), answer)) as url,
        pytest.raises(ResponseInvalid, match=f"{marketplace} .*: one page of the listing takes more than"),
    ):
        read(session(marketplace, url))
    return next(calls)


def _fetch(marketplace: str) -> Callable[[AnySession], object]:
    return lambda session: REGISTRY[marketplace].streams["orders"].fetch(session, EVERYTHING, None)


def test_variations_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop that lists one more page of a product's variations for ever costs bounded memory."""
    monkeypatch.setattr(client, "PAGE_BYTES", 100_000)

    def value(number: int) -> object:
        return [{"id": 100 * number + row, "sku": "x" * 100} for row in range(100)]

    calls = refused("woocommerce", value, lambda given: variations_of(given, 7, "id", 100))

    assert calls <= 10


def test_sales_whose_tokens_lead_in_a_circle_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One day's sales that never end are abandoned, also if no page has a row."""
    monkeypatch.setattr(client, "PAGE_CALLS", 20)
    calls = refused(
        "takealot", lambda number: {"items": [], "continuation_token": str(number % 2)}, _fetch("takealot")
    )

    assert calls == 21


def test_lines_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order whose lines have one more page for ever is given up."""
    monkeypatch.setattr(client, "PAGE_CALLS", 20)
    order = {"id": "gid://shopify/Order/1", "updatedAt": "2026-11-23T05:00:00Z", "lineItems": LINES}
    rows = {"nodes": [order], "pageInfo": {"hasNextPage": False}}

    def value(number: int) -> object:
        further = {**LINES, "pageInfo": {"hasNextPage": True, "endCursor": str(number)}}
        return {"data": {"rows": rows, "parent": {"rows": further}}}

    assert refused("shopify", value, _fetch("shopify")) == 21


def test_each_page_has_bounds_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls and bytes of one page do not count for the next."""
    monkeypatch.setattr(client, "PAGE_CALLS", 1)
    answer: dict[str, object] = {"items": []}
    with running(Server(("127.0.0.1", 0), lambda _: Reply.json(200, answer))) as url:
        given = session("takealot", url)
        for _ in range(3):
            given.client.begin_page()
            REGISTRY["takealot"].streams["products"].fetch(given, EVERYTHING, None)

    assert given.client.calls == 3
