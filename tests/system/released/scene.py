"""The sellers of the frozen store, their sandboxes, and the engine on any store: to freeze and to go on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Task
from orchestrator.model.state import SyncState
from orchestrator.operators.tasks.quiet import quiet_page
from orchestrator.ports import DocumentStore, Snapshot, Update
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.marketplaces.conformance.case import Secrets, every
from tests.marketplaces.conformance.market import Market, Sandbox, registered, running
from tests.support.clocks import START, VirtualClock
from tests.support.queues import ListQueue
from tests.support.world import ENVIRONMENT, Inline

#: One connection of each marketplace plays each of these.
ROLES = ("dead", "deferred", "fresh", "half", "paused", "refused", "steady")
#: The streams of each role; a role that is not named has all of its marketplace.
STREAMS: Mapping[str, tuple[str, ...]] = {
    "dead": ("products", "orders"),
    "deferred": ("orders",),
    "paused": ("products",),
    "refused": ("orders",),
}
#: The streams of the half-read connections; the last one is the one that is half-read.
HALF_STREAMS: Mapping[str, tuple[str, ...]] = {
    "amazon": ("inventory", "products"),
    "ebay": ("inventory", "products"),
    "shopify": ("products", "orders"),
    "takealot": ("products", "orders"),
    "woocommerce": ("products", "orders"),
}
#: A connection added after its marketplace's connections were expanded into the run that stopped half-way.
YOUNGER = "ebay-younger"
#: When sellers changed something, between the first runs and the last ones.
CHANGED_AT = START + timedelta(hours=1)
#: Stands for a sandbox's address in a frozen store.
NOWHERE = "http://127.0.0.1:9"
#: Ticks are so far apart.
TICK_S = 900.0


def role_of(connection_id: str) -> str:
    """The role in a connection's id."""
    return connection_id.partition("-")[2]


@dataclass(frozen=True, slots=True)
class Sellers:
    """A marketplace's two sandboxes: the account with little in it, and the one of several pages."""

    market: Market
    small: Sandbox
    large: Sandbox

    def of(self, connection_id: str) -> Sandbox:
        """The sandbox that a connection is to."""
        return self.large if role_of(connection_id) == "half" else self.small


@contextmanager
def sellers(clock: VirtualClock, names: Sequence[str] | None = None) -> Iterator[dict[str, Sellers]]:
    """Running sandboxes of these marketplaces, or of all, before anything was changed in them."""
    with ExitStack() as stack:
        found = {}
        for market in registered():
            if names is None or market.name in names:
                small = stack.enter_context(running(market, clock, orders=6, products=5))
                large = stack.enter_context(running(market, clock, orders=26, products=30))
                found[market.name] = Sellers(market, small, large)
        yield found


def change(sandbox: Sandbox) -> None:
    """Change some of a seller's records; the same in each sandbox that was filled with the same."""
    sandbox.change(new_orders=1, prices=1, stock=1, vanish=1, at=CHANGED_AT)


@dataclass
class Scene:
    """The engine on a store, with a clock that stands still and a queue that waits."""

    clock: VirtualClock
    queue: ListQueue
    store: DocumentStore
    secrets: Secrets
    services: Services

    def tick(self) -> str:
        """A scheduler's tick, now; returns the run."""
        started = start_tick(
            self.services, job="sync", schedule_time=self.clock.now(), requested_by="scheduler"
        )
        return started.run_id

    def run(self, run_id: str) -> Run:
        """A run's record."""
        return from_document(Run, self.get(ids.run_path(run_id)).data)

    def task(self, run_id: str, connection_id: str) -> Task:
        """A task's record; of a task in which nothing happened, what its shard tells of it."""
        found = self.store.get(ids.task_path(run_id, connection_id))
        return from_document(Task, found.data) if found is not None else self.quiet(run_id)[connection_id]

    def quiet(self, run_id: str) -> dict[str, Task]:
        """The tasks of a run that have no record, by connection."""
        found, _, faults = quiet_page(self.store, ids.run_path(run_id), None, None, 10_000)
        assert not faults
        return {each.id: from_document(Task, each.data) for each in found}

    def state(self, connection_id: str) -> SyncState:
        """A connection's state."""
        return from_document(SyncState, self.get(ids.state_path(connection_id)).data)

    def get(self, path: str) -> Snapshot:
        """A document that has to be there."""
        snapshot = self.store.get(path)
        assert snapshot is not None, path
        return snapshot

    def point(self, found: Mapping[str, Sellers]) -> None:
        """Have the connections call these sandboxes; a sandbox listens at another port each time."""
        for connection in every(self.store, "connections"):
            marketplace = connection.data["marketplace"]
            if marketplace in found:
                self.set_url(connection, found[marketplace].of(connection.id).url)

    def set_url(self, connection: Snapshot, url: str) -> None:
        """Have one connection call a sandbox at a URL."""
        settings = {**connection.data["settings"], "base_url": url}
        self.store.commit([Update(connection.path, {"settings": settings})])


def scene(store: DocumentStore, now: datetime, environment: Mapping[str, str] | None = None) -> Scene:
    """The engine on a store at a moment, with every marketplace's credentials."""
    clock, queue, secrets = VirtualClock(now), ListQueue(), Secrets()
    for market in registered():
        secrets.store(market)
        wrong = {name: f"{value}-revoked" for name, value in market.credential.items()}
        secrets.versions[revoked(market)] = [msgspec.json.encode(wrong).decode()]
    services = Services(
        settings=Settings.from_environment({**ENVIRONMENT, **(environment or {})}),
        store=store,
        queue=queue,
        secrets=secrets,
        clock=clock,
        connectors={market.name: market.connector for market in registered()},
        executor=Inline(),
        random=random.Random(1),
    )
    return Scene(clock, queue, store, secrets, services)


def revoked(market: Market) -> str:
    """The reference of credentials that the marketplace refuses."""
    return f"{Secrets.reference(market)}_REVOKED"


def normalizers() -> dict[str, dict[str, int]]:
    """The version of each normalizer now, by marketplace and stream."""
    return {
        market.name: {name: stream.version for name, stream in sorted(market.connector.streams.items())}
        for market in registered()
    }


def documents(store: DocumentStore) -> Iterator[Snapshot]:
    """Every document that a release stores."""
    for connection in every(store, "connections"):
        yield connection
        for stream in ("orders", "products", "inventory", "rejects"):
            yield from every(store, f"{connection.path}/{stream}")
    for state in every(store, "sync_state"):
        yield state
        yield from every(store, f"{state.path}/digests")
    for run in every(store, "runs"):
        yield run
        yield from every(store, f"{run.path}/shards")
        yield from every(store, f"{run.path}/tasks")


def kind_of(path: str) -> str:
    """A document's collection without the ids in its path: `runs/tasks`."""
    return "/".join(path.split("/")[::2])


class Contents(msgspec.Struct, kw_only=True, frozen=True):
    """`contents.json`: the list of a frozen release's contents."""

    release: str
    #: The clock when the store was frozen.
    frozen_at: datetime
    #: How many documents of each kind there are.
    documents: dict[str, int]
    #: Run ids by the state they are frozen in.
    runs: dict[str, str]
    #: How many messages wait in the embedded queue's file.
    queued: int
    #: The version of each normalizer, by marketplace and stream: a later one writes every record anew.
    normalizers: dict[str, dict[str, int]]
    #: The version of the records' documents: those of another one are written anew, too.
    schema: int = 1


class Wire(msgspec.Struct, kw_only=True, frozen=True):
    """One request to the worker's edge, as it is on the wire."""

    headers: dict[str, str]
    body: str


class Frozen(msgspec.Struct, kw_only=True, frozen=True):
    """One message of `messages.json`."""

    #: The message as it lies in the queue.
    body: str
    #: The requests that bring it to the worker, by form.
    forms: dict[str, Wire]


def connection_fields(market: Market, role: str) -> dict[str, Any]:
    """How a connection that plays a role is added."""
    streams = HALF_STREAMS[market.name] if role == "half" else STREAMS.get(role)
    return {
        "organization_id": "northwind" if role in {"steady", "half"} else "kopje",
        "marketplace": market.name,
        "name": f"{market.name} {role}",
        "credential": revoked(market) if role == "refused" else Secrets.reference(market),
        "streams": streams,
        "backfill_since": START - timedelta(days=731),
        "store_buyer_pii": role == "steady" and market.name in {"shopify", "woocommerce"},
    }


def is_for(message: Message, *roles: str) -> bool:
    """Whether a message is of a connection that plays one of these roles."""
    return role_of(message.connection_id) in roles
