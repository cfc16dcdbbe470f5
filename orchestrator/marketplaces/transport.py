"""Sending one request: pooled connections, timeouts, a size limit, no redirects, public addresses only."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from orchestrator.errors import MarketplaceUnavailable, RequestRejected, ResponseInvalid
from orchestrator.room import LARGE_BYTES, Crowded
from orchestrator.timed_http import TimedPoolManager, TimedTlsConnection, TimedTlsPool

#: Seconds to connect, and from the end of a request to the end of its answer.
CONNECT_S, ANSWER_S = 5.0, 25.0
#: Seconds for all the addresses of a host's name together: the name's owner decides how many there are.
ADDRESSES_S = 2 * CONNECT_S
#: The largest answer that is read, decompressed; for a moment it is in memory twice. More than LARGE_BYTES of
#: it are read only if there is room.
MAX_BYTES = 16 * 1024 * 1024
_CHUNK = 256 * 1024
#: Tasks at once if nobody says: those of the embedded queue.
_PLACES = 16
#: Hosts that a task may call: of the marketplace, of its tokens, and of its files.
_HOSTS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read to its end."""

    status: int
    #: Names compare without case.
    headers: Mapping[str, str]
    body: bytes
    #: Bytes of the body before decompression.
    received: int


class _PublicConnection(TimedTlsConnection):
    """Refuses to connect to an address that is not public."""

    def _new_conn(self) -> socket.socket:
        # Checked on the connected socket: resolving the name to another address later gains nothing.
        connected = _connected(self.host, self.port)
        address = ip_address(connected.getpeername()[0].partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not address.is_global:
            connected.close()
            message = f"{self.host} resolves to an address that is not public; nothing was sent"
            raise RequestRejected(message, action="correct the host in the connection's settings")
        return connected


class _PublicPool(TimedTlsPool):
    ConnectionCls = _PublicConnection


def _connected(host: str, port: int) -> socket.socket:
    """A connection to the first of the host's addresses that accepts one in time.

    Raises:
        OSError: No address accepts one, or there is no address.
        LocationParseError: The text cannot be a host's name.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise LocationParseError(host) from None
    ends_at = time.monotonic() + ADDRESSES_S
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in found:
        left = ends_at - time.monotonic()
        if left <= 0:
            break
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(min(CONNECT_S, left))
            connected.connect(address)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connected.close()
            failure = error
        else:
            return connected
    raise failure


def _places() -> int:
    """Tasks that this process works on at once: functions-framework's THREADS."""
    threads = os.environ.get("THREADS", "")
    return int(threads) if threads.isdecimal() else _PLACES


@lru_cache(maxsize=2)
def _pools(public: bool) -> urllib3.PoolManager:
    """The process's connections; sessions of one marketplace share them."""
    places = _places()
    # Its debug lines hold paths with their queries.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    manager = TimedPoolManager(num_pools=_HOSTS * places, maxsize=places, retries=False)
    if public:
        manager.pool_classes_by_scheme = {"https": _PublicPool}
    return manager


def send(
    call: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    public: bool,
    has_room: Callable[[], bool],
) -> Answer:
    """Send once and read the answer to its end; redirects are not followed.

    Args:
        call: Marketplace and operation, for messages.
        method: The HTTP method.
        url: The address; never part of a message.
        headers: All headers to send.
        body: The bytes to send.
        public: Only https, and only to public addresses.
        has_room: Asked, without a wait, whether there is room for a large answer.

    Raises:
        Crowded: There is no room.
        MarketplaceUnavailable: No connection, no answer in time, or a truncated answer.
        RequestRejected: The host resolves to an address that is not public.
        ResponseInvalid: The answer is larger than MAX_BYTES.
    """
    timeout = urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S)
    try:
        response = _pools(public).request(
            method,
            url,
            body=body,
            headers=headers,
            timeout=timeout,
            redirect=False,
            preload_content=False,
        )
        try:
            read = bytearray()
            while chunk := response.read1(_CHUNK, decode_content=True):
                read += chunk
                if len(read) > MAX_BYTES:
                    raise ResponseInvalid(f"{call}: the answer is larger than {MAX_BYTES} bytes")
                if len(read) > LARGE_BYTES and not 200 <= response.status < 300:
                    # The status tells enough. Else a place would be kept during the waits before retries.
                    read.clear()
                    response.close()
                    break
                if len(read) > LARGE_BYTES and not has_room():
                    raise Crowded
            received = response.tell()
        except BaseException:
            response.close()
            raise
        response.release_conn()
    except HTTPError as error:
        # Only its type: urllib3's messages may hold the URL.
        raise MarketplaceUnavailable(f"{call}: no complete answer ({type(error).__name__})") from None
    return Answer(response.status, response.headers, bytes(read), received)
