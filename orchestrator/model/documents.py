"""Between our types and the plain data that a store keeps."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

log = logging.getLogger(__name__)

T = TypeVar("T")


class Stored(Protocol):
    """A document as a store returns it."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Its fields."""
        ...

    @property
    def path(self) -> str:
        """Its path."""
        ...


S = TypeVar("S", bound=Stored)


def to_document(value: msgspec.Struct) -> dict[str, Any]:
    """Plain data for a store; enums become their values."""
    document: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime, bytes))
    return document


def from_document(kind: type[T], document: Mapping[str, Any]) -> T:
    """Read a document this package wrote; unknown fields are ignored."""
    return msgspec.convert(document, kind)


def readable(kind: type[T], snapshots: Iterable[S | None]) -> Iterator[tuple[S, T]]:
    """Read each document of a list; one that cannot be read is logged by its path and not returned.

    A wrong type or a word of a later release in one document must not stop the others. Absent documents
    (None) are not returned either.
    """
    for snapshot in snapshots:
        if snapshot is None:
            continue
        try:
            value = from_document(kind, snapshot.data)
        except (msgspec.ValidationError, RecursionError) as error:
            _tell(snapshot, error)
        else:
            yield snapshot, value


def read_or_none(kind: type[T], snapshot: Stored | None) -> T | None:
    """Read one document; None if it is absent, or if it cannot be read, which is logged by its path."""
    return next((value for _, value in readable(kind, [snapshot])), None)


def _tell(snapshot: Stored, error: Exception) -> None:
    fields = {"action": "document_unreadable", "document": snapshot.path}
    log.error("%s cannot be read: %s", snapshot.path, error, extra=fields)
