"""Between our types and the plain data that a store keeps, and the size of such data as Firestore counts it.

Source of the sizes: https://cloud.google.com/firestore/quotas and
https://cloud.google.com/firestore/docs/storage-size.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from orchestrator.errors import one_line

log = logging.getLogger(__name__)

MAX_DOCUMENT_BYTES = 1_048_576
MAX_COMMIT_BYTES = 10 * 1024 * 1024

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


def attempt(kind: type[T], stored: Stored) -> tuple[T | None, str]:
    """Read a document that may be unreadable: edited by people, or written by a later release.

    Returns:
        The value and an empty text; or None and the fault, in one line that names the document.
    """
    try:
        return from_document(kind, stored.data), ""
    except (msgspec.ValidationError, RecursionError) as error:
        return None, one_line(f"{stored.path} cannot be read: {error}; see docs/operating.md")


def read_all(kind: type[T], stored: Iterable[S]) -> tuple[list[tuple[S, T]], list[str]]:
    """The documents of a list that can be read, each with its value; and the faults of the others."""
    found: list[tuple[S, T]] = []
    faults: list[str] = []
    for one in stored:
        value, fault = attempt(kind, one)
        if value is None:
            faults.append(fault)
        else:
            found.append((one, value))
    return found, faults


def readable(kind: type[T], stored: Iterable[S | None]) -> Iterator[tuple[S, T]]:
    """Read each document of a list; one that cannot be read is logged by its path and not returned.

    A wrong type or a word of a later release in one document must not stop the others. Absent documents
    (None) are not returned either.
    """
    for one in stored:
        if one is None:
            continue
        value, fault = attempt(kind, one)
        if value is None:
            log.error("%s", fault, extra={"action": "document_unreadable", "document": one.path})
        else:
            yield one, value


def read_or_none(kind: type[T], stored: Stored | None) -> T | None:
    """Read one document; None if it is absent, or if it cannot be read, which is logged by its path."""
    return next((value for _, value in readable(kind, [stored])), None)


def document_bytes(path: str, data: Mapping[str, object]) -> int:
    """A document's size: its name, its fields and 32 bytes."""
    return sum(_text_bytes(part) for part in path.split("/")) + 16 + _value_bytes(data) + 32


def _text_bytes(text: str) -> int:
    return len(text.encode()) + 1


def _value_bytes(value: object) -> int:
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int | float | datetime):
        return 8
    if isinstance(value, str):
        return _text_bytes(value)
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_text_bytes(name) + _value_bytes(inner) for name, inner in value.items())
    if isinstance(value, Iterable):
        return sum(_value_bytes(inner) for inner in value)
    raise TypeError(f"a document cannot hold a {type(value).__name__}")
