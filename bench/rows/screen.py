"""The first screen of `marketplace-sync ui`: p50 of its answer ÷ p50 of its reads alone.

Product: `GET /` of the served page, over a connection of this machine, with 10,000 connections in an embedded
store, half of them with a cause.

Floor: the same reads of the same store, one after another, as they were written down at a request. The bound
is three times the floor: the session, the joining and the HTML cost no more than twice the reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from bench.figures import Figure, in_turn, spread
from bench.site import Site
from orchestrator.model import ids
from orchestrator.model.connection import MARKETPLACES
from orchestrator.ports import Filter, Put, Query, Snapshot, Write
from tests.page.scenes import healthy
from tests.page.served import Page, serving
from tests.support.stores import WrappedStore

_KINDS = ("credentials_rejected", "marketplace_unavailable", "rate_limited", "incomplete", "worker_lost")
_ROUNDS = 21


class _Noted(WrappedStore):
    """Writes down each read."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.reads: list[Callable[[], object]] = []

    def get(self, path: str) -> Snapshot | None:
        """See DocumentStore."""
        self.reads.append(partial(self.behind.get, path))
        return super().get(path)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        self.reads.append(partial(self.behind.get_many, paths))
        return super().get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        self.reads.append(partial(self.behind.query, query))
        return super().query(query)

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """See DocumentStore."""
        self.reads.append(partial(self.behind.count, collection, where, group=group))
        return super().count(collection, where, group=group)

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """See DocumentStore."""
        self.reads.append(partial(self.behind.sum, collection, field, where))
        return super().sum(collection, field, where)


def measure(site: Site) -> list[Figure]:
    """The figure."""
    number = site.amount(10_000, 200)
    folder = site.folder / "screen"
    scene = healthy(folder)
    _fill(scene.world.store, number, scene.world.clock.now())
    store = _Noted(scene.world.store)
    with serving(scene, replace(scene.world.services, store=store)) as page:
        session = page.enter()
        _seconds(partial(_look, page, session))
        store.reads.clear()
        _look(page, session)
        reads = list(store.reads)
        screen, alone = in_turn(
            site.amount(_ROUNDS, 0),
            lambda: _seconds(partial(_look, page, session)),
            lambda: _seconds(lambda: [read() for read in reads]),
        )
    return [
        Figure(
            name="the first screen",
            value=1000 * screen.median,
            floor=1000 * alone.median,
            unit="ms",
            at_most=3,
            note=f"The first screen: {len(reads)} reads of {number:,} connections; {spread(screen, alone)}",
        )
    ]


def _look(page: Page, session: Mapping[str, str]) -> None:
    status, _, body = page.ask("GET", "/", session)
    if status != 200 or "Marketplaces" not in body:
        raise RuntimeError(f"the first screen answered {status}")


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _fill(store: Any, number: int, now: Any) -> None:
    """Connections of all marketplaces, beside those of the scene."""
    writes: list[Write] = []
    for n in range(number):
        name, marketplace = f"c-{n:06}", MARKETPLACES[n % len(MARKETPLACES)]
        kind = _KINDS[n // 2 % len(_KINDS)]
        cause = {"kind": kind, "message": kind, "since": now - timedelta(minutes=n)} if n % 2 else None
        state = {
            "marketplace": marketplace,
            "cause": cause,
            "health": "failing" if cause else "ok",
            "late_at": now + timedelta(minutes=30 if n % 3 else -30),
        }
        writes.append(Put(ids.state_path(name), state))
        writes.append(
            Put(ids.connection_path(name), {"marketplace": marketplace, "status": "active", "name": name})
        )
    for start in range(0, len(writes), 500):
        store.commit(writes[start : start + 500])
