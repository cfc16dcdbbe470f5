"""One stream of one marketplace under test: its sandbox, the real engine, and the outcome."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.marketplaces.spec import AnySession, AnyStream, Listing, Page, Window
from orchestrator.model.connection import Connection, ConnectionStatus
from orchestrator.model.records.record import Order, Record
from orchestrator.model.run import Run, Task
from orchestrator.model.state import SyncState
from orchestrator.ports import DocumentStore, Query, Snapshot
from tests.marketplaces.conformance.market import BEGINNING, Market, Sandbox, running
from tests.support.clocks import START, VirtualClock
from tests.support.scripted import completed
from tests.support.secrets import MemorySecrets
from tests.support.world import World

#: Everything the sandbox holds.
EVERYTHING = Window(BEGINNING, START)
#: Records that make several pages, whatever a connector's page is: the first of these that does.
SIZES = (30, 120, 500, 1300)
_PAGES = 3
_TICK_S = 900.0


class Secrets(MemorySecrets):
    """The markets' credentials."""

    @staticmethod
    def reference(market: Market) -> str:
        """Where a market's credential is kept."""
        return f"env:{market.name.upper()}"

    def store(self, market: Market) -> None:
        """Keep a market's credential."""
        self.versions[self.reference(market)] = [msgspec.json.encode(market.credential).decode()]


class MarketWorld(World):
    """The engine with an embedded store and a virtual clock, and connections to sandboxes."""

    def __init__(self, path: Path, *, environment: dict[str, str] | None = None) -> None:
        super().__init__(path, environment=environment)
        self.credentials = Secrets()
        self.services = replace(self.services, connectors={}, secrets=self.credentials)

    def join(self, market: Market, url: str, **fields: Any) -> None:
        """Register a marketplace, and connect to its sandbox's first account; the connection has its name."""
        connectors = {**self.services.connectors, market.name: market.connector}
        self.services = replace(self.services, connectors=connectors)
        self.credentials.store(market)
        given = {
            "credential": self.credentials.reference(market),
            "settings": {**market.settings, "base_url": url},
            "backfill_since": BEGINNING,
            "streams": list(market.connector.streams),
        } | fields
        self.connect(market.name, marketplace=market.name, **given)

    def settle(self) -> None:
        """Deliver everything, also held messages: the clock moves to the time of their delivery."""
        self.drain()
        while self.queue.held:
            self.queue.held.sort(key=lambda held: held[0])
            not_before, message = self.queue.held.pop(0)
            self.clock.advance(max(0.0, (not_before - self.clock.now()).total_seconds()))
            self.deliver(message)
            self.drain()

    def next_run(self, after_s: float = _TICK_S) -> tuple[str, Run]:
        """Let time pass; a tick and all that comes of it."""
        self.clock.advance(after_s)
        started = self.tick()
        self.settle()
        return started.run_id, self.run(started.run_id)

    def stored(self, connection_id: str, stream: str, *, deleted: bool = False) -> dict[str, Snapshot]:
        """The documents of a stream by record id."""
        found = every(self.store, f"connections/{connection_id}/{stream}")
        return {each.data["id"]: each for each in found if deleted or each.data["deleted_at"] is None}

    def ids_of(self, connection_id: str, stream: str) -> list[str]:
        """The record ids of all documents of a stream that are not marked as deleted."""
        found = every(self.store, f"connections/{connection_id}/{stream}")
        return [each.data["id"] for each in found if each.data["deleted_at"] is None]


def every(store: DocumentStore, collection: str) -> Iterator[Snapshot]:
    """All documents of a collection."""
    after: tuple[str, ...] | None = None
    while found := store.query(Query(collection, after=after, limit=1000)):
        yield from found
        after = (found[-1].id,)


class LogLines(logging.Handler):
    """Keeps every logged line with its extra fields."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(f"{record.getMessage()} {vars(record)}")


@dataclass
class Case:
    """One stream under test."""

    market: Market
    stream: AnyStream
    sandbox: Sandbox
    world: MarketWorld
    log: LogLines
    #: Messages of errors that reading by hand met.
    errors: list[str] = field(default_factory=list)

    # Reading by hand

    def session(self, *, store_buyer_pii: bool = False) -> AnySession:
        """A session of its own, as the engine opens one for each invocation."""
        world = self.world
        return open_session(
            self.market, self.sandbox.url, world.clock, world.credentials, store_buyer_pii=store_buyer_pii
        )

    def pages(self, window: Window = EVERYTHING, session: AnySession | None = None) -> Iterator[Page]:
        """The pages of a window, one after the other; each in a session of its own where none is given."""
        token: str | None = None
        while True:
            page = self.stream.fetch(session or self.session(), window, token)
            yield page
            token = page.next_token
            if token is None:
                return

    def read(self, window: Window = EVERYTHING) -> list[Record]:
        """The normalized records of a window with their details, in the order they come in."""
        session = self.session()
        return [
            self.stream.normalize(raw, False)
            for page in self.pages(window, session)
            for raw in completed(self.stream, session, page.records)
        ]

    # Running the engine

    def run(self, after_s: float = _TICK_S) -> Task:
        """A tick some time later, to its end; the connection's task."""
        run_id, run = self.world.next_run(after_s)
        assert run.status.is_final
        return self.world.task(run_id, self.market.name)

    def tick(self, after_s: float) -> Task | None:
        """A tick and its immediate outcome: the task, or None if the marketplace asked to wait."""
        self.world.clock.advance(after_s)
        started = self.world.tick()
        self.world.drain()
        if self.state.open is not None and self.state.lease.not_before is not None:
            return None
        return self.world.task(started.run_id, self.market.name)

    @property
    def state(self) -> SyncState:
        """The stored state of the connection."""
        return self.world.state(self.market.name)

    def stored(self, *, deleted: bool = False) -> dict[str, Snapshot]:
        """The stream's documents by record id."""
        return self.world.stored(self.market.name, self.stream.name, deleted=deleted)

    def rejects(self) -> list[Snapshot]:
        """The connection's rejects."""
        return list(every(self.world.store, f"connections/{self.market.name}/rejects"))

    def truth(self) -> dict[str, dict[str, Any]]:
        """The content that the store must have."""
        return self.sandbox.truth(self.stream.name)

    def assert_holds_the_truth(self) -> None:
        """Each record of the marketplace is stored, as it is there, and no other."""
        held, truth = self.stored(), self.truth()
        missing, extra = truth.keys() - held.keys(), held.keys() - truth.keys()
        assert not missing, f"lost: {sorted(missing)[:5]} and {len(missing)} in all"
        assert not extra, f"not there: {sorted(extra)[:5]} and {len(extra)} in all"
        for record_id, fields in truth.items():
            told = told_by(held[record_id].data)
            assert {name: told[name] for name in fields} == fields, record_id

    def assert_nothing_leaked(self) -> None:
        """No secret, as stored or as sent, is in a log line, a document or an error."""
        secrets = {
            value
            for versions in self.world.credentials.versions.values()
            for version in versions
            for value in msgspec.json.decode(version, type=dict[str, str]).values()
        } | self.sandbox.secrets
        shown = [*self.log.lines, *self.errors]
        collections = ["runs", "connections", "sync_state", f"connections/{self.market.name}/rejects"]
        for run in every(self.world.store, "runs"):
            collections += [f"runs/{run.id}/tasks", f"runs/{run.id}/shards"]
        shown += [repr(each.data) for name in collections for each in every(self.world.store, name)]
        for secret in secrets:
            assert not any(secret in text for text in shown), "a secret is shown"


def told_by(document: Mapping[str, Any]) -> dict[str, Any]:
    """A stored record as a sandbox tells its truth: with the fields that both know."""
    told: dict[str, Any] = msgspec.to_builtins(dict(document))
    if "lines" in told:
        told["quantities"] = [line["quantity"] for line in told["lines"]]
    if "variants" in told:
        told["skus"] = [variant["sku"] for variant in told["variants"]]
        told["price"] = told["variants"][0]["price"]
        told["costs"] = [variant.get("cost") for variant in told["variants"]]
    return told


def moment_of(stream: AnyStream, record: Record) -> datetime | None:
    """The time that a stream's windows go by."""
    if stream.listing is Listing.ROLLING:
        return record.created_at if isinstance(record, Order) else None
    return record.updated_at


@contextmanager
def opened(
    market: Market, stream: str, path: Path, *, size: int | None = None, small_buckets: bool = False
) -> Iterator[Case]:
    """A stream with data of several pages, and a connection to it that has not been synced yet."""
    count = several_pages(market, stream) if size is None else size
    orders, products = (count, 12) if stream == "orders" else (6, count)
    log, root = LogLines(), logging.getLogger()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        world = MarketWorld(path)
        with running(
            market, world.clock, orders=orders, products=products, small_buckets=small_buckets
        ) as served:
            world.join(market, served.url, streams=[stream])
            # A window that ends with the data is as old as the marketplace wants it.
            world.clock.advance(market.connector.streams[stream].age.total_seconds())
            yield Case(market, market.connector.streams[stream], served, world, log)
    finally:
        root.removeHandler(log)
        root.setLevel(level)


@cache
def several_pages(market: Market, stream: str) -> int:
    """How many records make several pages of a stream."""
    return next((size for size in SIZES if _has_several_pages(market, stream, size)), SIZES[-1])


def _has_several_pages(market: Market, stream: str, size: int) -> bool:
    clock, secrets = VirtualClock(), Secrets()
    orders, products = (size, 12) if stream == "orders" else (6, size)
    with running(market, clock, orders=orders, products=products) as served:
        secrets.store(market)
        session = open_session(market, served.url, clock, secrets)
        clock.advance(market.connector.streams[stream].age.total_seconds())
        token: str | None = None
        for _ in range(_PAGES - 1):
            token = market.connector.streams[stream].fetch(session, EVERYTHING, token).next_token
            if token is None:
                return False
    return True


def open_session(
    market: Market, url: str, clock: VirtualClock, secrets: Secrets, *, store_buyer_pii: bool = False
) -> AnySession:
    """A session with a sandbox's first account."""
    connection = Connection(
        organization_id="org-1",
        marketplace=market.name,
        name=market.name,
        status=ConnectionStatus.ACTIVE,
        credential=secrets.reference(market),
        settings={**market.settings, "base_url": url},
        store_buyer_pii=store_buyer_pii,
        created_at=START,
        updated_at=START,
    )
    opening = SessionRequest(
        market.name, connection, secrets, clock, random.Random(1), wait=clock.sleep, development=True
    )
    return market.connector.open(opening)
