"""Counts the documents that a task touches, at the store's port, independent of the task's own counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.engine import Engine
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Shard
from tests.support.stores import CountingStore


@dataclass(frozen=True, slots=True)
class Touched:
    """Documents read and written, as billed."""

    reads: int
    writes: int


def touched_by(engine: Engine, store: CountingStore, connection_id: str) -> tuple[Touched, Touched]:
    """Run a tick; returns the documents touched by a connection's task, as counted here and by its shard.

    Another connection's task must come after it, so that this task does not close the run.

    Raises:
        RuntimeError: It was the last task, or a record was new.
    """
    counted: dict[str, Touched] = {}
    told: dict[str, Touched] = {}

    def around(message: Message, handle: Callable[[], None]) -> None:
        if message.kind != "task":
            handle()
            return
        before = _shard(store, message)
        reads, writes = store.reads, store.writes
        handle()
        counted[message.connection_id] = Touched(store.reads - reads, store.writes - writes)
        after = _shard(store, message)
        told[message.connection_id] = Touched(
            after.cost.document_reads - before.cost.document_reads,
            after.cost.document_writes - before.cost.document_writes,
        )
        if any(counts.written or counts.deleted or counts.rejected for counts in after.by_stream.values()):
            raise RuntimeError(f"the tasks were to find nothing new: {after.by_stream}")

    engine.run(around)
    if list(counted)[-1] == connection_id:
        raise RuntimeError(f"the task of {connection_id} was the last one, so it closed the run as well")
    return counted[connection_id], told[connection_id]


def _shard(store: CountingStore, message: Message) -> Shard:
    """The shard of a task, read without being counted."""
    found = store.behind.get(ids.shard_path(message.run_id, message.shard))
    if found is None:
        raise RuntimeError(f"{message.shard} of {message.run_id} is not there")
    return from_document(Shard, found.data)
