"""Pausing, resuming and removing connections, also while a worker is on them.

All of it goes through `sync_state`, as every other decision on a connection does, under the
precondition that nobody else has changed it: a claim or a commit based on the older state is
refused, reads again, and obeys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, NotPossible
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS, ConnectionStatus
from orchestrator.model.documents import to_document
from orchestrator.model.state import SyncState
from orchestrator.operators.connections import not_found, paths
from orchestrator.ports import Create, Delete, Query, Snapshot, Update, Write
from orchestrator.services import Services

#: How long, in seconds, `remove` waits for a running worker to let go.
RELEASE_WAIT_S = 120.0
_RELEASE_POLL_S = 0.5
#: Documents read and deleted at a time; a digest's may be close to 1 MiB.
_RECORDS_PAGE = 250
_DIGESTS_PAGE = 10


def pause(services: Services, connection_id: str) -> None:
    """Keep a connection out of runs; a worker on it stops at its next commit.

    Raises:
        NotFound: No such connection.
    """

    def decide(connection: Snapshot | None, state: Snapshot | None) -> list[Write]:
        if connection is None:
            raise not_found(connection_id)
        fields = {"status": ConnectionStatus.PAUSED.value, "updated_at": services.clock.now()}
        update = Update(connection.path, fields, version=connection.version)
        return [update, _stop(connection_id, state, "paused")]

    _commit(services, connection_id, decide)
    _wake(services, connection_id)


def resume(services: Services, connection_id: str) -> None:
    """Let a paused or disconnected connection take part in runs again, from its cursors.

    Raises:
        NotFound: No such connection.
    """

    def decide(connection: Snapshot | None, state: Snapshot | None) -> list[Write]:
        del state
        if connection is None:
            raise not_found(connection_id)
        fields = {"status": ConnectionStatus.ACTIVE.value, "updated_at": services.clock.now()}
        return [Update(connection.path, fields, version=connection.version)]

    _commit(services, connection_id, decide)


def remove(services: Services, connection_id: str, *, purge_records: bool = False) -> None:
    """Delete a connection with its state and digests; its records stay unless they are purged too.

    A worker on it is asked to stop and waited for, so that nothing is written afterwards. May be
    called again after it was interrupted. The secret is not touched.

    Raises:
        NotFound: No such connection, nor anything left of one.
        NotPossible: The worker did not let go in time; the connection itself is gone already.
    """

    def decide(connection: Snapshot | None, state: Snapshot | None) -> list[Write]:
        if connection is None and state is None:
            raise not_found(connection_id)
        return [Delete(ids.connection_path(connection_id)), _stop(connection_id, state, "gone")]

    _commit(services, connection_id, decide)
    _wake(services, connection_id)
    _await_release(services, connection_id)
    state_path = ids.state_path(connection_id)
    _delete_all(services, f"{state_path}/digests", _DIGESTS_PAGE)
    if purge_records:
        for collection in (*STREAMS, "rejects"):
            _delete_all(services, f"{ids.connection_path(connection_id)}/{collection}", _RECORDS_PAGE)
    services.store.commit([Delete(state_path)])


def _stop(connection_id: str, snapshot: Snapshot | None, reason: str) -> Write:
    """Change `sync_state` so that a claim or commit based on the old one is refused."""
    if snapshot is None:
        return Create(ids.state_path(connection_id), to_document(SyncState(seq=1)))
    state = SyncState.of(snapshot)
    fields: dict[str, Any] = {"seq": state.seq + 1}
    if state.open is not None and state.open.cancel is None:
        fields["open"] = to_document(msgspec.structs.replace(state.open, cancel=reason))
    return Update(snapshot.path, fields, version=snapshot.version)


def _commit(
    services: Services,
    connection_id: str,
    decide: Callable[[Snapshot | None, Snapshot | None], list[Write]],
) -> None:
    """Read connection and state, decide, commit; again from the start where somebody was faster."""
    attempts = Attempts(services, f"connection {connection_id} changes too often to be changed; try again")
    while True:
        connection, state = services.store.get_many(paths(connection_id))
        try:
            services.store.commit(decide(connection, state))
        except Conflict:
            attempts.again()
        else:
            return


def _wake(services: Services, connection_id: str) -> None:
    """Have a task nobody holds now (between slices, deferred) closed at once, not at the next run."""
    state = SyncState.of(services.store.get(ids.state_path(connection_id)))
    if state.open is not None and state.lease.owner is None:
        services.queue.publish([state.open.message(connection_id)])


def _await_release(services: Services, connection_id: str) -> None:
    """Wait until no task is open; nothing can open one, for the connection is gone."""
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
