"""The fields that records fill, by the paths that the marketplaces' mappings name them with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from orchestrator.model.records.record import Order, Product, Record


def filled(records: Iterable[Record]) -> set[str]:
    """The path of each field that at least one of the records fills, such as `orders.lines.sku`."""
    return {path for record in records for path in _paths(_stream(record), record)}


def _stream(record: Record) -> str:
    if isinstance(record, Order):
        return "orders"
    return "products" if isinstance(record, Product) else "inventory"


def _paths(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            if inner not in (None, "", (), {}, "unknown"):
                yield f"{path}.{name}"
                yield from _paths(f"{path}.{name}", inner)
    elif isinstance(value, tuple):
        for each in value:
            yield from _paths(path, each)
