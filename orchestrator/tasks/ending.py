"""How a task ends: its record, its shard's countdown, and the connection's state afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from orchestrator import log_context
from orchestrator.errors import CredentialsRejected, PermissionDenied
from orchestrator.model import freshness, ids
from orchestrator.model.cause import NEEDS_ATTENTION, Cause
from orchestrator.model.counts import COSTS, COUNTS, Cost, Counts, ErrorInfo, StreamCounts, told_counts
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.run import RECORDED, Task, TaskStatus
from orchestrator.model.state import Health, Open, SyncState
from orchestrator.ports import Create, DocumentStore, Snapshot, Update, Write
from orchestrator.services import Services

log = logging.getLogger(__name__)

#: A task that ends for this reason was asked by the marketplace to wait.
_THROTTLED = {"rate_limited", "waiting"}
#: A marketplace can refuse these for one stream alone.
_OF_A_STREAM = {CredentialsRejected.kind, PermissionDenied.kind}


@dataclass(frozen=True, slots=True)
class Ending:
    """The outcome of a task; the fields are those of its record."""

    status: TaskStatus
    reason: str | None = None
    error: ErrorInfo | None = None
    #: Whether records are left for the next run.
    incomplete: bool = False

    @classmethod
    def failed(cls, error: ErrorInfo) -> Ending:
        """The end of a task by an error."""
        return cls(TaskStatus.FAILED, error.kind, error)

    @classmethod
    def failed_streams(cls, streams: Iterable[StreamCounts]) -> Ending | None:
        """The end of a task by its streams' errors: the first that needs a person, else the first."""
        errors = [counts.error for counts in streams if counts.error is not None]
        errors.sort(key=lambda error: error.kind not in NEEDS_ATTENTION)
        return cls.failed(errors[0]) if errors else None

    def task(
        self,
        services: Services,
        connection_id: str,
        *,
        run_id: str,
        shard: str,
        opened: Open | None,
        organization_id: str | None = None,
    ) -> Task:
        """The record of a task that ends now, with the counts of its slices so far."""
        now = services.clock.now()
        return Task(
            run_id=run_id,
            shard=shard,
            connection_id=connection_id,
            organization_id=organization_id,
            marketplace=ids.marketplace_of(shard),
            status=self.status,
            reason=self.reason,
            incomplete=self.incomplete,
            attempts=opened.claims if opened else 0,
            slices=opened.slice + 1 if opened else 0,
            streams=opened.progress if opened else {},
            cost=(opened.cost if opened else None) or Cost(),
            error=self.error,
            started_at=opened.started_at if opened else None,
            finished_at=now,
            expires_at=expiry(services, now),
        )


NO_ANSWER = ErrorInfo(
    kind="no_answer",
    message="no worker had finished this connection when the run's deadline passed",
    action="nothing: the next run continues; if it repeats, look at the worker's instances and log",
)
TOO_LATE = Ending.failed(NO_ANSWER)


def state_invalid(connection_id: str) -> Ending:
    """The end of a task whose connection has a state that cannot be read; the log names the field."""
    path = ids.state_path(connection_id)
    return Ending.failed(
        ErrorInfo(
            kind="state_invalid",
            message=f"{path} cannot be read; the worker's log names the field",
            action=f"restore or remove {path}, as docs/operating.md says",
        )
    )


def expiry(services: Services, now: datetime) -> datetime:
    """When the record of a task that ends now may be removed: no message of the task is left by then.

    Counting from the run's start, a record could expire while an outage delays the close; its task would be
    closed and counted twice.
    """
    return now + timedelta(days=services.settings.retention_days)


def record_of(
    store: DocumentStore, run_id: str, shard: str, connection_id: str, first: Snapshot | None
) -> tuple[str, Snapshot | None]:
    """The path of a task's record, and the record if the task is final.

    Args:
        store: Read only if the connection is planned twice in the run.
        run_id: The task's run.
        shard: The task's shard.
        connection_id: The task's connection.
        first: The run's first record of the connection, which may be that of another shard's task.
    """
    if first is None or first.data.get("shard", shard) == shard:
        return ids.task_path(run_id, connection_id), first
    path = ids.second_task_path(run_id, shard, connection_id)
    return path, store.get(path)


def closing_writes(task: Task, path: str | None = None, *, is_recorded: bool = True) -> list[Write]:
    """The writes that make a task final and count it; they go into one commit with the connection's state.

    Args:
        task: The record.
        path: The record's path; None for the usual one.
        is_recorded: Whether the record is stored.
    """
    ended = RECORDED if is_recorded else int(task.finished_at.timestamp())
    increments = {f"final.{ids.final_key(task.connection_id)}": ended}
    if not is_recorded:
        increments["quiet"] = 1
    increments |= {"open": -1, f"tasks.{task.status.value}": 1, "tasks.total": 1}
    if task.reason == "overlap":
        increments["overlap"] = 1
    if task.incomplete:
        increments["tasks.incomplete"] = 1
    if task.reason in _THROTTLED:
        increments["tasks.throttled"] = 1
    for stream, counts in task.streams.items():
        increments[f"by_stream.{stream}.seen"] = 0  # the stream is listed even if it had no records
        increments |= {
            f"by_stream.{stream}.{name}": value for name in COUNTS if (value := getattr(counts, name))
        }
    increments |= {f"cost.{name}": value for name in COSTS if (value := getattr(task.cost, name))}
    writes: list[Write] = []
    if is_recorded:
        writes.append(Create(path or ids.task_path(task.run_id, task.connection_id), to_document(task)))
    return [*writes, Update(ids.shard_path(task.run_id, task.shard), increments=increments)]


def unread(snapshot: Snapshot, order: str) -> Update:
    """The write of a state that cannot be read, in a commit that closes a task of the run of this order."""
    before, seq = snapshot.data.get("unread_order"), snapshot.data.get("seq")
    fields: dict[str, object] = {"unread_order": max(order, before if isinstance(before, str) else "")}
    if isinstance(seq, int):
        fields["seq"] = seq + 1
    return Update(snapshot.path, fields, version=snapshot.version)


def write_state(path: str, state: SyncState, snapshot: Snapshot | None) -> Create | Update:
    """The write of `sync_state` under the precondition that nobody else has written it since."""
    document = to_document(state)
    return Create(path, document) if snapshot is None else Update(path, document, version=snapshot.version)


def closed_state(state: SyncState, run_id: str, order: str, shard: str) -> SyncState:
    """The state after this connection's task of a run was closed, whether or not it is the open one.

    The changes of the open one become `untold`. Until they are told, the lease keeps its end, so that a heal
    finds the state.
    """
    last = state.latest_run(run_id, order, shard)
    state = msgspec.structs.replace(state, seq=state.seq + 1, last_run=last)
    if not state.marketplace:
        # No worker has met it. Ticks find a connection that is wanted by its marketplace.
        state = msgspec.structs.replace(state, marketplace=ids.marketplace_of(shard))
    if state.open is not None and state.open.is_of(run_id, shard):
        untold, over_at = state.owed, state.lease.expires_at
        lease = msgspec.structs.replace(state.lease, owner=None, expires_at=over_at if untold else None)
        state = msgspec.structs.replace(state, open=None, lease=lease, untold=untold)
    return state


def log_finished(task: Task) -> None:
    """Log that a task is final, as its record says."""
    seconds = (
        round((task.finished_at - task.started_at).total_seconds(), 1)
        if task.started_at is not None
        else None
    )
    counts = Counts()
    for each in task.streams.values():
        counts.add(each)
    told = f"task {task.status.value}"
    if task.reason is not None:
        told += f" ({task.reason})"
    if seconds is not None:
        told += f" in {seconds} s: {told_counts(counts)}"
    if task.incomplete:
        told += "; the next run reads the rest"
    fields = {
        "action": "task_finished",
        "run_id": task.run_id,
        "status": task.status.value,
        "reason": task.reason,
        "incomplete": task.incomplete,
        "seconds": seconds,
        "slices": task.slices,
        "records": {name: getattr(counts, name) for name in COUNTS},
        "marketplace_calls": task.cost.marketplace_calls,
    }
    with log_context.bind(run_id=task.run_id, connection_id=task.connection_id, marketplace=task.marketplace):
        log.info("%s", told, extra=fields)


def log_closed_by(writes: Iterable[Write]) -> None:
    """Log the tasks that a commit of these writes has made final."""
    for write in writes:
        if isinstance(write, Create) and "/tasks/" in write.path:
            log_finished(from_document(Task, write.data))


def with_health(state: SyncState, task: Task) -> SyncState:
    """The state with the connection's health after this task; a skipped task does not change it."""
    if task.status is TaskStatus.SUCCEEDED:
        state = msgspec.structs.replace(
            state,
            health=Health.OK,
            consecutive_failures=0,
            last_error=None,
            last_success_at=task.finished_at,
            refused_at=None,
            refusals=0,
        )
    elif task.status is TaskStatus.FAILED and task.error is not None:
        attention = task.error.kind in NEEDS_ATTENTION
        # A refused stream waits by itself, and ticks continue with the others.
        is_whole = attention and (task.error.stream is None or task.error.kind not in _OF_A_STREAM)
        state = msgspec.structs.replace(
            state,
            health=Health.NEEDS_ATTENTION if attention else Health.FAILING,
            consecutive_failures=state.consecutive_failures + 1,
            last_error=task.error,
            refused_at=task.finished_at if is_whole else None,
            refusals=state.refusals + 1 if is_whole else 0,
        )
    return explained(state, task)


def explained(state: SyncState, task: Task) -> SyncState:
    """The state with the cause that this task leaves; a paused, cancelled or overlapping one changes none."""
    now = task.finished_at
    # A task that waited for the marketplace until its run was over had no worker, and that is no fault.
    wait = limited(state, now) if task.reason in {*_THROTTLED, NO_ANSWER.kind} else None
    if wait is not None or task.reason in _THROTTLED:
        return freshness.with_cause(state, wait) if wait is not None else state
    if task.status is TaskStatus.FAILED and task.error is not None:
        # The sweep of a task that nobody claimed too.
        state = msgspec.structs.replace(state, wanted=True)
        return freshness.with_cause(state, Cause.of(task.error, now))
    if task.incomplete:
        return freshness.with_cause(state, freshness.incomplete(now))
    return freshness.with_cause(state, None) if task.status is TaskStatus.SUCCEEDED else state


def limited(state: SyncState, now: datetime) -> Cause | None:
    """The longest wait that the marketplace asked for, of the connection or a stream; None without one."""
    waits = [
        (each.not_before, each.waits_for, name)
        for name, each in state.streams.items()
        if each.not_before is not None and each.not_before > now
    ]
    if state.lease.not_before is not None and state.lease.not_before > now:
        waits.append((state.lease.not_before, next((why for _, why, _ in waits), ""), ""))
    if not waits:
        return None
    until, why, stream = max(waits)
    return freshness.throttled(until, now, why, stream if len(waits) == 1 and stream else None)


def skipped(state: SyncState, reason: str, now: datetime) -> Ending:
    """The end of a task that is skipped for this reason, with the cause if it still holds."""
    cause = None
    if reason == "needs_attention":
        cause = state.cause
    elif reason in _THROTTLED:
        cause = limited(state, now)
    error = cause.error if cause is not None else None
    if error is None and reason == "needs_attention":
        error = state.last_error  # the cause of an earlier release
    return Ending(TaskStatus.SKIPPED, reason, error)
