"""Starting runs: for a tick, for a person, and to retry an earlier run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import Conflict, NotFound, NotPossible, RequestError, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import MARKETPLACES, STREAMS, OrganizationId
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Dispatch, Run, RunStatus, Selection
from orchestrator.ports import Create, Snapshot, Update, Write
from orchestrator.runs.audit import entry
from orchestrator.runs.close import log_closed
from orchestrator.runs.due import due_at, has_own_paces
from orchestrator.runs.selection import count, named, refuse_busy
from orchestrator.services import Services

_ALL = Selection()


class Started(msgspec.Struct, kw_only=True, frozen=True):
    """The answer to a request for a run."""

    run_id: str
    status: RunStatus
    #: Connections in it; an estimate until the run is `running`.
    tasks: int
    #: Whether this run had been started before.
    duplicate: bool


class TriggerRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The selection of a manual run; conditions narrow each other, and without any it is everything due."""

    connection_ids: list[str] | None = None
    marketplaces: list[str] | None = None
    organization_id: OrganizationId | None = None
    streams: list[str] | None = None
    #: Read everything again from the beginning and write every record.
    full: bool = False


def start_tick(
    services: Services,
    *,
    job: str,
    schedule_time: datetime | None,
    requested_by: str,
    trigger: str = "scheduler",
) -> Started:
    """Start the run of a scheduler's tick, once for all its deliveries.

    Cloud Scheduler stamps a forced run with no time, or with the next tick's
    (cloud.google.com/scheduler/docs/configuring/deduplicate-job-requests), so only the moment tells the two
    apart. The rule: a delivery that arrives before its schedule time is a forced run and gets an id of its
    own; any other is the tick. So a run with a tick's id never starts before the tick, and no tick is
    missed. The rule's only error is an extra run: of a tick that the scheduler delivers early, and again.
    The store's clock decides, because an instance's own clock may be minutes off.

    Args:
        services: The world.
        job: The scheduler job's short name.
        schedule_time: The tick's own time, the same for every delivery of it; None for a forced run.
        requested_by: Who called.
        trigger: `scheduler` or `interval`.

    Raises:
        StoreUnavailable: The run could not be recorded; deliver again.
        QueueUnavailable: The run is recorded but not all is published; deliver again.
    """
    now = services.clock.now()
    own_paces = services.executor.submit(has_own_paces, services)
    # The count's answer tells the store's time.
    counts, selection = count(services, _ALL, services.connectors), _ALL
    received_at = services.store.now() or now
    if schedule_time is None or schedule_time > received_at:
        run_id, schedule_time = ids.forced_run_id(received_at, job), None
    else:
        run_id = ids.tick_run_id(schedule_time, job)
        if own_paces.result():
            due, counts = due_at(services, schedule_time, counts)
            selection = Selection(due=due)
    run = _new_run(
        services,
        now,
        run_id,
        trigger,
        requested_by=requested_by,
        counts=counts,
        schedule_time=schedule_time,
        selection=selection,
    )
    return _start(services, run_id, run)


def start_manual(
    services: Services, request: TriggerRequest, *, by: Actor, idempotency_key: str | None
) -> Started:
    """Start a run a person asked for.

    Args:
        services: The world.
        request: The selection.
        by: Who asks.
        idempotency_key: Equal for repetitions of one request, whoever repeats it: see `ids.key_of`.

    Raises:
        RequestError: An unknown marketplace or stream.
        NotFound: Some connection ids do not exist; the message names them.
        NotPossible: Every selected connection is being synced now.
    """
    _require_known("marketplaces", request.marketplaces, MARKETPLACES)
    _require_known("streams", request.streams, STREAMS)
    now = services.clock.now()
    run_id = ids.manual_run_id(now, services.random, idempotency_key)
    if idempotency_key is not None and (snapshot := services.store.get(ids.run_path(run_id))) is not None:
        return _again(services, run_id, snapshot)
    names = None
    if request.connection_ids is not None:
        names = named(services, request.connection_ids, request.marketplaces, request.organization_id)
    selection = Selection(
        connection_ids=names,
        organization_id=request.organization_id,
        streams=tuple(request.streams) if request.streams is not None else None,
        full=request.full,
    )
    chosen = [m for m in services.connectors if request.marketplaces is None or m in request.marketplaces]
    counts = count(services, selection, chosen)
    refuse_busy(services, selection, counts)
    run = _new_run(services, now, run_id, "manual", requested_by=by.name, counts=counts, selection=selection)
    only = request.connection_ids or ()
    asked = entry(
        services,
        by,
        Action.TRIGGER,
        run_id=run_id,
        connection_id=only[0] if len(only) == 1 else None,
        details=_in_words(request),
    )
    return _start(services, run_id, run, asked)


def retry_run(services: Services, run_id: str, *, by: Actor) -> Started:
    """Start a new run over the failed and skipped tasks of a closed one.

    While an earlier retry of that run is open, the answer is the earlier retry.

    Raises:
        NotFound: No such run.
        NotPossible: The run is not over, or no task of it failed or was skipped.
    """
    snapshot, run = read_run(services, run_id)
    if not run.status.is_final:
        raise NotPossible(f"run {run_id} is not over: it is {run.status.value}")
    number = 1
    if run.retried_by is not None:
        earlier = services.store.get(ids.run_path(run.retried_by))
        if earlier is not None and not from_document(Run, earlier.data).status.is_final:
            return _again(services, run.retried_by, earlier)
        number = int(run.retried_by.rpartition(".r")[2]) + 1
    selection = Selection(retry_of=run_id, streams=run.selection.streams, full=run.selection.full)
    counts = count(services, selection, run.dispatch)
    if not counts:
        raise NotPossible(f"no task of run {run_id} failed or was skipped: there is nothing to retry")
    new_id = ids.retry_run_id(run_id, number)
    now = services.clock.now()
    new = _new_run(services, now, new_id, "retry", requested_by=by.name, counts=counts, selection=selection)
    retried = Update(ids.run_path(run_id), {"retried_by": new_id}, version=snapshot.version)
    asked = entry(services, by, Action.RETRY, run_id=run_id, details=f"as run {new_id}")
    return _start(services, new_id, new, retried, asked)


def _new_run(
    services: Services,
    now: datetime,
    run_id: str,
    trigger: str,
    *,
    requested_by: str,
    counts: Mapping[str, int],
    schedule_time: datetime | None = None,
    selection: Selection = _ALL,
) -> Run:
    settings = services.settings
    return Run(
        trigger=trigger,
        requested_by=requested_by,
        schedule_time=schedule_time,
        order=ids.order_key(now, run_id),
        # Without a marketplace there is no dispatch, so nothing would close the run later.
        status=RunStatus.DISPATCHING if counts else RunStatus.SUCCEEDED,
        dispatch={marketplace: Dispatch() for marketplace in sorted(counts)},
        dispatched_at=now,
        deadline_at=now + timedelta(seconds=settings.run_seconds),
        retry_of=selection.retry_of,
        selection=selection,
        # An estimate until the run is closed: the count before anything is planned.
        tasks=TaskTotals(total=sum(counts.values())),
        started_at=now,
        finished_at=None if counts else now,
        expires_at=now + timedelta(days=settings.retention_days),
    )


def _start(services: Services, run_id: str, run: Run, *also: Write) -> Started:
    """Create the run, with other writes, and publish its dispatches; a run that exists is continued."""
    try:
        services.store.commit([Create(ids.run_path(run_id), to_document(run)), *also])
    except (Conflict, StoreUnavailable) as error:
        snapshot = services.store.get(ids.run_path(run_id))
        if snapshot is None:
            raise StoreUnavailable(f"run {run_id} was not recorded; try again") from error
        return _again(services, run_id, snapshot)
    if run.status.is_final:
        log_closed(run_id, run)
    services.queue.publish(dispatch_messages(run_id, run) or [Message(kind="heal", run_id=run_id)])
    return Started(run_id=run_id, status=run.status, tasks=run.tasks.total, duplicate=False)


def _again(services: Services, run_id: str, snapshot: Snapshot) -> Started:
    """A run that was started before: publish the dispatches it may lack, for its own marketplaces."""
    run = from_document(Run, snapshot.data)
    if run.status is RunStatus.DISPATCHING:
        services.queue.publish(dispatch_messages(run_id, run))
    return Started(run_id=run_id, status=run.status, tasks=run.tasks.total, duplicate=True)


def dispatch_messages(run_id: str, run: Run, *, heal: bool = False) -> list[Message]:
    """One message for each marketplace that is not yet expanded; `heal` marks those that a heal publishes."""
    return [
        Message(
            kind="dispatch",
            run_id=run_id,
            order=run.order,
            deadline_at=run.deadline_at,
            marketplace=marketplace,
            heal=heal,
        )
        for marketplace, dispatch in sorted(run.dispatch.items())
        if not dispatch.done
    ]


def _in_words(request: TriggerRequest) -> str:
    """The selection of a manual run, for people."""
    named = len(request.connection_ids) if request.connection_ids is not None else 0
    parts = [
        f"{named:,} connections" if named > 1 else "",
        f"marketplaces {', '.join(request.marketplaces)}" if request.marketplaces is not None else "",
        f"organization {request.organization_id}" if request.organization_id is not None else "",
        f"streams {', '.join(request.streams)}" if request.streams is not None else "",
        "full" if request.full else "",
    ]
    return "; ".join(part for part in parts if part)


def _require_known(field: str, names: Sequence[str] | None, known: Sequence[str]) -> None:
    unknown = [name for name in names or () if name not in known]
    if unknown or (names is not None and not names):
        raise RequestError(f"{field}: {', '.join(unknown) or 'empty'}; known are {', '.join(known)}")


def read_run(services: Services, run_id: str) -> tuple[Snapshot, Run]:
    """Read a run.

    Raises:
        NotFound: No such run.
    """
    snapshot = services.store.get(ids.run_path(run_id)) if ids.is_document_id(run_id) else None
    if snapshot is None:
        raise NotFound(f"no such run: {run_id}")
    return snapshot, from_document(Run, snapshot.data)
