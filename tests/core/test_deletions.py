"""Deletions: exactly the records that a complete listing no longer shows are marked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.sync import changes
from tests.support.world import START, FakeClient, World, fill

HOUR = timedelta(hours=1)


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


@pytest.mark.parametrize("more", [1, -1])
def test_a_short_listing_deletes_nothing(world: World, more: int) -> None:
    """If the marketplace counts another number of records than it listed, none is taken as vanished."""
    world.connect("a", streams=["products"])
    fill(world, "products", 8)
    world.run_once()
    world.bazaar.shop("a").rows["products"].pop("r3")
    world.bazaar.total = lambda count: count + more
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 0
    assert "r3" in world.records("a", "products")


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


def test_a_snapshot_in_slices_still_finds_what_vanished(world: World) -> None:
    """Records seen by earlier slices count: only records that no slice has listed are marked."""
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


def test_a_reconcile_finds_what_an_incremental_feed_cannot_show(tmp_path: Path) -> None:
    """Once a day everything is listed: a record missing from two windows in a row is marked deleted."""
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


def test_a_record_edited_after_its_digest_entry_grew_old_is_not_taken_as_vanished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first commit of a page forgets old entries; a record in the second one still counts as listed."""
    monkeypatch.setattr(changes, "PART_DOCUMENTS", 1)
    world = World(tmp_path)
    object.__setattr__(world.bazaar.connector.streams["orders"], "long_span", timedelta(days=30))
    world.connect("a")
    fill(world, "orders", 3)
    world.run_once()
    world.clock.advance(40 * 24 * 3600)
    for row in ("r0", "r1"):
        world.bazaar.shop("a").put("orders", row, world.clock.now() - 5 * HOUR, "2")
    assert world.run_once()[1].records.written == 2
    assert not world.state("a").streams["orders"].suspects
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 0
    assert world.records("a", "orders") == {"r0": "2", "r1": "2", "r2": "1"}


def test_a_reconcile_in_slices_remembers_what_it_has_seen(tmp_path: Path) -> None:
    """A listing longer than a slice marks only records that no slice of it has shown."""
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


def test_a_count_that_changes_during_the_scan_deletes_nothing(world: World) -> None:
    """Rows may slip past between two pages of a listing that changes: nothing is taken as vanished then."""
    world.connect("a", streams=["products"])
    fill(world, "products", 8)
    world.run_once()
    gone = world.bazaar.shop("a").rows["products"].pop("r3")

    def comes_back(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "6":
            world.bazaar.shop("a").rows["products"]["r3"] = gone

    world.bazaar.at_call = comes_back
    world.bazaar.total = lambda count: count if count == 7 else 7 + 1
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.deleted == 0
    assert "r3" in world.records("a", "products")
