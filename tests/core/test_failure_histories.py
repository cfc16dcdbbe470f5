"""The protocol's failure histories, by number, unless another test plays them.

2: test_crashes::test_a_holder_that_wakes_up_late_writes_nothing. 3 and 5:
test_crashes::test_any_single_fault_changes_nothing_in_effect. 11: tests/system/simulation. 10:
test_crashes::test_the_next_run_takes_over_from_a_dead_worker. 14:
test_slices::test_a_backlog_larger_than_a_run_goes_on_in_the_next. 15:
test_crashes::test_a_connection_that_kills_its_workers_is_given_up. 16:
test_runs::test_a_forced_run_never_eats_the_real_tick. More of 1 and 17: test_redeliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.model import ids
from orchestrator.model.messages import Message, encode
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.operators import dead_letters
from orchestrator.ports import Delete, Query, Update, Write, Written
from tests.core.test_crashes import deliver_all, documents, make
from tests.support.people import ME
from tests.support.stores import Killed
from tests.support.world import START, World
from tests.system.simulation.history import History

FIRST = ids.tick_run_id(START, "sync")


def dispatched(world: World) -> list[Message]:
    """A tick whose dispatches are done; returns its task messages."""
    world.tick(at=START)
    while any(message.kind == "dispatch" for message in world.queue.messages):
        world.deliver(world.queue.messages.pop(0))
    return list(world.queue.messages)


def die_at(world: World, token: str | None, connection_id: str = "a") -> None:
    """The worker of a connection dies once, at a page."""

    def at_call(client: Any, stream: str, page: str | None) -> None:
        if client.connection_id == connection_id and page == token:
            world.bazaar.at_call = None
            raise Killed

    world.bazaar.at_call = at_call


def test_1_a_redelivery_watches_the_dead_holder_and_then_takes_over(tmp_path: Path) -> None:
    """Killed early in a long lease: the first redelivery waits a minute and a half and finishes the work."""
    world = make(tmp_path)
    die_at(world, "3")
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    with pytest.raises(Killed):
        world.deliver(task)
    before = world.clock.now()
    world.clock.slept.clear()
    world.deliver(task)

    assert world.clock.slept[:90] == [1.0] * 90
    assert world.clock.now() - before < timedelta(seconds=600)
    assert world.task(FIRST, "a").status is TaskStatus.SUCCEEDED
    assert world.task(FIRST, "a").attempts == 2


def test_4_two_last_tasks_that_end_at_once_close_the_run() -> None:
    """Two shards count down to 0 in any interleaving: the run is closed, without heal or a next tick."""
    for seed in range(60):
        history = calm_history(seed)
        history.tick()
        history.loop.run(600)
        (run,) = history.store.query(Query("runs", limit=10))
        assert RunStatus(run.data["status"]).is_final, f"seed {seed}"


def calm_history(seed: int) -> History:
    """A history in which nothing goes wrong but the order of things."""
    history = History(seed)
    history.calm()
    return history


def just_before(world: World, is_it: Callable[[Write], bool], act: Callable[[], None]) -> None:
    """Do something once, just before the first commit with a write of that sort is applied."""
    commit = world.store.commit
    acted: list[bool] = []

    def acting(writes: Sequence[Write]) -> list[Written]:
        if not acted and any(map(is_it, writes)):
            acted.append(True)
            act()
        return commit(writes)

    object.__setattr__(world.store, "commit", acting)


def test_4_each_of_two_last_tasks_looks_after_its_own_commit(tmp_path: Path) -> None:
    """Another shard's last task ends while this one is about to: the second of the two closes the run."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    tasks = {message.connection_id: message for message in dispatched(world)}
    world.queue.messages.clear()
    just_before(world, lambda write: write.path.endswith("/tasks/a"), lambda: world.deliver(tasks["b"]))
    world.deliver(tasks["a"])

    assert world.run(FIRST).status is RunStatus.SUCCEEDED
    assert world.run(FIRST).tasks.succeeded == 2


def test_7_the_last_two_marketplaces_are_done_at_once(tmp_path: Path) -> None:
    """Both set `done` on the run as it was before: one is refused, looks again and sets it running."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    world.tick(at=START)
    mine, other = world.queue.messages
    world.queue.messages.clear()

    def is_done(write: Write) -> bool:
        dispatch = getattr(write, "fields", {}).get("dispatch", {})
        return any(value["done"] for value in dispatch.values())

    just_before(world, is_done, lambda: world.deliver(other))
    world.deliver(mine)
    world.drain()

    assert world.run(FIRST).status is RunStatus.SUCCEEDED
    assert world.run(FIRST).tasks.succeeded == 2


def test_6_tasks_that_end_before_the_dispatch_does(tmp_path: Path) -> None:
    """The dispatcher dies before it sets `done`; all tasks end meanwhile: its redelivery closes the run."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    commit = world.store.commit
    died: list[str] = []

    def dying(writes: Sequence[Write]) -> list[Written]:
        fields = getattr(writes[0], "fields", {})
        done = [name for name, value in fields.get("dispatch", {}).items() if value["done"]]
        if "takealot" in done and not died:
            died.append("takealot")
            raise Killed
        return commit(writes)

    object.__setattr__(world.store, "commit", dying)
    world.tick(at=START)
    unfinished: list[Message] = []
    while world.queue.messages:
        message = world.queue.messages.pop(0)
        try:
            world.deliver(message)
        except Killed:
            unfinished.append(message)
    assert world.run(FIRST).status is RunStatus.DISPATCHING
    assert len(world.tasks(FIRST)) == 2
    world.deliver(unfinished[0])
    world.queue.messages.clear()  # the tasks it publishes again need not come for the run to close

    assert world.run(FIRST).status is RunStatus.SUCCEEDED
    assert world.run(FIRST).tasks.succeeded == 2


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_8_a_continuation_that_is_lost_or_comes_twice(tmp_path: Path, copies: int) -> None:
    """Lost: the original's redelivery continues. Twice: one of them continues. The same documents."""
    world, calm = make(tmp_path / "a"), make(tmp_path / "b")
    deliver_all(calm, None, started=False)
    publish = world.queue.publish
    originals = {message.connection_id: message for message in dispatched(world)}

    def publishing(messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        for message in messages:
            for _ in range(copies if message.slice else 1):
                publish([message], not_before=not_before)

    object.__setattr__(world.queue, "publish", publishing)
    deliver_all(world, None, started=True)
    for _ in range(10):
        for message in originals.values():
            world.deliver(message)
        world.drain()

    assert world.run(FIRST).status is RunStatus.SUCCEEDED
    assert documents(world) == documents(calm)


@pytest.mark.parametrize("by", ["heal", "the next run"])
def test_9_a_duplicate_is_acknowledged_and_then_the_holder_dies(tmp_path: Path, by: str) -> None:
    """Nobody is left to redeliver: the next tick's heal finishes the task, and so does its own claim."""
    world = make(tmp_path)
    task = next(message for message in dispatched(world) if message.connection_id == "a")
    world.queue.messages = [message for message in world.queue.messages if message.connection_id != "a"]

    def duplicate(client: Any, stream: str, token: str | None) -> None:
        if token == "3":
            world.clock.meanwhile = touch
            world.bazaar.at_call = None
            world.deliver(task)
            raise Killed

    def touch() -> None:
        # The holder is alive while the duplicate watches it.
        world.clock.meanwhile = None
        state = world.get(ids.state_path("a"))
        lease = {**state.data["lease"], "expires_at": world.clock.now() + timedelta(seconds=600)}
        fields = {"seq": state.data["seq"] + 1, "lease": lease}
        world.store.commit([Update(state.path, fields, version=state.version)])

    world.bazaar.at_call = duplicate
    with pytest.raises(Killed):
        world.deliver(task)
    world.drain()
    assert world.run(FIRST).status is RunStatus.RUNNING
    world.clock.advance(900)
    world.tick()
    while world.queue.messages:
        message = world.queue.messages.pop(0)
        if message.connection_id != "a" or message.heal == (by == "heal"):
            world.deliver(message)

    lost = world.task(FIRST, "a")
    assert (lost.status, lost.reason) == (
        (TaskStatus.SUCCEEDED, None) if by == "heal" else (TaskStatus.FAILED, "worker_lost")
    )
    assert world.run(FIRST).status.is_final
    assert len(world.records("a", "orders")) == 8


def test_12_everything_in_flight_vanishes_at_any_moment(tmp_path: Path) -> None:
    """After any number of commits all messages and workers are gone: two more ticks close every run."""
    commits = 0
    while True:
        world = make(tmp_path / str(commits))
        commit = world.store.commit
        left = [commits]

        def counting(
            writes: Sequence[Write],
            commit: Callable[[Sequence[Write]], list[Written]] = commit,
            left: list[int] = left,
        ) -> list[Written]:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return commit(writes)

        object.__setattr__(world.store, "commit", counting)
        try:
            world.tick(at=START)
            while world.queue.messages:
                world.deliver(world.queue.messages.pop(0))
        except Killed:
            pass
        else:
            break
        world.queue.messages.clear()
        object.__setattr__(world.store, "commit", commit)
        world.bazaar.at_call = None
        world.clock.advance(3700)
        world.run_once()
        world.clock.advance(900)
        world.run_once()
        runs = world.store.query(Query("runs", limit=10))
        assert all(RunStatus(run.data["status"]).is_final for run in runs), f"after {commits} commits"
        assert world.state("a").open is None
        assert len(world.records("a", "orders")) == len(world.records("b", "products")) == 8
        commits += 1
    assert commits > 20


def test_13_a_day_of_queued_ticks(tmp_path: Path) -> None:
    """The queue delivered nothing for a day: late dispatches close unexpanded, the last tick works."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    for _ in range(96):
        world.tick()
        world.clock.advance(900)
    # Each tick's heal republishes a bounded number of stuck tasks: no more messages than that.
    world.drain(limit=96 * 30)
    runs = [world.run(snapshot.id) for snapshot in world.store.query(Query("runs", limit=200))]

    assert len(runs) == 96
    assert all(run.status.is_final for run in runs)
    late = [run for run in runs if run.error is not None and run.error.kind == "dispatched_too_late"]
    assert len(late) >= 90
    assert {run.tasks.total for run in late} == {0}
    assert len(world.records("a", "orders")) == 8


def test_17_a_message_older_than_its_run_s_documents(tmp_path: Path) -> None:
    """Run, shard and task were removed after their time: a late message writes no such document again."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    tasks = dispatched(world)
    world.drain()
    removed = [path.path for path in world.store.query(Query(f"{ids.run_path(FIRST)}/tasks", limit=10))]
    removed += [path.path for path in world.store.query(Query(f"{ids.run_path(FIRST)}/shards", limit=10))]
    world.store.commit([Delete(path) for path in [*removed, ids.run_path(FIRST)]])
    world.clock.advance(3600 + 601)
    get_many = world.store.get_many
    object.__setattr__(world.store, "get_many", None)  # nothing is even read for it
    for message in tasks:
        world.deliver(message)
    object.__setattr__(world.store, "get_many", get_many)

    assert world.tasks(FIRST) == []
    assert world.store.get(ids.run_path(FIRST)) is None
    assert world.state("a").open is None


def test_18_a_replayed_dead_letter_of_a_closed_run(tmp_path: Path) -> None:
    """Delivered again the message does nothing; replay makes a new run, and the closed one never changes."""
    world = make(tmp_path)
    world.bazaar.at_call = None
    lost = next(message for message in dispatched(world) if message.connection_id == "a")
    world.queue.messages = [message for message in world.queue.messages if message != lost]
    world.drain()
    world.clock.advance(3700)
    world.deliver(Message(kind="heal"))
    world.drain()
    closed = world.run(FIRST)
    assert (closed.status, world.task(FIRST, "a").reason) == (RunStatus.PARTIAL, "no_answer")
    queue = LocalQueue(tmp_path / "queue.db", "http://127.0.0.1:9/", delivers=False)
    letters = LocalDeadLetters(tmp_path / "queue.db")
    world.deliver(lost)
    assert world.records("a", "orders") == {}
    queue.bury(encode(lost), reason="", attributes={})
    replayed = dead_letters.replay(world.services, letters, dead_letters.Wanted(), by=ME)
    world.drain()

    (started,) = replayed.started
    assert started.run_id.startswith("m-")
    assert world.run(started.run_id).status is RunStatus.SUCCEEDED
    assert len(world.records("a", "orders")) == 8
    assert world.run(FIRST) == closed
    queue.close()
    letters.close()
