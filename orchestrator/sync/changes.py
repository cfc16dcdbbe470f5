"""The documents to write for a page's records, in portions and commits of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from orchestrator.model.records.record import Record
from orchestrator.ports import Write

Item = TypeVar("Item")

#: One commit's share of a page; Firestore takes 10 MiB.
PART_BYTES = 3_000_000
PART_DOCUMENTS = 450
#: A page is worked on in portions of at most this many records and bytes, however large the page is.
PORTION_RECORDS, PORTION_BYTES = 2_000, 4_000_000


@dataclass(slots=True)
class Change:
    """The documents of one record, and the digest entries (key, content, day) that go with them."""

    writes: list[Write]
    #: An entry with content 0 removes its key from the digest.
    entries: list[tuple[int, int, int]]
    size: int
    #: When the marketplace last changed it, to tell apart two versions of it on one page.
    updated_at: datetime | None = None
    rejected: bool = False


@dataclass(slots=True, kw_only=True)
class Incomplete(Change):
    """The change of a new record whose details have still to be read; its document is missing."""

    record_id: str
    #: The row as listed, its record, and the hash of that.
    raw: bytes
    record: Record
    content: int
    #: The size of the record's JSON.
    json_bytes: int
    #: Whether its details could not be read before.
    again: bool


def portions(records: Sequence[bytes]) -> Iterator[list[bytes]]:
    """A page's records in portions of bounded size."""
    return _groups(records, len, PORTION_RECORDS, PORTION_BYTES)


def parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """The changes in commits of bounded size."""
    return _groups(changes, lambda change: change.size, PART_DOCUMENTS, PART_BYTES)


def _groups(
    items: Sequence[Item], size_of: Callable[[Item], int], most: int, most_bytes: int
) -> Iterator[list[Item]]:
    group: list[Item] = []
    size = 0
    for item in items:
        if group and (len(group) >= most or size + size_of(item) > most_bytes):
            yield group
            group, size = [], 0
        group.append(item)
        size += size_of(item)
    if group:
        yield group
