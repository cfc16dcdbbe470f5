"""Both functions under the server they are deployed with, and a hundred clients that take their time."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import repeat
from pathlib import Path

import pytest

from functions.bodies import BODY_SECONDS
from functions.server import HEAD_SECONDS, LARGEST_HEAD
from tests.edge.conftest import SECRET, environment
from tests.support.issuer import SCHEDULER, Issuer, token
from tests.support.serving import serving
from tests.system.hostile.serving import MIB
from tests.system.hostile.test_sockets import CHUNKED, TRIGGER, Server, chunk, request

pytestmark = pytest.mark.processes
CLIENTS = 100
#: A tick has this long, on a machine that does much else; a thread a client would take minutes.
PROMPT_S = 8.0
#: A busy machine's grace beyond a limit.
GRACE_S = 8.0

TICK = request(
    b"POST /api/sync/scheduler",
    b"Authorization: Bearer " + token(email=SCHEDULER).encode(),
    b"x-scheduler-secret: " + SECRET.encode(),
    b"Content-Length: 0",
    operator=False,
)
EVENT = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
#: All that each slow client sends; it then keeps its connection open.
SLOW = {
    "nothing": b"",
    "half a line": b"POST /api/sync/sched",
    "half its headers": b"POST /api/sync/scheduler HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n",
    "half a body": request(b"POST /api/sync/scheduler", b"Content-Length: 50", body=b"{", operator=False),
    "half a body, and keeps the connection": request(
        b"POST /api/sync/scheduler", b"Content-Length: 50", body=b"{", operator=False
    ).replace(b"Connection: close\r\n", b""),
    "half a chunk": request(TRIGGER, CHUNKED, body=b"50\r\n{", operator=False),
    "half a body for no path": request(b"POST /nowhere", b"Content-Length: 50", body=b"{", operator=False),
    "half a body for the framework's own path": request(
        b"POST /robots.txt", b"Content-Length: 50", body=b"{", operator=False
    ),
    "blank lines": b"\r\n\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\r\n\r\n",
}


@pytest.fixture
def api(certs: Issuer, tmp_path: Path) -> Iterator[Server]:
    """`sync_api`, with four threads."""
    with serving("sync_api", environment(certs.url), tmp_path) as served:
        yield Server(*served)


@pytest.fixture
def worker(certs: Issuer, tmp_path: Path) -> Iterator[Server]:
    """`sync_worker`, with four threads."""
    with serving("sync_worker", environment(certs.url), tmp_path) as served:
        yield Server(*served)


@contextmanager
def clients(server: Server, sent: bytes, count: int = CLIENTS) -> Iterator[list[socket.socket]]:
    """Clients that send so much and wait."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            client.sendall(sent)
            made.append(client)
        yield made


def status_of(client: socket.socket) -> int:
    """The status of one answer, which is read to its end."""
    response = http.client.HTTPResponse(client)
    response.begin()
    response.read()
    return response.status


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_a_hundred_slow_clients_do_not_starve_a_tick(api: Server, sent: bytes) -> None:
    """Whatever they keep back, an authenticated tick is answered at once, and another one."""
    assert api.status(TICK) == 202
    with clients(api, sent):
        begun = time.monotonic()
        statuses = [api.status(TICK), api.status(TICK)]
        took = time.monotonic() - begun

    assert statuses == [202, 202]
    assert took < PROMPT_S


def test_a_hundred_clients_that_drip_do_not_starve_a_tick(api: Server) -> None:
    """Headers that come byte by byte cost no thread; once they are whole they are answered."""
    with clients(api, b"GET /api/sync/status HTTP/1.1\r\nX: ") as slow:
        assert_prompt(api, slow)
        for client in slow[:3]:
            client.sendall(b"\r\n\r\n")
            assert client.recv(20).startswith(b"HTTP/1.1 401")


def test_a_hundred_bodies_that_drip_do_not_starve_a_tick(api: Server) -> None:
    """Nor does the rest of a refused body, on a connection that would be kept."""
    head = request(b"POST /api/sync/scheduler", b"Content-Length: 5000", operator=False)
    with clients(api, head.replace(b"Connection: close\r\n", b"")) as slow:
        assert_prompt(api, slow)


def assert_prompt(api: Server, slow: list[socket.socket]) -> None:
    """Ticks are answered at once while the clients send a byte now and then."""
    begun = time.monotonic()
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):
            for client in slow:
                with suppress(OSError):
                    client.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        time.sleep(0.2)
        statuses = [api.status(TICK) for _ in range(3)]
    finally:
        over.set()
        thread.join()

    assert statuses == [202, 202, 202]
    assert time.monotonic() - begun < PROMPT_S


@pytest.mark.parametrize(
    "line", [b"POST /api/sync/scheduler", TRIGGER, b"POST /nowhere", b"PUT /api/sync/trigger"]
)
@pytest.mark.parametrize("framing", [b"Content-Length: 50", CHUNKED])
def test_a_refusal_does_not_wait_for_the_body(api: Server, line: bytes, framing: bytes) -> None:
    """The answer arrives while the body is still to come."""
    with clients(api, request(line, framing, operator=False), count=1) as (client,):
        client.settimeout(PROMPT_S)
        answer = client.recv(4_096)

    assert re.match(rb"HTTP/1\.1 (401|404|405) ", answer)


def test_a_refused_body_that_drips_is_dropped(api: Server) -> None:
    """A refused connection is closed after its answer, unless the whole body has arrived."""
    head = request(b"POST /api/sync/scheduler", b"Content-Length: 5000", operator=False)
    with clients(api, head.replace(b"Connection: close\r\n", b""), count=1) as (client,):
        assert status_of(client) == 401
        assert is_closed(client, b"x")


def test_a_body_that_drips_has_ten_seconds(api: Server) -> None:
    """An operator's body that comes byte by byte is given up as a whole, with a 408."""
    head = request(TRIGGER, b"Content-Length: 5000", body=b"{")
    begun = time.monotonic()
    answer = b""
    with clients(api, head, count=1) as (client,):
        client.settimeout(0.5)
        while not answer and time.monotonic() - begun < BODY_SECONDS + GRACE_S:
            client.sendall(b" ")
            try:
                answer = client.recv(4_096)
            except TimeoutError:
                continue
        with suppress(ConnectionResetError):
            # The server does not read what still drips, and closes.
            while rest := client.recv(4_096):
                answer += rest

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 10 seconds" in answer
    assert time.monotonic() - begun > BODY_SECONDS - 1


def test_an_event_that_drips_is_redelivered(worker: Server) -> None:
    """A message that arrives too slowly may be a good one: it is not acknowledged."""
    with clients(worker, EVENT + b'Content-Length: 5000\r\n\r\n{"message":', count=1) as (client,):
        client.settimeout(BODY_SECONDS + GRACE_S)
        answer = client.recv(4_096)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_hundred_idle_clients_do_not_starve_an_event(worker: Server) -> None:
    """Connections without a request cost the worker no thread."""
    with clients(worker, b""), clients(worker, EVENT):
        begun = time.monotonic()
        assert worker.status(EVENT + b"Content-Length: 2\r\n\r\n{}") == 200
        assert time.monotonic() - begun < PROMPT_S


@pytest.mark.parametrize("drip", [b"", b"x"], ids=["silent", "dripping"])
def test_a_connection_without_headers_is_closed(api: Server, drip: bytes) -> None:
    """Neither silence nor bytes that never end keep a connection."""
    with clients(api, b"GET /", count=1) as (client,):
        assert is_closed(client, drip)


def is_closed(client: socket.socket, drip: bytes) -> bool:
    """Whether the server closes a connection in time that always sends a little more."""
    client.settimeout(0.5)
    begun = time.monotonic()
    while time.monotonic() - begun < HEAD_SECONDS + GRACE_S:
        try:
            client.sendall(drip)
            if not client.recv(100):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_headers_over_the_limit_are_refused(api: Server) -> None:
    """So many headers are more than any client sends; they are not waited for."""
    head = b"GET /api/sync/status HTTP/1.1\r\nX: " + b"x" * (LARGEST_HEAD + 10)

    assert api.status(head) == 431
    assert api.status(request()) == 200


def test_a_kept_connection_is_used_again(api: Server) -> None:
    """Answers follow each other on one connection, also if requests come together or in pieces."""
    ask = request().replace(b"Connection: close\r\n", b"")
    with clients(api, ask, count=1) as (client,):
        client.settimeout(PROMPT_S)
        assert status_of(client) == 200
        client.sendall(ask[:40])
        time.sleep(0.2)
        client.sendall(ask[40:])
        assert status_of(client) == 200
        client.sendall(ask + request())
        received = b""
        while part := client.recv(65_536):
            received += part

    assert received.count(b"HTTP/1.1 200 ") == 2


def test_a_large_refused_body_does_not_lose_the_answer(api: Server) -> None:
    """A client that sends all of its body before it reads has its 401 all the same."""
    head = request(TRIGGER, CHUNKED, operator=False)

    assert api.status(head, *repeat(chunk(b"x" * MIB), 16), b"0\r\n\r\n") == 401
