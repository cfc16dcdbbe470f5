"""Closing the tasks that are still open in a shard: past the run's deadline, or after a cancellation."""

from __future__ import annotations

import logging
from datetime import datetime

import msgspec

from orchestrator.attempts import pause
from orchestrator.errors import (
    Conflict,
    StoreUnavailable,
)
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Shard, TaskStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Write
from orchestrator.runs.close import close_check, shard_open
from orchestrator.services import Services
from orchestrator.tasks.ending import NO_ANSWER, closed_state, closing_writes, expiry, final_task, write_state

log = logging.getLogger(__name__)


_PAGE = 300


_TRIES = 60


def cancel_shard(services: Services, message: Message) -> None:
    """Stop a cancelled run's tasks of one shard: running ones are asked to, all others are closed."""
    _each_open(services, message, cancelled=True)


def sweep_shard(services: Services, message: Message) -> None:
    """Close what is still open of one shard past its run's deadline, live leases aside."""
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
        return  # a task without a record has outlived it
    for connection_id in shard.ids:
        _close_one(services, run_id, run, shard_id, connection_id, cancelled=cancelled)
    if shard_open(services, run_id, shard_id) == 0:
        close_check(services, run_id)


def _close_one(
    services: Services, run_id: str, run: Run, shard: str, connection_id: str, *, cancelled: bool
) -> None:
    path, task_path = ids.state_path(connection_id), ids.task_path(run_id, connection_id)
    for attempt in range(_TRIES):
        snapshot, task = services.store.get_many([path, task_path])
        if task is not None:
            return
        state = from_document(SyncState, snapshot.data) if snapshot is not None else SyncState()
        opened = state.open if state.open is not None and state.open.run_id == run_id else None
        now = services.clock.now()
        writes: list[Write] = []
        if opened is not None and state.lease.owner is not None and cancelled:
            # The holder's next commit is refused; it rebases, sees this and finishes as skipped.
            asked = msgspec.structs.replace(opened, cancel="cancelled")
            state = msgspec.structs.replace(state, seq=state.seq + 1, open=asked)
        elif opened is not None and state.lease.owner is not None and not _is_over(state, now):
            return
        else:
            final = final_task(
                connection_id,
                run_id=run_id,
                shard=shard,
                status=TaskStatus.SKIPPED if cancelled else TaskStatus.FAILED,
                reason="cancelled" if cancelled else "no_answer",
                error=None if cancelled else NO_ANSWER,
                opened=opened,
                now=now,
                expires_at=expiry(services, now),
            )
            writes = closing_writes(final)
            state = closed_state(state, run_id, run.order)
        door: Write = write_state(path, state, snapshot)
        try:
            services.store.commit([door, *writes])
        except (Conflict, StoreUnavailable):
            pause(services, attempt)
            continue
        return
    raise StoreUnavailable(f"connection {connection_id} of run {run_id} could not be closed; deliver again")


def _is_over(state: SyncState, now: datetime) -> bool:
    return state.lease.expires_at is None or state.lease.expires_at <= now
