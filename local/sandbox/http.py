"""Requests and replies of the sandboxes, and the HTTP/1.1 server that carries them."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

#: An upper bound for times that excludes nothing.
NEVER = 1 << 40
#: Seconds that an unanswered call is held, unless the caller hangs up before.
_HANG_S = 60.0


@dataclass(slots=True)
class Request:
    """One call."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    #: Names are in lower case.
    headers: Mapping[str, str]
    body: bytes
    #: Set by faults: see `local.sandbox.faults`.
    malformed: bool = False
    expired_token: bool = False
    #: Whether an access token is refused as expired.
    expired_access: bool = False
    #: Changes of this many last seconds are hidden: see `newest`.
    late_s: float = 0.0
    churned_account: int | None = None
    #: Records that cannot be shown, by the names that the marketplace's sandbox gives them.
    unshown: list[str] = field(default_factory=list)
    #: The fault in the answer's transfer; empty if it arrives.
    breakage: str = ""
    #: Faults in the records of a good answer.
    distortions: list[str] = field(default_factory=list)
    #: Whether a later page may repeat a record of this one.
    remembered: bool = False

    def one(self, name: str, default: str = "") -> str:
        """A query parameter's last value."""
        return self.query.get(name, [default])[-1]

    @property
    def newest(self) -> int:
        """Unix time of the newest change that the answer may show; `NEVER` unless `late_s` hides some."""
        return int(time.time() - self.late_s) if self.late_s else NEVER


@dataclass(slots=True)
class Reply:
    """One answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    #: As in `Request`.
    breakage: str = ""

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """An answer in JSON."""
        return cls(status, msgspec.json.encode(value), headers=headers or {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: Buffered, so that headers and body are sent together.
    wbufsize = -1
    disable_nagle_algorithm = True
    #: Seconds an idle connection is kept.
    timeout = 120
    server: Server

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            self.command,
            parts.path,
            parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        reply = self.server.answer(request)
        if reply.breakage:
            self._break_off(reply.breakage)
            if reply.breakage != "truncated":
                return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.breakage else reply.body)

    def _break_off(self, breakage: str) -> None:
        """Mark the connection for closing; hang or reset it if asked for."""
        self.close_connection = True
        if breakage == "hang":
            # The connection becomes readable when the caller hangs up.
            select.select([self.connection], [], [], _HANG_S)
        elif breakage == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - the base class looks for these names

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by this module's clock, which tests may replace."""
        return super().date_time_string(time.time() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: calls are counted instead."""


class Server(ThreadingHTTPServer):
    """Serves one sandbox.

    Args:
        address: Host and port; port 0 takes a free one.
        answer: Answers one call; many threads call it at once.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Reply]) -> None:
        super().__init__(address, _Handler)
        self.answer = answer
