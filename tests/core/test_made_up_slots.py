"""A slot that no run covered, and a task that served nobody, are made up for by the next tick."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from orchestrator.model import ids
from orchestrator.model.paces import EVERY_TICK, Due, pace_of
from orchestrator.model.run import TaskStatus
from orchestrator.operators import connections, pause
from orchestrator.operators.sellers import changing
from orchestrator.operators.sellers.adding import Secret
from orchestrator.operators.sellers.changing import Changes
from orchestrator.ports import Delete, Query, Update
from orchestrator.runs.cancel import cancel_run
from orchestrator.runs.start import TriggerRequest, start_manual
from tests.core.paced import DAY, connect, covered, document, settled, slots_until
from tests.support.people import ME
from tests.support.world import World


@pytest.mark.parametrize("gap", [3, 40])
def test_a_missed_slot_is_made_up_for(world: World, gap: int) -> None:
    """Nothing ticked over the slot, for an hour or for so long that the paces fit no query."""
    names = [f"c{n}" for n in range(40)]
    for name in names:
        connect(world, name, DAY)
    settled(world)
    begun = world.clock.now()
    made_up = covered(world, slots=gap)
    due = Due(after=begun, until=world.clock.now())

    assert made_up == sorted(name for name in names if due.covers(pace_of(name, document(DAY))))
    assert made_up
    assert covered(world, slots=96) == sorted(names)


def test_a_run_that_was_too_late_is_made_up_for(world: World) -> None:
    """Its dispatch came after the deadline: nobody was planned."""
    connect(world, "daily", DAY)
    settled(world)
    world.clock.advance(900 * slots_until(world, "daily", DAY))
    world.tick()
    world.clock.advance(4500)
    world.drain()

    assert covered(world) == ["daily"]
    assert covered(world) == []


def test_a_cancelled_run_is_made_up_for(world: World) -> None:
    """Somebody cancels it before it is expanded, or before its tasks are claimed."""
    for expanded in (0, 1):
        connect(world, "daily", DAY)
        settled(world)
        world.clock.advance(900 * slots_until(world, "daily", DAY))
        run_id = world.tick().run_id
        for _ in range(expanded):
            world.deliver(world.queue.messages.pop(0))
        cancel_run(world.services, run_id, by=ME)
        world.drain()

        assert covered(world) == ["daily"]
        assert world.tasks(ids.tick_run_id(world.clock.now(), "sync"))[0].status is TaskStatus.SUCCEEDED


def test_a_cancelled_run_after_which_another_ticked_is_made_up_for(world: World) -> None:
    """The next tick has counted on its tasks, one of a connection that no run has met before."""
    connect(world, "served", DAY)
    settled(world)
    connect(world, "daily", DAY)
    world.store.commit([Delete(ids.state_path("served"))])
    world.clock.advance(900 * 96)
    run_id = world.tick().run_id
    world.deliver(world.queue.messages.pop(0))
    tasks, world.queue.messages[:] = list(world.queue.messages), []
    assert sorted(task.connection_id for task in tasks) == ["daily", "served"]
    assert covered(world) == []
    cancel_run(world.services, run_id, by=ME)
    world.drain()

    assert {"daily", "served"} == {*covered(world)}


def test_a_task_that_was_cancelled_at_work_is_repeated(world: World) -> None:
    """Its connection was served before; from the claim on it is wanted until a task has served it again."""
    connect(world, "daily", DAY)
    settled(world)
    run_id = start_manual(world.services, TriggerRequest(), by=ME, idempotency_key=None).run_id

    def cancel(*_: object) -> None:
        if world.state("daily").open is not None:  # it is at work: its first page was looked at before
            world.bazaar.at_call = None
            cancel_run(world.services, run_id, by=ME)
            world.deliver(world.queue.messages.pop())

    world.bazaar.at_call = cancel
    for number in range(12):
        world.bazaar.shop("daily").put("orders", f"o{number}", world.clock.now())
    world.clock.advance(600)
    world.drain()
    assert [task.reason for task in world.tasks(run_id)] == ["cancelled"]

    assert covered(world) == ["daily"]
    assert covered(world) == []


@pytest.mark.parametrize(("finds", "calls"), [(0, 2), (12, 4)])
def test_an_edit_during_a_task_is_served_by_the_next_tick(world: World, finds: int, calls: int) -> None:
    """A task works on the connection as it read it: a look is made again, a claim serves no later edit."""
    connect(world, "daily", DAY)
    settled(world)
    world.store.commit([Update(ids.state_path("daily"), {"wanted": True})])

    def edit(*_: object) -> None:
        if finds == 0 or world.state("daily").open is not None:
            world.bazaar.at_call = None
            changes = Changes({"name": "another name"})
            changing.change(world.services, "daily", by=ME, changes=changes, secret=Secret())

    world.bazaar.at_call = edit
    for number in range(finds):
        world.bazaar.shop("daily").put("orders", f"o{number}", world.clock.now())
    before = len(world.bazaar.calls)
    assert covered(world) == ["daily"]

    assert len(world.bazaar.calls) - before == calls
    assert covered(world) == (["daily"] if finds else [])
    assert covered(world) == []


def between_slices(world: World, act: Callable[[], None]) -> None:
    """A run of connection `daily`; something happens between two slices, when its orders are read."""
    connect(world, "daily", DAY, streams=["orders", "products"])
    settled(world)
    world.store.commit([Update(ids.state_path("daily"), {"wanted": True})])
    for number in range(9):
        world.bazaar.shop("daily").put("products", f"p{number}", world.clock.now())
    world.bazaar.at_call = lambda _, stream, __: world.clock.advance(300 if stream == "products" else 0)
    world.clock.advance(900)
    run_id = world.tick().run_id
    while not any(message.slice for message in world.queue.messages):
        world.deliver(world.queue.messages.pop(0))
    opened = world.state("daily").open
    assert opened is not None
    assert opened.done == ("orders",)
    world.bazaar.at_call = None
    act()
    world.drain()
    assert world.run(run_id).tasks.succeeded == 1


def test_an_edit_between_two_slices_is_served_by_the_next_tick(world: World) -> None:
    """Streams that are read already are read again with the connection as it is now."""
    since = world.clock.now() - timedelta(days=30)

    def edit() -> None:
        changes = Changes({"backfill_since": since})
        done = changing.change(world.services, "daily", by=ME, changes=changes, secret=Secret())
        assert done.from_the_beginning == ["orders"]

    between_slices(world, edit)

    before = len(world.bazaar.calls)
    assert covered(world) == ["daily"]
    assert [window.since for _, stream, window, _ in world.bazaar.calls[before:] if stream == "orders"] == [
        since
    ]
    assert covered(world) == []


def test_a_full_request_between_two_slices_is_served_by_the_next_tick(world: World) -> None:
    """It meets the work of a run, and is kept for the next task."""

    def ask() -> None:
        continuation = world.queue.messages.pop()
        connect(world, "other", DAY, status="active")
        request = TriggerRequest(connection_ids=["daily", "other"], full=True)
        start_manual(world.services, request, by=ME, idempotency_key=None)
        world.drain()
        assert world.state("daily").requested_full
        world.queue.messages.append(continuation)

    between_slices(world, ask)

    assert covered(world) == ["daily"]
    assert not world.state("daily").requested_full
    assert covered(world) == []


def test_a_paused_connection_is_not_looked_for(world: World) -> None:
    """Its state and its document cost no read at each tick."""
    connect(world, "daily", DAY)
    settled(world)
    world.store.commit([Update(ids.state_path("daily"), {"wanted": True})])
    pause.pause(world.services, "daily", by=ME)

    assert not world.state("daily").wanted


def test_a_dispatch_under_way_is_made_up_for_if_it_comes_to_nothing(world: World) -> None:
    """Nobody knows yet how it ends, so the next tick covers its slots too, and not more."""
    connect(world, "daily", DAY)
    settled(world)
    assert covered(world) == []
    last = world.clock.now()
    world.clock.advance(900 * slots_until(world, "daily", DAY))
    world.tick()
    world.queue.messages.clear()

    assert covered(world) == ["daily"]
    due = world.run(ids.tick_run_id(world.clock.now(), "sync")).selection.due
    assert due is not None
    assert due.after == last


def test_a_failed_task_is_repeated_by_each_tick_until_it_works(world: World) -> None:
    """As it is without an interval: a daily connection does not wait for tomorrow."""
    connect(world, "daily", DAY)

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    world.bazaar.at_call = broken
    settled(world)
    assert world.state("daily").wanted
    assert covered(world) == ["daily"]
    world.bazaar.at_call = None

    assert covered(world) == ["daily"]
    assert covered(world) == []


def test_a_task_that_nobody_claimed_is_repeated(world: World) -> None:
    """Its run was expanded and its messages vanished: the deadline closes it, and the next tick covers it."""
    connect(world, "daily", DAY)
    settled(world)
    world.clock.advance(900 * slots_until(world, "daily", DAY))
    world.tick()
    world.deliver(world.queue.messages.pop(0))
    world.queue.messages.clear()
    world.clock.advance(4500)
    world.run_once()

    assert covered(world) == ["daily"]
    assert covered(world) == []


def test_a_run_of_one_stream_is_no_task_of_all(world: World) -> None:
    """What was left over by a failure is still wanted after a run that a person narrowed."""
    connect(world, "daily", DAY)
    settled(world)
    world.store.commit([Update(ids.state_path("daily"), {"wanted": True})])
    start_manual(world.services, TriggerRequest(streams=["orders"]), by=ME, idempotency_key=None)
    world.drain()

    assert covered(world) == ["daily"]


def test_added_set_and_resumed_are_covered_by_the_next_tick(world: World) -> None:
    """Whatever their slot is: the commands say so."""
    connections.add(
        world.services,
        "daily",
        by=ME,
        organization_id="org-1",
        marketplace="shopify",
        name="daily",
        credential="env:NONE",
        settings={},
        streams=["orders"],
        interval_minutes=DAY,
    )
    connect(world, "other", None)
    settled(world)
    assert covered(world) == ["other"]
    changes = Changes({"interval_minutes": DAY})
    changing.change(world.services, "other", by=ME, changes=changes, secret=Secret())
    assert covered(world) == ["other"]
    assert covered(world) == []
    pause.pause(world.services, "daily", by=ME)
    assert covered(world) == []
    pause.resume(world.services, "daily", by=ME)
    assert covered(world) == ["daily"]
    pause.remove(world.services, "daily", by=ME)
    assert covered(world) == []
    changing.change(
        world.services, "other", by=ME, changes=Changes({"interval_minutes": None}), secret=Secret()
    )

    assert [covered(world), covered(world)] == [["other"], ["other"]]
    assert world.store.query(Query("connections", limit=9))[0].data["pace"] == EVERY_TICK
