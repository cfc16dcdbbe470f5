"""Sending one request: pooled connections, time-outs, a size limit, no redirects, public addresses only."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from orchestrator.errors import MarketplaceUnavailable, RequestRejected, ResponseInvalid

#: Seconds until a connection stands, between two bytes of an answer, and for a whole answer.
CONNECT_S, READ_S, ANSWER_S = 5.0, 20.0, 25.0
#: The largest answer that is read, decompressed.
MAX_BYTES = 32 * 1024 * 1024
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end."""

    status: int
    #: Names compare without case.
    headers: Mapping[str, str]
    body: bytes
    #: Bytes of the body as they travelled, compressed.
    received: int


class _PublicConnection(HTTPSConnection):
    """Refuses to talk to an address that is not public, whatever the name resolved to."""

    def _new_conn(self) -> socket.socket:
        # Checked on the connected socket: a name that resolves differently a second time gains nothing.
        connected = super()._new_conn()
        address = ip_address(connected.getpeername()[0].partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not address.is_global:
            connected.close()
            message = f"{self.host} resolves to an address that is not public; nothing was sent"
            raise RequestRejected(message, action="correct the host in the connection's settings")
        return connected


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


@lru_cache(maxsize=2)
def _pools(public: bool) -> urllib3.PoolManager:
    """The process's connections; sessions of one marketplace share them."""
    # Its debug lines hold paths with their queries.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    manager = urllib3.PoolManager(num_pools=64, maxsize=16, retries=False)
    if public:
        manager.pool_classes_by_scheme = {"https": _PublicPool}
    return manager


def send(
    what: str, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, public: bool
) -> Answer:
    """Send once and read the answer to its end; redirects are not followed.

    Args:
        what: Marketplace and operation, for messages.
        method: The HTTP method.
        url: Where to; never part of a message.
        headers: All headers to send.
        body: What to send.
        public: Only https, and only to public addresses.

    Raises:
        MarketplaceUnavailable: No connection, no answer in time, or one that broke off.
        RequestRejected: The host resolves to an address that is not public.
        ResponseInvalid: The answer is larger than MAX_BYTES.
    """
    timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
    started = time.monotonic()
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
                    raise ResponseInvalid(f"{what}: the answer is larger than {MAX_BYTES} bytes")
                if time.monotonic() - started > ANSWER_S:
                    raise MarketplaceUnavailable(f"{what}: the answer took longer than {ANSWER_S:.0f} s")
            received = response.tell()
        except BaseException:
            response.close()
            raise
        response.release_conn()
    except HTTPError as error:
        # Only its type: urllib3's messages may hold the URL.
        raise MarketplaceUnavailable(f"{what}: no complete answer ({type(error).__name__})") from None
    return Answer(response.status, response.headers, bytes(read), received)
