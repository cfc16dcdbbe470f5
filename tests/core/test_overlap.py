"""A page is written while the next one is read and normalized, and never two at once."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.model.records.record import Record
from orchestrator.ports import Write, Written
from orchestrator.sync import pages
from tests.support.world import World, fill, normalize

#: Only a defect waits so long.
PATIENCE_S = 20.0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with real threads, in which each page of three is a commit of its own."""
    monkeypatch.setattr(pages, "JOINED_RECORDS", 1)
    made = World(tmp_path)
    with ThreadPoolExecutor(4) as executor:
        made.services = dataclasses.replace(made.services, executor=executor)
        yield made


def test_the_next_page_is_normalized_while_one_is_written(world: World) -> None:
    """The commit of the first page waits for the second one to be normalized, and need not wait long."""
    second_page = threading.Event()
    met: list[bool] = []
    commit = world.store.commit

    def noting(raw: bytes, pii: bool) -> Record:
        record = normalize(raw, pii)
        if record.id == "r3":
            second_page.set()
        return record

    def waiting(writes: Sequence[Write]) -> list[Written]:
        if any(write.path == "connections/a/orders/r0" for write in writes):
            met.append(second_page.wait(PATIENCE_S))
        return commit(writes)

    object.__setattr__(world.bazaar.connector.streams["orders"], "normalize", noting)
    object.__setattr__(world.store, "commit", waiting)
    world.connect("a")
    fill(world, "orders", 9)
    world.run_once()

    assert met == [True]
    assert len(world.records("a", "orders")) == 9


def test_the_first_page_of_all_is_not_joined_with_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new connection shows its first records at once; all later pages are joined."""
    monkeypatch.setattr(pages, "JOINED_RECORDS", 250)
    committed: list[int] = []
    commit = world.store.commit

    def counting(writes: Sequence[Write]) -> list[Written]:
        orders = sum(write.path.startswith("connections/a/orders/") for write in writes)
        committed.extend([orders] if orders else [])
        return commit(writes)

    object.__setattr__(world.store, "commit", counting)
    world.connect("a")
    fill(world, "orders", 9)
    world.run_once()
    world.clock.advance(900)
    for number in range(9):
        world.bazaar.shop("a").put("orders", f"new{number}", world.clock.now() - timedelta(minutes=9))
    world.run_once()

    assert committed == [3, 6, 9]


def test_commits_of_a_task_are_one_after_the_other(world: World) -> None:
    """However the threads run, no commit of a connection begins before the last one has ended."""
    commit = world.store.commit
    under_way = threading.Semaphore(1)
    overlapped: list[str] = []

    def watched(writes: Sequence[Write]) -> list[Written]:
        if not under_way.acquire(blocking=False):
            overlapped.append(writes[0].path)
            return commit(writes)
        try:
            return commit(writes)
        finally:
            under_way.release()

    object.__setattr__(world.store, "commit", watched)
    world.connect("a", streams=["orders", "products"])
    for stream in ("orders", "products"):
        fill(world, stream, 40)
    world.run_once()

    assert overlapped == []
    assert len(world.records("a", "orders")) == len(world.records("a", "products")) == 40
