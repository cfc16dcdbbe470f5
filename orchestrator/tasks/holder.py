"""Holding a connection: every commit of the holder goes through its `sync_state`.

A commit that is refused or whose outcome is unknown is settled by reading, never by guessing.

Most tasks find nothing to write. So a connection that nobody works on is looked at without a lease: the claim
is committed before the first commit of the work, or never, if there is none until the task is closed. Both
are commits under the version that the decision was based on: had anybody written the state meanwhile, the
look counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.freshness import Pace, behind, measured, served
from orchestrator.model.run import Task, TaskStatus, counted
from orchestrator.model.state import Open, StreamState, SyncState
from orchestrator.ports import DocumentStore, Snapshot, Write
from orchestrator.services import Services
from orchestrator.tasks.ending import closing_writes, record_of, write_state

#: Fewer than others make: all of them, with their back-off, have to fit the margin that a slice keeps free.
TRIES = 12


class Lost(Exception):
    """Another invocation holds the connection now: stop, and write nothing more."""


class Moved(Lost):
    """The state was written during a look without a lease: nothing of the look counts; decide again."""


class Stopped(Exception):
    """The holder was asked to stop.

    Args:
        reason: `cancelled`, `paused` or `gone`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Holder:
    """The lease of this invocation, and the last known state of its connection.

    Changes to streams are kept here until the next commit.

    Args:
        services: The world.
        store: The documents.
        connection_id: The connection.
        state: The claim.
        snapshot: The stored state that the claim is based on.
        pace: None if the connection's document cannot be read.
    """

    def __init__(
        self,
        services: Services,
        store: DocumentStore,
        connection_id: str,
        state: SyncState,
        *,
        snapshot: Snapshot | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._services = services
        self._store = store
        self.connection_id = connection_id
        self.path = ids.state_path(connection_id)
        self.state = self._claim = state
        self._pace = pace
        self._snapshot = self._looked_at = snapshot
        #: Whether the claim is committed.
        self.is_claimed = False
        self._lease_length = timedelta(seconds=services.settings.lease_seconds)
        self._owner, self._fence = state.lease.owner, state.lease.fence
        #: Whether the version last read is another holder's: then nothing may be written on top of it.
        self._is_lost = False
        #: Whether somebody else has written the state since the claim, perhaps to tell of an edit.
        self._is_written_by_others = False
        #: When the state was last written, on the monotonic clock.
        self.written_at = services.clock.monotonic()

    @property
    def open(self) -> Open:
        """The task being worked on."""
        if self.state.open is None:
            raise Lost
        return self.state.open

    def claim(self, writes: Sequence[Write] = ()) -> None:
        """Commit the claim with the writes that close an older task, unless it is committed.

        Raises:
            Moved: The state was written in between; decide again.
            StoreUnavailable: The outcome cannot be found out; deliver again.
        """
        if self.is_claimed:
            return
        expires_at = self._services.clock.now() + self._lease_length
        lease = msgspec.structs.replace(self._claim.lease, expires_at=expires_at)
        claim = msgspec.structs.replace(self._claim, lease=lease)
        try:
            # Not on top of a later version: a thread that reads a page may claim while another one commits.
            self._write(claim, writes, self._looked_at)
        except (Conflict, StoreUnavailable):
            found = self._read()
            if found.lease.owner != self._owner or found.lease.fence != self._fence:
                raise Moved from None
        self.is_claimed = True

    def set_stream(self, name: str, stream: StreamState) -> None:
        """Change a stream's state; the next commit stores it."""
        self.state = msgspec.structs.replace(self.state, streams={**self.state.streams, name: stream})

    def commit(self, writes: Sequence[Write] = (), **changes: Any) -> None:
        """Store this state with `changes` to its fields, and the writes, in one commit; it extends the lease.

        The first one commits the claim before, if that was not necessary yet.

        If somebody changed the stored state without taking the lease, the commit is repeated on top of it.

        Raises:
            Lost: Another invocation holds the connection. Moved: Decide again.
            Stopped: The holder was asked to stop; nothing of this commit was applied.
            WriteRejected: The store refuses the data; nothing was applied.
            StoreUnavailable: The outcome cannot be found out.
        """
        self.claim()
        attempts = self._attempts("the checkpoint could not be stored")
        while True:
            now = self._services.clock.now()
            lease = changes.get("lease") or msgspec.structs.replace(
                self.state.lease, expires_at=now + self._lease_length
            )
            lease = msgspec.structs.replace(lease, commits=self.state.lease.commits + 1)
            new = msgspec.structs.replace(
                self.state, **{**changes, "seq": self.state.seq + 1, "lease": lease}
            )
            new = measured(new, self._pace, now)
            try:
                self._write(new, writes, self._snapshot)
            except (Conflict, StoreUnavailable):
                found = self._read()
                if found != new:
                    self._rebase(found)
                    attempts.again()
                    continue
            self.state = new
            return

    def finish(
        self, close: Callable[[SyncState], SyncState], task: Task, *, is_edited: bool = False
    ) -> int | None:
        """Close the task: state, task record and countdown in one commit.

        Args:
            close: Makes the closed state; called again if the stored state was changed meanwhile.
            task: The record.
            is_edited: Whether some of the work is that of the connection as it was before an edit.

        Returns:
            The shard's open tasks after it; None if this commit did not count.

        Raises:
            Lost: Another invocation holds the connection. Moved: Decide again.
            StoreUnavailable: The outcome cannot be found out.
        """
        writes: Sequence[Write] = closing_writes(task, is_recorded=self.is_recorded(task))
        attempts = self._attempts("its task could not be closed")
        while True:
            now = self._services.clock.now()
            new = measured(close(self.state), self._pace, now)
            if task.status is TaskStatus.SUCCEEDED:
                new = behind(new, self._pace, now)
                # Who wrote the state meanwhile may have told of an edit.
                if not (is_edited or self._is_written_by_others):
                    new = served(new, self.open, incomplete=task.incomplete)
            if not self.is_claimed:
                # One commit instead of two.
                new = msgspec.structs.replace(new, seq=self.state.seq)
            # A look whose claim was refused has read a later version, and may end as if it had failed.
            over = self._snapshot if self.is_claimed else self._looked_at
            try:
                written = self._write(new, writes, over)
            except (Conflict, StoreUnavailable):
                found = self._read()
                if found == new:
                    self.state = found
                    return None
                if not self.is_claimed:
                    raise Moved from None
                self._require_mine(found)
                self.state = self._on_top_of(found)
                path, is_closed = self._record(task)
                if is_closed:
                    # Skipped by a duplicate, swept, or expired: keep the data, count nothing.
                    writes = ()
                elif writes:
                    writes = closing_writes(task, path, is_recorded=self.is_recorded(task))
                attempts.again()
                continue
            self.state = new
            return written[-1] if writes else None

    def is_recorded(self, task: Task) -> bool:
        """Whether the task's record is stored."""
        return not (task.is_quiet and self.state.leaves_no_record(self._services.clock.now()))

    def _record(self, task: Task) -> tuple[str, bool]:
        """The path of the task's record, and whether the task is closed."""
        shard, first = self._store.get_many(
            [ids.shard_path(task.run_id, task.shard), ids.task_path(task.run_id, task.connection_id)]
        )
        path, record = record_of(self._store, task.run_id, task.shard, task.connection_id, first)
        return path, shard is None or record is not None or counted(shard, task.connection_id)

    def release(self) -> None:
        """Let a redelivery claim at once after our own side failed; errors of the store are ignored."""
        is_mine = self.is_claimed and self.state.open is not None and self.state.lease.owner == self._owner
        if self._is_lost or not is_mine:
            return
        lease = msgspec.structs.replace(self.state.lease, owner=None)
        state = msgspec.structs.replace(self.state, seq=self.state.seq + 1, lease=lease)
        try:
            self._write(state, (), self._snapshot)
        except (Conflict, StoreUnavailable):
            return

    def is_continued(self, run_id: str, shard: str) -> bool:
        """After this holder lost the connection: whether another invocation continues the run's task.

        False if the task is closed. The worker that took the connection over may have ended since, after
        its own delivery was given to this one, or before it closed the run.

        Raises:
            StoreUnavailable: Nobody holds the open task; deliver again.
        """
        found = self._read()
        if found.open is None or not found.open.is_of(run_id, shard):
            return False
        if found.lease.owner is None:
            raise StoreUnavailable("the worker that took the connection over released it; deliver again")
        return True

    def _write(self, state: SyncState, writes: Sequence[Write], over: Snapshot | None) -> list[int]:
        door = write_state(self.path, state, over)
        written = self._store.commit([door, *writes])
        self._snapshot = Snapshot(self.path, {}, written[0].version)
        self.written_at = self._services.clock.monotonic()
        return [result.increments.get("open", 0) for result in written]

    def _read(self) -> SyncState:
        attempts = self._attempts("its state could not be read")
        while True:
            try:
                self._snapshot = self._store.get(self.path)
            except StoreUnavailable:
                attempts.again()
                continue
            state = SyncState.read(self._snapshot)
            if state is None:
                # Somebody has edited it. The redelivery closes the task, or continues after a repair.
                self._is_lost = True
                raise StoreUnavailable(f"{self.path} cannot be read; deliver again")
            return state

    def _attempts(self, failure: str) -> Attempts:
        return Attempts(self._services, f"connection {self.connection_id}: {failure}", tries=TRIES)

    def _require_mine(self, found: SyncState) -> None:
        if found.lease.owner != self._owner or found.lease.fence != self._fence:
            self._is_lost = True
            raise Lost

    def _rebase(self, found: SyncState) -> None:
        """Continue on top of another's write: others may only set `open.cancel` and `requested_full`."""
        self._require_mine(found)
        if found.open is None:
            self._is_lost = True
            raise Lost
        if found.open.cancel is not None:
            self.state = found
            raise Stopped(found.open.cancel)
        self.state = self._on_top_of(found)

    def _on_top_of(self, found: SyncState) -> SyncState:
        """This holder's state with the fields that others may write."""
        self._is_written_by_others = True
        return msgspec.structs.replace(
            self.state,
            seq=found.seq,
            # An earlier release may have dropped it.
            lease=msgspec.structs.replace(self.state.lease, quiet_from=found.lease.quiet_from),
            requested_full=found.requested_full,
            last_run=found.last_run,
            unread_order=found.unread_order,
            marketplace=found.marketplace,
            removing=found.removing,
            purging=found.purging,
            organization_id=found.organization_id,
            late_at=found.late_at,
            wanted=found.wanted,
            cause=found.cause,
            health=found.health,
            last_error=found.last_error,
            consecutive_failures=found.consecutive_failures,
            refused_at=found.refused_at,
            refusals=found.refusals,
            removed_at=found.removed_at,
            expires_at=found.expires_at,
        )
