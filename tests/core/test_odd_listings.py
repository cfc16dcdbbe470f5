"""Listings that do not behave: rows outside of the window, pages that repeat, ends that come early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from orchestrator.errors import MarketplaceUnavailable, RateLimited
from orchestrator.marketplaces.spec import AnySession, Page, Window
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.model.state import Health
from orchestrator.sync import pages
from tests.support.world import START, FakeClient, Row, World, fill

HOUR = timedelta(hours=1)


def test_one_row_older_than_the_window_is_stored_with_the_others_and_one_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A marketplace's filter that is not exact fails nothing."""
    world.connect("a", backfill_since=START - timedelta(days=2))
    fill(world, "orders", 5)
    world.bazaar.strays.append(Row(id="old", updated_at=START - timedelta(days=90)))
    with caplog.at_level("WARNING"):
        _, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert set(world.records("a", "orders")) == {"old", *(f"r{n}" for n in range(5))}
    assert [entry.message for entry in caplog.records] == [
        "1 rows of orders are outside of the window and stored all the same"
    ]


def custom(world: World, name: str, fetch: Callable[[AnySession, Window, str | None], Page]) -> None:
    """Give a stream another listing."""
    object.__setattr__(world.bazaar.connector.streams[name], "fetch", fetch)


def row(name: str) -> bytes:
    """A raw record of the made-up marketplace."""
    return msgspec.json.encode(Row(id=name, updated_at=START - HOUR))


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
@pytest.mark.parametrize("circle", [1, 2, 5])
@pytest.mark.parametrize("joined", [1, 250])
def test_a_marketplace_that_repeats_itself_fails_the_stream_soon(
    world: World, monkeypatch: pytest.MonkeyPatch, stream: str, circle: int, joined: int
) -> None:
    """The same pages, one or in a circle, with ever new tokens: a plain line instead of calls without end."""
    monkeypatch.setattr(pages, "JOINED_RECORDS", joined)
    world.connect("a", streams=[stream])
    calls: list[str | None] = []

    def fetch(session: AnySession, window: Window, token: str | None) -> Page:
        calls.append(token)
        number = int(token or 0)
        following = str(number + 1) if number < 200 else None
        return Page([row(f"{number % circle}-{n}") for n in range(50)], following)

    custom(world, stream, fetch)
    run_id, _ = world.run_once()
    task, made = world.task(run_id, "a"), len(calls)
    assert (task.status, task.reason) == (TaskStatus.FAILED, "response_invalid")
    assert task.error is not None
    assert "only rows shown before" in task.error.message
    assert len(world.records("a", stream)) == 50 * circle
    assert made <= 30
    for _ in range(3):
        world.clock.advance(900)
        world.run_once()
    assert len(calls) <= made + 3 * (2 if joined == 1 else 10)
    assert world.state("a").streams[stream].cursor.since is None
    world.clock.advance(900)
    custom(world, stream, lambda *_: Page([row("mended")], None))
    world.run_once()
    assert world.state("a").health is Health.OK


def test_a_stream_without_progress_is_late_and_one_with_progress_is_not(world: World) -> None:
    """Four runs in a row that a limit cuts off before anything new: failing. A long back-fill: not."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "products", 40)
    tick = 0

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        if stream == "products" and (tick >= 6 or int(token or 0) >= 3 * tick):
            raise RateLimited("bazaar products: answered 429", wait_s=800)

    world.bazaar.at_call = limit
    ends = []
    while tick < 10:
        tick += 1
        run_id, _ = world.run_once()
        task = world.task(run_id, "a")
        ends.append(task.reason)
        world.clock.advance(900)

    assert ends == ["rate_limited"] * 8 + ["late"] * 2
    assert world.state("a").health is Health.FAILING
    error = world.state("a").last_error
    assert error is not None
    assert "it waits until" in error.message
    world.bazaar.at_call = None
    world.run_once()
    assert world.state("a").health is Health.OK


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_a_listing_that_ends_early_is_no_success(world: World, stream: str) -> None:
    """59 of 1,500: read once more, then the stream fails, `since` stays, and later rows are still stored."""
    world.connect("a", streams=[stream])
    fill(world, stream, 5)
    rows = {n: world.bazaar.shop("a").listed(stream)[n] for n in range(5)}
    total = 1_500

    def fetch(session: AnySession, window: Window, token: str | None) -> Page:
        world.bazaar.calls.append(("a", stream, window, token))
        return Page([msgspec.json.encode(each) for each in rows.values()], None, total=total)

    custom(world, stream, fetch)
    run_id, _ = world.run_once()
    task = world.task(run_id, "a")
    assert (task.status, task.reason) == (TaskStatus.FAILED, "response_invalid")
    assert task.error is not None
    assert task.error.message == f"{stream}: listed 5 of 1,500 records that the marketplace counts"
    assert len(world.bazaar.calls) == 2
    assert world.state("a").streams[stream].cursor.since is None
    rows[5] = Row(id="late", updated_at=world.clock.now())
    world.clock.advance(900)
    world.run_once()
    assert len(world.bazaar.calls) == 3
    assert "late" in world.records("a", stream)
    assert world.bazaar.calls[-1][2].until > world.bazaar.calls[0][2].until
    total = 6
    world.clock.advance(900)
    world.run_once()
    assert world.state("a").health is Health.OK
    assert world.state("a").streams[stream].cursor.since is not None


def test_a_row_that_goes_while_it_is_counted_fails_nothing(world: World) -> None:
    """A short listing that is whole when it is read again is a success."""
    world.connect("a", streams=["products"])
    fill(world, "products", 5)
    totals = iter([6, 6, 5, 5])
    world.bazaar.total = lambda _: next(totals)
    _, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert world.state("a").streams["products"].short is False
    assert (run.records.written, run.records.deleted) == (5, 0)


@pytest.mark.parametrize("error", ["limit", "outage"])
def test_empty_spans_are_progress_also_before_an_error(world: World, error: str) -> None:
    """A connector that walks spans since 2011, ten calls a time: no span is read twice."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "products", 3)
    spans, read = 45, Counter[int]()

    def fetch(session: AnySession, window: Window, token: str | None) -> Page:
        span = int(token or 0)
        if sum(read.values()) >= 10 * (1 + (world.clock.now() - START) // timedelta(seconds=900)):
            if error == "limit":
                raise RateLimited("bazaar orders: answered 429", wait_s=300)
            raise MarketplaceUnavailable("bazaar orders: answered 503")
        read[span] += 1
        return Page([row("r1")] if span == spans else [], str(span + 1) if span < spans else None)

    custom(world, "orders", fetch)
    for _ in range(5):
        world.run_once()
        world.clock.advance(900)

    assert read == Counter(range(spans + 1))
    assert "r1" in world.records("a", "orders")
    assert len(world.records("a", "products")) == 3


def test_a_limit_met_within_joined_pages_costs_no_further_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages before it are stored, and the marketplace is not asked again within its wait."""
    monkeypatch.setattr(pages, "JOINED_RECORDS", 250)
    world.connect("a")
    fill(world, "orders", 9)

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "6":
            raise RateLimited("bazaar orders: answered 429", wait_s=600)

    world.bazaar.at_call = limit
    world.tick()
    world.drain()

    assert len(world.bazaar.calls) == 3
    assert len(world.records("a", "orders")) == 6


def test_a_record_that_a_page_shows_twice_counts_as_one_written(world: World) -> None:
    """`written` is the number of documents; the later of two versions is stored."""
    world.connect("a")
    versions = [Row(id="r1", updated_at=START - n * HOUR, value=str(n)) for n in (3, 1, 1, 2)]
    custom(world, "orders", lambda *_: Page([msgspec.json.encode(each) for each in versions], None))
    _, run = world.run_once()

    counts = run.records
    assert (counts.seen, counts.written, counts.unchanged) == (4, 1, 3)
    assert world.records("a", "orders") == {"r1": "1"}
