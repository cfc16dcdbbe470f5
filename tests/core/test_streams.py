"""Streams: windows, cursors, digests, rejects, deletions; what an operator finds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator import absorbing
from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceUnavailable,
    PageTokenExpired,
    RateLimited,
    WriteRejected,
)
from orchestrator.model import Health, RunStatus, TaskStatus
from orchestrator.ports import Delete, Put, Write, Written
from orchestrator.runs import TriggerRequest, start_manual
from tests.core.world import START, FakeClient, World

HOUR = timedelta(hours=1)


def fill(world: World, stream: str, count: int, connection_id: str = "a") -> None:
    """Rows r0, r1, … one an hour, the last an hour ago."""
    for n in range(count):
        world.bazaar.shop(connection_id).put(stream, f"r{n}", START - (count - n) * HOUR)


def test_an_unchanged_connection_costs_four_writes_and_two_reads(world: World) -> None:
    """A task that finds nothing new: claim, and finish with task record and countdown."""
    world.connect("a", streams=["orders", "products", "inventory"])
    for stream in ("orders", "products", "inventory"):
        fill(world, stream, 5)
    world.run_once()
    world.clock.advance(900)
    run_id, run = world.run_once()
    task = world.task(run_id, "a")

    assert run.records.written == 0
    assert task.cost.document_writes == 4
    assert task.cost.document_reads == 2


def test_since_moves_only_with_the_window(world: World) -> None:
    """`since` is the window's end after it is complete, and stays while pages fail."""
    world.connect("a")
    fill(world, "orders", 7)

    def fail_at_last(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "6":
            raise MarketplaceUnavailable("bazaar orders: no answer")

    world.bazaar.at_call = fail_at_last
    run_id, run = world.run_once()
    failed = world.state("a")

    assert run.status is RunStatus.FAILED
    assert failed.streams["orders"].cursor.since is None
    assert failed.streams["orders"].cursor.window is not None
    assert failed.streams["orders"].cursor.window.token == "6"
    assert world.task(run_id, "a").error is not None
    world.bazaar.at_call = None
    world.clock.advance(900)
    world.run_once()
    assert world.state("a").streams["orders"].cursor.since == START - timedelta(minutes=2)
    assert len(world.records("a", "orders")) == 7


def test_what_is_indexed_late_is_found_by_lookback(world: World) -> None:
    """A row that becomes visible late, with a time before `since`, is read by the next window."""
    world.connect("a")
    fill(world, "orders", 2)
    world.run_once()
    late = START - timedelta(minutes=8)
    world.bazaar.shop("a").put("orders", "late", late)
    world.clock.advance(900)
    world.run_once()

    assert late < (world.state("a").streams["orders"].cursor.since or START)
    assert "late" in world.records("a", "orders")


def test_a_change_and_its_change_back_are_both_written(world: World) -> None:
    """A value that goes from 1 to 2 and back to 1 ends as 1."""
    world.connect("a", streams=["products"])
    for value in ("1", "2", "1"):
        world.bazaar.shop("a").put("products", "p", START - HOUR, value)
        world.run_once()
        assert world.records("a", "products") == {"p": value}
        world.clock.advance(900)


def test_a_snapshot_marks_what_vanished_and_brings_it_back(world: World) -> None:
    """A record missing from a complete listing gets `deleted_at`; listed again, it is as before."""
    world.connect("a", streams=["products"])
    fill(world, "products", 8)
    world.run_once()
    gone = world.bazaar.shop("a").rows["products"].pop("r3")
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 1
    assert "r3" not in world.records("a", "products")
    assert world.get("connections/a/products/r3").data["deleted_at"] == world.clock.now()
    world.bazaar.shop("a").rows["products"]["r3"] = gone
    world.clock.advance(900)
    world.run_once()
    assert "r3" in world.records("a", "products")


def test_a_short_listing_deletes_nothing(world: World) -> None:
    """Where the marketplace's count is not what was read, nothing is taken as vanished."""
    world.connect("a", streams=["products"])
    fill(world, "products", 8)
    world.run_once()
    world.bazaar.shop("a").rows["products"].pop("r3")
    world.bazaar.total = lambda count: count + 1
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 0
    assert "r3" in world.records("a", "products")


def test_a_large_catalogue_that_is_unchanged_costs_seven_documents(tmp_path: Path) -> None:
    """10,000 unchanged items: one digest document is read, and nothing of it written."""
    world = World(tmp_path, page_size=1000)
    world.connect("a", streams=["products"])
    fill(world, "products", 10_000)
    world.run_once()
    world.clock.advance(900)
    run_id, run = world.run_once()
    cost = world.task(run_id, "a").cost

    assert run.records.unchanged == 10_000
    assert cost.document_reads + cost.document_writes == 7


def test_a_rolling_stream_reads_a_short_span_and_once_a_day_a_long_one(world: World) -> None:
    """Each tick re-reads three days; a change of an older record is found within a day."""
    world.connect("a", streams=["inventory"])
    old = START - timedelta(days=20)
    world.bazaar.shop("a").put("inventory", "old", old)
    world.run_once()
    world.bazaar.shop("a").put("inventory", "old", old, "2")
    world.clock.advance(900)
    world.run_once()
    short = world.bazaar.calls[-1][2]
    assert world.records("a", "inventory") == {"old": "1"}
    world.clock.advance(24 * 3600)
    world.run_once()
    long = world.bazaar.calls[-1][2]

    assert short.until - short.since == timedelta(days=3)
    assert long.until - long.since == timedelta(days=60)
    assert world.records("a", "inventory") == {"old": "2"}


def test_a_malformed_record_is_kept_raw_and_stops_nothing(world: World) -> None:
    """A record that cannot be understood becomes a reject; mended, it is stored and the reject goes."""
    world.connect("a", streams=["products"])
    fill(world, "products", 4)
    world.bazaar.shop("a").put("products", "r1", START - HOUR, broken=True)
    _, run = world.run_once()
    reject = world.get("connections/a/rejects/products-r1").data

    assert (run.records.rejected, run.records.written) == (1, 3)
    assert reject["reason"] == "value is broken - at `$.value`"
    assert '"broken":true' in reject["raw"]
    world.clock.advance(900)
    _, run = world.run_once()
    assert (run.records.rejected, run.cost.document_writes) == (1, 4)
    world.bazaar.shop("a").put("products", "r1", START - HOUR)
    world.clock.advance(900)
    world.run_once()
    assert world.store.get("connections/a/rejects/products-r1") is None
    assert len(world.records("a", "products")) == 4


def test_a_rejected_record_is_not_taken_as_vanished(world: World) -> None:
    """A record that is listed, but broken now, keeps its last good version."""
    world.connect("a", streams=["products"])
    fill(world, "products", 4)
    world.run_once()
    world.bazaar.shop("a").put("products", "r1", START - HOUR, broken=True)
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 0
    assert world.records("a", "products")["r1"] == "1"


def test_refused_credentials_need_attention_and_are_not_hammered(world: World) -> None:
    """Refused credentials stop the task; later ticks leave the connection alone until it is edited."""
    world.connect("a", streams=["orders", "products"])

    def refuse(*_: object) -> None:
        raise CredentialsRejected("bazaar: the key is refused", action="store a valid credential")

    world.bazaar.at_call = refuse
    run_id, _ = world.run_once()
    state = world.state("a")
    assert state.health is Health.NEEDS_ATTENTION
    assert state.last_error is not None
    assert state.last_error.action == "store a valid credential"
    assert len(world.bazaar.calls) == 1
    world.clock.advance(900)
    skipped, run = world.run_once()
    assert world.task(skipped, "a").reason == "needs_attention"
    assert len(world.bazaar.calls) == 1
    world.connect("a")
    world.bazaar.at_call = None
    world.clock.advance(900)
    world.run_once()

    assert world.task(run_id, "a").status is TaskStatus.FAILED
    assert run.status is RunStatus.SUCCEEDED
    assert world.state("a").health is Health.OK


def test_one_failing_stream_does_not_stop_the_others(world: World) -> None:
    """Orders fail, products and stock are stored all the same."""
    world.connect("a", streams=["orders", "products", "inventory"])
    for stream in ("orders", "products", "inventory"):
        fill(world, stream, 4)

    def fail(client: FakeClient, stream: str, token: str | None) -> None:
        if stream == "orders":
            raise KeyError("a connector's defect")

    world.bazaar.at_call = fail
    run_id, _ = world.run_once()
    task = world.task(run_id, "a")

    assert task.status is TaskStatus.FAILED
    assert task.error is not None
    assert "KeyError" in task.error.message
    assert "connector's" not in task.error.message
    assert len(world.records("a", "products")) == len(world.records("a", "inventory")) == 4


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
    """Past the run's deadline the task ends as succeeded and incomplete; the next run goes on from there."""
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


def test_a_slice_that_moves_nothing_twice_is_failed(world: World) -> None:
    """A listing whose token dies with the invocation, and is longer than a slice, ends as `no_progress`."""
    world.connect("a", streams=["products"])
    fill(world, "products", 30)
    stream = world.bazaar.connector.streams["products"]
    object.__setattr__(stream, "durable_token", False)
    world.bazaar.at_call = lambda *_: world.clock.advance(200)
    run_id, _ = world.run_once()

    assert world.task(run_id, "a").reason == "no_progress"


def test_a_snapshot_in_slices_still_finds_what_vanished(world: World) -> None:
    """What earlier slices have seen counts: only what no slice has listed is marked."""
    world.connect("a", streams=["products"])
    fill(world, "products", 30)
    world.run_once()
    world.bazaar.shop("a").rows["products"].pop("r2")
    world.bazaar.shop("a").rows["products"].pop("r29")
    world.clock.advance(900)
    world.bazaar.at_call = lambda *_: world.clock.advance(100)
    run_id, run = world.run_once()

    assert world.task(run_id, "a").slices > 1
    assert run.records.deleted == 2
    assert sorted(
        set(world.records("a", "products", deleted=True)) - set(world.records("a", "products"))
    ) == [
        "r2",
        "r29",
    ]


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


def test_an_expired_page_token_starts_the_window_again(world: World) -> None:
    """The window goes on from its last sure position, and loses nothing."""
    world.connect("a")
    fill(world, "orders", 10)
    expired: list[str] = []

    def expire(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "6" and not expired:
            expired.append(token)
            raise PageTokenExpired("bazaar orders: the page token expired")

    world.bazaar.at_call = expire
    _, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert len(world.records("a", "orders")) == 10
    assert world.bazaar.calls[-1][2].since > world.bazaar.calls[0][2].since


def test_other_settings_start_a_new_window(world: World) -> None:
    """An earlier `backfill_since` is honoured although `since` had moved on."""
    world.connect("a", backfill_since=START - 3 * HOUR)
    fill(world, "orders", 10)
    world.run_once()
    assert len(world.records("a", "orders")) == 3
    world.connect("a", backfill_since=START - 8 * HOUR)
    world.clock.advance(900)
    _, run = world.run_once()

    assert len(world.records("a", "orders")) == 8
    assert run.records.written == 5


def test_a_window_ends_before_the_marketplace_s_own_clock(world: World) -> None:
    """A marketplace whose clock is an hour behind: the window ends by its clock, and nothing is skipped."""
    world.connect("a")
    fill(world, "orders", 3)

    def behind(client: FakeClient, stream: str, token: str | None) -> None:
        client.server_time = world.clock.now() - HOUR

    world.bazaar.at_call = behind
    world.run_once()

    assert world.state("a").streams["orders"].cursor.since == START - HOUR - timedelta(minutes=2)


class Refusing:
    """A store that refuses some documents, as Firestore does with what it cannot index."""

    def __init__(self, world: World, refused: Callable[[Write], bool]) -> None:
        self._commit = world.store.commit
        self._refused = refused

    def commit(self, writes: list[Write]) -> list[Written]:
        """Refuse the whole commit if it holds a refused document."""
        if any(self._refused(write) for write in writes):
            raise WriteRejected("too many index entries")
        return self._commit(writes)


def test_what_the_store_refuses_becomes_a_reject(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One unstorable record among many is found by bisecting, kept as a reject, and the others are stored."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "orders", 9)
    fill(world, "products", 9)
    refusing = Refusing(world, lambda write: isinstance(write, Put) and write.path.endswith("/r4"))
    monkeypatch.setattr(world.store, "commit", refusing.commit)
    run_id, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert (run.records.written, run.records.rejected) == (16, 2)
    assert "refuses" in world.get("connections/a/rejects/orders-r4").data["reason"]
    assert len(world.records("a", "products")) == 8
    assert sum(counts.seen for counts in world.task(run_id, "a").streams.values()) == 18


def test_a_page_over_the_commit_limit_is_split(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many documents is stored in several commits, the cursor with the last."""
    world.connect("a")
    world.bazaar.page_size = 50
    fill(world, "orders", 120)
    monkeypatch.setattr(absorbing, "PART_DOCUMENTS", 7)
    commit, sizes = world.store.commit, []

    def sizing(writes: list[Write]) -> list[Written]:
        sizes.append(len(writes))
        return commit(writes)

    monkeypatch.setattr(world.store, "commit", sizing)
    _, run = world.run_once()

    assert run.records.written == 120
    assert max(sizes) == 8
    assert len(world.records("a", "orders")) == 120


def test_a_full_run_writes_every_record_again(world: World) -> None:
    """`full` repairs what somebody removed from the store, also where nothing changed at the marketplace."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "orders", 5)
    fill(world, "products", 5)
    world.run_once()
    world.store.commit([Delete("connections/a/orders/r1"), Delete("connections/a/products/r1")])
    world.clock.advance(900)
    start_manual(world.services, TriggerRequest(full=True), requested_by="me", idempotency_key=None)
    world.drain()

    assert len(world.records("a", "orders")) == len(world.records("a", "products")) == 5
    world.clock.advance(900)
    _, run = world.run_once()
    assert run.records.written == 0


def test_a_rate_limit_past_the_deadline_ends_the_task(world: World) -> None:
    """A wait beyond the run's deadline ends the task now, and the connection is left alone until then."""
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


def test_a_failure_at_the_first_page_moves_nothing(world: World) -> None:
    """A window that fails before its first page is read leaves `since` where it was."""
    world.connect("a")
    fill(world, "orders", 4)
    world.run_once()
    since = world.state("a").streams["orders"].cursor.since

    def fail(*_: object) -> None:
        raise MarketplaceUnavailable("bazaar orders: no answer")

    world.bazaar.at_call = fail
    world.clock.advance(900)
    world.run_once()

    assert world.state("a").streams["orders"].cursor.since == since


def test_a_reconcile_finds_what_an_incremental_feed_cannot_show(tmp_path: Path) -> None:
    """Once a day everything is listed: what two windows in a row no longer show is marked deleted."""
    world = World(tmp_path)
    stream = world.bazaar.connector.streams["orders"]
    object.__setattr__(stream, "long_span", timedelta.max)
    object.__setattr__(stream, "remembers_all", True)
    world.connect("a")
    fill(world, "orders", 8)
    world.run_once()
    world.bazaar.shop("a").rows["orders"].pop("r3")
    world.clock.advance(900)
    _, run = world.run_once()
    assert run.records.seen == 0
    world.clock.advance(24 * 3600)
    _, run = world.run_once()
    assert (run.records.seen, run.records.deleted) == (7, 0)
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 1
    assert "r3" not in world.records("a", "orders")
    assert "r2" in world.records("a", "orders")
    world.clock.advance(900)
    assert world.run_once()[1].records.deleted == 0


def test_what_changes_during_a_reconcile_is_not_taken_as_vanished(tmp_path: Path) -> None:
    """A record edited after the listing's end is missing from it, and shown by the next window."""
    world = World(tmp_path)
    stream = world.bazaar.connector.streams["orders"]
    object.__setattr__(stream, "long_span", timedelta.max)
    object.__setattr__(stream, "remembers_all", True)
    world.connect("a")
    fill(world, "orders", 8)
    world.run_once()
    world.clock.advance(24 * 3600)
    world.bazaar.shop("a").put("orders", "r3", world.clock.now(), "2")
    assert world.run_once()[1].records.deleted == 0
    assert world.state("a").streams["orders"].suspects
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 0
    assert world.records("a", "orders")["r3"] == "2"
    assert not world.state("a").streams["orders"].suspects


def test_a_reconcile_in_slices_remembers_what_it_has_seen(tmp_path: Path) -> None:
    """A listing longer than a slice marks only what none of its slices has shown."""
    world = World(tmp_path)
    stream = world.bazaar.connector.streams["orders"]
    object.__setattr__(stream, "long_span", timedelta.max)
    object.__setattr__(stream, "remembers_all", True)
    world.connect("a")
    fill(world, "orders", 30)
    world.run_once()
    for gone in ("r2", "r28"):
        world.bazaar.shop("a").rows["orders"].pop(gone)
    world.clock.advance(24 * 3600)
    world.bazaar.at_call = lambda *_: world.clock.advance(100)
    run_id, _ = world.run_once()
    assert world.task(run_id, "a").slices > 1
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 2
    assert len(world.records("a", "orders")) == 28


def test_a_limit_on_one_stream_holds_no_other_back(world: World) -> None:
    """Products must wait for hours: orders go on at every tick, and products when they may again."""
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
    start_manual(world.services, TriggerRequest(), requested_by="me", idempotency_key=None)
    calls = len(world.bazaar.calls)
    world.drain()
    assert {call[1] for call in world.bazaar.calls[calls:]} == {"orders", "products"}
    world.clock.advance(2700)
    calls = len(world.bazaar.calls)
    world.run_once()

    assert {call[1] for call in world.bazaar.calls[calls:]} == {"orders", "products"}
