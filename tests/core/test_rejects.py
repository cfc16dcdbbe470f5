"""A reject goes when its record is valid again, whatever happened in between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from orchestrator.ports import Put, Write, Written
from tests.core.test_streams import Refusing
from tests.support.world import START, Row, World, fill

HOUR = timedelta(hours=1)


def test_a_record_that_is_again_as_it_was_stored_has_no_reject(world: World) -> None:
    """Understood, malformed, and then as at first: nothing about the record is new, but its reject goes."""
    world.connect("a", streams=["products"])
    shop = world.bazaar.shop("a")
    for is_broken in (False, True, False):
        shop.put("products", "r1", START, broken=is_broken)
        world.run_once()
        world.clock.advance(900)
        found = world.store.get("connections/a/rejects/products-r1")
        assert (found is not None) == is_broken

    assert world.records("a", "products") == {"r1": "1"}


def test_a_reject_goes_however_late_it_is_understood(world: World) -> None:
    """An order that nobody corrects for ten days is forgotten by the digest, and its reject is not."""
    world.connect("a")
    shop = world.bazaar.shop("a")
    shop.put("orders", "r1", START - HOUR, broken=True)
    world.run_once()
    for _ in range(10):
        world.clock.advance(86_400)
        shop.put("orders", "other", world.clock.now() - HOUR)
        world.run_once()
    shop.put("orders", "r1", world.clock.now())
    world.clock.advance(900)
    world.run_once()

    assert "r1" in world.records("a", "orders")
    assert world.store.get("connections/a/rejects/orders-r1") is None


def test_a_reject_outlives_its_record_s_absence(world: World) -> None:
    """A malformed record that vanishes, and is listed again and understood, has no reject either."""
    world.connect("a", streams=["products"])
    shop = world.bazaar.shop("a")
    fill(world, "products", 3)
    for is_there, is_broken in ((True, True), (False, True), (True, False)):
        shop.rows["products"].pop("r1", None)
        if is_there:
            shop.put("products", "r1", START, broken=is_broken)
        world.run_once()
        world.clock.advance(900)
        assert (world.store.get("connections/a/rejects/products-r1") is not None) == is_broken

    assert "r1" in world.records("a", "products")


def test_what_the_store_refuses_is_remembered_and_blinds_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused record is not offered again while it is the same, and others' disappearance is noticed."""
    world.connect("a", streams=["products"])
    fill(world, "products", 9)
    shop = world.bazaar.shop("a")
    refusing = Refusing(world, lambda write: isinstance(write, Put) and write.data.get("number") == "r4")
    monkeypatch.setattr(world.store, "commit", refusing.commit)
    world.run_once()
    del shop.rows["products"]["r7"]
    shop.put("products", "r4", START, "2")
    world.clock.advance(900)
    _, run = world.run_once()
    assert (run.records.rejected, run.records.deleted) == (1, 1)
    refused = refusing.count
    world.clock.advance(900)
    _, run = world.run_once()
    assert (run.records.rejected, refusing.count) == (1, refused)
    monkeypatch.undo()
    shop.put("products", "r4", START, "3")
    world.clock.advance(900)
    world.run_once()

    assert world.records("a", "products")["r4"] == "3"
    assert world.store.get("connections/a/rejects/products-r4") is None


@pytest.mark.parametrize("order", [(True, False), (False, True)])
@pytest.mark.parametrize("was_rejected", [False, True])
def test_a_page_that_shows_a_record_twice_and_once_unreadable(
    world: World, monkeypatch: pytest.MonkeyPatch, order: tuple[bool, bool], *, was_rejected: bool
) -> None:
    """The readable version is stored; a reject stays only if the later version is unreadable."""
    world.connect("a", streams=["products"])
    shop = world.bazaar.shop("a")
    shop.put("products", "r1", START, broken=was_rejected)
    world.run_once()
    world.clock.advance(900)
    shop.rows["products"]["again"] = Row(id="r1", updated_at=START, value="2", broken=order[1])
    shop.put("products", "r1", START, "2", broken=order[0])
    once_a_commit(world, monkeypatch)
    world.run_once()

    assert world.records("a", "products") == {"r1": "2"}
    assert (world.store.get("connections/a/rejects/products-r1") is not None) == order[1]
    world.clock.advance(900)
    shop.rows["products"].pop("again")
    shop.put("products", "r1", START, "2")
    world.run_once()
    assert world.records("a", "products") == {"r1": "2"}
    assert world.store.get("connections/a/rejects/products-r1") is None


def once_a_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit writes a document at most once."""
    commit = world.store.commit

    def checked(writes: Sequence[Write]) -> list[Written]:
        paths = [write.path for write in writes]
        assert len(paths) == len(set(paths))
        return commit(writes)

    monkeypatch.setattr(world.store, "commit", checked)
