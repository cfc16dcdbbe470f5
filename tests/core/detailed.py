"""Reading and asking of tests about details."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from orchestrator.model.run import Run
from orchestrator.ports import Query
from orchestrator.runs.start import TriggerRequest, start_manual
from tests.support.people import ME
from tests.support.world import START, World

DAY_S = 86_400.0
#: Longer ago than a stream remembers that only looks back.
LONG_AGO = START - timedelta(days=100)


def stored(world: World, stream: str = "orders") -> dict[str, dict[str, Any]]:
    """The stream's documents by record id."""
    found = world.store.query(Query(f"connections/a/{stream}", limit=1000))
    return {each.data["id"]: dict(each.data) for each in found}


def told(world: World, stream: str = "orders") -> dict[str, str]:
    """The stored detail by record id: `number` holds it, and the id as long as it is not read."""
    return {name: data["number"] for name, data in stored(world, stream).items()}


def asked(world: World) -> Counter[str]:
    """How often each row's details were asked for."""
    return Counter(name for names in world.bazaar.details for name in names)


def ask_for_all(world: World) -> tuple[str, Run]:
    """A run that writes every record again."""
    started = start_manual(world.services, TriggerRequest(full=True), by=ME, idempotency_key=None)
    world.drain()
    return started.run_id, world.run(started.run_id)


def old_rows(world: World, count: int) -> None:
    """Rows of a back-fill: their look-back is long over."""
    for n in range(count):
        world.bazaar.shop("a").put("orders", f"r{n}", LONG_AGO + n * timedelta(minutes=1))
