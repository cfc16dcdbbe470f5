"""Whatever is in the documents: past its deadline and two ticks a run is closed, and its counts add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from orchestrator.model import ids
from orchestrator.model.documents import to_document
from orchestrator.model.messages import Message, decode, encode
from orchestrator.model.run import SHARD_SIZE, Dispatch, Run, RunStatus, Shard, TaskStatus
from orchestrator.ports import Create, Delete, Query, Update, Write
from orchestrator.runs import sweeps
from orchestrator.runs.sweeps import shards_of
from tests.core.test_unreadable import kill_at_work
from tests.support.stores import CountingStore
from tests.support.world import START, World, fill
from tests.system.simulation.memory import MemoryStore

FIRST = ids.tick_run_id(START, "sync")
SHARD = "shopify-000000"


def left_open(world: World) -> str:
    """A tick whose tasks are all lost; returns the run's id."""
    run_id = world.tick().run_id
    world.deliver(world.queue.messages.pop(0))
    world.queue.messages.clear()
    return run_id


def two_ticks_past_the_deadline(world: World, run_id: str) -> Run:
    """The run after the second tick past its deadline, and all messages of it."""
    world.clock.advance((world.run(run_id).deadline_at - world.clock.now()).total_seconds() + 1)
    world.run_once()
    world.clock.advance(900)
    world.run_once()
    return world.run(run_id)


def adds_up(run: Run) -> bool:
    """Whether the total is the sum of the outcomes."""
    tasks = run.tasks
    return run.status.is_final and tasks.total == tasks.succeeded + tasks.failed + tasks.skipped


# A connection planned twice


def planned_twice(world: World) -> list[Message]:
    """One run has `a` in a shard of each marketplace; returns both task messages."""
    world.connect("a")
    world.connect("b", marketplace="takealot")
    for name in ("a", "b"):
        fill(world, "orders", 3, name)
    world.tick()
    first, second = world.queue.messages
    world.queue.messages.clear()
    world.deliver(first)
    world.connect("a", marketplace="takealot")
    world.deliver(second)
    return list(world.queue.messages)


def test_a_connection_moved_to_another_marketplace_within_a_run(world: World) -> None:
    """Planned for both: the task of the former one is skipped as gone, the other syncs, the run closes."""
    tasks = planned_twice(world)
    assert sorted((task.connection_id, task.shard) for task in tasks) == [
        ("a", SHARD),
        ("a", "takealot-000000"),
        ("b", "takealot-000000"),
    ]
    world.drain()

    run = world.run(FIRST)
    assert (run.status, run.tasks.succeeded, run.tasks.skipped) == (RunStatus.SUCCEEDED, 2, 1)
    assert world.task(FIRST, "a").reason == "gone"
    assert len(world.records("a", "orders")) == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("late", [False, True])
def test_planned_twice_in_any_order_and_twice_delivered(
    world: World, order: Sequence[int], *, late: bool
) -> None:
    """Whoever comes first has the usual record; the run closes with three tasks, counted once."""
    tasks = planned_twice(world)
    world.queue.messages.clear()
    world.clock.advance(120 if late else 0)
    for n in (*order, *order):
        world.deliver(tasks[n])
    world.drain()

    run = world.run(FIRST)
    assert (run.status, run.tasks.succeeded, run.tasks.skipped) == (RunStatus.SUCCEEDED, 2, 1)
    assert [shard.open for shard in world.shards(FIRST)] == [0, 0]


@pytest.mark.parametrize("shard", [SHARD, "takealot-000000"])
def test_planned_twice_and_a_worker_dies(world: World, shard: str) -> None:
    """Its lease is no reason to leave the other task open, nor its own."""
    tasks = planned_twice(world)
    world.queue.messages.clear()
    task = next(each for each in tasks if (each.connection_id, each.shard) == ("a", shard))
    if shard == SHARD:
        world.connect("a")
    kill_at_work(world, task)
    for message in tasks:
        if message != task:
            world.deliver(message)
    world.drain()

    run = two_ticks_past_the_deadline(world, FIRST)
    assert adds_up(run)
    assert run.tasks.total == 3
    assert world.state("a").open is None


def test_planned_twice_and_all_is_lost(world: World) -> None:
    """Sweep and cancel close both tasks of the connection."""
    planned_twice(world)
    world.queue.messages.clear()
    run = two_ticks_past_the_deadline(world, FIRST)

    assert (run.status, run.tasks.failed, run.tasks.total) == (RunStatus.FAILED, 3, 3)
    second = world.get(ids.second_task_path(FIRST, "takealot-000000", "a"))
    assert second.data["reason"] == "no_answer"


def test_a_sweep_of_one_of_two_tasks_leaves_the_other_alone(world: World) -> None:
    """One task of the connection has a live holder; the other one's shard is swept."""
    task = next(each for each in planned_twice(world) if each.shard != SHARD and each.connection_id == "a")
    world.queue.messages.clear()
    kill_at_work(world, task)
    before = world.state("a")
    world.deliver(Message(kind="sweep", run_id=FIRST, shard=SHARD))

    assert world.task(FIRST, "a").shard == SHARD
    assert (world.state("a").open, world.state("a").lease) == (before.open, before.lease)


# Edited documents


def lease_without_end(world: World, run_id: str) -> list[Write]:
    """Somebody writes a lease that never ends."""
    state = world.state("a")
    lease = {"owner": "nobody", "fence": 9, "expires_at": START + timedelta(days=30_000)}
    opened = {
        "run_id": run_id,
        "order": world.run(run_id).order,
        "deadline_at": world.run(run_id).deadline_at,
        "shard": SHARD,
        "started_at": START,
    }
    return [Update(ids.state_path("a"), {"seq": state.seq + 1, "lease": lease, "open": opened})]


EDITS: dict[str, Callable[[World, str], list[Write]]] = {
    "a shard counts too many": lambda _, run: [Update(ids.shard_path(run, SHARD), {"open": 5})],
    "a shard names nobody": lambda _, run: [Update(ids.shard_path(run, SHARD), {"ids": []})],
    "a shard names one twice": lambda _, run: [Update(ids.shard_path(run, SHARD), {"ids": ["a", "a", "b"]})],
    "a shard of no known form": lambda world, run: [
        Create(f"runs/{run}/shards/odd", world.get(ids.shard_path(run, SHARD)).data)
    ],
    "a lease without end": lease_without_end,
    "the connections are deleted": lambda _, __: [Delete("connections/a"), Delete("connections/b")],
    "the states are deleted": lambda _, __: [Delete("sync_state/a"), Delete("sync_state/b")],
    "the marketplace is edited": lambda _, __: [Update("connections/a", {"marketplace": "takealot"})],
    "the marketplace is no word": lambda _, __: [Update("connections/a", {"marketplace": 5})],
    "a cancel that nobody carried out": lambda world, run: [
        Update(ids.run_path(run), {"cancel_requested_at": world.clock.now()}),
        *lease_without_end(world, run),
    ],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_document_keeps_no_run_open(
    world: World, edit: Callable[[World, str], list[Write]]
) -> None:
    """Two ticks past the deadline it is closed; a newer run is not held up meanwhile."""
    for name in ("a", "b"):
        world.connect(name)
        fill(world, "orders", 3, name)
    world.run_once()
    world.clock.advance(900)
    run_id = left_open(world)
    world.store.commit(edit(world, run_id))
    run = two_ticks_past_the_deadline(world, run_id)

    assert adds_up(run)


def test_a_shard_that_counts_too_many_is_settled_with_a_reason(world: World) -> None:
    """What no task stands for counts as failed, and the run says why."""
    world.connect("a")
    run_id = left_open(world)
    world.store.commit([Update(ids.shard_path(run_id, SHARD), {"open": 5})])
    run = two_ticks_past_the_deadline(world, run_id)

    assert run.error is not None
    assert run.error.kind == "closed_by_force"
    assert (run.tasks.failed, run.tasks.total) == (5, 5)
    assert world.task(run_id, "a").reason == "no_answer"


def test_a_live_holder_past_the_deadline_is_left_alone_for_a_lease(world: World) -> None:
    """The sweep right after the deadline does not close its task; the one after its lease does."""
    world.connect("a")
    run_id = left_open(world)
    world.store.commit([Create(ids.state_path("a"), {"seq": 1})])
    world.store.commit(lease_without_end(world, run_id))
    sweep = Message(kind="sweep", run_id=run_id, shard=SHARD)
    world.clock.advance(3601)
    world.deliver(sweep)
    assert world.run(run_id).status is RunStatus.RUNNING
    world.clock.advance(600)
    world.deliver(sweep)
    assert world.run(run_id).status is RunStatus.FAILED


def test_ten_runs_that_do_not_close_starve_no_newer_one(world: World) -> None:
    """A lost task of the newest run is found, whatever the older ones wait for."""
    world.connect("a")
    fill(world, "orders", 3, "a")
    for _ in range(12):
        left_open(world)
        world.clock.advance(60)
    world.run_once()
    newest = world.tick(at=world.clock.now() + timedelta(seconds=5)).run_id
    world.queue.messages.clear()
    world.clock.advance(900)
    world.run_once()

    assert world.task(newest, "a").status is TaskStatus.SUCCEEDED


# Late runs


def test_a_dispatch_that_ends_past_the_deadline_has_the_rest_swept(world: World) -> None:
    """One marketplace was expanded in time and its tasks are lost; the last `done` comes late."""
    world.connect("a")
    world.connect("b", marketplace="takealot")
    world.tick()
    first, last = world.queue.messages
    world.queue.messages.clear()
    world.deliver(first)
    world.queue.messages.clear()
    world.clock.advance(3700)
    world.deliver(last)
    assert [message.kind for message in world.queue.messages] == ["sweep"]
    world.drain()

    assert world.run(FIRST).status is RunStatus.FAILED


def test_a_duplicate_that_finds_a_late_run_has_it_swept(world: World) -> None:
    """Whoever set it running may have died before it published the sweeps."""
    world.connect("a")
    world.tick()
    dispatch = world.queue.messages[0]
    world.deliver(dispatch)
    world.queue.messages.clear()
    world.clock.advance(3700)
    world.deliver(dispatch)
    world.drain()

    assert world.run(FIRST).status is RunStatus.FAILED


# Ranges


def test_a_range_of_shards(world: World) -> None:
    """Encoded, decoded and bounded; a message of the last release is about its one shard."""
    ranged = Message(kind="sweep", run_id="r", shard="ebay-000040", last_shard="ebay-000042")
    assert shards_of(decode(encode(ranged))) == ["ebay-000040", "ebay-000041", "ebay-000042"]
    old = b'{"v":"1","kind":"sweep","run_id":"r","shard":"ebay-000040"}'
    assert shards_of(decode(old)) == ["ebay-000040"]
    endless = msgspec.structs.replace(ranged, last_shard="ebay-999999")
    assert len(shards_of(endless)) == sweeps.RANGE
    for odd in ("amazon-000041", "ebay-000001", "ebay", "ebay-x"):
        assert shards_of(msgspec.structs.replace(ranged, last_shard=odd)) == ["ebay-000040"]
    assert not world.queue.messages


def test_a_sweep_that_has_no_time_for_its_range_publishes_the_rest(world: World) -> None:
    """The first shard is always worked on, so the chain of messages ends."""
    for n in range(3):
        world.connect(f"c{n}")
    run_id = FIRST
    many(world.store, run_id, 3 * SHARD_SIZE)
    world.clock.advance(3601)
    clock = world.services.clock
    get_many = world.store.get_many

    def slow(paths: Sequence[str]) -> list[Any]:
        clock.sleep(10)
        return get_many(paths)

    object.__setattr__(world.store, "get_many", slow)
    sweep = Message(kind="sweep", run_id=run_id, shard=SHARD, last_shard="shopify-000002")
    world.deliver(sweep)
    assert [message.shard for message in world.queue.messages] == ["shopify-000001"]
    world.drain()

    assert world.run(run_id).tasks.failed == 3 * SHARD_SIZE


def many(store: Any, run_id: str, connections: int) -> None:
    """A run over so many connections, all shards of which are open."""
    shards = -(-connections // SHARD_SIZE)
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        order=ids.order_key(START, run_id),
        status=RunStatus.RUNNING,
        dispatch={"shopify": Dispatch(n=shards, after="z", done=True)},
        dispatched_at=START,
        deadline_at=START + timedelta(hours=1),
        started_at=START,
        expires_at=START + timedelta(days=30),
    )
    store.commit([Create(ids.run_path(run_id), to_document(run))])
    names = [f"x{n:06d}" for n in range(connections)]
    for n in range(shards):
        planned = tuple(names[n * SHARD_SIZE : (n + 1) * SHARD_SIZE])
        shard = Shard(marketplace="shopify", ids=planned, open=len(planned), expires_at=run.expires_at)
        store.commit([Create(ids.shard_path(run_id, ids.shard_id("shopify", n)), to_document(shard))])


@pytest.mark.long
def test_a_run_over_a_hundred_thousand_connections_ends_within_two_ticks(world: World) -> None:
    """All workers were gone: the first tick past the deadline closes 1,563 shards with few messages."""
    store = MemoryStore()
    counting = CountingStore(store)
    object.__setattr__(world.services, "store", counting)
    many(store, FIRST, 100_000)
    world.clock.advance(3601)
    deliveries = 0
    for _ in range(2):
        world.deliver(Message(kind="heal"))
        deliveries += len(world.queue.messages)
        world.drain()
        world.clock.advance(900)

    run = world.services.store.get(ids.run_path(FIRST))
    assert run is not None
    assert run.data["status"] == "failed"
    assert (run.data["tasks"]["failed"], run.data["tasks"]["total"]) == (100_000, 100_000)
    assert deliveries < 100
    assert not store.query(Query("runs", limit=10))[0].data["error"]


def test_a_pile_of_lost_leases_holds_no_run_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One heal has room for few of them: the runs' round does not wait for the leases' round."""
    monkeypatch.setattr("orchestrator.runs.heal.TASKS", 1)
    world.connect("a")
    for n in range(40):
        lease = {"owner": "gone", "fence": 1, "expires_at": START - timedelta(hours=1)}
        world.store.commit([Create(ids.state_path(f"lost-{n:02d}"), {"seq": "one", "lease": lease})])
    world.run_once()
    world.clock.advance(900)
    run_id = left_open(world)

    assert adds_up(two_ticks_past_the_deadline(world, run_id))
