"""What a marketplace says belongs together is read whole, and is bounded all the same."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from local.sandbox.http import Reply, Request, Server
from orchestrator.errors import ResponseInvalid
from orchestrator.marketplaces import REGISTRY, client
from orchestrator.marketplaces.client import Joined
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.woocommerce_listing import variations_of
from tests.marketplaces.support import CREDENTIALS, EVERYTHING, Sandbox, running

ROW = {"id": 1, "sku": "x" * 100}


def session(marketplace: str, url: str) -> Session:
    """A session with whatever listens there."""
    return Sandbox(marketplace, url).session(credential=CREDENTIALS[marketplace])


def test_variations_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop that lists one more page of a product's variations for ever costs bounded memory and calls."""
    monkeypatch.setattr(client, "MAX_JOINED_BYTES", 10 * client.ANSWER_BYTES)
    calls = itertools.count()

    def answer(request: Request) -> Reply:
        next(calls)
        return Reply(200, msgspec.json.encode([ROW] * 100))

    with running(Server(("127.0.0.1", 0), answer)) as url, pytest.raises(ResponseInvalid, match="product 7"):
        variations_of(session("woocommerce", url), 7, "id,sku", 100)

    assert next(calls) <= 10


def test_sales_whose_tokens_lead_in_a_circle_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One day's sales that never end are given up, where no page holds a row either."""
    monkeypatch.setattr(client, "MAX_JOINED_BYTES", 10 * client.ANSWER_BYTES)
    calls = itertools.count()

    def answer(request: Request) -> Reply:
        return Reply.json(200, {"items": [], "limit": 1000, "continuation_token": str(next(calls) % 2)})

    with (
        running(Server(("127.0.0.1", 0), answer)) as url,
        pytest.raises(ResponseInvalid, match="takealot sales: what belongs together"),
    ):
        REGISTRY["takealot"].streams["orders"].fetch(session("takealot", url), EVERYTHING, None)

    assert next(calls) < 50


def test_rows_that_belong_together_are_joined() -> None:
    """Answers are taken up in order, each once."""
    rows = [msgspec.Raw(str(n).encode()) for n in range(5)]
    joined = Joined("example", rows[:2])
    joined.add(rows[2:])

    assert [bytes(row) for row in joined.rows] == [b"0", b"1", b"2", b"3", b"4"]
