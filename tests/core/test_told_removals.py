"""Consumers are told of purges, and of untold changes before a connection's state goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.errors import ChangesUnavailable
from orchestrator.model.change_event import PURGED, ChangeEvent
from orchestrator.operators import pause
from orchestrator.ports import Query, Write, Written
from tests.support.people import ME
from tests.support.stores import Killed
from tests.support.world import World, fill


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A connection with five orders, whose changes are told."""
    world = World(tmp_path, tells=True)
    world.connect("a")
    fill(world, "orders", 5)
    return world


def _purge_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal with a purge that is interrupted before its second page of records."""
    commit, pages = world.store.commit, [0]
    monkeypatch.setattr(pause, "_RECORDS_PAGE", 2)

    def dying(writes: Sequence[Write]) -> list[Written]:
        pages[0] += any(write.path.startswith("connections/a/") for write in writes)
        if pages[0] == 2:
            raise Killed
        return commit(writes)

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "commit", dying)
        with pytest.raises(Killed):
            pause.remove(world.services, "a", by=ME, purge_records=True)


def test_a_purge_is_told_once_everything_is_deleted(world: World) -> None:
    """The event names the connection, its organization and its removal."""
    world.run_once()
    left: list[int] = []
    publish = world.feed.publish

    def looking(events: Sequence[ChangeEvent]) -> None:
        left.append(_count(world))
        publish(events)

    world.feed.publish = looking  # type: ignore[method-assign] # looks when it is told

    pause.remove(world.services, "a", by=ME, purge_records=True)

    (data,) = world.feed.purged()
    assert world.feed.events[-1].type == PURGED
    assert (data.connection_id, data.organization_id, data.marketplace) == ("a", "org-1", "shopify")
    assert data.removed_at == world.state("a").removed_at
    assert left == [0]


def _count(world: World) -> int:
    return len(world.store.query(Query("connections/a/orders", limit=100)))


@pytest.mark.parametrize("again", [True, False])
def test_an_interrupted_purge_is_told_by_whoever_ends_the_removal(
    world: World, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Some records are gone: that is told even if the second command leaves the others."""
    world.run_once()
    _purge_stops(world, monkeypatch)
    assert 0 < _count(world) < 5

    pause.remove(world.services, "a", by=ME, purge_records=again)

    assert [data.connection_id for data in world.feed.purged()] == ["a"]
    assert world.state("a").purging is False


def test_a_purge_that_cannot_be_told_is_not_finished(world: World) -> None:
    """The command fails; repeated, it tells and finishes."""
    world.run_once()
    world.feed.is_away = True
    with pytest.raises(ChangesUnavailable):
        pause.remove(world.services, "a", by=ME, purge_records=True)
    assert world.state("a").removing

    world.feed.is_away = False
    pause.remove(world.services, "a", by=ME, purge_records=True)

    assert len(world.feed.purged()) == 1
    assert not world.state("a").removing


def test_a_second_purge_knows_the_organization(world: World) -> None:
    """The records of a removed connection are purged later."""
    world.run_once()
    pause.remove(world.services, "a", by=ME)
    assert world.feed.purged() == []

    pause.remove(world.services, "a", by=ME, purge_records=True)

    (data,) = world.feed.purged()
    assert data.organization_id == "org-1"


def test_a_removal_tells_what_was_untold(world: World) -> None:
    """Its tombstone keeps no debt."""
    world.feed.is_away = True
    world.run_once()
    world.feed.is_away = False

    pause.remove(world.services, "a", by=ME)

    assert world.feed.counted() == [{"orders": (5, 0)}]
    assert world.state("a").untold is None
