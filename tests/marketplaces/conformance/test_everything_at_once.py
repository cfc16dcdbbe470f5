"""Every fault of every marketplace at once, over all of them together."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from orchestrator.marketplaces import transport
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.model.run import RunStatus
from orchestrator.model.state import Health
from orchestrator.ports import Update
from tests.marketplaces.conformance.case import MarketWorld
from tests.marketplaces.conformance.faults import SWITCHES
from tests.marketplaces.conformance.market import Sandbox, registered, running

pytestmark = pytest.mark.long

_PERCENT = 10
#: Runs with all faults on, and after them.
_BAD = 2
#: Seconds before each of these; a row that could not be shown is asked for again after an hour.
_GOOD = (900.0, 3_700.0)
#: Seconds a silent marketplace is waited for.
_PATIENCE_S = 0.25
_HANGS = 4


@pytest.mark.parametrize("seed", [1, 2])
def test_with_every_fault_at_ten_percent_nothing_is_lost(seed: int, tmp_path: Path) -> None:
    """Each of two runs in which two calls of three fail ends well or in part; two more hold all, and once."""
    world = MarketWorld(tmp_path)
    with ExitStack() as stack:
        patience = stack.enter_context(ExitStack())
        patience.enter_context(patch.object(transport, "ANSWER_S", _PATIENCE_S))
        sandboxes: dict[str, Sandbox] = {}
        for market in registered():
            sandbox = stack.enter_context(running(market, world.clock, orders=60, products=30))
            world.join(market, sandbox.url)
            sandboxes[market.name] = sandbox
            for switch in SWITCHES.values():
                # Each hang costs real time.
                times = _HANGS if switch.kind == "hang" else 0
                sandbox.fault(kind=switch.kind, percent=_PERCENT, seed=seed, times=times, **switch.fields)
        for _ in range(_BAD):
            _assert_ended(world)
        for sandbox in sandboxes.values():
            sandbox.mend()
        _look_after(world, sandboxes)
        patience.close()
        for after_s in _GOOD:
            _assert_ended(world, after_s)
        for name, sandbox in sandboxes.items():
            for stream in STREAMS:
                held = world.ids_of(name, stream)
                lost = sandbox.truth(stream).keys() - set(held)
                assert not lost, f"{name} {stream}"
                assert len(held) == len(set(held))


def _assert_ended(world: MarketWorld, after_s: float = 900.0) -> None:
    _, run = world.next_run(after_s)
    assert run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)


def _look_after(world: MarketWorld, names: Iterable[str]) -> None:
    """Edit connections whose fresh token was refused too: otherwise they rest for an hour."""
    for name in names:
        if world.state(name).health is Health.NEEDS_ATTENTION:
            world.store.commit([Update(ids.connection_path(name), {"updated_at": world.clock.now()})])
