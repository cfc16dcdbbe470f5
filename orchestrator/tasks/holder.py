"""Holding a connection: every commit of the holder goes through its `sync_state`.

A commit that is refused or whose outcome is unknown is settled by reading, never by guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from orchestrator.attempts import pause
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.run import Task
from orchestrator.model.state import Open, StreamState, SyncState
from orchestrator.ports import DocumentStore, Snapshot, Write
from orchestrator.services import Services
from orchestrator.tasks.ending import closing_writes, write_state

_TRIES = 12


class Lost(Exception):
    """Somebody else holds the connection now; stop, and leave everything as it is."""


class Stopped(Exception):
    """Somebody asked the holder to stop.

    Args:
        reason: `cancelled`, `paused` or `gone`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Holder:
    """The lease this invocation has, and the state it was last known to be in.

    Changes to streams are kept here until the next commit carries them.
    """

    def __init__(
        self, services: Services, store: DocumentStore, connection_id: str, state: SyncState
    ) -> None:
        self._services = services
        self._store = store
        self.connection_id = connection_id
        self.path = ids.state_path(connection_id)
        self.state = state
        self._snapshot: Snapshot | None = None
        self._lease_length = timedelta(seconds=services.settings.lease_seconds)
        self._owner, self._fence = state.lease.owner, state.lease.fence
        #: Whether the version last read is somebody else's: then nothing may be written on top of it.
        self._is_lost = False
        #: When the state was last written, on the monotonic clock.
        self.written_at = services.clock.monotonic()

    @property
    def open(self) -> Open:
        """The task being worked on."""
        if self.state.open is None:
            raise Lost
        return self.state.open

    def take(self, snapshot: Snapshot | None, writes: Sequence[Write]) -> None:
        """Commit the claim that `state` is, with what it closes.

        Raises:
            Lost: Somebody else wrote the state in between; decide again.
            StoreUnavailable: The outcome cannot be found out; deliver again.
        """
        self._snapshot = snapshot
        try:
            self._write(self.state, writes)
        except (Conflict, StoreUnavailable):
            if self._read() != self.state:
                raise Lost from None

    def set_stream(self, name: str, stream: StreamState) -> None:
        """Change a stream's state; the next commit stores it."""
        self.state = msgspec.structs.replace(self.state, streams={**self.state.streams, name: stream})

    def commit(self, writes: Sequence[Write] = (), **changes: Any) -> None:
        """Store the state as it is here, with `changes` to its fields, and the writes, in one commit.

        The lease is extended by it. When somebody touched the state without taking it, the commit is
        made again on top of that.

        Raises:
            Lost: Somebody else holds the connection.
            Stopped: Somebody asked to stop; nothing of this commit was applied.
            WriteRejected: The store refuses the data; nothing was applied.
            StoreUnavailable: The outcome cannot be found out.
        """
        for attempt in range(_TRIES):
            now = self._services.clock.now()
            lease = changes.get("lease") or msgspec.structs.replace(
                self.state.lease, expires_at=now + self._lease_length
            )
            lease = msgspec.structs.replace(lease, commits=self.state.lease.commits + 1)
            new = msgspec.structs.replace(
                self.state, **{**changes, "seq": self.state.seq + 1, "lease": lease}
            )
            try:
                self._write(new, writes)
            except (Conflict, StoreUnavailable):
                found = self._read()
                if found != new:
                    self._rebase(found)
                    pause(self._services, attempt)
                    continue
            self.state = new
            return
        raise StoreUnavailable(f"connection {self.connection_id}: the checkpoint could not be stored")

    def finish(self, close: Callable[[SyncState], SyncState], task: Task) -> int | None:
        """Close the task: state, task record and countdown in one commit.

        Args:
            close: What the state becomes; called again if somebody else touched it meanwhile.
            task: The record.

        Returns:
            The shard's open tasks after it; None where this commit did not move them.

        Raises:
            Lost: Somebody else holds the connection.
            StoreUnavailable: The outcome cannot be found out.
        """
        writes: Sequence[Write] = closing_writes(task)
        for attempt in range(_TRIES):
            new = close(self.state)
            try:
                written = self._write(new, writes)
            except (Conflict, StoreUnavailable):
                found = self._read()
                if found == new:
                    self.state = found
                    return None
                if not self._is_mine(found):
                    self._is_lost = True
                    raise Lost from None
                self.state = self._on_top_of(found)
                shard, record = self._store.get_many(
                    [ids.shard_path(task.run_id, task.shard), ids.task_path(task.run_id, task.connection_id)]
                )
                if shard is None or record is not None:
                    # Skipped by a duplicate, swept, or expired: keep the data, count nothing.
                    writes = ()
                pause(self._services, attempt)
                continue
            self.state = new
            return written[-1] if writes else None
        raise StoreUnavailable(f"connection {self.connection_id}: its task could not be closed")

    def release(self) -> None:
        """Let a redelivery claim at once, where our own side failed; never raises because of the store."""
        if self._is_lost or self.state.open is None or self.state.lease.owner != self._owner:
            return
        lease = msgspec.structs.replace(self.state.lease, owner=None)
        state = msgspec.structs.replace(self.state, seq=self.state.seq + 1, lease=lease)
        try:
            self._write(state, ())
        except (Conflict, StoreUnavailable):
            return

    def _write(self, state: SyncState, writes: Sequence[Write]) -> list[int]:
        door = write_state(self.path, state, self._snapshot)
        written = self._store.commit([door, *writes])
        self._snapshot = Snapshot(self.path, {}, written[0].version)
        self.written_at = self._services.clock.monotonic()
        return [result.increments.get("open", 0) for result in written]

    def _read(self) -> SyncState:
        for attempt in range(_TRIES):
            try:
                snapshot = self._store.get(self.path)
            except StoreUnavailable:
                if attempt == _TRIES - 1:
                    raise
                pause(self._services, attempt)
                continue
            self._snapshot = snapshot
            break
        return from_document(SyncState, self._snapshot.data) if self._snapshot is not None else SyncState()

    def _is_mine(self, found: SyncState) -> bool:
        return found.lease.owner == self._owner and found.lease.fence == self._fence

    def _rebase(self, found: SyncState) -> None:
        """Go on on top of what somebody else wrote: only they may set `open.cancel` and `requested_full`."""
        if not self._is_mine(found) or found.open is None:
            self._is_lost = True
            raise Lost
        if found.open.cancel is not None:
            self.state = found
            raise Stopped(found.open.cancel)
        self.state = self._on_top_of(found)

    def _on_top_of(self, found: SyncState) -> SyncState:
        """This holder's state with what others may write into it."""
        return msgspec.structs.replace(
            self.state, seq=found.seq, requested_full=found.requested_full, last_run=found.last_run
        )
