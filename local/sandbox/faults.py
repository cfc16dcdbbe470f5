"""Fault switches: what a sandbox does wrong on purpose, and how often.

`POST /_sandbox/faults` adds one, `DELETE` takes all away. A new kind is a function in `KINDS`.

| kind | does | takes |
| --- | --- | --- |
| `status` (default) | answers with a status instead of the answer | `status`, `retry_after`, `html` |
| `slow` | answers late | `seconds` |
| `malformed` | adds a record that lacks what it must have to a page | |
| `expired_token` | refuses a page token as expired | |
| `late` | hides what changed in the last seconds, as a search index does | `seconds` |

All take `every` (each n-th call; 1 is every call) and `times` (at most; 0 is for ever).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from local.sandbox.http import Reply, Request


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One switch that is on."""

    kind: str = "status"
    every: int = 1
    times: int = 0
    status: int = 503
    #: The header as it is sent: seconds or an HTTP date.
    retry_after: str | None = None
    html: bool = False
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no sandbox knows."""
        if self.kind not in KINDS or self.every < 1:
            raise ValueError(f"kind is one of {', '.join(KINDS)}; every is at least 1")


def _status(fault: Fault, _: Request) -> Reply:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.html:
        page = b"<!DOCTYPE html><html><body><h1>Sorry, you have been blocked</h1></body></html>"
        return Reply(fault.status, page, "text/html; charset=UTF-8", headers)
    return Reply.json(fault.status, {"errors": [{"status": fault.status, "title": "fault"}]}, headers)


def _slow(fault: Fault, _: Request) -> None:
    time.sleep(fault.seconds)


def _malformed(_: Fault, request: Request) -> None:
    request.malformed = True


def _expired_token(_: Fault, request: Request) -> None:
    request.expired_token = True


def _late(fault: Fault, request: Request) -> None:
    request.late_s = fault.seconds


#: What each kind does: answers in the marketplace's place, or marks the request and lets it through.
KINDS: Mapping[str, Callable[[Fault, Request], Reply | None]] = {
    "status": _status,
    "slow": _slow,
    "malformed": _malformed,
    "expired_token": _expired_token,
    "late": _late,
}


class Faults:
    """The switches of one sandbox."""

    def __init__(self) -> None:
        self._on: list[Fault] = []
        self._hits: list[int] = []
        self._calls = 0
        self._lock = threading.Lock()

    def add(self, body: Any) -> None:
        """Turn one on.

        Raises:
            msgspec.ValidationError: Not a fault.
        """
        fault = msgspec.convert(body, Fault)
        with self._lock:
            self._on.append(fault)
            self._hits.append(0)

    def clear(self) -> None:
        """Turn all off."""
        with self._lock:
            self._on.clear()
            self._hits.clear()

    def apply(self, request: Request) -> Reply | None:
        """What a fault answers to this call; None where the marketplace is to answer."""
        due = []
        with self._lock:
            self._calls += 1
            for index, fault in enumerate(self._on):
                if self._calls % fault.every == 0 and (not fault.times or self._hits[index] < fault.times):
                    self._hits[index] += 1
                    due.append(fault)
        for fault in due:
            reply = KINDS[fault.kind](fault, request)
            if reply is not None:
                return reply
        return None
