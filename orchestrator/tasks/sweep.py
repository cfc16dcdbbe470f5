"""Closing the open tasks of a range of shards: past the run's deadline, or after a cancellation."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.counts import ErrorInfo, TaskTotals
from orchestrator.model.documents import from_document, read_or_none, to_document
from orchestrator.model.messages import Message
from orchestrator.model.run import RECORDED, Run, Shard, TaskStatus, counted
from orchestrator.model.state import SyncState
from orchestrator.ports import Snapshot, Update, Write
from orchestrator.runs.close import close_check
from orchestrator.runs.sweeps import is_overdue, shards_of
from orchestrator.services import Services
from orchestrator.tasks.ending import (
    TOO_LATE,
    Ending,
    closed_state,
    closing_writes,
    explained,
    log_closed_by,
    record_of,
    state_invalid,
    unread,
    write_state,
)
from orchestrator.tasks.telling import Teller

log = logging.getLogger(__name__)

CANCELLED = Ending(TaskStatus.SKIPPED, "cancelled")

FORCED = ErrorInfo(
    kind="closed_by_force",
    message="a shard still counted open tasks after all its tasks had been closed; they count as failed",
    action="nothing: the next run covers them; somebody has edited the run's documents if it repeats",
)


def cancel_shards(services: Services, message: Message) -> None:
    """Stop a cancelled run's tasks of some shards: holders are asked to stop, all other tasks are closed."""
    _each_shard(services, message, is_cancel=True)


def sweep_shards(services: Services, message: Message) -> None:
    """Close the open tasks of some shards past their run's deadline.

    A live lease is left alone until every lease of the run must have ended. From then on a task is closed
    whatever its lease says, and a shard that still counts open tasks afterwards is settled.
    """
    _each_shard(services, message, is_cancel=False)


def _each_shard(services: Services, message: Message, *, is_cancel: bool) -> None:
    ends_at = services.clock.monotonic() + services.settings.slice_seconds
    run_id, names = message.run_id, shards_of(message)
    run_snapshot, *shards = services.store.get_many(
        [ids.run_path(run_id), *(ids.shard_path(run_id, name) for name in names)]
    )
    run = read_or_none(Run, run_snapshot)
    if run is None or run.status.is_final:
        return  # a task whose record is missing was closed: its record has expired
    is_over = not is_cancel and is_overdue(services, run)
    sweeper = _Sweeper(services, run_id, run, is_cancel, is_over, Teller(services))
    is_closed = False
    for n, (name, snapshot) in enumerate(zip(names, shards, strict=True)):
        if n and (services.stopping() or services.clock.monotonic() > ends_at):
            services.queue.publish([msgspec.structs.replace(message, shard=name)])
            break
        is_closed |= snapshot is not None and sweeper.shard(name, snapshot)
    if is_closed:
        close_check(services, run_id)


@dataclass(frozen=True, slots=True)
class _Sweeper:
    """One delivery's work on a run."""

    services: Services
    run_id: str
    run: Run
    #: Whether holders are asked to stop.
    is_cancel: bool
    #: Whether no lease counts any more.
    is_overdue: bool
    teller: Teller

    def shard(self, name: str, snapshot: Snapshot) -> bool:
        """Close the open tasks of a shard; whether none is open any more."""
        shard = read_or_none(Shard, snapshot)
        if shard is None and self.is_overdue:
            shard = self._made_readable(name, snapshot)
        if shard is not None and shard.open > 0:
            for connection_id in shard.ids:
                self._task(name, connection_id)
        if self.is_overdue:
            return self._settle(name)
        left = read_or_none(Shard, self.services.store.get(snapshot.path))
        return left is not None and left.open <= 0

    def _task(self, shard: str, connection_id: str) -> None:
        services, run_id = self.services, self.run_id
        path, first_path = ids.state_path(connection_id), ids.task_path(run_id, connection_id)
        shard_path = ids.shard_path(run_id, shard)
        failure = f"connection {connection_id} of run {run_id} could not be closed; deliver again"
        attempts = Attempts(services, failure)
        while True:
            # Together: a task that is not final now, and whose state is not written meanwhile, is not final.
            snapshot, found, first = services.store.get_many([path, shard_path, first_path])
            place, record = record_of(services.store, run_id, shard, connection_id, first)
            if record is not None or found is None or counted(found, connection_id):
                return
            writes = self._writes(shard, connection_id, snapshot, place)
            if not writes:
                return
            with suppress(Conflict, StoreUnavailable):
                services.store.commit(writes)
                log_closed_by(writes)
                return
            attempts.again()

    def _writes(self, shard: str, connection_id: str, snapshot: Snapshot | None, place: str) -> list[Write]:
        """The writes that close a task, or that ask its holder to stop; none if its holder is left alone."""
        services, path = self.services, ids.state_path(connection_id)
        ending = TOO_LATE if self.run.cancel_requested_at is None and not self.is_cancel else CANCELLED
        state = SyncState.read(snapshot)
        opened = None
        if state is None:
            ending = state_invalid(connection_id) if ending is TOO_LATE else ending
        elif state.open is not None and state.open.is_of(self.run_id, shard):
            opened = state.open
            is_held = state.lease.owner is not None
            if is_held and self.is_cancel:
                # The holder's next commit is refused; it rebases, sees this and finishes as skipped.
                asked = msgspec.structs.replace(opened, cancel="cancelled")
                state = msgspec.structs.replace(state, seq=state.seq + 1, open=asked)
                return [write_state(path, state, snapshot)]
            if is_held and not self.is_overdue and not state.lease.is_over(services.clock.now()):
                return []
        task = ending.task(services, connection_id, run_id=self.run_id, shard=shard, opened=opened)
        writes = closing_writes(task, place)
        if state is not None:
            state = explained(closed_state(state, self.run_id, self.run.order, shard), task)
            state = msgspec.structs.replace(state, wanted=True)  # nobody has worked on it
            if opened is not None:
                state = self.teller.told(connection_id, state)
            writes.insert(0, write_state(path, state, snapshot))
        elif snapshot is not None:
            writes.insert(0, unread(snapshot, self.run.order))
        return writes

    def _made_readable(self, name: str, snapshot: Snapshot) -> Shard:
        """Write an unreadable shard anew, with its connections and task counts as far as they are there."""
        planned, counted = snapshot.data.get("ids"), snapshot.data.get("tasks")
        names = tuple(each for each in planned if isinstance(each, str)) if isinstance(planned, list) else ()
        try:
            tasks = from_document(TaskTotals, counted if isinstance(counted, dict) else {})
        except msgspec.ValidationError:
            tasks = TaskTotals()
        final = _final(snapshot)
        shard = Shard(
            marketplace=ids.marketplace_of(name),
            ids=names,
            open=max(0, len(names) - tasks.total),
            tasks=tasks,
            final=final,
            quiet=sum(ended > RECORDED for ended in final.values()),
            expires_at=self.run.expires_at,
        )
        self.services.store.commit([Update(snapshot.path, to_document(shard), version=snapshot.version)])
        return shard

    def _settle(self, name: str) -> bool:
        """Count what a shard still has open as failed, because no connection of it is; whether none is open.

        Only edited documents come here. The reason becomes the run's error.
        """
        services, run_id = self.services, self.run_id
        attempts = Attempts(services, f"{name} of run {run_id} could not be settled; deliver again")
        while True:
            found, snapshot = services.store.get_many([ids.run_path(run_id), ids.shard_path(run_id, name)])
            run = read_or_none(Run, found)
            if found is None or run is None or run.status.is_final or snapshot is None:
                return False
            shard = read_or_none(Shard, snapshot)
            if shard is None or shard.open <= 0:
                return shard is not None
            tasks = msgspec.structs.replace(
                shard.tasks, total=shard.tasks.total + shard.open, failed=shard.tasks.failed + shard.open
            )
            settled = {"open": 0, "tasks": to_document(tasks)}
            error = {"error": to_document(run.error or FORCED)}
            with suppress(Conflict, StoreUnavailable):
                services.store.commit(
                    [
                        Update(found.path, error, version=found.version),
                        Update(snapshot.path, settled, version=snapshot.version),
                    ]
                )
                fields = {
                    "action": "shard_settled",
                    "run_id": run_id,
                    "shard": name,
                    "tasks": shard.open,
                }
                log.error(
                    "%s still counted %d open tasks; they count as failed",
                    *(snapshot.path, shard.open),
                    extra=fields,
                )
                return True
            attempts.again()


def _final(snapshot: Snapshot) -> dict[str, int]:
    """The final tasks that a shard names, as far as that can be read."""
    found = snapshot.data.get("final")
    return (
        {key: kind for key, kind in found.items() if isinstance(kind, int)} if isinstance(found, dict) else {}
    )
