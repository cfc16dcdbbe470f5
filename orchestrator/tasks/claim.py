"""Claiming: a task message is decided on until it is claimed or can be acknowledged."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.counts import ErrorInfo
from orchestrator.model.documents import read_or_none
from orchestrator.model.freshness import measured, resumed
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Selection, TaskStatus, counted
from orchestrator.model.state import Open, SyncState
from orchestrator.ports import Document, DocumentStore, Snapshot, Write
from orchestrator.runs.close import check_shard
from orchestrator.services import Services
from orchestrator.tasks.claim_table import (
    Claim,
    Close,
    Decision,
    Finished,
    Leave,
    Sleep,
    View,
    Watch,
    decide,
)
from orchestrator.tasks.ending import (
    Ending,
    closing_writes,
    explained,
    log_closed_by,
    log_finished,
    record_of,
    state_invalid,
    unread,
    write_state,
)
from orchestrator.tasks.holder import Holder, Lost
from orchestrator.tasks.pace import pace_of
from orchestrator.tasks.telling import Teller

#: How often a holder is looked at, and how long without a commit until it counts as dead.
WATCH_EVERY_S = 15.0
WATCHED_S = 90.0
#: A wait is slept in naps, so that a process that has to end notices.
NAP_S = 1.0

WORKER_LOST = ErrorInfo(
    kind="worker_lost",
    message="the worker of this task went away and a later run has taken the connection over",
    action="nothing: the later run continues from the checkpoint; if it repeats, look at the worker's memory",
)


@dataclass(slots=True)
class Read:
    """The documents that a decision is based on."""

    connection: Snapshot | None
    snapshot: Snapshot | None
    #: The content of `snapshot`; None if it cannot be read.
    state: SyncState | None
    #: None if the run's document cannot be read.
    selection: Selection | None

    @property
    def document(self) -> Document:
        """The connection's fields, as people wrote them; empty if it is gone."""
        return self.connection.data if self.connection is not None else {}

    @property
    def marketplace(self) -> str | None:
        """The connection's own marketplace; None if its document does not tell."""
        word = self.document.get("marketplace")
        return word if isinstance(word, str) else None


@dataclass(slots=True)
class Claimed:
    """A claim: committed, or left to the holder's first commit."""

    holder: Holder
    connection: Snapshot | None
    #: Whether the connection has been edited to another marketplace than the task's.
    is_of_another_marketplace: bool


@dataclass(slots=True)
class Claimer:
    """Decides on a task message until it is claimed or can be acknowledged."""

    services: Services
    store: DocumentStore
    message: Message
    owner: str = field(init=False)
    #: The path of the task's record, if it is not the usual one.
    record_path: str | None = None
    holder_silent: bool = False
    #: Whether a look was in vain; then the next decision claims.
    has_looked: bool = False
    #: The task of an older run that this claim closed, until its run is checked.
    unchecked: Open | None = None

    def __post_init__(self) -> None:
        self.owner = str(UUID(int=self.services.random.getrandbits(128)))

    def look_was_in_vain(self) -> None:
        """The state was written during a look: whoever did that may also have closed the task."""
        self.has_looked = True

    def run(self) -> Claimed | None:
        """The claim; None if the message can be acknowledged. The claim of a look is not committed yet.

        Raises:
            StoreUnavailable: The message has to be redelivered.
        """
        name = self.message.connection_id
        attempts = Attempts(self.services, f"connection {name}: no claim could be settled; deliver again")
        while True:
            read = self._read()
            decision = self._decide(read)
            conflict = True
            with suppress(Conflict, Lost, StoreUnavailable):
                if decision == Finished(certain=False) and not self._is_final():
                    # Read after the state, and acted on under the state's version.
                    decision = self._decide(read, known_open=True)
                if isinstance(decision, Claim):
                    return self._claim(decision, read)
                if self._settled(decision, read):
                    return None
                conflict = False
            if self.services.stopping():
                raise StoreUnavailable("this process has to end; the message is redelivered to another one")
            attempts.again(back_off=conflict)

    def _read(self) -> Read:
        message = self.message
        paths = [ids.connection_path(message.connection_id), ids.state_path(message.connection_id)]
        if ids.has_options(message.run_id):
            paths.append(ids.run_path(message.run_id))
        connection, state, *runs = self.store.get_many(paths)
        selection: Selection | None = Selection()
        if runs and runs[0] is not None:
            run = read_or_none(Run, runs[0])
            selection = run.selection if run is not None else None
        return Read(connection, state, SyncState.read(state), selection)

    def _decide(self, read: Read, *, known_open: bool = False) -> Decision:
        services, settings = self.services, self.services.settings
        if read.selection is None:
            # A repaired run is closed by its sweep.
            return Leave()
        if read.state is None:
            return self._unreadable(known_open=known_open)
        status = None
        if read.connection is not None:
            word = read.document.get("status", "")
            status = ConnectionStatus(word) if word in tuple(ConnectionStatus) else ConnectionStatus.ACTIVE
        edited_at = read.document.get("updated_at")
        return decide(
            View(
                message=self.message,
                state=read.state,
                status=status,
                marketplace=read.marketplace,
                edited_at=edited_at if isinstance(edited_at, datetime) else None,
                selection=read.selection,
                is_manual=ids.has_options(self.message.run_id),
                now=services.clock.now(),
                owner=self.owner,
                lease=timedelta(seconds=settings.lease_seconds),
                run_length=timedelta(seconds=settings.run_seconds),
                known_open=known_open,
                holder_silent=self.holder_silent,
                has_looked=self.has_looked,
            )
        )

    def _settled(self, decision: Decision, read: Read) -> bool:
        """Act on a decision that is no claim; False to read and decide again."""
        message = self.message
        match decision:
            case Finished():
                check_shard(self.services, message.run_id, message.shard, None)
                self._tell(read)
            case Close(ending=ending, state=state):
                self._close(read, ending, state)
            case Sleep(seconds=seconds):
                self._sleep(seconds)
                return False
            case Watch():
                return self._watch(read)
            case Leave() | Claim():
                pass
        return True

    def _tell(self, read: Read) -> None:
        """Tell the changes of a closed task that could not be told when it was closed."""
        state, connection_id = read.state, self.message.connection_id
        if state is None or state.open is not None:
            return
        told = Teller(self.services).told(connection_id, state)
        if told is not state:
            told = msgspec.structs.replace(told, seq=state.seq + 1)
            # If this write is lost, the changes are told once more.
            with suppress(Conflict, StoreUnavailable):
                self.store.commit([write_state(ids.state_path(connection_id), told, read.snapshot)])

    def _sleep(self, seconds: float) -> None:
        while seconds > 0 and not self.services.stopping():
            self.services.clock.sleep(min(seconds, NAP_S))
            seconds -= NAP_S

    def _unreadable(self, *, known_open: bool) -> Decision:
        """The task fails alone, and the state is left to a person; after a repair the next run continues."""
        if not known_open:
            return Finished(certain=False)
        return Close(state_invalid(self.message.connection_id))

    def _is_final(self) -> bool:
        """Look for the task in its shard and for its record, and remember the record's path."""
        message = self.message
        shard, first = self.store.get_many(
            [
                ids.shard_path(message.run_id, message.shard),
                ids.task_path(message.run_id, message.connection_id),
            ]
        )
        place = record_of(self.store, message.run_id, message.shard, message.connection_id, first)
        self.record_path, record = place
        return shard is None or record is not None or counted(shard, message.connection_id)

    def _watch(self, read: Read) -> bool:
        """Look at the holder until it moves (it is alive: acknowledge) or has been silent for too long.

        Each of its commits extends its lease; other writers of the state leave the lease as it is. If it
        released the lease meanwhile, the message is decided on again: the holder may have died before it
        closed the run, or before it published the continuation.
        """
        message = self.message
        assert read.state is not None  # noqa: S101 - it was decided on
        lease = read.state.lease
        waited = 0.0
        while waited < WATCHED_S:
            self._sleep(WATCH_EVERY_S)
            if self.services.stopping():
                return False
            waited += WATCH_EVERY_S
            state = SyncState.read(self.store.get(ids.state_path(message.connection_id)))
            if state is None:
                return False
            if state.lease != lease:
                opened = state.open
                is_held = opened is not None and opened.is_of(message.run_id, message.shard)
                return is_held and state.lease.owner is not None
        self.holder_silent = True
        return False

    def _close(self, read: Read, ending: Ending, state: SyncState | None) -> None:
        """Close the task without working on it."""
        message = self.message
        organization_id = read.document.get("organization_id")
        task = ending.task(
            self.services,
            message.connection_id,
            run_id=message.run_id,
            shard=message.shard,
            opened=None,
            organization_id=organization_id if isinstance(organization_id, str) else None,
        )
        writes = closing_writes(task, self.record_path)
        if state is not None:
            # If people paused or deleted it by hand, its data is not late from now on.
            state = measured(explained(state, task), pace_of(self.services, read.document), task.finished_at)
            if state.open is None:
                state = Teller(self.services).told(message.connection_id, state)
            if read.snapshot is None and read.connection is None:
                state = msgspec.structs.replace(state, expires_at=task.expires_at)  # nobody else removes it
            writes.insert(0, write_state(ids.state_path(message.connection_id), state, read.snapshot))
        elif read.snapshot is not None:
            writes.insert(0, unread(read.snapshot, message.order))
        still_open = None
        try:
            still_open = self.services.store.commit(writes)[-1].increments["open"]
        except (Conflict, StoreUnavailable):
            if not self._is_final():
                raise
        log_finished(task)
        check_shard(self.services, message.run_id, message.shard, still_open)

    def _claim(self, decision: Claim, read: Read) -> Claimed:
        writes: list[Write] = []
        older = decision.older
        if older is not None:
            writes = self._older_writes(older, read.state)
        pace, now = pace_of(self.services, read.document), self.services.clock.now()
        state = decision.state
        if state.late_at is None and pace.is_active:
            state = resumed(state, pace, now)  # by hand
        state = measured(state, pace, now)
        name = self.message.connection_id
        holder = Holder(self.services, self.store, name, state, snapshot=read.snapshot, pace=pace)
        if not decision.looks:
            holder.claim(writes)
            log_closed_by(writes)
        self.unchecked = older or self.unchecked
        if self.unchecked is not None:
            try:
                check_shard(self.services, self.unchecked.run_id, self.unchecked.shard, None)
            except (Conflict, StoreUnavailable):
                # Else the next decision would watch this very claim, which nobody works on.
                holder.release()
                raise
            self.unchecked = None
        marketplace = ids.marketplace_of(self.message.shard)
        return Claimed(holder, read.connection, read.marketplace not in {None, marketplace})

    def _older_writes(self, older: Open, state: SyncState | None) -> list[Write]:
        """The writes that close the task of an older run whose worker has gone."""
        connection_id = self.message.connection_id
        first, shard = self.store.get_many(
            [ids.task_path(older.run_id, connection_id), ids.shard_path(older.run_id, older.shard)]
        )
        path, record = record_of(self.store, older.run_id, older.shard, connection_id, first)
        if record is not None or shard is None or counted(shard, connection_id):
            return []
        ending = _older_ending(older, state)
        task = ending.task(self.services, connection_id, run_id=older.run_id, shard=older.shard, opened=older)
        return closing_writes(task, path)


def _older_ending(older: Open, state: SyncState | None) -> Ending:
    """How the task of an older run ends that nobody works on any more, before its connection is taken over.

    Its worker went away, or let go of the connection: to wait for the marketplace, or for the next slice's
    turn, which takes longer than a lease if all workers are busy. A slice may end before its first page came.
    """
    if state is None or state.lease.owner is not None:
        return Ending(TaskStatus.FAILED, WORKER_LOST.kind, WORKER_LOST)
    throttled = "rate_limited" if state.lease.not_before is not None else None
    if older.has_progress or (older.slice > 0 and throttled is None):
        return Ending(TaskStatus.SUCCEEDED, throttled, incomplete=True)
    if throttled is not None:
        return Ending(TaskStatus.SKIPPED, throttled)
    return Ending(TaskStatus.FAILED, WORKER_LOST.kind, WORKER_LOST)
