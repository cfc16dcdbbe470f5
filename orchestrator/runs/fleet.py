"""The state of all connections, logged once a tick; the alerts that last as long as their cause count it.

A failure is logged when it happens, so an alert on that line ends while its cause persists. These lines tell
the present state at each heal, and so at each tick:

- `fleet`: one line, also if nothing is wrong,
- `fleet_marketplace`: one for each marketplace with something wrong,
- `connection_needs_attention`: one for each connection that only a person can help, at most `NAMED`.

A tick costs three counts and `TICKS` documents. The counts by marketplace, and the named connections, are
read only if there are any.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from orchestrator import log_context
from orchestrator.errors import StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import readable
from orchestrator.model.run import Run, RunStatus
from orchestrator.model.state import Health, SyncState
from orchestrator.ports import Filter, Query
from orchestrator.services import Services

log = logging.getLogger(__name__)

#: Closed runs that are looked at; manual ones among them do not count.
TICKS = 6
#: Connections that need attention and are logged by name, and those that are looked at: paused ones have no
#: line, because a person has dealt with them.
NAMED, LOOKED = 20, 40
_CLOSED = [status.value for status in RunStatus if status.is_final]


class State(msgspec.Struct, kw_only=True):
    """Connections in trouble, of the whole fleet or of one marketplace."""

    #: Connections whose data is older than a number of their own intervals.
    late: int = 0
    needs_attention: int = 0
    failing: int = 0
    #: Records that the last closed tick rejected.
    rejects: int = 0
    #: Ticks in a row, up to the last closed one, in which most tasks failed; 0 for the fleet.
    failing_ticks: int = 0

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is wrong."""
        return self == State()


def tell(services: Services) -> None:
    """Log the fleet's state; without the store the line is missing, and the next tick logs it."""
    with suppress(StoreUnavailable), log_context.apart("connection_id", "marketplace", "stream"):
        fleet, by_marketplace = measure(services)
        log.info(
            "fleet: %s",
            _told(fleet),
            extra={
                "action": "fleet",
                **msgspec.structs.asdict(fleet),
                "marketplaces": {name: msgspec.structs.asdict(each) for name, each in by_marketplace.items()},
            },
        )
        for name, state in by_marketplace.items():
            if not state.is_quiet:
                with log_context.bind(marketplace=name):
                    log.warning(
                        "%s: %s",
                        *(name, _told(state)),
                        extra={"action": "fleet_marketplace", **msgspec.structs.asdict(state)},
                    )
        if fleet.needs_attention:
            _name_attention(services)


def measure(services: Services) -> tuple[State, dict[str, State]]:
    """The state of all connections, and of each marketplace.

    Raises:
        StoreUnavailable: The store did not answer.
    """
    conditions = _conditions(services.clock.now())
    fleet = State(**{name: _count(services, condition) for name, condition in conditions.items()})
    ticks = _ticks(services)
    by_marketplace = {}
    for marketplace in sorted(services.connectors):
        mine = Filter("marketplace", "==", marketplace)
        shares = [run.by_marketplace[marketplace] for run in ticks if marketplace in run.by_marketplace]
        state = by_marketplace[marketplace] = State(
            **{
                name: _count(services, mine, condition)
                for name, condition in conditions.items()
                if getattr(fleet, name)
            },
            rejects=shares[0].records.rejected if shares else 0,
        )
        tasks = [share.tasks for share in shares]
        state.failing_ticks = _failing_ticks(tasks, state.needs_attention)
        fleet.rejects += state.rejects
    return fleet, by_marketplace


def _conditions(now: datetime) -> Mapping[str, Filter]:
    return {
        "late": Filter("late_at", "<=", now),
        "needs_attention": Filter("health", "==", Health.NEEDS_ATTENTION.value),
        "failing": Filter("health", "==", Health.FAILING.value),
    }


def _count(services: Services, *where: Filter) -> int:
    return services.store.count("sync_state", where)


def _ticks(services: Services) -> list[Run]:
    """The last closed runs of the schedule, newest first."""
    closed = Filter("status", "in", _CLOSED)
    found = services.store.query(
        Query("runs", where=[closed], order_by="order", descending=True, limit=TICKS)
    )
    return [run for _, run in readable(Run, found) if run.schedule_time is not None]


def _failing_ticks(shares: Sequence[TaskTotals], needs_attention: int) -> int:
    """How many of a marketplace's latest shares, newest first and in a row, failed for the most part.

    Failures of connections that need attention are their own, and not the marketplace's.
    """
    count = 0
    for tasks in shares:
        if tasks.failed - needs_attention > tasks.succeeded:
            count += 1
        elif tasks.succeeded:
            break
    return count


def _name_attention(services: Services) -> None:
    """Log the connections that need attention, each with its error and remedy."""
    where = [Filter("health", "==", Health.NEEDS_ATTENTION.value)]
    states = list(readable(SyncState, services.store.query(Query("sync_state", where=where, limit=LOOKED))))
    connections = services.store.get_many([ids.connection_path(snapshot.id) for snapshot, _ in states])
    named = 0
    for (snapshot, state), connection in zip(states, connections, strict=True):
        if connection is None or connection.data.get("status") != ConnectionStatus.ACTIVE:
            continue
        if named == NAMED:
            return
        named += 1
        error = state.last_error
        fields = {
            "action": "connection_needs_attention",
            "kind": error.kind if error is not None else "unknown",
            "remedy": error.action if error is not None else "",
            "failures": state.consecutive_failures,
            "last_success_at": state.last_success_at,
        }
        with log_context.bind(
            connection_id=snapshot.id, marketplace=state.marketplace or connection.data.get("marketplace")
        ):
            log.warning(
                "needs attention: %s; remedy: %s",
                *(error.message if error is not None else "the error is not known", fields["remedy"] or "-"),
                extra=fields,
            )


def _told(state: State) -> str:
    """The counts for a log line."""
    told = (
        f"connections: {state.late} late, {state.needs_attention} need attention, {state.failing} failing; "
        f"records rejected by the last tick: {state.rejects}"
    )
    if state.failing_ticks:
        ticks = "tick" if state.failing_ticks == 1 else f"{state.failing_ticks} ticks"
        told += f"; most tasks failed in the last {ticks}"
    return told
