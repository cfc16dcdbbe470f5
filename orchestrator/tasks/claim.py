"""Claiming: a task message is decided about until it is claimed or nothing is left to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from orchestrator.attempts import pause
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.counts import ErrorInfo
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Selection, Task, TaskStatus
from orchestrator.model.state import Open, SyncState
from orchestrator.ports import DocumentStore, Snapshot, Write
from orchestrator.runs.close import check_shard
from orchestrator.services import Services
from orchestrator.tasks.claim_table import (
    Claim,
    Decision,
    Finished,
    Leave,
    Skip,
    Sleep,
    TooLate,
    View,
    Watch,
    decide,
)
from orchestrator.tasks.ending import NO_ANSWER, closed_state, closing_writes, expiry, final_task, write_state
from orchestrator.tasks.holder import Holder, Lost

#: A holder is looked at this often, and taken for dead after so long without a commit.
WATCH_EVERY_S = 15.0
WATCHED_S = 90.0
_TRIES = 60

WORKER_LOST = ErrorInfo(
    kind="worker_lost",
    message="the worker of this task went away and a later run has taken the connection over",
    action="nothing: the later run goes on from the checkpoint; if it repeats, look at the worker's memory",
)


@dataclass(slots=True)
class Read:
    """What a claim is decided on."""

    connection: Snapshot | None
    state: Snapshot | None
    selection: Selection


@dataclass(slots=True)
class Claimed:
    """A claim that was committed."""

    holder: Holder
    connection: Snapshot | None


@dataclass(slots=True)
class Claimer:
    """Decides about a task message until it is claimed or there is nothing left to do."""

    services: Services
    store: DocumentStore
    message: Message
    owner: str = field(init=False)
    known_open: bool = False
    holder_silent: bool = False

    def __post_init__(self) -> None:
        self.owner = str(UUID(int=self.services.random.getrandbits(128)))

    def run(self) -> Claimed | None:
        """The claim, once it is committed; None where the message can be acknowledged.

        Raises:
            StoreUnavailable: Deliver again.
        """
        for attempt in range(_TRIES):
            read = self._read()
            decision = self._decide(read)
            try:
                if not isinstance(decision, Claim):
                    if self._settled(decision, read):
                        return None
                    continue
                return self._claim(decision, read)
            except (Conflict, Lost, StoreUnavailable):
                pause(self.services, attempt)
        message = f"connection {self.message.connection_id}: no claim could be settled; deliver again"
        raise StoreUnavailable(message)

    def _read(self) -> Read:
        message = self.message
        paths = [ids.connection_path(message.connection_id), ids.state_path(message.connection_id)]
        if ids.has_options(message.run_id):
            paths.append(ids.run_path(message.run_id))
        found = self.store.get_many(paths)
        run = found[2] if len(found) > 2 else None
        selection = from_document(Run, run.data).selection if run is not None else Selection()
        return Read(found[0], found[1], selection)

    def _decide(self, read: Read) -> Decision:
        services, settings = self.services, self.services.settings
        data = read.connection.data if read.connection is not None else {}
        status = None
        if read.connection is not None:
            known = data.get("status") in tuple(ConnectionStatus)
            status = ConnectionStatus(data["status"]) if known else ConnectionStatus.ACTIVE
        edited_at = data.get("updated_at")
        return decide(
            View(
                message=self.message,
                state=_state(read.state),
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
            case Skip(reason=reason):
                self._close_unclaimed(read, reason)
            case TooLate():
                self._close_unclaimed(read, None)
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

        Each of its commits extends its lease; whoever else writes the state leaves the lease as it is.
        Where it has let go meanwhile, it is decided again: it may have died before it closed the run, or
        before it published the continuation.
        """
        lease = _state(read.state).lease
        waited = 0.0
        while waited < WATCHED_S:
            if self.services.stopping():
                raise StoreUnavailable("this process has to end while it watches another; deliver again")
            self.services.clock.sleep(WATCH_EVERY_S)
            waited += WATCH_EVERY_S
            state = _state(self.store.get(ids.state_path(self.message.connection_id)))
            if state.lease != lease:
                opened = state.open
                is_held = opened is not None and opened.run_id == self.message.run_id
                return is_held and state.lease.owner is not None
        self.holder_silent = True
        return False

    def _close_unclaimed(self, read: Read, reason: str | None) -> None:
        """Close the task without working on it: skipped, or failed because it is too late."""
        services, message = self.services, self.message
        now = services.clock.now()
        data = read.connection.data if read.connection is not None else {}
        organization_id = data.get("organization_id")
        task = final_task(
            message.connection_id,
            run_id=message.run_id,
            shard=message.shard,
            status=TaskStatus.SKIPPED if reason is not None else TaskStatus.FAILED,
            reason=reason or "no_answer",
            error=NO_ANSWER if reason is None else None,
            opened=None,
            now=now,
            expires_at=expiry(services, now),
            organization_id=organization_id if isinstance(organization_id, str) else None,
        )
        state = _state(read.state)
        doors: list[Write] = []
        if reason is None:
            state = closed_state(state, message.run_id, message.order)
            doors = [write_state(ids.state_path(message.connection_id), state, read.state)]
        elif read.selection.full and reason in {"overlap", "waiting"}:
            state = msgspec.structs.replace(state, seq=state.seq + 1, requested_full=True)
            doors = [write_state(ids.state_path(message.connection_id), state, read.state)]
        self._count(task, doors)

    def _count(self, task: Task, doors: list[Write]) -> None:
        try:
            written = self.services.store.commit([*doors, *closing_writes(task)])
        except (Conflict, StoreUnavailable):
            record = self.store.get(ids.task_path(task.run_id, task.connection_id))
            shard = self.store.get(ids.shard_path(task.run_id, task.shard))
            if record is None and shard is not None:
                raise
            check_shard(self.services, task.run_id, task.shard, None)
            return
        check_shard(self.services, task.run_id, task.shard, written[-1].increments["open"])

    def _claim(self, decision: Claim, read: Read) -> Claimed:
        services, message = self.services, self.message
        writes: list[Write] = []
        older = decision.older
        if older is not None:
            writes = self._older_writes(older, _state(read.state))
        holder = Holder(services, self.store, message.connection_id, decision.state)
        holder.take(read.state, writes)
        if older is not None:
            check_shard(services, older.run_id, older.shard, None)
        return Claimed(holder, read.connection)

    def _older_writes(self, older: Open, state: SyncState) -> list[Write]:
        """What closes the task of an older run whose worker has gone."""
        connection_id = self.message.connection_id
        record, shard = self.store.get_many(
            [ids.task_path(older.run_id, connection_id), ids.shard_path(older.run_id, older.shard)]
        )
        if record is not None or shard is None:
            return []
        deferred = state.lease.owner is None and state.lease.not_before is not None
        incomplete = deferred and has_progress(older)
        status = TaskStatus.SKIPPED if deferred else TaskStatus.FAILED
        now = self.services.clock.now()
        task = final_task(
            connection_id,
            run_id=older.run_id,
            shard=older.shard,
            status=TaskStatus.SUCCEEDED if incomplete else status,
            reason="rate_limited" if deferred else "worker_lost",
            incomplete=incomplete,
            error=None if deferred else WORKER_LOST,
            opened=older,
            now=now,
            expires_at=expiry(self.services, now),
        )
        return closing_writes(task)


def has_progress(opened: Open) -> bool:
    """Whether any slice of the task has read a record."""
    return any(counts.seen for counts in opened.progress.values())


def _state(snapshot: Snapshot | None) -> SyncState:
    return from_document(SyncState, snapshot.data) if snapshot is not None else SyncState()
