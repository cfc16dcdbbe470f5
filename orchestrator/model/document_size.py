"""Limits of documents and commits, in bytes as Firestore counts them.

Source: https://cloud.google.com/firestore/quotas and https://cloud.google.com/firestore/docs/storage-size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

MAX_DOCUMENT_BYTES = 1_048_576
MAX_COMMIT_BYTES = 10 * 1024 * 1024


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
