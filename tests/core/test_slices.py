"""Slices, waits and rests: a task that takes longer than an invocation, or has to wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.errors import MarketplaceUnavailable, RateLimited
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.runs.start import TriggerRequest, start_manual
from orchestrator.sync import pages
from tests.support.people import ME
from tests.support.world import START, FakeClient, World, fill

HOUR = timedelta(hours=1)


def test_a_long_task_goes_on_in_slices(world: World) -> None:
    """Slow pages: the task hands over to itself before its time is up, and ends complete."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "orders", 20)
    fill(world, "products", 20)
    world.bazaar.at_call = lambda *_: world.clock.advance(100)
    run_id, run = world.run_once()
    task = world.task(run_id, "a")

    assert run.status is RunStatus.SUCCEEDED
    assert task.slices > 1
    assert task.streams["orders"].written == 20
    assert len(world.records("a", "orders")) == len(world.records("a", "products")) == 20
    assert len(world.bazaar.calls) == len({call[1:] for call in world.bazaar.calls})


def test_a_backlog_larger_than_a_run_goes_on_in_the_next(world: World) -> None:
    """Past the run's deadline the task ends as succeeded and incomplete; the next run continues."""
    world.connect("a")
    fill(world, "orders", 60)
    world.bazaar.at_call = lambda *_: world.clock.advance(300)
    run_id, run = world.run_once()
    task = world.task(run_id, "a")
    assert run.status is RunStatus.SUCCEEDED
    assert task.incomplete
    before = len(world.records("a", "orders"))
    assert 0 < before < 60
    world.bazaar.at_call = None
    world.run_once()

    assert len(world.records("a", "orders")) == 60


@pytest.mark.parametrize("first_page_s", [200, 600])
def test_a_continuation_that_waits_long_for_its_turn_fails_nothing(world: World, first_page_s: int) -> None:
    """Its lease is over by then: the next run takes the connection over, and the task ends as incomplete.

    So it does if its first slice was over before the first page.
    """
    world.connect("a")
    fill(world, "orders", 20)
    world.bazaar.at_call = lambda *_: world.clock.advance(first_page_s)
    first = world.tick().run_id
    while not any(message.slice for message in world.queue.messages):
        world.deliver(world.queue.messages.pop(0))
    waiting, world.queue.messages = world.queue.messages, []
    world.bazaar.at_call = None
    world.clock.advance(700)
    second = world.tick().run_id
    while world.queue.messages:
        message = world.queue.messages.pop(0)
        if not message.heal:  # as if it waited behind the others
            world.deliver(message)
    world.queue.messages = waiting
    world.drain()

    task = world.task(first, "a")
    assert (task.status, task.reason, task.error) == (TaskStatus.SUCCEEDED, None, None)
    assert task.incomplete
    assert world.run(first).status is RunStatus.SUCCEEDED
    assert world.task(second, "a").status is TaskStatus.SUCCEEDED
    assert len(world.records("a", "orders")) == 20


def test_a_slice_that_moves_nothing_twice_is_failed(world: World) -> None:
    """A listing whose token dies with the invocation, and is longer than a slice, ends as `no_progress`."""
    world.connect("a", streams=["products"])
    fill(world, "products", 30)
    stream = world.bazaar.connector.streams["products"]
    object.__setattr__(stream, "durable_token", False)
    world.bazaar.at_call = lambda *_: world.clock.advance(200)
    run_id, _ = world.run_once()

    assert world.task(run_id, "a").reason == "no_progress"


def test_a_page_that_does_not_come_in_time_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invocation ends with its slice, however slow a page is; the next invocation reads the page."""
    monkeypatch.setattr(pages, "LOOK_S", 0.01)
    world.connect("a")
    fill(world, "orders", 9)
    come, came_late = threading.Event(), threading.Event()

    def slow(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "3":
            world.clock.advance(1000)
            come.wait(30)
            came_late.set()

    world.bazaar.at_call = slow
    answer = world.tick()
    with ThreadPoolExecutor() as executor:
        world.services = replace(world.services, executor=executor)
        while not any(message.slice for message in world.queue.messages):
            world.deliver(world.queue.messages.pop(0))
        waited_for = came_late.is_set()
        come.set()
        world.bazaar.at_call = None
        world.drain()

    assert not waited_for
    assert world.task(answer.run_id, "a").slices == 2
    assert len(world.records("a", "orders")) == 9


def test_no_stream_is_begun_when_the_slice_is_over(world: World) -> None:
    """The rest is the next slice's: an invocation does not outlast its budget by a page of each stream."""
    world.connect("a", streams=["orders", "products", "inventory"])
    for stream in ("orders", "products", "inventory"):
        fill(world, stream, 2)
    world.bazaar.at_call = lambda *_: world.clock.advance(500)
    answer = world.tick()
    while not any(message.slice for message in world.queue.messages):
        world.deliver(world.queue.messages.pop(0))
    begun = len(world.bazaar.calls)
    world.drain()

    assert begun == 1
    assert world.task(answer.run_id, "a").slices == 3
    assert world.run(answer.run_id).status is RunStatus.SUCCEEDED


def test_a_long_wait_is_deferred_and_the_next_run_goes_on(world: World) -> None:
    """The marketplace says wait: the message is acknowledged, progress kept, nobody calls too early."""
    world.connect("a")
    fill(world, "orders", 9)

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "3":
            client.wait(400)

    world.bazaar.at_call = limit
    answer = world.tick()
    world.drain()
    state = world.state("a")
    assert state.lease.not_before == world.clock.now() + timedelta(seconds=400)
    assert world.run(answer.run_id).status is RunStatus.RUNNING
    assert len(world.records("a", "orders")) == 3
    world.bazaar.at_call = None
    world.clock.advance(300)
    early, _ = world.run_once()
    assert world.task(early, "a").reason == "waiting"
    world.clock.advance(600)
    later, run = world.run_once()

    assert world.run(answer.run_id).status is RunStatus.SUCCEEDED
    assert world.task(answer.run_id, "a").streams["orders"].written == 9
    assert run.status is RunStatus.SUCCEEDED
    assert world.task(later, "a").streams["orders"].written == 0
    assert len(world.records("a", "orders")) == 9


def test_a_short_wait_is_slept(world: World) -> None:
    """Up to a minute is slept within the slice."""
    world.connect("a")
    fill(world, "orders", 4)
    world.bazaar.at_call = lambda client, *_: client.wait(20)
    _, run = world.run_once()

    assert run.records.written == 4
    assert sum(world.clock.slept) == 40


def test_a_rate_limit_past_the_deadline_ends_the_task(world: World) -> None:
    """A wait beyond the run's deadline ends the task now, and the connection waits until then."""
    world.connect("a")
    fill(world, "orders", 9)

    def limit(*_: object) -> None:
        raise RateLimited("bazaar asks to wait", wait_s=7200)

    world.bazaar.at_call = limit
    run_id, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    task = world.task(run_id, "a")
    assert (task.status, task.reason) == (TaskStatus.SKIPPED, "rate_limited")
    assert world.state("a").streams["orders"].cursor.since is None
    world.clock.advance(900)
    waiting, _ = world.run_once()
    assert world.task(waiting, "a").reason == "waiting"


def test_a_limit_on_one_stream_holds_no_other_back(world: World) -> None:
    """Products must wait for hours: orders continue at every tick, and products after the wait."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "orders", 4)
    fill(world, "products", 4)

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        if stream == "products":
            raise RateLimited("bazaar asks to wait", wait_s=7200)

    world.bazaar.at_call = limit
    run_id, run = world.run_once()
    task = world.task(run_id, "a")
    assert (task.status, task.reason, task.incomplete) == (TaskStatus.SUCCEEDED, "rate_limited", True)
    assert run.records.written == 4
    world.bazaar.at_call = None
    world.bazaar.shop("a").put("orders", "new", START - timedelta(minutes=1))
    world.clock.advance(900)
    _, run = world.run_once()
    assert run.records.written == 1
    assert world.records("a", "products") == {}
    world.clock.advance(7200)
    world.run_once()

    assert len(world.records("a", "products")) == 4


def test_a_long_listing_rests(world: World) -> None:
    """A listing of five minutes is begun again after three quarters of an hour, unless somebody asks."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "products", 9)
    world.bazaar.at_call = lambda client, stream, _: world.clock.advance(100 if stream == "products" else 0)
    world.run_once()
    calls = len(world.bazaar.calls)
    world.clock.advance(900)
    world.run_once()
    assert {call[1] for call in world.bazaar.calls[calls:]} == {"orders"}
    start_manual(world.services, TriggerRequest(), by=ME, idempotency_key=None)
    calls = len(world.bazaar.calls)
    world.drain()
    assert {call[1] for call in world.bazaar.calls[calls:]} == {"orders", "products"}
    world.clock.advance(2700)
    calls = len(world.bazaar.calls)
    world.run_once()

    assert {call[1] for call in world.bazaar.calls[calls:]} == {"orders", "products"}


def test_a_listing_that_lay_idle_does_not_rest(world: World) -> None:
    """A listing that an outage of a day broke off, and that soon ends then, is begun again at once."""
    world.connect("a", streams=["products"])
    fill(world, "products", 9)

    def fail(_client: FakeClient, _stream: str, token: str | None) -> None:
        if token is not None:
            raise MarketplaceUnavailable("bazaar products: no answer")

    world.bazaar.at_call = fail
    world.run_once()
    assert world.state("a").streams["products"].cursor.window is not None
    world.bazaar.at_call = None
    world.clock.advance(86_400)
    world.run_once()
    world.bazaar.shop("a").put("products", "new", world.clock.now())
    world.clock.advance(900)
    world.run_once()

    assert "new" in world.records("a", "products")


def test_a_long_span_that_lay_idle_is_read_again(world: World) -> None:
    """A change that went unnoticed while an outage delayed the nightly listing is found right after it."""
    world.connect("a", streams=["inventory"])
    shop = world.bazaar.shop("a")
    for n in range(6):
        shop.put("inventory", f"r{n}", START - timedelta(days=20 - n))

    def fail(_client: FakeClient, _stream: str, token: str | None) -> None:
        if token is not None:
            raise MarketplaceUnavailable("bazaar inventory: no answer")

    world.bazaar.at_call = fail
    world.run_once()
    shop.put("inventory", "r0", START - timedelta(days=20), "2")
    world.bazaar.at_call = None
    world.clock.advance(86_400)
    world.run_once()
    assert world.records("a", "inventory")["r0"] == "1"
    world.clock.advance(900)
    world.run_once()

    assert world.records("a", "inventory")["r0"] == "2"
