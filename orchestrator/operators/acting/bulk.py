"""Finding connections by a filter, and acting on all of them: pause, resume, check, trigger.

One act covers at most `MOST` connections, so that it is over within a request; `more` says that others fit.
The command line repeats it over all of `fitting`.
Each connection is changed by a commit of its own, with its own audit entry, as if it were the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from orchestrator.errors import NotPossible, RequestError, SyncError
from orchestrator.model.audit import Actor
from orchestrator.model.connection import MARKETPLACES, ConnectionStatus
from orchestrator.operators import connections, pause
from orchestrator.operators.connections import ConnectionView
from orchestrator.operators.paging import require_between
from orchestrator.operators.sellers.checking import check
from orchestrator.ports import Filter, Query
from orchestrator.runs.start import Started, TriggerRequest, start_manual
from orchestrator.services import Services

#: Connections of one act.
MOST = 200
#: Each check is a call to a marketplace.
MOST_CHECKS = 20
_PAGE = 100
#: Commits, or calls to marketplaces, at the same time.
_AT_ONCE = 10


class Which(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Selects connections; conditions narrow each other."""

    organization_id: str | None = None
    marketplace: str | None = None
    status: ConnectionStatus | None = None
    #: The kind of the cause why their data is not up to date.
    cause: str | None = None


class ConnectionPage(msgspec.Struct, kw_only=True, frozen=True):
    """Some connections, in id order."""

    views: list[ConnectionView]
    #: Continues behind this id; None on the last page. A page with a cause may be shorter than the limit.
    next_after: str | None


class Outcome(msgspec.Struct, kw_only=True, frozen=True):
    """The result of acting on many connections."""

    #: The ids, each with the finding; empty if there is nothing to tell.
    done: dict[str, str]
    #: Why it failed, by id.
    failed: dict[str, str]
    #: Whether there may be more connections that fit.
    more: bool


def find(services: Services, which: Which, *, after: str | None = None, limit: int = _PAGE) -> ConnectionPage:
    """A page of the connections that fit.

    Raises:
        RequestError: An unknown marketplace, or a limit out of range.
    """
    require_between("limit", limit, 1, _PAGE)
    if which.marketplace is not None and which.marketplace not in MARKETPLACES:
        known = ", ".join(MARKETPLACES)
        raise RequestError(f"marketplace: {which.marketplace[:40]!r} is unknown; it takes {known}")
    if which.cause is None:
        views = connections.list_page(
            services,
            organization_id=which.organization_id,
            marketplace=which.marketplace,
            status=which.status,
            after=after,
            limit=limit + 1,
        )
        return ConnectionPage(
            views=views[:limit], next_after=views[limit - 1].id if len(views) > limit else None
        )
    # The cause is in the state, and a connection's status is not.
    wanted = {
        "cause.kind": which.cause,
        "marketplace": which.marketplace,
        "organization_id": which.organization_id,
    }
    where = [Filter(field, "==", value) for field, value in wanted.items() if value is not None]
    start = (after,) if after is not None else None
    states = services.store.query(Query("sync_state", where=where, after=start, limit=limit + 1))
    views = connections.views(services, [snapshot.id for snapshot in states[:limit]])
    return ConnectionPage(
        views=[view for view in views if which.status in {None, view.document.get("status")}],
        next_after=states[limit - 1].id if len(states) > limit else None,
    )


def fitting(services: Services, which: Which, status: ConnectionStatus) -> list[str]:
    """Ids of all that fit and have this status, however many; each costs two documents.

    Raises:
        RequestError: An unknown marketplace.
    """
    return list(_having(services, which, {status}))


def pause_all(services: Services, which: Which, *, by: Actor) -> Outcome:
    """Pause those that fit and are active.

    Raises:
        RequestError: An unknown marketplace.
    """
    return pause_these(services, _having(services, which, {ConnectionStatus.ACTIVE}), by=by)


def resume_all(services: Services, which: Which, *, by: Actor) -> Outcome:
    """Resume those that fit and are paused.

    Raises:
        RequestError: An unknown marketplace.
    """
    return resume_these(services, _having(services, which, {ConnectionStatus.PAUSED}), by=by)


def pause_these(services: Services, names: Iterable[str], *, by: Actor) -> Outcome:
    """Pause the first `MOST` of them."""

    def act(name: str) -> str:
        pause.pause(services, name, by=by)
        return ""

    return _each(services, names, act, MOST)


def resume_these(services: Services, names: Iterable[str], *, by: Actor) -> Outcome:
    """Resume the first `MOST` of them."""

    def act(name: str) -> str:
        pause.resume(services, name, by=by)
        return ""

    return _each(services, names, act, MOST)


def check_all(services: Services, which: Which, *, by: Actor) -> Outcome:
    """Make one authenticated call for each of those that fit, at most `MOST_CHECKS`.

    Raises:
        RequestError: An unknown marketplace.
    """
    names = _having(services, which, set(ConnectionStatus))
    return _each(services, names, lambda name: check(services, name, by=by), MOST_CHECKS)


def trigger_all(services: Services, which: Which, *, by: Actor, full: bool, idempotency_key: str) -> Started:
    """Start a run over the active connections that fit; at most `MOST` of them if a cause is chosen.

    Raises:
        RequestError: An unknown marketplace.
        NotPossible: None fits, or all of them are being synced now.
    """
    names = None
    if which.cause is not None:
        names = list(islice(_having(services, which, {ConnectionStatus.ACTIVE}), MOST))
        if not names:
            raise NotPossible("no active connection fits: there is nothing to start")
    request = TriggerRequest(
        connection_ids=names,
        marketplaces=[which.marketplace] if which.marketplace is not None else None,
        organization_id=which.organization_id,
        full=full,
    )
    return start_manual(services, request, by=by, idempotency_key=idempotency_key)


def _having(services: Services, which: Which, statuses: set[ConnectionStatus]) -> Iterator[str]:
    """Ids of those that fit and have one of these statuses; read page by page, as far as they are taken."""
    if len(statuses) == 1 and which.status is None:
        # The others need not be read, and an act that is repeated does not pass those that are done.
        which = msgspec.structs.replace(which, status=min(statuses))
    after: str | None = None
    while True:
        page = find(services, which, after=after)
        yield from (view.id for view in page.views if view.document.get("status") in statuses)
        if (after := page.next_after) is None:
            return


def _each(services: Services, names: Iterable[str], act: Callable[[str], str], most: int) -> Outcome:
    chosen = list(islice(names, most + 1))
    done, failed = dict[str, str](), dict[str, str]()

    def attempt(name: str) -> tuple[str, str]:
        try:
            return act(name), ""
        except SyncError as error:
            return "", f"{error.message}. {error.action}".rstrip(". ")

    for start in range(0, min(most, len(chosen)), _AT_ONCE):
        some = chosen[start : min(start + _AT_ONCE, most)]
        for name, (told, fault) in zip(some, services.executor.map(attempt, some), strict=True):
            if fault:
                failed[name] = fault
            else:
                done[name] = told
    return Outcome(done=done, failed=failed, more=len(chosen) > most)
