"""Every call that leaves the process ends by itself, whatever the other side does, as its own kind of error.

The bounds are made short here; that they are what is written about them, `tests/delivery/docs` holds true.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from google.api_core import exceptions

from functions.auth import certificates
from functions.auth.certificates import CertificateCache, CertificatesUnavailable
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.google import change_feed, firestore, pubsub, secret_manager
from orchestrator.adapters.google.calls import retry
from orchestrator.adapters.google.change_feed import PubSubChanges
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.adapters.google.secret_manager import SecretManager
from orchestrator.errors import (
    ChangesUnavailable,
    MarketplaceUnavailable,
    QueueUnavailable,
    SecretUnavailable,
    StoreUnavailable,
    SyncError,
)
from orchestrator.marketplaces import transport
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.messages import Message
from orchestrator.ports import Put, Query
from tests.adapters.silence import PATIENCE_S, Silence, silent, silent_service
from tests.adapters.test_change_feed import event_of
from tests.support.scripted import CREDENTIALS, Bench, Sandbox
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long

#: The bound of a call in these tests; and one that a busy machine keeps, yet far below the servers'.
SHORT_S = 0.4
#: gRPC rounds a deadline up a little.
ROUNDED_S = SHORT_S + 0.1
GENEROUS_S = PATIENCE_S / 2
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#: Places for an answer to stop or trickle: the part sent at once, and the part sent drop by drop.
ANSWERS = {
    "nothing": (b"", b""),
    "a status line that goes on": (b"HTTP/1.1 200 ", b"O"),
    "headers without end": (OK, b"X-Drop: 1\r\n"),
    "a header that goes on": (OK + b"X-Drop: ", b"1"),
    "a body that stops": (OK + b"Content-Length: 100\r\n\r\n{", b""),
    "a body that trickles": (OK + b"Content-Length: 100000\r\n\r\n{", b" "),
    "a chunk's size that goes on": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunks without end": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a gzip header that goes on": (
        OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03",
        b"n",
    ),
}


@pytest.fixture(params=ANSWERS)
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    """A server that never finishes its answer, in each of the ways."""
    monkeypatch.setattr(transport, "ANSWER_S", SHORT_S)
    begun, drop = ANSWERS[request.param]
    with silent(begun, drop) as running:
        yield running


def ends(call: Callable[[], Any], kind: type[Exception], server: Silence) -> None:
    """The call ends as that kind of error, by itself and long before the server would."""
    begun = time.monotonic()
    with pytest.raises(kind) as raised:
        call()

    assert time.monotonic() - begun < GENEROUS_S
    assert not server.outlasted.is_set()
    assert server.calls
    if isinstance(raised.value, SyncError):
        assert "\n" not in raised.value.message


def test_a_marketplace_that_never_finishes(server: Silence) -> None:
    """One request ends as unavailable, wherever its answer stops or trickles."""
    ends(
        lambda: transport.send("example things", "GET", server.url, {}, None, public=False, has_room=bool),
        MarketplaceUnavailable,
        server,
    )


@pytest.mark.parametrize("marketplace", sorted(REGISTRY))
def test_every_connector_s_first_call(marketplace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token exchange (Amazon, eBay) or a first call ends too, after its bounded retries."""
    monkeypatch.setattr(transport, "ANSWER_S", SHORT_S)
    with silent() as server:
        bench = Bench()
        session = Sandbox(marketplace, server.url).session(bench, credential=CREDENTIALS[marketplace])
        ends(lambda: REGISTRY[marketplace].check(session), MarketplaceUnavailable, server)

    assert 1 < session.client.calls <= 5


def test_a_name_with_many_dead_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of a host's name cannot make a call longer by giving it more addresses."""
    monkeypatch.setattr(transport, "CONNECT_S", SHORT_S)
    monkeypatch.setattr(transport, "ADDRESSES_S", 2 * SHORT_S)
    tried: list[object] = []
    with silent() as server:
        host, port = server.host.split(":")
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, int(port)))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 1000)

        def connect(self: socket.socket, to: object) -> None:
            tried.append(to)
            time.sleep(self.gettimeout() or 0)
            raise TimeoutError

        monkeypatch.setattr(socket, "socket", type("Dead", (socket.socket,), {"connect": connect}))
        with pytest.raises(MarketplaceUnavailable):
            transport.send(
                "example things", "GET", "https://shop.example", {}, None, public=True, has_room=bool
            )

    assert len(tried) <= 3


def test_certificates_that_never_come(server: Silence, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an issuer longer than the call may take, retry included."""
    monkeypatch.setattr(certificates, "_TIMEOUT", urllib3.Timeout(connect=SHORT_S, read=SHORT_S))
    cache = CertificateCache(f"{server.url}/certs")

    ends(lambda: cache.key("any"), CertificatesUnavailable, server)


def test_a_worker_that_never_finishes(server: Silence, tmp_path: Path) -> None:
    """An embedded delivery ends with the ack deadline, and the message is dead when its attempts are over."""
    delivery = Delivery(ack_deadline_s=SHORT_S, min_backoff_s=0.01, max_backoff_s=0.01, max_attempts=2)
    queue = LocalQueue(tmp_path / "queue.db", server.url, delivery=delivery)
    queue.publish([Message(kind="heal")])
    wait_until(lambda: queue.counts().dead > 0)
    counts = queue.counts()
    queue.close()

    assert (counts.dead, counts.waiting) == (1, 0)
    assert not server.outlasted.is_set()


FIRESTORE: dict[str, Callable[[FirestoreStore], Any]] = {
    "BatchGetDocuments": lambda store: store.get("a/b"),
    "RunQuery": lambda store: store.query(Query("a", limit=1)),
    "RunAggregationQuery": lambda store: store.count("a"),
    "Commit": lambda store: store.commit([Put("a/b", {})]),
}


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
@pytest.mark.parametrize("method", FIRESTORE)
def test_firestore_that_never_finishes(method: str, drips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call carries its deadline to the service and ends with it; its outcome is unknown."""
    monkeypatch.setattr(firestore, "_TIMEOUT_S", SHORT_S)
    with silent_service(drips=drips) as server:
        store = FirestoreStore(project="p", database="(default)", emulator_host=server.host)
        ends(lambda: FIRESTORE[method](store), StoreUnavailable, server)
        store.close()

    assert server.calls == [method]
    assert server.left_s[0] is not None
    assert server.left_s[0] <= ROUNDED_S


def test_pub_sub_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing carries a deadline, is repeated for a bounded time, and ends as unavailable."""
    monkeypatch.setattr(pubsub, "_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(pubsub, "_RETRY", retry(exceptions.DeadlineExceeded, total_s=2 * SHORT_S))
    with silent_service() as server:
        queue = PubSubQueue(project="p", topic="t", emulator_host=server.host)
        ends(lambda: queue.publish([Message(kind="heal")]), QueueUnavailable, server)
        queue.close()

    assert set(server.calls) == {"Publish"}
    assert all(left is not None and left <= ROUNDED_S for left in server.left_s)


def test_a_topic_of_changes_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that is to be closed waits for its event a bounded time."""
    monkeypatch.setattr(change_feed, "_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(change_feed, "_RETRY", retry(exceptions.DeadlineExceeded, total_s=2 * SHORT_S))
    with silent_service() as server:
        feed = PubSubChanges(project="p", topic="t", emulator_host=server.host)
        ends(lambda: feed.publish([event_of("a")]), ChangesUnavailable, server)
        feed.close()

    assert set(server.calls) == {"Publish"}
    assert all(left is not None and left <= ROUNDED_S for left in server.left_s)


@pytest.mark.parametrize("method", ["AccessSecretVersion", "AddSecretVersion"])
def test_a_secret_manager_that_never_answers(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and adding a secret carry a deadline, and end as unavailable."""
    monkeypatch.setattr(secret_manager, "_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(secret_manager, "_RETRY", retry(exceptions.DeadlineExceeded, total_s=2 * SHORT_S))
    reference = "projects/p/secrets/s/versions/latest"
    with silent_service() as server:
        secrets = SecretManager(host=server.host)
        calls: dict[str, Callable[[], object]] = {
            "AccessSecretVersion": lambda: secrets.get(reference),
            "AddSecretVersion": lambda: secrets.add_version(reference, "{}"),
        }
        ends(calls[method], SecretUnavailable, server)
        secrets.close()

    assert set(server.calls) == {method}
    assert all(left is not None and left <= ROUNDED_S for left in server.left_s)


def test_google_that_accepts_and_says_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline holds before there is any connection to send a call over."""
    monkeypatch.setattr(firestore, "_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(firestore, "_RETRY", retry(total_s=SHORT_S))
    with silent() as server:
        store = FirestoreStore(project="p", database="(default)", emulator_host=server.host)
        ends(lambda: store.get("a/b"), StoreUnavailable, server)
        store.close()
