"""Consumers are told of changed records: by every task that changed some, at least once, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cloudevents.http import from_json

from orchestrator.model.messages import Message
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.operators import pause
from orchestrator.ports import Update, Write, Written
from orchestrator.runs.cancel import cancel_run
from orchestrator.runs.heal import heal
from tests.support.people import ME
from tests.support.stores import CountingStore, Killed
from tests.support.world import START, World, fill

CHANGED = "marketplace-sync.connection.changed.v1"
PURGED = "marketplace-sync.connection.purged.v1"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A connection with five orders, whose changes are told."""
    world = World(tmp_path, tells=True)
    world.connect("a")
    fill(world, "orders", 5)
    return world


def at_records(world: World, act: Callable[[], None], *, connection_id: str = "a") -> None:
    """Something happens after each commit that stores records of a connection."""
    commit = world.store.commit

    def committing(writes: Sequence[Write]) -> list[Written]:
        written = commit(writes)
        if any(write.path.startswith(f"connections/{connection_id}/orders/") for write in writes):
            act()
        return written

    world.store.commit = committing  # type: ignore[method-assign] # so that a test can look


def die_once(world: World, connection_id: str = "a") -> None:
    """The worker is killed after its first commit of records."""
    commit = world.store.commit

    def die() -> NoReturn:
        world.store.commit = commit  # type: ignore[method-assign] # the next worker lives
        raise Killed

    at_records(world, die, connection_id=connection_id)


def interrupted(world: World) -> tuple[str, Message]:
    """A run whose only task was killed after its first page of three records; its message is kept."""
    die_once(world)
    started = world.tick()
    while world.queue.messages[0].kind != "task":
        world.deliver(world.queue.messages.pop(0))
    task = world.queue.messages.pop(0)
    with pytest.raises(Killed):
        world.deliver(task)
    assert len(world.records("a", "orders")) == 3
    return started.run_id, task


def next_run(world: World, *, after_s: float = 900) -> str:
    """The next tick with all its work."""
    world.clock.advance(after_s)
    return world.run_once()[0]


def state_after(world: World, heals: int = 1) -> Any:
    """The state once heals, and what they publish, are done."""
    for _ in range(heals):
        world.clock.advance(1000)
        heal(world.services, "")
        world.drain()
    return world.state("a")


def test_a_task_tells_its_changes_in_one_event(world: World) -> None:
    """The event is a CloudEvent, and it names everything that a consumer reads by."""
    run_id, _ = world.run_once()

    (event,) = world.feed.events
    (data,) = world.feed.changed()
    read = from_json(event.encoded())
    assert (read["specversion"], read["type"], read["subject"]) == ("1.0", CHANGED, "connections/a")
    assert read["source"] == "/marketplace-sync"
    assert read["datacontenttype"] == "application/json"
    assert read.data == {
        "connection_id": "a",
        "organization_id": "org-1",
        "marketplace": "shopify",
        "run_id": run_id,
        "streams": {
            "orders": {"written": 5, "deleted": 0, "since": START.isoformat().replace("+00:00", "Z")}
        },
    }
    assert data.streams["orders"].since == START
    assert world.state("a").untold is None
    assert world.state("a").lease.expires_at is None


def test_a_task_without_a_change_tells_nothing(world: World) -> None:
    """An idle run, and a record that is rejected, are no changes."""
    world.run_once()
    world.bazaar.shop("a").put("orders", "bad", START + timedelta(minutes=5), broken=True)

    run_id = next_run(world)
    next_run(world)

    assert world.task(run_id, "a").streams["orders"].rejected == 1
    assert world.feed.calls == 1


def test_a_vanished_record_is_told_as_deleted(tmp_path: Path) -> None:
    """Deletions are changes too, also of a task that writes nothing else."""
    world = World(tmp_path, tells=True)
    world.connect("a", streams=["products"])
    fill(world, "products", 4)
    world.run_once()
    del world.bazaar.shop("a").rows["products"]["r1"]

    next_run(world, after_s=26 * 3600)

    assert world.feed.counted() == [{"products": (4, 0)}, {"products": (0, 1)}]
    assert world.feed.changed()[1].streams["products"].since == world.clock.now()


def test_slices_are_told_together_from_the_earliest_write_on(world: World) -> None:
    """Pages of several slices, one of them killed: one event, with the first slice's moment."""
    fill(world, "orders", 15)
    moments: list[datetime] = []

    def act() -> None:
        moments.append(world.clock.now())
        if len(moments) == 2:
            raise Killed

    at_records(world, act)
    world.bazaar.at_call = lambda *_: world.clock.advance(300)
    world.tick()
    pending = world.queue.messages
    while pending:
        message = pending.pop(0)
        try:
            world.deliver(message)
        except Killed:
            pending.insert(0, message)

    (data,) = world.feed.changed()
    assert world.tasks(data.run_id)[0].slices > 1
    assert world.feed.counted() == [{"orders": (15, 0)}]
    assert data.streams["orders"].since == moments[0] < moments[-1]


def test_a_killed_worker_repeats_its_event(world: World) -> None:
    """It told, and was killed before it closed the task: the redelivery tells the same once more."""
    commit = world.store.commit
    killed: list[bool] = []

    def dying(writes: Sequence[Write]) -> list[Written]:
        if world.feed.events and not killed:
            killed.append(True)
            raise Killed
        return commit(writes)

    world.store.commit = dying  # type: ignore[method-assign] # this worker dies
    world.tick()
    for _ in range(20):
        if not world.queue.messages:
            break
        message = world.queue.messages.pop(0)
        try:
            world.deliver(message)
        except Killed:
            world.queue.messages.insert(0, message)

    assert killed
    assert world.feed.counted() == [{"orders": (5, 0)}] * 2
    assert len({event.id for event in world.feed.events}) == 1


def test_a_takeover_tells_the_changes_of_the_older_run(world: World) -> None:
    """The next run finds the dead worker's lease over; its own task changes the rest."""
    first, _ = interrupted(world)

    world.clock.advance(900)
    second = world.tick().run_id
    while world.queue.messages:
        message = world.queue.messages.pop(0)
        if message.run_id == second:  # a heal's message for the first run comes too late
            world.deliver(message)

    assert world.task(first, "a").reason == "worker_lost"
    assert [data.run_id for data in world.feed.changed()] == [first, second]
    assert world.feed.counted() == [{"orders": (3, 0)}, {"orders": (2, 0)}]


def test_a_sweep_tells_the_changes_of_the_task_that_it_closes(world: World) -> None:
    """No worker comes back, and the run's deadline passes."""
    first, _ = interrupted(world)

    world.clock.advance(3600 + 700)
    heal(world.services, "")
    world.queue.messages = [message for message in world.queue.messages if message.kind == "sweep"]
    world.drain()

    assert world.task(first, "a").reason == "no_answer"
    assert world.run(first).status is RunStatus.FAILED
    assert world.feed.counted() == [{"orders": (3, 0)}]
    assert world.state("a").untold is None


def test_a_cancellation_tells_the_changes_of_the_task_that_it_closes(world: World) -> None:
    """The task is between two slices."""
    world.bazaar.at_call = lambda *_: world.clock.advance(300)
    fill(world, "orders", 9)
    started = world.tick()
    while world.queue.messages[0].slice == 0:
        world.deliver(world.queue.messages.pop(0))
    world.queue.messages.clear()

    cancel_run(world.services, started.run_id, by=ME)
    world.drain()

    assert world.task(started.run_id, "a").reason == "cancelled"
    assert world.run(started.run_id).status is RunStatus.CANCELLED
    assert [counts["orders"] for counts in world.feed.counted()] == [(len(world.records("a", "orders")), 0)]


def test_a_failing_topic_stops_no_sync_and_is_made_up_for(world: World) -> None:
    """The runs close, every connection is synced, and the next task tells the changes of both runs."""
    world.connect("b")
    fill(world, "orders", 2, "b")
    world.feed.is_away = True

    first, run = world.run_once()
    world.bazaar.shop("a").put("orders", "new", START + timedelta(minutes=5))
    second = next_run(world)

    assert run.status is world.run(second).status is RunStatus.SUCCEEDED
    assert (len(world.records("a", "orders")), len(world.records("b", "orders"))) == (6, 2)
    assert {task.status for task in world.tasks(first)} == {TaskStatus.SUCCEEDED}
    assert world.feed.events == []

    world.feed.is_away = False
    next_run(world)

    told = {data.connection_id: data for data in world.feed.changed()}
    assert len(world.feed.events) == 2
    assert told["a"].run_id == second
    assert told["a"].streams["orders"].written == 6
    assert told["a"].streams["orders"].since == told["b"].streams["orders"].since == START
    assert world.state("a").untold is world.state("b").untold is None


def test_a_defect_of_the_feed_stops_no_sync_either(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is told by its place, without its text, and the changes are kept."""
    world.feed.error = ValueError("private")

    _, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert world.state("a").untold is not None
    assert "defect: ValueError at feeds.py" in caplog.text
    assert "private" not in caplog.text


def test_a_heal_tells_what_no_task_can(world: World) -> None:
    """The connection is paused, so no task of it comes; heals try until the topic takes the event."""
    world.feed.is_away = True
    world.run_once()
    pause.pause(world.services, "a", by=ME)

    assert state_after(world).untold is not None
    calls = world.feed.calls
    world.feed.is_away = False
    state = state_after(world)

    assert calls == 2
    assert world.feed.counted() == [{"orders": (5, 0)}]
    assert (state.untold, state.lease.expires_at) == (None, None)
    assert state_after(world, heals=3).seq == state.seq
    assert world.feed.calls == 3


def test_a_skipped_task_tells_too(world: World) -> None:
    """The credentials are refused, so ticks skip the connection; its changes are told all the same."""
    world.feed.is_away = True
    world.run_once()
    world.feed.is_away = False
    state = world.get("sync_state/a")
    fields = {"refused_at": world.clock.now(), "refusals": 1, "seq": state.data["seq"] + 1}
    world.store.commit([Update(state.path, fields, version=state.version)])

    run_id = next_run(world, after_s=300)

    assert world.task(run_id, "a").reason == "needs_attention"
    assert world.feed.counted() == [{"orders": (5, 0)}]
    assert world.state("a").untold is None


def test_a_sweep_asks_a_failing_topic_once(world: World) -> None:
    """Many tasks of a failing topic do not hold up the sweep that closes them."""
    world.connect("b")
    fill(world, "orders", 5, "b")
    started = world.tick()
    while world.queue.messages[0].kind != "task":
        world.deliver(world.queue.messages.pop(0))
    for message in list(world.queue.messages):
        die_once(world, message.connection_id)
        with pytest.raises(Killed):
            world.deliver(message)
    world.queue.messages.clear()
    world.feed.is_away = True

    world.clock.advance(3600 + 700)
    heal(world.services, "")
    world.queue.messages = [message for message in world.queue.messages if message.kind == "sweep"]
    world.drain()

    assert world.run(started.run_id).status is RunStatus.FAILED
    assert world.feed.calls == 1
    world.feed.is_away = False
    state_after(world)
    assert world.feed.counted() == [{"orders": (3, 0)}] * 2


def test_without_a_topic_nothing_is_counted(tmp_path: Path) -> None:
    """No document holds changes; a debt of a time with a topic is dropped."""
    world = World(tmp_path)
    world.connect("a")
    fill(world, "orders", 5)
    interrupted(world)

    assert world.state("a").open is not None
    assert world.state("a").owed is None


def test_without_a_topic_a_debt_is_dropped(world: World) -> None:
    """The setting was removed: nobody is to be told any more."""
    world.feed.is_away = True
    world.run_once()
    world.services = replace(world.services, changes=None)

    next_run(world)

    assert world.state("a").untold is None


def test_telling_costs_no_document(tmp_path: Path) -> None:
    """A run with changes and an idle one read and write as many documents as without a topic."""
    costs = {}
    for tells in (False, True):
        (tmp_path / str(tells)).mkdir()
        world = World(tmp_path / str(tells), tells=tells)
        world.connect("a", streams=["orders", "products"])
        for stream in ("orders", "products"):
            fill(world, stream, 8)
        counting = CountingStore(world.store)
        world.store = counting
        world.services = replace(world.services, store=counting)
        world.run_once()
        first = (counting.reads, counting.writes)
        next_run(world)
        costs[tells] = (first, (counting.reads, counting.writes))
        assert world.feed.calls == tells

    assert costs[True] == costs[False]
