"""Cancelling a run."""

from __future__ import annotations

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, NotPossible
from orchestrator.model.audit import Action, Actor
from orchestrator.model.documents import readable
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Shard
from orchestrator.ports import Update
from orchestrator.runs.audit import entry
from orchestrator.runs.close import shard_pages
from orchestrator.runs.start import Started, read_run
from orchestrator.services import Services


def cancel_run(services: Services, run_id: str, *, by: Actor) -> Started:
    """Ask a run to stop; it becomes `cancelled` when its last task is final.

    Raises:
        NotFound: No such run.
        NotPossible: The run is over.
        StoreUnavailable: The run changes too often to be cancelled; ask again.
    """
    run = _ask_to_stop(services, run_id, by)
    total = 0
    for page in shard_pages(services, run_id):
        services.queue.publish([Message(kind="cancel", run_id=run_id, shard=shard.id) for shard in page])
        total += sum(len(shard.ids) for _, shard in readable(Shard, page))
    return Started(run_id=run_id, status=run.status, tasks=total, duplicate=False)


def _ask_to_stop(services: Services, run_id: str, by: Actor) -> Run:
    attempts = Attempts(services, f"run {run_id} changes too often to be cancelled; ask again")
    while True:
        snapshot, run = read_run(services, run_id)
        if run.status.is_final:
            raise NotPossible(f"run {run_id} is over: it is {run.status.value}")
        if run.cancel_requested_at is not None:
            return run
        fields = {"cancel_requested_at": services.clock.now(), "cancel_requested_by": by.name}
        try:
            update = Update(snapshot.path, fields, version=snapshot.version)
            services.store.commit([update, entry(services, by, Action.CANCEL, run_id=run_id)])
        except Conflict:
            attempts.again()
        else:
            return run
