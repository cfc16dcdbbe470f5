"""The wiring: which adapter a setting chooses, and that the others are not even imported."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator import wiring
from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.embedded.change_feed import LocalChanges
from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google.change_feed import PubSubChanges
from orchestrator.adapters.google.dead_subscription import PubSubDeadLetters
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.adapters.secrets import Secrets
from orchestrator.errors import StoreUnavailable
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.settings import Settings
from tests.support.project import ROOT

EMBEDDED = {
    "ENVIRONMENT": "development",
    "SYNC_STORE": "sqlite:data/store.db",
    "SYNC_QUEUE": "local:http://127.0.0.1:9/",
}
CLOUD = {
    "SYNC_STORE": "firestore",
    "SYNC_QUEUE": "pubsub:work",
    "GOOGLE_CLOUD_PROJECT": "some-project",
}


def _settings(environ: Mapping[str, str]) -> Settings:
    return Settings.from_environment(environ)


def test_embedded_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop gets SQLite and the embedded queue, without a file before the first use of a store."""
    monkeypatch.chdir(tmp_path)

    services = wiring.build(_settings(EMBEDDED), delivers=False)

    assert isinstance(services.store, SqliteStore)
    assert isinstance(services.queue, LocalQueue)
    assert isinstance(services.secrets, Secrets)
    assert isinstance(services.clock, SystemClock)
    assert services.connectors is REGISTRY
    assert list(tmp_path.iterdir()) == []


def test_dead_letters_are_those_of_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line looks into the embedded queue's own file, or at Pub/Sub."""
    monkeypatch.chdir(tmp_path)
    embedded = wiring.dead_letters(_settings(EMBEDDED))
    services = wiring.build(_settings(EMBEDDED), delivers=False)
    services.queue.bury(b"body", reason="reason", attributes={})

    assert isinstance(embedded, LocalDeadLetters)
    assert [message.body for message in embedded.take(10)] == [b"body"]
    assert isinstance(wiring.dead_letters(_settings(CLOUD)), PubSubDeadLetters)


def test_slow_pages_keep_no_other_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many marketplaces are slow, another connection's page is read at once."""
    monkeypatch.chdir(tmp_path)
    services = wiring.build(_settings(EMBEDDED), delivers=False)
    over = threading.Event()
    slow = [services.executor.submit(over.wait, 60) for _ in range(100)]
    read = services.executor.submit(lambda: "a page").result(timeout=300)
    waiting = sum(not each.done() for each in slow)
    over.set()
    services.executor.shutdown()

    assert read == "a page"
    assert waiting == 100


def test_cloud_adapters() -> None:
    """Google Cloud gets Firestore and Pub/Sub, and building them connects to nothing."""
    services = wiring.build(_settings(CLOUD))

    assert isinstance(services.store, FirestoreStore)
    assert isinstance(services.queue, PubSubQueue)


def test_changes_are_told_only_if_they_are_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic on Google Cloud, a consumer's URL on a laptop, and nothing by default."""
    monkeypatch.chdir(tmp_path)
    local = {**EMBEDDED, "SYNC_CHANGES": "local:http://127.0.0.1:9/changes"}
    cloud = {**CLOUD, "SYNC_CHANGES": "pubsub:changes"}

    assert wiring.build(_settings(EMBEDDED), delivers=False).changes is None
    assert isinstance(wiring.build(_settings(local), delivers=False).changes, LocalChanges)
    assert isinstance(wiring.build(_settings(cloud)).changes, PubSubChanges)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gone", ["FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"])
def test_a_command_is_told_that_the_emulators_are_gone(gone: str) -> None:
    """At once, and with the variable; functions, living emulators and the embedded store are not held up."""
    with socket.create_server(("127.0.0.1", 0)) as living, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        hosts = dict.fromkeys(("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"), living)
        variables = {
            name: f"127.0.0.1:{each.getsockname()[1]}" for name, each in {**hosts, gone: dead}.items()
        }
        settings = _settings({**CLOUD, "ENVIRONMENT": "development", **variables})

        with pytest.raises(StoreUnavailable, match=f"^{gone}: nothing listens at .*: the emulators are gone"):
            wiring.build(settings, delivers=False)
        assert isinstance(wiring.build(settings).store, FirestoreStore)
        assert isinstance(
            wiring.build(_settings({**EMBEDDED, **variables}), delivers=False).store, SqliteStore
        )
        alive = _settings(
            {**CLOUD, "ENVIRONMENT": "development", gone: f"127.0.0.1:{living.getsockname()[1]}"}
        )
        assert isinstance(wiring.build(alive, delivers=False).store, FirestoreStore)


@pytest.mark.parametrize(
    ("store", "queue"),
    [
        ("sqlite:data/store.db", "data/store-queue.db"),
        ("sqlite:/data/a.sqlite", "/data/a-queue.sqlite"),
        ("sqlite:plain", "plain-queue"),
        ("firestore", ".local/queue.db"),
    ],
)
def test_the_queue_lies_beside_the_store(store: str, queue: str) -> None:
    """The embedded queue's file is named after the embedded store's, if there is one."""
    settings = _settings({**EMBEDDED, "GOOGLE_CLOUD_PROJECT": "some-project", "SYNC_STORE": store})

    assert wiring.queue_path(settings) == Path(queue)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("environ", "loaded", "absent"),
    [
        (EMBEDDED, "sqlite3", ("google.api_core", "google.pubsub_v1", "grpc")),
        (CLOUD, "google.cloud.firestore_v1", ("sqlite3", "google.cloud.secretmanager_v1")),
    ],
    ids=["embedded", "cloud"],
)
def test_what_is_not_chosen_is_not_imported(
    tmp_path: Path, environ: Mapping[str, str], loaded: str, absent: tuple[str, ...]
) -> None:
    """A laptop imports no cloud library, and a function no embedded adapter and no client it may not need."""
    script = (
        "import sys; from orchestrator import wiring; from orchestrator.settings import Settings; import os; "
        "wiring.build(Settings.from_environment(os.environ), delivers=False); print(*sys.modules)"
    )
    environment = {**environ, "PYTHONPATH": str(ROOT)}

    output = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert loaded in output
    assert [name for name in absent if name in output] == []


def test_the_clock_goes_forward() -> None:
    """The wall clock is aware UTC, the other never goes back, and no wait is negative."""
    clock = SystemClock()
    before = clock.monotonic()

    clock.sleep(-1.0)
    clock.sleep(0.001)

    assert clock.monotonic() > before
    assert str(clock.now().tzinfo) == "UTC"
