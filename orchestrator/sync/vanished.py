"""Records that a marketplace no longer lists: they are marked, never removed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime

from orchestrator.ports import DocumentStore, Filter, Query, Update, Write
from orchestrator.sync.absorbing import signed

#: Firestore's `in` takes 30 values (cloud.google.com/firestore/docs/query-data/queries).
IN_VALUES = 30
#: Suspects kept of one listing, 8 bytes each; the others are found by a later one.
MAX_SUSPECTS = 8_000


def deletions(
    store: DocumentStore, collection: str, keys: Sequence[int], deleted_at: datetime
) -> list[Write]:
    """The writes that mark records by the hashes of their ids; one document read for each that exists."""
    writes: list[Write] = []
    for start in range(0, len(keys), IN_VALUES):
        hashes = [signed(key) for key in keys[start : start + IN_VALUES]]
        found = store.query(Query(collection, where=[Filter("id_hash", "in", hashes)], limit=2 * IN_VALUES))
        writes += [Update(snapshot.path, {"deleted_at": deleted_at}) for snapshot in found]
    return writes


def pack(suspects: Iterable[int]) -> bytes:
    """Suspects as a document keeps them."""
    return array("Q", sorted(suspects)[:MAX_SUSPECTS]).tobytes()


def unpack(packed: bytes) -> set[int]:
    """What `pack` made."""
    keys = array("Q")
    keys.frombytes(packed)
    return set(keys)
