"""One history: ticks, workers, operators and a changing market, with faults, and what must hold after it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from orchestrator import ids, pages, pausing, worker
from orchestrator.errors import QueueUnavailable, StoreUnavailable, SyncError
from orchestrator.messages import Message
from orchestrator.model import STREAMS, Run, Shard, SyncState, Task, TaskTotals, from_document
from orchestrator.ports import Document, Put, Snapshot, Write
from orchestrator.runs import TriggerRequest, cancel_run, retry_run, start_manual, start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.simulation.faulty import Faults, NoSecrets, SimQueue, SimStore
from tests.simulation.loop import START, Killed, Loop, Process, SimClock, SimExecutor, chance
from tests.simulation.market import Behaviour, Market
from tests.simulation.memory import MemoryStore, Violation, Watch

TICK_S = 900
MARKETPLACES = ("shopify", "takealot")
SETTINGS = Settings.from_environment(
    {"ENVIRONMENT": "development", "SYNC_STORE": "sqlite:unused", "SYNC_QUEUE": "local:http://127.0.0.1:9"}
)


class History:
    """Everything that happens for one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = Loop(seed)
        self.rng = random.Random(seed)
        self.store = MemoryStore()
        Watch(self.store)
        self.store.watchers.append(self._nothing_is_missing)
        self.faults = self._choose_faults()
        self.market = self._choose_market()
        self.connections = [f"c{n}" for n in range(self.rng.randint(1, 4))]
        self.ticks: list[datetime] = []
        self.kills = self.deliveries = 0
        for connection_id in self.connections:
            self._connect(connection_id)

    # What the seed chooses

    def _choose_faults(self) -> Faults:
        rng = self.rng

        def some(most: float) -> float:
            return rng.uniform(0, most) if chance(rng, 0.5) else 0.0

        return Faults(
            killed=some(0.12),
            unavailable=some(0.06),
            ambiguous=some(0.1),
            resent=some(0.1),
            unpublished=some(0.1),
            duplicated=some(0.5),
            delayed=some(0.4),
            lost=some(0.12),
            skew_s=rng.choice([0.0, 5.0, 30.0]),
        )

    def _choose_market(self) -> Market:
        rng = self.rng

        def some(most: float) -> float:
            return rng.uniform(0, most) if chance(rng, 0.4) else 0.0

        return Market(
            loop=self.loop,
            page_size=rng.randint(1, 4),
            counted=chance(rng, 0.5),
            durable=chance(rng, 0.7),
            ordered=chance(rng, 0.6),
            behaviour=Behaviour(
                unavailable=some(0.1),
                short_wait=some(0.1),
                long_wait=some(0.08),
                slow=some(0.15),
                expired=some(0.1),
                refused=some(0.02),
                defect=some(0.03),
                repeated=some(0.2),
            ),
        )

    def _connect(self, connection_id: str) -> None:
        rng = self.rng
        document: dict[str, Any] = {
            "organization_id": "org",
            "marketplace": rng.choice(MARKETPLACES),
            "name": connection_id,
            "status": "active",
            "credential": "env:NONE",
            "settings": {},
            "streams": list(STREAMS[: rng.randint(1, 3)]),
            "backfill_since": None,
            "store_buyer_pii": False,
            "created_at": START,
            "updated_at": START,
        }
        self.store.commit([Put(ids.connection_path(connection_id), document)])
        for stream in STREAMS:
            for n in range(rng.randint(0, 8)):
                self.market.add(connection_id, stream, ago=timedelta(minutes=7 * (n + 1)))

    # Faults

    def happens(self, probability: float) -> bool:
        """Whether a fault happens now."""
        return probability > 0 and chance(self.loop.rng, probability)

    def perhaps_die(self, process: Process) -> None:
        """Kill the process that is about to do something, or has just done it."""
        if self.happens(self.faults.killed):
            self.kills += 1
            process.is_dead = True
            raise Killed

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = Faults()
        self.market.behaviour = Behaviour()

    # Processes

    def services(self, process: Process) -> Services:
        """The world as one process sees it."""
        connectors = {name: self.market.connector(name) for name in MARKETPLACES}
        return Services(
            settings=SETTINGS,
            store=SimStore(self, process),
            queue=SimQueue(self, process),
            secrets=NoSecrets(),
            clock=SimClock(self.loop, process),
            connectors=connectors,
            executor=SimExecutor(self.loop, process),
            random=random.Random(self.loop.rng.getrandbits(64)),
        )

    def process(self) -> Process:
        """A new process, whose clock may be off."""
        return Process(self.loop.rng.uniform(-self.faults.skew_s, self.faults.skew_s))

    def enqueue(self, message: Message, attempt: int = 1) -> None:
        """A message on its way: late, twice, or never."""
        faults = self.faults
        if self.happens(faults.lost):
            return
        for _ in range(2 if self.happens(faults.duplicated) else 1):
            delay = (
                self.loop.rng.uniform(30, 400)
                if self.happens(faults.delayed)
                else self.loop.rng.uniform(0, 2)
            )
            self.loop.at(delay, lambda: self._deliver(message, attempt))

    def _deliver(self, message: Message, attempt: int) -> None:
        """One push: its end acknowledges, anything else has it delivered again."""
        self.deliveries += 1
        process = self.process()
        settled: list[bool] = []

        def again(after_s: float) -> None:
            if not settled and attempt < 20:
                settled.append(False)
                self.loop.at(after_s, lambda: self._deliver(message, attempt + 1))

        def body() -> None:
            try:
                worker.handle(self.services(process), message)
            except Killed:
                again(min(600, 10 * 2**attempt))
                raise
            except SyncError:
                again(min(600, 10 * 2**attempt))
                return
            settled.append(True)

        self.loop.spawn(body, process)
        self.loop.at(600, lambda: again(0))

    def request(self, ask: Callable[[Services], object], *, tries: int = 1) -> None:
        """An HTTP request; a refused one may be repeated, as Cloud Scheduler does."""
        process = self.process()

        def body() -> None:
            try:
                ask(self.services(process))
            except (StoreUnavailable, QueueUnavailable, Killed):
                if tries > 1:
                    self.loop.at(5, lambda: self.request(ask, tries=tries - 1))
            except SyncError:
                return

        self.loop.spawn(body, process)

    # Events

    def tick(self) -> None:
        """The scheduler's tick, perhaps delivered twice at once."""
        moment = (START + timedelta(seconds=self.loop.now_s)).replace(microsecond=0)
        self.ticks.append(moment)

        def ask(services: Services) -> object:
            return start_tick(services, job="sync", schedule_time=moment, requested_by="scheduler")

        for _ in range(2 if self.happens(self.faults.duplicated) else 1):
            self.request(ask, tries=6)

    def _operator(self) -> None:
        """A person does something."""
        rng = self.loop.rng
        connection_id = rng.choice(self.connections)
        runs = sorted(self.store.query("runs", limit=100), key=lambda snapshot: snapshot.id)
        run_id = rng.choice(runs).id if runs else "none"
        ask: Callable[[Services], object] = rng.choice(
            [
                lambda services: cancel_run(services, run_id, requested_by="person"),
                lambda services: retry_run(services, run_id, requested_by="person"),
                lambda services: pausing.pause(services, connection_id),
                lambda services: pausing.resume(services, connection_id),
                lambda services: start_manual(
                    services,
                    TriggerRequest(connection_ids=[connection_id], full=chance(rng, 0.5)),
                    requested_by="person",
                    idempotency_key=None,
                ),
            ]
        )
        self.request(ask)

    def play(self) -> None:
        """Ticks with faults, then ticks without, then the verdict."""
        rng = self.rng
        stormy = rng.randint(2, 7)
        for n in range(stormy):
            self.loop.at(n * TICK_S, self.tick)
            for _ in range(rng.randint(0, 6)):
                self.loop.at(n * TICK_S + rng.uniform(0, TICK_S), self._change)
            for _ in range(rng.choice([0, 0, 1, 1, 2])):
                self.loop.at(n * TICK_S + rng.uniform(0, TICK_S), self._operator)
        self.loop.run(stormy * TICK_S - 1)
        self.calm()
        self._resume_all()
        horizon = self.loop.now_s
        # Deadlines pass, deferrals come due, refused credentials are tried again, a reconcile and one more.
        for after in (0, 900, 5000, 8000, 26 * 3600, 26 * 3600 + 900, 52 * 3600, 52 * 3600 + 900):
            self.loop.at(after, self.tick)
        self.loop.run(horizon + 60 * 3600)
        self.judge()

    def _change(self) -> None:
        rng = self.loop.rng
        self.market.change(rng, rng.choice(self.connections), rng.choice(STREAMS))

    def _resume_all(self) -> None:
        process = Process()
        services = self.services(process)
        for connection_id in self.connections:
            self.loop.spawn(partial(pausing.resume, services, connection_id), process)

    # What must hold

    def _nothing_is_missing(self, writes: Sequence[Write], before: Mapping[str, Document | None]) -> None:
        """When `since` moves, everything that changed before it and was visible is in the store."""
        for write in writes:
            parts = write.path.split("/")
            if parts[0] != "sync_state" or len(parts) != 2:
                continue
            old = before[write.path] or {"streams": {}}
            new = self.store.documents[write.path][1]
            for stream in ("orders", "inventory"):
                since = new["streams"].get(stream, {}).get("cursor", {}).get("since")
                was = old["streams"].get(stream, {}).get("cursor", {}).get("since")
                if since is not None and since != was:
                    self._complete_before(parts[1], stream, since)

    def _complete_before(self, connection_id: str, stream: str, since: datetime) -> None:
        for row in self.market.rows(connection_id, stream).values():
            if row.changed_at >= since or row.is_late or row.broken or stream == "inventory":
                continue
            found = self.store.documents.get(f"connections/{connection_id}/{stream}/{row.id}")
            if found is None or found[1]["marketplace_status"] != str(row.value):
                raise Violation(f"{connection_id}: {row} is missing, and since is {since}")

    def judge(self) -> None:
        """After all has come to rest."""
        runs = self.store.query("runs", limit=1000)
        for snapshot in runs:
            self.judge_run(snapshot)
        for moment in self.ticks:
            self._is(
                self.store.get(ids.run_path(ids.tick_run_id(moment, "sync"))) is not None,
                f"no run of {moment}",
            )
        for connection_id in self.connections:
            self._judge_connection(connection_id)

    def judge_run(self, snapshot: Snapshot) -> None:
        """The run is over, planned each connection once, and its counts are its tasks'."""
        run_id, run = snapshot.id, from_document(Run, snapshot.data)
        shards = self.store.query(f"runs/{run_id}/shards", limit=1000)
        tasks = [
            from_document(Task, task.data) for task in self.store.query(f"runs/{run_id}/tasks", limit=1000)
        ]
        planned = [name for shard in shards for name in from_document(Shard, shard.data).ids]
        self._is(run.status.is_final, f"{run_id} never ends: {run.status}")
        self._is(len(planned) == len(set(planned)), f"{run_id} plans a connection twice")
        self._is(
            sorted(planned) == sorted(task.connection_id for task in tasks),
            f"{run_id}: tasks are not the plan",
        )
        counted = TaskTotals(
            total=len(tasks),
            **{
                status: sum(task.status.value == status for task in tasks)
                for status in ("succeeded", "failed", "skipped")
            },
        )
        self._is(run.tasks == counted, f"{run_id} counts {run.tasks}, and its tasks are {counted}")
        written = sum(counts.written for task in tasks for counts in task.streams.values())
        self._is(
            run.records.written == written, f"{run_id} counts {run.records.written} written, tasks {written}"
        )
        late = timedelta(seconds=2 * TICK_S + 3600)
        if run.finished_at is not None and not run_id.startswith("m-") and run.trigger == "scheduler":
            quiet = run.started_at > START + timedelta(hours=1, minutes=30)
            self._is(not quiet or run.finished_at <= run.deadline_at + late, f"{run_id} ended too late")

    def _judge_connection(self, connection_id: str) -> None:
        snapshot = self.store.get(ids.state_path(connection_id))
        self._is(snapshot is not None, f"{connection_id} was never synced")
        assert snapshot is not None
        state = from_document(SyncState, snapshot.data)
        self._is(state.open is None and state.lease.owner is None, f"{connection_id} is still held: {state}")
        connection = self.store.get(ids.connection_path(connection_id))
        assert connection is not None
        for stream in connection.data["streams"]:
            self._judge_stream(connection_id, stream)

    def _judge_stream(self, connection_id: str, stream: str) -> None:
        """The store holds what is true at the marketplace, once, and nothing else that is not marked."""
        truth = self.market.rows(connection_id, stream)
        found = self.store.query(f"connections/{connection_id}/{stream}", limit=10_000)
        stored = {
            snapshot.data["id"]: snapshot.data["marketplace_status"]
            for snapshot in found
            if snapshot.data["deleted_at"] is None
        }
        for row in truth.values():
            if row.broken:
                reject = f"connections/{connection_id}/rejects/{stream}-{row.id}"
                self._is(
                    reject in self.store.documents, f"{connection_id}: {row} is neither stored nor rejected"
                )
                stored.pop(row.id, None)
                continue
            value = stored.pop(row.id, None)
            self._is(value == str(row.value), f"{connection_id}/{stream}: {row} is stored as {value}")
        self._is(not stored, f"{connection_id}/{stream}: {stored} is not at the marketplace, nor marked")

    def _is(self, holds: bool, message: str) -> None:
        if not holds:
            raise Violation(message)


def play(seed: int) -> History:
    """Play one history; raises Violation, with the seed, where something that must hold does not."""
    history = History(seed)
    joined, pages.JOINED_RECORDS = pages.JOINED_RECORDS, 1
    try:
        history.play()
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    finally:
        pages.JOINED_RECORDS = joined
    return history


__all__ = ["History", "Violation", "play"]
