"""Parameters of WooCommerce's collections, and the rows they select."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from local.sandbox.account import Account
from local.sandbox.catalogue import mix
from local.sandbox.http import Reply, Request
from local.sandbox.woocommerce import rows

Kind = Literal["orders", "products", "variations"]
OrderBy = Literal["date", "id", "modified"]
E = TypeVar("E")
_LARGEST = 100
#: Later than everything.
_NEVER = 1 << 40


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


class _Entry(NamedTuple):
    """What products and variations are selected and ordered by."""

    id: int
    created: int
    updated: int
    #: Index of the item.
    item: int
    #: Which variation of it.
    number: int = 0


class Selected(NamedTuple):
    """One page of what a query selects, and how much that is in all."""

    rows: list[dict[str, Any]]
    total: int


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
        #: Orders by status: time of the last change and index, in that order.
        self._orders: dict[str, list[tuple[int, int]]] = {}
        self._items: dict[tuple[Kind, str], list[_Entry]] = {}
        self._state: tuple[int, ...] = ()

    def select(self, query: Query, product_id: int | None) -> Selected:
        """A page of a query.

        Args:
            query: What is asked for.
            product_id: Whose variations.
        """
        state = (self.account.changes, self.account.sales, len(self.account.vanished))
        if state != self._state:
            self._state = state
            self._orders.clear()
            self._items.clear()
        if query.kind == "orders":
            indices, total = self._page(self._selected_orders(query), query)
            account = self.account
            return Selected([rows.order(account, index, account.sale(index)) for index in indices], total)
        entries, total = self._page(self._selected_items(query, product_id), query)
        return Selected([self._built(query, entry) for entry in entries], total)

    @staticmethod
    def _page(found: Sequence[E], query: Query) -> tuple[Sequence[E], int]:
        last = len(found) - query.offset
        if query.is_descending:
            return found[max(0, last - query.per_page) : max(0, last)][::-1], len(found)
        return found[query.offset : query.offset + query.per_page], len(found)

    def _selected_orders(self, query: Query) -> Sequence[int]:
        if query.status not in self._orders:
            self._orders[query.status] = [
                (updated, index)
                for updated, index in self.account.sales_from(0)
                if self._has(query.status, index)
            ]
        pairs = self._orders[query.status]
        after, before = self._updated(query)
        first, last = bisect_left(pairs, (after + 1, 0)), bisect_left(pairs, (before, 0))
        indices = [index for _, index in pairs[first:last]]
        if query.after or query.before:
            created = self.account.sales_created(*self._created(query))
            indices = [index for index in indices if index in created]
        # They are numbered as they were made.
        return indices if query.order_by == "modified" else sorted(indices)

    def _has(self, status: str, index: int) -> bool:
        if status == "trash":
            return rows.may_be_trashed(index) and rows.is_trashed(index, self.account.sale(index))
        if status == "any":
            return not (rows.may_be_trashed(index) and rows.is_trashed(index, self.account.sale(index)))
        return rows.status_of(index, self.account.sale(index)) == status

    def _selected_items(self, query: Query, product_id: int | None) -> Sequence[_Entry]:
        key = (query.kind, f"{query.status}/{query.type}/{product_id}")
        if key not in self._items:
            self._items[key] = list(self._entries(query, product_id))
        after, before = self._updated(query)
        made_after, made_before = self._created(query)
        found = [
            entry
            for entry in self._items[key]
            if after < entry.updated < before and made_after <= entry.created < made_before
        ]
        if query.order_by == "id":
            return sorted(found)
        # They lose their second criterion: equal times come in any order, another one for each page.
        is_date = query.order_by == "date"
        salt = (query.offset, query.per_page)
        return sorted(found, key=lambda entry: (entry[1 if is_date else 2], mix(entry.id, *salt)))

    def _entries(self, query: Query, product_id: int | None) -> Iterator[_Entry]:
        for index in self.account.listed() if query.status != "trash" else ():
            item = self.account.item(index)
            if query.kind == "products":
                if query.type in ("", "variable" if item.variants > 1 else "simple"):
                    yield _Entry(item.id, item.created, item.updated, index)
            elif item.variants > 1 and product_id in (None, item.id):
                for number in range(item.variants):
                    built = rows.variation(self.account, index, number)
                    yield _Entry(built["id"], item.created, item.created, index, number)

    def _built(self, query: Query, entry: _Entry) -> dict[str, Any]:
        if query.kind == "products":
            return rows.product(self.account, entry.item)
        return rows.variation(self.account, entry.item, entry.number)

    def _updated(self, query: Query) -> tuple[int, int]:
        """Strict bounds on the modification time; what was changed a moment ago may not be listed yet."""
        after, before = self._moment(query, query.modified_after), self._moment(query, query.modified_before)
        hidden = int(time.time() - query.late_s) if query.late_s else _NEVER
        return -1 if after is None else after, min(_NEVER if before is None else before, hidden)

    def _created(self, query: Query) -> tuple[int, int]:
        """The first second of creation that is listed, and the first that is not any more."""
        after, before = self._moment(query, query.after), self._moment(query, query.before)
        return 0 if after is None else after + 1, _NEVER if before is None else before

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
