"""Which connections a run covers: the due ones, those that a request names, or the failed ones of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.errors import Conflict, NotFound, NotPossible, RequestError, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.paces import Due, own_interval, pace_of
from orchestrator.model.run import Selection, TaskStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Filter, Query, Snapshot, Update
from orchestrator.runs.due import of_active, of_paces, of_wanted
from orchestrator.services import Services

#: At most this many selected connections are read to tell whether all are busy.
BUSY_LOOK = 100
#: A retry covers the tasks of a closed run that ended like this.
_RETRIED = [TaskStatus.FAILED.value, TaskStatus.SKIPPED.value]
#: Connections that are given their pace in one commit.
_WRITTEN = 250


@dataclass(frozen=True, slots=True)
class Page:
    """Connections of a selection."""

    names: list[str]
    #: The id behind which there may be more; None at the end.
    end: str | None
    #: Those whose document has no pace, or one that does not follow from their interval.
    unpaced: Sequence[Snapshot] = ()


def count(services: Services, selection: Selection, marketplaces: Iterable[str]) -> dict[str, int]:
    """Connections of a selection by marketplace; marketplaces without any are omitted."""
    if selection.connection_ids is not None:
        return {marketplace: len(names) for marketplace, names in selection.connection_ids.items()}
    names = list(marketplaces)
    counted = services.executor.map(lambda name: services.store.count(*_source(selection, name)), names)
    return {name: number for name, number in zip(names, counted, strict=True) if number}


def page_of(
    services: Services, selection: Selection, marketplace: str, after: str | None, limit: int
) -> Page:
    """The next connections of a selection in one marketplace, in id order, at most `limit` of them."""
    if selection.connection_ids is not None:
        names = selection.connection_ids.get(marketplace, ())
        left = [name for name in sorted(names) if after is None or name > after]
        return Page(left[:limit], left[limit - 1] if len(left) > limit else None)
    if selection.due is not None:
        return _due_page(services, selection.due, marketplace, after, limit)
    collection, where = _source(selection, marketplace)
    found = _read(services, collection, where, after, limit)
    # Somebody's own software wrote an interval alone. The first pace makes ticks look at paces.
    unpaced = [each for each in found if own_interval(each.data) and not _is_paced(each)]
    return Page(
        [snapshot.id for snapshot in found],
        _end(found, limit),
        unpaced if collection == "connections" else [],
    )


def _due_page(services: Services, due: Due, marketplace: str, after: str | None, limit: int) -> Page:
    """The next connections that are due at a tick; reading goes on until they are enough for a page."""
    paces = of_paces(due)
    is_scan = due.is_everything or marketplace in due.scanned or len(paces) > 1
    where = of_active(marketplace) if is_scan else [*of_active(marketplace), *paces]
    names, unpaced, size = list[str](), list[Snapshot](), max(1, limit // 2)
    while len(names) <= limit - size:
        found = _read(services, "connections", where, after, size)
        also = list[Snapshot]()
        if marketplace in due.wanted and not due.is_everything:
            also = _read(services, "sync_state", of_wanted(marketplace), after, size)
        # What lies behind the end of either list may be in the other one's next part.
        after = min((end for end in (_end(found, size), _end(also, size)) if end is not None), default=None)
        found = [each for each in found if after is None or each.id <= after]
        wanted = {each.id for each in also if after is None or each.id <= after}
        chosen = {each.id for each in found if _is_due(due, each)}
        chosen |= wanted & {each.id for each in found}
        chosen |= _active(services, marketplace, wanted - {each.id for each in found})
        unpaced += [each for each in found if not _is_paced(each)]
        new = sorted(chosen)
        if len(new) > limit - len(names):
            new = new[: limit - len(names)]
            after = new[-1]
            # The others are given their pace with the page that covers them: with it they may not be due.
            unpaced = [each for each in unpaced if each.id <= after]
        names += new
        if after is None:
            break
    return Page(names, after, unpaced)


def _is_due(due: Due, connection: Snapshot) -> bool:
    """Whether a tick covers a connection; one whose pace is not what it should be is due at once."""
    return not _is_paced(connection) or due.covers(connection.data["pace"])


def _is_paced(connection: Snapshot) -> bool:
    return connection.data.get("pace") == pace_of(connection.id, connection.data)


def _active(services: Services, marketplace: str, names: Iterable[str]) -> set[str]:
    """Those of these connections that take part in runs of a marketplace."""
    found = services.store.get_many([ids.connection_path(name) for name in sorted(names)])
    return {
        each.id
        for each in found
        if each is not None and all(each.data.get(name) == value for name, _, value in of_active(marketplace))
    }


def give_paces(services: Services, page: Page) -> None:
    """Store the paces that connections of a page lack, after their tasks are published.

    Until then a redelivered dispatch has to find them due. The pace of a connection that somebody edits
    meanwhile is left for the next tick, which counts again.
    """
    writes = [
        Update(each.path, {"pace": pace_of(each.id, each.data)}, version=each.version)
        for each in page.unpaced
    ]
    for n in range(0, len(writes), _WRITTEN):
        with suppress(Conflict, StoreUnavailable):
            services.store.commit(writes[n : n + _WRITTEN])


def _read(
    services: Services, collection: str, where: Sequence[Filter], after: str | None, limit: int
) -> list[Snapshot]:
    start = (after,) if after is not None else None
    return services.store.query(Query(collection, where=where, after=start, limit=limit))


def _end(found: Sequence[Snapshot], limit: int) -> str | None:
    """The last id of a list, if there may be more behind it."""
    return found[-1].id if len(found) == limit else None


def _source(selection: Selection, marketplace: str) -> tuple[str, list[Filter]]:
    """The documents whose ids are the connections of a selection without named ones."""
    if selection.retry_of is not None:
        where = [Filter("marketplace", "==", marketplace), Filter("status", "in", _RETRIED)]
        return f"{ids.run_path(selection.retry_of)}/tasks", where
    where = of_active(marketplace)
    if selection.organization_id is not None:
        where.append(Filter("organization_id", "==", selection.organization_id))
    return "connections", where


def named(
    services: Services,
    connection_ids: Sequence[str],
    marketplaces: Sequence[str] | None,
    organization_id: str | None,
) -> dict[str, tuple[str, ...]]:
    """The named connections that fit the other conditions, by marketplace.

    Raises:
        NotFound: Some of the connections do not exist; the message names them.
        RequestError: A connection's own marketplace is unknown.
    """
    names = sorted(set(connection_ids))
    snapshots = services.store.get_many(
        [ids.connection_path(name) for name in names if ids.is_document_id(name)]
    )
    found = {snapshot.id: snapshot.data for snapshot in snapshots if snapshot is not None}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise NotFound(f"no such connections: {', '.join(unknown)}")
    fitting: dict[str, list[str]] = {}
    for name in names:
        marketplace = found[name].get("marketplace")
        if marketplaces is not None and marketplace not in marketplaces:
            continue
        if organization_id is not None and found[name].get("organization_id") != organization_id:
            continue
        if marketplace not in tuple(services.connectors):
            raise RequestError(
                f"connections/{name}: marketplace {marketplace!r} is not known; "
                f"known are {', '.join(sorted(services.connectors))}",
                action="correct the connection document",
            )
        fitting.setdefault(marketplace, []).append(name)
    return {marketplace: tuple(names) for marketplace, names in fitting.items()}


def refuse_busy(services: Services, selection: Selection, counts: Mapping[str, int]) -> None:
    """Refuse a run whose connections are all being synced; more than BUSY_LOOK of them are not read.

    Raises:
        NotPossible: All of them are being synced now.
    """
    if sum(counts.values()) > BUSY_LOOK:
        return
    names = [
        name
        for marketplace in counts
        for name in page_of(services, selection, marketplace, None, BUSY_LOOK).names
    ]
    if not 0 < len(names) <= BUSY_LOOK:
        return
    now = services.clock.now()
    found = services.store.get_many([ids.state_path(name) for name in names])
    states = [SyncState.read(each) or SyncState() for each in found]
    if all(state.open is not None and not state.lease.is_over(now) for state in states):
        raise NotPossible(
            f"{len(names)} selected, and all of them are being synced now; wait for that run or cancel it"
        )
