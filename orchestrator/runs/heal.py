"""Heal: publish the messages of work that stopped half-way. Heal only publishes; the handlers decide."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, RunStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Filter, Query
from orchestrator.runs.close import close_check, open_shards
from orchestrator.runs.start import dispatch_messages
from orchestrator.services import Services

RUNS = 10
SWEEPS = 200
TASKS = 200
#: A dispatch that moved more recently is left to its own worker.
DISPATCH_IDLE = timedelta(minutes=2)
#: A lease counts as lost only this long after its end.
LEASE_GRACE = timedelta(seconds=60)

OPEN = (RunStatus.DISPATCHING.value, RunStatus.RUNNING.value)


def heal(services: Services) -> None:
    """Publish the messages that unfinished runs and lost leases need, a bounded number of them.

    Raises:
        StoreUnavailable: Deliver the message again.
        QueueUnavailable: Deliver the message again.
    """
    now = services.clock.now()
    found = services.store.query(
        Query("runs", where=[Filter("status", "in", list(OPEN))], order_by="order", limit=RUNS)
    )
    sweeps = SWEEPS
    for snapshot in found:
        run = from_document(Run, snapshot.data)
        if run.status is RunStatus.DISPATCHING:
            if now - run.dispatched_at > DISPATCH_IDLE:
                services.queue.publish(dispatch_messages(snapshot.id, run))
            continue
        sweeps -= _heal_running(services, snapshot.id, run, now, sweeps)
    lost = services.store.query(
        Query(
            "sync_state",
            where=[Filter("lease.expires_at", "<", now - LEASE_GRACE)],
            order_by="lease.expires_at",
            limit=TASKS,
        )
    )
    opened = [(snapshot.id, SyncState.of(snapshot).open) for snapshot in lost]
    services.queue.publish(
        [task.message(connection_id) for connection_id, task in opened if task is not None]
    )


def _heal_running(services: Services, run_id: str, run: Run, now: datetime, limit: int) -> int:
    """Look at one running run; returns how many sweeps were published."""
    shards = open_shards(services, run_id, limit=max(limit, 1))
    if not shards:
        close_check(services, run_id)
    elif run.cancel_requested_at is not None:
        services.queue.publish([Message(kind="cancel", run_id=run_id, shard=shard.id) for shard in shards])
    elif now > run.deadline_at and limit > 0:
        services.queue.publish([Message(kind="sweep", run_id=run_id, shard=shard.id) for shard in shards])
        return len(shards)
    return 0
