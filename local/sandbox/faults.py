"""Fault switches: each makes a sandbox misbehave in one way, and at a chosen rate.

`POST /_sandbox/faults` adds a switch, `DELETE` removes all. To add a kind, add a function to `KINDS`.

| kind | does | takes |
| --- | --- | --- |
| `status` (default) | answers with an error status | `status`, `retry_after`, `html` |
| `slow` | answers late | `seconds` |
| `hang` | does not answer until the caller hangs up | |
| `reset` | resets the connection instead of answering | |
| `truncated` | closes the connection in the middle of the answer | |
| `invalid_json` | answers with the first half of the JSON, with a matching length | |
| `expired_access` | refuses an access token as expired; lasting keys are not affected | |
| `expired_token` | refuses a page token as expired | |
| `late` | hides changes of the last seconds, as a search index does | `seconds` |
| `churn` | before it answers, changes an order, a price and a stock level and adds an order | |
| `unshown` | answers 500 to a call for this record, and to each page with it (eBay, Shopify) | `record` |
| `malformed` | adds a record without its required fields to a page | |
| `unordered` | reverses the order of a page's records | |
| `duplicate` | begins a page with the previous page's last record | |
| `unknown_words` | replaces words of enumerations with an unknown word | |
| `missing_optional` | removes optional fields from records | |

All kinds take `every` (every n-th call; 1 means each call) or `percent` (random calls, from `seed`), and
`times` (the maximum number of affected calls; 0 means no maximum). With `account`, a switch affects only
the calls with that account's credential, and counts only them. `churn` without it changes the first account.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from local.sandbox.http import Reply, Request


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One switch that is on."""

    kind: str = "status"
    every: int = 1
    #: If given, replaces `every`.
    percent: float | None = None
    seed: int = 1
    times: int = 0
    status: int = 503
    #: The header's text: seconds or an HTTP date.
    retry_after: str | None = None
    html: bool = False
    seconds: float = 1.0
    #: The number of the account whose calls are affected; None means all.
    account: int | None = None
    #: An id; eBay's offers of a SKU are named `offers/SKU`.
    record: str = ""

    def __post_init__(self) -> None:
        """Refuse unknown kinds and impossible rates."""
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")
        if self.every < 1 or (self.percent is not None and not 0 < self.percent <= 100):
            raise ValueError("every is at least 1; percent is over 0 and at most 100")


def _status(fault: Fault, _: Request) -> Reply:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.html:
        page = b"<!DOCTYPE html><html><body><h1>Sorry, you have been blocked</h1></body></html>"
        return Reply(fault.status, page, "text/html; charset=UTF-8", headers)
    return Reply.json(fault.status, {"errors": [{"status": fault.status, "title": "fault"}]}, headers)


def _slow(fault: Fault, _: Request) -> None:
    time.sleep(fault.seconds)


def _late(fault: Fault, request: Request) -> None:
    request.late_s = fault.seconds


def _churn(fault: Fault, request: Request) -> None:
    request.churned_account = fault.account or 0


def _breaks(fault: Fault, request: Request) -> None:
    request.breakage = fault.kind


def _hides(fault: Fault, request: Request) -> None:
    request.unshown.append(fault.record)


def _marks(name: str) -> Callable[[Fault, Request], None]:
    return lambda _, request: setattr(request, name, True)


def _distorts(fault: Fault, request: Request) -> None:
    request.distortions.append(fault.kind)


#: Each kind either answers instead of the marketplace, or marks the request and passes it on.
KINDS: Mapping[str, Callable[[Fault, Request], Reply | None]] = {
    "status": _status,
    "slow": _slow,
    "hang": _breaks,
    "reset": _breaks,
    "truncated": _breaks,
    "invalid_json": _breaks,
    "expired_access": _marks("expired_access"),
    "expired_token": _marks("expired_token"),
    "late": _late,
    "churn": _churn,
    "unshown": _hides,
    "malformed": _marks("malformed"),
    "unordered": _distorts,
    "duplicate": _distorts,
    "unknown_words": _distorts,
    "missing_optional": _distorts,
}


@dataclass(slots=True)
class _Switch:
    """A fault that is on, with the number of calls it has affected."""

    fault: Fault
    dice: random.Random
    hits: int = 0
    #: The account's calls so far; stays 0 if the fault names none.
    calls: int = 0

    def strikes(self, call: int, account: int | None) -> bool:
        """Whether the fault affects this call; counts it if so."""
        fault = self.fault
        if fault.account is not None:
            if account != fault.account:
                return False
            self.calls += 1
            call = self.calls
        if fault.percent is not None:
            hit = self.dice.random() * 100 < fault.percent
        else:
            hit = call % fault.every == 0
        if not hit or (fault.times and self.hits >= fault.times):
            return False
        self.hits += 1
        return True


class Faults:
    """The switches of one sandbox.

    Args:
        accounts: Number of its accounts.
    """

    def __init__(self, accounts: int) -> None:
        self._accounts = accounts
        self._on: list[_Switch] = []
        self._calls = 0
        self._lock = threading.Lock()

    def add(self, body: Any) -> None:
        """Turn one on.

        Raises:
            msgspec.ValidationError: Not a fault.
            ValueError: There is no such account.
        """
        fault = msgspec.convert(body, Fault)
        if fault.account is not None and not 0 <= fault.account < self._accounts:
            raise ValueError(f"account is a number from 0 to {self._accounts - 1}")
        with self._lock:
            # Two switches with the same seed must not always affect the same calls.
            self._on.append(_Switch(fault, random.Random(f"{fault.seed}/{len(self._on)}")))

    def clear(self) -> None:
        """Turn all off."""
        with self._lock:
            self._on.clear()

    def apply(self, request: Request, account_of: Callable[[Request], int | None]) -> Reply | None:
        """Mark the request with the faults that affect it.

        Args:
            request: The call.
            account_of: Finds the caller's account; called only if a fault names one.

        Returns:
            A fault's answer; None if the marketplace is to answer.
        """
        with self._lock:
            self._calls += 1
            named = any(switch.fault.account is not None for switch in self._on)
            account = account_of(request) if named else None
            due = [switch.fault for switch in self._on if switch.strikes(self._calls, account)]
            request.remembered = any(switch.fault.kind == "duplicate" for switch in self._on)
        replies = [KINDS[fault.kind](fault, request) for fault in due]
        return next((reply for reply in replies if reply is not None), None)
