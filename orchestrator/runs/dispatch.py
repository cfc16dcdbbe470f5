"""Dispatch: one marketplace's due connections become shards and task messages, page by page.

The protocol's Dispatch event: the tasks of a page are published after its commit and before the next
page or `done`, so only the last page is ever in doubt, with any number of dispatchers.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orchestrator.attempts import pause
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.counts import ErrorInfo
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.messages import Message
from orchestrator.model.run import SHARD_SIZE, Dispatch, Run, RunStatus, Shard
from orchestrator.ports import Create, Filter, Query, Update, Version, Write
from orchestrator.runs.close import close_check
from orchestrator.runs.heal import heal
from orchestrator.runs.start import RETRIED, due
from orchestrator.services import Services

PAGE = 1000
#: A page has at most so many shards: the last expanded page is among them.
REPUBLISHED = -(-PAGE // SHARD_SIZE)
#: So often in a row without a page of one's own. Every conflict is somebody's progress, so this is out of
#: reach unless the store is unwell; over a whole run of many pages conflicts may well be more.
_TRIES = 60

LATE = ErrorInfo(
    kind="dispatched_too_late",
    message="the run's deadline had passed before all its connections were dispatched",
    action="nothing: the next run covers them; if it repeats, look at the age of the queue's oldest message",
)


@dataclass(slots=True)
class _Dispatcher:
    """One invocation's work on one marketplace of a run."""

    services: Services
    message: Message
    ends_at: float
    #: The marketplace's `n` up to which this invocation has published itself.
    published: int = 0
    #: The page being read ahead, by the id it starts after.
    ahead: tuple[str | None, Future[list[str]]] | None = field(default=None)

    def page_after(self, run: Run, after: str | None) -> list[str]:
        if self.ahead is not None and self.ahead[0] == after:
            return self.ahead[1].result()
        return _page(self.services, run, self.message.marketplace, after)

    def read_ahead(self, run: Run, after: str | None) -> None:
        marketplace = self.message.marketplace
        self.ahead = (after, self.services.executor.submit(_page, self.services, run, marketplace, after))


def dispatch(services: Services, message: Message) -> None:
    """Expand one marketplace of a run; safe to repeat, and by several workers at once.

    Raises:
        StoreUnavailable: Deliver the message again.
        QueueUnavailable: Deliver the message again.
    """
    worker = _Dispatcher(services, message, services.clock.monotonic() + services.settings.slice_seconds)
    healed = False
    attempt = 0
    while attempt < _TRIES:
        snapshot = services.store.get(ids.run_path(message.run_id))
        if snapshot is None:
            return
        run = from_document(Run, snapshot.data)
        if not healed and message.marketplace == min(run.dispatch, default=None):
            heal(services)
            healed = True
        if run.status is not RunStatus.DISPATCHING:
            close_check(services, message.run_id)
            return
        mine = run.dispatch.get(message.marketplace)
        if mine is None or mine.done:
            return
        late = services.clock.now() > run.deadline_at
        if mine.n > worker.published and run.cancel_requested_at is None and not late:
            _publish_again(services, message, run, mine.n)
            worker.published = mine.n
        published = worker.published
        try:
            _expand(worker, run, snapshot.version, late=late)
        except (Conflict, StoreUnavailable):
            attempt = attempt + 1 if worker.published == published else 0
            pause(services, attempt)
            continue
        return
    raise StoreUnavailable(
        f"run {message.run_id}: {message.marketplace} could not be expanded; deliver again"
    )


def _expand(worker: _Dispatcher, run: Run, version: Version, *, late: bool) -> None:
    """Expand page after page, then mark the marketplace done."""
    services, message = worker.services, worker.message
    marketplace, run_id = message.marketplace, message.run_id
    while run.cancel_requested_at is None and not late:
        mine = run.dispatch[marketplace]
        page = worker.page_after(run, mine.after)
        if not page:
            break
        count = -(-len(page) // SHARD_SIZE)
        # Neighbours in id order end together more often than not; dealt out, they do not meet on a counter.
        shards = {ids.shard_id(marketplace, mine.n + n): tuple(page[n::count]) for n in range(count)}
        moved = {**run.dispatch, marketplace: Dispatch(n=mine.n + count, after=page[-1])}
        writes: list[Write] = [_move(run_id, moved, version, services.clock.now())]
        for shard, names in shards.items():
            document = Shard(marketplace=marketplace, ids=names, open=len(names), expires_at=run.expires_at)
            writes.append(Create(ids.shard_path(run_id, shard), to_document(document)))
        version = services.store.commit(writes)[0].version or version
        run = msgspec.structs.replace(run, dispatch=moved)
        worker.read_ahead(run, page[-1])
        services.queue.publish(
            [_task(message, shard, name) for shard, names in shards.items() for name in names]
        )
        worker.published = mine.n + count
        if services.clock.monotonic() > worker.ends_at or services.stopping():
            services.queue.publish([message])
            return
    done = {**run.dispatch, marketplace: msgspec.structs.replace(run.dispatch[marketplace], done=True)}
    last = all(dispatch.done for dispatch in done.values())
    update = _move(run_id, done, version, services.clock.now())
    fields = {
        **update.fields,
        **({"error": to_document(LATE)} if late else {}),
        **({"status": RunStatus.RUNNING.value} if last else {}),
    }
    services.store.commit([Update(update.path, fields, version=version)])
    if last:
        close_check(services, run_id)


def _move(run_id: str, dispatch: dict[str, Dispatch], version: Version, now: datetime) -> Update:
    fields = {
        "dispatch": {name: to_document(value) for name, value in dispatch.items()},
        "dispatched_at": now,
    }
    return Update(ids.run_path(run_id), fields, version=version)


def _task(message: Message, shard: str, connection_id: str) -> Message:
    return msgspec.structs.replace(message, kind="task", shard=shard, connection_id=connection_id)


def _publish_again(services: Services, message: Message, run: Run, n: int) -> None:
    """Publish the tasks of the marketplace's last shards: whoever expanded them may have died before."""
    names = [ids.shard_id(message.marketplace, number) for number in range(max(0, n - REPUBLISHED), n)]
    found = services.store.get_many([ids.shard_path(message.run_id, name) for name in names])
    base = msgspec.structs.replace(message, order=run.order, deadline_at=run.deadline_at)
    services.queue.publish(
        [
            _task(base, shard.id, connection_id)
            for shard in found
            if shard is not None
            for connection_id in from_document(Shard, shard.data).ids
        ]
    )


def _page(services: Services, run: Run, marketplace: str, after: str | None) -> list[str]:
    """The next connection ids of a run's selection, in id order."""
    selection = run.selection
    if selection.connection_ids is not None:
        names = selection.connection_ids.get(marketplace, ())
        return [name for name in sorted(names) if after is None or name > after][:PAGE]
    start = (after,) if after is not None else None
    if selection.retry_of is not None:
        where = [Filter("marketplace", "==", marketplace), Filter("status", "in", list(RETRIED))]
        tasks = f"{ids.run_path(selection.retry_of)}/tasks"
        return [task.id for task in services.store.query(Query(tasks, where=where, after=start, limit=PAGE))]
    where = due(marketplace, selection.organization_id)
    return [
        found.id for found in services.store.query(Query("connections", where=where, after=start, limit=PAGE))
    ]


def too_old(message: Message, services: Services) -> bool:
    """Whether a task message is so far past its run's deadline that nothing need be read for it."""
    if message.heal or message.deadline_at is None:
        return False
    grace = timedelta(seconds=services.settings.lease_seconds)
    return services.clock.now() > message.deadline_at + grace
