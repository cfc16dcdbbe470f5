"""The core in this process, on any store, with real executor, clock and secrets, and messages in a list."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from orchestrator import handle
from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.secrets import Secrets
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, RunStatus, Task
from orchestrator.ports import DocumentStore, Put
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings

#: The settings and the credential of the first account of each sandbox.
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "shopify": {"shop": "sandbox-0.myshopify.com"},
    "takealot": {},
    "woocommerce": {"site": "https://sandbox-0.example"},
}
_CREDENTIALS = {
    "SHOPIFY": '{"access_token": "shpat_sandbox_0"}',
    "TAKEALOT": '{"api_key": "sandbox-key-0"}',
    "WOOCOMMERCE": '{"consumer_key": "ck_sandbox_0", "consumer_secret": "cs_sandbox_0"}',
}
_ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "SYNC_STORE": "sqlite:unused",
    "SYNC_QUEUE": "local:http://127.0.0.1:9",
}


class Messages:
    """A queue whose messages wait in a list until they are taken."""

    def __init__(self) -> None:
        self.waiting: deque[Message] = deque()

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Keep the messages; a delayed message is dropped, as on Pub/Sub."""
        if not_before is None:
            self.waiting.extend(messages)

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:  # noqa: ARG002 - the port's signature
        """Fail: no message here is unreadable."""
        raise AssertionError(reason)


class Engine:
    """Runs ticks to their end, one message after the other.

    Args:
        store: The documents; the caller closes it.
        connectors: The marketplaces.
    """

    def __init__(self, store: DocumentStore, connectors: Mapping[str, AnyConnector] = REGISTRY) -> None:
        self.store = store
        self.messages = Messages()
        self.services = Services(
            settings=Settings.from_environment(_ENVIRONMENT),
            store=store,
            queue=self.messages,
            secrets=Secrets(is_development=True, environ=_CREDENTIALS),
            clock=SystemClock(),
            connectors=connectors,
            executor=ThreadPoolExecutor(32, thread_name_prefix="overlap"),
        )
        self._ticks = 0

    def connect(
        self,
        connection_id: str,
        marketplace: str,
        base_url: str | None = None,
        streams: Sequence[str] = STREAMS,
    ) -> None:
        """Add a connection to the first account of a sandbox."""
        self.store.commit([connected(connection_id, marketplace, base_url, streams)])

    def run(self, around: Callable[[Message, Callable[[], None]], None] | None = None) -> str:
        """Deliver a tick and handle messages until there are none; returns the run's id.

        Args:
            around: Called with each message and its handler.

        Raises:
            RuntimeError: The run did not succeed, so the measured value means nothing.
        """
        self._ticks += 1
        # Each tick has its own past time, so that no tick counts as a redelivery or as forced.
        moment = datetime.now(UTC) - timedelta(days=1) + timedelta(minutes=self._ticks)
        started = start_tick(self.services, job="bench", schedule_time=moment, requested_by="bench")
        while self.messages.waiting:
            message = self.messages.waiting.popleft()
            if around is None:
                handle.handle(self.services, message)
            else:
                around(message, lambda message=message: handle.handle(self.services, message))  # type: ignore[misc] # mypy does not infer a lambda's default
        snapshot = self.store.get(ids.run_path(started.run_id))
        run = from_document(Run, snapshot.data) if snapshot is not None else None
        if run is None or run.status is not RunStatus.SUCCEEDED:
            raise RuntimeError(f"run {started.run_id} did not succeed: {run}")
        return started.run_id

    def task(self, run_id: str, connection_id: str) -> Task:
        """A task's record."""
        snapshot = self.store.get(ids.task_path(run_id, connection_id))
        if snapshot is None:
            raise RuntimeError(f"run {run_id} has no task of {connection_id}")
        return from_document(Task, snapshot.data)

    def close(self) -> None:
        """End the executor's threads."""
        self.services.executor.shutdown()


def connected(
    connection_id: str,
    marketplace: str = "shopify",
    base_url: str | None = None,
    streams: Sequence[str] = STREAMS,
) -> Put:
    """The write that adds a connection to the first account of a sandbox."""
    now = datetime.now(UTC)
    document = {
        "organization_id": "bench",
        "marketplace": marketplace,
        "name": connection_id,
        "status": "active",
        "credential": f"env:{marketplace.upper()}",
        "settings": {**_SETTINGS[marketplace], **({"base_url": base_url} if base_url else {})},
        "streams": list(streams),
        "created_at": now,
        "updated_at": now,
    }
    return Put(ids.connection_path(connection_id), document)
