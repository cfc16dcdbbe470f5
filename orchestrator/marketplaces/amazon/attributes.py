"""The attributes of Amazon's listings, which have no fixed form.

Source: the published examples of the Listings Items API 2021-08-01, read 2026-11-28. An attribute is a list
of objects, each with its `marketplace_id`, and most with a `value`. Each product type has attributes of its
own. So an attribute of another form is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from orchestrator.marketplaces.unified.products import weight_of
from orchestrator.marketplaces.values import Detail, Details
from orchestrator.model.records.record import Money, Weight

_OTHER_IMAGES = tuple(f"other_product_image_locator_{number}" for number in range(1, 9))


class Attributes:
    """Reads the attributes of a listing in one marketplace.

    Args:
        details: The reader.
        attributes: The listing's `attributes`.
        marketplace: Entries of other marketplaces are left out.
    """

    def __init__(self, details: Details, attributes: Detail, marketplace: str) -> None:
        self._details, self._marketplace = details, marketplace
        # Only the attributes that are asked for are decoded: all of them can be 100 KB.
        told = bytes(attributes).lstrip().startswith(b"{")
        self._all = (
            details.read("attributes", lambda: msgspec.json.decode(attributes, type=dict[str, msgspec.Raw]))
            if told
            else None
        ) or {}

    def text(self, name: str) -> str | None:
        """The first value that is a text or a number."""
        return next(self.texts(name), None)

    def texts(self, name: str) -> Iterator[str]:
        """All values that are texts or numbers."""
        return (text for entry in self._entries(name) if (text := self._plain(name, entry.get("value"))))

    def images(self) -> Iterator[str]:
        """The addresses of the images but the main one."""
        found = (self._plain(name, self._first(name).get("media_location")) for name in _OTHER_IMAGES)
        return (url for url in found if url)

    def list_price(self) -> Money | None:
        """The list price; some marketplaces tell it with its tax alone."""
        entry = self._first("list_price")
        amount = entry.get("value", entry.get("value_with_tax"))
        return self._details.money("list_price", amount, entry.get("currency"))

    def weight(self) -> Weight | None:
        """The weight of the item without its package."""
        entry = self._first("item_weight")
        number, unit = entry.get("value"), entry.get("unit")
        if not isinstance(number, int | Decimal) or not isinstance(unit, str):
            return None
        return self._details.read("item_weight", weight_of, number, unit)

    def _first(self, name: str) -> dict[str, Any]:
        """The first entry; an empty one if there is none."""
        return next(iter(self._entries(name)), {})

    def _entries(self, name: str) -> list[dict[str, Any]]:
        """The entries of an attribute, for this marketplace or for all."""
        if name not in self._all:
            return []
        found = self._details.items(name, self._all[name], dict) or []
        return [each for each in found if each.get("marketplace_id", self._marketplace) == self._marketplace]

    def _plain(self, name: str, value: object) -> str | None:
        is_plain = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
        return self._details.text(name, value) if is_plain else None
