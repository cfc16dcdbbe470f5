"""Streams: windows, cursors, digests, rejects, deletions; the documents an operator finds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceUnavailable,
    PageTokenExpired,
    WriteRejected,
)
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.model.state import Health
from orchestrator.ports import Delete, Put, Write, Written
from orchestrator.runs.start import TriggerRequest, start_manual
from orchestrator.sync import changes
from tests.support.people import ME
from tests.support.world import START, FakeClient, World, fill

HOUR = timedelta(hours=1)


def test_an_unchanged_connection_costs_two_writes_and_two_reads(world: World) -> None:
    """A task that finds nothing new is closed in its only commit, with state and countdown."""
    world.connect("a", streams=["orders", "products", "inventory"])
    for stream in ("orders", "products", "inventory"):
        fill(world, stream, 5)
    world.run_once()
    world.clock.advance(900)
    run_id, run = world.run_once()
    task = world.task(run_id, "a")

    assert run.records.written == 0
    assert task.cost.document_writes == 2
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


def test_a_large_catalogue_that_is_unchanged_costs_five_documents(tmp_path: Path) -> None:
    """10,000 unchanged items: one digest document is read, and nothing of it written."""
    world = World(tmp_path, page_size=1000)
    world.connect("a", streams=["products"])
    fill(world, "products", 10_000)
    world.run_once()
    world.clock.advance(900)
    run_id, run = world.run_once()
    cost = world.task(run_id, "a").cost

    assert run.records.unchanged == 10_000
    assert cost.document_reads + cost.document_writes == 5


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
    assert (run.records.rejected, run.cost.document_writes) == (1, 3)
    world.bazaar.shop("a").put("products", "r1", START - HOUR)
    world.clock.advance(900)
    world.run_once()
    assert world.store.get("connections/a/rejects/products-r1") is None
    assert len(world.records("a", "products")) == 4


@pytest.mark.parametrize("wanted", [False, True])
def test_a_reject_keeps_a_buyer_only_where_that_is_wanted(world: World, wanted: bool) -> None:
    """A raw reject has lost its personal fields, unless the connection stores personal data."""
    world.connect("a", streams=["products"], store_buyer_pii=wanted)
    world.bazaar.shop("a").put("products", "r1", START - HOUR, broken=True)
    world.run_once()
    raw = world.get("connections/a/rejects/products-r1").data["raw"]

    assert '"id":"r1"' in raw
    assert ("buyer@example.test" in raw) == wanted


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
    assert len(world.bazaar.calls) == 2
    world.clock.advance(900)
    skipped, run = world.run_once()
    assert world.task(skipped, "a").reason == "needs_attention"
    assert len(world.bazaar.calls) == 2
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


def test_an_expired_page_token_starts_the_window_again(world: World) -> None:
    """The window continues from its last certain position, and loses nothing."""
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
    """A store that refuses some documents, as Firestore refuses values that it cannot index."""

    def __init__(self, world: World, refused: Callable[[Write], bool]) -> None:
        self._commit = world.store.commit
        self._refused = refused
        self.count = 0

    def commit(self, writes: list[Write]) -> list[Written]:
        """Refuse the whole commit if it holds a refused document."""
        if any(self._refused(write) for write in writes):
            self.count += 1
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
    monkeypatch.setattr(changes, "PART_DOCUMENTS", 7)
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
    """`full` writes removed documents again, even if nothing changed at the marketplace."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "orders", 5)
    fill(world, "products", 5)
    world.run_once()
    world.store.commit([Delete("connections/a/orders/r1"), Delete("connections/a/products/r1")])
    world.clock.advance(900)
    start_manual(world.services, TriggerRequest(full=True), by=ME, idempotency_key=None)
    world.drain()

    assert len(world.records("a", "orders")) == len(world.records("a", "products")) == 5
    world.clock.advance(900)
    _, run = world.run_once()
    assert run.records.written == 0


def test_a_failure_at_the_first_page_moves_nothing(world: World) -> None:
    """A window that fails before its first page is read does not move `since`."""
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
