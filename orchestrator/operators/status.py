"""The sync's health at a glance, for operators.

It costs a bounded number of document reads, however many connections there are.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestrator.errors import one_line
from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.counts import ErrorInfo, TaskTotals
from orchestrator.model.documents import read_all
from orchestrator.model.run import Run, RunStatus
from orchestrator.model.state import Health, SyncState
from orchestrator.operators.run_views import with_id
from orchestrator.ports import Clock, Document, DocumentStore, Filter, Query, Snapshot

#: Failing connections that are shown.
FAILING = 50
#: Recent runs that the marketplaces' figures are made of, and the number of them that are shown.
RECENT_RUNS = 20
SHOWN_RUNS = 5


class MarketplaceStatus(msgspec.Struct, kw_only=True, frozen=True):
    """One marketplace's figures over the recent closed runs that it took part in."""

    runs: int
    tasks: TaskTotals
    #: Succeeded tasks ÷ (succeeded + failed tasks), 0 to 1; None if there are none of either.
    success: float | None
    #: Start of the latest run in which at least one task succeeded and no task failed.
    complete_at: datetime | None
    #: Seconds since `complete_at`.
    lag_s: float | None


class FailingConnection(msgspec.Struct, kw_only=True, frozen=True):
    """A connection whose health is `failing` or `needs_attention`."""

    connection_id: str
    organization_id: str | None
    marketplace: str | None
    name: str | None
    health: Health
    consecutive_failures: int
    last_success_at: datetime | None
    last_error: ErrorInfo | None
    #: The remedy, for people.
    action: str


class ConnectionCounts(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Active connections, and connections by health."""

    active: int
    failing: int
    needs_attention: int
    #: Connections whose removal was begun and is not finished.
    removing: int = 0


class StatusView(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Health at a glance."""

    at: datetime
    #: The worst health among the connections and the latest closed run.
    health: Health
    last_tick_at: datetime | None
    runs: list[Document]
    marketplaces: dict[str, MarketplaceStatus]
    connections: ConnectionCounts
    #: At most `FAILING` connections, those that need attention first.
    failing: list[FailingConnection]
    #: Documents that cannot be read and are left out here, a sentence each; absent if there are none.
    faults: list[str] = []


def status(store: DocumentStore, clock: Clock) -> StatusView:
    """Sum up recent runs, marketplaces and failing connections."""
    now = clock.now()
    recent = store.query(Query("runs", order_by="order", descending=True, limit=RECENT_RUNS))
    found, faults = read_all(Run, recent)
    runs = [run for _, run in found]
    failing, failing_faults = _failing(store)
    counts = ConnectionCounts(
        active=store.count("connections", [Filter("status", "==", ConnectionStatus.ACTIVE.value)]),
        failing=_count_health(store, Health.FAILING),
        needs_attention=_count_health(store, Health.NEEDS_ATTENTION),
        removing=store.count("sync_state", [Filter("removing", "==", True)]),
    )
    latest = next((run for run in runs if run.status.is_final), None)
    if counts.needs_attention:
        health = Health.NEEDS_ATTENTION
    elif counts.failing or (latest is not None and latest.status is RunStatus.FAILED):
        health = Health.FAILING
    else:
        health = Health.OK
    return StatusView(
        at=now,
        health=health,
        last_tick_at=next((run.started_at for run in runs if run.schedule_time is not None), None),
        runs=[with_id(snapshot) for snapshot, _ in found[:SHOWN_RUNS]],
        marketplaces=_marketplaces(runs, now),
        connections=counts,
        failing=failing,
        faults=faults + failing_faults,
    )


def _marketplaces(runs: list[Run], now: datetime) -> dict[str, MarketplaceStatus]:
    """Sum up the closed ones among these runs, newest first, by marketplace."""
    closed = [run for run in runs if run.status.is_final]
    summed = {}
    for name in sorted({name for run in closed for name in run.by_marketplace}):
        shares = [
            (run.started_at, run.by_marketplace[name].tasks) for run in closed if name in run.by_marketplace
        ]
        total = TaskTotals()
        for _, tasks in shares:
            total.add(tasks)
        tried = total.succeeded + total.failed
        complete_at = next((at for at, tasks in shares if tasks.succeeded and not tasks.failed), None)
        summed[name] = MarketplaceStatus(
            runs=len(shares),
            tasks=total,
            success=round(total.succeeded / tried, 4) if tried else None,
            complete_at=complete_at,
            lag_s=(now - complete_at).total_seconds() if complete_at is not None else None,
        )
    return summed


def _failing(store: DocumentStore) -> tuple[list[FailingConnection], list[str]]:
    """The failing connections, and the faults of those whose state cannot be read."""
    found: list[Snapshot] = []
    for health in (Health.NEEDS_ATTENTION, Health.FAILING):
        if len(found) < FAILING:
            where = [Filter("health", "==", health.value)]
            found += store.query(Query("sync_state", where=where, limit=FAILING - len(found)))
    states, faults = read_all(SyncState, found)
    connections = store.get_many([ids.connection_path(snapshot.id) for snapshot, _ in states])
    failing = [
        _failing_connection(snapshot, state, connection.data if connection is not None else {})
        for (snapshot, state), connection in zip(states, connections, strict=True)
    ]
    return failing, faults


def _failing_connection(snapshot: Snapshot, state: SyncState, connection: Document) -> FailingConnection:
    remedy = state.last_error.action if state.last_error is not None else ""
    edited = edited_marketplace(connection, state) if connection else ""
    return FailingConnection(
        connection_id=snapshot.id,
        organization_id=_text(connection, "organization_id"),
        marketplace=_text(connection, "marketplace"),
        name=_text(connection, "name"),
        health=state.health,
        consecutive_failures=state.consecutive_failures,
        last_success_at=state.last_success_at,
        last_error=state.last_error,
        action=edited
        or remedy
        or "nothing yet: the next run tries again; if it repeats, read the task's error",
    )


def _text(document: Document, field: str) -> str | None:
    """A field that people wrote; None if it is no text."""
    value = document.get(field)
    return value if isinstance(value, str) else None


def _count_health(store: DocumentStore, health: Health) -> int:
    return store.count("sync_state", [Filter("health", "==", health.value)])


def edited_marketplace(connection: Document, state: SyncState) -> str:
    """A sentence about a connection whose marketplace was edited by hand; empty if it was not."""
    now = connection.get("marketplace")
    if not state.marketplace or now == state.marketplace:
        return ""
    return one_line(
        f"its marketplace was edited from {state.marketplace} to {now}, which is not supported: set it back, "
        "and add a connection of another id"
    )
