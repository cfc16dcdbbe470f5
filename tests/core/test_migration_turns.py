"""A migration's turns: whose turn it is, how it ends, and its failures, which hold no change up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.errors import MarketplaceUnavailable, PageTokenExpired, RateLimited
from orchestrator.marketplaces.spec import Listing
from orchestrator.model import ids
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.ports import Write, Written
from orchestrator.runs.start import TriggerRequest, start_manual
from orchestrator.sync import changes
from orchestrator.sync.migration import turns
from tests.core.releases import TICK_S, deploy, finish, migrating, slow, state, tick, versions, written_in
from tests.support.people import ME
from tests.support.stores import Killed
from tests.support.world import START, FakeClient, World, fill

DAY = timedelta(days=1)
TWO_LANES = {"SYNC_QUEUE_BACKFILL": "local:http://127.0.0.1:8", "FIRST_SLICE_SECONDS": "60"}


@pytest.fixture(autouse=True)
def _a_turn_of_one_page_at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection takes part in each tick, with as little of its history as possible."""
    monkeypatch.setattr(turns, "TURNS", 1)
    monkeypatch.setattr(turns, "TURN_S", 1.0)


# Failures


def test_a_page_of_the_history_that_fails_stops_no_change(world: World) -> None:
    """The stream's task says that it failed, changes arrive, and the next turn asks for the page again."""
    migrating(world)
    tick(world)
    (kept,) = state(world).migration

    def fail(client: FakeClient, stream: str, token: str | None) -> None:
        if token is not None:
            raise MarketplaceUnavailable("bazaar orders: no answer")

    world.bazaar.at_call = fail
    world.bazaar.shop("a").put("orders", "new", world.clock.now())
    task = tick(world)
    (failed,) = state(world).migration

    assert (task.status, task.reason) == (TaskStatus.FAILED, "marketplace_unavailable")
    assert versions(world)["new"] == "version 2"
    assert (failed.token, failed.failures) == (kept.token, 1)
    slow(world)
    finish(world)
    assert set(versions(world).values()) == {"version 2"}


def test_a_page_token_of_the_history_that_expires_starts_it_again(world: World) -> None:
    """It continues from its last certain position."""
    migrating(world)
    tick(world)
    expired: list[str] = []

    def expire(client: FakeClient, stream: str, token: str | None) -> None:
        world.clock.advance(2)
        if token is not None and not expired:
            expired.append(token)
            raise PageTokenExpired("bazaar orders: the page token expired")

    world.bazaar.at_call = expire
    finish(world)

    assert expired == ["3"]
    assert written_in(world, 2) == 12


@pytest.mark.parametrize("at", range(1, 10))
def test_a_worker_that_is_killed_in_its_turn_leaves_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """A page is stored in several commits; whichever is the last, the next turn continues the page."""
    monkeypatch.setattr(changes, "PART_DOCUMENTS", 2)
    monkeypatch.setattr(turns, "TURN_S", 120.0)
    world = World(tmp_path, page_size=6)
    world.connect("a")
    fill(world, "orders", 18)
    world.run_once()
    deploy(world, 2)
    commit, commits = world.store.commit, []

    def killed(writes: Sequence[Write]) -> list[Written]:
        if any(write.path == ids.state_path("a") for write in writes):
            commits.append(len(writes))
        if len(commits) == at:
            raise Killed
        return commit(writes)

    monkeypatch.setattr(world.store, "commit", killed)
    world.clock.advance(TICK_S)
    with suppress(Killed):
        world.run_once()
    assert len(commits) == at
    monkeypatch.setattr(world.store, "commit", commit)
    world.queue.messages.clear()
    tick(world)
    tick(world)

    assert written_in(world, 2) == 18
    assert state(world).migration == ()


def test_a_limit_ends_the_turn_and_the_task_succeeds(world: World) -> None:
    """The marketplace's word holds for all calls; the task has done its work, and is not incomplete."""
    migrating(world)
    tick(world)

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        if token is not None:
            raise RateLimited("bazaar orders: wait", wait_s=300)

    world.bazaar.at_call = limit
    task = tick(world)

    assert (task.status, task.incomplete) == (TaskStatus.SUCCEEDED, False)
    assert state(world).not_before == world.clock.now() + timedelta(seconds=300)
    slow(world)
    finish(world)
    assert written_in(world, 2) == 12


def test_a_short_wait_for_a_limit_ends_the_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes need the marketplace's limit more: history takes no more of it than there is without a wait."""
    migrating(world, 30)
    monkeypatch.setattr(turns, "TURN_S", 120.0)

    def wait(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "6":
            client.wait(5)

    world.bazaar.at_call = wait
    task = tick(world)

    assert task.streams["orders"].written == 9
    (window,) = state(world).migration
    assert window.token == "9"


def test_a_late_task_leaves_its_turn(world: World) -> None:
    """Workers are behind: the changes of others go first."""
    migrating(world)
    world.clock.advance(TICK_S)
    world.tick()
    world.clock.advance(turns.LATEST_S)
    world.drain()
    (window,) = state(world).migration

    assert (window.token, window.read) == (None, 0)


def test_a_turn_ends_with_the_slice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not continued in another invocation: the task is done."""
    monkeypatch.setattr(turns, "TURN_S", 120.0)
    migrating(world, 90)
    slow(world, 100)
    task = tick(world)

    assert (task.slices, task.status, task.incomplete) == (1, TaskStatus.SUCCEEDED, False)
    assert 0 < task.streams["orders"].written < 90
    assert state(world).migration


def test_a_stream_that_failed_has_no_turn(tmp_path: Path) -> None:
    """Its changes come first; the history of the others continues."""
    world = World(tmp_path, listings={"products": Listing.INCREMENTAL})
    world.connect("a", streams=["orders", "products"])
    fill(world, "orders", 6)
    fill(world, "products", 6)
    world.run_once()
    deploy(world, 2)
    tick_with = world.bazaar

    def fail(client: FakeClient, stream: str, token: str | None) -> None:
        if stream == "orders":
            raise MarketplaceUnavailable("bazaar orders: no answer")

    tick_with.at_call = fail
    tick(world)
    tick(world)

    assert written_in(world, 2, "products") == 6
    assert written_in(world, 2, "orders") == 0


# Turns


@pytest.mark.parametrize(
    "minutes", [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 240, 360, 720, 1440, 10080]
)
def test_each_connection_has_a_turn_in_eleven_regular_ticks(
    monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """Exactly one, however far apart the ticks are."""
    monkeypatch.setattr(turns, "TURNS", 11)
    ticks = [START + n * timedelta(minutes=minutes) for n in range(11)]
    had = [[turns.is_turn(f"c{n}", tick) for tick in ticks].count(True) for n in range(500)]

    assert set(had) == {1}


def test_only_the_connections_whose_turn_it_is_take_part(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of forty connections a few are rewritten at a tick, and all of them by the eleventh."""
    monkeypatch.setattr(turns, "TURNS", 11)
    monkeypatch.setattr(turns, "TURN_S", 120.0)
    names = [f"c{n}" for n in range(40)]
    for name in names:
        world.connect(name)
        fill(world, "orders", 4, name)
    world.run_once()
    deploy(world, 2)
    done: list[int] = []
    for _ in range(11):
        world.clock.advance(TICK_S)
        _, run = world.run_once()
        assert run.status is RunStatus.SUCCEEDED
        done.append(sum(set(versions(world, "orders", name).values()) == {"version 2"} for name in names))

    assert done[-1] == 40
    assert max(after - before for before, after in zip([0, *done], done, strict=False)) <= 10


def test_a_person_s_run_is_always_a_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who wants a connection's history soon asks for runs of it."""
    monkeypatch.setattr(turns, "TURNS", 10**9)
    monkeypatch.setattr(turns, "TURN_S", 120.0)
    migrating(world)
    tick(world)
    assert written_in(world, 2) == 0
    start_manual(world.services, TriggerRequest(), by=ME, idempotency_key=None)
    world.drain()

    assert written_in(world, 2) == 12


# Two lanes


def test_a_page_longer_than_a_first_slice_is_read_in_the_continuation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else no history of such pages is ever rewritten where continuations have a lane of their own."""
    monkeypatch.setattr(turns, "TURN_S", 120.0)
    world = World(tmp_path, environment=TWO_LANES)
    world.connect("a")
    migrating(world, 9)
    slow(world, 75)
    task = tick(world)
    (window,) = state(world).migration

    assert (task.slices, task.status, task.incomplete) == (2, TaskStatus.SUCCEEDED, False)
    assert window.read > 0


@pytest.mark.parametrize(("turn_s", "wait_s"), [(20.0, 0), (120.0, 5)])
def test_a_turn_that_has_ended_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn_s: float, wait_s: float
) -> None:
    """Neither one whose time is over with the first slice, nor one that had to wait for a limit."""
    monkeypatch.setattr(turns, "TURN_S", turn_s)
    world = World(tmp_path, environment=TWO_LANES)
    world.connect("a")
    migrating(world, 30)

    calls: list[str | None] = []

    def call(client: FakeClient, stream: str, token: str | None) -> None:
        calls.append(token)
        if len(calls) > 1 and wait_s:
            client.wait(wait_s)  # the first call is for changes
        world.clock.advance(35)

    world.bazaar.at_call = call

    assert tick(world).slices == 1
    assert state(world).migration
