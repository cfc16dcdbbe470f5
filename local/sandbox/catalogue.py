"""What a seller has and sells, as every sandbox sees it, and a generator of it.

Generated data is a pure function of seed, account and index: the same arguments give the same data
for ever, and nothing has to be held in memory but two times an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

State = Literal["unpaid", "open", "partly_shipped", "shipped", "cancelled", "refunded", "returned"]

_DAY = 86_400
#: How far back generated orders and products reach, in seconds.
HISTORY = 730 * _DAY
_MASK = (1 << 64) - 1
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


class Line(NamedTuple):
    """One line of a sale; the price is in cents."""

    #: Which item; None where the catalogue does not have it.
    item: int | None
    sku: str
    title: str
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class Sale:
    """An order. Times are Unix seconds."""

    id: int
    number: str
    created: int
    updated: int
    state: State
    lines: tuple[Line, ...]
    #: Stands for a buyer; names and addresses are made from it.
    buyer: int
    test: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A product; prices are in cents, times Unix seconds."""

    id: int
    sku: str
    title: str
    price: int
    list_price: int | None
    barcode: str | None
    status: Literal["active", "draft", "archived"]
    variants: int
    created: int
    updated: int


class Source(Protocol):
    """Where an account's data comes from; indices run from 0, sales in order of creation."""

    currency: str
    sales: int
    items: int

    def times(self, index: int) -> tuple[int, int]:
        """When a sale was made and last changed."""
        ...

    def sale(self, index: int) -> Sale:
        """The whole sale."""
        ...

    def item(self, index: int) -> Item:
        """The whole item."""
        ...

    def sale_index(self, sale_id: int) -> int | None:
        """The index of the sale with an id."""
        ...

    def item_index(self, item_id: int) -> int | None:
        """The index of the item with an id."""
        ...


def mix(*numbers: int) -> int:
    """A well spread 64-bit number out of some numbers; the same on every machine and version."""
    x = 0x9E3779B97F4A7C15
    for number in numbers:
        x = (x ^ number) * 0xBF58476D1CE4E5B9 & _MASK
        x ^= x >> 29
        x = x * 0x94D049BB133111EB & _MASK
        x ^= x >> 32
    return x


class Generated:
    """Generated data.

    Args:
        seed: Chooses the data.
        account: Which seller.
        sales: How many orders.
        items: How many products.
        until: Nothing is newer than this; Unix seconds.
    """

    currency = "ZAR"

    def __init__(self, seed: int, account: int, *, sales: int, items: int, until: int) -> None:
        self.sales, self.items = sales, items
        self._key = mix(seed, account)
        self._until = until

    def times(self, index: int) -> tuple[int, int]:
        """Spread over the history; some edited together in one second, some made in the same second."""
        dice = mix(self._key, 1, index)
        # Pairs share a slot now and then, so that equal creation times occur.
        slot = index - (index & 1) if dice % 16 == 0 else index
        created = self._until - HISTORY + (slot * HISTORY) // max(1, self.sales)
        if dice >> 8 & 31 == 0:
            # Once a month someone edits many orders at once.
            month = created - created % (30 * _DAY) + 60 * _DAY
            return created, min(month, self._until)
        return created, min(created + (dice >> 16) % (6 * _DAY), self._until)

    def sale(self, index: int) -> Sale:
        """Mostly one to four lines; now and then many."""
        created, updated = self.times(index)
        dice = mix(self._key, 2, index)
        count = 6 + dice % 9 if dice >> 4 & 31 == 0 else 1 + (dice >> 10) % 4
        age = self._until - created
        roll = (dice >> 20) % (100 if age > 3 * _DAY else 17)
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
        """Ids are numbered through."""
        return _place(sale_id - _FIRST_SALE, self.sales)

    def item_index(self, item_id: int) -> int | None:
        """Ids are numbered through."""
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
        created = self._until - HISTORY + (dice >> 24) % (HISTORY - 30 * _DAY)
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
            updated=min(created + (dice >> 34) % (60 * _DAY), self._until),
        )


def _place(index: int, size: int) -> int | None:
    return index if 0 <= index < size else None
