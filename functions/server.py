"""The server's manners towards slow clients: they cost no thread, and a refusal does not wait for them.

The framework serves with gunicorn's threaded worker and passes no options on to it. That worker (27.0.1)
gives each connection a thread from its first moment, reads headers without a time limit, and closes a
connection in its main loop, where each client that stays holds everybody up for two seconds. A hundred idle
clients would keep Cloud Scheduler waiting for minutes. Nothing here relies on a front end that shields it.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers import gthread

#: All headers of a request have this long to arrive.
HEAD_SECONDS = 10.0
#: Bytes; a request with larger headers is refused. gunicorn itself bounds single headers only.
LARGEST_HEAD = 64 * 1024
#: After the answer the client's data is dropped for so many seconds and bytes: a connection that is closed at
#: once may lose the answer on its way (RFC 9112, 9.6). The platform bounds bodies to 32 MiB.
PARTING_SECONDS = 2.0
PARTING_BYTES = 32 * 1024 * 1024

_PIECE = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


class PatientWorker(gthread.ThreadWorker):  # type: ignore[misc] # gunicorn ships no type information
    """gunicorn's threaded worker; a connection has a thread only between its headers and its answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Closed for writing, and read until they end; oldest first.
        self._parting: deque[_Parting] = deque()

    def handle(self, conn: Any) -> Any:
        """Answer one request, in a thread; a connection without all its headers goes back to the poller."""
        head_by = getattr(conn, "head_by", None) or time.monotonic() + HEAD_SECONDS
        try:
            missing = _missing_head(conn)
        except OSError:
            return False
        if missing and time.monotonic() < head_by:
            conn.head_by = head_by
            return gthread._DEFER
        if missing:
            return False
        conn.head_by = None
        conn.data_ready = True  # else the base class waits for data itself
        return super().handle(conn)

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:
        """Keep a connection only if the rest of the request's body has arrived.

        The base class gives it five seconds, and starts them anew with each piece.
        """
        if not keepalive:
            return False
        conn.sock.setblocking(False)
        try:
            return bool(conn.parser.finish_body(max_bytes=_PIECE))
        except Exception:  # noqa: BLE001 - it has not arrived, or is malformed: the answer is sent all the same
            return False

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Continue after a request, in the main loop, which must not wait for a client."""
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
            return
        parting = _Parting(conn, time.monotonic() + PARTING_SECONDS)
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, EVENT_READ, partial(self._drop, parting))
        except (OSError, ValueError, KeyError):
            self._close(conn)
        else:
            self._parting.append(parting)

    def murder_pending(self) -> None:
        """Close the connections whose time is over."""
        super().murder_pending()
        while self._parting and self._parting[0].is_over(time.monotonic()):
            parting = self._parting.popleft()
            if not parting.is_closed:
                self._part(parting)

    def _drop(self, parting: _Parting, _sock: object) -> None:
        """Read on, until the client closes or has sent too much."""
        try:
            received = len(parting.conn.sock.recv(_PIECE))
        except BlockingIOError:
            return
        except OSError:
            received = 0
        parting.bytes_left -= received
        if not received or parting.bytes_left <= 0:
            self._part(parting)

    def _part(self, parting: _Parting) -> None:
        parting.is_closed = True
        with suppress(OSError, ValueError, KeyError):
            self.poller.unregister(parting.conn.sock)
        self._close(parting.conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()


class _Parting:
    """A connection whose answer is sent."""

    def __init__(self, conn: Any, ends_at: float) -> None:
        self.conn = conn
        self.bytes_left = PARTING_BYTES
        self.is_closed = False
        self._ends_at = ends_at

    def is_over(self, now: float) -> bool:
        """Whether nothing is left to wait for."""
        return self.is_closed or now >= self._ends_at


def _missing_head(conn: Any) -> bool:
    """Whether headers are still to come; the poller then reports the connection once more data is there.

    Raises:
        OSError: The client has gone, or has sent more headers than are read.
    """
    buffered: bytes = conn.parser.unreader.buf.getvalue() if conn.initialized else b""
    sock: socket.socket = conn.sock
    try:
        peeked = sock.recv(LARGEST_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return _END_OF_HEAD not in buffered
    is_whole = _END_OF_HEAD in buffered + peeked
    if not is_whole and len(peeked) >= LARGEST_HEAD:
        sock.sendall(_HEAD_TOO_LARGE)
        raise OSError("too many headers")
    if not is_whole and not peeked:
        raise OSError("closed by the client")
    # The poller must not report the same data again and again; a later read takes whatever is there.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 if is_whole else len(peeked) + 1)
    return not is_whole


def install() -> None:
    """Have the framework's server use `PatientWorker`, which it looks up by name when it starts."""
    gthread.ThreadWorker = PatientWorker
