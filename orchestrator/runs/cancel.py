"""Cancelling a run."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.attempts import pause
from orchestrator.errors import Conflict, NotPossible, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Shard
from orchestrator.ports import Query, Snapshot, Update
from orchestrator.runs.start import Started, read_run
from orchestrator.services import Services

_PAGE = 300


#: A conflict is somebody's progress on the run; only so much of it is waited out.
_TRIES = 60


def cancel_run(services: Services, run_id: str, *, requested_by: str) -> Started:
    """Ask a run to stop; it becomes `cancelled` when its last task is final.

    Raises:
        NotFound: No such run.
        NotPossible: The run is over.
        StoreUnavailable: The run changes too often to be cancelled; ask again.
    """
    run = _ask_to_stop(services, run_id, requested_by)
    total = 0
    for page in _shards_of(services, run_id):
        services.queue.publish([Message(kind="cancel", run_id=run_id, shard=shard.id) for shard in page])
        total += sum(len(from_document(Shard, shard.data).ids) for shard in page)
    return Started(run_id=run_id, status=run.status, tasks=total, duplicate=False)


def _ask_to_stop(services: Services, run_id: str, requested_by: str) -> Run:
    for attempt in range(_TRIES):
        snapshot, run = read_run(services, run_id)
        if run.status.is_final:
            raise NotPossible(f"run {run_id} is over: it is {run.status.value}")
        if run.cancel_requested_at is not None:
            return run
        fields = {"cancel_requested_at": services.clock.now(), "cancel_requested_by": requested_by}
        try:
            services.store.commit([Update(ids.run_path(run_id), fields, version=snapshot.version)])
        except Conflict:
            pause(services, attempt)
        else:
            return run
    raise StoreUnavailable(f"run {run_id} changes too often to be cancelled; ask again")


def _shards_of(services: Services, run_id: str) -> Iterator[list[Snapshot]]:
    """A run's shards in id order, a page at a time."""
    after: tuple[str] | None = None
    while page := services.store.query(Query(f"{ids.run_path(run_id)}/shards", after=after, limit=_PAGE)):
        yield page
        after = (page[-1].id,)
