"""Between our types and the plain data that a store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

T = TypeVar("T")


class Stored(Protocol):
    """A document as a store returns it."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Its fields."""
        ...


def to_document(value: msgspec.Struct) -> dict[str, Any]:
    """Plain data for a store; enums become their values."""
    document: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime, bytes))
    return document


def from_document(kind: type[T], document: Mapping[str, Any]) -> T:
    """Read a document this package wrote; unknown fields are ignored."""
    return msgspec.convert(document, kind)
