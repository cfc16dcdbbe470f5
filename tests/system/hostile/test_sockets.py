"""Both functions under the server they are deployed with: what no client sends, over a real socket."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.edge.conftest import SECRET, environment
from tests.support.issuer import OPERATOR, Issuer, token
from tests.support.linux import children_of, on_linux, peak_bytes
from tests.support.serving import serving
from tests.system.hostile.serving import MIB

pytestmark = pytest.mark.processes
#: What a request's body may take: some pieces of it.
BODY_MIB = 48


class Server(NamedTuple):
    """A served function."""

    port: int
    pid: int

    def answer(self, *pieces: bytes, hang_up: bool = False) -> bytes:
        """Send the pieces; returns what is answered, nothing where the connection is just closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=300) as connection:
            with suppress(ConnectionError):  # whoever has had enough hangs up
                for piece in pieces:
                    connection.sendall(piece)
                if hang_up:
                    connection.shutdown(socket.SHUT_WR)
            received = b""
            with suppress(ConnectionError):
                while part := connection.recv(65_536):
                    received += part
        return received

    def status(self, *pieces: bytes, hang_up: bool = False) -> int | None:
        """The status of the first answer."""
        answer = self.answer(*pieces, hang_up=hang_up)
        match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
        return int(match[1]) if match else None

    def peak_mib(self) -> float:
        """The most memory that any of its processes has had."""
        return max(peak_bytes(pid) for pid in (self.pid, *children_of(self.pid))) / MIB


@pytest.fixture
def api(certs: Issuer, tmp_path: Path) -> Iterator[Server]:
    """`sync_api`."""
    with serving("sync_api", environment(certs.url), tmp_path) as served:
        yield Server(*served)


@pytest.fixture
def worker(certs: Issuer, tmp_path: Path) -> Iterator[Server]:
    """`sync_worker`."""
    with serving("sync_worker", environment(certs.url), tmp_path) as served:
        yield Server(*served)


def request(
    line: bytes = b"GET /api/sync/status", *headers: bytes, body: bytes = b"", operator: bool = True
) -> bytes:
    """A whole request, closed after its answer."""
    caller = [b"Authorization: Bearer " + token(email=OPERATOR).encode()] if operator else []
    head = [line + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *caller, *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunk(body: bytes) -> bytes:
    """A chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(body), body)


TRIGGER = b"POST /api/sync/trigger"
CHUNKED = b"Transfer-Encoding: chunked"
#: Requests by what they are: each is answered with a 4xx, or its connection is closed.
REFUSED = {
    **{
        f"path {path[:30]!r}": request(b"GET " + path)
        for path in (
            *(b"/%00", b"/..", b"/api//sync/status", b"/api/sync/../sync/status"),
            *(b"/api/sync/runs/..", b"/api/sync/runs/__x__", b"/api/sync/runs/.", b"/api/sync/runs/%2e%2e"),
            *(b"/api/sync/runs/%2f..%2f", b"/api/sync/runs/a%00b", b"/api/sync/runs/%ff%fe", b"/\xff\xfe"),
            *(b"/api/sync/runs/" + b"x" * 601, b"/" + b"x" * 3_000, b"/" + b"x" * 100_000, b"*", b"no-slash"),
            *(
                b"/api/sync/runs?page_token=" + b"W1tb" * 800,
                b"/api/sync/runs?page_token=%ff",
                b"/api/sync/runs?\xff",
            ),
            *(b"/api/sync/runs?status=%00", b"/api/sync/runs?" + b"status=failed&" * 200, b"http://[/"),
        )
    },
    **{
        f"method {method!r}": request(method + b" /api/sync/status")
        for method in (b"PUT", b"DELETE", b"PATCH", b"TRACE", b"CONNECT", b"BREW", b"get", b"G\x00T", b"\xff")
    },
    "no version": b"GET /api/sync/status\r\n\r\n",
    "version 9": request().replace(b"HTTP/1.1", b"HTTP/9.9"),
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "two lengths": request(TRIGGER, b"Content-Length: 2", b"Content-Length: 5", body=b"{}abc"),
    "length and chunks": request(TRIGGER, b"Content-Length: 2", CHUNKED, body=b"0\r\n\r\n"),
    "chunks twice": request(TRIGGER, b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "chunks in disguise": request(TRIGGER, b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "length below zero": request(TRIGGER, b"Content-Length: -1"),
    "length of many digits": request(TRIGGER, b"Content-Length: " + b"9" * 5_000),
    "length of words": request(TRIGGER, b"Content-Length: two"),
    "a chunk of no size": request(TRIGGER, CHUNKED, body=b"zz\r\n"),
    "a chunk that is too long": request(TRIGGER, CHUNKED, body=b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk of all memory": request(TRIGGER, CHUNKED, body=b"ffffffffffffffff\r\n{}"),
    "space before a colon": request(b"GET /api/sync/status", b"X-Header : x"),
    "a folded header": request(b"GET /api/sync/status", b"X-Header: a\r\n b"),
    "a header of no name": request(b"GET /api/sync/status", b": x"),
    "a null in a header": request(b"GET /api/sync/status", b"X-Header: a\x00b"),
    "a bare line feed": request(b"GET /api/sync/status", b"X-Header: a\nb: c\r"),
    "a header of 100 KB": request(b"GET /api/sync/status", b"X-Header: " + b"x" * 100_000),
    "a thousand headers": request(b"GET /api/sync/status", *(b"X-%d: x" % n for n in range(1_000))),
    "two tokens": request(b"GET /api/sync/status", b"Authorization: Bearer x"),
    "a body over the limit": request(TRIGGER, b"Content-Length: 65537", body=b"x" * 65_537),
    "chunks over the limit": request(TRIGGER, CHUNKED, body=chunk(b"x" * 4_096) * 17 + b"0\r\n\r\n"),
    "a deep body": request(TRIGGER, b"Content-Length: 60000", body=b"[" * 60_000),
}
#: What gunicorn itself says of a transfer encoding it does not know.
NOT_IMPLEMENTED = 501


def test_what_no_client_sends_is_refused(api: Server) -> None:
    """Malformed, smuggled, gigantic requests are refused with a 4xx or cut off; the server goes on."""
    for name, sent in REFUSED.items():
        status = api.status(sent, hang_up=True)

        assert status in {None, NOT_IMPLEMENTED} or 400 <= status < 500, f"{name}: {status}"
        if status is None:
            assert not name.startswith(("path /api", "a body", "chunks over", "a deep")), name
    assert api.status(request()) == 200


def test_a_truncated_body_is_refused(api: Server) -> None:
    """Whoever promises a body and hangs up starts nothing, and holds no thread."""
    for _ in range(8):
        assert api.status(request(TRIGGER, b"Content-Length: 50", body=b'{"full":'), hang_up=True) in {
            400,
            None,
        }
        assert api.status(request(TRIGGER, CHUNKED, body=chunk(b'{"full":')), hang_up=True) in {400, None}

    assert api.status(request(b"GET /api/sync/runs")) == 200
    assert b'"runs":[]' in api.answer(request(b"GET /api/sync/runs"))


def test_a_slow_body_keeps_nobody_waiting(api: Server) -> None:
    """Three callers who send a byte and wait leave the fourth thread to the others."""
    slow = [socket.create_connection(("127.0.0.1", api.port), timeout=300) for _ in range(3)]
    for connection in slow:
        connection.sendall(request(TRIGGER, b"Content-Length: 50", body=b"{"))

    assert all(api.status(request()) == 200 for _ in range(3))
    for connection in slow:
        connection.close()
    assert api.status(request()) == 200


@on_linux
def test_a_gigabyte_takes_no_memory_of_the_http_function(api: Server) -> None:
    """A chunked body without end is read as far as the limit, and then away, by whomever it is sent."""
    assert api.status(request()) == 200
    before = api.peak_mib()
    for operator, mib, status in ((True, 1_024, 413), (False, 64, 401)):
        head = request(TRIGGER, CHUNKED, operator=operator)
        assert api.status(head, *repeat(chunk(b"x" * MIB), mib), b"0\r\n\r\n") == status

    assert api.peak_mib() - before < BODY_MIB
    assert api.status(request(b"POST /api/sync/scheduler", b"x-scheduler-secret: " + SECRET.encode())) == 403


@on_linux
def test_a_gigabyte_takes_no_memory_of_the_worker(worker: Server) -> None:
    """What is larger than any event is refused, without being in memory."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    assert worker.status(head + b"Content-Length: 2\r\n\r\n{}") == 200
    before = worker.peak_mib()
    status = worker.status(head + CHUNKED + b"\r\n\r\n", *repeat(chunk(b"x" * MIB), 1024), b"0\r\n\r\n")

    assert status in {413, None}
    assert worker.peak_mib() - before < BODY_MIB
    assert worker.status(head + b"Content-Length: 2\r\n\r\n{}") == 200


def test_the_worker_outlives_what_no_client_sends(worker: Server) -> None:
    """No such request is answered with a 5xx, and the next event is taken."""
    for name, sent in REFUSED.items():
        status = worker.status(sent, hang_up=True)

        assert status in {None, NOT_IMPLEMENTED} or status < 500, f"{name}: {status}"
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    assert worker.status(head + b"Content-Length: 2\r\n\r\n{}") == 200
