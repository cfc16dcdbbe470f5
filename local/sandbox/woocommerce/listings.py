"""Pages of WooCommerce's sandbox: the rows of orders, products and variations that a query selects."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from local.sandbox.account import Account
from local.sandbox.catalogue import mix
from local.sandbox.http import NEVER
from local.sandbox.woocommerce import items, rows
from local.sandbox.woocommerce.query import Kind, Query

E = TypeVar("E")


class _Entry(NamedTuple):
    """The fields by which products and variations are selected and ordered."""

    id: int
    created: int
    updated: int
    #: Index of the item.
    item: int
    #: Number of the variation of that item.
    number: int = 0


class Selected(NamedTuple):
    """One page of the rows that a query selects, and the number of all of them."""

    rows: list[dict[str, Any]]
    total: int


class Listings:
    """The collections of one site; each is kept sorted until the account changes."""

    def __init__(self, account: Account) -> None:
        self.account = account
        #: By status, the time of the last change and the index of each order, sorted.
        self._orders: dict[str, list[tuple[int, int]]] = {}
        self._items: dict[tuple[Kind, str], list[_Entry]] = {}
        self._state: tuple[int, ...] = ()

    def select(self, query: Query, product_id: int | None) -> Selected:
        """A page of a query.

        Args:
            query: The collection's parameters.
            product_id: The product whose variations to list; None for those of all products.
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
        # Indices follow the order of creation.
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
        # WooCommerce has no second sort key: rows with equal times come in another order on each page.
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
                    built = items.variation(self.account, index, number)
                    yield _Entry(built["id"], item.created, item.created, index, number)

    def _built(self, query: Query, entry: _Entry) -> dict[str, Any]:
        if query.kind == "products":
            return items.product(self.account, entry.item)
        return items.variation(self.account, entry.item, entry.number)

    def _updated(self, query: Query) -> tuple[int, int]:
        """Strict bounds on the modification time; a change of the last moment may not be listed yet."""
        after, before = self._moment(query, query.modified_after), self._moment(query, query.modified_before)
        return -1 if after is None else after, min(NEVER if before is None else before, query.newest)

    def _created(self, query: Query) -> tuple[int, int]:
        """Bounds on the time of creation; the first is inclusive, the second exclusive."""
        after, before = self._moment(query, query.after), self._moment(query, query.before)
        return 0 if after is None else after + 1, NEVER if before is None else before

    def _moment(self, query: Query, text: str) -> int | None:
        """A bound as Unix seconds.

        A text without a zone is a time in the zone of the compared column. A text with a zone is first
        converted to the site's zone, even if it is then compared with a column in UTC.
        """
        if not text:
            return None
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(items.zone(self.account)).replace(tzinfo=None)
        column = UTC if query.dates_are_gmt else items.zone(self.account)
        return int(moment.replace(tzinfo=column).timestamp())
