"""A channel that lost its connection without being told is given up, and nothing else with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import google.auth
import pytest
from google.api_core import exceptions, grpc_helpers
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager_v1
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse
from google.pubsub_v1 import types as pubsub_types

from orchestrator.adapters.google import (
    change_feed,
    channels,
    cloud_logging,
    firestore,
    pubsub,
    secret_manager,
)
from orchestrator.adapters.google.calls import Client, retry
from orchestrator.adapters.google.change_feed import PubSubChanges
from orchestrator.adapters.google.cloud_logging import CloudLogs
from orchestrator.adapters.google.dead_subscription import PubSubDeadLetters
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.adapters.google.secret_manager import SecretManager
from orchestrator.errors import StoreUnavailable
from orchestrator.model.messages import Message
from orchestrator.ports import LogQuery, Put
from tests.adapters.dropping import Network, network
from tests.adapters.grpc_server import Method, serving
from tests.adapters.test_change_feed import event_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long

#: The deadline of a call in these tests; one that a busy machine keeps; and one that no test waits for.
SHORT_S, GENEROUS_S, PATIENCE_S = 0.3, 5.0, 20.0
AT = datetime(2026, 11, 23, tzinfo=UTC)
LOGS = LogQuery(since=AT, until=AT, limit=1)
SECRET = "projects/p/secrets/s/versions/latest"


class _Opened(Exception):
    """Instead of a channel to Google."""


ADAPTERS: dict[str, Callable[[], object]] = {
    "firestore.googleapis.com": lambda: FirestoreStore(project="p", database="(default)").get("a/b"),
    "pubsub.googleapis.com": lambda: PubSubQueue(project="p", topic="t").publish([Message(kind="heal")]),
    "pubsub.googleapis.com (changes)": lambda: PubSubChanges(project="p", topic="t").publish([event_of("a")]),
    "pubsub.googleapis.com (dead)": lambda: PubSubDeadLetters(project="p", topic="t").take(1),
    "secretmanager.googleapis.com": lambda: SecretManager().get(SECRET),
    "logging.googleapis.com": lambda: CloudLogs(project="p").read(LOGS),
}


@pytest.mark.parametrize("service", ADAPTERS)
def test_every_channel_to_google_has_the_options(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated clients leave keepalive out; all else about the channel is theirs."""
    asked: dict[str, Any] = {}

    def create_channel(host: str, **given: Any) -> None:
        asked.update(given, host=host)
        raise _Opened

    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), "p"))
    monkeypatch.setattr(grpc_helpers, "create_channel", create_channel)
    with pytest.raises(_Opened):
        ADAPTERS[service]()

    assert asked["host"].partition(":")[0] == service.partition(" ")[0]
    assert asked["credentials"] is not None
    assert tuple(asked["options"]) == channels.OPTIONS
    # Google's own client: firestore_v1.base_client._DEFAULT_CHANNEL_OPTIONS.
    assert ("grpc.keepalive_time_ms", 30_000) in channels.OPTIONS
    assert not any(name == "grpc.keepalive_permit_without_calls" for name, _ in channels.OPTIONS)


class Documents:
    """A Firestore that counts, and in which a call of the path `…/slow` waits."""

    def __init__(self) -> None:
        self.commits = 0
        self.slow = threading.Event()
        self.arrived = threading.Semaphore(0)

    def read(self, request: types.BatchGetDocumentsRequest) -> types.BatchGetDocumentsResponse:
        """No document exists."""
        if request.documents[0].endswith("/slow"):
            self.arrived.release()
            self.slow.wait(PATIENCE_S)
        return types.BatchGetDocumentsResponse(missing=request.documents[0])

    def commit(self, request: types.CommitRequest) -> types.CommitResponse:
        """Accept everything."""
        self.commits += 1
        return types.CommitResponse(write_results=[types.WriteResult() for _ in request.writes])


@pytest.fixture
def documents() -> Documents:
    """The service's side."""
    return Documents()


@pytest.fixture
def reached(documents: Documents) -> Iterator[Network]:
    """The way to it."""
    methods = {
        "BatchGetDocuments": Method(
            types.BatchGetDocumentsRequest, types.BatchGetDocumentsResponse, documents.read, streams=True
        ),
        "Commit": Method(types.CommitRequest, types.CommitResponse, documents.commit),
    }
    with serving("google.firestore.v1.Firestore", methods) as host, network(host) as made:
        yield made
        documents.slow.set()


@pytest.fixture
def store(reached: Network) -> Iterator[FirestoreStore]:
    """A store that has a connection."""
    made = FirestoreStore(project="p", database="(default)", emulator_host=reached.host)
    assert made.get("a/b") is None
    yield made
    made.close()


def is_too_late(call: Callable[[], object]) -> None:
    """The call ends with its deadline, which is short here; the calls after it have the usual one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firestore, "_TIMEOUT_S", SHORT_S)
        with pytest.raises(StoreUnavailable, match="DeadlineExceeded"):
            call()


def test_a_dropped_connection_costs_one_call(store: FirestoreStore, reached: Network) -> None:
    """The first call ends with its deadline, the next one has another connection."""
    reached.drop()
    is_too_late(lambda: store.get("a/b"))

    assert store.get("a/b") is None
    assert len(reached.ways) == 2


def test_a_commit_whose_answer_is_lost_is_not_repeated(
    store: FirestoreStore, reached: Network, documents: Documents
) -> None:
    """Its outcome is unknown, and the caller decides; the next commit is answered."""
    reached.drop(answers_only=True)
    is_too_late(lambda: store.commit([Put("a/b", {})]))

    assert documents.commits == 1
    assert store.commit([Put("a/c", {})])
    assert documents.commits == 2


def test_a_connection_that_was_unused_for_long_is_not_used_again(
    store: FirestoreStore, reached: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call of the next tick does not find out that it was dropped meanwhile."""
    monkeypatch.setattr(channels, "UNUSED_S", 0.0)
    reached.drop()

    assert store.get("a/b") is None
    wait_until(reached.ways[0].ended.is_set)


def test_many_calls_that_fail_make_one_new_connection(store: FirestoreStore, reached: Network) -> None:
    """Each that fails gives up the channel it had, never the one that followed."""

    def fails(_: int) -> None:
        with pytest.raises(StoreUnavailable):
            store.get("a/b")

    reached.drop()
    with ThreadPoolExecutor(16) as pool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(firestore, "_TIMEOUT_S", SHORT_S)
            list(pool.map(fails, range(16)))
        assert set(pool.map(lambda _: store.get("a/b"), range(16))) == {None}

    assert len(reached.ways) == 2


def test_a_late_failure_leaves_the_new_channel(store: FirestoreStore, reached: Network) -> None:
    """A call of the old channel that fails after the new one was opened changes nothing about that."""
    late = store._client._channel.client()
    late.__enter__()
    reached.drop()
    is_too_late(lambda: store.get("a/b"))
    assert store.get("a/b") is None
    error = exceptions.DeadlineExceeded("late")  # type: ignore[no-untyped-call] # api_core is untyped here

    assert not late.__exit__(type(error), error, None)
    assert store.get("a/b") is None
    assert len(reached.ways) == 2


def test_other_calls_keep_the_connection_they_have(reached: Network, documents: Documents) -> None:
    """A call that takes its time is answered over the old channel, which is closed then."""
    client = Client(FirestoreClient, FirestoreGrpcTransport, StoreUnavailable, {}, emulator_host=reached.host)

    def read(path: str, timeout: float) -> Any:
        request = types.BatchGetDocumentsRequest(documents=[path])
        return client.call(
            path,
            retry(total_s=SHORT_S),
            lambda each: list(each.batch_get_documents(request=request, retry=None, timeout=timeout)),
        )

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(read, "patient/slow", PATIENCE_S)
        documents.arrived.acquire()
        with pytest.raises(StoreUnavailable):
            read("hasty/slow", SHORT_S)
        assert read("a/b", GENEROUS_S)
        assert len(reached.ways) == 2
        assert not reached.ways[0].ended.is_set()
        documents.slow.set()
        assert slow.result()[0].missing == "patient/slow"

    wait_until(reached.ways[0].ended.is_set)
    assert not reached.ways[1].ended.is_set()
    client.close()


def test_a_dropped_connection_is_found_while_a_call_waits(
    reached: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pings end the connection long before the call's own deadline, and the call is sent again."""
    pings = {"grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"}
    quick = tuple((name, 100 if name in pings else value) for name, value in channels.OPTIONS)
    monkeypatch.setattr(channels, "OPTIONS", quick)
    monkeypatch.setattr(firestore, "_TIMEOUT_S", PATIENCE_S)
    store = FirestoreStore(project="p", database="(default)", emulator_host=reached.host)
    assert store.get("a/b") is None
    reached.drop()
    begun = time.monotonic()

    assert store.get("a/b") is None
    assert time.monotonic() - begun < GENEROUS_S
    store.close()


def _published(request: pubsub_types.PublishRequest) -> pubsub_types.PublishResponse:
    return pubsub_types.PublishResponse(message_ids=["1" for _ in request.messages])


OTHERS: dict[str, tuple[str, Method, Callable[[str], Callable[[], object]], Any]] = {
    "Publish": (
        "google.pubsub.v1.Publisher",
        Method(pubsub_types.PublishRequest, pubsub_types.PublishResponse, _published),
        lambda host: _of(
            PubSubQueue(project="p", topic="t", emulator_host=host),
            lambda it: it.publish([Message(kind="heal")]),
        ),
        pubsub,
    ),
    "Publish (changes)": (
        "google.pubsub.v1.Publisher",
        Method(pubsub_types.PublishRequest, pubsub_types.PublishResponse, _published),
        lambda host: _of(
            PubSubChanges(project="p", topic="t", emulator_host=host), lambda it: it.publish([event_of("a")])
        ),
        change_feed,
    ),
    "AccessSecretVersion": (
        "google.cloud.secretmanager.v1.SecretManagerService",
        Method(
            secretmanager_v1.AccessSecretVersionRequest,
            secretmanager_v1.AccessSecretVersionResponse,
            lambda _: secretmanager_v1.AccessSecretVersionResponse(name=SECRET.replace("latest", "1")),
        ),
        lambda host: _of(SecretManager(host=host), lambda it: it.get(SECRET, fresh=True)),
        secret_manager,
    ),
    "ListLogEntries": (
        "google.logging.v2.LoggingServiceV2",
        Method(ListLogEntriesRequest, ListLogEntriesResponse, lambda _: ListLogEntriesResponse()),
        lambda host: _of(CloudLogs(project="p", host=host), lambda it: it.read(LOGS)),
        cloud_logging,
    ),
}


def _of(adapter: Any, call: Callable[[Any], object]) -> Callable[[], object]:
    return lambda: call(adapter)


@pytest.mark.parametrize("method", OTHERS)
def test_pub_sub_secrets_and_logs_recover_within_a_call(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their calls are repeated after a deadline, over the new connection."""
    service, answer, call_of, module = OTHERS[method]
    monkeypatch.setattr(module, "_RETRY", retry(exceptions.DeadlineExceeded, total_s=GENEROUS_S))
    name = method.partition(" ")[0]
    with serving(service, {name: answer}) as host, network(host) as made:
        call = call_of(made.host)
        call()
        monkeypatch.setattr(module, "_TIMEOUT_S", SHORT_S)
        made.drop()
        call()

    # More on a busy machine, on which a short deadline may pass again.
    assert len(made.ways) >= 2
