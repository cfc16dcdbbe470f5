"""A stream's next version: changes arrive at every tick as before, and history is rewritten beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.spec import Listing
from orchestrator.model import ids
from orchestrator.model.connection import Connection
from orchestrator.model.run import TaskStatus
from orchestrator.ports import Update
from orchestrator.runs.start import TriggerRequest, start_manual
from orchestrator.sync import windows
from orchestrator.sync.migration import turns
from tests.core.releases import TICK_S, deploy, finish, migrating, slow, state, tick, versions, written_in
from tests.support.people import ME
from tests.support.world import START, FakeClient, World, fill

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _a_turn_of_one_page_at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection takes part in each tick, with as little of its history as possible."""
    monkeypatch.setattr(turns, "TURNS", 1)
    monkeypatch.setattr(turns, "TURN_S", 1.0)


# Changes


@pytest.mark.parametrize("listing", [Listing.INCREMENTAL, Listing.ROLLING])
def test_a_change_arrives_at_the_first_tick_of_a_migration(tmp_path: Path, listing: Listing) -> None:
    """History takes many ticks; a change meanwhile is stored at the next one, in the new version."""
    world = World(tmp_path, listings={"orders": listing})
    migrating(world, 18)
    for n in range(4):
        world.bazaar.shop("a").put("orders", f"new{n}", world.clock.now(), str(n))
        task = tick(world)

        assert world.records("a", "orders")[f"new{n}"] == str(n)
        assert versions(world)[f"new{n}"] == "version 2"
        assert (task.status, task.incomplete) == (TaskStatus.SUCCEEDED, False)
        since = state(world).cursor.since
        assert since is not None
        assert since > world.clock.now() - timedelta(minutes=3)
        assert state(world).migration
    finish(world)
    assert set(versions(world).values()) == {"version 2"}


def test_every_record_is_written_once_and_then_nothing(world: World) -> None:
    """The rewritten history and the changes meanwhile: each is one write, whichever window came first."""
    migrating(world)
    tasks = [tick(world)]
    world.bazaar.shop("a").put("orders", "r9", world.clock.now(), "2")
    tasks += finish(world)

    assert sum(task.streams["orders"].written for task in tasks) == 12
    assert set(versions(world).values()) == {"version 2"}
    assert world.records("a", "orders")["r9"] == "2"
    assert len(tasks) > 3
    world.bazaar.at_call = None
    idle = tick(world)
    assert idle.streams["orders"].written == 0
    assert (idle.cost.document_writes, idle.cost.document_reads) == (2, 2)


def test_a_migration_out_of_turn_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While others have their turn, a tick costs the documents and calls of any idle tick."""
    migrating(world)
    tick(world)
    monkeypatch.setattr(turns, "LATEST_S", -1.0)
    calls = len(world.bazaar.calls)
    task = tick(world)

    assert state(world).migration
    assert (task.cost.document_writes, task.cost.document_reads) == (2, 2)
    assert len(world.bazaar.calls) == calls + 1


def test_the_history_before_a_rolling_span_is_rewritten(world: World) -> None:
    """An order that no short or long span reaches any more is read once more."""
    world.connect("a", streams=["inventory"])
    world.bazaar.shop("a").put("inventory", "old", START - 300 * DAY)
    fill(world, "inventory", 4)
    world.run_once()
    deploy(world, 2)
    tick(world)
    finish(world)

    assert versions(world, "inventory")["old"] == "version 2"
    assert written_in(world, 2, "inventory") == 5


def test_a_snapshot_needs_only_its_next_listing(world: World) -> None:
    """It lists everything anyway: the next listing writes all of it, and there is no migration."""
    world.connect("a", streams=["products"])
    fill(world, "products", 8)
    world.run_once()
    deploy(world, 2)
    task = tick(world)

    assert (task.streams["products"].written, written_in(world, 2, "products")) == (8, 8)
    assert state(world, "products").migration == ()
    assert tick(world).streams["products"].written == 0


def test_other_settings_start_again_and_need_no_migration(world: World) -> None:
    """Records that are read from the beginning are written in the new version there."""
    migrating(world)
    tick(world)
    world.bazaar.at_call = None
    world.connect("a", store_buyer_pii=True)
    task = tick(world)

    assert state(world).migration == ()
    assert task.streams["orders"].seen == 12
    assert written_in(world, 2) == 12


def test_a_person_s_full_run_replaces_a_migration(world: World) -> None:
    """It reads everything from the beginning, and writes every record."""
    migrating(world)
    tick(world)
    assert state(world).migration
    world.bazaar.at_call = None
    world.clock.advance(TICK_S)
    start_manual(world.services, TriggerRequest(full=True), by=ME, idempotency_key=None)
    world.drain()

    assert state(world).migration == ()
    assert written_in(world, 2) == 12
    assert tick(world).streams["orders"].written == 0


def test_a_version_raised_twice_rewrites_all_of_it_in_the_last(world: World) -> None:
    """The second release begins the history again, up to the present `since`."""
    migrating(world)
    tick(world)
    tick(world)
    deploy(world, 3)
    tick(world)
    finish(world)

    assert written_in(world, 3) == 12


# The history's parts, and the reconcile


def test_the_latest_part_of_the_history_is_rewritten_first(world: World) -> None:
    """The span of the reconcile, then everything before it."""
    deploy(world, 1, long_span=10 * DAY)
    world.connect("a", streams=["orders"])
    for n in range(3):
        world.bazaar.shop("a").put("orders", f"old{n}", START - (100 - n) * DAY)
    fill(world, "orders", 3)
    world.run_once()
    deploy(world, 2, long_span=10 * DAY)
    slow(world)
    tick(world)

    assert {name for name, version in versions(world).items() if version == "version 2"} == {"r0", "r1", "r2"}
    finish(world)
    assert written_in(world, 2) == 6


def test_a_reconcile_leaves_the_history_to_the_migration(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It still finds the vanished records; it writes no record that only the version has changed."""
    deploy(world, 1, long_span=timedelta.max, remembers_all=True)
    world.connect("a", streams=["orders"])
    fill(world, "orders", 12)
    world.run_once()
    deploy(world, 2, long_span=timedelta.max, remembers_all=True)
    world.clock.advance(24 * 3600 - TICK_S)
    world.bazaar.shop("a").rows["orders"].pop("r3")
    world.bazaar.shop("a").put("orders", "r5", START + HOUR, "2")
    monkeypatch.setattr(turns, "TURN_S", -1.0)
    tasks = [tick(world), tick(world)]

    assert (tasks[0].streams["orders"].seen, tasks[0].streams["orders"].written) == (11, 1)
    assert sum(task.streams["orders"].deleted for task in tasks) == 1
    assert versions(world)["r5"] == "version 2"
    monkeypatch.setattr(turns, "TURN_S", 120.0)
    tick(world)
    assert written_in(world, 2) == 11


def test_a_change_without_a_time_is_found_by_the_reconcile_after_the_migration(world: World) -> None:
    """A record that was rewritten and then changed silently waits for that."""
    deploy(world, 1, long_span=timedelta.max, remembers_all=True)
    migrating(world)
    deploy(world, 2, long_span=timedelta.max, remembers_all=True)
    tick(world)
    assert versions(world)["r0"] == "version 2"
    world.bazaar.shop("a").put("orders", "r0", START - 12 * HOUR, "silent")
    world.clock.advance(24 * 3600)
    tick(world)
    finish(world)
    world.clock.advance(24 * 3600)
    tick(world)

    assert world.records("a", "orders")["r0"] == "silent"


# The state of the release before


def of_release_0_1(world: World, stream: str = "orders") -> None:
    """The stored state in the form of release 0.1, whose scope holds the stream's version."""
    path = ids.state_path("a")
    streams = dict(world.get(path).data["streams"])
    connector = world.bazaar.connector
    connection = msgspec.convert(world.get("connections/a").data, Connection)
    scope = windows._scope_of_release_0_1(connector.streams[stream], connection)
    streams[stream] = {**streams[stream], "scope": scope}
    assert "version" not in streams[stream]
    world.store.commit([Update(path, {"streams": streams})])


@pytest.mark.parametrize("backfill", [None, START - 100 * DAY])
def test_a_state_of_release_0_1_keeps_its_since(world: World, backfill: datetime | None) -> None:
    """Its scope is recognised as that of version 1: only the version differs, and nothing starts again."""
    world.connect("a", backfill_since=backfill, settings={"one": 1, "base_url": "http://127.0.0.1:9"})
    fill(world, "orders", 9)
    world.run_once()
    since = state(world).cursor.since
    of_release_0_1(world)
    deploy(world, 2)
    slow(world)
    calls = len(world.bazaar.calls)
    tick(world)

    assert since is not None
    assert world.bazaar.calls[calls][2].since == since - timedelta(minutes=10)
    assert state(world).migration
    finish(world)
    assert written_in(world, 2) == 9


def test_a_state_of_release_0_1_with_the_same_version_needs_nothing(world: World) -> None:
    """The scope takes its new form, and no record is read or written again."""
    world.connect("a")
    fill(world, "orders", 9)
    world.run_once()
    of_release_0_1(world)
    task = tick(world)

    assert (task.streams["orders"].written, state(world).migration) == (0, ())
    assert state(world).scope == windows.scope_of(
        world.bazaar.connector.streams["orders"],
        msgspec.convert(world.get("connections/a").data, Connection),
    )


def test_a_state_of_release_0_1_with_other_settings_starts_again(world: World) -> None:
    """A version and a setting that changed together: the setting decides."""
    world.connect("a")
    fill(world, "orders", 9)
    world.run_once()
    of_release_0_1(world)
    deploy(world, 2)
    world.connect("a", settings={"region": "other"})
    task = tick(world)

    assert (task.streams["orders"].seen, state(world).migration) == (9, ())


def test_a_connection_that_changes_hands_starts_again(world: World) -> None:
    """Every record names the organization: all of them are read for the new one."""
    world.connect("a")
    fill(world, "orders", 9)
    world.run_once()
    world.connect("a", organization_id="org-2")

    assert tick(world).streams["orders"].seen == 9


# A window that is open at the moment of the change


def fail_at(page: str, error: Exception) -> Callable[[FakeClient, str, str | None], None]:
    """Fail the call for the page at a token."""

    def at_call(client: FakeClient, stream: str, token: str | None) -> None:
        if token == page:
            raise error

    return at_call


def test_a_window_that_is_open_continues_and_its_first_pages_are_rewritten(world: World) -> None:
    """A first listing of days is not begun again by a release; its pages of version 1 are read once more."""
    world.connect("a")
    fill(world, "orders", 12)
    world.bazaar.at_call = fail_at("6", MarketplaceUnavailable("bazaar orders: no answer"))
    world.run_once()
    opened = state(world).cursor.window
    assert opened is not None
    assert opened.token == "6"
    deploy(world, 2)
    slow(world)
    calls = len(world.bazaar.calls)
    world.clock.advance(TICK_S)
    world.run_once()

    assert [token for _, _, _, token in world.bazaar.calls[calls:][:2]] == ["6", "9"]
    assert state(world).cursor.since == opened.until
    finish(world)
    assert written_in(world, 2) == 12


def test_a_reconcile_that_is_open_at_a_release_marks_exactly_what_vanished(world: World) -> None:
    """It continues, and the migration, which lists nothing completely, marks nothing."""
    deploy(world, 1, long_span=timedelta.max, remembers_all=True)
    world.connect("a", streams=["orders"])
    fill(world, "orders", 12)
    world.run_once()
    world.bazaar.shop("a").rows["orders"].pop("r1")
    world.clock.advance(24 * 3600 - TICK_S)
    world.bazaar.at_call = fail_at("6", MarketplaceUnavailable("bazaar orders: no answer"))
    tick(world)
    window = state(world).cursor.window
    assert window is not None
    assert window.long
    deploy(world, 2, long_span=timedelta.max, remembers_all=True)
    slow(world)
    tick(world)
    world.bazaar.shop("a").rows["orders"].pop("r5")
    tasks = finish(world)

    assert sum(task.streams["orders"].deleted for task in tasks) == 1
    assert set(world.records("a", "orders", deleted=True)) - set(world.records("a", "orders")) == {"r1"}
    assert state(world).suspects == b""


def test_a_record_that_the_migration_shows_is_no_suspect(world: World) -> None:
    """A reconcile missed it, and the migration shows it: the next window does not mark it."""
    deploy(world, 1, long_span=timedelta.max, remembers_all=True)
    world.connect("a", streams=["orders"])
    fill(world, "orders", 2)
    world.run_once()
    missed = world.bazaar.shop("a").rows["orders"].pop("r1")
    deploy(world, 2, long_span=timedelta.max, remembers_all=True)
    world.clock.advance(24 * 3600 - TICK_S)
    begun: list[str] = []

    def show(client: FakeClient, stream: str, token: str | None) -> None:
        begun.append(stream)
        if len(begun) == 2:
            world.bazaar.shop("a").rows["orders"]["r1"] = missed

    world.bazaar.at_call = show
    tasks = [tick(world), tick(world)]

    assert sum(task.streams["orders"].deleted for task in tasks) == 0
    assert written_in(world, 2) == 2
    assert world.records("a", "orders")["r1"] == "1"


def test_a_suspect_that_has_left_the_history_is_not_marked_by_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changed while a reconcile listed it: neither that nor the history shows it, the next window does."""
    monkeypatch.setattr(turns, "TURN_S", 120.0)
    deploy(world, 1, long_span=timedelta.max, remembers_all=True)
    world.connect("a", streams=["orders"])
    fill(world, "orders", 12)
    world.run_once()
    deploy(world, 2, long_span=timedelta.max, remembers_all=True)
    world.clock.advance(24 * 3600 - TICK_S)

    def change(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "3":
            world.bazaar.at_call = None
            world.bazaar.shop("a").put("orders", "r11", world.clock.now(), "2")

    world.bazaar.at_call = change
    tasks = [tick(world)]
    assert state(world).suspects != b""
    assert state(world).migration == ()
    tasks.append(tick(world))

    assert sum(task.streams["orders"].deleted for task in tasks) == 0
    assert world.records("a", "orders")["r11"] == "2"
