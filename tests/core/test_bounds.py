"""Limits: retries, memory, and the time that one connection may keep others waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.attempts import TRIES
from orchestrator.errors import StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.messages import Message
from orchestrator.model.run import RunStatus
from orchestrator.ports import Query, Snapshot, Update, Write, Written
from orchestrator.runs import close, dispatch
from orchestrator.runs.cancel import cancel_run
from tests.support.people import ME
from tests.support.stores import WrappedStore
from tests.support.world import World


class Moving(WrappedStore):
    """A store on which somebody else moves the run just before each of our commits to it, now and then."""

    def __init__(self, world: World, *, always: bool = False) -> None:
        super().__init__(world.store)
        self._always = always
        self.conflicts = 0
        self._turn = False

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit, every other time behind somebody's back."""
        moved = [write for write in writes if write.path.startswith("runs/") and write.path.count("/") == 1]
        self._turn = not self._turn
        if moved and isinstance(moved[0], Update) and (self._turn or self._always):
            snapshot = self.get(moved[0].path)
            assert snapshot is not None
            super().commit([Update(snapshot.path, {"dispatched_at": snapshot.data["dispatched_at"]})])
            self.conflicts += 1
        return super().commit(writes)


def use(world: World, **fields: Any) -> None:
    """Replace fields of the world's services."""
    for name, value in fields.items():
        object.__setattr__(world.services, name, value)


def test_conflicts_over_many_pages_do_not_end_a_dispatch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each conflict is another marketplace's progress: there may be as many as that has pages."""
    monkeypatch.setattr(dispatch, "PAGE", 1)
    for n in range(80):
        world.connect(f"c{n:02d}")
    answer = world.tick()
    moving = Moving(world)
    use(world, store=moving)
    world.deliver(world.queue.messages.pop(0))

    assert moving.conflicts > TRIES
    assert world.run(answer.run_id).status is RunStatus.RUNNING
    assert len({message.connection_id for message in world.queue.messages}) == 80


def test_a_dispatch_that_cannot_move_ends(world: World) -> None:
    """Conflicts without an end are given back to the queue after a bounded number of tries."""
    world.connect("a")
    world.tick()
    moving = Moving(world, always=True)
    use(world, store=moving)
    with pytest.raises(StoreUnavailable):
        world.deliver(world.queue.messages.pop(0))

    assert moving.conflicts == TRIES
    assert all(pause <= 0.4 for pause in world.clock.slept)


def test_a_cancel_that_always_conflicts_ends(world: World) -> None:
    """The caller is told to ask again, after a bounded number of tries."""
    world.connect("a")
    answer = world.tick()
    moving = Moving(world, always=True)
    use(world, store=moving)
    with pytest.raises(StoreUnavailable, match="ask again"):
        cancel_run(world.services, answer.run_id, by=ME)

    assert moving.conflicts == TRIES


class Watching(WrappedStore):
    """A store and queue that note in which order shards are read and their messages published."""

    def __init__(self, world: World) -> None:
        super().__init__(world.store)
        self._queue = world.queue
        self.events: list[str] = []

    def query(self, query: Query) -> list[Snapshot]:
        """Note how many shards are read."""
        found = super().query(query)
        if query.collection.endswith("/shards") and found:
            self.events.append(f"read {len(found)}")
        return found

    def publish(self, messages: Sequence[Message], **options: Any) -> None:
        """Note how many messages are published."""
        self.events.append(f"publish {len(messages)}")
        self._queue.publish(messages, **options)


def test_a_cancel_holds_one_page_of_shards(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many shards a run has, they are read and their messages published page by page."""
    monkeypatch.setattr(close, "PAGE", 2)
    monkeypatch.setattr(dispatch, "SHARD_SIZE", 1)
    for name in "abcde":
        world.connect(name)
    answer = world.tick()
    world.deliver(world.queue.messages.pop(0))
    watching = Watching(world)
    use(world, store=watching, queue=watching)
    cancelled = cancel_run(world.services, answer.run_id, by=ME)

    assert cancelled.tasks == 5
    assert watching.events == ["read 2", "publish 2", "read 2", "publish 2", "read 1", "publish 1"]
    assert world.store.count(f"{ids.run_path(answer.run_id)}/shards") == 5
