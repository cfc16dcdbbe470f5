"""HTTP connections whose read timeout covers the whole answer, not the pause between two bytes.

Otherwise a server that sends a byte now and then could hold its caller for ever: urllib3 and `http.client`
start the timeout anew with every byte, even of the headers.

All of the process's TLS connections share one context. Otherwise urllib3 loads the certificates of all
authorities for each of them, which takes more CPU time than an idle connection's whole task.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    import ssl

    from _typeshed import WriteableBuffer

_making_context = threading.Lock()


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

    def __init__(self, host: str, port: int | None = None, **options: Any) -> None:
        super().__init__(host, port, **{"ssl_context": tls_context(), **options})


class TimedPoolManager(urllib3.PoolManager):
    """Connections to any host; a call takes at most its connect and its read timeout."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": TimedPool, "https": TimedTlsPool}


def tls_context() -> ssl.SSLContext:
    """The process's context: TLS 1.2 or later, certificates and names checked, the system's authorities."""
    # The first tasks of an instance need it at the same time.
    with _making_context:
        return _made_context()


@cache
def _made_context() -> ssl.SSLContext:
    # urllib3's own settings, as if each connection made one.
    context = create_urllib3_context()
    context.load_default_certs()
    return context
