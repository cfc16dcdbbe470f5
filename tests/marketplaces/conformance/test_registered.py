"""Every stream of every registered connector keeps every rule and survives every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marketplaces.conformance.case import opened
from tests.marketplaces.conformance.faults import SWITCHES, size_for, survives
from tests.marketplaces.conformance.market import Market, registered
from tests.marketplaces.conformance.rules import LIMITED, RULES

pytestmark = pytest.mark.long

STREAMS = [
    pytest.param(market, stream, id=f"{market}-{stream}")
    for market in registered()
    for stream in market.connector.streams
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("market", "stream"), STREAMS)
def test_a_registered_connector_keeps_the_rule(
    market: Market, stream: str, rule: str, tmp_path: Path
) -> None:
    """The stream keeps the rule against its marketplace's sandbox."""
    with opened(market, stream, tmp_path, small_buckets=rule in LIMITED) as case:
        RULES[rule](case)


@pytest.mark.parametrize("fault", SWITCHES)
@pytest.mark.parametrize(("market", "stream"), STREAMS)
def test_a_registered_connector_survives_the_fault(
    market: Market, stream: str, fault: str, tmp_path: Path
) -> None:
    """The fault ends in its error, and nothing is lost."""
    switch = SWITCHES[fault]
    with opened(market, stream, tmp_path, size=size_for(market, stream, switch)) as case:
        survives(case, switch)
