"""Pausing, resuming and removing connections, even while a worker holds them.

Like every other decision on a connection, these write its `sync_state` with its version as precondition.
A claim or commit that was decided before is refused; it reads again and obeys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, NotPossible
from orchestrator.model import ids
from orchestrator.model.audit import Action, Actor
from orchestrator.model.change_event import Purged, changed_event, purged_event
from orchestrator.model.connection import STREAMS, VAULT, ConnectionStatus
from orchestrator.model.documents import attempt, to_document
from orchestrator.model.freshness import resumed
from orchestrator.model.paces import pace_of as pace_of_connection
from orchestrator.model.state import Health, Lease, SyncState
from orchestrator.operators.connections import edit, not_found, read_state
from orchestrator.operators.sellers.intervals import wanted
from orchestrator.ports import Create, Delete, Query, Snapshot, Update, Write
from orchestrator.runs.audit import entry
from orchestrator.services import Services
from orchestrator.tasks.pace import pace_of
from orchestrator.vault.trial import state_change

#: Seconds that `remove` waits until the worker has closed its task.
RELEASE_WAIT_S = 120.0
_RELEASE_POLL_S = 0.5
#: Documents read and deleted at a time; those of a digest may be close to 1 MiB each.
_RECORDS_PAGE = 250
_DIGESTS_PAGE = 10


def pause(services: Services, connection_id: str, *, by: Actor) -> None:
    """Keep a connection out of runs; a worker that holds it stops at its next commit.

    Raises:
        NotFound: No such connection.
    """

    def decide(connection: Snapshot | None, state: Snapshot | None) -> list[Write]:
        paused = _with_status(services, connection_id, connection, ConnectionStatus.PAUSED)
        organization_id = connection.data.get("organization_id") if connection is not None else None
        known = {"organization_id": organization_id} if isinstance(organization_id, str) else {}
        asked = entry(services, by, Action.PAUSE, connection_id=connection_id)
        return [
            paused,
            _stop(connection_id, state, "paused", {"late_at": None, "wanted": False, **known}),
            asked,
        ]

    edit(services, connection_id, decide)
    _wake(services, connection_id)


def resume(services: Services, connection_id: str, *, by: Actor) -> None:
    """Let a paused or disconnected connection take part in runs again, from its cursors.

    Raises:
        NotFound: No such connection.
    """

    def decide(connection: Snapshot | None, snapshot: Snapshot | None) -> list[Write]:
        active = _with_status(services, connection_id, connection, ConnectionStatus.ACTIVE)
        writes = [active, entry(services, by, Action.RESUME, connection_id=connection_id)]
        state = attempt(SyncState, snapshot)[0] if snapshot is not None else SyncState()
        if connection is None or state is None:
            return writes
        document = {**connection.data, "status": ConnectionStatus.ACTIVE.value}
        pace = pace_of(services, document)
        after = state
        if snapshot is not None and not isinstance(state.late_at, datetime):
            after = resumed(state, pace, services.clock.now())
        after = wanted(after, document, pace)
        if after == state:
            return writes
        if snapshot is None:
            after = resumed(after, pace, services.clock.now())
            return [*writes, Create(ids.state_path(connection_id), to_document(after))]
        return [*writes, *state_change(snapshot, state, after)]

    edit(services, connection_id, decide)


def remove(services: Services, connection_id: str, *, by: Actor, purge_records: bool = False) -> None:
    """Delete a connection with its digests and cursors; its records stay unless `purge_records`.

    A worker that holds it is asked to stop. `remove` waits for it, so that nothing is written afterwards.
    An interrupted `remove` may be called again; until one has finished, the id cannot be added again. A
    tombstone stays in `sync_state` for as long as messages of the connection may live. A credential in the
    vault goes with the connection; another secret is not touched.

    Raises:
        NotFound: There is neither a connection nor anything left to delete of one.
        NotPossible: The worker did not close its task in time (the connection itself is deleted already),
            or another command finished this removal.
        StoreUnavailable: Remove it again. So does ChangesUnavailable.
    """
    removal = Removal(services, connection_id, by=by, purge_records=purge_records)
    edit(services, connection_id, removal.begin)
    _wake(services, connection_id)
    _await_release(services, connection_id)
    removal.delete_all(f"{ids.state_path(connection_id)}/digests", _DIGESTS_PAGE)
    if purge_records:
        for collection in (*STREAMS, "rejects"):
            removal.delete_all(f"{ids.connection_path(connection_id)}/{collection}", _RECORDS_PAGE)
    removal.tell()
    removal.end()


class Removal:
    """One removal of a connection, from its first commit to the tombstone.

    Each commit also writes `sync_state`, under the precondition that this removal has begun and not ended.
    A command that was interrupted or stalled therefore deletes nothing of a connection that was added
    again.
    """

    def __init__(
        self, services: Services, connection_id: str, *, by: Actor, purge_records: bool = False
    ) -> None:
        self._services, self._connection_id, self._purges = services, connection_id, purge_records
        self._by = by
        self._path = ids.state_path(connection_id)
        #: When it began; by this it is told from other removals of the same id.
        self._began_at: datetime | None = None

    def begin(self, connection: Snapshot | None, snapshot: Snapshot | None) -> list[Write]:
        """The first commit: the connection is deleted, and its state says so; or an earlier one continues."""
        state = read_state(snapshot)
        is_over = snapshot is None or (state.expires_at is not None and not self._purges)
        if connection is None and is_over:
            raise not_found(self._connection_id, snapshot)
        continues = connection is None and state.removing and state.removed_at is not None
        self._began_at = state.removed_at if continues else self._services.clock.now()
        document = connection.data if connection is not None else {}
        given, organization_id = document.get("marketplace"), document.get("organization_id")
        fields = {
            "marketplace": state.marketplace or (given if isinstance(given, str) else ""),
            "removing": True,
            "removed_at": self._began_at,
            "purging": self._purges or (continues and state.purging),
            "organization_id": organization_id if isinstance(organization_id, str) else state.organization_id,
            "expires_at": None,
            "health": Health.OK.value,
            "late_at": None,
            "wanted": False,
            "cause": None,
        }
        stop = _stop(self._connection_id, snapshot, "gone", fields)
        asked = entry(
            self._services,
            self._by,
            Action.REMOVE,
            connection_id=self._connection_id,
            details="with its records" if self._purges else "",
        )
        deletes = [Delete(ids.connection_path(self._connection_id))]
        if document.get("credential") == VAULT:
            deletes.append(Delete(ids.credential_path(self._connection_id)))
        return [*deletes, stop, asked]

    def delete_all(self, collection: str, page: int) -> None:
        """Delete the documents of a collection, page by page.

        Raises:
            NotPossible: Another command finished this removal.
        """
        while found := self._services.store.query(Query(collection, limit=page)):
            self._commit(lambda _: {}, [Delete(snapshot.path) for snapshot in found])

    def tell(self) -> None:
        """Tell consumers of a purge, also of one that an earlier command began; else of untold changes.

        The removal ends only after that. A consumer that is told of a purge reads the connection's records
        again, so it does not matter when the event arrives.

        Raises:
            ChangesUnavailable: Remove it again.
        """
        feed, now = self._services.changes, self._services.clock.now()
        if feed is None:
            return
        state = read_state(self._services.store.get(self._path))
        if state.purging:
            data = Purged(
                connection_id=self._connection_id,
                organization_id=state.organization_id,
                marketplace=state.marketplace,
                removed_at=state.removed_at,
            )
            feed.publish([purged_event(data, now)])
        elif state.untold is not None:
            feed.publish([changed_event(self._connection_id, state.marketplace, state.untold, now)])

    def end(self) -> None:
        """Leave the tombstone, so that nothing of the removed connection is taken for one of a later one.

        Raises:
            NotPossible: Another command finished this removal.
        """
        expires_at = self._services.clock.now() + timedelta(days=self._services.settings.retention_days)

        def tombstone(state: SyncState) -> Mapping[str, Any]:
            left = SyncState(
                lease=Lease(fence=state.lease.fence, quiet_from=state.lease.quiet_from),
                last_run=state.last_run,
                unread_order=state.unread_order,
                marketplace=state.marketplace,
                removed_at=state.removed_at,
                organization_id=state.organization_id,
                late_at=None,
                expires_at=expires_at,
            )
            return to_document(left)

        self._commit(tombstone, [])

    def _commit(self, change: Callable[[SyncState], Mapping[str, Any]], deletes: Sequence[Delete]) -> None:
        """Write the state, and delete, if this removal has neither been finished nor followed by another."""
        failure = f"the state of connection {self._connection_id} changes too often; remove it again"
        attempts = Attempts(self._services, failure)
        while True:
            snapshot = self._services.store.get(self._path)
            state = read_state(snapshot)
            if snapshot is None or not state.removing or state.removed_at != self._began_at:
                raise NotPossible(
                    f"another command finished this removal of connection {self._connection_id}: "
                    "nothing more is deleted",
                    action=f"`marketplace-sync connections show {self._connection_id}` tells whether "
                    "it was added again",
                )
            fields = {**change(state), "seq": state.seq + 1}
            try:
                self._services.store.commit([Update(self._path, fields, version=snapshot.version), *deletes])
            except Conflict:
                attempts.again()
            else:
                return


def _with_status(
    services: Services, connection_id: str, connection: Snapshot | None, status: ConnectionStatus
) -> Write:
    if connection is None:
        raise not_found(connection_id)
    fields = {
        "status": status.value,
        "pace": pace_of_connection(connection_id, connection.data),
        "updated_at": services.time(),
    }
    return Update(connection.path, fields, version=connection.version)


def _stop(
    connection_id: str, snapshot: Snapshot | None, reason: str, changes: Mapping[str, Any] | None = None
) -> Write:
    """Change `sync_state`, so that a claim or commit based on the old state is refused."""
    if snapshot is None:
        return Create(ids.state_path(connection_id), {**to_document(SyncState(seq=1)), **(changes or {})})
    state = read_state(snapshot)
    fields: dict[str, Any] = {**(changes or {}), "seq": state.seq + 1}
    if state.open is not None and state.open.cancel is None:
        fields["open"] = to_document(msgspec.structs.replace(state.open, cancel=reason))
    return Update(snapshot.path, fields, version=snapshot.version)


def _wake(services: Services, connection_id: str) -> None:
    """Have a task that no worker holds (deferred, or between slices) closed now, not by the next run."""
    state = read_state(services.store.get(ids.state_path(connection_id)))
    if state.open is not None and state.lease.owner is None:
        services.queue.publish([state.open.message(connection_id)])


def _await_release(services: Services, connection_id: str) -> None:
    """Wait until no task is open; none can be opened again, because the connection is deleted."""
    give_up_at = services.clock.monotonic() + RELEASE_WAIT_S
    while True:
        state = read_state(services.store.get(ids.state_path(connection_id)))
        if state.open is None:
            return
        if services.clock.monotonic() > give_up_at:
            raise NotPossible(
                f"connection {connection_id} is removed, but run {state.open.run_id} still holds its state",
                action="remove it once more when that run is over",
            )
        services.clock.sleep(_RELEASE_POLL_S)
