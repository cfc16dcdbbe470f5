"""How a task ends: its record, its shard's countdown, and the connection's state afterwards."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    PermissionDenied,
    SecretMissing,
)
from orchestrator.model import ids
from orchestrator.model.counts import (
    COSTS,
    COUNTS,
    ErrorInfo,
    TaskCost,
)
from orchestrator.model.documents import to_document
from orchestrator.model.run import Task, TaskStatus
from orchestrator.model.state import Health, LastRun, Open, SyncState
from orchestrator.ports import Create, Snapshot, Update, Write
from orchestrator.services import Services

log = logging.getLogger(__name__)


_PAGE = 300


#: A person has to act before these can succeed.
_NEEDS_ATTENTION = {
    error.kind for error in (CredentialsRejected, PermissionDenied, ConnectionInvalid, SecretMissing)
}


_TRIES = 60


NO_ANSWER = ErrorInfo(
    kind="no_answer",
    message="no worker had finished this connection when the run's deadline passed",
    action="nothing: the next run goes on; if it repeats, look at the worker's instances and log",
)


def expiry(services: Services, now: datetime) -> datetime:
    """When the record of a task that ends now may be removed: no message of it is left by then.

    Counted from its run's start, that of a run that an outage held up could go while the run is closed, and
    the task would be closed, and counted, once more.
    """
    return now + timedelta(days=services.settings.retention_days)


def closing_writes(task: Task) -> list[Write]:
    """The two writes that make a task final and count it."""
    increments = {"open": -1, f"tasks.{task.status.value}": 1, "tasks.total": 1}
    increments |= {f"by_stream.{stream}.seen": 0 for stream in task.streams}
    if task.reason == "overlap":
        increments["overlap"] = 1
    for stream, counts in task.streams.items():
        increments |= {
            f"by_stream.{stream}.{name}": value for name in COUNTS if (value := getattr(counts, name))
        }
    increments |= {f"cost.{name}": value for name in COSTS if (value := getattr(task.cost, name))}
    return [
        Create(ids.task_path(task.run_id, task.connection_id), to_document(task)),
        Update(ids.shard_path(task.run_id, task.shard), increments=increments),
    ]


def write_state(path: str, state: SyncState, snapshot: Snapshot | None) -> Create | Update:
    """The write of `sync_state` under the precondition that nobody else has written it since."""
    document = to_document(state)
    return Create(path, document) if snapshot is None else Update(path, document, version=snapshot.version)


def final_task(
    connection_id: str,
    *,
    run_id: str,
    shard: str,
    status: TaskStatus,
    reason: str | None,
    opened: Open | None,
    now: datetime,
    expires_at: datetime,
    organization_id: str | None = None,
    incomplete: bool = False,
    error: ErrorInfo | None = None,
) -> Task:
    """The record of a task's end, with what its slices counted so far."""
    return Task(
        run_id=run_id,
        shard=shard,
        connection_id=connection_id,
        organization_id=organization_id,
        marketplace=ids.marketplace_of(shard),
        status=status,
        reason=reason,
        incomplete=incomplete,
        attempts=opened.claims if opened else 0,
        slices=opened.slice + 1 if opened else 0,
        streams=opened.progress if opened else {},
        cost=(opened.cost if opened else None) or TaskCost(),
        error=error,
        started_at=opened.started_at if opened else None,
        finished_at=now,
        expires_at=expires_at,
    )


def closed_state(state: SyncState, run_id: str, order: str) -> SyncState:
    """The state after this connection's task of a run was closed, whether or not it is the open one."""
    last = state.last_run
    if last is None or last.order < order:
        last = LastRun(run_id=run_id, order=order)
    state = msgspec.structs.replace(state, seq=state.seq + 1, last_run=last)
    if state.open is not None and state.open.run_id == run_id:
        lease = msgspec.structs.replace(state.lease, owner=None, expires_at=None)
        state = msgspec.structs.replace(state, open=None, lease=lease)
    return state


def with_health(state: SyncState, status: TaskStatus, error: ErrorInfo | None, now: datetime) -> SyncState:
    """How the connection does after this task; skipped ones tell nothing."""
    if status is TaskStatus.SUCCEEDED:
        return msgspec.structs.replace(
            state,
            health=Health.OK,
            consecutive_failures=0,
            last_error=None,
            last_success_at=now,
            refused_at=None,
        )
    if status is TaskStatus.SKIPPED or error is None:
        return state
    attention = error.kind in _NEEDS_ATTENTION
    return msgspec.structs.replace(
        state,
        health=Health.NEEDS_ATTENTION if attention else Health.FAILING,
        consecutive_failures=state.consecutive_failures + 1,
        last_error=error,
        refused_at=now if attention else None,
    )
