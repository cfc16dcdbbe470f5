"""Redeliveries that watch a holder, and messages that outlive their documents."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.errors import StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.messages import Kind
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.model.state import Lease
from orchestrator.ports import Delete, DocumentStore, Put, Snapshot, Update, Write, Written
from orchestrator.tasks import ending
from tests.core.test_crashes import make
from tests.core.test_failure_histories import FIRST, die_at, dispatched
from tests.support.stores import Killed
from tests.support.world import START


def test_who_else_writes_the_state_is_no_sign_of_life(tmp_path: Path) -> None:
    """A person asks for a full run while a dead holder is watched: the redelivery takes over all the same."""
    world = make(tmp_path)
    die_at(world, "3")
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    with pytest.raises(Killed):
        world.deliver(task)

    def ask() -> None:
        if not world.state("a").requested_full:
            state = world.get("sync_state/a")
            fields = {"seq": state.data["seq"] + 1, "requested_full": True}
            world.store.commit([Update(state.path, fields, version=state.version)])

    world.clock.meanwhile = ask
    world.deliver(task)

    assert world.task(FIRST, "a").status is TaskStatus.SUCCEEDED


def test_whoever_watched_a_finish_repeats_the_close_check(tmp_path: Path) -> None:
    """The watched holder finishes as the last of its run and dies: the redelivery closes the run."""
    world = make(tmp_path)
    die_at(world, "3")
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    world.queue.messages.remove(task)
    world.drain()
    with pytest.raises(Killed):
        world.deliver(task)

    def finish() -> None:
        world.clock.meanwhile = None
        snapshot = world.get("sync_state/a")
        final = ending.Ending(TaskStatus.SUCCEEDED).task(
            world.services, "a", run_id=FIRST, shard=task.shard, opened=world.state("a").open
        )
        closed = ending.closed_state(world.state("a"), FIRST, task.order, task.shard)
        door = ending.write_state(snapshot.path, closed, snapshot)
        world.store.commit([door, *ending.closing_writes(final)])

    world.clock.meanwhile = finish
    world.deliver(task)

    assert world.run(FIRST).status is RunStatus.SUCCEEDED


def test_whoever_watched_a_hand_over_goes_on(tmp_path: Path) -> None:
    """The watched holder hands over and dies before it publishes: the redelivery does the rest."""
    world = make(tmp_path)
    die_at(world, "3")
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    with pytest.raises(Killed):
        world.deliver(task)

    def hand_over() -> None:
        world.clock.meanwhile = None
        state = world.get("sync_state/a")
        fields = {"seq": state.data["seq"] + 1, "lease": {**state.data["lease"], "owner": None}}
        world.store.commit([Update(state.path, fields, version=state.version)])

    world.clock.meanwhile = hand_over
    world.deliver(task)

    assert world.task(FIRST, "a").status is TaskStatus.SUCCEEDED


def test_a_task_that_is_closed_late_outlives_its_messages(tmp_path: Path) -> None:
    """After an outage longer than records are kept, the second message still finds the task's record."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    dispatched(world)
    world.queue.messages.clear()
    world.clock.advance(40 * 86_400)
    world.tick()
    world.drain()

    for task in world.tasks(FIRST):
        assert task.expires_at - task.finished_at == timedelta(days=30)
    assert world.run(FIRST).status.is_final


@pytest.mark.parametrize("kind", ["sweep", "cancel", "task"])
def test_a_message_older_than_a_task_s_record(tmp_path: Path, kind: Kind) -> None:
    """The record's time is over, the run's and its shard's not yet: nothing is closed, or counted, again."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    task = dispatched(world)[0]
    world.drain()
    world.clock.advance(900)
    world.run_once()
    world.store.commit([Delete(ids.task_path(FIRST, task.connection_id))])
    run, shard = world.run(FIRST), world.shards(FIRST)[0]
    world.clock.advance(31 * 86_400)
    world.deliver(msgspec.structs.replace(task, kind=kind, heal=True))

    assert world.store.get(ids.task_path(FIRST, task.connection_id)) is None
    assert (world.run(FIRST), world.shards(FIRST)[0]) == (run, shard)


def test_a_watcher_that_is_told_to_stop_hands_its_message_back_at_once(tmp_path: Path) -> None:
    """SIGTERM arrives while it watches a holder: a second later the message is handed back."""
    world = make(tmp_path)
    die_at(world, "3")
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    with pytest.raises(Killed):
        world.deliver(task)
    told: list[bool] = []
    object.__setattr__(world.services, "stopping", lambda: bool(told))
    world.clock.meanwhile = lambda: told.append(True)
    world.clock.slept.clear()
    with pytest.raises(StoreUnavailable, match="has to end"):
        world.deliver(task)

    assert world.clock.slept == [1.0]


def test_a_waiting_message_that_is_told_to_stop_is_handed_back_at_once(tmp_path: Path) -> None:
    """SIGTERM arrives while it sleeps the rest of a short wait: a second later it is handed back."""
    world = make(tmp_path)
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    wait = {"fence": 1, "not_before": world.clock.now() + timedelta(seconds=50)}
    world.store.commit([Put("sync_state/a", {"seq": 1, "lease": wait})])
    told: list[bool] = []
    object.__setattr__(world.services, "stopping", lambda: bool(told))
    world.clock.meanwhile = lambda: told.append(True)
    world.clock.slept.clear()
    with pytest.raises(StoreUnavailable, match="has to end"):
        world.deliver(task)

    assert world.clock.slept == [1.0]


def test_a_holder_that_lost_its_connection_to_a_worker_that_failed_has_its_message_redelivered(
    tmp_path: Path,
) -> None:
    """Another worker took it over and released it again: nobody else has a message of the task."""
    world = make(tmp_path)
    task = next(message for message in dispatched(world) if message.connection_id == "a")

    def take_over_and_fail(*_: object) -> None:
        world.bazaar.at_call = None
        state = world.get("sync_state/a")
        lease = {**state.data["lease"], "owner": None, "fence": state.data["lease"]["fence"] + 1}
        fields = {"seq": state.data["seq"] + 1, "lease": lease}
        world.store.commit([Update(state.path, fields, version=state.version)])

    world.bazaar.at_call = take_over_and_fail
    with pytest.raises(StoreUnavailable, match="released it; deliver again"):
        world.deliver(task)
    world.deliver(task)
    world.drain()

    assert world.task(FIRST, "a").status is TaskStatus.SUCCEEDED


def test_a_holder_whose_task_was_closed_by_a_worker_that_died_repeats_the_close_check(tmp_path: Path) -> None:
    """A later run closed the last task of this one as it took the connection over, and then died."""
    world = make(tmp_path)
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    world.queue.messages.remove(task)
    world.drain()

    def take_over_and_die(*_: object) -> None:
        world.bazaar.at_call = None
        snapshot = world.get("sync_state/a")
        lost = ending.Ending(TaskStatus.FAILED).task(
            world.services, "a", run_id=FIRST, shard=task.shard, opened=world.state("a").open
        )
        closed = ending.closed_state(world.state("a"), FIRST, task.order, task.shard)
        later = msgspec.structs.replace(closed, lease=Lease(owner="another", fence=closed.lease.fence + 1))
        door = ending.write_state(snapshot.path, later, snapshot)
        world.store.commit([door, *ending.closing_writes(lost)])

    world.bazaar.at_call = take_over_and_die
    world.deliver(task)

    assert world.run(FIRST).status is RunStatus.PARTIAL


def test_a_claim_whose_close_check_fails_is_decided_on_again(tmp_path: Path) -> None:
    """It closed the last task of an older run; the store was away just then, and nobody else checks it."""
    world = make(tmp_path)
    die_at(world, "3")
    messages = dispatched(world)
    for message in messages:
        with suppress(Killed):
            world.deliver(message)
    world.queue.messages.clear()
    world.clock.advance(900)
    second = world.tick(at=START + timedelta(minutes=15)).run_id
    while world.queue.messages[0].kind == "dispatch":
        world.deliver(world.queue.messages.pop(0))
    found = (each for each in world.queue.messages if (each.run_id, each.connection_id) == (second, "a"))
    store = Away(world.store)
    world.services = replace(world.services, store=store)
    world.clock.slept.clear()
    world.deliver(next(found))

    assert store.was_away
    assert sum(world.clock.slept) < 1
    assert world.task(second, "a").status is TaskStatus.SUCCEEDED
    assert world.task(FIRST, "a").reason == "worker_lost"
    assert world.run(FIRST).status.is_final


class Away:
    """A store that does not answer the read after a task of the first run was closed."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self.was_away = self._is_next = False

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit; the next read fails."""
        written = self._store.commit(writes)
        self._is_next = any(write.path == ids.task_path(FIRST, "a") for write in writes)
        return written

    def get(self, path: str) -> Snapshot | None:
        """Read, or not."""
        if self._is_next:
            self._is_next, self.was_away = False, True
            raise StoreUnavailable("away")
        return self._store.get(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
