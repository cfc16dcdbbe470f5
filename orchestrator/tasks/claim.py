"""Claiming: a task message is decided on until it is claimed or can be acknowledged."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.counts import ErrorInfo
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Selection, TaskStatus
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
from orchestrator.tasks.ending import Ending, closing_writes, write_state
from orchestrator.tasks.holder import Holder, Lost

#: How often a holder is looked at, and how long without a commit until it counts as dead.
WATCH_EVERY_S = 15.0
WATCHED_S = 90.0

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
    #: The content of `snapshot`.
    state: SyncState
    selection: Selection

    @property
    def document(self) -> Document:
        """The connection's fields, as people wrote them; empty if it is gone."""
        return self.connection.data if self.connection is not None else {}


@dataclass(slots=True)
class Claimed:
    """A claim that was committed."""

    holder: Holder
    connection: Snapshot | None


@dataclass(slots=True)
class Claimer:
    """Decides on a task message until it is claimed or can be acknowledged."""

    services: Services
    store: DocumentStore
    message: Message
    owner: str = field(init=False)
    known_open: bool = False
    holder_silent: bool = False

    def __post_init__(self) -> None:
        self.owner = str(UUID(int=self.services.random.getrandbits(128)))

    def run(self) -> Claimed | None:
        """The committed claim; None if the message can be acknowledged.

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
                if isinstance(decision, Claim):
                    return self._claim(decision, read)
                if self._settled(decision, read):
                    return None
                conflict = False
            attempts.again(back_off=conflict)

    def _read(self) -> Read:
        message = self.message
        paths = [ids.connection_path(message.connection_id), ids.state_path(message.connection_id)]
        if ids.has_options(message.run_id):
            paths.append(ids.run_path(message.run_id))
        connection, state, *runs = self.store.get_many(paths)
        run = runs[0] if runs else None
        selection = from_document(Run, run.data).selection if run is not None else Selection()
        return Read(connection, state, SyncState.of(state), selection)

    def _decide(self, read: Read) -> Decision:
        services, settings = self.services, self.services.settings
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
                edited_at=edited_at if isinstance(edited_at, datetime) else None,
                selection=read.selection,
                is_manual=ids.has_options(self.message.run_id),
                now=services.clock.now(),
                owner=self.owner,
                lease=timedelta(seconds=settings.lease_seconds),
                run_length=timedelta(seconds=settings.run_seconds),
                known_open=self.known_open,
                holder_silent=self.holder_silent,
            )
        )

    def _settled(self, decision: Decision, read: Read) -> bool:
        """Act on a decision that is no claim; False to read and decide again."""
        message = self.message
        match decision:
            case Finished(certain=certain):
                if (
                    not certain
                    and self.store.get(ids.task_path(message.run_id, message.connection_id)) is None
                ):
                    self.known_open = True
                    return False
                check_shard(self.services, message.run_id, message.shard, None)
            case Close(ending=ending, state=state):
                self._close(read, ending, state)
            case Sleep(seconds=seconds):
                self.services.clock.sleep(seconds)
                return False
            case Watch():
                return self._watch(read)
            case Leave() | Claim():
                pass
        return True

    def _watch(self, read: Read) -> bool:
        """Look at the holder until it moves (it is alive: acknowledge) or has been silent for too long.

        Each of its commits extends its lease; other writers of the state leave the lease as it is. If it
        released the lease meanwhile, the message is decided on again: the holder may have died before it
        closed the run, or before it published the continuation.
        """
        lease = read.state.lease
        waited = 0.0
        while waited < WATCHED_S:
            if self.services.stopping():
                raise StoreUnavailable("this process has to end while it watches another; deliver again")
            self.services.clock.sleep(WATCH_EVERY_S)
            waited += WATCH_EVERY_S
            state = SyncState.of(self.store.get(ids.state_path(self.message.connection_id)))
            if state.lease != lease:
                opened = state.open
                is_held = opened is not None and opened.run_id == self.message.run_id
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
        writes = closing_writes(task)
        if state is not None:
            writes.insert(0, write_state(ids.state_path(message.connection_id), state, read.snapshot))
        still_open = None
        try:
            still_open = self.services.store.commit(writes)[-1].increments["open"]
        except (Conflict, StoreUnavailable):
            record = self.store.get(ids.task_path(message.run_id, message.connection_id))
            shard = self.store.get(ids.shard_path(message.run_id, message.shard))
            if record is None and shard is not None:
                raise
        check_shard(self.services, message.run_id, message.shard, still_open)

    def _claim(self, decision: Claim, read: Read) -> Claimed:
        writes: list[Write] = []
        older = decision.older
        if older is not None:
            writes = self._older_writes(older, read.state)
        holder = Holder(self.services, self.store, self.message.connection_id, decision.state)
        holder.take(read.snapshot, writes)
        if older is not None:
            check_shard(self.services, older.run_id, older.shard, None)
        return Claimed(holder, read.connection)

    def _older_writes(self, older: Open, state: SyncState) -> list[Write]:
        """The writes that close the task of an older run whose worker has gone."""
        connection_id = self.message.connection_id
        record, shard = self.store.get_many(
            [ids.task_path(older.run_id, connection_id), ids.shard_path(older.run_id, older.shard)]
        )
        if record is not None or shard is None:
            return []
        ending = Ending(TaskStatus.FAILED, WORKER_LOST.kind, WORKER_LOST)
        if state.lease.owner is None and state.lease.not_before is not None:
            incomplete = older.has_progress
            status = TaskStatus.SUCCEEDED if incomplete else TaskStatus.SKIPPED
            ending = Ending(status, "rate_limited", incomplete=incomplete)
        task = ending.task(self.services, connection_id, run_id=older.run_id, shard=older.shard, opened=older)
        return closing_writes(task)
