"""Which connections a run covers: the due ones, those that a request names, or the failed ones of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.errors import NotFound, NotPossible, RequestError
from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.run import Run, TaskStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Filter, Query
from orchestrator.services import Services

#: At most this many selected connections are read to tell whether all are busy.
BUSY_LOOK = 100
#: A retry covers the tasks of a closed run that ended like this.
_RETRIED = (TaskStatus.FAILED.value, TaskStatus.SKIPPED.value)


def _due(marketplace: str, organization_id: str | None) -> list[Filter]:
    """The conditions of a due connection: it is active."""
    filters = [
        Filter("marketplace", "==", marketplace),
        Filter("status", "==", ConnectionStatus.ACTIVE.value),
    ]
    if organization_id is not None:
        filters.append(Filter("organization_id", "==", organization_id))
    return filters


def _retried(marketplace: str) -> list[Filter]:
    return [Filter("marketplace", "==", marketplace), Filter("status", "in", list(_RETRIED))]


def count_due(
    services: Services, marketplaces: Iterable[str], organization_id: str | None = None
) -> dict[str, int]:
    """Active connections by marketplace; those without any are omitted."""
    names = list(marketplaces)
    counted = services.executor.map(
        lambda name: services.store.count("connections", _due(name, organization_id)), names
    )
    return {name: count for name, count in zip(names, counted, strict=True) if count}


def count_retried(services: Services, run_id: str, run: Run) -> dict[str, int]:
    """Failed and skipped tasks of a run by marketplace; those without any are omitted."""
    tasks = f"{ids.run_path(run_id)}/tasks"
    counts = {name: services.store.count(tasks, _retried(name)) for name in run.dispatch}
    return {name: count for name, count in counts.items() if count}


def due_ids(services: Services, marketplaces: Iterable[str], organization_id: str | None) -> list[str]:
    """The ids of due connections, at most BUSY_LOOK of each marketplace."""
    return [
        snapshot.id
        for marketplace in marketplaces
        for snapshot in services.store.query(
            Query("connections", where=_due(marketplace, organization_id), limit=BUSY_LOOK)
        )
    ]


def page_of(services: Services, run: Run, marketplace: str, after: str | None, limit: int) -> list[str]:
    """The next connection ids of a run's selection, in id order."""
    selection = run.selection
    if selection.connection_ids is not None:
        names = selection.connection_ids.get(marketplace, ())
        return [name for name in sorted(names) if after is None or name > after][:limit]
    collection, where = "connections", _due(marketplace, selection.organization_id)
    if selection.retry_of is not None:
        collection, where = f"{ids.run_path(selection.retry_of)}/tasks", _retried(marketplace)
    start = (after,) if after is not None else None
    return [
        found.id for found in services.store.query(Query(collection, where=where, after=start, limit=limit))
    ]


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


def refuse_busy(services: Services, names: Sequence[str]) -> None:
    """Refuse a run whose connections are all being synced; more than BUSY_LOOK of them are not read.

    Raises:
        NotPossible: All of them are being synced now.
    """
    if not names or len(names) > BUSY_LOOK:
        return
    now = services.clock.now()
    for snapshot in services.store.get_many([ids.state_path(name) for name in names]):
        state = SyncState.of(snapshot)
        if state.open is None or state.lease.is_over(now):
            return
    raise NotPossible(
        f"{len(names)} selected, and all of them are being synced now; wait for that run or cancel it"
    )
