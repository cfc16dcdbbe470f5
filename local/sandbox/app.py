"""A sandbox: a marketplace's API, and beside it the `/_sandbox/` calls that all marketplaces share.

| call | does |
| --- | --- |
| `POST /_sandbox/change` | changes data: see `Change` |
| `POST /_sandbox/faults` | turns a fault on: see `faults` |
| `DELETE /_sandbox/faults` | turns all faults off |
| `GET /_sandbox/stats` | calls and bytes so far, in total and by path |
| `GET /_sandbox/truth?account=N` | the records that a complete sync must store, one JSON line each |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import msgspec

from local.sandbox.account import Account
from local.sandbox.callers import Callers
from local.sandbox.catalogue import mix
from local.sandbox.distort import Distorter, Shape
from local.sandbox.faults import Faults
from local.sandbox.http import Reply, Request


class Marketplace(Protocol):
    """One marketplace's own part of a sandbox."""

    #: The form of its answers, for faults inside them.
    shape: Shape

    def answer(self, request: Request) -> Reply:
        """Answer a call of the marketplace's own API."""
        ...

    def truth(self, account: Account) -> Iterator[dict[str, Any]]:
        """Each record as `{stream, id, …}`, with some normalized fields: see `local.sandbox.truth`."""
        ...

    def stock_id(self, account: Account, index: int, place: int) -> str:
        """The id of an item's stock level at a place, as a connector forms it."""
        ...


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /_sandbox/change`: the number of changes of each kind."""

    #: Orders that change their state.
    orders: int = 0
    #: Products that change their price.
    prices: int = 0
    #: Stock levels that change.
    stock: int = 0
    #: Orders added.
    new_orders: int = 0
    #: Products removed from the catalogue.
    vanish: int = 0
    #: The account's number.
    account: int = 0
    #: The time that the changes carry; by default now.
    at: datetime | None = None


class App:
    """One sandbox.

    Args:
        marketplace: Answers the calls of its API.
        accounts: The marketplace's accounts.
    """

    def __init__(self, marketplace: Marketplace, accounts: list[Account]) -> None:
        self._marketplace = marketplace
        self._accounts = accounts
        self._faults = Faults(len(accounts))
        self._callers = Callers()
        self._distorter: Distorter | None = None
        # One call at a time: a change must not happen in the middle of an answer. The interpreter's lock
        # serializes the work anyway.
        self._lock = threading.Lock()
        self._stats: dict[str, list[int]] = {}
        self._changes = 0

    def answer(self, request: Request) -> Reply:
        """Answer any call."""
        if request.path.startswith("/_sandbox/"):
            with self._lock:
                return self._control(request)
        reply = self._faults.apply(request, self._callers.account_of)
        with self._lock:
            reply = reply or self._answer(request)
            seen = self._stats.setdefault(request.path, [0, 0])
            seen[0] += 1
            seen[1] += len(reply.body)
        return reply

    def _answer(self, request: Request) -> Reply:
        """The marketplace's answer, with the effects of the faults that mark the request."""
        if request.churned_account is not None:
            self._change(Change(orders=1, prices=1, stock=1, new_orders=1, account=request.churned_account))
        reply = self._marketplace.answer(request)
        self._callers.learn(request, reply)
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
        """Make the changes; returns the ids that changed, by kind. A running number chooses the records."""
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
            # Every item has stock at the first two places.
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
