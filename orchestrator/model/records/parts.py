"""The parts that orders, products and stock levels share.

A `Part` lies inside a record. A field of a part is absent from the document if it equals its default: that
halves large documents. A field of a record itself is always there.
"""

from __future__ import annotations

from typing import Literal

import msgspec

#: A number of pieces: an integer if it is whole, else an exact decimal string ("1.52", sold by weight).
Quantity = int | str
#: Names of details that could not be read and are null.
Warnings = tuple[str, ...]
#: Who ships an order or keeps a stock; `mixed` if the lines of an order differ.
FulfilledBy = Literal["merchant", "marketplace", "third_party", "mixed", "unknown"]


# Records have no cycles: the garbage collector, which took a tenth of a sync, does not count their structs.


class Money(msgspec.Struct, frozen=True, gc=False):
    """An exact amount."""

    #: Plain decimal notation with at least the currency's own decimals: "599.00", "1200" (JPY).
    amount: str
    #: ISO 4217.
    currency: str


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A struct inside a record, without its defaults in the document."""


class Attribute(Part, frozen=True, kw_only=True):
    """A named value, such as Colour=Blue."""

    name: str
    value: str


class Charge(Part, frozen=True, kw_only=True):
    """A fee of the marketplace's, positive if it costs the seller."""

    #: The marketplace's name of the fee, in snake case.
    kind: str
    amount: Money
