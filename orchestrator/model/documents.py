"""Between our types and the plain data that a store keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from orchestrator.errors import one_line

T = TypeVar("T")


class Stored(Protocol):
    """A document as a store returns it."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Its fields."""
        ...


class Named(Stored, Protocol):
    """A document as a store returns it, with its place."""

    @property
    def path(self) -> str:
        """Its path."""
        ...


def to_document(value: msgspec.Struct) -> dict[str, Any]:
    """Plain data for a store; enums become their values."""
    document: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime, bytes))
    return document


def from_document(kind: type[T], document: Mapping[str, Any]) -> T:
    """Read a document this package wrote; unknown fields are ignored."""
    return msgspec.convert(document, kind)


def attempt(kind: type[T], stored: Named) -> tuple[T | None, str]:
    """Read a document that may be unreadable: edited by people, or written by a later release.

    Returns:
        The value and an empty text; or None and the fault, in one line that names the document.
    """
    try:
        return from_document(kind, stored.data), ""
    except (msgspec.ValidationError, RecursionError) as error:
        return None, one_line(f"{stored.path} cannot be read: {error}; see docs/operating.md")


N = TypeVar("N", bound=Named)


def readable(kind: type[T], stored: Iterable[N]) -> tuple[list[tuple[N, T]], list[str]]:
    """The documents of a list that can be read, each with its value; and the faults of the others."""
    found: list[tuple[N, T]] = []
    faults: list[str] = []
    for one in stored:
        value, fault = attempt(kind, one)
        if value is None:
            faults.append(fault)
        else:
            found.append((one, value))
    return found, faults
