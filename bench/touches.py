"""Counts the documents that a task touches, at the store's port, independent of the task's own counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.engine import Engine
from orchestrator.model.messages import Message
from tests.support.stores import CountingStore


@dataclass(frozen=True, slots=True)
class Touched:
    """Documents read and written, as billed."""

    reads: int
    writes: int


def touched_by(engine: Engine, store: CountingStore, connection_id: str) -> tuple[Touched, Touched]:
    """Run a tick; returns the documents touched by a connection's task, as counted here and in its record.

    Another connection's task must come after it, so that this task does not close the run.

    Raises:
        RuntimeError: It was the last task, or a record was new.
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
