"""How tasks and runs end: the countdown, the close check, sweep and cancel.

A final task is created, never rewritten, in the commit that moves its shard's counters; whoever moves
a shard's `open` to 0 then looks for any open shard. Nobody decides on counts read before the own commit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orchestrator import ids
from orchestrator.cost import estimated_usd
from orchestrator.errors import (
    Conflict,
    ConnectionInvalid,
    CredentialsRejected,
    PermissionDenied,
    SecretMissing,
    StoreUnavailable,
)
from orchestrator.messages import Message
from orchestrator.model import (
    COSTS,
    COUNTS,
    Cost,
    ErrorInfo,
    Health,
    LastRun,
    MarketplaceTotals,
    Open,
    RecordTotals,
    Run,
    RunStatus,
    Shard,
    SyncState,
    Task,
    TaskCost,
    TaskStatus,
    TaskTotals,
    from_document,
    to_document,
)
from orchestrator.ports import Create, Filter, Snapshot, Update, Write
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


def pause(services: Services, attempt: int) -> None:
    """Back off before reading and deciding again: full jitter, at most 0.4 s."""
    services.clock.sleep(services.random.uniform(0.005, min(0.4, 0.02 * 2 ** min(attempt, 6))))


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


def shard_open(services: Services, run_id: str, shard: str) -> int:
    """How many of a shard's tasks are not final; 1 where the shard is gone (nothing is left to close)."""
    snapshot = services.store.get(ids.shard_path(run_id, shard))
    return from_document(Shard, snapshot.data).open if snapshot is not None else 1


def close_check(services: Services, run_id: str) -> None:
    """Close the run if it is running and no shard is open; called after the own commit, never before."""
    for attempt in range(_TRIES):
        snapshot = services.store.get(ids.run_path(run_id))
        if snapshot is None:
            return
        run = from_document(Run, snapshot.data)
        if run.status is not RunStatus.RUNNING:
            return
        shards = f"{ids.run_path(run_id)}/shards"
        if services.store.query(shards, where=[Filter("open", ">", 0)], order_by="open", limit=1):
            return
        totals = _totals(services, shards)
        closed = _closed(services, run, totals)
        try:
            services.store.commit([Update(ids.run_path(run_id), closed, version=snapshot.version)])
        except (Conflict, StoreUnavailable):
            pause(services, attempt)
            continue
        fields = {"action": "run_closed", "run_id": run_id, "status": closed["status"]}
        log.info("run closed: %s", closed["status"], extra=fields)
        return
    raise StoreUnavailable(f"run {run_id} could not be closed; deliver again")


@dataclass(slots=True)
class _Totals:
    by_marketplace: dict[str, MarketplaceTotals] = field(default_factory=dict)
    overlap: int = 0


def _totals(services: Services, collection: str) -> _Totals:
    """The sum of all shards, by marketplace."""
    totals = _Totals()
    after: tuple[str] | None = None
    while True:
        page = services.store.query(collection, after=after, limit=_PAGE)
        for snapshot in page:
            _add(totals, from_document(Shard, snapshot.data))
        if len(page) < _PAGE:
            return totals
        after = (page[-1].id,)


def _add(totals: _Totals, shard: Shard) -> None:
    mine = totals.by_marketplace.setdefault(
        shard.marketplace,
        MarketplaceTotals(tasks=TaskTotals(), records=RecordTotals(by_stream={}), cost=Cost()),
    )
    totals.overlap += shard.overlap
    _increase(mine.tasks, {name: getattr(shard.tasks, name) for name in TaskTotals.__struct_fields__})
    _increase(mine.cost, {name: getattr(shard.cost, name) for name in COSTS})
    for stream, counts in shard.by_stream.items():
        _increase(mine.records, counts)
        _increase(_stream(mine.records, stream), counts)


def _stream(records: RecordTotals, stream: str) -> RecordTotals:
    by_stream = records.by_stream
    assert by_stream is not msgspec.UNSET  # noqa: S101 - the two places that make these totals set it
    return by_stream.setdefault(stream, RecordTotals())


def _increase(into: msgspec.Struct, values: Mapping[str, int]) -> None:
    for name, value in values.items():
        setattr(into, name, getattr(into, name) + value)


def _closed(services: Services, run: Run, totals: _Totals) -> dict[str, object]:
    """The fields a run gets when it closes."""
    tasks, records, cost = TaskTotals(), RecordTotals(by_stream={}), Cost()
    for mine in totals.by_marketplace.values():
        mine.cost.estimated_usd = estimated_usd(mine.cost, mine.tasks.total)
        _increase(tasks, {name: getattr(mine.tasks, name) for name in TaskTotals.__struct_fields__})
        _increase(cost, {name: getattr(mine.cost, name) for name in COSTS})
        _increase(records, {name: getattr(mine.records, name) for name in COUNTS})
        for stream, counts in (mine.records.by_stream or {}).items():
            _increase(_stream(records, stream), {name: getattr(counts, name) for name in COUNTS})
    cost.estimated_usd = estimated_usd(cost, tasks.total)
    return {
        "status": _final_status(run, tasks, totals.overlap).value,
        "tasks": to_document(tasks),
        "records": to_document(records),
        "cost": to_document(cost),
        "by_marketplace": {name: to_document(mine) for name, mine in sorted(totals.by_marketplace.items())},
        "finished_at": services.clock.now(),
    }


def _final_status(run: Run, tasks: TaskTotals, overlap: int) -> RunStatus:
    if run.cancel_requested_at is not None:
        return RunStatus.CANCELLED
    late = 1 if run.error is not None else 0
    if tasks.failed + late == 0:
        return RunStatus.PARTIAL if overlap and run.trigger == "manual" else RunStatus.SUCCEEDED
    return RunStatus.FAILED if tasks.failed == tasks.total else RunStatus.PARTIAL


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
