"""Workers of some slots each, a queue, a store and marketplaces that take time: all on virtual time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar

import msgspec

from orchestrator import handle, wiring
from orchestrator.adapters.lanes import Lanes
from orchestrator.errors import SyncError
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.marketplaces.spec import (
    AnyConnector,
    AnySession,
    Connector,
    Listing,
    Page,
    Session,
    Stream,
    Window,
)
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run
from orchestrator.ports import Create, Document, Put, Query, Snapshot, TaskQueue, Write, Written
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support.connectors import OPEN_TO_ALL, NoCredential, NoSettings
from tests.support.queues import ListQueue
from tests.support.secrets import MemorySecrets
from tests.support.stores import WrappedStore
from tests.support.world import ENVIRONMENT, FakeClient, Row, normalize
from tests.system.load.subscription import Delivery, Instance, Subscription
from tests.system.simulation.loop import START, Loop, SimClock, SimFuture
from tests.system.simulation.memory import MemoryStore
from tests.system.simulation.process import Process

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that the store takes for a read and for a commit, about as Firestore does.
READ_S, COMMIT_S = 0.01, 0.05
#: Rows on a page of the marketplace; each page is a commit.
PAGE_ROWS = 20
TICK_S = 900


@dataclass(frozen=True)
class Account:
    """A seller's account: how many orders it has, and how long a page of them takes."""

    orders: int = 60
    page_s: float = 0.5


class TimedFuture(SimFuture[T]):
    """A future whose waiter may have enough of it."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The error, or none; TimeoutError where there is no outcome in time."""
        if timeout is not None and not self.done():
            self.loop.wait(self.add_done_callback, lambda wake: self.loop.at(timeout, lambda: wake(None)))
            if not self.done():
                raise TimeoutError
        return super().exception()


class Pool(Executor):
    """A process's threads: so many pieces of work at a time, the others wait their turn."""

    def __init__(self, loop: Loop, process: Process, size: int) -> None:
        self._loop, self._process, self._size = loop, process, size
        self._waiting: deque[tuple[TimedFuture[Any], Callable[[], Any]]] = deque()
        self.running = self.most = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin the work as soon as a thread is free."""
        future: TimedFuture[T] = TimedFuture()
        future.loop, future.process = self._loop, self._process
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        self._start()
        return future

    def _start(self) -> None:
        while self._waiting and self.running < self._size:
            future, work = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                self.running += 1
                self.most = max(self.most, self.running)
                self._loop.spawn(lambda future=future, work=work: self._run(future, work), self._process)  # type: ignore[misc] # mypy does not infer a lambda's defaults

    def _run(self, future: TimedFuture[Any], work: Callable[[], Any]) -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - a future carries any error to whoever asks for it
            future.set_exception(error)
        self.running -= 1
        self._start()


class SlowStore(WrappedStore):
    """The store as all processes reach it: each call takes a while."""

    def __init__(self, loop: Loop, store: MemoryStore) -> None:
        super().__init__(store)
        self._loop = loop

    def get(self, path: str) -> Snapshot | None:
        """See DocumentStore."""
        self._loop.sleep(READ_S)
        return super().get(path)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        self._loop.sleep(READ_S)
        return super().get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        self._loop.sleep(READ_S)
        return super().query(query)

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore."""
        self._loop.sleep(COMMIT_S)
        return super().commit(writes)


@dataclass
class Worker:
    """One process: what its invocations share."""

    services: Services
    pool: Pool


@dataclass
class Seen:
    """What was measured."""

    #: When each connection's task was final, in seconds after the tick.
    done_s: dict[str, float] = field(default_factory=dict)
    #: How long each message was worked on.
    handled_s: list[tuple[float, Message]] = field(default_factory=list)
    #: Messages that were to be delivered again.
    refused: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    #: When a message of a run's task was handled for the last time, in seconds after the first tick.
    handled_at_s: dict[tuple[str, str], float] = field(default_factory=dict)
    #: Rows that were read.
    rows: Counter[str] = field(default_factory=Counter)
    #: Each task that ended: its run, its connection, how, and when after the first tick.
    ended: list[tuple[str, str, Document, float]] = field(default_factory=list)


class Plant:
    """Ticks over some accounts.

    Args:
        accounts: By connection id.
        workers: Instances of each lane.
        slots: Messages that an instance of the only lane, or of the lane of continuations, works on at once.
        first_slots: The same for the lane of first slices; 0 if there is one lane.
        delivery: How each lane's messages are pushed.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        workers: int = 4,
        slots: int = 8,
        first_slots: int = 0,
        delivery: Delivery | None = None,
    ) -> None:
        self.accounts = accounts
        self.loop = Loop(1)
        self.store = MemoryStore()
        self.store.watchers.append(self._note_task)
        self.seen = Seen()
        environment = {"SYNC_QUEUE_BACKFILL": "local:http://127.0.0.1:8"} if first_slots else {}
        self._settings = Settings.from_environment(ENVIRONMENT | environment)
        lanes = [first_slots, slots] if first_slots else [slots]
        self.lanes = [
            Subscription(
                self.loop, [self._instance(size) for _ in range(workers)], self._work, delivery or Delivery()
            )
            for size in lanes
        ]
        self._queue: TaskQueue = Lanes(*self.lanes) if len(self.lanes) == 2 else self.lanes[0]
        self.workers = [instance.services for lane in self.lanes for instance in lane.instances]
        for worker in self.workers:
            worker.services = replace(worker.services, queue=self._queue)
        for name in accounts:
            self._connect(name)

    def run(self, seconds: float = 3600, *, ticks: int = 1) -> Run:
        """Ticks and all that comes of them; returns the first one's run."""
        services = self.workers[0].services
        for turn in range(ticks):
            at = START + timedelta(seconds=turn * TICK_S)
            tick = partial(start_tick, services, job="sync", schedule_time=at, requested_by="scheduler")
            self.loop.at(turn * TICK_S, partial(self.loop.spawn, tick, Process()))
        self.loop.run(seconds, steps=20_000_000)
        snapshot = self.store.get(ids.run_path(ids.tick_run_id(START, "sync")))
        assert snapshot is not None
        return from_document(Run, snapshot.data)

    def _instance(self, slots: int) -> Instance[Worker]:
        process = Process()
        pool = Pool(self.loop, process, wiring._OVERLAPPING)
        services = Services(
            settings=self._settings,
            store=SlowStore(self.loop, self.store),
            queue=ListQueue(),  # until the lanes are made
            secrets=MemorySecrets(default="{}"),
            clock=SimClock(self.loop, process),
            connectors={"shopify": self._connector()},
            executor=pool,
        )
        return Instance(Worker(services, pool), slots)

    def _work(self, at: Worker, message: Message, done: Callable[[bool], None]) -> None:
        def body() -> None:
            begun = self.loop.now_s
            succeeded = True
            try:
                handle.handle(at.services, message)
            except SyncError as error:
                self.seen.refused.append(str(error))
                succeeded = False
            self.seen.handled_s.append((self.loop.now_s - begun, message))
            if succeeded:
                self.seen.handled_at_s[message.run_id, message.connection_id] = self.loop.now_s
            done(succeeded)

        self.loop.spawn(body, Process())

    def _connect(self, name: str) -> None:
        document = {
            "organization_id": "org",
            "marketplace": "shopify",
            "name": name,
            "status": "active",
            "credential": "env:NONE",
            "settings": {},
            "streams": ["orders"],
            "created_at": START,
            "updated_at": START,
        }
        self.store.commit([Put(ids.connection_path(name), document)])

    def _connector(self) -> AnyConnector:
        stream = Stream(
            name="orders",
            listing=Listing.INCREMENTAL,
            fetch=self._fetch,
            normalize=normalize,
            record_id=lambda raw: msgspec.json.decode(raw, type=Row).id,
            version=1,
            age=timedelta(minutes=2),
            durable_token=True,
            ordered=True,
            remembers_all=False,
        )
        return Connector(
            marketplace="shopify",
            settings=NoSettings,
            credential=NoCredential,
            access=OPEN_TO_ALL,
            streams={"orders": stream},
            epoch=START - timedelta(days=30),
            open=_open,
            check=lambda _: "plant",
            personal_fields=frozenset(),
        )

    def _fetch(self, session: AnySession, window: Window, token: str | None) -> Page:
        name = session.client.connection_id  # type: ignore[attr-defined] # the simulated client's own
        account = self.accounts[name]
        self.seen.calls[name] += 1
        self.loop.sleep(account.page_s)
        start = int(token or 0)
        stop = min(start + PAGE_ROWS, account.orders)
        self.seen.rows[name] += stop - start
        rows = [Row(id=f"o{n}", updated_at=START - timedelta(hours=1)) for n in range(start, stop)]
        return Page([msgspec.json.encode(row) for row in rows], str(stop) if stop < account.orders else None)

    def _note_task(self, writes: Sequence[Write], _: Mapping[str, Document | None]) -> None:
        for write in writes:
            parts = write.path.split("/")
            if len(parts) == 4 and parts[2] == "tasks" and isinstance(write, Create | Put):
                self.seen.done_s[parts[3]] = self.loop.now_s
                self.seen.ended.append((parts[1], parts[3], dict(write.data), self.loop.now_s))


def _open(opening: SessionRequest) -> AnySession:
    client: Any = FakeClient(opening.connection_id, clock=opening.clock, sleep=opening.wait)
    return Session(client=client, settings=None)
