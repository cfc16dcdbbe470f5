"""Backlogs die down: the healer does not multiply the messages that wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.model import ids
from orchestrator.model.documents import to_document
from orchestrator.model.healing import HEALING_PATH, Healing, Walk
from orchestrator.model.messages import Message
from orchestrator.model.run import RunStatus
from orchestrator.model.state import Lease, Open, SyncState
from orchestrator.ports import Create, Query, Snapshot
from tests.support.stores import CountingStore, Killed
from tests.support.world import START, World, fill

TICKS = 96
#: Deliveries for each message that waited when the workers came back.
MOST = 4


def a_day_without_workers(world: World) -> int:
    """A day of ticks that nobody works on; returns how many messages wait afterwards."""
    for _ in range(TICKS):
        world.tick()
        world.clock.advance(900)
    return len(world.queue.messages)


def lost_leases(world: World, count: int) -> None:
    """Connections whose workers were killed in the first run, all at once."""
    first = ids.tick_run_id(START, "sync")
    for n in range(count):
        name = f"lost-{n:03d}"
        world.connect(name)
        opened = Open(
            run_id=first,
            order=ids.order_key(START, first),
            deadline_at=START + timedelta(hours=1),
            shard=ids.shard_id("shopify", 0),
            started_at=START,
        )
        lease = Lease(owner=f"killed-{n}", fence=1, expires_at=START + timedelta(seconds=600))
        state = SyncState(seq=1, lease=lease, open=opened)
        world.store.commit([Create(ids.state_path(name), to_document(state))])


def drained(world: World, queued: int, *, seconds: float) -> int:
    """Deliver until nothing waits, each delivery taking so long; returns how many there were."""
    count = 0
    while world.queue.messages:
        count += 1
        assert count <= MOST * queued, f"{count} deliveries, and {len(world.queue.messages)} still wait"
        world.deliver(world.queue.messages.pop(0))
        world.clock.advance(seconds)
    return count


def runs(world: World) -> Sequence[Snapshot]:
    """All runs."""
    return world.store.query(Query("runs", limit=500))


@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("lost", [0, 80, 250])
def test_a_day_of_queued_ticks_comes_to_rest(tmp_path: Path, lost: int, seconds: float) -> None:
    """At most four deliveries for each message that waited, however slow the workers, and every run ends."""
    world = World(tmp_path)
    for name, marketplace in (("a", "shopify"), ("b", "takealot")):
        world.connect(name, marketplace=marketplace)
        fill(world, "orders", 3, name)
    lost_leases(world, lost)
    queued = a_day_without_workers(world)
    assert queued == 2 * TICKS

    assert drained(world, queued + lost, seconds=seconds) <= MOST * (queued + lost)
    for _ in range(2):
        world.clock.advance(900)
        world.run_once()
    assert all(RunStatus(run.data["status"]).is_final for run in runs(world))
    assert all(world.state(f"lost-{n:03d}").open is None for n in range(lost))


def test_the_dispatches_of_one_minute_heal_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty runs are dispatched, and one of three lost runs is healed; a minute later the next one is."""
    world = World(tmp_path)
    world.connect("a")
    monkeypatch.setattr("orchestrator.runs.heal.RUNS", 1)
    for n in range(3):
        world.tick(at=START - timedelta(seconds=n))
    world.queue.messages.clear()
    world.clock.advance(900)
    for n in range(20):
        world.tick(at=world.clock.now() - timedelta(seconds=n))
    dispatches = list(world.queue.messages)
    world.queue.messages.clear()
    for dispatch in dispatches:
        world.deliver(dispatch)
    healed = [message for message in world.queue.messages if message.heal]

    assert [message.run_id for message in healed] == [ids.tick_run_id(START - timedelta(seconds=2), "sync")]
    world.clock.advance(60)
    world.deliver(Message(kind="heal"))
    assert world.queue.messages[-1].run_id == ids.tick_run_id(START - timedelta(seconds=1), "sync")


def test_a_healed_dispatch_heals_nothing(tmp_path: Path) -> None:
    """What a heal publishes never begins another one, however long after."""
    world = World(tmp_path)
    world.connect("a")
    for _ in range(3):
        world.tick()
        world.clock.advance(900)
    dispatch = world.queue.messages.pop(0)
    world.deliver(dispatch)
    healed = [message for message in world.queue.messages if message.heal]
    world.queue.messages.clear()
    assert healed
    world.clock.advance(3600)
    for message in healed:
        world.deliver(message)

    assert [message for message in world.queue.messages if message.heal] == []


def test_a_closed_run_s_dispatch_heals_nothing(tmp_path: Path) -> None:
    """A late duplicate finds its run over: nothing is read for others, and nothing published."""
    world = World(tmp_path)
    world.connect("a")
    world.tick()
    dispatch = world.queue.messages[0]
    world.drain()
    world.tick(at=START - timedelta(seconds=1))
    world.queue.messages.clear()
    world.clock.advance(900)
    world.deliver(dispatch)

    assert world.queue.messages == []


def test_more_open_runs_than_a_heal_looks_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is walked on from where the last heal stopped: the newest run is healed in its turn."""
    world = World(tmp_path)
    world.connect("a")
    monkeypatch.setattr("orchestrator.runs.heal.RUNS", 3)
    for n in range(10):
        world.tick(at=START - timedelta(seconds=n))
    world.queue.messages.clear()
    healed: set[str] = set()
    for _ in range(4):
        world.clock.advance(900)
        world.deliver(Message(kind="heal"))
        healed |= {message.run_id for message in world.queue.messages}
        world.queue.messages.clear()

    assert len(healed) == 10


def test_the_round_through_open_runs_does_not_wait_for_the_lost_leases(world: World) -> None:
    """Their round takes many heals; a run whose dispatch is lost is healed all the same."""
    world.connect("a")
    run_id = world.tick().run_id
    world.queue.messages.clear()
    ended, going_on = Walk(began_at=START, ended=True), Walk(began_at=START, after=(START, "a"))
    record = Healing(at=START, run="before", done=True, runs=ended, leases=going_on)
    world.store.commit([Create(HEALING_PATH, to_document(record))])
    world.clock.advance(900)
    world.deliver(Message(kind="heal"))

    assert run_id in {message.run_id for message in world.queue.messages}


def test_a_tick_s_heal_costs_a_read_and_two_writes(tmp_path: Path) -> None:
    """With nothing to heal: the record of the last heal, two queries as before, and the record twice.

    The fleet's line takes three counts and a query.
    """
    world = World(tmp_path)
    counting = CountingStore(world.store)
    object.__setattr__(world.services, "store", counting)
    world.deliver(Message(kind="heal"))
    counting.reads = counting.writes = 0
    world.clock.advance(900)
    world.deliver(Message(kind="heal"))
    assert (counting.reads, counting.writes) == (1 + 2 + 4, 2)

    world.deliver(Message(kind="heal"))  # within the minute
    assert (counting.reads, counting.writes) == (3 + 4 + 1, 2)


def test_a_healer_that_died_heals_when_its_message_comes_again(tmp_path: Path) -> None:
    """Its record says that it has not published; another run's message leaves it to that one."""
    world = World(tmp_path)
    world.connect("a")
    world.tick()
    world.queue.messages.clear()
    world.clock.advance(900)
    publish = world.queue.publish

    def die(*_: object, **__: object) -> None:
        raise Killed

    object.__setattr__(world.queue, "publish", die)
    with pytest.raises(Killed):
        world.deliver(Message(kind="heal", run_id="one"))
    object.__setattr__(world.queue, "publish", publish)
    world.deliver(Message(kind="heal", run_id="another"))
    assert world.queue.messages == []
    world.deliver(Message(kind="heal", run_id="one"))
    assert len(world.queue.messages) == 1


@pytest.mark.parametrize("ahead", [timedelta(minutes=40), timedelta(minutes=50)])
def test_a_record_of_a_clock_that_was_ahead(tmp_path: Path, ahead: timedelta) -> None:
    """It holds the next heals back for three quarters of an hour at most."""
    world = World(tmp_path)
    world.connect("a")
    world.tick()
    world.queue.messages.clear()
    walk = Walk(began_at=START + ahead, ended=True)
    record = Healing(at=START + ahead, run="x", done=True, runs=walk, leases=walk)
    world.store.commit([Create(HEALING_PATH, to_document(record))])
    world.clock.advance(300)
    world.deliver(Message(kind="heal"))

    assert bool(world.queue.messages) is (ahead > timedelta(minutes=45))
