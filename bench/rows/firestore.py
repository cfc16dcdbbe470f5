"""Sync, Firestore: orders/s from tick to closed run ÷ orders/s of bare commits of the same documents.

Product: one connection's first sync into an empty project of the Firestore emulator. The marketplace is
simulated and its pages lie ready in this process, so that only the store is measured.

Floor: the same order documents as the product wrote, in commits of the same sizes, through the same
adapter, one after the other into another empty project of the same emulator: without run, shard, task,
state, digest, reading or deciding.

Of both, the CPU time of this process for an order is compared as well; the emulator's is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

import urllib3

from bench.engine import Engine
from bench.figures import Figure, Spent, Stopwatch, cpu_figure, spent_in_turn, spread
from bench.simulated import connector
from bench.site import Site, fresh_project
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.ports import Put, Write, Written

_ORDERS = "connections/c/orders/"


S = TypeVar("S", bound=FirestoreStore)


class _RecordingStore(FirestoreStore):
    """Remembers the order documents of each commit."""

    def __init__(self, *, project: str, database: str, emulator_host: str) -> None:
        super().__init__(project=project, database=database, emulator_host=emulator_host)
        self.batches: list[list[Put]] = []

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit, then remember."""
        written = super().commit(writes)
        orders = [write for write in writes if isinstance(write, Put) and write.path.startswith(_ORDERS)]
        if orders:
            self.batches.append(orders)
        return written


def measure(site: Site) -> list[Figure]:
    """One figure for wall time and one for CPU time."""
    orders = site.amount(10_000, 200)
    host = site.emulators.firestore_host
    shop = connector(orders, ready=True)
    with _emptied(host, _RecordingStore) as store:
        _sync(store, shop)
    batches = store.batches
    if sum(map(len, batches)) != orders:
        raise RuntimeError(f"{sum(map(len, batches))} orders were written, not {orders}")
    # No more than this: the emulator stalled in tests after some 120,000 documents.
    product, floor = spent_in_turn(
        site.amount(3, 0), lambda: _product(host, shop), lambda: _floor(host, batches)
    )
    return [
        Figure(
            name="sync, Firestore",
            value=orders / product.wall.median,
            floor=orders / floor.wall.median,
            unit="orders/s",
            at_least=0.9,
            note=f"Sync, Firestore: {spread(floor.wall, product.wall)}",
        ),
        cpu_figure("CPU of an order, Firestore", product, floor, orders, at_most=1.6),
    ]


def _product(host: str, shop: AnyConnector) -> Spent:
    with _emptied(host, FirestoreStore) as store:
        return _sync(store, shop)


def _sync(store: FirestoreStore, shop: AnyConnector) -> Spent:
    """The time of the whole run."""
    with closing(Engine(store, {"shopify": shop})) as engine:
        engine.connect("c", "shopify", streams=["orders"])
        with Stopwatch() as watch:
            engine.run()
        return watch.spent


def _floor(host: str, batches: Sequence[Sequence[Put]]) -> Spent:
    """The time of the commits."""
    with _emptied(host, FirestoreStore) as store:
        store.commit([Put("connections/c", {"connected": True})])
        with Stopwatch() as watch:
            for batch in batches:
                store.commit(batch)
        return watch.spent


@contextmanager
def _emptied(host: str, kind: type[S]) -> Iterator[S]:
    """A store in its own project, emptied at the end, because the emulator keeps everything in memory."""
    project = fresh_project()
    with closing(kind(project=project, database="(default)", emulator_host=host)) as store:
        yield store
    url = f"http://{host}/emulator/v1/projects/{project}/databases/(default)/documents"
    answer = urllib3.request("DELETE", url, timeout=60.0)
    if answer.status != 200:
        raise RuntimeError(f"the emulator does not empty {project}: {answer.data[:200]!r}")
