"""A connection's history tells of its latest task that nothing had changed only if that is certain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from orchestrator.model import ids
from orchestrator.operators.tasks.history import History, history
from orchestrator.ports import Delete, DocumentStore, Query, Snapshot, Update
from tests.support.stores import Killed, WrappedStore
from tests.support.world import World


@pytest.fixture
def known(world: World) -> World:
    """A connection with a task that stored a record, and a quarter of an hour later one without."""
    world.connect("a")
    world.bazaar.shop("a").put("orders", "1", world.clock.now() - timedelta(hours=1))
    world.run_once()
    world.clock.advance(900)
    return world


def of(world: World, store: DocumentStore | None = None) -> History:
    """The first page."""
    return history(store or world.store, "a", lease_seconds=600, now=world.clock.now())


class Between(WrappedStore):
    """The store; something happens after the first read of the state, or of the tasks."""

    def __init__(self, world: World, then: Callable[[], object], *, after_tasks: bool) -> None:
        super().__init__(world.store)
        self.then: Callable[[], object] | None = then
        self.after_tasks = after_tasks

    def _happens(self, *, is_tasks: bool) -> None:
        if self.then is not None and is_tasks is self.after_tasks:
            then, self.then = self.then, None
            then()

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """Read, then let it happen."""
        found = super().get_many(paths)
        self._happens(is_tasks=False)
        return found

    def query(self, query: Query) -> list[Snapshot]:
        """Read, then let it happen."""
        found = super().query(query)
        self._happens(is_tasks=True)
        return found


def test_a_task_without_a_record_is_told_of(known: World) -> None:
    """Beside the records of others, or without any; a record of its own tells of itself."""
    assert of(known).unchanged_at is None
    first = of(known).tasks[0]["run_id"]
    known.run_once()
    assert of(known).unchanged_at == known.clock.now()
    known.store.commit([Delete(ids.task_path(first, "a"))])
    assert of(known).unchanged_at == known.clock.now()


def test_an_expired_record_is_not_taken_for_none(known: World) -> None:
    """The connection was paused, and the record of its last task is gone."""
    first = of(known).tasks[0]["run_id"]
    known.clock.advance(40 * 86_400)
    known.store.commit([Delete(ids.task_path(first, "a"))])

    assert of(known).unchanged_at is None


def test_a_task_that_was_swept_before_its_end_has_a_record(known: World) -> None:
    """Its work is stored later than the record that the sweep has made."""
    success = known.clock.now() + timedelta(seconds=5)
    known.store.commit([Update(ids.state_path("a"), {"last_success_at": success})])

    assert of(known).unchanged_at is None


@pytest.mark.parametrize("after_tasks", [False, True])
def test_a_task_that_ends_meanwhile_is_shown_once(known: World, *, after_tasks: bool) -> None:
    """As the open one or by its record, and never as one in which nothing changed."""
    for number in range(9):
        known.bazaar.shop("a").put("orders", f"n{number}", known.clock.now() - timedelta(minutes=4))
    run_id = known.tick().run_id
    known.deliver(known.queue.messages.pop(0))
    message = known.queue.messages.pop(0)

    def die(*_: object) -> None:
        if known.state("a").open is not None:
            raise Killed

    known.bazaar.at_call = die
    with pytest.raises(Killed):
        known.deliver(message)
    known.bazaar.at_call = None
    shown = of(known, Between(known, lambda: known.deliver(message), after_tasks=after_tasks))

    assert known.task(run_id, "a").finished_at == known.clock.now()
    assert shown.unchanged_at is None
    assert (shown.open is None) is (shown.tasks[0]["run_id"] == run_id) is not after_tasks
