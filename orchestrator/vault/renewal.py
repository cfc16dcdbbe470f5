"""The lease of a check: a task and a check never replace a connection's refresh token at the same time.

Of two that exchange one token at once, one is refused, and the other may store an older token over a newer
one. So a check that has to replace the token takes the connection's lease first, as a task does. It waits
while a task is open, and the tasks that come meanwhile wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, NotPossible, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.documents import attempt, to_document
from orchestrator.model.state import Lease, SyncState
from orchestrator.ports import Create, Snapshot, Update, Write
from orchestrator.services import Services

#: How long a check waits for a task that is being worked on.
BUSY_S = 30.0
#: Somebody who died during a check is waited for no longer than this.
HELD = timedelta(minutes=2)
_POLL_S = 1.0


class Busy(Exception):
    """Somebody else may be replacing the refresh token.

    Args:
        who: For a message.
    """

    def __init__(self, who: str) -> None:
        super().__init__(who)
        self.who = who


class CheckLease:
    """The lease on a connection that exists, of somebody who checks its credential.

    It is taken only if a token has to be replaced.

    Args:
        services: The ports.
        connection_id: The connection.
    """

    def __init__(self, services: Services, connection_id: str) -> None:
        self._services, self._connection_id = services, connection_id
        self._path = ids.state_path(connection_id)
        #: None while it is not held.
        self._owner: str | None = None
        #: The lease's end before: a heal finds untold changes by it.
        self._over_at: datetime | None = None

    def run(self, check: Callable[[], str]) -> str:
        """Make a check that calls `claim` before it replaces a token; returns its answer.

        Args:
            check: Is called again, with a new session, after a wait for somebody else.

        Raises:
            NotPossible: Somebody else is at work for too long, or the state cannot be read.
            StoreUnavailable: The lease could not be taken.
        """
        clock = self._services.clock
        give_up_at = clock.monotonic() + BUSY_S
        try:
            while True:
                try:
                    return check()
                except Busy as busy:
                    if clock.monotonic() >= give_up_at:
                        raise NotPossible(
                            f"the refresh token of {self._connection_id} has to be renewed, and {busy.who}",
                            action="repeat the command when that is over; nothing was changed",
                        ) from None
                clock.sleep(_POLL_S)
        finally:
            self._release()

    def claim(self) -> None:
        """Take the lease, unless it is held.

        Raises:
            Busy: A task is open, or somebody else checks.
            NotPossible: The state cannot be read.
            StoreUnavailable: The lease could not be taken.
        """
        if self._owner is not None:
            return
        services, name = self._services, self._connection_id
        owner = str(UUID(int=services.random.getrandbits(128)))
        attempts = Attempts(services, f"connection {name} changes too often to be checked; try again")
        while True:
            snapshot = services.store.get(self._path)
            state, fault = attempt(SyncState, snapshot) if snapshot is not None else (SyncState(), "")
            if state is None:
                raise NotPossible(fault, action="correct the field that the message names, then do it again")
            now = services.time()
            if state.lease.owner == owner:
                break  # the commit was applied, and its answer was lost
            if state.open is not None:
                raise Busy(f"run {state.open.run_id} works on it")
            if state.lease.owner is not None and not state.lease.is_over(now):
                raise Busy("somebody else checks it")
            self._over_at = state.lease.expires_at
            lease = msgspec.structs.replace(
                state.lease,
                owner=owner,
                fence=state.lease.fence + 1,
                expires_at=now + HELD,
                quiet_from=state.lease.quiet_from if state.seq else now,
            )
            try:
                services.store.commit([_write(self._path, state, lease, snapshot)])
            except (Conflict, StoreUnavailable):
                attempts.again()
            else:
                break
        self._owner = owner

    def _release(self) -> None:
        """Let go; if this fails, the lease ends by itself."""
        owner, services = self._owner, self._services
        if owner is None:
            return
        self._owner = None
        attempts = Attempts(services, f"connection {self._connection_id}: its lease could not be released")
        with suppress(StoreUnavailable):
            while True:
                snapshot = services.store.get(self._path)
                state = attempt(SyncState, snapshot)[0] if snapshot is not None else None
                if snapshot is None or state is None or state.lease.owner != owner:
                    return
                over_at = self._over_at if state.untold is not None else None
                lease = msgspec.structs.replace(state.lease, owner=None, expires_at=over_at)
                try:
                    services.store.commit([_write(self._path, state, lease, snapshot)])
                except Conflict:
                    attempts.again()
                else:
                    return


def _write(path: str, state: SyncState, lease: Lease, snapshot: Snapshot | None) -> Write:
    """The write of another lease, under the precondition that nobody else has written the state."""
    seq = state.seq + 1
    if snapshot is None:
        return Create(path, to_document(msgspec.structs.replace(state, seq=seq, lease=lease)))
    return Update(path, {"lease": to_document(lease), "seq": seq}, version=snapshot.version)
