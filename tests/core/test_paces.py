"""Each connection at its own pace: due in its slots, made up for, and never lost on the way there."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from orchestrator.model import ids
from orchestrator.model.paces import EVERY_TICK, INTERVALS, Due, next_at, pace_of
from orchestrator.model.run import Selection
from orchestrator.ports import Create, Update
from orchestrator.runs import dispatch, selection
from orchestrator.runs.due import MOST_VALUES
from orchestrator.runs.start import TriggerRequest, start_manual
from tests.core.paced import DAY, SLOT, connect, covered, document, settled, slots_until
from tests.support.clocks import START
from tests.support.people import ME
from tests.support.world import World


@pytest.mark.parametrize("every", [300, 900, 1800, 3600])
def test_a_pace_is_due_once_in_each_interval(every: int) -> None:
    """Whatever the time between two ticks, if it divides the interval: none is left out, none comes twice."""
    ticks = [START + timedelta(seconds=every * n + 7) for n in range(2 * 86_400 // every + 1)]
    for minutes in INTERVALS:
        if minutes * 60 < every:
            continue
        pace = pace_of("a-shop", document(minutes))
        spans = pairwise(ticks)
        times = [until for after, until in spans if Due(after=after, until=until).covers(pace)]
        assert len(times) == 2 * DAY // minutes
        assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=minutes)}


def test_the_paces_of_a_tick_are_those_that_are_due() -> None:
    """The list that is queried is the same function: at usual ticks it fits one `in`."""
    spans = [Due(after=START - timedelta(hours=hours), until=START) for hours in (0.25, 1, 7, 24, 24 * 40)]
    every = {pace_of(f"c{n}", document(minutes)) for n in range(500) for minutes in (None, *INTERVALS)}
    for due in spans:
        assert {pace for pace in every if due.covers(pace)} == every & set(due.paces())

    assert [len(due.paces()) <= MOST_VALUES for due in spans] == [True, True, False, False, False]
    assert [due.is_everything for due in spans] == [False, False, False, True, True]


def test_daily_connections_are_spread_over_the_day() -> None:
    """Not all at midnight."""
    slots = Counter(pace_of(f"shop-{n}", document(DAY)) for n in range(9_600))

    assert len(slots) == DAY // 15
    assert max(slots.values()) < 150


@pytest.mark.parametrize("minutes", [None, 0, 45, "60", True, 15.0, 10**12])
def test_a_malformed_interval_is_every_tick(minutes: object) -> None:
    """People write documents; what no command writes takes part in each tick, which tells its fault."""
    assert pace_of("a", document(minutes)) == EVERY_TICK


def test_the_next_slot(world: World) -> None:
    """It is the one that the next covering tick begins with."""
    for minutes in INTERVALS:
        pace = pace_of("a", document(minutes))
        at = next_at(pace, START)
        assert at is not None
        assert START < at <= START + timedelta(minutes=minutes)
        assert Due(after=at - timedelta(seconds=1), until=at).covers(pace)
    assert next_at(EVERY_TICK, START) is None


def test_an_idle_day_of_a_daily_connection_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its slots no document of it is read or written, and its state says when it is late."""
    connect(world, "daily", DAY)
    connect(world, "often", None)
    settled(world)
    away = slots_until(world, "daily", DAY)
    seen: list[str] = []
    store = world.services.store
    query, get_many, get, commit = store.query, store.get_many, store.get, store.commit

    def note(found: list[Any]) -> list[Any]:
        seen.extend(each.path for each in found if each is not None and "daily" in each.path)
        return found

    monkeypatch.setattr(store, "query", lambda asked: note(query(asked)))
    monkeypatch.setattr(store, "get_many", lambda paths: note(get_many(paths)))
    monkeypatch.setattr(store, "get", lambda path: (note([found := get(path)]), found)[1])
    monkeypatch.setattr(store, "commit", lambda writes: (note(list(writes)), commit(writes))[1])
    ticks = [covered(world) for _ in range(away - 1)]

    assert (seen, ticks) == ([], [["often"]] * (away - 1))
    assert covered(world) == ["daily", "often"]
    late_at, since_at = world.state("daily").late_at, world.state("daily").since_at
    assert isinstance(late_at, datetime)
    assert since_at is not None
    assert late_at - since_at == timedelta(days=3, minutes=2)


def test_without_an_own_interval_nothing_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of an installation without intervals is what it was, and its connections stay as they are.

    One count more tells it, for which a dispatch no longer reads behind a page that is not full.
    """
    world.connect("a")
    settled(world)
    world.clock.advance(900)
    asked: list[str] = []
    store = world.services.store
    query, count = store.query, store.count

    def noted(name: str, answer: Any) -> Any:
        asked.append(name)
        return answer

    monkeypatch.setattr(store, "query", lambda it: noted(it.collection, query(it)))
    monkeypatch.setattr(store, "count", lambda *it: noted(f"count {it[0]}", count(*it)))
    _, run = world.run_once()

    assert run.selection.due is None
    assert (asked.count("connections"), asked.count("count connections")) == (1, 3)
    assert "pace" not in world.get(ids.connection_path("a")).data


def test_connections_of_an_earlier_release_are_not_lost(world: World) -> None:
    """No query by pace finds a document without one: such a marketplace is read whole, and gets its paces.

    So it is before the first query by pace, and again after a return to the release before, which knows none.
    """
    world.connect("old")
    connect(world, "daily", DAY)
    settled(world)
    assert world.get(ids.connection_path("old")).data["pace"] == EVERY_TICK
    world.connect("added-by-the-release-before")
    world.connect("by-hand", interval_minutes=DAY)

    assert covered(world) == ["added-by-the-release-before", "by-hand", "old"]
    assert world.get(ids.connection_path("by-hand")).data["pace"] == pace_of("by-hand", document(DAY))
    assert covered(world) == ["added-by-the-release-before", "old"]


def test_a_tick_of_the_release_before_is_followed_by_one_of_everything(world: World) -> None:
    """It knows nobody who is wanted."""
    connect(world, "daily", DAY)
    settled(world)
    assert covered(world) == []
    last = ids.tick_run_id(world.clock.now(), "sync")
    world.store.commit([Update(ids.run_path(last), {"selection": {}})])

    assert covered(world) == ["daily"]
    assert covered(world) == []


def test_a_stale_pace_is_put_right(world: World) -> None:
    """Somebody has edited the interval alone: it is noticed in the slot of the former pace."""
    connect(world, "a", 30)
    settled(world)
    world.store.commit([Update(ids.connection_path("a"), document(DAY))])
    found = [covered(world), covered(world)]

    assert sorted(found) == [[], ["a"]]
    assert world.get(ids.connection_path("a")).data["pace"] == pace_of("a", document(DAY))


def test_people_get_what_they_name_whatever_the_pace(world: World) -> None:
    """Forced ticks and manual runs."""
    connect(world, "daily", DAY)
    settled(world)
    forced = world.start(None)
    assert forced.tasks == 1
    world.drain()
    for request in (TriggerRequest(), TriggerRequest(connection_ids=["daily"])):
        started = start_manual(world.services, request, by=ME, idempotency_key=None)
        assert started.tasks == 1
        world.drain()
    assert covered(world) == []


def test_the_estimate_counts_the_due_ones(world: World) -> None:
    """The answer to a tick says how many connections it covers, by count alone."""
    for n in range(7):
        connect(world, f"c{n}", DAY)
    connect(world, "often", None)
    settled(world)
    world.clock.advance(900)
    started = world.tick()
    world.drain()

    assert started.tasks == len(world.tasks(started.run_id)) == world.run(started.run_id).tasks.total


@pytest.mark.parametrize("page", [1, 2, 3])
def test_pages_cover_each_once(world: World, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """Pages end anywhere in the list of those that are due, of those that are wanted, and of both."""
    monkeypatch.setattr(dispatch, "PAGE", page)
    monkeypatch.setattr(dispatch, "SHARD_SIZE", 1)
    monkeypatch.setattr(dispatch, "REPUBLISHED", page)
    for n in range(9):
        connect(world, f"c{n}", None if n % 3 == 0 else DAY)
    settled(world)
    for n in (4, 5, 6, 8):
        world.store.commit([Update(ids.state_path(f"c{n}"), {"wanted": True})])
    connect(world, "c8", DAY, status="paused")
    world.clock.advance(900)
    run_id, _ = world.run_once()
    due = world.run(run_id).selection.due
    assert due is not None
    named = [name for shard in world.shards(run_id) for name in shard.ids]

    expected = {"c0", "c3", "c6", "c4", "c5"} | {
        f"c{n}" for n in range(8) if n % 3 and due.covers(pace_of(f"c{n}", document(DAY)))
    }
    assert sorted(named) == sorted(expected)


def test_a_connection_behind_a_pages_end_keeps_its_wrong_pace_until_it_is_covered(world: World) -> None:
    """A page is full before it: with the right pace, the next page would not find it due at this tick."""
    due = Due(after=START - SLOT, until=START, wanted=("shopify",))
    for n in range(6):
        connect(world, f"c{n}", DAY if n > 2 else None)
        assert n < 3 or not due.covers(pace_of(f"c{n}", document(DAY)))
    world.store.commit([Update("connections/c4", {"pace": EVERY_TICK})])
    for name in ("c3", "c5"):
        world.store.commit(
            [Create(ids.state_path(name), {"seq": 1, "marketplace": "shopify", "wanted": True})]
        )
    pages, after = list[list[str]](), None
    while not pages or after is not None:
        page = selection.page_of(world.services, Selection(due=due), "shopify", after, 4)
        selection.give_paces(world.services, page)
        pages.append(page.names)
        after = page.end

    assert pages == [["c0", "c1", "c2", "c3"], ["c4", "c5"]]
    assert world.get("connections/c4").data["pace"] == pace_of("c4", document(DAY))


def test_a_redelivered_dispatch_sees_the_same_list(world: World) -> None:
    """The span is the run's: an hour later, and after paces were filled in, the same connections are due."""
    names = [f"c{n}" for n in range(30)]
    for name in names:
        connect(world, name, 60)
    settled(world)
    world.clock.advance(900)
    run_id = world.tick().run_id
    due = world.run(run_id).selection.due
    world.clock.advance(3000)
    world.drain()
    assert due is not None

    planned = sorted(name for shard in world.shards(run_id) for name in shard.ids)
    assert planned == [name for name in sorted(names) if due.covers(pace_of(name, document(60)))]


def test_slots_are_of_utc() -> None:
    """A daily slot is the same moment of each day."""
    pace = pace_of("a", document(DAY))
    first = next_at(pace, datetime(2026, 3, 28, tzinfo=UTC))
    assert first is not None

    assert next_at(pace, first) == first + timedelta(days=1)
    assert (first - datetime(1970, 1, 1, tzinfo=UTC)) % SLOT == timedelta(0)
