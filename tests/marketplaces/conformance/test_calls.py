"""The calls of richer records: no more at an idle tick, and queries within Shopify's limit."""

from __future__ import annotations

import pytest

from tests.delivery.docs.calls import IDLE_0_1, measured

#: "A single query may not exceed a cost of 1,000": https://shopify.dev/docs/api/usage/limits
_MOST_POINTS = 1000


@pytest.mark.parametrize("marketplace", IDLE_0_1)
def test_an_idle_tick_makes_no_call_more_than_release_0_1(marketplace: str) -> None:
    """A tick that finds nothing new asks for no details, however rich the records are."""
    assert measured(marketplace).idle_calls <= IDLE_0_1[marketplace]


def test_each_query_is_below_shopifys_limit() -> None:
    """Each query of a first sync requests fewer points than one query may."""
    costs = measured("shopify").query_costs

    assert costs
    assert {name: cost for name, cost in costs.items() if cost >= _MOST_POINTS} == {}
