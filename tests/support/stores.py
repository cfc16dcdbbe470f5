"""Stores in front of a store: a test overrides the calls that it watches, delays or breaks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orchestrator.ports import DocumentStore, Filter, Query, Snapshot, Write, Written


class Killed(BaseException):
    """The process died here; no code of it runs any more."""


class WrappedStore:
    """Passes every call on to the store behind it."""

    def __init__(self, store: DocumentStore) -> None:
        self.behind = store

    def get(self, path: str) -> Snapshot | None:
        """See DocumentStore."""
        return self.behind.get(path)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        return self.behind.get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        return self.behind.query(query)

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """See DocumentStore."""
        return self.behind.count(collection, where, group=group)

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """See DocumentStore."""
        return self.behind.sum(collection, field, where)

    def now(self) -> datetime | None:
        """See DocumentStore."""
        return self.behind.now()

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore."""
        return self.behind.commit(writes)


class CountingStore(WrappedStore):
    """Counts documents as Firestore bills them."""

    def __init__(self, store: DocumentStore) -> None:
        super().__init__(store)
        self.reads = 0
        self.writes = 0

    def get(self, path: str) -> Snapshot | None:
        """One read, also of a document that does not exist."""
        self.reads += 1
        return super().get(path)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """One read a document."""
        self.reads += len(paths)
        return super().get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """One read for each document found, and one for an empty answer."""
        found = super().query(query)
        self.reads += len(found) or 1
        return found

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """One read for each thousand documents, at least one."""
        counted = super().count(collection, where, group=group)
        self.reads += (counted + 999) // 1000 or 1
        return counted

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """Billed like a count of the same documents."""
        self.count(collection, where)
        return super().sum(collection, field, where)

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """One write a document."""
        self.writes += len(writes)
        return super().commit(writes)
