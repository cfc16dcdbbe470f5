"""A frozen release's store under the code of today: opened, and worked through the worker's real edge."""

from __future__ import annotations

import gzip
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import msgspec
import urllib3
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from orchestrator import wiring
from orchestrator.adapters.embedded import delivery, queue
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalQueue, QueueCounts
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.model.messages import Message
from orchestrator.model.records.document import SCHEMA
from orchestrator.ports import DocumentStore
from tests.edge.conftest import served
from tests.marketplaces.conformance.case import every
from tests.system.released.scene import (
    Contents,
    Frozen,
    Scene,
    Sellers,
    Wire,
    change,
    normalizers,
    scene,
    sellers,
)
from tests.system.released.wire import embedded

RELEASES = Path(__file__).parent
_DATABASE = "(default)"
_IMPORT_TIMEOUT_S = 60.0
#: Real seconds that a stuck delivery may take before the test gives up.
_STUCK_S = 120.0
_MANY = 2_000


@dataclass(frozen=True, slots=True)
class Release:
    """One release's folder."""

    folder: Path

    @property
    def contents(self) -> Contents:
        """The list of its contents."""
        return msgspec.json.decode((self.folder / "contents.json").read_bytes(), type=Contents)

    @property
    def messages(self) -> dict[str, Frozen]:
        """One message of each kind."""
        return msgspec.json.decode((self.folder / "messages.json").read_bytes(), type=dict[str, Frozen])

    def unpack(self, name: str, path: Path) -> Path:
        """A copy of one of its SQLite files that a test may change."""
        target = path / name
        target.write_bytes(gzip.decompress((self.folder / f"{name}.gz").read_bytes()))
        return target

    def embedded_store(self, path: Path) -> SqliteStore:
        """A copy of its embedded store."""
        return SqliteStore(self.unpack("store.db", path))

    def firestore(self, host: str, project: str, path: Path) -> FirestoreStore:
        """Its export in a project of an emulator that runs already.

        The emulator does the same at its start with `--import-data`; this way it needs no start of its own.
        """
        export = path / "export"
        shutil.copytree(self.folder / "firestore-export", export)
        for output in export.rglob("output-*.gz"):
            output.with_suffix("").write_bytes(gzip.decompress(output.read_bytes()))
            output.unlink()
        (metadata,) = export.glob("*.overall_export_metadata")
        answer = urllib3.request(
            "POST",
            f"http://{host}/emulator/v1/projects/{project}:import",
            json={
                "database": f"projects/{project}/databases/{_DATABASE}",
                "export_directory": str(metadata),
            },
            timeout=_IMPORT_TIMEOUT_S,
        )
        assert answer.status == 200, answer.data
        return FirestoreStore(project=project, database=_DATABASE, emulator_host=host)


RELEASED = [Release(folder.parent) for folder in sorted(RELEASES.glob("v*/contents.json"))]


@dataclass
class Replay:
    """The release's world, going on from the moment at which it was frozen."""

    release: Release
    scene: Scene
    sellers: Mapping[str, Sellers]
    edge: FlaskClient

    def is_unchanged(self, connection_id: str, stream: str) -> bool:
        """Whether the stream's documents have the release's form: then its records and windows stand."""
        marketplace = connection_id.partition("-")[0]
        contents = self.release.contents
        is_same = normalizers()[marketplace].get(stream) == contents.normalizers[marketplace][stream]
        return is_same and contents.schema == SCHEMA

    def post(self, wire: Wire) -> None:
        """Bring one request to the worker, which has to acknowledge it."""
        answer = self.edge.post("/", data=wire.body.encode(), headers=wire.headers)
        assert answer.status_code == 200, (answer.status_code, wire.body)

    def deliver(self, message: Message) -> None:
        """Bring one message to the worker as the embedded queue does."""
        self.post(embedded(message, self.scene.clock.now()))

    def drain(self) -> None:
        """Deliver until no message waits."""
        queue = self.scene.queue
        for _ in range(_MANY):
            if not queue.messages:
                return
            self.deliver(queue.messages.pop(0))
        raise AssertionError("messages beget messages for ever")

    def release_held(self) -> None:
        """Let time pass until each message that was put off may be delivered, and deliver it."""
        clock, queue = self.scene.clock, self.scene.queue
        while queue.held:
            queue.held.sort(key=lambda held: held[0])
            not_before, message = queue.held.pop(0)
            clock.advance(max(0.0, (not_before - clock.now()).total_seconds()))
            self.deliver(message)
            self.drain()

    def tick(self, after_s: float) -> str:
        """A tick some time later and all that comes of it; returns the run."""
        self.scene.clock.advance(after_s)
        run_id = self.scene.tick()
        self.drain()
        return run_id


@contextmanager
def replaying(
    release: Release, store: DocumentStore, names: tuple[str, ...] | None = None
) -> Iterator[Replay]:
    """Go on with a release's store, with sandboxes of these marketplaces or of all of them."""
    found = scene(store, release.contents.frozen_at)
    with ExitStack() as stack:
        running = stack.enter_context(sellers(found.clock, names))
        for each in running.values():
            change(each.small)
        found.point(running)
        stack.enter_context(patch.object(wiring, "build", lambda *_, **__: found.services))
        yield Replay(release, found, running, served("sync_worker"))


@contextmanager
def queue_time(now: Callable[[], datetime]) -> Iterator[None]:
    """The embedded queue goes by this clock; nothing else does, so that a client's time-outs stay real."""
    virtual = SimpleNamespace(time=lambda: now().timestamp(), monotonic=time.monotonic)
    with patch.object(queue, "time", virtual), patch.object(delivery, "time", virtual):
        yield


@contextmanager
def delivering(path: Path, replay: Replay) -> Iterator[Callable[[], QueueCounts]]:
    """The release's embedded queue, delivering to the worker's edge over HTTP; its clock is the scene's.

    Yields a function that waits until each due message was delivered, and counts the others.
    """
    server = make_server("127.0.0.1", 0, replay.edge.application)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    with queue_time(replay.scene.clock.now):
        thread.start()
        queue = LocalQueue(
            replay.release.unpack("store-queue.db", path),
            f"http://127.0.0.1:{server.server_port}",
            delivery=Delivery(concurrency=1, max_attempts=1),
        )
        try:
            queue.start()
            yield lambda: _idle(queue)
        finally:
            queue.close()
            server.shutdown()
            server.server_close()
            thread.join()


def _idle(queue: LocalQueue) -> QueueCounts:
    ends_at = time.monotonic() + _STUCK_S
    while not queue.idle():
        assert time.monotonic() < ends_at, queue.counts()
        time.sleep(0.005)
    return queue.counts()


def queued(release: Release, path: Path) -> QueueCounts:
    """The messages that wait in the release's embedded queue when it is frozen."""
    at = release.contents.frozen_at
    with queue_time(lambda: at):
        queue = LocalQueue(release.unpack("store-queue.db", path), "http://127.0.0.1:9", delivers=False)
        try:
            return queue.counts()
        finally:
            queue.close()


def versions(store: DocumentStore, connection_id: str) -> dict[str, object]:
    """The versions of a connection's records by path: one that is written again has another."""
    return {
        found.path: found.version
        for stream in ("orders", "products", "inventory")
        for found in every(store, f"connections/{connection_id}/{stream}")
    }
