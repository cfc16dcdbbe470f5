"""Pausing, resuming and removing connections, even while a worker holds them.

Like every other decision on a connection, these write its `sync_state` with its version as precondition.
A claim or commit that was decided before is refused; it reads again and obeys.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.errors import NotPossible
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS, ConnectionStatus
from orchestrator.model.documents import to_document
from orchestrator.model.state import SyncState
from orchestrator.operators.connections import edit, not_found
from orchestrator.ports import Create, Delete, Query, Snapshot, Update, Write
from orchestrator.services import Services

#: Seconds that `remove` waits until the worker has closed its task.
RELEASE_WAIT_S = 120.0
_RELEASE_POLL_S = 0.5
#: Documents read and deleted at a time; those of a digest may be close to 1 MiB each.
_RECORDS_PAGE = 250
_DIGESTS_PAGE = 10


def pause(services: Services, connection_id: str) -> None:
    """Keep a connection out of runs; a worker that holds it stops at its next commit.

    Raises:
        NotFound: No such connection.
    """

    def decide(connection: Snapshot | None, state: Snapshot | None) -> list[Write]:
        paused = _with_status(services, connection_id, connection, ConnectionStatus.PAUSED)
        return [paused, _stop(connection_id, state, "paused")]

    edit(services, connection_id, decide)
    _wake(services, connection_id)


def resume(services: Services, connection_id: str) -> None:
    """Let a paused or disconnected connection take part in runs again, from its cursors.

    Raises:
        NotFound: No such connection.
    """

    def decide(connection: Snapshot | None, _: Snapshot | None) -> list[Write]:
        return [_with_status(services, connection_id, connection, ConnectionStatus.ACTIVE)]

    edit(services, connection_id, decide)


def remove(services: Services, connection_id: str, *, purge_records: bool = False) -> None:
    """Delete a connection with its state and digests; its records stay unless `purge_records`.

    A worker that holds it is asked to stop. `remove` waits for it, so that nothing is written afterwards.
    An interrupted `remove` may be called again. The secret is not touched.

    Raises:
        NotFound: There is neither a connection nor a state of this id.
        NotPossible: The worker did not close its task in time; the connection itself is deleted already.
    """

    def decide(connection: Snapshot | None, state: Snapshot | None) -> list[Write]:
        if connection is None and state is None:
            raise not_found(connection_id)
        return [Delete(ids.connection_path(connection_id)), _stop(connection_id, state, "gone")]

    edit(services, connection_id, decide)
    _wake(services, connection_id)
    _await_release(services, connection_id)
    state_path = ids.state_path(connection_id)
    _delete_all(services, f"{state_path}/digests", _DIGESTS_PAGE)
    if purge_records:
        for collection in (*STREAMS, "rejects"):
            _delete_all(services, f"{ids.connection_path(connection_id)}/{collection}", _RECORDS_PAGE)
    services.store.commit([Delete(state_path)])


def _with_status(
    services: Services, connection_id: str, connection: Snapshot | None, status: ConnectionStatus
) -> Write:
    if connection is None:
        raise not_found(connection_id)
    fields = {"status": status.value, "updated_at": services.clock.now()}
    return Update(connection.path, fields, version=connection.version)


def _stop(connection_id: str, snapshot: Snapshot | None, reason: str) -> Write:
    """Change `sync_state`, so that a claim or commit based on the old state is refused."""
    if snapshot is None:
        return Create(ids.state_path(connection_id), to_document(SyncState(seq=1)))
    state = SyncState.of(snapshot)
    fields: dict[str, Any] = {"seq": state.seq + 1}
    if state.open is not None and state.open.cancel is None:
        fields["open"] = to_document(msgspec.structs.replace(state.open, cancel=reason))
    return Update(snapshot.path, fields, version=snapshot.version)


def _wake(services: Services, connection_id: str) -> None:
    """Have a task that no worker holds (deferred, or between slices) closed now, not by the next run."""
    state = SyncState.of(services.store.get(ids.state_path(connection_id)))
    if state.open is not None and state.lease.owner is None:
        services.queue.publish([state.open.message(connection_id)])


def _await_release(services: Services, connection_id: str) -> None:
    """Wait until no task is open; none can be opened again, because the connection is deleted."""
    give_up_at = services.clock.monotonic() + RELEASE_WAIT_S
    while True:
        state = SyncState.of(services.store.get(ids.state_path(connection_id)))
        if state.open is None:
            return
        if services.clock.monotonic() > give_up_at:
            raise NotPossible(
                f"connection {connection_id} is removed, but run {state.open.run_id} still holds its state",
                action="remove it once more when that run is over",
            )
        services.clock.sleep(_RELEASE_POLL_S)


def _delete_all(services: Services, collection: str, page: int) -> None:
    while found := services.store.query(Query(collection, limit=page)):
        services.store.commit([Delete(snapshot.path) for snapshot in found])
