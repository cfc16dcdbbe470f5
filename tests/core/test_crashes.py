"""A death, a repetition or a lost answer at any single step: the same documents, and the run ends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import QueueUnavailable, StoreUnavailable, SyncError
from orchestrator.model import ids
from orchestrator.model.messages import Message
from orchestrator.model.run import RunStatus
from orchestrator.model.state import Lease, Open, SyncState
from orchestrator.ports import Put, Query, Snapshot, Update, Write, Written
from orchestrator.tasks.holder import Holder
from tests.support.stores import Killed
from tests.support.world import START, World

FAULTS = (
    "killed before a commit",
    "killed after a commit",
    "a commit that is applied but unanswered",
    "a commit that is not applied",
    "a commit that is applied, and refused when sent again",
    "killed before a publish",
    "killed after a publish",
    "a publish that fails",
)


class Faulty:
    """Makes one thing go wrong at the nth commit or publish."""

    def __init__(self, world: World, fault: str, at: int) -> None:
        self._fault, self._at = fault, at
        self._commit, self._publish = world.store.commit, world.queue.publish
        self.commits = self.publishes = 0

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit, perhaps not."""
        self.commits += 1
        if self.commits != self._at or "publish" in self._fault:
            return self._commit(writes)
        if self._fault == "killed before a commit":
            raise Killed
        if self._fault == "a commit that is not applied":
            raise StoreUnavailable("no answer")
        written = self._commit(writes)
        if self._fault == "killed after a commit":
            raise Killed
        if self._fault == "a commit that is applied but unanswered":
            raise StoreUnavailable("no answer")
        # The client library resends a commit that was applied, and hears that its own precondition fails.
        return self._commit(writes) or written

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Publish, perhaps not."""
        self.publishes += 1
        if self.publishes != self._at or "publish" not in self._fault:
            self._publish(messages, not_before=not_before)
            return
        if self._fault == "a publish that fails":
            self._publish(messages[: len(messages) // 2])
            raise QueueUnavailable("not all accepted")
        if self._fault == "killed after a publish":
            self._publish(messages, not_before=not_before)
        raise Killed


def make(path: Path) -> World:
    """Two connections of three streams, pages of three, slices of a few pages."""
    path.mkdir(parents=True, exist_ok=True)
    world = World(path)
    for name in ("a", "b"):
        world.connect(
            name, marketplace="takealot" if name == "b" else "shopify", streams=["orders", "products"]
        )
        for stream in ("orders", "products"):
            for n in range(8):
                world.bazaar.shop(name).put(stream, f"r{n}", START - timedelta(hours=8 - n))
        world.bazaar.shop(name).put("products", "bad", START - timedelta(hours=1), broken=True)
    world.bazaar.at_call = lambda *_: world.clock.advance(130)
    return world


def deliver_all(world: World, message: Message | None, started: bool) -> bool:
    """Deliver until nothing waits; messages whose worker died or failed are redelivered. True if any died."""
    disturbed = False
    for _ in range(400):
        try:
            if not started:
                world.tick(at=START)
                started = True
            if message is None:
                if not world.queue.messages:
                    return disturbed
                message = world.queue.messages.pop(0)
            world.deliver(message)
            message = None
        except (Killed, SyncError):
            disturbed = True
            world.clock.advance(10)
    raise AssertionError("it never comes to rest")


def documents(world: World) -> dict[str, Any]:
    """Everything a consumer reads, apart from the times of the writes."""
    found: dict[str, Any] = {}
    for name in ("a", "b"):
        for collection in ("orders", "products", "rejects"):
            for snapshot in world.store.query(Query(f"connections/{name}/{collection}", limit=1000)):
                found[snapshot.path] = {
                    name: value
                    for name, value in snapshot.data.items()
                    if name not in {"rejected_at", "synced_at"}
                }
    return found


def check(world: World, run_id: str) -> None:
    """The invariants of a closed run."""
    run = world.run(run_id)
    tasks = world.tasks(run_id)
    assert run.status is RunStatus.SUCCEEDED, run
    assert run.tasks.total == run.tasks.succeeded + run.tasks.failed + run.tasks.skipped == len(tasks) == 2
    assert all(shard.open == 0 for shard in world.shards(run_id))
    for name in ("a", "b"):
        state = world.state(name)
        assert state.open is None
        assert state.lease.owner is None
        assert state.streams["orders"].cursor.since is not None


@pytest.mark.parametrize("fault", FAULTS)
def test_any_single_fault_changes_nothing_in_effect(tmp_path: Path, fault: str) -> None:
    """At every commit and publish of a run, one at a time: the same documents as undisturbed."""
    calm = make(tmp_path / "calm")
    deliver_all(calm, None, started=False)
    run_id = ids.tick_run_id(START, "sync")
    check(calm, run_id)
    expected = documents(calm)
    assert len(expected) == 34

    at = 0
    while True:
        at += 1
        world = make(tmp_path / f"{at}")
        faulty = Faulty(world, fault, at)
        object.__setattr__(world.store, "commit", faulty.commit)
        object.__setattr__(world.queue, "publish", faulty.publish)
        disturbed = deliver_all(world, None, started=False)
        check(world, run_id)
        assert documents(world) == expected, f"{fault} number {at}"
        if max(faulty.commits, faulty.publishes) < at or at > (
            faulty.publishes if "publish" in fault else faulty.commits
        ):
            assert not disturbed
            break
    assert at > (5 if "publish" in fault else 12)


def test_a_message_delivered_many_times_works_once(tmp_path: Path) -> None:
    """Every message of a run is delivered three times, the copies late: one task a connection."""
    world = make(tmp_path)
    calm = make(tmp_path / "calm")
    deliver_all(calm, None, started=False)
    publish = world.queue.publish

    def thrice(messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        publish([*messages, *messages, *messages], not_before=not_before)

    object.__setattr__(world.queue, "publish", thrice)
    deliver_all(world, None, started=False)

    check(world, ids.tick_run_id(START, "sync"))
    assert documents(world) == documents(calm)


def test_a_holder_that_wakes_up_late_writes_nothing(tmp_path: Path) -> None:
    """A worker stalls before a commit, another finishes with newer data: the stalled commit is refused."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    commit = world.store.commit
    stalled: list[str] = []

    def stalling(writes: Sequence[Write]) -> list[Written]:
        if any(write.path == "connections/a/orders/r4" for write in writes) and not stalled:
            stalled.append("r4")
            world.bazaar.shop("a").put("orders", "r4", START - timedelta(hours=4), "2")
            world.clock.advance(700)
            world.deliver(tasks["a"])
            assert world.records("a", "orders")["r4"] == "2"
        return commit(writes)

    world.tick(at=START)
    while any(message.kind == "dispatch" for message in world.queue.messages):
        world.deliver(world.queue.messages.pop(0))
    tasks = {message.connection_id: message for message in world.queue.messages}
    object.__setattr__(world.store, "commit", stalling)
    deliver_all(world, None, started=True)

    assert stalled
    check(world, ids.tick_run_id(START, "sync"))
    assert world.records("a", "orders")["r4"] == "2"


def test_the_next_run_takes_over_from_a_dead_worker(tmp_path: Path) -> None:
    """A worker dies and its message is lost: the next run closes the old task and finishes the work."""
    world = make(tmp_path)
    world.bazaar.at_call = None

    def die(client: Any, stream: str, token: str | None) -> None:
        if token == "3" and client.connection_id == "a":
            raise Killed

    world.bazaar.at_call = die
    world.tick(at=START)
    while world.queue.messages:
        try:
            world.deliver(world.queue.messages.pop(0))
        except Killed:
            continue
    world.bazaar.at_call = None
    assert world.state("a").open is not None
    world.clock.advance(630)
    answer = world.tick()
    while world.queue.messages:
        message = world.queue.messages.pop(0)
        if not message.heal:
            world.deliver(message)

    first = ids.tick_run_id(START, "sync")
    assert world.task(first, "a").reason == "worker_lost"
    assert world.run(first).status is RunStatus.PARTIAL
    assert world.run(answer.run_id).status is RunStatus.SUCCEEDED
    assert len(world.records("a", "orders")) == 8


def test_a_connection_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    """After `MAX_ATTEMPTS` claims without an end the task is failed as `crashed`; the others are done."""
    world = make(tmp_path)

    def die(client: Any, stream: str, token: str | None) -> None:
        if client.connection_id == "a":
            raise Killed

    world.bazaar.at_call = die
    deliver_all(world, None, started=False)
    run_id = ids.tick_run_id(START, "sync")

    assert world.task(run_id, "a").reason == "crashed"
    assert world.task(run_id, "a").attempts == 6
    assert world.run(run_id).status is RunStatus.PARTIAL
    assert len(world.records("b", "orders")) == 8


def test_a_holder_that_has_lost_releases_nothing(tmp_path: Path) -> None:
    """Taken over at its last commit, and then our own side fails: the successor's lease stays."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    commit = world.store.commit
    overtaken: list[str] = []

    def overtake(writes: Sequence[Write]) -> list[Written]:
        finishing = any("/tasks/a" in write.path for write in writes)
        if finishing and not overtaken:
            state = world.get(ids.state_path("a"))
            lease = {**state.data["lease"], "owner": "successor", "fence": 99}
            fields = {"seq": state.data["seq"] + 1, "lease": lease}
            overtaken.append("a")
            commit([Update(state.path, fields, version=state.version)])
        return commit(writes)

    def unreachable(path: str) -> Snapshot | None:
        if overtaken and "/shards/" in path:
            raise StoreUnavailable("no answer")
        return get(path)

    get = world.store.get
    object.__setattr__(world.store, "commit", overtake)
    object.__setattr__(world.store, "get", unreachable)
    world.tick(at=START)
    while world.queue.messages:
        with suppress(StoreUnavailable):
            world.deliver(world.queue.messages.pop(0))

    assert overtaken
    assert world.state("a").lease.owner == "successor"


def test_since_never_goes_back(tmp_path: Path) -> None:
    """A window of an instance whose clock is behind ends before `since`, and does not move it."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    deliver_all(world, None, started=False)
    since = world.state("a").streams["orders"].cursor.since
    world.clock.advance(-60)
    world.tick(at=START + timedelta(seconds=1))
    world.drain()

    assert world.state("a").streams["orders"].cursor.since == since


def test_a_commit_of_another_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    """Refused because somebody else wrote the state at the same `seq` and moment, it is made again."""
    world = make(tmp_path)
    holder = held(world)
    commit = world.store.commit

    def meanwhile(writes: Sequence[Write]) -> list[Written]:
        object.__setattr__(world.store, "commit", commit)
        state = world.get(ids.state_path("c"))
        commit([Update(state.path, {"seq": state.data["seq"] + 1}, version=state.version)])
        return commit(writes)

    object.__setattr__(world.store, "commit", meanwhile)
    holder.commit([Put("connections/c/orders/o", {"id": "o"})])

    assert world.store.get("connections/c/orders/o") is not None
    assert world.state("c").seq == 3


@pytest.mark.parametrize("fault", FAULTS[2:5])
def test_a_commit_whose_answer_is_lost_is_made_once(tmp_path: Path, fault: str) -> None:
    """The holder reads whether it was applied: only a commit that was not applied is made again."""
    world = make(tmp_path)
    holder = held(world)
    faulty = Faulty(world, fault, 1)
    object.__setattr__(world.store, "commit", faulty.commit)
    holder.commit([Put("connections/c/orders/o", {"id": "o"})])

    assert faulty.commits == (2 if fault == "a commit that is not applied" else 1)
    assert world.store.get("connections/c/orders/o") is not None
    assert world.state("c").seq == 2


def held(world: World) -> Holder:
    """The holder of connection c, in the middle of its task."""
    world.connect("c")
    lease = Lease(owner="me", fence=1, expires_at=START + timedelta(minutes=10))
    opened = Open(
        run_id=ids.tick_run_id(START, "sync"),
        order="1",
        deadline_at=START,
        shard="shopify-000000",
        started_at=START,
    )
    holder = Holder(world.services, world.store, "c", SyncState(seq=1, lease=lease, open=opened))
    holder.claim()
    return holder
