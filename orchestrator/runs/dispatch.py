"""Dispatch: one marketplace's due connections become shards and task messages, page by page.

The protocol's Dispatch event: the tasks of a page are published after its commit and before the next
page or `done`, so only the last page is ever in doubt, with any number of dispatchers.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.counts import ErrorInfo
from orchestrator.model.documents import read_or_none, readable, to_document
from orchestrator.model.messages import Message
from orchestrator.model.run import SHARD_SIZE, Dispatch, Run, RunStatus, Shard
from orchestrator.ports import Create, Update, Version, Write
from orchestrator.runs.close import close_check
from orchestrator.runs.heal import heal
from orchestrator.runs.selection import Page, give_paces, page_of
from orchestrator.runs.sweeps import sweep_late
from orchestrator.services import Services

PAGE = 1000
#: A page has at most this many shards: the last expanded page is among them.
REPUBLISHED = -(-PAGE // SHARD_SIZE)

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
    #: The marketplace's `n` up to which this invocation has published.
    published: int = 0
    #: The page being read ahead, by the id it starts after.
    ahead: tuple[str | None, Future[Page]] | None = field(default=None)

    def page_after(self, run: Run, after: str | None) -> Page:
        if self.ahead is not None and self.ahead[0] == after:
            return self.ahead[1].result()
        return page_of(self.services, run.selection, self.message.marketplace, after, PAGE)

    def read_ahead(self, run: Run, after: str | None) -> None:
        services, marketplace = self.services, self.message.marketplace
        page = services.executor.submit(page_of, services, run.selection, marketplace, after, PAGE)
        self.ahead = (after, page)


def dispatch(services: Services, message: Message) -> None:
    """Expand one marketplace of a run; safe to repeat, and by several workers at once.

    Raises:
        StoreUnavailable: Deliver the message again.
        QueueUnavailable: Deliver the message again.
    """
    worker = _Dispatcher(services, message, services.clock.monotonic() + services.settings.slice_seconds)
    failure = f"run {message.run_id}: {message.marketplace} could not be expanded; deliver again"
    attempts = Attempts(services, failure)
    healed = False
    while True:
        snapshot = services.store.get(ids.run_path(message.run_id))
        if snapshot is None:
            return
        run = read_or_none(Run, snapshot)
        if run is None:
            return  # a heal publishes it again after a repair
        if run.status is not RunStatus.DISPATCHING:
            _found_expanded(services, message.run_id, run)
            return
        if not healed and not message.heal and message.marketplace == min(run.dispatch, default=None):
            heal(services, message.run_id)
            healed = True
        mine = run.dispatch.get(message.marketplace)
        if mine is None or mine.done:
            return
        late = services.clock.now() > run.deadline_at
        if mine.n > worker.published and run.cancel_requested_at is None and not late:
            _publish_again(services, message, run, mine.n)
            worker.published = mine.n
        published = worker.published
        with suppress(Conflict, StoreUnavailable):
            _expand(worker, run, snapshot.version, late=late)
            return
        if worker.published != published:
            # Each conflict is another marketplace's progress; a long run may well have many of them.
            attempts.restart()
        attempts.again()


def _expand(worker: _Dispatcher, run: Run, version: Version, *, late: bool) -> None:
    """Expand page after page, then mark the marketplace done."""
    services, message = worker.services, worker.message
    marketplace, run_id = message.marketplace, message.run_id
    while run.cancel_requested_at is None and not late:
        mine = run.dispatch[marketplace]
        page = worker.page_after(run, mine.after)
        if not page.names:
            break
        count = -(-len(page.names) // SHARD_SIZE)
        # Neighbours in id order tend to end together; in different shards they do not meet on a counter.
        shards = {ids.shard_id(marketplace, mine.n + n): tuple(page.names[n::count]) for n in range(count)}
        moved = {**run.dispatch, marketplace: Dispatch(n=mine.n + count, after=page.end or page.names[-1])}
        fields = _moved(moved, services.clock.now())
        writes: list[Write] = [Update(ids.run_path(run_id), fields, version=version)]
        for shard, names in shards.items():
            document = Shard(marketplace=marketplace, ids=names, open=len(names), expires_at=run.expires_at)
            writes.append(Create(ids.shard_path(run_id, shard), to_document(document)))
        version = services.store.commit(writes)[0].version or version
        run = msgspec.structs.replace(run, dispatch=moved)
        if page.end is not None:
            worker.read_ahead(run, page.end)
        services.queue.publish(
            [_task(message, shard, name) for shard, names in shards.items() for name in names]
        )
        worker.published = mine.n + count
        give_paces(services, page)
        if page.end is None:
            break
        if services.clock.monotonic() > worker.ends_at or services.stopping():
            services.queue.publish([message])
            return
    done = {**run.dispatch, marketplace: msgspec.structs.replace(run.dispatch[marketplace], done=True)}
    last = all(dispatch.done for dispatch in done.values())
    fields = _moved(done, services.clock.now())
    if late:
        fields["error"] = to_document(LATE)
    if last:
        fields["status"] = RunStatus.RUNNING.value
    services.store.commit([Update(ids.run_path(run_id), fields, version=version)])
    if last:
        sweep_late(services, run_id, run)
        close_check(services, run_id)


def _found_expanded(services: Services, run_id: str, run: Run) -> None:
    """The worker that set it `running` may have died before it looked."""
    if run.status is RunStatus.RUNNING:
        sweep_late(services, run_id, run)
        close_check(services, run_id)


def _moved(dispatch: dict[str, Dispatch], now: datetime) -> dict[str, object]:
    return {
        "dispatch": {name: to_document(value) for name, value in dispatch.items()},
        "dispatched_at": now,
    }


def _task(message: Message, shard: str, connection_id: str) -> Message:
    return msgspec.structs.replace(message, kind="task", shard=shard, connection_id=connection_id, heal=False)


def _publish_again(services: Services, message: Message, run: Run, n: int) -> None:
    """Publish the tasks of the marketplace's last shards: the worker that expanded them may have died."""
    names = [ids.shard_id(message.marketplace, number) for number in range(max(0, n - REPUBLISHED), n)]
    found = services.store.get_many([ids.shard_path(message.run_id, name) for name in names])
    base = msgspec.structs.replace(message, order=run.order, deadline_at=run.deadline_at)
    services.queue.publish(
        [
            _task(base, snapshot.id, connection_id)
            for snapshot, shard in readable(Shard, found)
            for connection_id in shard.ids
        ]
    )


def too_old(message: Message, services: Services) -> bool:
    """Whether a task message is too far past its run's deadline to read anything for it."""
    if message.heal or message.deadline_at is None:
        return False
    grace = timedelta(seconds=services.settings.lease_seconds)
    return services.clock.now() > message.deadline_at + grace
