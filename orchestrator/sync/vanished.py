"""Records that a marketplace no longer lists: they are marked, never removed."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from orchestrator.model.records.document import vanished_fields
from orchestrator.model.state import OpenWindow
from orchestrator.ports import DocumentStore, Filter, Query, Update, Write
from orchestrator.sync import changes
from orchestrator.sync.digest import Digest
from orchestrator.sync.normalizer import signed

log = logging.getLogger(__name__)

#: Firestore's `in` takes 30 values (cloud.google.com/firestore/docs/query-data/queries).
IN_VALUES = 30
#: At most this many suspects of one listing are kept, 8 bytes each; a later listing finds the others.
MAX_SUSPECTS = 8_000


def missing(stream: str, window: OpenWindow, total: int | None, digest: Digest, oldest_day: int) -> list[int]:
    """Known records of `oldest_day` and later that a complete listing did not show; none if it was short."""
    if total is not None and total != window.read:
        log.warning(
            "%d of %d %s were listed: none is taken as vanished",
            *(window.read, total, stream),
            extra={"action": "listing_incomplete", "listed": window.read, "total": total},
        )
        return []
    return digest.unseen(oldest_day=oldest_day)


def deletions(
    store: DocumentStore, collection: str, keys: Sequence[int], now: Callable[[], datetime]
) -> Iterator[tuple[Sequence[int], list[Write]]]:
    """The keys in parts of one commit each, with the writes that mark their records as deleted.

    Records are found by the hashes of their ids: one document read for each record that exists.
    """
    for start in range(0, len(keys), changes.PART_DOCUMENTS):
        part = keys[start : start + changes.PART_DOCUMENTS]
        deleted_at = now()
        fields = vanished_fields(collection.rpartition("/")[2], deleted_at, store.now() or deleted_at)
        writes: list[Write] = []
        for first in range(0, len(part), IN_VALUES):
            hashes = [signed(key) for key in part[first : first + IN_VALUES]]
            query = Query(collection, where=[Filter("id_hash", "in", hashes)], limit=2 * IN_VALUES)
            writes += [Update(found.path, fields) for found in store.query(query)]
        yield part, writes


def pack(suspects: Iterable[int]) -> bytes:
    """Suspects in the form that a document keeps."""
    return array("Q", sorted(suspects)[:MAX_SUSPECTS]).tobytes()


def unpack(packed: bytes) -> set[int]:
    """The suspects that `pack` packed."""
    keys = array("Q")
    keys.frombytes(packed)
    return set(keys)
