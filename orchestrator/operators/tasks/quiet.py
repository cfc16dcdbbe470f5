"""A run's tasks in which nothing happened: they have no record, and are told by their shards.

One document read tells of up to 64 of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from orchestrator.model import ids
from orchestrator.model.counts import Cost
from orchestrator.model.documents import read_all, to_document
from orchestrator.model.run import RECORDED, Shard, Task, TaskStatus
from orchestrator.ports import DocumentStore, Filter, Query, Snapshot

#: The reason that views tell; no record has it.
UNCHANGED = "unchanged"
#: Shards that are looked into for one page, at most, and read at a time.
MOST_SHARDS, _SHARDS = 12, 4
#: The place before the first shard: that of a page token is never empty.
_BEGIN = " "


def quiet_page(
    store: DocumentStore, run_path: str, marketplace: str | None, place: str | None, limit: int
) -> tuple[list[Snapshot], str | None, list[str]]:
    """Tasks without a record, by shard and connection id, in the form of records.

    Args:
        store: The documents.
        run_path: The run.
        marketplace: Only this marketplace's tasks.
        place: From the page before; None begins.
        limit: At most this many; 0 only tells whether there are any.

    Returns:
        The tasks; the place of the next page, None if there is none; and the faults of unreadable shards. A
        page that ends after `MOST_SHARDS` shards may be shorter than the limit.
    """
    found: list[Snapshot] = []
    faults: list[str] = []
    shard, _, after = (place or "").partition(" ")
    for looked, snapshot in enumerate(_shards(store, run_path, marketplace, shard), 1):
        readable, unread = read_all(Shard, [snapshot])
        faults += unread
        for _, each in readable:
            begin = after if snapshot.id == shard else ""
            found += [task for task in _quiet(run_path, snapshot.id, each) if task.id > begin]
        if found and not limit:
            # The page is full of records: the next one begins where this one would have.
            return [], place or _BEGIN, faults
        if len(found) > limit:
            last = found[limit - 1]
            return found[:limit], f"{last.data['shard']} {last.id}", faults
        if looked == MOST_SHARDS:
            # Behind every connection of the shard.
            return found, f"{snapshot.id} \U0010ffff", faults
    return found, None, faults


def _shards(store: DocumentStore, run_path: str, marketplace: str | None, begin: str) -> Iterator[Snapshot]:
    """The run's shards in id order, from this one on."""
    first = store.get(f"{run_path}/shards/{begin}") if begin else None
    if first is not None:
        yield first
    where = [] if marketplace is None else [Filter("marketplace", "==", marketplace)]
    after = (begin,) if begin else None
    while page := store.query(Query(f"{run_path}/shards", where=where, after=after, limit=_SHARDS)):
        yield from page
        if len(page) < _SHARDS:
            return
        after = (page[-1].id,)


def _quiet(run_path: str, shard_id: str, shard: Shard) -> Iterator[Snapshot]:
    """The tasks of a shard that have no record, by connection id."""
    run_id = run_path.rpartition("/")[2]
    for connection_id in sorted(shard.ids):
        ended = shard.final.get(ids.final_key(connection_id), 0)
        if ended > RECORDED:
            task = Task(
                run_id=run_id,
                shard=shard_id,
                connection_id=connection_id,
                marketplace=shard.marketplace,
                status=TaskStatus.SUCCEEDED,
                reason=UNCHANGED,
                attempts=1,
                slices=1,
                cost=Cost(),
                finished_at=datetime.fromtimestamp(ended, UTC),
                expires_at=shard.expires_at,
            )
            data: dict[str, Any] = to_document(task)
            yield Snapshot(ids.task_path(run_id, connection_id), data, None)
