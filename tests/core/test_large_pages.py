"""A page with large answers is stored before the next one is read, and then others have their turn."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from orchestrator import room as rooms
from orchestrator.errors import ResponseInvalid
from orchestrator.marketplaces.spec import Session
from orchestrator.model.run import TaskStatus
from orchestrator.ports import Update
from orchestrator.room import Place, Room
from orchestrator.sync import pages
from orchestrator.vault.trial import try_out
from tests.support.world import FakeClient, World, fill

P = ParamSpec("P")
T = TypeVar("T")
#: Only a defect waits so long.
PATIENCE_S = 20.0


class Later(Future[T]):
    """Is run once somebody waits for it."""

    def __init__(self, run: Callable[[], T]) -> None:
        super().__init__()
        self._run = run

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Run it now, unless it was."""
        if not self.done():
            try:
                self.set_result(self._run())
            except Exception as error:  # noqa: BLE001 - a future carries any error to its reader
                self.set_exception(error)
        return super().exception(timeout)

    def result(self, timeout: float | None = None) -> T:
        """Run it now, unless it was."""
        self.exception()
        return super().result(timeout)


class Lazy(Executor):
    """Runs each submitted call as late as it can."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Leave it to the future."""
        return Later(partial(fn, *args, **kwargs))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with one place, a full connection, and pages of three rows."""
    monkeypatch.setattr(pages, "JOINED_RECORDS", 1)
    monkeypatch.setattr(pages, "LOOK_S", 0.01)
    monkeypatch.setattr(rooms, "LOOK_S", 0.01)
    made = World(tmp_path)
    made.bazaar.room = Room(1)
    made.connect("a")
    fill(made, "orders", 9)
    return made


def test_a_large_page_is_stored_before_the_next_is_read(world: World) -> None:
    """No page is read ahead of its end, and the next one is read without its place."""
    met: list[tuple[int, bool]] = []

    def at_call(client: FakeClient, stream: str, token: str | None) -> None:
        met.append((len(world.records("a", stream)), client.place.is_held))
        if token == "3":
            assert client.place.take_at_once()

    world.bazaar.at_call = at_call
    world.services = dataclasses.replace(world.services, executor=Lazy())
    world.run_once()

    # While the second page is read, the commit of the first may be under way.
    assert met == [(0, False), (0, False), (6, False)]
    assert world.bazaar.room.enter_at_once()


@pytest.mark.parametrize("stream", ["orders", "products"])
def test_a_failing_page_gives_its_place_back(world: World, stream: str) -> None:
    """So does the last page."""

    def at_call(client: FakeClient, stream: str, token: str | None) -> None:
        client.place.take_at_once()
        if stream == "products" or token == "3":
            raise ResponseInvalid("an answer that is large and wrong")

    world.bazaar.at_call = at_call
    world.connect("a", streams=[stream])
    world.run_once()

    assert world.bazaar.room.enter_at_once()


def test_details_keep_their_place_until_their_page_is_stored(world: World) -> None:
    """Their calls belong to the page: the place that one of them takes serves the others."""
    met: list[bool] = []

    def at_detail(client: FakeClient, names: tuple[str, ...]) -> None:
        met.append(client.place.is_held)
        client.place.take_at_once()

    world.bazaar.at_detail = at_detail
    world.bazaar.give_details("orders")
    world.run_once()

    assert met == [False, True, True] * 3
    assert len(world.records("a", "orders")) == 9
    assert world.bazaar.room.enter_at_once()


def test_a_check_gives_its_place_back(world: World) -> None:
    """Nobody stores its answer."""
    client = FakeClient("a", place=Place(world.bazaar.room))

    def check(session: object) -> str:
        client.place.take_at_once()
        raise ResponseInvalid("refused")

    connector = dataclasses.replace(world.bazaar.connector, check=check)
    with pytest.raises(ResponseInvalid):
        try_out(connector, Session(client=client, settings=None))  # type: ignore[arg-type] # a fake

    assert world.bazaar.room.enter_at_once()


def test_an_abandoned_page_keeps_its_place_until_its_thread_ends(world: World) -> None:
    """Its slice is over, but its answer is still in memory."""
    come, room = threading.Event(), world.bazaar.room

    def at_call(client: FakeClient, stream: str, token: str | None) -> None:
        assert client.place.take_at_once()
        world.clock.advance(1000)
        assert come.wait(PATIENCE_S)

    world.bazaar.at_call = at_call
    world.tick()
    with ThreadPoolExecutor() as executor:
        world.services = dataclasses.replace(world.services, executor=executor)
        while not any(message.slice for message in world.queue.messages):
            world.deliver(world.queue.messages.pop(0))
        was_free = room.enter_at_once()
        come.set()

    assert not was_free
    assert room.enter_at_once()


def test_a_holder_that_waits_for_its_turn_shows_life(world: World) -> None:
    """Or another worker would take it for dead after a minute and a half."""
    shown: list[bool] = []

    def waiting(look: int, client: FakeClient, commits: int) -> None:
        if look == 1:
            world.clock.advance(50)
        shown.append(world.state("a").lease.commits > commits)
        if shown[-1] or look > 1000:
            world.bazaar.room.leave()

    run_id = meet_crowd(world, waiting)

    assert shown[-1]
    assert world.task(run_id, "a").status is TaskStatus.SUCCEEDED
    assert len(world.records("a", "orders")) == 9


@pytest.mark.parametrize("for_details", [False, True], ids=["a page", "details"])
def test_a_cancelled_task_does_not_wait_for_its_turn(
    world: World, caplog: pytest.LogCaptureFixture, for_details: bool
) -> None:
    """Its next sign of life finds out, and nobody waits for its page any more: no defect."""

    def waiting(look: int, client: FakeClient, commits: int) -> None:
        if look == 1:
            opened = world.state("a").open
            assert opened is not None
            cancelled = {"open": {**world.get("sync_state/a").data["open"], "cancel": "cancelled"}}
            world.store.commit([Update("sync_state/a", cancelled)])
            world.clock.advance(50)
        waited.append(look)
        assert look < 1000, "it waits for ever"

    waited = [0]
    run_id = meet_crowd(world, waiting, for_details=for_details)

    assert waited[-1] < 1000
    assert [line.message for line in caplog.records if getattr(line, "action", "") == "record_failed"] == []
    task = world.task(run_id, "a")
    assert (task.status, task.reason) == (TaskStatus.SKIPPED, "cancelled")
    world.bazaar.room.leave()
    assert world.bazaar.room.enter_at_once()


def meet_crowd(
    world: World, waiting: Callable[[int, FakeClient, int], None], *, for_details: bool = False
) -> str:
    """Run the connection while somebody else has the only place; the first page waits for it.

    Args:
        world: The world.
        waiting: Called during the wait with the number of the call, and the commits before the wait.
        for_details: Whether the details of the page wait, not its listing.
    """
    assert world.bazaar.room.enter_at_once()

    def wait(client: FakeClient) -> None:
        looks, commits = itertools.count(1), world.state("a").lease.commits
        client.place.take(lambda: waiting(next(looks), client, commits))

    def at_call(client: FakeClient, stream: str, token: str | None) -> None:
        if token is None:
            wait(client)

    if for_details:
        world.bazaar.give_details("orders")
        world.bazaar.at_detail = lambda client, _: wait(client)
    else:
        world.bazaar.at_call = at_call
    started = world.tick()
    with ThreadPoolExecutor() as executor:
        world.services = dataclasses.replace(world.services, executor=executor)
        world.drain()
    return started.run_id
