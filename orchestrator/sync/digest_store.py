"""The stored form of a stream's digest: bytes in `sync_state`, and documents below it."""

from __future__ import annotations

import logging

from orchestrator.model.state import StreamState
from orchestrator.ports import DocumentStore, Put, Write
from orchestrator.sync.digest import Digest

log = logging.getLogger(__name__)


class DigestStore:
    """Loads the digest of one stream, and makes the writes that store it.

    Args:
        store: The store of the documents.
        path: The documents' path without their number.
    """

    def __init__(self, store: DocumentStore, path: str) -> None:
        self._store, self._path = store, path

    def load(self, state: StreamState) -> Digest:
        """The digest that was committed with a stream's state; missing documents count as empty."""
        paths = [self._document(number) for number in range(state.digest_buckets)]
        found = self._store.get_many(paths) if paths else []
        if any(snapshot is None for snapshot in found):
            # Somebody removed digest documents: everything read is written again, nothing is lost.
            log.warning("digest documents are missing", extra={"action": "digest_missing"})
        buckets = [snapshot.data["entries"] if snapshot is not None else b"" for snapshot in found]
        digest = Digest(state.digest, buckets)
        window = state.cursor.window
        if window is not None and window.token is not None:
            digest.restore_seen(window.seen)
        return digest

    def writes(self, documents: dict[int, bytes]) -> list[Write]:
        """The writes of digest documents, by number."""
        return [Put(self._document(number), {"entries": packed}) for number, packed in documents.items()]

    def _document(self, number: int) -> str:
        return f"{self._path}-{number:02d}"
