"""A task in which nothing happened leaves no record: state and shard tell of it, and it is counted once.

Five rules keep it so; each is tried with a history in which the task would be counted twice without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec
import pytest

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.model import ids
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, RunStatus, TaskStatus
from orchestrator.model.state import SyncState
from orchestrator.operators import pause
from orchestrator.operators.run_views import show_run
from orchestrator.operators.tasks.quiet import MOST_SHARDS, UNCHANGED
from orchestrator.ports import Delete, Snapshot, Update
from orchestrator.runs import dispatch
from orchestrator.runs.cancel import cancel_run
from tests.support.people import ME
from tests.support.stores import WrappedStore
from tests.support.world import START, World, fill

STATE = ids.state_path("a")


@pytest.fixture
def two(world: World) -> World:
    """Two connections whose records are all stored, a quarter of an hour later."""
    for name in ("a", "b"):
        world.connect(name)
        fill(world, "orders", 2, name)
    world.run_once()
    world.clock.advance(900)
    return world


def planned(world: World) -> Message:
    """The message of a's task in a new run; that of b stays in the queue, so that the run stays open."""
    run_id = world.tick().run_id
    (first,) = [each for each in world.queue.messages if each.kind == "dispatch"]
    world.queue.messages.remove(first)
    world.deliver(first)
    (message,) = [each for each in world.queue.messages if (each.run_id, each.connection_id) == (run_id, "a")]
    world.queue.messages.remove(message)
    return message


def planned_later(world: World) -> Message:
    """The same of a run a quarter of an hour later, while messages of the run before wait."""
    others = list(world.queue.messages)
    world.queue.messages.clear()
    world.clock.advance(900)
    message = planned(world)
    world.queue.messages += others
    return message


def counts(world: World, message: Message) -> tuple[int, int, int]:
    """Of the one shard: final tasks, open ones, and those without a record."""
    (shard,) = world.shards(message.run_id)
    return shard.tasks.total, shard.open, shard.quiet


def closes(world: World, message: Message, *, quiet: int) -> Run:
    """The run ends with each of its two connections counted once."""
    world.drain()
    run = world.run(message.run_id)
    assert run.status.is_final
    assert run.tasks.total == 2
    assert counts(world, message) == (2, 0, quiet)
    assert sorted(task.connection_id for task in world.tasks(message.run_id)) == ["a", "b"]
    return run


class AtRead(WrappedStore):
    """Does something once, after the first read of several documents that includes a path."""

    def __init__(self, world: World, path: str, then: Callable[[], Any]) -> None:
        super().__init__(world.store)
        self._path, self._then, self._world = path, then, world
        object.__setattr__(world.services, "store", self)

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """Read, then do it."""
        found = super().get_many(paths)
        if self._path in paths:
            object.__setattr__(self._world.services, "store", self.behind)
            self._then()
        return found


def test_a_quiet_task_is_two_writes_and_is_listed_all_the_same(two: World) -> None:
    """State and shard; views tell it from its shard."""
    run_id, run = two.run_once()
    view = show_run(two.store, run_id)

    assert two.store.get(ids.task_path(run_id, "a")) is None
    assert (run.cost.document_writes, run.cost.document_reads) == (4, 4)
    assert (run.tasks.total, run.tasks.succeeded, run.records.unchanged) == (2, 2, run.records.seen)
    assert [(each["connection_id"], each["status"], each["reason"]) for each in view.tasks] == [
        ("a", "succeeded", UNCHANGED),
        ("b", "succeeded", UNCHANGED),
    ]
    assert view.tasks[0]["finished_at"] == two.state("a").last_success_at


def test_a_skip_leaves_a_trace_in_the_state(two: World) -> None:
    """Rule 1: a duplicate of a skipped task's message works on nothing."""
    message = planned(two)
    two.connect("a", status="paused")
    two.deliver(message)
    two.connect("a", status="active")
    two.deliver(message)

    assert counts(two, message) == (1, 1, 0)
    assert two.task(message.run_id, "a").reason == "paused"
    closes(two, message, quiet=1)


def test_a_shard_names_its_final_tasks(two: World) -> None:
    """Rule 2: a duplicate that comes after the next run finds its task in the shard."""
    message = planned(two)
    two.deliver(message)
    two.clock.advance(900)
    two.run_once()
    two.deliver(message)

    closes(two, message, quiet=2)


def test_a_task_that_a_later_run_has_overtaken_is_not_final(two: World) -> None:
    """Rule 3: a later `last_run` alone proves nothing."""
    message = planned(two)
    two.clock.advance(900)
    later = planned(two)
    two.deliver(later)
    assert two.state("a").last_run is not None
    two.deliver(message)

    assert counts(two, message) == (1, 1, 1)
    closes(two, message, quiet=2)


def test_a_final_task_is_not_skipped_because_another_run_is_at_work(two: World) -> None:
    """Rule 4: whether it is final is asked before anything else."""
    message = planned(two)
    two.deliver(message)
    two.clock.advance(60)
    two.deliver(planned(two))
    two.clock.advance(60)
    later = msgspec.structs.replace(planned(two), redelivered=True)

    def meanwhile(*_: Any) -> None:
        two.bazaar.at_call = None
        assert two.state("a").open is not None
        two.deliver(message)

    two.bazaar.at_call = meanwhile
    two.deliver(later)

    assert counts(two, message) == (1, 1, 1)
    closes(two, message, quiet=2)


def test_a_shard_that_was_read_is_acted_on_under_the_state_s_version(two: World) -> None:
    """Rule 4: a duplicate closes the task between the look into the shard and the commit."""
    message = planned(two)
    two.clock.advance(900)
    two.deliver(planned(two))
    path = ids.shard_path(message.run_id, message.shard)

    def meanwhile() -> None:
        two.deliver(message)
        two.clock.advance(1)

    AtRead(two, path, meanwhile)
    two.deliver(message)

    assert counts(two, message) == (1, 1, 1)
    closes(two, message, quiet=2)


@pytest.mark.parametrize("kind", ["sweep", "cancel"])
def test_a_sweep_believes_the_shard_as_it_is_with_the_state(
    two: World, kind: Literal["sweep", "cancel"]
) -> None:
    """Rule 4: the shard that it read first may be older than the state."""
    message = planned(two)
    path = ids.shard_path(message.run_id, message.shard)
    if kind == "cancel":
        cancel_run(two.services, message.run_id, by=ME)
    AtRead(two, path, lambda: two.deliver(message))
    two.deliver(Message(kind=kind, run_id=message.run_id, shard=message.shard))

    assert two.task(message.run_id, "a").reason == UNCHANGED
    assert counts(two, message) == (2, 0, 1)


def test_a_state_outlives_its_messages(two: World) -> None:
    """Rule 5: a duplicate is known although the connection was removed and added again.

    So it is if an earlier run has closed a task since: without the later one it would be the latest.
    """
    earlier, message = planned(two), planned_later(two)
    two.deliver(message)
    connection = two.get(ids.connection_path("a")).data
    pause.remove(two.services, "a", by=ME)
    assert two.state("a").expires_at is not None
    two.connect("a", **connection)
    two.deliver(earlier)
    two.deliver(message)

    closes(two, message, quiet=2)


def test_a_state_that_somebody_has_deleted_proves_nothing(two: World) -> None:
    """Without a state the shard tells."""
    message = planned(two)
    two.deliver(message)
    two.store.commit([Delete(STATE)])
    two.deliver(message)

    closes(two, message, quiet=2)


def test_a_state_that_another_run_began_anew_proves_nothing(two: World) -> None:
    """The other run's task is open, and no task was closed since somebody deleted the state."""
    message = planned(two)
    two.deliver(message)
    two.store.commit([Delete(STATE)])
    later = planned_later(two)

    def meanwhile(*_: Any) -> None:
        if two.state("a").open is not None:
            two.bazaar.at_call = None
            two.deliver(message)

    two.bazaar.at_call = meanwhile
    two.deliver(later)

    assert counts(two, message) == (1, 1, 1)
    closes(two, message, quiet=2)


def test_a_task_that_was_closed_while_its_state_could_not_be_read_is_final(two: World) -> None:
    """The repair brings the state of before back, and the commit's trace stays."""
    message, before = planned(two), two.get(STATE).data
    two.store.commit([Update(STATE, {"last_run": ["nonsense"]})])
    two.deliver(message)
    assert two.task(message.run_id, "a").reason == "state_invalid"
    two.store.commit([Update(STATE, {"last_run": before["last_run"]})])
    two.deliver(message)

    assert counts(two, message) == (1, 1, 0)
    closes(two, message, quiet=1)


def test_a_gone_connection_s_state_expires(two: World) -> None:
    """A skip leaves a trace of a connection that has never had a state; nobody else would remove it."""
    message = planned(two)
    two.store.commit([Delete(STATE), Delete(ids.connection_path("a"))])
    two.deliver(message)

    assert two.state("a").expires_at == two.task(message.run_id, "a").expires_at
    two.connect("a")
    two.clock.advance(900)
    two.run_once()
    assert two.state("a").expires_at is None


def test_whatever_happened_leaves_a_record(two: World) -> None:
    """A change, a failure, a wait: each has something to tell."""
    two.bazaar.shop("a").put("orders", "new", two.clock.now() - timedelta(minutes=5))

    def fail(client: Any, *_: Any) -> None:
        if client.connection_id == "b":
            raise MarketplaceUnavailable("bazaar: no answer")

    two.bazaar.at_call = fail
    run_id, run = two.run_once()

    assert run.status is RunStatus.PARTIAL
    assert [two.store.get(ids.task_path(run_id, name)) is not None for name in ("a", "b")] == [True, True]
    assert two.task(run_id, "b").status is TaskStatus.FAILED


def old(world: World) -> None:
    """A release before this one writes a's state: it drops what it does not know of the lease."""
    state = msgspec.structs.replace(world.state("a"), seq=world.state("a").seq + 1)
    lease = msgspec.structs.replace(state.lease, quiet_from=None)
    world.store.commit([Update(STATE, {"seq": state.seq, "lease": msgspec.to_builtins(lease)})])


def test_records_are_left_until_no_message_of_an_earlier_release_is_left(two: World) -> None:
    """It would close a task without a record again. Then they are not needed any more."""
    recorded = []
    old(two)
    for _ in range(7):
        run_id, _run = two.run_once()
        recorded.append(two.store.get(ids.task_path(run_id, "a")) is not None)
        two.clock.advance(900)

    assert recorded == [True] * 5 + [False] * 2
    old(two)
    run_id, _run = two.run_once()
    assert two.store.get(ids.task_path(run_id, "a")) is not None


def test_a_task_that_an_earlier_release_has_skipped_is_found_by_its_record(two: World) -> None:
    """It left neither a trace in the state nor one in the shard."""
    message = planned(two)
    old(two)
    two.connect("a", status="paused")
    before = two.get(STATE).data
    two.deliver(message)
    two.store.commit([Update(STATE, {**before, "seq": two.state("a").seq + 1})])
    shard = ids.shard_path(message.run_id, message.shard)
    two.store.commit([Update(shard, {"final": {}})])
    two.connect("a", status="active")
    calls = len(two.bazaar.calls)
    two.deliver(message)

    assert counts(two, message) == (1, 1, 0)
    assert len(two.bazaar.calls) == calls + 1


def test_a_state_without_the_new_fields_is_read() -> None:
    """As an earlier release left it."""
    state = msgspec.convert({"seq": 4, "lease": {"fence": 2}}, SyncState)

    assert (state.unread_order, state.lease.quiet_from) == ("", None)
    assert not state.leaves_no_record(START + timedelta(days=1000))


def test_quiet_tasks_are_listed_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with something to tell come first; each connection is listed once, whatever the page's size."""
    monkeypatch.setattr(dispatch, "SHARD_SIZE", 2)
    names = [f"c{n:02}" for n in range(2 * MOST_SHARDS + 3)]
    for name in names:
        world.connect(name)
    world.run_once()
    world.clock.advance(900)
    world.bazaar.shop("c05").put("orders", "new", world.clock.now() - timedelta(minutes=5))
    run_id, run = world.run_once()
    assert run.tasks.total == len(names)

    for limit in (1, 3, 100):  # of 1, the records fill the first page exactly
        listed: list[str] = []
        token = None
        while True:
            view = show_run(world.store, run_id, limit=limit, page_token=token)
            assert len(view.tasks) <= limit
            listed += [task["connection_id"] for task in view.tasks]
            token = view.next_page_token
            if token is None:
                break
        assert listed[0] == "c05"
        assert sorted(listed) == names
    assert show_run(world.store, run_id, status="failed").tasks == []
    assert show_run(world.store, run_id, marketplace="takealot").tasks == []
    assert len(show_run(world.store, run_id, status="succeeded", limit=20).tasks) == 20


def test_an_open_run_counts_its_quiet_tasks(two: World) -> None:
    """They are done, and nobody waits for them."""
    message = planned(two)
    two.deliver(message)
    progress = show_run(two.store, message.run_id).progress

    assert progress is not None
    assert (progress.tasks.total, progress.tasks.succeeded) == (1, 1)
    assert [each.connection_id for each in progress.connections] == ["b"]
