"""A seller's sales and items, in the words that all sandboxes share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

State = Literal["unpaid", "open", "partly_shipped", "shipped", "cancelled", "refunded", "returned"]

#: Seconds.
DAY = 86_400
_MASK = (1 << 64) - 1


class Line(NamedTuple):
    """One line of a sale; the price is in cents."""

    #: Index of the item; None if the catalogue does not have it.
    item: int | None
    sku: str
    title: str
    quantity: int
    price: int

    @property
    def total(self) -> int:
        """The price of the whole quantity, in cents."""
        return self.price * self.quantity


@dataclass(frozen=True)
class Sale:
    """An order. Times are Unix seconds."""

    id: int
    number: str
    created: int
    updated: int
    state: State
    lines: tuple[Line, ...]
    #: A number that names and addresses of the buyer are made from.
    buyer: int
    test: bool = False

    # Asked for once a line by some marketplaces; real orders have more than a thousand lines.
    @cached_property
    def total(self) -> int:
        """The price of all lines, in cents."""
        return sum(line.total for line in self.lines)


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
    """The origin of an account's data; indices run from 0, sales in order of creation."""

    currency: str
    sales: int
    items: int

    def times(self, index: int) -> tuple[int, int]:
        """Times of a sale's creation and last change."""
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


def decimal(cents: int) -> str:
    """An amount with two decimals."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def iso(seconds: int) -> str:
    """A time in UTC, to the second: `2026-11-23T06:00:00Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
