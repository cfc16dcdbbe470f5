"""The document store in memory: it enforces the port's semantics, and tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.adapters.embedded.sort_keys import sort_key
from orchestrator.errors import Conflict
from orchestrator.ports import Create, Delete, Document, Filter, Put, Query, Snapshot, Update, Write, Written

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
    "in": lambda a, b: a in b,
}
_ABSENT = object()


class Violation(AssertionError):
    """Something happened that must never happen."""


class MemoryStore:
    """DocumentStore; documents are never mutated, so they need not be copied."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[int, Document]] = {}
        self._collections: dict[str, dict[str, None]] = {}
        self._version = 0
        #: Called after each commit with the writes and what stood there before.
        self.watchers: list[Callable[[Sequence[Write], Mapping[str, Document | None]], None]] = []

    def get(self, path: str) -> Snapshot | None:
        """See DocumentStore."""
        found = self.documents.get(path)
        return Snapshot(path, found[1], found[0]) if found is not None else None

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        return [self.get(path) for path in paths]

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        rows: list[tuple[tuple[Any, ...], Snapshot]] = []
        field, after = query.sort_field, query.after
        for name in self._collections.get(query.collection, ()):
            version, data = self.documents[f"{query.collection}/{name}"]
            if not _matches(data, query.where):
                continue
            key: tuple[Any, ...] = (name,)
            if field is not None:
                value = _value(data, field)
                if value is _ABSENT:
                    continue
                key = (sort_key(value), name)
            rows.append((key, Snapshot(f"{query.collection}/{name}", data, version)))
        rows.sort(key=lambda row: row[0], reverse=query.descending)
        if after is not None:
            place = after if field is None else (sort_key(after[0]), after[1])
            rows = [row for row in rows if (row[0] < place if query.descending else row[0] > place)]
        return [snapshot for _, snapshot in rows[: query.limit]]

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """See DocumentStore."""
        collections = [collection]
        if group:
            collections = [each for each in self._collections if each.rpartition("/")[2] == collection]
        return sum(len(self.query(Query(each, where=where, limit=10**9))) for each in collections)

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """See DocumentStore."""
        found = self.query(Query(collection, where=where, limit=10**9))
        values = [_value(snapshot.data, field) for snapshot in found]
        return sum(value for value in values if isinstance(value, int | float))

    def now(self) -> datetime | None:
        """See DocumentStore; each process is told by what it reaches the store through."""
        return None

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore."""
        before: dict[str, Document | None] = {}
        for write in writes:
            if write.path in before:
                raise Violation(f"{write.path} stands twice in one commit")
            found = self.documents.get(write.path)
            before[write.path] = found[1] if found is not None else None
            if isinstance(write, Create) and found is not None:
                raise Conflict(f"{write.path} exists")
            if isinstance(write, Update) and (found is None or write.version not in {None, found[0]}):
                raise Conflict(f"{write.path} is not as it was read")
        self._version += 1
        written = [self._apply(write) for write in writes]
        for watcher in self.watchers:
            watcher(writes, before)
        return written

    def overwrite(self, path: str, fields: Document) -> None:
        """Edit some fields as by hand: a new version, whoever else writes."""
        self._version += 1
        self.documents[path] = (self._version, {**self.documents[path][1], **fields})

    def remove(self, path: str) -> None:
        """Take a document away, as Firestore does some time after its `expires_at`."""
        collection, _, name = path.rpartition("/")
        self.documents.pop(path, None)
        self._collections.get(collection, {}).pop(name, None)

    def _apply(self, write: Write) -> Written:
        collection, _, name = write.path.rpartition("/")
        if isinstance(write, Delete):
            self.remove(write.path)
            return Written(None, {})
        increments: dict[str, int] = {}
        if isinstance(write, Create | Put):
            data = dict(write.data)
        else:
            data = {**self.documents[write.path][1], **write.fields}
            for path, step in write.increments.items():
                increments[path] = _increase(data, path.split("."), step)
        self.documents[write.path] = (self._version, data)
        self._collections.setdefault(collection, {})[name] = None
        return Written(self._version, increments)


def _matches(data: Document, where: Sequence[Filter]) -> bool:
    for condition in where:
        value = _value(data, condition.field)
        if value is _ABSENT or (value is None and condition.op not in {"==", "in"}):
            return False
        if not _COMPARE[condition.op](value, condition.value):
            return False
    return True


def _value(data: Document, path: str) -> Any:
    value: Any = data
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _increase(data: Document, parts: list[str], step: int) -> int:
    inner = data
    for part in parts[:-1]:
        inner[part] = dict(inner.get(part) or {})
        inner = inner[part]
    inner[parts[-1]] = (inner.get(parts[-1]) or 0) + step
    result: int = inner[parts[-1]]
    return result
