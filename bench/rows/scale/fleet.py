"""A fleet of connections without orders, which read nothing but cost their tasks, on either store."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench.engine import Engine, connected
from bench.figures import Spent, Stopwatch
from bench.simulated import connector
from orchestrator import handle
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, RunStatus
from orchestrator.ports import DocumentStore, Filter, Query, TaskQueue
from orchestrator.runs.dispatch import PAGE
from orchestrator.runs.start import start_tick

_DUE = (Filter("marketplace", "==", "shopify"), Filter("status", "==", "active"))
#: Documents of one commit.
_COMMIT = 400
#: Each run has its own minute, so that none counts as another delivery of an earlier one.
_MINUTES = itertools.count(1)


class Published:
    """Passes messages on to a queue and keeps those of the dispatch, since nobody delivers."""

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self.tasks = 0
        self.others: deque[Message] = deque()

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Publish, then count."""
        self._queue.publish(messages, not_before=not_before)
        self.tasks += sum(message.kind == "task" for message in messages)
        self.others.extend(message for message in messages if message.kind != "task")

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """See TaskQueue."""
        self._queue.bury(body, reason=reason, attributes=attributes)


def fill(store: DocumentStore, connections: int) -> None:
    """Add active connections to an account that has nothing."""
    for start in range(0, connections, _COMMIT):
        numbers = range(start, min(start + _COMMIT, connections))
        store.commit([connected(f"c{number:07d}", streams=["orders"]) for number in numbers])


@contextmanager
def engine(store: DocumentStore) -> Iterator[Engine]:
    """An engine whose marketplace has no orders."""
    with closing(Engine(store, {"shopify": connector(0)})) as made:
        yield made


def dispatched(made: Engine, queue: TaskQueue, connections: int) -> Spent:
    """The time from a started run to its expansion into published tasks."""
    published = Published(queue)
    services = replace(made.services, queue=published)
    moment = datetime.now(UTC) - timedelta(days=1) + timedelta(minutes=next(_MINUTES))
    started = start_tick(services, job="bench", schedule_time=moment, requested_by="bench")
    with Stopwatch() as watch:
        while published.others:
            message = published.others.popleft()
            if message.kind == "dispatch":
                handle.handle(services, message)
    snapshot = made.store.get(ids.run_path(started.run_id))
    run = from_document(Run, snapshot.data) if snapshot is not None else None
    if run is None or run.status is not RunStatus.RUNNING or published.tasks != connections:
        raise RuntimeError(f"{published.tasks} of {connections} connections were dispatched: {run}")
    return watch.spent


def read_and_published(store: DocumentStore, queue: TaskQueue, connections: int) -> Spent:
    """The time to read all connections and to publish a message for each, page by page, and no more."""
    now, tasks, after = datetime.now(UTC), 0, None
    with Stopwatch() as watch:
        while found := store.query(Query("connections", where=_DUE, after=after, limit=PAGE)):
            queue.publish(
                [
                    Message(
                        kind="task",
                        run_id="20260101T000000Z-bench-0000",
                        order="0",
                        marketplace="shopify",
                        shard="shopify-0000",
                        connection_id=snapshot.id,
                        deadline_at=now,
                    )
                    for snapshot in found
                ]
            )
            tasks += len(found)
            after = (found[-1].id,)
    if tasks != connections:
        raise RuntimeError(f"{tasks} of {connections} connections were read")
    return watch.spent
