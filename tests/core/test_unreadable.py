"""One document that cannot be read stops no other connection and no other run."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from orchestrator.model import ids
from orchestrator.model.documents import from_document, readable
from orchestrator.model.healing import HEALING_PATH
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, RunStatus, TaskStatus
from orchestrator.model.state import SyncState
from orchestrator.ports import Create, Put, Query, Update
from tests.support.stores import Killed
from tests.support.world import START, World, fill

FIRST = ids.tick_run_id(START, "sync")
#: A wrong type, a missing part, and a word of a later release.
UNREADABLE: dict[str, dict[str, Any]] = {
    "a wrong type": {"consecutive_failures": "many"},
    "a part is missing": {"open": {"run_id": FIRST}},
    "a word of a later release": {"health": "recovering"},
    "the lease is text": {"lease": "mine"},
}


def edit(world: World, path: str, fields: dict[str, Any]) -> None:
    """Somebody edits a document."""
    world.store.commit([Update(path, fields)])


@pytest.fixture
def three(world: World) -> World:
    """Three connections with three orders each, which a run has synced."""
    for name in ("a", "b", "c"):
        world.connect(name)
        fill(world, "orders", 3, name)
    world.run_once()
    world.clock.advance(900)
    return world


@pytest.mark.parametrize("fields", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_state_fails_its_own_task_alone(three: World, fields: dict[str, Any]) -> None:
    """The others sync, the run closes at once, and the task says what to do."""
    edit(three, ids.state_path("a"), fields)
    run_id, run = three.run_once()

    assert (run.status, run.tasks.failed, run.tasks.succeeded) == (RunStatus.PARTIAL, 1, 2)
    task = three.task(run_id, "a")
    assert (task.status, task.reason) == (TaskStatus.FAILED, "state_invalid")
    assert task.error is not None
    assert "sync_state/a" in task.error.message
    assert "docs/operating.md" in task.error.action


@pytest.mark.parametrize("fields", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_state_with_a_lost_lease_stops_no_tick(three: World, fields: dict[str, Any]) -> None:
    """Heal reads it among the lost leases: it is named in the log, and everything else is healed."""
    for name in ("a", "b"):
        state = three.state(name)
        three.tick()
        three.deliver(three.queue.messages.pop(0))
        lost = next(message for message in three.queue.messages if message.connection_id == name)
        three.queue.messages.clear()
        kill_at_work(three, lost)
        assert three.state(name).seq > state.seq
        three.clock.advance(1)
    edit(three, ids.state_path("a"), {**fields, "lease": three.get(ids.state_path("a")).data["lease"]})
    if "lease" in fields:
        edit(three, ids.state_path("a"), {"health": "odd"})
    three.clock.advance(4000)
    _, run = three.run_once()
    three.clock.advance(900)
    three.run_once()

    assert run.tasks.succeeded == 2
    assert three.state("b").open is None
    assert all_closed(three)


def kill_at_work(world: World, task: Message) -> None:
    """The worker of a task is killed at its first call."""

    def die(*_: Any) -> None:
        raise Killed

    world.bazaar.at_call = die
    with pytest.raises(Killed):
        # After a first delivery that was lost: a worker that only looks holds nothing.
        world.deliver(msgspec.structs.replace(task, redelivered=True))
    world.bazaar.at_call = None


def all_closed(world: World) -> bool:
    """Whether every run is over, and counts what it planned."""
    runs = [from_document(Run, found.data) for found in world.store.query(Query("runs", limit=500))]
    return all(
        run.status.is_final and run.tasks.total == run.tasks.succeeded + run.tasks.failed + run.tasks.skipped
        for run in runs
    )


def test_a_state_that_becomes_unreadable_at_work(three: World) -> None:
    """The holder's next commit is refused, the redelivery closes the task, and a repair is honoured."""
    three.bazaar.shop("a").put("orders", "new", three.clock.now() - timedelta(minutes=5))
    before: dict[str, Any] = {}

    def spoil(client: Any, stream: str, token: str | None) -> None:
        if client.connection_id == "a":
            three.bazaar.at_call = None
            before.update(three.get(ids.state_path("a")).data)
            edit(three, ids.state_path("a"), {"health": "odd"})

    three.bazaar.at_call = spoil
    run_id = three.tick().run_id
    while three.queue.messages:
        message = three.queue.messages.pop(0)
        try:
            three.deliver(message)
        except Exception:  # noqa: BLE001 - whatever it is, it is delivered again
            three.queue.messages.append(message)
    assert three.run(run_id).status is RunStatus.PARTIAL
    assert three.task(run_id, "a").reason == "state_invalid"

    edit(three, ids.state_path("a"), {"health": before["health"]})
    three.clock.advance(900)
    three.run_once()
    three.clock.advance(900)
    three.run_once()

    assert set(three.records("a", "orders")) == {"r0", "r1", "r2", "new"}
    assert all_closed(three)


def test_an_unreadable_state_is_swept_and_cancelled(three: World) -> None:
    """Its messages are lost: the sweep past the deadline closes its task, and so does a cancel."""
    edit(three, ids.state_path("a"), {"health": "odd"})
    swept = three.tick().run_id
    three.deliver(three.queue.messages.pop(0))
    three.queue.messages.clear()
    three.deliver(Message(kind="sweep", run_id=swept, shard="shopify-000000"))
    assert three.run(swept).status is RunStatus.FAILED
    assert three.task(swept, "a").reason == "state_invalid"

    three.clock.advance(900)
    cancelled = three.tick().run_id
    three.deliver(three.queue.messages.pop(0))
    three.queue.messages.clear()
    edit(three, ids.run_path(cancelled), {"cancel_requested_at": three.clock.now()})
    three.deliver(Message(kind="cancel", run_id=cancelled, shard="shopify-000000"))
    assert three.run(cancelled).status is RunStatus.CANCELLED
    assert three.task(cancelled, "a").reason == "cancelled"


def test_an_unreadable_run_stops_no_other(three: World) -> None:
    """Heal walks past it; its own messages end; after a repair it is closed like any other."""
    spoilt = three.tick().run_id
    edit(three, ids.run_path(spoilt), {"trigger": 5})
    lost = three.tick(at=three.clock.now() + timedelta(seconds=1)).run_id
    messages = list(three.queue.messages)
    three.queue.messages.clear()
    for message in messages:
        if message.run_id == spoilt:
            three.deliver(message)
    three.clock.advance(4500)
    three.run_once()
    assert three.run(lost).status.is_final

    edit(three, ids.run_path(spoilt), {"trigger": "scheduler"})
    three.clock.advance(900)
    three.run_once()
    assert three.run(spoilt).status.is_final


def test_an_unreadable_shard_ends_with_its_run(three: World) -> None:
    """What it planned is closed past the deadline, and the counts add up."""
    run_id = three.tick().run_id
    three.deliver(three.queue.messages.pop(0))
    three.queue.messages.clear()
    edit(three, ids.shard_path(run_id, "shopify-000000"), {"tasks": {"succeeded": "all"}, "cost": 7})
    for _ in range(6):
        three.clock.advance(900)
        three.run_once()

    run = three.run(run_id)
    assert (run.status, run.tasks.total, run.tasks.failed) == (RunStatus.FAILED, 3, 3)
    assert all_closed(three)


def test_an_unreadable_record_of_the_last_heal_stops_no_heal(three: World) -> None:
    """It is written anew."""
    lost = three.tick().run_id
    three.queue.messages.clear()
    three.store.commit([Put(HEALING_PATH, {"at": "yesterday", "run": 5})])
    three.clock.advance(900)
    three.run_once()

    assert three.run(lost).status.is_final


def test_more_unreadable_states_than_a_heal_reads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come first among the lost leases, and do not hide the one behind them."""
    monkeypatch.setattr("orchestrator.runs.heal.TASKS", 3)
    world.connect("z")
    fill(world, "orders", 3, "z")
    world.tick()
    world.deliver(world.queue.messages.pop(0))
    kill_at_work(world, world.queue.messages.pop())
    for n in range(7):
        lease = {"owner": "gone", "fence": 1, "expires_at": START - timedelta(hours=1)}
        world.store.commit([Create(ids.state_path(f"odd-{n}"), {"seq": "one", "lease": lease})])
    for _ in range(3):
        world.clock.advance(900)
        world.deliver(Message(kind="heal"))
        world.drain()

    assert world.task(FIRST, "z").status is TaskStatus.SUCCEEDED
    assert world.run(FIRST).status is RunStatus.SUCCEEDED


def test_readable_names_what_it_leaves_out(three: World, caplog: pytest.LogCaptureFixture) -> None:
    """The list goes on without it, and the log has its path and the field."""
    edit(three, ids.state_path("b"), {"seq": "one"})
    found = three.store.get_many([ids.state_path(name) for name in ("a", "b", "none", "c")])
    with caplog.at_level(logging.ERROR):
        read = [snapshot.id for snapshot, _ in readable(SyncState, found)]

    assert read == ["a", "c"]
    (record,) = caplog.records
    assert "sync_state/b" in record.getMessage()
    assert "$.seq" in record.getMessage()
