"""The message being handled is the outbox: nothing is acknowledged while somebody still has to go on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.model import ids
from orchestrator.model.documents import from_document, read_or_none
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, RunStatus, counted
from orchestrator.model.state import Lease, SyncState
from orchestrator.ports import Filter
from orchestrator.tasks.ending import record_of
from tests.system.simulation.process import Process

if TYPE_CHECKING:
    from tests.system.simulation.history import History


class Outbox:
    """Which messages are on their way, and what an acknowledgement leaves behind."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._store = history.store
        #: By kind, run and what it is about; lost and dead ones stay, for those are left to heal.
        self._live: Counter[tuple[str, str, str]] = Counter()
        #: Messages that were accepted and are neither acknowledged, lost nor dead.
        self.in_flight = self.most_in_flight = 0

    def accepted(self, message: Message, *, is_lost: bool) -> None:
        """The queue took it."""
        self._live[_key(message)] += 1
        self.in_flight += not is_lost
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def dead(self) -> None:
        """The queue gave up delivering one."""
        self.in_flight -= 1

    def acknowledged(self, message: Message, process: Process) -> None:
        """It does not come again: somebody else has to be on it, unless it is done."""
        self._live[_key(message)] -= 1
        self.in_flight -= 1
        found = self._store.get(ids.run_path(message.run_id))
        if self._live[_key(message)] or found is None:
            return
        run = from_document(Run, found.data)
        now, deadline = self._history.loop.now, run.deadline_at
        if run.status.is_final or (deadline - now).total_seconds() < self._history.skew_s:
            return
        if message.kind == "dispatch" and not run.dispatch[message.marketplace].done:
            self._history.violated(f"{message} is acknowledged, and nobody goes on")
        if message.kind == "task":
            self._task(message, run, process)

    def _task(self, message: Message, run: Run, process: Process) -> None:
        first = self._store.get(ids.task_path(message.run_id, message.connection_id))
        _, task = record_of(self._store, message.run_id, message.shard, message.connection_id, first)
        shard = self._store.get(ids.shard_path(message.run_id, message.shard))
        state = self._store.get(ids.state_path(message.connection_id))
        found = read_or_none(SyncState, state)
        lease = found.lease if found is not None else Lease()
        # A holder may outlive its own message: to be seen alive is enough, though it may die after that.
        holder = self._history.holder(lease.owner)
        is_closed = task is not None or (shard is not None and counted(shard, message.connection_id))
        is_held = holder is not None and (holder.is_alive or holder.wrote_s > process.began_s)
        if not is_closed and lease.not_before is None and not is_held:
            self._history.violated(f"{message} is acknowledged, and nobody goes on")
        if shard is None or run.status is not RunStatus.RUNNING or self._is_busy(message.run_id):
            return
        if self._store.count(f"runs/{message.run_id}/shards", [Filter("open", ">", 0)]) == 0:
            self._history.violated(f"{message} is acknowledged as the last, and its run is not closed")

    def _is_busy(self, run_id: str) -> bool:
        return any(count > 0 and key[1] == run_id for key, count in self._live.items())


def _key(message: Message) -> tuple[str, str, str]:
    about = f"{message.shard or message.marketplace} {message.connection_id}"
    return message.kind, message.run_id, about
