"""The document store of a task, with a meter."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from orchestrator.ports import DocumentStore, Filter, Query, Snapshot, Write, Written


class MeteredStore:
    """A document store that counts the documents read and written through it, as billed."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.reads = 0
        self.writes = 0

    def get(self, path: str) -> Snapshot | None:
        """See DocumentStore; an absent document is billed too."""
        self._count(reads=1)
        return self._store.get(path)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        self._count(reads=len(paths))
        return self._store.get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore; a query without results is billed as one read."""
        found = self._store.query(query)
        self._count(reads=max(1, len(found)))
        return found

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """See DocumentStore; one read for up to 1,000 index entries."""
        counted = self._store.count(collection, where, group=group)
        self._count(reads=max(1, -(-counted // 1000)))
        return counted

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """See DocumentStore; counted as one read, because the number of index entries is not told."""
        self._count(reads=1)
        return self._store.sum(collection, field, where)

    def now(self) -> datetime | None:
        """See DocumentStore; no read."""
        return self._store.now()

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore; deletes count as writes."""
        written = self._store.commit(writes)
        self._count(writes=len(writes))
        return written

    def _count(self, *, reads: int = 0, writes: int = 0) -> None:
        with self._lock:
            self.reads += reads
            self.writes += writes
