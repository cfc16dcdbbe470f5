"""The fleet's lines: each tick tells what is wrong now, as long as it is wrong and no longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.errors import CredentialsRejected, MarketplaceUnavailable, StoreUnavailable
from orchestrator.ports import Filter, Put, Query, Snapshot
from orchestrator.runs import fleet
from tests.support.lines import Lines, kept, run_once
from tests.support.world import START, FakeClient, World

HOUR = timedelta(hours=1)


class Counting(SqliteStore):
    """Counts what the fleet's line costs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.counts = self.documents = 0

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """See DocumentStore."""
        self.counts += 1
        return super().count(collection, where, group=group)

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        found = super().query(query)
        self.documents += len(found)
        return found

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        self.documents += len(paths)
        return super().get_many(paths)


def ticks(world: World, count: int) -> Lines:
    """The log of this many ticks, a quarter of an hour apart."""
    with kept() as lines:
        for _ in range(count):
            world.clock.advance(900)
            run_once(world)
    return lines


def refuse(client: FakeClient, stream: str, token: str | None) -> None:
    """A revoked credential."""
    raise CredentialsRejected("shopify orders: answered 401", action="store a valid credential")


def down(client: FakeClient, stream: str, token: str | None) -> None:
    """A marketplace that answers nothing."""
    raise MarketplaceUnavailable("shopify orders: answered 500")


def test_each_tick_has_one_line_without_connections_too(world: World) -> None:
    """An empty fleet and a healthy one have a line a tick, and no other."""
    empty = ticks(world, 2)
    world.connect("a")
    healthy = ticks(world, 2)

    for lines in (empty, healthy):
        assert len(lines.of("fleet")) == 2
        assert lines.of("fleet_marketplace") == lines.of("connection_needs_attention") == []
    (line, _) = healthy.of("fleet")
    assert line["message"] == (
        "fleet: connections: 0 late, 0 need attention, 0 failing; records rejected by the last tick: 0"
    )
    assert "connection_id" not in line
    assert "marketplace" not in line


def test_a_connection_that_needs_attention_is_named_until_it_works(world: World) -> None:
    """Its task is skipped from the second tick on, and its line is written all the same."""
    world.connect("a")
    world.connect("b", marketplace="takealot")
    world.bazaar.at_call = lambda client, stream, token: (
        refuse(client, stream, token) if client.connection_id == "a" else None
    )
    ticks(world, 1)
    sick = ticks(world, 4)
    world.bazaar.at_call = None
    world.clock.advance(1)
    world.connect("a")
    # The first success ends the window of the outage, the next one brings the data up to date.
    ticks(world, 2)
    well = ticks(world, 2)

    assert [line["needs_attention"] for line in sick.of("fleet")] == [1] * 4
    assert [line["marketplace"] for line in sick.of("fleet_marketplace")] == ["shopify"] * 4
    named = sick.of("connection_needs_attention")
    assert [line["logging.googleapis.com/labels"]["connection_id"] for line in named] == ["a"] * 4
    assert {line["failing_ticks"] for line in sick.of("fleet_marketplace")} == {0}
    assert named[0]["message"] == (
        "a (shopify): needs attention: shopify orders: answered 401; remedy: store a valid credential"
    )
    assert (named[0]["kind"], named[0]["failures"]) == ("credentials_rejected", 1)
    assert well.of("connection_needs_attention") == well.of("fleet_marketplace") == []


def test_a_paused_connection_is_not_named(world: World) -> None:
    """A person has dealt with it."""
    world.connect("a")
    world.bazaar.at_call = refuse
    ticks(world, 1)
    world.connect("a", status="paused")

    assert ticks(world, 1).of("connection_needs_attention") == []


def test_at_most_some_are_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many need attention, the line's cost is bounded."""
    monkeypatch.setattr(fleet, "NAMED", 2)
    for number in range(5):
        world.connect(f"c{number}")
    world.bazaar.at_call = refuse
    ticks(world, 1)
    lines = ticks(world, 1)

    assert len(lines.of("connection_needs_attention")) == 2
    assert lines.of("fleet")[0]["needs_attention"] == 5


def test_a_marketplace_that_is_down_counts_its_ticks(world: World) -> None:
    """The ticks in a row grow while it is down, a healthy marketplace has none, and one good tick ends it."""
    world.connect("a")
    world.connect("b", marketplace="takealot")
    world.bazaar.at_call = lambda client, stream, token: (
        down(client, stream, token) if client.connection_id == "a" else None
    )
    sick = ticks(world, 5)
    world.bazaar.at_call = None
    # The first success ends the window of the outage, the next one brings the data up to date.
    ticks(world, 2)
    well = ticks(world, 1)

    # Each tick tells of the runs that were closed before it.
    assert [line["failing_ticks"] for line in sick.of("fleet_marketplace")] == [1, 2, 3, 4]
    assert {line["marketplace"] for line in sick.of("fleet_marketplace")} == {"shopify"}
    assert "most tasks failed in the last 4 ticks" in sick.of("fleet_marketplace")[-1]["message"]
    assert well.of("fleet_marketplace") == []


def test_late_connections_are_counted_by_their_time(world: World) -> None:
    """Those with a `late_at` in the past count, at their marketplace; others do not."""
    for name, late_at in (("a", START), ("b", START + 10 * HOUR), ("c", None)):
        document = {"marketplace": "shopify", "late_at": late_at}
        world.store.commit([Put(f"sync_state/{name}", document)])
    (line,) = ticks(world, 1).of("fleet_marketplace")

    assert (line["marketplace"], line["late"]) == ("shopify", 1)


def test_rejects_of_the_last_tick_are_told(world: World) -> None:
    """The next tick's line has the number of records that the last one rejected."""
    world.connect("a", streams=["products"])
    world.bazaar.shop("a").put("products", "p1", START, broken=True)
    ticks(world, 1)
    lines = ticks(world, 1)

    assert [line["rejects"] for line in (*lines.of("fleet"), *lines.of("fleet_marketplace"))] == [1, 1]


def test_a_quiet_fleet_costs_three_counts_and_few_documents(world: World, tmp_path: Path) -> None:
    """Whatever the number of connections."""
    for number in range(30):
        world.connect(f"c{number}")
    ticks(world, 8)
    store = Counting(tmp_path / "store.db")
    fleet.tell(replace(world.services, store=store))

    assert (store.counts, store.documents) == (3, fleet.TICKS)


def test_without_the_store_the_tick_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is missing, and everything else happens."""
    world.connect("a")

    def away(*_: object) -> int:
        raise StoreUnavailable("timed out")

    monkeypatch.setattr(fleet, "_count", away)
    with kept() as lines:
        run_id = run_once(world)

    assert lines.of("fleet") == []
    assert world.run(run_id).status.value == "succeeded"
