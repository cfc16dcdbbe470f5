"""Every fault of every marketplace at once, in one run over all of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from orchestrator.marketplaces import transport
from orchestrator.model import STREAMS, RunStatus
from tests.conformance.case import MarketWorld
from tests.conformance.faults import SWITCHES
from tests.conformance.market import Market, Sandbox, registered, running

_PERCENT = 10
#: Ticks after the first.
_FURTHER = 3


@pytest.mark.parametrize("seed", [1, 2])
def test_with_every_fault_at_ten_percent_nothing_is_lost(seed: int, tmp_path: Path) -> None:
    """After at most three further ticks each record of each marketplace is stored, and none twice."""
    world = MarketWorld(tmp_path)
    markets = registered()
    with ExitStack() as stack:
        stack.enter_context(patch.object(transport, "READ_S", 0.15))
        sandboxes = {
            market: stack.enter_context(running(market, world.clock, orders=60, products=30))
            for market in markets
        }
        for market, sandbox in sandboxes.items():
            world.join(market, sandbox.url)
            for switch in SWITCHES.values():
                sandbox.fault(kind=switch.kind, percent=_PERCENT, seed=seed, **switch.fields)
        held = _truth(sandboxes)
        for _ in range(1 + _FURTHER):
            held = _truth(sandboxes)
            _, run = world.next_run()
            assert run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
            assert run.tasks.total == len(markets)

    for (market, stream), expected in held.items():
        stored = world.stored(market.name, stream, deleted=True)
        assert expected <= stored.keys(), (market.name, stream)
        paths = [each.path for each in stored.values()]
        assert len(set(paths)) == len(paths)


def _truth(sandboxes: dict[Market, Sandbox]) -> dict[tuple[Market, str], set[str]]:
    """The ids of all that there is."""
    return {
        (market, stream): set(sandbox.truth(stream))
        for market, sandbox in sandboxes.items()
        for stream in STREAMS
    }
