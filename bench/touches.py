"""Counts the documents that a task touches, at the store's port and apart from the task's own counting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.engine import Engine
from orchestrator.model.messages import Message
from orchestrator.ports import DocumentStore, Filter, Query, Snapshot, Write, Written


@dataclass(frozen=True, slots=True)
class Touched:
    """Documents read and written, as billed."""

    reads: int
    writes: int


class CountingStore:
    """A store that counts what passes."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self.reads = 0
        self.writes = 0

    def get(self, path: str) -> Snapshot | None:
        """One read, also where there is nothing."""
        self.reads += 1
        return self._store.get(path)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """One read a document."""
        self.reads += len(paths)
        return self._store.get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """One read a document found, and one where none is."""
        found = self._store.query(query)
        self.reads += len(found) or 1
        return found

    def count(self, collection: str, where: Sequence[Filter] = ()) -> int:
        """One read for up to a thousand."""
        counted = self._store.count(collection, where)
        self.reads += (counted + 999) // 1000 or 1
        return counted

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """One write a document."""
        self.writes += len(writes)
        return self._store.commit(writes)


def touched_by(engine: Engine, store: CountingStore, connection_id: str) -> tuple[Touched, Touched]:
    """Run a tick; what the task of a connection touched, counted here, and as its own record says.

    Another connection has to have its task after it, so that the run is not closed by this one.

    Raises:
        RuntimeError: It was the last task, or something was new after all.
    """
    counted: dict[str, Touched] = {}

    def around(message: Message, handle: Callable[[], None]) -> None:
        reads, writes = store.reads, store.writes
        handle()
        if message.kind == "task":
            counted[message.connection_id] = Touched(store.reads - reads, store.writes - writes)

    run_id = engine.run(around)
    if list(counted)[-1] == connection_id:
        raise RuntimeError(f"the task of {connection_id} was the last one, so it closed the run as well")
    task = engine.task(run_id, connection_id)
    if any(counts.written or counts.deleted or counts.rejected for counts in task.streams.values()):
        raise RuntimeError(f"the task of {connection_id} was to find nothing new: {task.streams}")
    return counted[connection_id], Touched(task.cost.document_reads, task.cost.document_writes)
