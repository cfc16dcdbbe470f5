"""Clocks that are off: they cost an extra run or a late record, never a tick or a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestrator.model import ids
from orchestrator.model.run import RunStatus
from orchestrator.ports import DocumentStore
from tests.support.stores import WrappedStore
from tests.support.world import START, FakeClient, World

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
#: The time of the tick in the table below, and of the tick after it.
TICK, NEXT = START, START + 15 * MINUTE


class TellingStore(WrappedStore):
    """A store that tells its own time, which is the true one."""

    def __init__(self, store: DocumentStore) -> None:
        super().__init__(store)
        self.time = START

    def now(self) -> datetime:
        """See DocumentStore."""
        return self.time


def told(world: World, *, at: datetime, ahead: timedelta = timedelta(0)) -> TellingStore:
    """Set the true time, as the store tells it, and how far the process's clock is ahead of it."""
    store = world.services.store
    if not isinstance(store, TellingStore):
        store = TellingStore(store)
        world.services = replace(world.services, store=store)
    store.time = at
    world.clock.advance((at + ahead - world.clock.now()).total_seconds())
    return store


@pytest.mark.parametrize(
    ("schedule_time", "arrives", "ahead", "is_tick"),
    [
        pytest.param(TICK, TICK, timedelta(0), True, id="a tick on time"),
        pytest.param(TICK, TICK + SECOND / 5, timedelta(0), True, id="a tick a moment late"),
        pytest.param(TICK, TICK + 9 * MINUTE, timedelta(0), True, id="a tick retried after minutes"),
        pytest.param(TICK, TICK + 9 * MINUTE, -20 * MINUTE, True, id="retried, this clock behind its time"),
        pytest.param(TICK, TICK + SECOND / 5, -70 * SECOND, True, id="a tick, this clock 70 s behind"),
        pytest.param(TICK, TICK + SECOND / 5, 20 * MINUTE, True, id="a tick, this clock 20 min ahead"),
        pytest.param(None, TICK, timedelta(0), False, id="forced, without a time"),
        pytest.param(NEXT, TICK + MINUTE, timedelta(0), False, id="forced, 14 min before its tick"),
        pytest.param(NEXT, NEXT - 59 * SECOND, timedelta(0), False, id="forced, 59 s before its tick"),
        pytest.param(NEXT, NEXT - SECOND, timedelta(0), False, id="forced, 1 s before its tick"),
        pytest.param(NEXT, NEXT - SECOND, 20 * MINUTE, False, id="forced, this clock ahead of its tick"),
        pytest.param(NEXT, NEXT - 59 * SECOND, -20 * MINUTE, False, id="forced, this clock behind"),
        # The rule's one error: this tick has an id of its own, so a second delivery is an extra run.
        pytest.param(TICK, TICK - SECOND / 100, timedelta(0), False, id="a tick delivered early"),
    ],
)
def test_a_delivery_before_its_schedule_time_is_a_forced_run(
    world: World, schedule_time: datetime | None, arrives: datetime, ahead: timedelta, is_tick: bool
) -> None:
    """Every other delivery is the tick; the store's time decides, whatever this clock says."""
    told(world, at=arrives, ahead=ahead)
    answer = world.start(schedule_time)

    assert answer.run_id.startswith("t-" if is_tick else "f-")
    assert not is_tick or answer.run_id == ids.tick_run_id(schedule_time or START, "sync")


@pytest.mark.parametrize("ahead", [timedelta(0), 20 * MINUTE, -20 * MINUTE, -70 * SECOND])
@pytest.mark.parametrize("before", [SECOND / 100, SECOND, 59 * SECOND, 14 * MINUTE])
def test_a_forced_run_just_before_a_tick_leaves_the_tick_its_run(
    world: World, before: timedelta, ahead: timedelta
) -> None:
    """Whatever the clock of the instance that took the forced run, the tick is not a duplicate."""
    told(world, at=NEXT - before, ahead=ahead)
    forced = world.start(NEXT)
    told(world, at=NEXT)
    real, again = world.start(NEXT), world.start(NEXT)

    assert not real.duplicate
    assert forced.run_id != real.run_id == again.run_id
    assert again.duplicate


def test_a_tick_delivered_early_and_again_is_an_extra_run(world: World) -> None:
    """The scheduler's clock a moment ahead of the store's: the tick has its run, or one more."""
    told(world, at=TICK - SECOND / 100)
    early = world.start(TICK)
    told(world, at=TICK + 10 * SECOND)
    again = world.start(TICK)

    assert not early.duplicate
    assert not again.duplicate


def test_a_tick_delivered_early_is_not_taken_for_a_forced_run_before_it(world: World) -> None:
    """Both carry the same headers within the same minute; each has a run."""
    told(world, at=NEXT - 30 * SECOND)
    forced = world.start(NEXT)
    told(world, at=NEXT - SECOND / 100)
    early = world.start(NEXT)

    assert forced.run_id != early.run_id
    assert not early.duplicate


@pytest.mark.parametrize("tells_date", [False, True])
@pytest.mark.parametrize("ahead", [20 * MINUTE, -20 * MINUTE, timedelta(0)])
def test_a_worker_s_clock_costs_no_record(world: World, ahead: timedelta, tells_date: bool) -> None:
    """A worker 20 minutes off lists while orders change: the next ticks, by right clocks, have them all."""
    world.connect("a")

    def call(client: FakeClient, _stream: str, _token: str | None) -> None:
        client.server_time = store.time.replace(microsecond=0) if tells_date else None

    world.bazaar.at_call = call
    shop = world.bazaar.shop("a")
    shop.put("orders", "before", START - 30 * MINUTE)
    store = told(world, at=START, ahead=ahead)
    world.start(START)
    world.drain()
    since = world.state("a").streams["orders"].cursor.since
    shop.put("orders", "meanwhile", START + MINUTE)
    shop.put("orders", "later", START + 12 * MINUTE)
    for n in (2, 3, 4):
        told(world, at=START + n * 15 * MINUTE)
        started = world.start(START + n * 15 * MINUTE)
        world.drain()
        assert world.run(started.run_id).status is RunStatus.SUCCEEDED

    assert since == START + min(ahead, timedelta(0)) - 2 * MINUTE
    assert set(world.records("a", "orders")) == {"before", "meanwhile", "later"}


def test_the_earliest_of_three_clocks_ends_a_window(world: World) -> None:
    """Own clock, the store's time and the marketplace's `Date`: each may be the earliest."""
    world.connect("a")
    for own, there, date in [(0, 1, 2), (1, 0, 2), (2, 1, 0)]:
        base = START + timedelta(days=1 + own * 3 + date)

        def call(
            client: FakeClient, _stream: str, _token: str | None, date: datetime = base + date * MINUTE
        ) -> None:
            client.server_time = date

        world.bazaar.at_call = call
        told(world, at=base + there * MINUTE, ahead=(own - there) * MINUTE)
        world.start(None)
        world.drain()

        assert world.state("a").streams["orders"].cursor.since == base - 2 * MINUTE
