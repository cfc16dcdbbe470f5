"""A seller's account: the data of its source, with the changes made since."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from local.sandbox.catalogue import Item, Sale, Source, State, mix

_INDEX_BITS = 28
_serials = count()


class Account:
    """One seller.

    Args:
        number: Its number among its marketplace's accounts, from 0.
        source: Gives the data that it starts with.
    """

    def __init__(self, number: int, source: Source) -> None:
        self.number = number
        #: Unique among the accounts of all sandboxes in this process.
        self.serial = next(_serials)
        self.currency = source.currency
        self._source = source
        self._sales: dict[int, Sale] = {}
        self._items: dict[int, Item] = {}
        #: Indices of the sales added since, by id.
        self._added: dict[int, int] = {}
        self._stock: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.vanished: set[int] = set()
        #: Number of changes so far.
        self.changes = 0
        self.sales = source.sales
        self._created = array("q", (source.times(index)[0] for index in range(source.sales)))
        by_update = sorted(_key(source.times(index)[1], index) for index in range(source.sales))
        self._by_update = array("q", by_update)
        self.items = source.items
        self._items_by_update = array(
            "q", sorted(_key(source.item(index).updated, index) for index in range(source.items))
        )

    def sale(self, index: int) -> Sale:
        """The sale as it is now."""
        return self._sales.get(index) or self._source.sale(index)

    def item(self, index: int) -> Item:
        """The item as it is now."""
        return self._items.get(index) or self._source.item(index)

    def sale_by_id(self, sale_id: int) -> Sale | None:
        """The sale with an id."""
        index = self.sale_place(sale_id)
        return None if index is None else self.sale(index)

    def sale_place(self, sale_id: int) -> int | None:
        """The index of the sale with an id."""
        return self._added.get(sale_id, self._source.sale_index(sale_id))

    def item_by_id(self, item_id: int) -> Item | None:
        """The listed item with an id."""
        index = self.item_place(item_id)
        return None if index is None else self.item(index)

    def item_place(self, item_id: int) -> int | None:
        """The index of the listed item with an id."""
        index = self._source.item_index(item_id)
        return None if index in self.vanished else index

    def stock(self, index: int, variant: int, place: int) -> tuple[int, int]:
        """Quantity at a place, and the time of its last change."""
        changed = self._stock.get((index, variant, place))
        if changed:
            return changed
        item = self._source.item(index)
        return mix(item.id, variant, place) % 120, item.updated

    def sales_from(self, updated: int, index: int = 0) -> Iterator[tuple[int, int]]:
        """Time of the last change and index of each sale, in that order, from the pair given."""
        return _walk(self._by_update, updated, index)

    def items_from(self, updated: int, index: int = 0) -> Iterator[tuple[int, int]]:
        """The same for the listed items."""
        return (pair for pair in _walk(self._items_by_update, updated, index) if pair[1] not in self.vanished)

    def listed(self, first: int = 0) -> Iterator[int]:
        """Indices of the listed items, from the one given."""
        return (index for index in range(first, self.items) if index not in self.vanished)

    def sales_created(self, since: int, until: int) -> range:
        """Indices of the sales made in `[since, until)`."""
        return range(bisect_left(self._created, since), bisect_left(self._created, until))

    def touch_sale(self, index: int, at: int) -> Sale:
        """Change a sale's state: a shipped sale is refunded, any other is shipped."""
        sale = self.sale(index)
        state: State = "refunded" if sale.state == "shipped" else "shipped"
        return self._put_sale(index, replace(sale, state=state, updated=at))

    def add_sale(self, at: int) -> Sale:
        """Add a sale that copies an older one."""
        index = self.sales
        template = self._source.sale(mix(index) % self._source.sales)
        last = self.sale(index - 1)
        created = max(at, last.created)
        self.sales += 1
        self._created.append(created)
        sale = replace(
            template, id=last.id + 1, number=f"#N{index}", created=created, updated=created, state="open"
        )
        self._added[sale.id] = index
        return self._put_sale(index, sale)

    def reprice(self, index: int, at: int) -> Item:
        """Raise an item's price."""
        item = self.item(index)
        _discard(self._items_by_update, _key(item.updated, index))
        insort(self._items_by_update, _key(at, index))
        self._items[index] = replace(item, price=item.price + 1_100, updated=at)
        self.changes += 1
        return self._items[index]

    def restock(self, index: int, variant: int, place: int, at: int) -> int:
        """Raise an item's quantity at one place; returns the new one."""
        quantity = self.stock(index, variant, place)[0] + 7
        self._stock[index, variant, place] = (quantity, at)
        self.changes += 1
        return quantity

    def _put_sale(self, index: int, sale: Sale) -> Sale:
        before = self._sales.get(index)
        if before is None and index < self._source.sales:
            before = self._source.sale(index)
        if before:
            _discard(self._by_update, _key(before.updated, index))
        insort(self._by_update, _key(sale.updated, index))
        self._sales[index] = sale
        self.changes += 1
        return sale


def _key(moment: int, index: int) -> int:
    return moment << _INDEX_BITS | index


def _walk(keys: array[int], moment: int, index: int) -> Iterator[tuple[int, int]]:
    for place in range(bisect_left(keys, _key(moment, index)), len(keys)):
        yield keys[place] >> _INDEX_BITS, keys[place] & (1 << _INDEX_BITS) - 1


def _discard(keys: array[int], key: int) -> None:
    del keys[bisect_left(keys, key)]
