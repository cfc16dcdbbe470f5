"""The documented consumer keeps an exact copy on Google's emulators, whatever happens to its events."""

from __future__ import annotations

import importlib.util
import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from google.cloud import firestore
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.google.emulators import Emulators
from local.processes import ROOT
from orchestrator.adapters.google.change_feed import PubSubChanges
from orchestrator.adapters.google.channels import emulator_channel
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.marketplaces.spec import Listing
from orchestrator.operators import connections, pause
from orchestrator.ports import Create, Put, Query, Update, Write, Written
from tests.adapters.test_queue import subscribe
from tests.support.emulators import fresh_project
from tests.support.people import ME
from tests.support.stores import Killed, WrappedStore
from tests.support.world import World

pytestmark = [
    pytest.mark.emulator,
    # Without it the emulator waits for events that do not come.
    pytest.mark.filterwarnings("ignore:The return_immediately flag is deprecated"),
]

STREAMS = ("orders", "products", "inventory")


class Stamped(WrappedStore):
    """Gives each written record the moment of its write, if it has none."""

    def __init__(self, world: World, behind: FirestoreStore) -> None:
        super().__init__(behind)
        self._world = world

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Stamp, and commit."""
        return super().commit([self._stamped(write) for write in writes])

    def _stamped(self, write: Write) -> Write:
        parts, now = write.path.split("/"), self._world.clock.now()
        if parts[0] != "connections" or len(parts) != 4 or parts[2] not in STREAMS:
            return write
        if isinstance(write, Put | Create):
            return replace(write, data={"synced_at": now, **write.data})
        return (
            replace(write, fields={"synced_at": now, **write.fields}) if isinstance(write, Update) else write
        )


class Reader:
    """The documented program, and the subscription that it reads."""

    def __init__(self, emulators: Emulators, project: str, path: Path) -> None:
        self.example = _example()
        self._store = firestore.Client(project)
        self._subscription = f"projects/{project}/subscriptions/work"
        channel = emulator_channel(emulators.pubsub_host)
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        self._path = path
        self._random = random.Random(3)

    def read(self) -> int:
        """Take every event that waits, in any order; some come twice, and some readers are killed."""
        events: list[dict[str, Any]] = []
        while found := self._pull():
            events += found
        events += self._random.sample(events, len(events) // 2)
        self._random.shuffle(events)
        while events:
            event = events.pop()
            try:
                self._apply(event, dies=self._random.random() < 0.3)
            except Killed:
                events.insert(self._random.randint(0, len(events)), event)
        return len(events)

    def _pull(self) -> list[dict[str, Any]]:
        # The emulator answers at once if nothing waits.
        answer = self._subscriber.pull(
            subscription=self._subscription, max_messages=100, return_immediately=True, timeout=30.0
        )
        acks = [each.ack_id for each in answer.received_messages]
        if acks:
            self._subscriber.acknowledge(subscription=self._subscription, ack_ids=acks)
        return [json.loads(each.message.data) for each in answer.received_messages]

    def _apply(self, event: dict[str, Any], *, dies: bool) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute(f"CREATE TABLE IF NOT EXISTS records ({self.example.COLUMNS})")
        if dies:
            left = iter(range(self._random.randint(1, 1500)))
            database.set_progress_handler(lambda: next(left, None) is None, 1)
        try:
            self.example.apply(database, self._store, event)
        except sqlite3.OperationalError as error:
            raise Killed from error
        finally:
            database.close()

    def copy(self) -> dict[str, Any]:
        """The copied records' own status, by path."""
        database = sqlite3.connect(self._path)
        rows = database.execute("SELECT connection, stream, id, record FROM records").fetchall()
        database.close()
        return {
            f"connections/{name}/{stream}/{key}": json.loads(record)["marketplace_status"]
            for name, stream, key, record in rows
        }

    def close(self) -> None:
        """Close the connections."""
        self._subscriber.transport.close()
        self._store.close()


def _example() -> ModuleType:
    path = ROOT / "docs" / "examples" / "exact_copy.py"
    spec = importlib.util.spec_from_file_location("exact_copy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Both = tuple[World, Reader]


@pytest.fixture
def both(emulators: Emulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """A world on the emulators, and the reader of its events."""
    for name, value in emulators.variables.items():
        monkeypatch.setenv(name, value)
    project = fresh_project()
    subscribe(emulators.pubsub_host, project, "")
    store = FirestoreStore(project=project, database="(default)", emulator_host=emulators.firestore_host)
    feed = PubSubChanges(project=project, topic="work", emulator_host=emulators.pubsub_host)
    world = World(tmp_path, listings={"inventory": Listing.SNAPSHOT})
    world.store = Stamped(world, store)
    world.services = replace(world.services, store=world.store, changes=feed)
    reader = Reader(emulators, project, tmp_path / "copy.db")
    yield world, reader
    reader.close()
    feed.close()
    store.close()


def stored(world: World) -> dict[str, Any]:
    """What a copy has to hold: the records that are not marked as deleted."""
    return {
        snapshot.path: snapshot.data["marketplace_status"]
        for name in ("a", "b")
        for stream in STREAMS
        for snapshot in world.store.query(Query(f"connections/{name}/{stream}", limit=1000))
        if snapshot.data["deleted_at"] is None
    }


def dying(world: World, commits: int) -> Callable[[Sequence[Write]], list[Written]]:
    """A store's `commit` that kills its process after some commits."""
    commit, left = world.store.commit, [commits]

    def committing(writes: Sequence[Write]) -> list[Written]:
        written = commit(writes)
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return written

    return committing


def run(world: World, chooser: random.Random) -> None:
    """A tick whose workers are killed now and then; their messages are redelivered."""
    world.clock.advance(900)
    world.tick()
    while world.queue.messages:
        message = world.queue.messages.pop(0)
        with pytest.MonkeyPatch.context() as patched:
            if chooser.random() < 0.3:
                patched.setattr(world.store, "commit", dying(world, chooser.randint(1, 4)))
            try:
                world.deliver(message)
            except Killed:
                world.queue.messages.append(message)


def change(world: World, chooser: random.Random, name: str) -> None:
    """Some rows are new, changed, or gone."""
    shop = world.bazaar.shop(name)
    for stream in STREAMS:
        for _ in range(chooser.randint(0, 3)):
            row = f"r{chooser.randint(0, 9)}"
            if stream != "orders" and chooser.random() < 0.4:
                shop.rows.get(stream, {}).pop(row, None)
            else:
                moment = world.clock.now() - timedelta(minutes=5)
                shop.put(stream, row, moment, str(chooser.randint(1, 1000)))


def test_the_copy_is_exact_through_kills_and_duplicates(both: Both) -> None:
    """After each round of changes and events the copy holds what is stored, and nothing else."""
    world, reader = both
    chooser = random.Random(7)
    for name in ("a", "b"):
        world.connect(name, streams=list(STREAMS), reconcile_hours=1)
    for _ in range(8):
        for name in ("a", "b"):
            change(world, chooser, name)
        run(world, chooser)
        run(world, chooser)
        reader.read()

        assert reader.copy() == stored(world)
    assert len(reader.copy()) > 10


def test_a_purge_that_arrives_after_a_second_life_leaves_it_alone(both: Both) -> None:
    """The purge is told, the connection is added again and synced, and only then events are read."""
    world, reader = both
    chooser = random.Random(5)
    for name in ("a", "b"):
        world.connect(name, streams=list(STREAMS), reconcile_hours=1)
        change(world, chooser, name)
    run(world, chooser)
    run(world, chooser)
    reader.read()
    assert reader.copy() == stored(world)

    pause.remove(world.services, "a", by=ME, purge_records=True)
    reader.read()
    assert reader.copy() == stored(world)
    connections.add(
        world.services,
        "a",
        by=ME,
        organization_id="org-1",
        marketplace="shopify",
        name="a",
        credential="env:NONE",
        settings={},
    )
    run(world, chooser)
    pause.remove(world.services, "a", by=ME, purge_records=True)
    connections.add(
        world.services,
        "a",
        by=ME,
        organization_id="org-1",
        marketplace="shopify",
        name="a",
        credential="env:NONE",
        settings={},
    )
    run(world, chooser)
    run(world, chooser)
    reader.read()

    assert reader.copy() == stored(world)
    assert any(path.startswith("connections/a/") for path in reader.copy())
