"""Fixtures of the core's tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.sync import pages
from tests.core.grave import Grave
from tests.support.world import World, fill


@pytest.fixture(autouse=True)
def _every_page_is_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are not joined, so that few records make many commits."""
    monkeypatch.setattr(pages, "JOINED_RECORDS", 1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh world with one marketplace."""
    return World(tmp_path)


@pytest.fixture
def grave(world: World, tmp_path: Path) -> Iterator[Grave]:
    """Two connections with eight orders each, and nothing dead yet."""
    for name in ("a", "b"):
        world.connect(name)
        fill(world, "orders", 8, name)
    path = tmp_path / "queue.db"
    made = Grave(world, LocalQueue(path, "http://127.0.0.1:9/", delivers=False), LocalDeadLetters(path))
    yield made
    made.queue.close()
    made.letters.close()


@pytest.fixture
def sparse(world: World) -> World:
    """A connection to six orders with details, on pages of three."""
    world.connect("a")
    fill(world, "orders", 6)
    world.bazaar.give_details("orders", long_span=timedelta(days=30))
    return world
