"""Parameters of WooCommerce's collections, and the rows they select."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, get_args

from local.sandbox import woocommerce_rows as rows
from local.sandbox.account import Account
from local.sandbox.catalogue import mix
from local.sandbox.http import Reply, Request

Kind = Literal["orders", "products", "variations"]
OrderBy = Literal["date", "id", "modified"]
Build = Callable[[], dict[str, Any]]
_LARGEST = 100


class Refused(Exception):
    """A call that WordPress refuses, in its own form."""

    def __init__(self, status: int, code: str, message: str, params: dict[str, str] | None = None) -> None:
        super().__init__(code)
        data: dict[str, Any] = {"status": status}
        if params:
            data |= {"params": params, "details": {}}
        self.reply = Reply.json(status, {"code": code, "message": message, "data": data})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A collection's parameters, understood."""

    kind: Kind
    order_by: OrderBy
    is_descending: bool
    status: str
    type: str
    #: Strict bounds as the site compares them: the text of a time, and whether that is compared with UTC.
    after: str
    before: str
    modified_after: str
    modified_before: str
    dates_are_gmt: bool
    offset: int
    per_page: int
    fields: frozenset[str]
    late_s: float


@dataclass(frozen=True, slots=True)
class _Entry:
    """What rows are selected and ordered by."""

    id: int
    created: int
    updated: int
    build: Build


def read_query(request: Request, kind: Kind, *, takes_modified: bool, filters_modified: bool) -> Query:
    """Read the parameters.

    Args:
        request: The call.
        kind: The collection.
        takes_modified: Whether it can be ordered by modification time.
        filters_modified: Whether bounds on the modification time, and `dates_are_gmt`, are known; what
            is not known is ignored.

    Raises:
        Refused: A value that the parameter does not take.
    """
    order_by: OrderBy = "date"
    if given := request.one("orderby"):
        if given not in get_args(OrderBy) or (given == "modified" and not takes_modified):
            raise _invalid("orderby", "orderby is not one of date, id, include, title, and slug.")
        order_by = given  # type: ignore[assignment] # one of its words
    order, status = request.one("order", "desc"), request.one("status", "any")
    if order not in {"asc", "desc"}:
        raise _invalid("order", "order is not one of asc and desc.")
    if kind == "orders" and status not in {"any", "trash", "pending", "processing", "completed"}:
        raise _invalid("status", "status[0] is not one of any, trash, pending, processing, and completed.")
    per_page = _number(request, "per_page", "10", 1)
    if per_page > _LARGEST:
        raise _invalid("per_page", "per_page must be between 1 (inclusive) and 100 (inclusive)")
    page = _number(request, "page", "1", 1)
    is_gmt = filters_modified and request.one("dates_are_gmt", "false") in {"true", "1"}
    return Query(
        kind=kind,
        order_by=order_by,
        is_descending=order == "desc",
        status=status,
        type=request.one("type"),
        after=_time(request, "after"),
        before=_time(request, "before"),
        modified_after=_time(request, "modified_after") if filters_modified else "",
        modified_before=_time(request, "modified_before") if filters_modified else "",
        dates_are_gmt=is_gmt,
        offset=_number(request, "offset", str((page - 1) * per_page), 0),
        per_page=per_page,
        fields=frozenset(filter(None, request.one("_fields").split(","))),
        late_s=request.late_s,
    )


class Listings:
    """The collections of one site; kept in order until something changes."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._sorted: dict[tuple[str, str, OrderBy], list[_Entry]] = {}
        self._state: tuple[int, ...] = ()

    def select(self, query: Query, product_id: int | None) -> list[Build]:
        """The rows of a query in its order, not built yet.

        Args:
            query: What is asked for.
            product_id: Whose variations.
        """
        state = (self.account.changes, self.account.sales, len(self.account.vanished))
        if state != self._state:
            self._state = state
            self._sorted.clear()
        if product_id is not None:
            entries: Sequence[_Entry] = self._variations_of(product_id)
        else:
            entries = self._entries(query)
        hidden = time.time() - query.late_s if query.late_s else float("inf")
        found = [entry for entry in entries if entry.updated < hidden]
        if query.kind != "orders" and query.order_by != "id":
            # Products lose their second criterion: equal times come in any order, another one for each page.
            found.sort(
                key=lambda entry: (
                    _order_of(entry, query.order_by),
                    mix(entry.id, query.offset, query.per_page),
                )
            )
        builds = [entry.build for entry in found]
        return builds[::-1] if query.is_descending else builds

    def _entries(self, query: Query) -> Sequence[_Entry]:
        key = (query.kind, f"{query.status}/{query.type}", query.order_by)
        if key not in self._sorted:
            self._sorted[key] = sorted(
                self._all(query), key=lambda entry: (_order_of(entry, query.order_by), entry.id)
            )
        entries = self._sorted[key]
        created = (self._moment(query, query.after), self._moment(query, query.before))
        updated = (self._moment(query, query.modified_after), self._moment(query, query.modified_before))
        first, last = 0, len(entries)
        if query.order_by == "modified":
            first, last, updated = *_between(entries, updated, lambda entry: entry.updated), (None, None)
        elif query.order_by == "date":
            first, last, created = *_between(entries, created, lambda entry: entry.created), (None, None)
        found = entries[first:last]
        if created == updated == (None, None):
            return found
        return [
            entry
            for entry in found
            if _is_within(entry.created, created) and _is_within(entry.updated, updated)
        ]

    def _all(self, query: Query) -> list[_Entry]:
        account = self.account
        if query.kind == "orders":
            sales = (account.sale(index) for index in range(account.sales))
            return [
                _Entry(sale.id, sale.created, sale.updated, partial(rows.order, account, sale))
                for sale in sales
                if query.status == rows.status_of(sale)
                or (query.status == "any" and not rows.is_trashed(sale))
            ]
        if query.status == "trash":
            return []
        found = []
        for index in account.listed():
            item = account.item(index)
            if query.kind == "products" and query.type in ("", "variable" if item.variants > 1 else "simple"):
                build = partial(rows.product, account, index)
                found.append(_Entry(item.id, item.created, item.updated, build))
            elif query.kind == "variations" and item.variants > 1:
                found += self._variations(index)
        return found

    def _variations(self, index: int) -> list[_Entry]:
        item = self.account.item(index)
        builds = [partial(rows.variation, self.account, index, number) for number in range(item.variants)]
        return [_Entry(build()["id"], item.created, item.created, build) for build in builds]

    def _variations_of(self, product_id: int) -> list[_Entry]:
        for index in self.account.listed():
            item = self.account.item(index)
            if item.id == product_id:
                return self._variations(index) if item.variants > 1 else []
        return []

    def _moment(self, query: Query, text: str) -> int | None:
        """A bound as Unix seconds.

        A text without a suffix is what the clock of the compared column shows. One with a suffix is first
        converted to the site's clock, whichever column it is then compared with.
        """
        if not text:
            return None
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(rows.zone(self.account)).replace(tzinfo=None)
        column = UTC if query.dates_are_gmt else rows.zone(self.account)
        return int(moment.replace(tzinfo=column).timestamp())


def _order_of(entry: _Entry, order_by: OrderBy) -> int:
    return {"id": entry.id, "date": entry.created, "modified": entry.updated}[order_by]


def _between(
    entries: Sequence[_Entry], bounds: tuple[int | None, int | None], of: Callable[[_Entry], int]
) -> tuple[int, int]:
    after, before = bounds
    first = 0 if after is None else bisect_right(entries, after, key=of)
    return first, len(entries) if before is None else bisect_left(entries, before, key=of)


def _is_within(value: int, bounds: tuple[int | None, int | None]) -> bool:
    after, before = bounds
    return (after is None or value > after) and (before is None or value < before)


def _time(request: Request, name: str) -> str:
    text = request.one(name)
    try:
        _ = text and datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(name, "Invalid date.") from None
    return text


def _number(request: Request, name: str, default: str, least: int) -> int:
    text = request.one(name, default)
    if not text.isdecimal() or int(text) < least:
        raise _invalid(name, f"{name} must be greater than or equal to {least}")
    return int(text)


def _invalid(name: str, reason: str) -> Refused:
    return Refused(400, "rest_invalid_param", f"Invalid parameter(s): {name}", {name: reason})
