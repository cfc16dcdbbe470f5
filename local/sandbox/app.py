"""What all sandboxes have in common: arguments, accounts, and the `/_sandbox/` calls.

| call | does |
| --- | --- |
| `POST /_sandbox/change` | changes as much data as it is told to: see `Change` |
| `POST` and `DELETE /_sandbox/faults` | turns a fault on; turns all off |
| `GET /_sandbox/stats` | calls and bytes so far, in all and by path |
| `GET /_sandbox/truth?account=N` | what a complete sync must hold: one JSON line a record |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from local.sandbox.account import Account
from local.sandbox.catalogue import Generated, Source, mix
from local.sandbox.distort import Distorter, Shape
from local.sandbox.faults import Faults
from local.sandbox.http import Reply, Request
from local.sandbox.retail import Retail


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a sandbox is filled with; the same arguments give the same data."""

    marketplace: str
    seed: int = 1
    orders: int = 1000
    products: int = 200
    accounts: int = 2
    #: Nothing is newer than this; aware.
    until: datetime
    #: A folder of real data instead of generated data.
    data: Path | None = None
    #: Limits that are soon reached.
    small_buckets: bool = False

    def source(self, account: int) -> Source:
        """One account's data."""
        until = int(self.until.timestamp())
        if self.data is None:
            return Generated(self.seed, account, sales=self.orders, items=self.products, until=until)
        return Retail(
            self.data,
            self.marketplace,
            account,
            self.accounts,
            sales=self.orders,
            items=self.products,
            until=until,
        )


class Marketplace(Protocol):
    """What one marketplace's sandbox adds."""

    #: What its answers look like, for faults inside them.
    shape: Shape

    def answer(self, request: Request) -> Reply:
        """Answer a call of the marketplace's own API."""
        ...

    def truth(self, account: Account) -> Iterator[dict[str, Any]]:
        """Each record as `{stream, id, …}`, with the normalized fields that can be told beforehand."""
        ...

    def stock_id(self, account: Account, index: int, place: int) -> str:
        """The id of an item's stock level at a place, as a connector forms it."""
        ...


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """How many of what to change."""

    orders: int = 0
    prices: int = 0
    stock: int = 0
    new_orders: int = 0
    #: Products taken out of the catalogue.
    vanish: int = 0
    account: int = 0
    #: When the changes are said to have happened; now where it is left out.
    at: datetime | None = None


class App:
    """A sandbox: its marketplace's API and the `/_sandbox/` calls beside it."""

    def __init__(self, marketplace: Marketplace, accounts: list[Account]) -> None:
        self._marketplace = marketplace
        self._accounts = accounts
        self._faults = Faults()
        self._distorter: Distorter | None = None
        # One call at a time: changes and answers never mix, and Python runs one at a time anyway.
        self._lock = threading.Lock()
        self._stats: dict[str, list[int]] = {}
        self._changes = 0

    def answer(self, request: Request) -> Reply:
        """Answer any call."""
        if request.path.startswith("/_sandbox/"):
            with self._lock:
                return self._control(request)
        reply = self._faults.apply(request)
        with self._lock:
            reply = reply or self._answer(request)
            seen = self._stats.setdefault(request.path, [0, 0])
            seen[0] += 1
            seen[1] += len(reply.body)
        return reply

    def _answer(self, request: Request) -> Reply:
        """The marketplace's answer, with what faults do to it."""
        if request.churned_account is not None:
            self._change(Change(orders=1, prices=1, stock=1, new_orders=1, account=request.churned_account))
        reply = self._marketplace.answer(request)
        if request.distortions or request.remembered:
            self._distorter = self._distorter or Distorter(self._marketplace.shape)
            reply = self._distorter.apply(request, reply)
        if request.breakage == "invalid_json":
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        return replace(reply, breakage=request.breakage)

    def _control(self, request: Request) -> Reply:
        try:
            match request.method, request.path.removeprefix("/_sandbox/"):
                case "POST", "change":
                    changed = self._change(msgspec.json.decode(request.body, type=Change))
                    return Reply.json(200, changed)
                case "POST", "faults":
                    self._faults.add(msgspec.json.decode(request.body))
                    return Reply.json(200, {})
                case "DELETE", "faults":
                    self._faults.clear()
                    return Reply.json(200, {})
                case "GET", "stats":
                    return Reply.json(200, self._counts())
                case "GET", "truth":
                    account = self._accounts[int(request.one("account", "0"))]
                    lines = (msgspec.json.encode(record) for record in self._marketplace.truth(account))
                    return Reply(200, b"\n".join(lines), "application/x-ndjson")
        except (msgspec.DecodeError, ValueError, IndexError) as error:
            return Reply.json(400, {"error": str(error)})
        return Reply.json(404, {"error": "no such call"})

    def _counts(self) -> dict[str, Any]:
        by_path = {path: {"calls": calls, "bytes": size} for path, (calls, size) in self._stats.items()}
        return {
            "calls": sum(calls for calls, _ in self._stats.values()),
            "bytes": sum(size for _, size in self._stats.values()),
            "by_path": by_path,
        }

    def _change(self, change: Change) -> dict[str, list[str]]:
        """Change what was not changed before, chosen by a running number; the ids that changed."""
        account = self._accounts[change.account]
        at = int(change.at.timestamp() if change.at else time.time())
        listed = list(account.listed())
        shape = self._marketplace.shape
        changed: dict[str, list[str]] = {
            "orders": [
                shape.order_id(account.touch_sale(index, at))
                for index in self._pick(account.sales, change.orders)
            ],
            "prices": [
                shape.product_id(account.reprice(listed[index], at))
                for index in self._pick(len(listed), change.prices)
            ],
            "stock": [],
        }
        for index in self._pick(len(listed), change.stock):
            # Every item lies at the first two places.
            place = mix(index) % 2
            account.restock(listed[index], 0, place, at)
            changed["stock"].append(self._marketplace.stock_id(account, listed[index], place))
        changed["new_orders"] = [shape.order_id(account.add_sale(at)) for _ in range(change.new_orders)]
        gone = [listed[index] for index in self._pick(len(listed), change.vanish)]
        account.vanished.update(gone)
        changed["vanish"] = [shape.product_id(account.item(index)) for index in gone]
        return changed

    def _pick(self, size: int, count: int) -> list[int]:
        picked: dict[int, None] = {}
        while len(picked) < min(size, count):
            self._changes += 1
            picked[mix(7, self._changes) % size] = None
        return list(picked)
