"""Chooses the adapters. Nothing else knows more than the ports, and nothing is imported that is not used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator import decoding
from orchestrator.adapters.clock import SystemClock
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.ports import DeadLetters, DocumentStore, SecretStore, TaskQueue
from orchestrator.services import Services
from orchestrator.settings import Settings

#: The embedded queue's file where there is no embedded store to lie beside.
_QUEUE_FILE = Path(".local/queue.db")
#: What overlaps over all of an instance's invocations: a page and a commit for each that Cloud Run lets it
#: have at most. With fewer, slow marketplaces would keep all others waiting. A thread is made only where
#: none is idle.
_OVERLAPPING = 2000


def build(
    settings: Settings, *, delivers: bool = True, stopping: Callable[[], bool] = lambda: False
) -> Services:
    """Make the services that the settings ask for; call it once a process, after any fork.

    Args:
        settings: Checked settings.
        delivers: Whether this process delivers the embedded queue's messages. A command that is soon
            over says no, and leaves them to the processes that stay.
        stopping: Whether this process was told to end.
    """
    decoding.prepare()
    return Services(
        settings=settings,
        store=_store(settings),
        queue=_queue(settings, delivers=delivers),
        secrets=_secrets(settings),
        clock=SystemClock(),
        connectors=REGISTRY,
        stopping=stopping,
        executor=ThreadPoolExecutor(_OVERLAPPING, thread_name_prefix="overlap"),
    )


def dead_letters(settings: Settings) -> DeadLetters:
    """What the queue has given up; only the command line looks."""
    sort, _, target = settings.sync_queue.partition(":")
    if sort == "local":
        from orchestrator.adapters.embedded.dead_rows import LocalDeadLetters

        return LocalDeadLetters(queue_path(settings))
    from orchestrator.adapters.google.dead_subscription import PubSubDeadLetters

    return PubSubDeadLetters(
        project=settings.google_cloud_project, topic=target, emulator_host=settings.pubsub_emulator_host
    )


def queue_path(settings: Settings) -> Path:
    """The embedded queue's file: beside the embedded store's, named after it."""
    sort, _, path = settings.sync_store.partition(":")
    if sort != "sqlite":
        return _QUEUE_FILE
    store = Path(path)
    return store.with_name(f"{store.stem}-queue{store.suffix}")


def _store(settings: Settings) -> DocumentStore:
    sort, _, path = settings.sync_store.partition(":")
    if sort == "sqlite":
        from orchestrator.adapters.embedded.store import SqliteStore

        return SqliteStore(Path(path))
    from orchestrator.adapters.google.firestore import FirestoreStore

    return FirestoreStore(
        project=settings.google_cloud_project,
        database=settings.firestore_database,
        emulator_host=settings.firestore_emulator_host,
    )


def _queue(settings: Settings, *, delivers: bool) -> TaskQueue:
    sort, _, target = settings.sync_queue.partition(":")
    if sort == "local":
        from orchestrator.adapters.embedded.queue import LocalQueue

        queue = LocalQueue(queue_path(settings), target, delivers=delivers)
        queue.start()
        return queue
    from orchestrator.adapters.google.pubsub import PubSubQueue

    return PubSubQueue(
        project=settings.google_cloud_project, topic=target, emulator_host=settings.pubsub_emulator_host
    )


def _secrets(settings: Settings) -> SecretStore:
    from orchestrator.adapters.secrets import Secrets

    return Secrets(is_development=settings.is_development)
