"""The share of a tick: which connections are due, and how they are found.

Connections with an interval of their own take part in some ticks only. If there is none, a tick covers all
active connections and asks nothing more. Else it covers

- the paces whose slot came since the last tick that was expanded whole: a tick that is missing, was too late
  or was cancelled is made up for. The first tick that knows paces covers everything;
- the connections that are wanted whatever their pace: those without a complete task since they were claimed,
  added, resumed or edited.

Connections are queried by pace. One without a pace would never be found: of a release before paces, or
written by hand. So each tick counts, and a marketplace that has one is read whole; that gives it its pace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.documents import readable
from orchestrator.model.paces import EVERY_TICK, Due
from orchestrator.model.run import Run
from orchestrator.ports import Filter, Query, Snapshot
from orchestrator.services import Services

#: Ticks that are looked at for the last one that was expanded whole: a large one takes longer than the next
#: one's coming.
LOOKED = 4
#: Firestore takes at most 30 values for `in` (cloud.google.com/firestore/docs/query-data/queries).
MOST_VALUES = 30


def has_own_paces(services: Services) -> bool:
    """Whether some connection has an interval of its own."""
    return services.store.count("connections", [Filter("pace", "<", EVERY_TICK)]) > 0


def due_at(services: Services, at: datetime, active: Mapping[str, int]) -> tuple[Due, dict[str, int]]:
    """What a tick covers, and about how many connections that are by marketplace.

    Args:
        services: The world.
        at: The tick's own time.
        active: The active connections by marketplace.
    """
    store, submit = services.store, services.executor.submit
    last = submit(store.query, Query("runs", order_by="schedule_time", descending=True, limit=LOOKED))
    paced = {
        name: submit(store.count, "connections", [*of_active(name), Filter("pace", ">=", "")])
        for name in active
    }
    wanted = {name: submit(store.count, "sync_state", of_wanted(name)) for name in active}
    after = _covered_until(last.result(), at)
    without = {name: active[name] - paced[name].result() for name in active}
    due = Due(
        after=after,
        until=at,
        scanned=tuple(sorted(name for name, number in without.items() if number > 0)),
        wanted=tuple(sorted(name for name in active if wanted[name].result())),
    )
    if due.is_everything:
        return due, dict(active)
    counted = {
        name: [submit(store.count, "connections", [*of_active(name), each]) for each in of_paces(due)]
        for name in active
    }
    numbers = {
        name: sum(each.result() for each in counted[name]) + max(0, without[name]) + wanted[name].result()
        for name in active
    }
    resting = max(0, sum(active.values()) - sum(numbers.values()))
    due = msgspec.structs.replace(due, resting=resting)
    return due, {name: number for name, number in numbers.items() if number}


def of_active(marketplace: str) -> list[Filter]:
    """The active connections of a marketplace."""
    return [
        Filter("marketplace", "==", marketplace),
        Filter("status", "==", ConnectionStatus.ACTIVE.value),
    ]


def of_wanted(marketplace: str) -> list[Filter]:
    """The states of a marketplace's connections that are wanted whatever their pace."""
    return [Filter("marketplace", "==", marketplace), Filter("wanted", "==", True)]


def of_paces(due: Due) -> list[Filter]:
    """The conditions that together select the paces of a tick, each connection once."""
    paces = due.paces()
    return [Filter("pace", "in", paces[n : n + MOST_VALUES]) for n in range(0, len(paces), MOST_VALUES)]


def _covered_until(found: Sequence[Snapshot], at: datetime) -> datetime | None:
    """Up to which time all slots were covered before this tick; None if that is not known.

    A run that was expanded whole has covered the slots of its span, and those before its span were covered
    before it started. The latest such run counts. Without one, the span begins where the earliest one's
    began.
    """
    after = None
    for _, run in readable(Run, found):
        if run.schedule_time is None or run.schedule_time >= at:
            continue  # this tick is delivered late
        if run.selection.due is None:
            # It asked for no pace, or an earlier release started it, which forgets who is wanted.
            return None
        if _is_expanded_whole(run):
            return run.schedule_time
        after = run.selection.due.after
    return after


def _is_expanded_whole(run: Run) -> bool:
    """Whether all due connections of a run have become tasks, and nobody has taken them back."""
    is_done = all(each.done for each in run.dispatch.values())
    return is_done and run.error is None and run.cancel_requested_at is None
