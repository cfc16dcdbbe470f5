"""Closing the tasks of a shard that are still open: past the run's deadline, or after a cancellation."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Shard, TaskStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Write
from orchestrator.runs.close import check_shard
from orchestrator.services import Services
from orchestrator.tasks.ending import TOO_LATE, Ending, closed_state, closing_writes, write_state

CANCELLED = Ending(TaskStatus.SKIPPED, "cancelled")


def cancel_shard(services: Services, message: Message) -> None:
    """Stop a cancelled run's tasks of one shard: holders are asked to stop, all other tasks are closed."""
    _each_open(services, message, cancelled=True)


def sweep_shard(services: Services, message: Message) -> None:
    """Close the open tasks of one shard past its run's deadline, except those with a live lease."""
    _each_open(services, message, cancelled=False)


def _each_open(services: Services, message: Message, *, cancelled: bool) -> None:
    run_id, shard_id = message.run_id, message.shard
    run_snapshot, shard_snapshot = services.store.get_many(
        [ids.run_path(run_id), ids.shard_path(run_id, shard_id)]
    )
    if run_snapshot is None or shard_snapshot is None:
        return
    run, shard = from_document(Run, run_snapshot.data), from_document(Shard, shard_snapshot.data)
    if run.status.is_final:
        return  # a task whose record is missing was closed: its record has expired
    for connection_id in shard.ids:
        _close_one(services, message, run, connection_id, cancelled=cancelled)
    check_shard(services, run_id, shard_id, None)


def _close_one(
    services: Services, message: Message, run: Run, connection_id: str, *, cancelled: bool
) -> None:
    run_id = message.run_id
    path, task_path = ids.state_path(connection_id), ids.task_path(run_id, connection_id)
    failure = f"connection {connection_id} of run {run_id} could not be closed; deliver again"
    attempts = Attempts(services, failure)
    while True:
        snapshot, task = services.store.get_many([path, task_path])
        if task is not None:
            return
        state = SyncState.of(snapshot)
        opened = state.open if state.open is not None and state.open.run_id == run_id else None
        is_held = opened is not None and state.lease.owner is not None
        writes: list[Write] = []
        if opened is not None and is_held and cancelled:
            # The holder's next commit is refused; it rebases, sees this and finishes as skipped.
            asked = msgspec.structs.replace(opened, cancel="cancelled")
            state = msgspec.structs.replace(state, seq=state.seq + 1, open=asked)
        elif is_held and not state.lease.is_over(services.clock.now()):
            return
        else:
            ending = CANCELLED if cancelled else TOO_LATE
            final = ending.task(services, connection_id, run_id=run_id, shard=message.shard, opened=opened)
            writes = closing_writes(final)
            state = closed_state(state, run_id, run.order)
        with suppress(Conflict, StoreUnavailable):
            services.store.commit([write_state(path, state, snapshot), *writes])
            return
        attempts.again()
