"""The sync's health at a glance, for operators: freshness first.

It reads at most `MOST_READ` documents, however many connections there are. All else are counts and sums,
which are billed as one read per 1,000 index entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.errors import QueueUnavailable, one_line
from orchestrator.model import ids
from orchestrator.model.cause import Blame
from orchestrator.model.connection import MARKETPLACES, ConnectionStatus
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import read_all
from orchestrator.model.run import Run, RunStatus
from orchestrator.model.state import Health, SyncState
from orchestrator.operators.health.causes import Found, Reader, groups
from orchestrator.operators.health.remedies import remedy
from orchestrator.operators.health.status_view import (
    CauseGroup,
    ConnectionCounts,
    Day,
    FailingConnection,
    Freshness,
    MarketplaceStatus,
    StatusView,
)
from orchestrator.operators.health.verdict import Facts, verdict
from orchestrator.operators.run_views import with_id
from orchestrator.operators.ticks import LAST, Ticks
from orchestrator.ports import Counter, Document, DocumentStore, Filter, Query, Snapshot
from orchestrator.services import Services

#: Documents read.
MOST_READ = 25
#: Recent runs that are shown; the marketplaces' figures are made of them.
SHOWN_RUNS = 5
#: Failing connections that are shown at most.
FAILING = 6
_DAY = timedelta(days=1)
#: Every time is later; null is not.
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


#: All rejects, of all connections; and any one of them.
_REJECTS = [Filter("connection_id", ">", "")]
_A_REJECT = Query("rejects", where=_REJECTS, order_by="connection_id", limit=1, group=True)


@dataclass(frozen=True, slots=True)
class _Marketplace:
    """What is asked about one marketplace."""

    active: Future[int]
    late: Future[int]
    on_time: Future[int]
    latest: Future[list[Snapshot]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The questions that do not depend on each other's answers, all asked at once."""

    runs: Future[list[Snapshot]]
    ticks: Future[list[Snapshot]]
    marketplaces: dict[str, _Marketplace]
    active: Future[int]
    paused: Future[int]
    removing: Future[int]
    health: dict[Health, Future[int]]
    day: dict[RunStatus, Future[int]]
    rejected: Future[float]
    rejects: Future[int]
    usd: Future[float]


def status(services: Services, dead: Counter | None = None) -> StatusView:
    """Sum up ticks, connections, marketplaces and the runs of the last day.

    Args:
        services: The world.
        dead: Counts dead letters if that is cheap; None if the caller may not read them.
    """
    now = services.clock.now()
    dead_letters = services.executor.submit(_dead_letters, dead)
    asked = _ask(services, now)
    found_runs, faults = read_all(Run, asked.runs.result())
    runs = [run for _, run in found_runs]
    ticks = Ticks.of(asked.ticks.result(), services.settings)
    _, tick_faults = read_all(Run, asked.ticks.result())
    now_by_name = {name: _share(each) for name, each in asked.marketplaces.items()}
    counts = _connections(asked, now_by_name)
    latest = [snapshot for each in asked.marketplaces.values() for snapshot in each.latest.result()]
    reject = services.store.query(_A_REJECT) if asked.rejected.result() and asked.rejects.result() else []
    read = len(asked.runs.result()) + len(asked.ticks.result()) + len(latest) + len(reject)
    reader = Reader(services.store, MOST_READ - read)
    active = {name: share.active for name, share in now_by_name.items() if share.active}
    found = groups(reader, active, counts.freshness.late, now)
    failing, failing_faults = _failing(reader, found, counts)
    states, latest_faults = read_all(SyncState, latest)
    oldest = {state.marketplace: state.since_at for _, state in states}
    marketplaces = _marketplaces(now_by_name, oldest, runs, found.groups, now)
    day = Day(
        runs={each.value: count for each, future in asked.day.items() if (count := future.result())},
        rejected=int(asked.rejected.result()),
        estimated_usd=round(asked.usd.result(), 6),
    )
    facts = Facts(
        now=now,
        ticks=ticks,
        connections=counts,
        marketplaces=marketplaces,
        groups=found.groups,
        day=day,
        dead_letters=dead_letters.result(),
        reject=reject[0].data if reject else None,
        paused_at=_paused_at(services.store) if counts.paused and not counts.active else None,
    )
    worst = verdict(facts)
    return StatusView(
        verdict=worst.sentence,
        situation=worst.situation,
        action=worst.action,
        at=now,
        health=_health(counts, runs),
        last_tick_at=ticks.last_at,
        next_tick_at=ticks.due_at,
        tick_s=services.settings.tick_seconds,
        connections=counts,
        groups=found.groups,
        marketplaces=marketplaces,
        runs=[with_id(snapshot) for snapshot, _ in found_runs],
        day=day,
        rejects=asked.rejects.result(),
        dead_letters=facts.dead_letters,
        failing=failing,
        more_groups=found.more,
        faults=list(dict.fromkeys(faults + tick_faults + latest_faults + found.faults + failing_faults)),
    )


def _ask(services: Services, now: datetime) -> _Asked:
    store, submit = services.store, services.executor.submit

    def count(collection: str, *where: Filter) -> Future[int]:
        return submit(store.count, collection, where)

    def marketplace(name: str) -> _Marketplace:
        its = Filter("marketplace", "==", name)
        measured = [its, Filter("late_at", ">", _ALWAYS)]
        return _Marketplace(
            active=count("connections", its, Filter("status", "==", ConnectionStatus.ACTIVE.value)),
            late=count("sync_state", its, Filter("late_at", "<=", now)),
            on_time=count("sync_state", its, Filter("late_at", ">", now)),
            latest=submit(store.query, Query("sync_state", where=measured, limit=1)),
        )

    # A run's `order` begins with the time of its start.
    today = Filter("order", ">=", ids.order_key(now - _DAY, ""))
    return _Asked(
        runs=submit(store.query, Query("runs", order_by="order", descending=True, limit=SHOWN_RUNS)),
        ticks=submit(store.query, LAST),
        marketplaces={name: marketplace(name) for name in MARKETPLACES},
        active=count("connections", Filter("status", "==", ConnectionStatus.ACTIVE.value)),
        paused=count("connections", Filter("status", "==", ConnectionStatus.PAUSED.value)),
        removing=count("sync_state", Filter("removing", "==", True)),
        health={
            health: count("sync_state", Filter("health", "==", health.value))
            for health in (Health.FAILING, Health.NEEDS_ATTENTION)
        },
        day={each: count("runs", Filter("status", "==", each.value), today) for each in RunStatus},
        rejected=submit(store.sum, "runs", "records.rejected", [today]),
        # Those of earlier releases do not tell their connection, and are counted once they are written again.
        rejects=submit(store.count, "rejects", _REJECTS, group=True),
        usd=submit(store.sum, "runs", "cost.estimated_usd", [today]),
    )


@dataclass(frozen=True, slots=True)
class _Share:
    """A marketplace's connections now."""

    active: int
    freshness: Freshness


def _share(asked: _Marketplace) -> _Share:
    active, late, on_time = asked.active.result(), asked.late.result(), asked.on_time.result()
    return _Share(active, Freshness(on_time=on_time, late=late, not_measured=max(0, active - late - on_time)))


def _connections(asked: _Asked, shares: Mapping[str, _Share]) -> ConnectionCounts:
    active = asked.active.result()
    late = sum(share.freshness.late for share in shares.values())
    on_time = sum(share.freshness.on_time for share in shares.values())
    return ConnectionCounts(
        active=active,
        failing=asked.health[Health.FAILING].result(),
        needs_attention=asked.health[Health.NEEDS_ATTENTION].result(),
        paused=asked.paused.result(),
        removing=asked.removing.result(),
        # Some are of a marketplace that is not known; they are never measured.
        freshness=Freshness(on_time=on_time, late=late, not_measured=max(0, active - late - on_time)),
    )


def _marketplaces(
    shares: Mapping[str, _Share],
    oldest: Mapping[str, datetime | None],
    runs: Sequence[Run],
    found: Sequence[CauseGroup],
    now: datetime,
) -> dict[str, MarketplaceStatus]:
    """Each marketplace with active connections, or with a share in a shown run."""
    closed = [run for run in runs if run.status.is_final]
    summed = {}
    for name in sorted({*(name for name in shares if shares[name].active), *_taking_part(closed)}):
        parts = [
            (run.started_at, run.by_marketplace[name].tasks) for run in closed if name in run.by_marketplace
        ]
        total = TaskTotals()
        for _, tasks in parts:
            total.add(tasks)
        tried = total.succeeded + total.failed
        complete_at = next((at for at, tasks in parts if tasks.succeeded and not tasks.failed), None)
        share, since_at = shares.get(name, _Share(0, Freshness())), oldest.get(name)
        base = since_at or complete_at
        summed[name] = MarketplaceStatus(
            active=share.active,
            freshness=share.freshness,
            oldest_since_at=since_at,
            failing_since=_failing_since(name, share.active, found),
            runs=len(parts),
            tasks=total,
            success=round(total.succeeded / tried, 4) if tried else None,
            complete_at=complete_at,
            lag_s=(now - base).total_seconds() if base is not None else None,
        )
    return summed


def _taking_part(runs: Sequence[Run]) -> set[str]:
    return {name for run in runs for name in run.by_marketplace}


def _failing_since(marketplace: str, active: int, found: Sequence[CauseGroup]) -> datetime | None:
    """When the marketplace's own trouble began: half of its connections or more have it."""
    own = [each for each in found if each.blame is Blame.MARKETPLACE and each.marketplace == marketplace]
    if not own or 2 * sum(group.connections for group in own) < active:
        return None
    return min((group.since for group in own if group.since is not None), default=None)


def _health(counts: ConnectionCounts, runs: Sequence[Run]) -> Health:
    latest = next((run for run in runs if run.status.is_final), None)
    if counts.needs_attention:
        return Health.NEEDS_ATTENTION
    has_failed = latest is not None and latest.status is RunStatus.FAILED
    return Health.FAILING if counts.failing or has_failed else Health.OK


def _failing(
    reader: Reader, found: Found, counts: ConnectionCounts
) -> tuple[list[FailingConnection], list[str]]:
    """Some failing connections, and the faults of those whose state cannot be read."""
    states = {name: state for name, state in found.states.items() if state.health is not Health.OK}
    faults: list[str] = []
    if not states and counts.failing + counts.needs_attention:
        # States of an earlier release have no cause.
        for health in (Health.NEEDS_ATTENTION, Health.FAILING):
            limit = min(FAILING - len(states), reader.left // 2)
            where = [Filter("health", "==", health.value)]
            if limit > 0:
                read, unread = read_all(
                    SyncState, reader.query(Query("sync_state", where=where, limit=limit))
                )
                states |= {snapshot.id: state for snapshot, state in read}
                faults += unread
    names = sorted(states, key=lambda name: (states[name].health is not Health.NEEDS_ATTENTION, name))[
        :FAILING
    ]
    documents = reader.documents(names)
    return [_failing_connection(name, states[name], documents.get(name, {})) for name in names], faults


def _failing_connection(name: str, state: SyncState, connection: Document) -> FailingConnection:
    error = state.last_error
    edited = edited_marketplace(connection, state) if connection else ""
    return FailingConnection(
        connection_id=name,
        organization_id=_text(connection, "organization_id") or state.organization_id,
        marketplace=_text(connection, "marketplace") or state.marketplace or None,
        name=_text(connection, "name"),
        health=state.health,
        consecutive_failures=state.consecutive_failures,
        last_success_at=state.last_success_at,
        last_error=error,
        action=edited or (error.action if error is not None else "") or remedy(error.kind if error else ""),
    )


def _paused_at(store: DocumentStore) -> datetime | None:
    """When the connection that was changed last was changed: if all are paused, none was paused later."""
    for snapshot in store.query(Query("connections", order_by="updated_at", descending=True, limit=1)):
        at = snapshot.data.get("updated_at")
        return at if isinstance(at, datetime) else None
    return None


def _text(document: Document, field: str) -> str | None:
    """A field that people wrote; None if it is no text."""
    value = document.get(field)
    return value if isinstance(value, str) else None


def _dead_letters(dead: Counter | None) -> int | None:
    with suppress(QueueUnavailable):
        return dead.count() if dead is not None else None
    return None


def edited_marketplace(connection: Document, state: SyncState) -> str:
    """A sentence about a connection whose marketplace was edited by hand; empty if it was not."""
    now = connection.get("marketplace")
    if not state.marketplace or now == state.marketplace:
        return ""
    return one_line(
        f"its marketplace was edited from {state.marketplace} to {now}, which is not supported: set it back, "
        "and add a connection of another id"
    )
