"""A world for tests of the core: real store, virtual clock, a queue in a list, a made-up marketplace."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from orchestrator import handle
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.marketplaces.spec import (
    AnySession,
    AnyStream,
    Connector,
    Listing,
    Page,
    Session,
    Stream,
    Unshown,
    Window,
)
from orchestrator.model import ids
from orchestrator.model.counts import StreamCounts
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.records.record import Order, Record
from orchestrator.model.run import Run, Shard, Task
from orchestrator.model.state import SyncState
from orchestrator.operators.tasks.quiet import quiet_page
from orchestrator.ports import Clock, DocumentStore, Filter, Put, Query, Snapshot
from orchestrator.room import Place, Room
from orchestrator.runs.start import Started, start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support import clocks
from tests.support.clocks import VirtualClock
from tests.support.connectors import OPEN_TO_ALL, NoCredential, NoSettings
from tests.support.feeds import ListFeed
from tests.support.queues import ListQueue
from tests.support.secrets import MemorySecrets

P = ParamSpec("P")
T = TypeVar("T")

START = clocks.START
ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "SYNC_STORE": "sqlite:unused",
    "SYNC_QUEUE": "local:http://127.0.0.1:9",
}


class Inline(Executor):
    """Runs each submitted call at once, in the caller's thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run now; the future holds the outcome."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future carries any error to its reader
            future.set_exception(error)
        return future


class Row(msgspec.Struct, kw_only=True):
    """A raw record of the made-up marketplace."""

    id: str
    updated_at: datetime
    value: str = "1"
    broken: bool = False
    #: Personal data, as the connector says.
    email: str = "buyer@example.test"
    #: Only in a completed row.
    detail: str | None = None


@dataclass
class Shop:
    """The rows of one connection's account."""

    rows: dict[str, dict[str, Row]] = field(default_factory=dict)

    def put(
        self, stream: str, row_id: str, updated_at: datetime, value: str = "1", *, broken: bool = False
    ) -> None:
        """Add or change a row."""
        self.rows.setdefault(stream, {})[row_id] = Row(
            id=row_id, updated_at=updated_at, value=value, broken=broken
        )

    def listed(self, stream: str) -> list[Row]:
        """Rows in ascending modification time."""
        return sorted(self.rows.get(stream, {}).values(), key=lambda row: (row.updated_at, row.id))


@dataclass
class FakeClient:
    """A client, as far as the engine reads one."""

    connection_id: str
    calls: int = 0
    received_bytes: int = 0
    server_time: datetime | None = None
    clock: Clock = field(default_factory=VirtualClock)
    sleep: Callable[[float], None] = lambda _: None
    slept_s: float = 0.0
    place: Place = field(default_factory=lambda: Place(Room()))

    def wait(self, seconds: float) -> None:
        """Wait for a limit, as the shared client does."""
        begun = self.clock.monotonic()
        try:
            self.sleep(seconds)
        finally:
            self.slept_s += self.clock.monotonic() - begun

    def begin_page(self) -> None:
        """A made-up page has no bounds."""


class Bazaar:
    """An invented marketplace: its shops, its connector, and a hook for each call."""

    def __init__(self, *, page_size: int = 3, listings: dict[str, Listing] | None = None) -> None:
        self.shops: dict[str, Shop] = {}
        self.page_size = page_size
        self.calls: list[tuple[str, str, Window, str | None]] = []
        #: The places for its large answers.
        self.room = Room()
        #: Called at each call with (connection, stream, token); may raise or let time pass.
        self.at_call: Callable[[FakeClient, str, str | None], None] | None = None
        #: Rows that it shows with a page although they lie outside of the window.
        self.strays: list[Row] = []
        #: Rows that the marketplace lists and cannot show, with the connector's word for each.
        self.unshown: dict[str, Callable[[Row], Unshown]] = {}
        self.total: Callable[[int], int | None] = lambda count: count
        self.durable = {"orders": True, "products": True, "inventory": True}
        #: The ids that were asked for together, and a hook for each such call; it may raise or let time pass.
        self.details: list[tuple[str, ...]] = []
        self.at_detail: Callable[[FakeClient, tuple[str, ...]], None] | None = None
        chosen = {
            "orders": Listing.INCREMENTAL,
            "products": Listing.SNAPSHOT,
            "inventory": Listing.ROLLING,
        } | (listings or {})
        self.streams = {name: self.stream(name, listing) for name, listing in chosen.items()}
        self.connector = Connector(
            marketplace="shopify",
            settings=NoSettings,
            credential=NoCredential,
            access=OPEN_TO_ALL,
            streams=self.streams,
            epoch=START - timedelta(days=400),
            open=self._open,
            check=lambda _: "bazaar",
            personal_fields=frozenset({"email"}),
        )

    def stream(self, name: str, listing: Listing) -> AnyStream:
        """One stream of a listing."""
        return Stream(
            name=name,
            listing=listing,
            fetch=lambda session, window, token: self._fetch(name, listing, session, window, token),
            normalize=normalize,
            record_id=lambda raw: msgspec.json.decode(raw, type=Row).id,
            version=1,
            age=timedelta(minutes=2),
            durable_token=True,
            ordered=listing is Listing.INCREMENTAL,
            remembers_all=listing is Listing.SNAPSHOT,
            short_span=timedelta(days=3) if listing is Listing.ROLLING else timedelta(0),
            long_span=timedelta(days=60) if listing is Listing.ROLLING else timedelta(0),
        )

    def give_details(self, stream: str, *, rows: int = 1, **changes: Any) -> None:
        """From now on a stream's rows have a detail that costs a call, for as many rows at once."""
        self.streams[stream] = replace(
            self.streams[stream],
            complete=lambda session, raws: self._complete(stream, session, raws),
            complete_rows=rows,
            detail_fields=("number",),
            **changes,
        )

    def _complete(self, stream: str, session: AnySession, raws: Sequence[bytes]) -> list[bytes]:
        client: Any = session.client
        client.calls += 1
        rows = [msgspec.json.decode(raw, type=Row) for raw in raws]
        names = tuple(row.id for row in rows)
        self.details.append(names)
        if self.at_detail is not None:
            self.at_detail(client, names)
        for row in rows:
            row.detail = f"detail of {self.shop(client.connection_id).rows[stream][row.id].value}"
        return [msgspec.json.encode(row) for row in rows]

    def shop(self, connection_id: str) -> Shop:
        """A connection's account."""
        return self.shops.setdefault(connection_id, Shop())

    def _open(self, opening: SessionRequest) -> AnySession:
        opening.secrets.get(opening.connection.credential)
        client: Any = FakeClient(
            opening.connection_id, clock=opening.clock, sleep=opening.wait, place=Place(self.room)
        )
        return Session(client=client, settings=None, store_buyer_pii=opening.connection.store_buyer_pii)

    def _fetch(
        self, name: str, listing: Listing, session: AnySession, window: Window, token: str | None
    ) -> Page:
        client: Any = session.client
        client.calls += 1
        self.calls.append((client.connection_id, name, window, token))
        if self.at_call is not None:
            self.at_call(client, name, token)
        rows = self.shop(client.connection_id).listed(name)
        if listing is not Listing.SNAPSHOT:
            rows = [row for row in rows if window.since <= row.updated_at <= window.until]
        start = int(token or 0)
        page = rows[start : start + self.page_size]
        following = start + len(page)
        unshown = [row for row in page if row.id in self.unshown]
        strays = [self.strays.pop()] if self.strays and page else []
        return Page(
            records=[msgspec.json.encode(row) for row in [*page, *strays] if row not in unshown],
            listed=len(page),
            outside=len(strays),
            unshown=[self.unshown[row.id](row) for row in unshown],
            next_token=str(following) if following < len(rows) else None,
            total=self.total(len(rows)) if listing is Listing.SNAPSHOT else None,
        )


def normalize(raw: bytes, _: bool) -> Record:
    """The made-up marketplace's normalizer; a broken row is refused."""
    row = msgspec.json.decode(raw, type=Row)
    if row.broken:
        raise msgspec.ValidationError("value is broken - at `$.value`")
    return Order(
        id=row.id,
        number=row.detail or row.id,
        status="open",
        marketplace_status=row.value,
        created_at=row.updated_at,
        updated_at=row.updated_at,
    )


class World:
    """Everything together."""

    def __init__(
        self,
        path: Path,
        *,
        seed: int = 1,
        environment: dict[str, str] | None = None,
        tells: bool = False,
        **bazaar: Any,
    ) -> None:
        self.clock = VirtualClock()
        self.queue = ListQueue()
        #: Events for consumers, if it `tells` them.
        self.feed = ListFeed()
        self.bazaar = Bazaar(**bazaar)
        self.store: DocumentStore = SqliteStore(path / "store.db")
        self.services = Services(
            settings=Settings.from_environment(ENVIRONMENT | (environment or {})),
            store=self.store,
            queue=self.queue,
            secrets=MemorySecrets({"missing": []}, default="{}"),
            clock=self.clock,
            connectors={"shopify": self.bazaar.connector, "takealot": self.bazaar.connector},
            executor=Inline(),
            changes=self.feed if tells else None,
            random=random.Random(seed),
        )

    def connect(self, connection_id: str, *, marketplace: str = "shopify", **fields: Any) -> None:
        """Add or edit a connection."""
        document = {
            "organization_id": "org-1",
            "marketplace": marketplace,
            "name": connection_id,
            "status": "active",
            "credential": "env:NONE",
            "settings": {},
            "streams": ["orders"],
            "backfill_since": None,
            "store_buyer_pii": False,
            "created_at": START,
            "updated_at": self.clock.now(),
        } | fields
        self.store.commit([Put(ids.connection_path(connection_id), document)])

    def tick(self, *, at: datetime | None = None) -> Started:
        """A scheduler's tick, now unless said."""
        return self.start(at or self.clock.now())

    def start(self, schedule_time: datetime | None) -> Started:
        """A call of the scheduler's job, with the time it is stamped with."""
        return start_tick(self.services, job="sync", schedule_time=schedule_time, requested_by="scheduler")

    def deliver(self, message: Message) -> None:
        """Hand one message to a worker."""
        handle.handle(self.services, message)

    def drain(self, *, limit: int = 1000) -> int:
        """Deliver until no message waits; returns how many were."""
        count = 0
        while self.queue.messages:
            count += 1
            assert count <= limit, "messages beget messages for ever"
            self.deliver(self.queue.messages.pop(0))
        return count

    def run_once(self) -> tuple[str, Run]:
        """A tick, and every message that follows from it."""
        started = self.tick()
        self.drain()
        return started.run_id, self.run(started.run_id)

    def run(self, run_id: str) -> Run:
        """A run's record."""
        return from_document(Run, self.get(ids.run_path(run_id)).data)

    def task(self, run_id: str, connection_id: str) -> Task:
        """A task's record; of a task in which nothing happened, what its shard tells of it."""
        return next(task for task in self.tasks(run_id) if task.connection_id == connection_id)

    def state(self, connection_id: str) -> SyncState:
        """A connection's state."""
        return from_document(SyncState, self.get(ids.state_path(connection_id)).data)

    def shards(self, run_id: str) -> list[Shard]:
        """A run's shards."""
        found = self.store.query(Query(f"{ids.run_path(run_id)}/shards", limit=1000))
        return [from_document(Shard, snapshot.data) for snapshot in found]

    def tasks(self, run_id: str) -> list[Task]:
        """A run's final tasks, those without a record last."""
        path = ids.run_path(run_id)
        found = self.store.query(Query(f"{path}/tasks", limit=10_000))
        quiet, _, faults = quiet_page(self.store, path, None, None, 10_000)
        assert not faults
        tasks = [from_document(Task, each.data) for each in found]
        for each in quiet:
            task = from_document(Task, each.data)
            shard = from_document(Shard, self.get(ids.shard_path(run_id, task.shard)).data)
            if len(shard.ids) == 1:
                # Then all of its counts are this task's.
                streams = {
                    name: StreamCounts(**msgspec.structs.asdict(counts))
                    for name, counts in shard.by_stream.items()
                }
                task = msgspec.structs.replace(task, cost=shard.cost, streams=streams)
            tasks.append(task)
        return tasks

    def get(self, path: str) -> Snapshot:
        """A document that has to be there."""
        snapshot = self.store.get(path)
        assert snapshot is not None, path
        return snapshot

    def records(self, connection_id: str, stream: str, *, deleted: bool = False) -> dict[str, str]:
        """Stored records: the marketplace's value by id."""
        where = () if deleted else (Filter("deleted_at", "==", None),)
        found = self.store.query(Query(f"connections/{connection_id}/{stream}", where=where, limit=10_000))
        return {snapshot.data["id"]: snapshot.data["marketplace_status"] for snapshot in found}


def fill(world: World, stream: str, count: int, connection_id: str = "a") -> None:
    """Rows r0, r1, … one an hour, the last an hour ago."""
    for n in range(count):
        world.bazaar.shop(connection_id).put(stream, f"r{n}", START - (count - n) * timedelta(hours=1))
