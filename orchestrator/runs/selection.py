"""Which connections a run covers: the due ones, those that a request names, or the failed ones of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.errors import NotFound, NotPossible, RequestError
from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.run import Selection, TaskStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Filter, Query
from orchestrator.services import Services

#: At most this many selected connections are read to tell whether all are busy.
BUSY_LOOK = 100
#: A retry covers the tasks of a closed run that ended like this.
_RETRIED = [TaskStatus.FAILED.value, TaskStatus.SKIPPED.value]


def count(services: Services, selection: Selection, marketplaces: Iterable[str]) -> dict[str, int]:
    """Connections of a selection by marketplace; marketplaces without any are omitted."""
    if selection.connection_ids is not None:
        return {marketplace: len(names) for marketplace, names in selection.connection_ids.items()}
    names = list(marketplaces)
    counted = services.executor.map(lambda name: services.store.count(*_source(selection, name)), names)
    return {name: number for name, number in zip(names, counted, strict=True) if number}


def page_of(
    services: Services, selection: Selection, marketplace: str, after: str | None, limit: int
) -> list[str]:
    """The next connection ids of a selection in one marketplace, in id order."""
    if selection.connection_ids is not None:
        names = selection.connection_ids.get(marketplace, ())
        return [name for name in sorted(names) if after is None or name > after][:limit]
    collection, where = _source(selection, marketplace)
    start = (after,) if after is not None else None
    found = services.store.query(Query(collection, where=where, after=start, limit=limit))
    return [snapshot.id for snapshot in found]


def _source(selection: Selection, marketplace: str) -> tuple[str, list[Filter]]:
    """The documents whose ids are the connections of a selection without named ones."""
    where = [Filter("marketplace", "==", marketplace)]
    if selection.retry_of is not None:
        return f"{ids.run_path(selection.retry_of)}/tasks", [*where, Filter("status", "in", _RETRIED)]
    where.append(Filter("status", "==", ConnectionStatus.ACTIVE.value))
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
        name for marketplace in counts for name in page_of(services, selection, marketplace, None, BUSY_LOOK)
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
