"""Chooses the adapters: all other code knows only the ports. Unused adapters are not imported."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import decoding
from orchestrator.adapters.clock import SystemClock
from orchestrator.errors import NotPossible, StoreUnavailable
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.ports import (
    ChangeFeed,
    Counter,
    DeadLetters,
    DocumentStore,
    LogReader,
    SecretStore,
    TaskQueue,
    Vault,
)
from orchestrator.services import Services
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
    from orchestrator.adapters.google.dead_subscription import PubSubDeadLetters
    from orchestrator.adapters.google.pubsub import PubSubQueue

#: The embedded queue's file if there is no embedded store beside it, and the embedded change feed's.
_QUEUE_FILE, _CHANGES_FILE = Path(".local/queue.db"), Path(".local/changes.db")
#: The same of the second lane.
_BACKFILL_FILE = Path(".local/queue-backfill.db")
#: The maximum seconds until an emulator, which is on this machine, accepts a connection.
_EMULATOR_ANSWERS_S = 2.0
#: Threads of all invocations in an instance: a page and a commit for each of the most that Cloud Run allows.
#: With fewer, slow marketplaces would keep all others waiting. A thread is made only if no other is idle.
_OVERLAPPING = 2000


def build(
    settings: Settings, *, delivers: bool = True, stopping: Callable[[], bool] = lambda: False
) -> Services:
    """Make the services of these settings; call it once a process, after any fork.

    A process that does not deliver is a person's short command: one clear line tells it that an emulator has
    ended, instead of the client library's error after its retries.

    Args:
        settings: Checked settings.
        delivers: Whether this process may deliver the embedded queue's messages. A short command
            leaves them to the processes that stay.
        stopping: Whether this process was told to end.

    Raises:
        StoreUnavailable: Nothing listens at an emulator's address.
    """
    if not delivers:
        _require_emulators(settings)
    decoding.prepare()
    secrets = _secrets(settings)
    return Services(
        settings=settings,
        store=_store(settings),
        queue=_queue(settings, delivers=delivers),
        secrets=secrets,
        vault=_vault(settings, secrets),
        clock=SystemClock(),
        connectors=REGISTRY,
        stopping=stopping,
        changes=_changes(settings, delivers=delivers),
        executor=ThreadPoolExecutor(_OVERLAPPING, thread_name_prefix="overlap"),
    )


def _require_emulators(settings: Settings) -> None:
    for name, address, is_used in (
        ("FIRESTORE_EMULATOR_HOST", settings.firestore_emulator_host, settings.sync_store == "firestore"),
        ("PUBSUB_EMULATOR_HOST", settings.pubsub_emulator_host, settings.sync_queue.startswith("pubsub:")),
    ):
        # A shell that had the emulators' environment may still have the address.
        if not address or not is_used:
            continue
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _EMULATOR_ANSWERS_S).close()
        except OSError as error:
            raise StoreUnavailable(
                f"{name}: nothing listens at {address}: the emulators are gone, and their data with them",
                action="start them again (`make dev EMULATORS=1`), or read another environment",
            ) from error


def dead_letters(settings: Settings) -> DeadLetters:
    """The dead letters of all lanes; only the command line reads them."""
    first = _dead_letters(settings, settings.sync_queue, queue_path(settings))
    if not settings.sync_queue_backfill:
        return first
    from orchestrator.adapters.lanes import DeadLanes

    return DeadLanes(
        first, _dead_letters(settings, settings.sync_queue_backfill, backfill_queue_path(settings))
    )


def _dead_letters(settings: Settings, lane: str, path: Path) -> LocalDeadLetters | PubSubDeadLetters:
    scheme, _, target = lane.partition(":")
    if scheme == "local":
        from orchestrator.adapters.embedded.queue import LocalDeadLetters

        return LocalDeadLetters(path)
    from orchestrator.adapters.google.dead_subscription import PubSubDeadLetters

    return PubSubDeadLetters(
        project=settings.google_cloud_project, topic=target, emulator_host=settings.pubsub_emulator_host
    )


def dead_counter(settings: Settings) -> Counter | None:
    """Counts dead letters of all lanes without reading any; None if only a pull could tell."""
    lanes = [lane.partition(":") for lane in (settings.sync_queue, settings.sync_queue_backfill) if lane]
    if any(scheme == "local" for scheme, _, _ in lanes) or settings.pubsub_emulator_host:
        return None
    from orchestrator.adapters.google.backlog import Backlog
    from orchestrator.adapters.google.pubsub import dead_subscription_of

    return Backlog([dead_subscription_of(settings.google_cloud_project, topic) for _, _, topic in lanes])


def log_reader(settings: Settings) -> LogReader:
    """The functions' log; only the command line reads it.

    Raises:
        NotPossible: The functions run on this machine, and write files.
    """
    scheme, _, path = settings.sync_store.partition(":")
    if scheme == "sqlite" or settings.firestore_emulator_host:
        folder = Path(path).parent / "logs" if scheme == "sqlite" else Path(".local/logs")
        raise NotPossible(
            "this store is local: its functions write no line to Cloud Logging",
            action=f"their log is in {folder}/, one file for each process; its lines are JSON",
        )
    from orchestrator.adapters.google.cloud_logging import CloudLogs

    return CloudLogs(project=settings.google_cloud_project)


def reach_queue(settings: Settings) -> str:
    """Find out whether this process can publish, without publishing; a sentence about it.

    Raises:
        QueueUnavailable: It cannot.
    """
    lanes = filter(None, (settings.sync_queue, settings.sync_queue_backfill))
    return "; ".join(_reach_lane(settings, lane) for lane in lanes)


def _reach_lane(settings: Settings, lane: str) -> str:
    scheme, _, target = lane.partition(":")
    if scheme == "local":
        from orchestrator.adapters.embedded.delivery import reach_worker

        return reach_worker(target)
    from orchestrator.adapters.google.pubsub import PubSubQueue

    return PubSubQueue(
        project=settings.google_cloud_project, topic=target, emulator_host=settings.pubsub_emulator_host
    ).reach()


def caller(settings: Settings) -> str:
    """The person whose credentials this process uses; this machine's user if no store of Google's is used.

    Raises:
        StoreUnavailable: Google does not tell who they are.
    """
    if settings.sync_store != "firestore" or settings.firestore_emulator_host:
        return f"{getpass.getuser()} on {socket.gethostname()}"
    from orchestrator.adapters.google import identity

    return identity.caller()


def queue_path(settings: Settings) -> Path:
    """The embedded queue's file: beside the embedded store's, named after it."""
    return _beside_store(settings, "queue") or _QUEUE_FILE


def backfill_queue_path(settings: Settings) -> Path:
    """The file of the embedded queue's second lane."""
    return _beside_store(settings, "queue-backfill") or _BACKFILL_FILE


def _beside_store(settings: Settings, name: str) -> Path | None:
    scheme, _, path = settings.sync_store.partition(":")
    if scheme != "sqlite":
        return None
    store = Path(path)
    return store.with_name(f"{store.stem}-{name}{store.suffix}")


def _store(settings: Settings) -> DocumentStore:
    scheme, _, path = settings.sync_store.partition(":")
    if scheme == "sqlite":
        from orchestrator.adapters.embedded.store import SqliteStore

        return SqliteStore(Path(path))
    from orchestrator.adapters.google.firestore import FirestoreStore

    return FirestoreStore(
        project=settings.google_cloud_project,
        database=settings.firestore_database,
        emulator_host=settings.firestore_emulator_host,
    )


def _queue(settings: Settings, *, delivers: bool) -> TaskQueue:
    first = _lane(settings, settings.sync_queue, queue_path(settings), delivers=delivers)
    if not settings.sync_queue_backfill:
        return first
    from orchestrator.adapters.lanes import Lanes

    path = backfill_queue_path(settings)
    return Lanes(first, _lane(settings, settings.sync_queue_backfill, path, delivers=delivers))


def backfill_lane(settings: Settings) -> TaskQueue | None:
    """The queue of continuations alone, which another process delivers; None if there is one lane."""
    lane = settings.sync_queue_backfill
    return _lane(settings, lane, backfill_queue_path(settings), delivers=False) if lane else None


def _lane(settings: Settings, lane: str, path: Path, *, delivers: bool) -> LocalQueue | PubSubQueue:
    scheme, _, target = lane.partition(":")
    if scheme == "local":
        from orchestrator.adapters.embedded.queue import LocalQueue

        queue = LocalQueue(path, target, delivers=delivers)
        queue.start()
        return queue
    from orchestrator.adapters.google.pubsub import PubSubQueue

    return PubSubQueue(
        project=settings.google_cloud_project, topic=target, emulator_host=settings.pubsub_emulator_host
    )


def _changes(settings: Settings, *, delivers: bool) -> ChangeFeed | None:
    scheme, _, target = settings.sync_changes.partition(":")
    if not scheme:
        return None
    if scheme == "local":
        from orchestrator.adapters.embedded.change_feed import LocalChanges

        path = _beside_store(settings, "changes") or _CHANGES_FILE
        changes = LocalChanges(path, target, delivers=delivers)
        changes.start()
        return changes
    from orchestrator.adapters.google.change_feed import PubSubChanges

    return PubSubChanges(
        project=settings.google_cloud_project, topic=target, emulator_host=settings.pubsub_emulator_host
    )


def _vault(settings: Settings, secrets: SecretStore) -> Vault | None:
    if not settings.vault_public_keyset:
        return None
    from orchestrator.adapters.vault import KeysetVault

    return KeysetVault(secrets, private=settings.vault_keyset, public=settings.vault_public_keyset)


def _secrets(settings: Settings) -> SecretStore:
    from orchestrator.adapters.secrets import Secrets

    locations = list(filter(None, settings.secret_locations.split(",")))
    return Secrets(is_development=settings.is_development, locations=locations)
