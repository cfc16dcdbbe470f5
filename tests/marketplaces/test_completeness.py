"""Every stream of every connector, read over real HTTP, has exactly the sandbox's records."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.marketplaces.registry import REGISTRY
from tests.support.scripted import Sandbox, read, sandbox, told

STREAMS = [(name, stream) for name, connector in REGISTRY.items() for stream in connector.streams]


def assert_holds(held: dict[str, dict[str, Any]], truth: dict[str, dict[str, Any]]) -> None:
    """The same ids, and the same in every field that the sandbox tells."""
    assert held.keys() == truth.keys()
    for record_id, fields in truth.items():
        known = {name: held[record_id][name] for name in fields if name != "stream"}
        assert known == {name: value for name, value in fields.items() if name != "stream"}


@pytest.fixture(scope="module", params=sorted(REGISTRY))
def market(request: pytest.FixtureRequest) -> Any:
    """One sandbox a marketplace, which no test of this module changes."""
    with sandbox(request.param, orders=1500, products=220) as running:
        yield running


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_reading_every_page_holds_the_truth(market: Sandbox, stream: str) -> None:
    """All pages of a stream together hold each record of the marketplace, once, and nothing else."""
    found = read(market.connector, market.session(), stream, whole=True)

    assert not found.rejects
    assert_holds(told(list(found.records.values())), market.truth()[stream])
    assert sum(len(page.records) for page in found.pages) == len(found.records)
