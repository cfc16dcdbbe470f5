"""The status costs a bounded number of reads, however many connections there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.model import ids
from orchestrator.model.cause import Blame
from orchestrator.model.run import RunStatus
from orchestrator.operators.health import status
from orchestrator.operators.health.remedies import KINDS
from orchestrator.ports import Put, Query, Snapshot, Write
from tests.core.test_status import add_run
from tests.support.stores import CountingStore
from tests.support.world import World

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class _Documents(CountingStore):
    """Counts documents that are fetched, and the entries that are counted beside them."""

    documents = 0
    counts = 0
    entries = 0

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """Each is one."""
        self.documents += len(paths)
        return super().get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """Each found one is one; an empty answer is billed as one."""
        found = super().query(query)
        self.documents += len(found)
        return found

    def count(self, *arguments: Any, **more: Any) -> int:
        """Its entries are billed by the thousand."""
        counted = super().count(*arguments, **more)
        self.counts += 1
        self.entries += counted
        return counted


_KINDS = [
    "credentials_rejected",
    "permission_denied",
    "marketplace_unavailable",
    "response_invalid",
    "rate_limited",
    "incomplete",
    "request_rejected",
    "worker_lost",
]


def _fleet(world: World, count: int) -> Iterator[Write]:
    """Connections of all marketplaces, half of them with a cause, of every kind."""
    now = world.clock.now()
    for n in range(count):
        name, marketplace = f"c-{n:06}", ("shopify", "takealot", "ebay", "amazon", "woocommerce")[n % 5]
        kind = _KINDS[n // 10 % len(_KINDS)]
        cause = {"kind": kind, "message": kind, "since": now - n * MINUTE} if n % 2 else None
        health = ("failing", "needs_attention")[n // 2 % 2] if cause else "ok"
        late_at = now + timedelta(minutes=30 if n % 3 else -30)
        state = {"marketplace": marketplace, "cause": cause, "health": health, "late_at": late_at}
        yield Put(ids.state_path(name), state)
        yield Put(ids.connection_path(name), {"marketplace": marketplace, "status": "active", "name": name})


@pytest.mark.parametrize("count", [10, 1_000, 100_000])
def test_status_costs_a_bounded_number_of_reads(world: World, count: int) -> None:
    """25 documents at most, and one read for a thousand entries counted, at any number of connections."""
    writes = list(_fleet(world, count))
    for start in range(0, len(writes), 2_000):
        world.store.commit(writes[start : start + 2_000])
        names = [ids.connection_path(f"c-{n:06}") for n in range(start, start + 2_000, 50)]
        world.store.commit([Put(f"{name}/rejects/orders-1", {"connection_id": name}) for name in names])
    for minute in range(200):
        add_run(world, f"t-{minute:03}", minute, RunStatus.SUCCEEDED)
    store = _Documents(world.store)
    with ThreadPoolExecutor(8) as executor:
        view = status.status(replace(world.services, store=store, executor=executor))

    assert view.connections.active == count
    assert view.connections.freshness.late + view.connections.freshness.on_time == count
    assert view.rejects == 40 * -(-len(writes) // 2_000)
    assert view.groups
    assert view.failing
    assert len(view.failing) <= status.FAILING
    assert store.documents <= status.MOST_READ == 25
    assert store.counts <= 75
    assert store.reads <= 25 + 10 + store.counts + store.entries // 1000


def test_every_kind_of_cause_is_shown(world: World) -> None:
    """All that this release knows, the worst first, in as many reads; of others only that there are any."""
    now = world.clock.now()
    for number, kind in enumerate(sorted(KINDS)):
        cause = {"kind": kind, "message": kind, "since": now - HOUR}
        state = {"marketplace": "takealot", "cause": cause, "health": "failing", "late_at": now - MINUTE}
        connection = {"marketplace": "takealot", "status": "active", "name": "-"}
        name = f"c-{number:02}"
        world.store.commit([Put(ids.state_path(name), state), Put(ids.connection_path(name), connection)])
    store = _Documents(world.store)
    view = status.status(replace(world.services, store=store))

    assert {each.kind for each in view.groups} == KINDS
    assert sum(each.late for each in view.groups) == len(KINDS)
    assert [each.blame for each in view.groups] == sorted(
        (each.blame for each in view.groups), key=list(Blame).index
    )
    assert not view.more_groups
    assert store.documents <= status.MOST_READ

    world.store.commit([Put("sync_state/c-zz", {"cause": {"kind": "zz", "message": "-", "since": now}})])
    assert status.status(world.services).more_groups
