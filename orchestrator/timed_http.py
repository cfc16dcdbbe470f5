"""HTTP connections whose read time-out is for the whole answer, not for the pause between two bytes.

A server that sends a byte now and then would otherwise hold its caller for as long as it likes: urllib3
and `http.client` begin the time-out anew with every byte, of the headers as well.
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
    """What a socket receives, until the time-out that it had at the beginning is over."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._received = connected.makefile("rb", buffering=0)
        timeout = connected.gettimeout()
        self._ends_at = time.monotonic() + timeout if timeout is not None else None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Wait for bytes no longer than what is left.

        Raises:
            TimeoutError: Nothing is left.
        """
        if self._ends_at is not None:
            left = self._ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer took too long")
            self._socket.settimeout(left)
        return self._received.readinto(buffer)

    def close(self) -> None:
        """Let the socket go."""
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
    """Connections to any host; a call takes at most its connect and its read time-out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": TimedPool, "https": TimedTlsPool}
