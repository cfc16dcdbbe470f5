"""HTTP connections whose read timeout covers the whole answer, not the pause between two bytes.

Otherwise a server that sends a byte now and then could hold its caller for ever: urllib3 and `http.client`
start the timeout anew with every byte, even of the headers.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _Timed(io.RawIOBase):
    """The bytes that a socket receives within its initial timeout."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._received = connected.makefile("rb", buffering=0)
        timeout = connected.gettimeout()
        self._ends_at = time.monotonic() + timeout if timeout is not None else None

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Wait for bytes no longer than the rest of the timeout.

        Raises:
            TimeoutError: The time is over.
        """
        if self._ends_at is not None:
            left = self._ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer took too long")
            self._socket.settimeout(left)
        return self._received.readinto(buffer)

    def close(self) -> None:
        """Close the reader; the socket stays open."""
        self._received.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that is read through `_Timed`."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        self.fp = io.BufferedReader(_Timed(sock))


class TimedConnection(HTTPConnection):
    """Over http."""

    response_class = _Answer


class TimedTlsConnection(HTTPSConnection):
    """Over https."""

    response_class = _Answer


class TimedPool(HTTPConnectionPool):
    """To one host, over http."""

    ConnectionCls = TimedConnection


class TimedTlsPool(HTTPSConnectionPool):
    """To one host, over https."""

    ConnectionCls = TimedTlsConnection


class TimedPoolManager(urllib3.PoolManager):
    """Connections to any host; a call takes at most its connect and its read timeout."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": TimedPool, "https": TimedTlsPool}
