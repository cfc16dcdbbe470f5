"""`python -m tests.system.released.freeze [FOLDER]`: freeze a store and a queue of the running code.

`v0_1/README.md` describes the files, and says when to make the next ones.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sqlite3
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import msgspec
import urllib3

from local.google.emulators import start_emulators
from local.processes import Processes
from orchestrator import log_context
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.errors import QueueUnavailable
from orchestrator.handle import handle
from orchestrator.marketplaces.spec import AnyConnector, AnySession, AnyStream, Page, Window
from orchestrator.model import ids
from orchestrator.model.audit import Actor, Face
from orchestrator.model.messages import Message
from orchestrator.model.records.document import SCHEMA
from orchestrator.operators import connections
from orchestrator.operators.pause import pause
from orchestrator.ports import Put
from orchestrator.runs.cancel import cancel_run
from orchestrator.runs.heal import heal
from orchestrator.runs.start import TriggerRequest, retry_run, start_manual
from orchestrator.sync import digest as digests
from tests.marketplaces.conformance.case import every
from tests.marketplaces.conformance.market import Market, Sandbox
from tests.support.clocks import START
from tests.support.people import ME
from tests.support.queues import ListQueue
from tests.system.released.replay import queue_time
from tests.system.released.scene import (
    HALF_STREAMS,
    NOWHERE,
    ROLES,
    STREAMS,
    TICK_S,
    YOUNGER,
    Contents,
    Scene,
    Sellers,
    change,
    connection_fields,
    documents,
    is_for,
    kind_of,
    normalizers,
    scene,
    sellers,
)
from tests.system.released.wire import frozen

FOLDER = Path(__file__).parent
PROJECT = "released"
EXPORT = "released"
ANN, BEN = Actor("ann@example.test", Face.HTTP), Actor("ben@example.test", Face.HTTP)
#: A slice is short, so that half-read windows of five marketplaces fit into one run's time.
SLICE_S = 20.0
#: A digest of more entries lies in documents of its own.
INLINE_ENTRIES = 28
_TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_DAY_S = 86_400.0
_TIMEOUT_S = 60.0


class Died(BaseException):
    """The worker's process is gone: nothing of it is cleaned up."""


@dataclass
class Story:
    """The events up to the moment at which the store is frozen."""

    scene: Scene
    sellers: dict[str, Sellers]
    #: A stream whose every page takes a whole slice.
    slow: str | None = None
    #: A stream at which the worker dies.
    deadly: str | None = None
    runs: dict[str, str] = field(default_factory=dict)

    def tell(self) -> None:
        """All of it."""
        self.scene.services = replace(
            self.scene.services,
            connectors={name: self._watched(each.market.connector) for name, each in self.sellers.items()},
        )
        self._first_runs()
        self._runs_by_hand()
        self._next_day()
        self._running()
        self._dispatching()

    # Runs that are over

    def _first_runs(self) -> None:
        """A first sync of everything, with a malformed record on each small account, and one without news."""
        for found in self.sellers.values():
            for role in ROLES:
                if role not in {"fresh", "half"}:
                    self._connect(found.market, role)
            found.small.fault(kind="malformed", times=2)
        self.scene.clock.advance(600.0)
        self.runs["partial"] = self.scene.tick()
        self._drain()
        for found in self.sellers.values():
            found.small.mend()
        self.scene.clock.advance(TICK_S)
        self.runs["succeeded"] = self.scene.tick()
        self._drain()
        for found in self.sellers.values():
            change(found.small)

    def _runs_by_hand(self) -> None:
        """One that fails, its retry that fails too, and one that is cancelled before it begins."""
        services = self.scene.services
        refused = TriggerRequest(connection_ids=[f"{name}-refused" for name in self.sellers])
        self.runs["failed"] = start_manual(services, refused, by=ANN, idempotency_key=None).run_id
        self._drain()
        self.runs["retry"] = retry_run(services, self.runs["failed"], by=ANN).run_id
        self._drain()
        steady = TriggerRequest(
            connection_ids=[f"{name}-steady" for name in self.sellers], streams=["orders"]
        )
        self.runs["cancelled"] = start_manual(
            services, steady, by=ANN, idempotency_key=ids.key_of(ANN.name, "k-1")
        ).run_id
        self._take(lambda message: message.kind == "dispatch")
        cancel_run(services, self.runs["cancelled"], by=BEN)
        self._take(lambda message: message.kind == "cancel")
        self._drain()

    def _next_day(self) -> None:
        """A run that lists everything again and finds the sellers' changes; some are paused after it."""
        self.scene.clock.advance(_DAY_S)
        self.runs["next_day"] = self.scene.tick()
        self._drain()
        for name in self.sellers:
            pause(self.scene.services, f"{name}-paused", by=ME)

    # Runs that are not

    def _running(self) -> None:
        """Some tasks are over, some between slices, some put off, some with a dead worker, some not begun."""
        self.scene.clock.advance(TICK_S)
        for found in self.sellers.values():
            self._connect(found.market, "half")
            self._connect(found.market, "fresh")
        self.runs["running"] = self.scene.tick()
        self._take(lambda message: message.kind == "dispatch")
        self._take(lambda message: is_for(message, "steady", "refused"))
        for name, found in self.sellers.items():
            with self._limited(found.small):
                self._take_of(f"{name}-deferred")
            self.slow = HALF_STREAMS[name][-1]
            self._take_of(f"{name}-half")
            self.slow = None
            self.deadly = STREAMS["dead"][-1]
            self._take_of(f"{name}-dead")
            self.deadly = None

    def _dispatching(self) -> None:
        """One marketplace is expanded, one was published in vain, three were not begun."""
        clock, queue = self.scene.clock, self.scene.queue
        clock.advance(
            (self.scene.run(self.runs["running"]).started_at - clock.now()).total_seconds() + TICK_S
        )
        self.runs["dispatching"] = run_id = self.scene.tick()
        self._take(lambda message: message.kind == "dispatch" and message.marketplace == "amazon")
        queue.error = QueueUnavailable("the queue did not answer")
        self._take(lambda message: message.kind == "dispatch" and message.marketplace == "ebay")
        queue.error = None
        assert self.scene.run(run_id).dispatch["ebay"].n == 1
        self._connect(self.sellers["ebay"].market, YOUNGER.partition("-")[2])
        clock.advance(30.0)

    # Helpers

    def _connect(self, market: Market, role: str) -> None:
        connection_id = f"{market.name}-{role}"
        url = self.sellers[market.name].of(connection_id).url
        settings = {**market.settings, "base_url": url}
        fields = connection_fields(market, role)
        connections.add(self.scene.services, connection_id, by=ME, settings=settings, **fields)

    def _take(self, wanted: Callable[[Message], bool]) -> None:
        """Deliver the messages that are wanted now; one that is not acknowledged stays in the queue."""
        queue = self.scene.queue
        taken = [message for message in queue.messages if wanted(message)]
        queue.messages = [message for message in queue.messages if not wanted(message)]
        for message in taken:
            try:
                handle(self.scene.services, message)
            except (Died, QueueUnavailable):
                queue.messages.append(message)

    def _take_of(self, connection_id: str) -> None:
        self._take(lambda message: message.connection_id == connection_id)

    def _drain(self) -> None:
        while self.scene.queue.messages:
            self._take(lambda _: True)

    @contextmanager
    def _limited(self, sandbox: Sandbox) -> Iterator[None]:
        """The marketplace asks for half an hour."""
        sandbox.fault(status=429, retry_after="1800")
        yield
        sandbox.mend()

    def _watched(self, connector: AnyConnector) -> AnyConnector:
        return replace(
            connector,
            streams={name: replace(it, fetch=self._fetch(it)) for name, it in connector.streams.items()},
        )

    def _fetch(self, stream: AnyStream) -> Callable[[AnySession, Window, str | None], Page]:
        def fetch(session: AnySession, window: Window, token: str | None) -> Page:
            if stream.name == self.deadly:
                raise Died
            page = stream.fetch(session, window, token)
            if stream.name == self.slow:
                self.scene.clock.advance(SLICE_S)
            return page

        return fetch


def freeze(folder: Path) -> None:
    """Tell the story, and write a release's folder, except for its README."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        store = SqliteStore(path / "store.db")
        told = scene(store, START, {"SLICE_SECONDS": str(int(SLICE_S))})
        # So few records do not outgrow a state document; those of the larger accounts are to.
        with sellers(told.clock) as found, patch.object(digests, "INLINE_ENTRIES", INLINE_ENTRIES):
            story = Story(told, found)
            story.tell()
            for connection in every(store, "connections"):
                told.set_url(connection, NOWHERE)
        for snapshot in documents(store):
            assert snapshot.path.startswith("connections/") or "127.0.0.1" not in repr(snapshot.data)
        held = len(told.queue.messages) + len(told.queue.held)
        _write_contents(folder, store, story, held)
        _write_export(folder, store, path)
        _write_queue(path / "store-queue.db", told)
        store.close()
        for name in ("store.db", "store-queue.db"):
            _write_file(path / name, folder / f"{name}.gz")
        _write_messages(folder, story, SqliteStore(path / "store.db"))


def _write_contents(folder: Path, store: SqliteStore, story: Story, queued: int) -> None:
    project = tomllib.loads((FOLDER.parents[2] / "pyproject.toml").read_text())["project"]
    counts = Counter(kind_of(snapshot.path) for snapshot in documents(store))
    contents = Contents(
        release=project["version"],
        frozen_at=story.scene.clock.now(),
        documents=dict(sorted(counts.items())),
        runs=story.runs,
        queued=queued,
        normalizers=normalizers(),
        schema=SCHEMA,
    )
    _write_json(folder / "contents.json", contents)


def _write_export(folder: Path, store: SqliteStore, scratch: Path) -> None:
    """The same documents, as Google's Firestore emulator exports them."""
    export = scratch / "export"
    export.mkdir()
    with Processes(scratch / "logs") as processes:
        host = start_emulators(processes).firestore_host
        firestore = FirestoreStore(project=PROJECT, database="(default)", emulator_host=host)
        writes = [Put(snapshot.path, snapshot.data) for snapshot in documents(store)]
        for start in range(0, len(writes), 200):
            firestore.commit(writes[start : start + 200])
        firestore.close()
        answer = urllib3.request(
            "POST",
            f"http://{host}/emulator/v1/projects/{PROJECT}:export",
            json={
                "database": f"projects/{PROJECT}/databases/(default)",
                "export_directory": str(export),
                "export_name": EXPORT,
            },
            timeout=_TIMEOUT_S,
        )
        assert answer.status == 200, answer.data
    target = folder / "firestore-export"
    shutil.rmtree(target, ignore_errors=True)
    (made,) = export.iterdir()
    shutil.copytree(made, target)
    for output in list(target.rglob("output-*")):
        output.with_name(f"{output.name}.gz").write_bytes(gzip.compress(output.read_bytes(), 9, mtime=0))
        output.unlink()


def _write_queue(path: Path, told: Scene) -> None:
    """The waiting messages, in a file of the embedded queue; its times are the scene's."""
    queue = LocalQueue(path, NOWHERE, delivers=False)
    with queue_time(told.clock.now):
        queue.publish(told.queue.messages)
        for not_before, message in told.queue.held:
            queue.publish([message], not_before=not_before)
    queue.close()


def _write_file(path: Path, target: Path) -> None:
    """A SQLite file, whole and compressed; the same content gives the same bytes."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    target.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def _write_messages(folder: Path, story: Story, store: SqliteStore) -> None:
    """One message of each kind; those that do not wait in the queue are made by later events."""
    told, running = story.scene, story.runs["running"]
    waiting, at = list(told.queue.messages), told.clock.now()
    told.queue.messages = []
    told.services = replace(told.services, store=store)
    cancel_run(told.services, running, by=BEN)
    cancels = told.queue.messages
    store.close()
    sweeps = _sweeps(folder, told)
    found = {
        "dispatch": _first(waiting, kind="dispatch", run_id=story.runs["dispatching"], marketplace="shopify"),
        "task-first": _first(waiting, kind="task", run_id=running, connection_id="shopify-fresh", slice=0),
        "task-continuation": _first(
            waiting, kind="task", run_id=running, connection_id="shopify-half", slice=1, heal=False
        ),
        "task-heal": _first(waiting, kind="task", run_id=running, connection_id="shopify-dead", heal=True),
        "sweep": _first(sweeps, kind="sweep", run_id=running, shard="shopify-000000"),
        "cancel": _first(cancels, kind="cancel", run_id=running, shard="shopify-000000"),
        "heal": Message(kind="heal"),
    }
    with log_context.bind(traceparent=_TRACEPARENT):
        _write_json(folder / "messages.json", {name: frozen(message, at) for name, message in found.items()})


def _sweeps(folder: Path, told: Scene) -> list[Message]:
    """The messages that heal publishes once every run of the frozen store is past its deadline."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "store.db"
        path.write_bytes(gzip.decompress((folder / "store.db.gz").read_bytes()))
        store, queue = SqliteStore(path), ListQueue()
        told.clock.advance(_DAY_S)
        heal(replace(told.services, store=store, queue=queue), "")
        store.close()
        return queue.messages


def _first(messages: list[Message], **fields: object) -> Message:
    return next(
        message
        for message in messages
        if all(getattr(message, name) == value for name, value in fields.items())
    )


def _write_json(path: Path, content: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER / "v0_1")
    freeze(parser.parse_args().folder)
