"""Heal: publish the messages of work that stopped half-way. Heal only publishes; the handlers decide.

At most one heal a minute happens for all deliveries together, recorded in `healing/heal` under its version.
The record is written before anything is published and marked `done` afterwards: a message whose worker dies
between the two heals when it is redelivered, and nobody else does within the minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model.documents import read_or_none, readable, to_document
from orchestrator.model.healing import HEALING_PATH, Healing, Walk
from orchestrator.model.run import Run, RunStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Create, Filter, Query, Snapshot, Update, Version
from orchestrator.runs import fleet
from orchestrator.runs.close import close_check, open_shards
from orchestrator.runs.start import dispatch_messages
from orchestrator.runs.sweeps import LISTED, is_overdue, shard_messages
from orchestrator.services import Services

RUNS = 300
TASKS = 200
#: A heal stops after this long; the next one continues there.
LONGEST_S = 60.0
#: A dispatch that moved more recently is left to its own worker.
DISPATCH_IDLE = timedelta(minutes=2)
#: A lease counts as lost only this long after its end.
LEASE_GRACE = timedelta(seconds=60)

OPEN = (RunStatus.DISPATCHING.value, RunStatus.RUNNING.value)


def heal(services: Services, run_id: str) -> None:
    """Publish the messages that unfinished runs and lost leases need, a bounded number of them.

    Then log the fleet's state: the log has it once a tick.

    Nothing is done within a minute of another message's heal. A round goes once through all open runs,
    another one through all lost leases. Each continues where the last heal stopped, so that no number of
    documents hides the others. The next round begins half a lease after the last one at the earliest: the
    published messages get time to be delivered.

    Args:
        services: The world.
        run_id: The run whose message this is; a redelivery continues its own heal.

    Raises:
        StoreUnavailable: Deliver the message again.
        QueueUnavailable: Deliver the message again.
    """
    begun = _begin(services, run_id)
    if begun is None:
        return
    record, version = begun
    healer = _Healer(services, record.at, services.clock.monotonic() + LONGEST_S)
    runs = healer.runs(record.runs)
    leases = healer.leases(record.leases)
    done = msgspec.structs.replace(record, seq=record.seq + 1, done=True, runs=runs, leases=leases)
    # Without this commit the next heal repeats the round's part, which is harmless.
    with suppress(Conflict, StoreUnavailable):
        services.store.commit([Update(HEALING_PATH, to_document(done), version=version)])
    fleet.tell(services)


def _begin(services: Services, run_id: str) -> tuple[Healing, Version] | None:
    """Record that this message heals now; None if it may not."""
    attempts = Attempts(services, "the heal could not be recorded; deliver again")
    while True:
        snapshot = services.store.get(HEALING_PATH)
        # Later than the record: a worker that slept in between would take its past for the present.
        now = services.clock.now()
        # A record that cannot be read is written anew: it only spares work.
        before = read_or_none(Healing, snapshot)
        if before is not None and not before.allows(run_id, now):
            return None
        record = _following(before, run_id, now, timedelta(seconds=services.settings.lease_seconds / 2))
        document = to_document(record)
        write = (
            Create(HEALING_PATH, document)
            if snapshot is None
            else Update(HEALING_PATH, document, version=snapshot.version)
        )
        with suppress(Conflict, StoreUnavailable):
            return record, services.store.commit([write])[0].version
        attempts.again()


def _following(before: Healing | None, run_id: str, now: datetime, round_length: timedelta) -> Healing:
    """The record of a heal that begins now: it continues the rounds, or begins the next ones when due."""
    if before is None:
        return Healing(at=now, run=run_id, runs=Walk(began_at=now), leases=Walk(began_at=now))
    return msgspec.structs.replace(
        before,
        seq=before.seq + 1,
        at=now,
        run=run_id,
        done=False,
        runs=before.runs.following(now, round_length),
        leases=before.leases.following(now, round_length),
    )


@dataclass(frozen=True, slots=True)
class _Healer:
    """One heal."""

    services: Services
    now: datetime
    ends_at: float

    def runs(self, walk: Walk) -> Walk:
        """Heal the next open runs of the round; returns how far it has come."""
        if walk.ended:
            return walk
        found = self.services.store.query(
            Query(
                "runs",
                where=[Filter("status", "in", list(OPEN))],
                order_by="order",
                after=walk.after,
                limit=RUNS,
            )
        )
        for n, snapshot in enumerate(found):
            run = read_or_none(Run, snapshot)
            if run is not None:
                self._run(snapshot.id, run)
            if self.services.clock.monotonic() > self.ends_at:
                return _walked(walk, found[: n + 1], n + 1, "order")
        return _walked(walk, found, RUNS, "order")

    def _run(self, run_id: str, run: Run) -> None:
        services = self.services
        if run.status is RunStatus.DISPATCHING:
            if self.now - run.dispatched_at > DISPATCH_IDLE:
                services.queue.publish(dispatch_messages(run_id, run, heal=True))
            return
        shards = open_shards(services, run_id, limit=LISTED)
        if not shards:
            close_check(services, run_id)
        elif run.cancel_requested_at is not None and not is_overdue(services, run):
            services.queue.publish(shard_messages(run_id, run, "cancel", shards))
        elif self.now > run.deadline_at:
            services.queue.publish(shard_messages(run_id, run, "sweep", shards))

    def leases(self, walk: Walk) -> Walk:
        """Have the next lost leases of the round taken over, and untold changes told.

        Returns how far the round has come.
        """
        if walk.ended:
            return walk
        lost = self.services.store.query(
            Query(
                "sync_state",
                where=[Filter("lease.expires_at", "<", self.now - LEASE_GRACE)],
                order_by="lease.expires_at",
                after=walk.after,
                limit=TASKS,
            )
        )
        found = [
            state.open.message(snapshot.id) if state.open is not None else state.reminder(snapshot.id)
            for snapshot, state in readable(SyncState, lost)
        ]
        self.services.queue.publish([message for message in found if message is not None])
        return _walked(walk, lost, TASKS, "lease.expires_at")


def _walked(walk: Walk, found: Sequence[Snapshot], limit: int, sort_field: str) -> Walk:
    """The round after these documents were looked at; fewer than the limit were the last ones."""
    if len(found) < limit:
        return msgspec.structs.replace(walk, ended=True)
    return msgspec.structs.replace(walk, after=_place(found[-1], sort_field))


def _place(snapshot: Snapshot, sort_field: str) -> tuple[Any, str]:
    """The document's place in a list: its sort field as it is stored, and its id."""
    value: Any = snapshot.data
    for name in sort_field.split("."):
        value = value[name]
    return value, snapshot.id
