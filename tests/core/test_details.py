"""The second stage: details that cost a call are read for new rows alone, and no slice reads them in vain."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.errors import RateLimited, RequestRejected
from orchestrator.model import ids
from orchestrator.model.run import RunStatus
from orchestrator.ports import Delete, Write, Written
from orchestrator.sync import changes, details, digest, pages
from tests.core.detailed import DAY_S, ask_for_all, asked, old_rows, stored, told
from tests.support.world import START, FakeClient, Row, World, fill

# Only new rows


def test_a_new_row_is_completed_once(sparse: World) -> None:
    """Each row costs one call, and the completed record is stored."""
    _, run = sparse.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert asked(sparse) == {f"r{n}": 1 for n in range(6)}
    assert told(sparse) == {f"r{n}": "detail of 1" for n in range(6)}
    assert (run.records.seen, run.records.written) == (6, 6)


@pytest.mark.parametrize("after_s", [60.0, 900.0, DAY_S + 3600])
def test_an_unchanged_row_costs_no_detail_call(sparse: World, after_s: float) -> None:
    """Neither a look-back nor a reconcile asks for details again, nor writes."""
    sparse.run_once()
    sparse.bazaar.details.clear()
    listed = len(sparse.bazaar.calls)
    sparse.clock.advance(after_s)
    run_id, run = sparse.run_once()

    assert sparse.bazaar.details == []
    assert (run.records.written, run.records.seen > 0) == (0, after_s > DAY_S)
    assert len(sparse.bazaar.calls) == listed + (2 if after_s > DAY_S else 1)
    assert sparse.task(run_id, "a").cost.document_writes <= 4


def test_a_changed_row_is_completed_again(sparse: World) -> None:
    """The one row that changed costs the one call."""
    sparse.run_once()
    sparse.bazaar.details.clear()
    sparse.clock.advance(900)
    sparse.bazaar.shop("a").put("orders", "r2", sparse.clock.now() - timedelta(minutes=5), "2")
    sparse.run_once()

    assert sparse.bazaar.details == [("r2",)]
    assert told(sparse)["r2"] == "detail of 2"


def test_a_full_run_completes_everything(sparse: World) -> None:
    """Whoever asks for every record again gets it with its details."""
    sparse.run_once()
    _, run = ask_for_all(sparse)

    assert asked(sparse) == {f"r{n}": 2 for n in range(6)}
    assert run.records.written == 6


def test_a_lost_digest_completes_again(sparse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of any row any more: each is completed once more, none is stored without details."""
    monkeypatch.setattr(digest, "INLINE_ENTRIES", 0)
    sparse.run_once()
    sparse.store.commit([Delete(f"{ids.state_path('a')}/digests/orders-00")])
    sparse.clock.advance(DAY_S + 3600)
    sparse.run_once()

    assert asked(sparse) == {f"r{n}": 2 for n in range(6)}
    assert set(told(sparse).values()) == {"detail of 1"}


def test_of_two_versions_on_one_page_the_later_is_completed(world: World) -> None:
    """A joined page may show a row twice: one call, and the later version is stored."""
    world.connect("a")
    fill(world, "orders", 2)
    world.bazaar.give_details("orders")
    late = START - timedelta(minutes=10)
    world.bazaar.strays = [Row(id="r0", updated_at=late, value="2")]
    world.run_once()

    assert asked(world) == {"r0": 1, "r1": 1}
    assert stored(world)["r0"]["marketplace_status"] == "2"


# Slices


def test_a_row_that_takes_many_calls_is_completed_alone(tmp_path: Any) -> None:
    """Rows that are completed together have to fit one slice."""
    world = World(tmp_path, page_size=100)
    world.connect("a")
    fill(world, "orders", 8)
    world.bazaar.give_details("orders", rows=3, completed_alone=lambda raw: b'"r2"' in raw or b'"r3"' in raw)
    world.run_once()

    assert world.bazaar.details == [("r0", "r1"), ("r2",), ("r3",), ("r4", "r5", "r6"), ("r7",)]
    assert len(told(world)) == 8


def test_the_rows_that_were_not_completed_are_given_again(tmp_path: Any) -> None:
    """A connector that was given too many for one slice completes the first ones."""
    world = World(tmp_path, page_size=100)
    world.connect("a")
    fill(world, "orders", 5)
    world.bazaar.give_details("orders", rows=4)
    stream = world.bazaar.streams["orders"]
    complete = stream.complete
    assert complete is not None
    world.bazaar.streams["orders"] = replace(stream, complete=lambda *given: complete(*given)[:2])
    world.run_once()

    assert world.bazaar.details == [("r0", "r1", "r2", "r3"), ("r2", "r3", "r4"), ("r4",)]
    assert set(told(world).values()) == {"detail of 1"}


def test_rows_that_failed_together_need_not_fit_one_slice(tmp_path: Any) -> None:
    """Each is asked for alone, and each that is done stays done."""
    world = World(tmp_path, page_size=100)
    world.connect("a")
    old_rows(world, 20)
    world.bazaar.give_details("orders", rows=20)

    def slow(_: FakeClient, names: tuple[str, ...]) -> None:
        world.clock.advance(60)
        if "r7" in names:
            raise RequestRejected("answered 404")

    world.bazaar.at_detail = slow
    world.run_once()
    world.bazaar.details.clear()
    world.clock.advance(900)
    run_id, _ = world.run_once()

    assert world.task(run_id, "a").slices > 1
    assert {name: value for name, value in told(world).items() if value != "detail of 1"} == {"r7": "r7"}
    alone = [names for names in world.bazaar.details if len(names) == 1]
    assert len(alone) == len(set(alone))


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("is_old", [False, True])
def test_a_slice_that_ends_in_a_page_keeps_the_rows_done(
    tmp_path: Any, *, is_full: bool, is_old: bool
) -> None:
    """A page whose details take several slices is asked for again, and no row's details are."""
    world = World(tmp_path, page_size=100)
    world.connect("a")
    if is_old:
        old_rows(world, 40)
    else:
        fill(world, "orders", 40)
    world.bazaar.give_details("orders")
    if is_full:
        world.run_once()
        world.bazaar.details.clear()
    world.bazaar.at_detail = lambda *_: world.clock.advance(60)
    run_id, run = ask_for_all(world) if is_full else world.run_once()
    task = world.task(run_id, "a")

    assert run.status is RunStatus.SUCCEEDED
    assert not task.incomplete
    assert task.slices > 4
    assert asked(world) == {f"r{n}": 1 for n in range(40)}
    assert set(told(world).values()) == {"detail of 1"}
    assert (run.records.written, run.records.rejected) == (40, 0)
    assert run.records.seen == run.records.written + run.records.unchanged


def test_a_run_that_ends_in_a_page_goes_on_in_the_next(world: World) -> None:
    """Past the run's deadline the rows done stay done."""
    world.bazaar.page_size = 100
    world.connect("a")
    old_rows(world, 40)
    world.bazaar.give_details("orders")
    world.bazaar.at_detail = lambda *_: world.clock.advance(300)
    first, _ = world.run_once()
    assert world.task(first, "a").incomplete
    assert 0 < len(stored(world)) < 40
    for _ in range(6):
        world.clock.advance(900)
        world.run_once()

    assert asked(world) == {f"r{n}": 1 for n in range(40)}
    assert len(stored(world)) == 40


def test_a_process_that_has_to_end_keeps_the_rows_done(sparse: World) -> None:
    """SIGTERM in a page: the call under way is the last, and its row is stored."""
    is_stopping = False

    def stop(client: FakeClient, names: tuple[str, ...]) -> None:
        nonlocal is_stopping
        is_stopping = names == ("r1",)

    sparse.bazaar.at_detail = stop
    services = sparse.services
    sparse.services = replace(services, stopping=lambda: is_stopping)
    sparse.tick()
    while not any(message.slice for message in sparse.queue.messages):
        sparse.deliver(sparse.queue.messages.pop(0))
    assert told(sparse) == {"r0": "detail of 1", "r1": "detail of 1"}
    sparse.services = services
    sparse.drain()

    assert asked(sparse) == {f"r{n}": 1 for n in range(6)}


def test_a_call_that_hangs_does_not_cost_the_rows_before_it(
    sparse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slice ends without the call, and with the rows of its batch that were completed."""
    monkeypatch.setattr(pages, "LOOK_S", 0.01)
    come = threading.Event()

    def hang(client: FakeClient, names: tuple[str, ...]) -> None:
        if names == ("r2",):
            sparse.clock.advance(1000)
            come.wait(30)

    sparse.bazaar.at_detail = hang
    with ThreadPoolExecutor() as executor:
        sparse.services = replace(sparse.services, executor=executor)
        sparse.tick()
        while not any(message.slice for message in sparse.queue.messages):
            sparse.deliver(sparse.queue.messages.pop(0))
        kept = told(sparse)
        come.set()
        sparse.bazaar.at_detail = None
        sparse.drain()

    assert kept == {"r0": "detail of 1", "r1": "detail of 1"}
    assert asked(sparse) == {"r0": 1, "r1": 1, "r2": 2, "r3": 1, "r4": 1, "r5": 1}


def test_a_long_batch_is_stored_before_the_page_is_complete(world: World) -> None:
    """Few calls are made between two commits: a death costs the calls of one batch."""
    world.bazaar.page_size = 100
    world.connect("a")
    fill(world, "orders", 30)
    world.bazaar.give_details("orders")
    held: list[int] = []

    def look(client: FakeClient, names: tuple[str, ...]) -> None:
        held.append(len(stored(world)))
        world.clock.advance(4)

    world.bazaar.at_detail = look
    world.run_once()
    most = int(details.BATCH_S / 4) + 1

    assert all(n - count <= 2 * most for n, count in enumerate(held))


def test_a_commit_that_fails_in_a_batch_loses_no_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a batch's last commit counts the rows of all of its commits as stored."""
    monkeypatch.setattr(changes, "PART_DOCUMENTS", 1)
    world.bazaar.page_size = 100
    world.connect("a")
    old_rows(world, 12)
    world.bazaar.give_details("orders")
    world.bazaar.at_detail = lambda *_: world.clock.advance(6)
    commit, count = world.store.commit, 0

    def dies(writes: Sequence[Write]) -> list[Written]:
        nonlocal count
        is_record = any(write.path.startswith("connections/a/orders") for write in writes)
        count += is_record
        if is_record and count == 5:
            raise StopIteration
        return commit(writes)

    monkeypatch.setattr(world.store, "commit", dies)
    for _ in range(3):
        world.run_once()
        world.clock.advance(900)

    assert set(told(world)) == {f"r{n}" for n in range(12)}
    assert set(told(world).values()) == {"detail of 1"}


def test_a_change_back_within_an_unfinished_page_is_stored(world: World) -> None:
    """A row that was stored for this page, changed and changed back, is stored with its latest content."""
    world.bazaar.page_size = 100
    world.connect("a", streams=["products"])
    fill(world, "products", 3)
    world.bazaar.give_details("products", remembers_all=True)
    at, shop = START - timedelta(hours=9), world.bazaar.shop("a")

    def slow(client: FakeClient, names: tuple[str, ...]) -> None:
        world.clock.advance(500)
        shop.put("products", "r0", at, {1: "2", 2: "1"}.get(asked(world)["r0"], "1"))

    shop.put("products", "r0", at, "1")
    world.bazaar.at_detail = slow
    world.run_once()

    assert asked(world)["r0"] == 3
    assert stored(world, "products")["r0"]["marketplace_status"] == "1"


def test_a_wait_in_a_page_is_kept_and_nothing_is_asked_twice(sparse: World) -> None:
    """A limit reached at a detail holds the stream back like any other; the rows before it stay done."""

    def limit(client: FakeClient, names: tuple[str, ...]) -> None:
        if names == ("r1",) and asked(sparse)["r1"] == 1:
            raise RateLimited("bazaar says wait", wait_s=400)

    sparse.bazaar.at_detail = limit
    sparse.tick()
    sparse.drain()
    state = sparse.state("a")
    assert state.lease.not_before == sparse.clock.now() + timedelta(seconds=400)
    assert told(sparse) == {"r0": "detail of 1"}
    sparse.clock.advance(900)
    sparse.run_once()

    assert asked(sparse) == {"r0": 1, "r1": 2, "r2": 1, "r3": 1, "r4": 1, "r5": 1}
    assert set(told(sparse).values()) == {"detail of 1"}
