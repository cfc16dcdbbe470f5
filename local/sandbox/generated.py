"""Generated data: a pure function of seed, account and index.

The same arguments always give the same data. An account of generated data holds only two times an order
in memory.
"""

from __future__ import annotations

from local.sandbox.catalogue import DAY, Item, Line, Sale, State, mix

#: How far back generated orders and products reach, in seconds.
_HISTORY = 730 * DAY
_FIRST_SALE, _FIRST_ITEM = 6_023_419_000_000, 208_877_000
_STATES: tuple[tuple[int, State], ...] = (
    (3, "unpaid"), (13, "open"), (17, "partly_shipped"), (88, "shipped"),
    (94, "cancelled"), (97, "refunded"), (100, "returned"),
)  # fmt: skip
_KINDS = (
    "Enamel mug",
    "Tea towel",
    "Café crème cup",
    "Lunch box",
    "Sjaal №5",
    "ملعقة",
    "木製スプーン",
    "Rooibos 🌿",
)
_LOOKS = ("blue", "red", "grün", "natural", "large", "«vintage»", "set of 4", 'no. 7 \\ "special"')


class Generated:
    """Generated data.

    Args:
        seed: Chooses the data.
        account: The seller's number.
        sales: Number of orders.
        items: Number of products.
        until: Nothing is newer than this; Unix seconds.
    """

    currency = "ZAR"

    def __init__(self, seed: int, account: int, *, sales: int, items: int, until: int) -> None:
        self.sales, self.items = sales, items
        self._key = mix(seed, account)
        self._until = until

    def times(self, index: int) -> tuple[int, int]:
        """Creations spread over the history; some sales share a second, some were edited in one second."""
        dice = mix(self._key, 1, index)
        # Pairs share a slot now and then, so that equal creation times occur.
        slot = index - (index & 1) if dice % 16 == 0 else index
        created = self._until - _HISTORY + (slot * _HISTORY) // max(1, self.sales)
        if dice >> 8 & 31 == 0:
            # Once a month somebody edits many orders at once.
            month = created - created % (30 * DAY) + 60 * DAY
            return created, min(month, self._until)
        return created, min(created + (dice >> 16) % (6 * DAY), self._until)

    def sale(self, index: int) -> Sale:
        """Mostly one to four lines; now and then many."""
        created, updated = self.times(index)
        dice = mix(self._key, 2, index)
        count = 6 + dice % 9 if dice >> 4 & 31 == 0 else 1 + (dice >> 10) % 4
        age = self._until - created
        roll = (dice >> 20) % (100 if age > 3 * DAY else 17)
        return Sale(
            id=_FIRST_SALE + index,
            number=f"#{1001 + index}",
            created=created,
            updated=updated,
            state=next(state for limit, state in _STATES if roll < limit),
            lines=tuple(self._line(index, number) for number in range(count)),
            buyer=(dice >> 32) % 100_000,
            test=dice >> 50 & 127 == 0,
        )

    def sale_index(self, sale_id: int) -> int | None:
        """Ids are consecutive."""
        return _place(sale_id - _FIRST_SALE, self.sales)

    def item_index(self, item_id: int) -> int | None:
        """Ids are consecutive."""
        return _place(item_id - _FIRST_ITEM, self.items)

    def _line(self, index: int, number: int) -> Line:
        dice = mix(self._key, 3, index, number)
        quantity = 1 + (dice >> 40) % 3
        if self.items == 0 or dice & 63 == 0:
            return Line(None, "", "No longer in the catalogue", quantity, 100 * (1 + (dice >> 8) % 900))
        item = self.item((dice >> 8) % self.items)
        return Line((dice >> 8) % self.items, item.sku, item.title, quantity, item.price)

    def item(self, index: int) -> Item:
        """Odd SKUs, missing barcodes, any script; some with very many variants."""
        dice = mix(self._key, 4, index)
        price = 100 * (20 + dice % 980)
        kind, look = _KINDS[dice >> 12 & 7], _LOOKS[dice >> 16 & 7]
        sku = f"SKU-{index:05d}" if dice >> 20 & 15 else f" {index}/ß {look}"
        created = self._until - _HISTORY + (dice >> 24) % (_HISTORY - 30 * DAY)
        return Item(
            id=_FIRST_ITEM + index,
            sku=sku,
            title=f"{kind}, {look}",
            price=price,
            list_price=price + 5_400 if dice >> 40 & 1 else None,
            barcode=None if dice >> 41 & 7 == 0 else f"60{(dice >> 30) % 10**11:011d}",
            status=("draft" if dice >> 45 & 31 == 0 else "archived" if dice >> 50 & 31 == 0 else "active"),
            variants=45 if index % 97 == 5 else 1 + (dice >> 55) % 3,
            created=created,
            updated=min(created + (dice >> 34) % (60 * DAY), self._until),
        )


def _place(index: int, size: int) -> int | None:
    return index if 0 <= index < size else None
