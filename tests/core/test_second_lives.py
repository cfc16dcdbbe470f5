"""A connection that is removed and added again: its second life loses nothing to its first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from orchestrator.errors import NotFound, NotPossible, StoreUnavailable
from orchestrator.model.documents import to_document
from orchestrator.model.state import Lease, SyncState
from orchestrator.operators import connections, pause
from orchestrator.ports import Delete, Document, Put, Write, Written
from orchestrator.services import Services
from tests.support.people import ME
from tests.support.stores import WrappedStore
from tests.support.world import START, FakeClient, World, fill

STATE = "sync_state/a"
DAYS = 30


class Purging(WrappedStore):
    """Has something else happen before a command's n-th commit that deletes records."""

    def __init__(self, world: World, meanwhile: Callable[[], None], *, at: int = 2) -> None:
        super().__init__(world.store)
        self._meanwhile, self._left = meanwhile, at

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Count the commits that delete records."""
        if any(isinstance(write, Delete) and write.path.count("/") == 3 for write in writes):
            self._left -= 1
            if self._left == 0:
                self._meanwhile()
        return super().commit(writes)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "_RECORDS_PAGE", 2)


@pytest.fixture
def world(world: World) -> World:
    """A connection with five orders, synced."""
    world.connect("a")
    fill(world, "orders", 5)
    world.run_once()
    assert len(world.records("a", "orders")) == 5
    return world


def add(world: World, *, marketplace: str = "shopify") -> None:
    """Add the connection again."""
    given: dict[str, Any] = {
        "organization_id": "org-1",
        "name": "a",
        "credential": "env:NONE",
        "settings": {},
    }
    connections.add(world.services, "a", by=ME, marketplace=marketplace, streams=["orders"], **given)


def next_run(world: World) -> None:
    """The next tick with all its work."""
    world.clock.advance(900)
    world.run_once()


def through(world: World, store: WrappedStore) -> Services:
    """The services of a command that uses this store."""
    return replace(world.services, store=store)


def interrupt(world: World, *, at: int = 2) -> None:
    """A removal with a purge, cut off before its n-th page of records."""

    def cut() -> None:
        raise StoreUnavailable("the network is gone")

    with pytest.raises(StoreUnavailable):
        pause.remove(through(world, Purging(world, cut, at=at)), "a", by=ME, purge_records=True)


def state(world: World) -> Document:
    """The state's document."""
    return world.get(STATE).data


def test_a_purge_that_goes_on_after_the_connection_was_added_again_deletes_nothing_of_it(
    world: World,
) -> None:
    """The removal stalls, is finished by another one, and the id is added again and synced meanwhile."""

    def meanwhile() -> None:
        pause.remove(world.services, "a", by=ME, purge_records=True)
        add(world)
        next_run(world)

    with pytest.raises(NotPossible, match="nothing more is deleted"):
        pause.remove(through(world, Purging(world, meanwhile)), "a", by=ME, purge_records=True)

    assert len(world.records("a", "orders")) == 5
    next_run(world)
    assert len(world.records("a", "orders")) == 5


def test_an_interrupted_purge_is_not_forgotten_by_an_add_and_finished_by_the_same_command(
    world: World,
) -> None:
    """`add` says that the removal has to be finished; then the new life has all of its records."""
    interrupt(world)
    with pytest.raises(NotPossible, match="is being removed") as refused:
        add(world)
    assert "connections remove a" in refused.value.action
    assert "--purge-records" in refused.value.action
    assert state(world)["removing"] is True

    pause.remove(world.services, "a", by=ME, purge_records=True)
    assert world.records("a", "orders") == {}
    add(world)
    next_run(world)
    assert len(world.records("a", "orders")) == 5


def test_a_purge_of_another_removal_is_not_carried_on(world: World) -> None:
    """A purge that stalled does not go on within a later removal, which keeps the records."""

    def meanwhile() -> None:
        pause.remove(world.services, "a", by=ME, purge_records=True)
        add(world)
        next_run(world)
        world.clock.advance(1)
        interrupt_digests(world)

    with pytest.raises(NotPossible, match="nothing more is deleted"):
        pause.remove(through(world, Purging(world, meanwhile)), "a", by=ME, purge_records=True)
    pause.remove(world.services, "a", by=ME)

    assert len(world.records("a", "orders")) == 5


def interrupt_digests(world: World) -> None:
    """A removal without a purge, cut off behind its first step."""

    def cut() -> None:
        raise StoreUnavailable("the network is gone")

    world.store.commit([Put(f"{STATE}/digests/orders-00", {"entries": b""})])
    with pytest.raises(StoreUnavailable):
        pause.remove(through(world, Purging(world, cut, at=1)), "a", by=ME)


def test_removed_and_added_again_for_another_marketplace_within_one_run_is_refused(world: World) -> None:
    """Planned once for each marketplace, the connection's run would never close."""
    world.clock.advance(900)
    run_id = world.tick().run_id
    for message in [found for found in world.queue.messages if found.kind == "dispatch"]:
        world.queue.messages.remove(message)
        world.deliver(message)
    pause.remove(world.services, "a", by=ME)
    with pytest.raises(NotPossible, match="shopify") as refused:
        add(world, marketplace="takealot")
    assert "another id" in refused.value.action
    assert world.store.get("connections/a") is None

    add(world)
    world.drain()
    assert world.run(run_id).status.is_final


def test_a_tombstone_is_left_until_no_message_of_the_connection_is_left(world: World) -> None:
    """It keeps what later commits and messages are held against, and its time to live."""
    before = world.state("a")
    pause.remove(world.services, "a", by=ME)
    left = world.state("a")

    assert (left.lease.fence, left.last_run) == (before.lease.fence, before.last_run)
    assert left.seq > before.seq
    assert (left.marketplace, left.removing, left.streams) == ("shopify", False, {})
    assert left.expires_at == world.clock.now() + timedelta(days=DAYS)


def test_a_live_state_has_no_time_to_live(world: World) -> None:
    """Neither a first life's state nor that of a second one expires."""
    assert state(world).get("expires_at") is None
    pause.remove(world.services, "a", by=ME)
    add(world)
    assert state(world)["expires_at"] is None
    next_run(world)

    assert state(world)["expires_at"] is None
    assert (state(world)["removing"], state(world)["removed_at"]) == (False, None)


def test_an_unfinished_removal_does_not_expire(world: World) -> None:
    """Its records are still to be deleted, however late somebody continues it."""
    interrupt(world)

    assert state(world)["expires_at"] is None


@pytest.mark.parametrize("holds", [True, False], ids=["it held the lease", "it only looked"])
def test_a_worker_of_the_first_life_stores_nothing_in_the_second(world: World, *, holds: bool) -> None:
    """It was cut off in the middle of a page; its lease was over when the connection was removed."""
    fill(world, "orders", 9)
    world.clock.advance(900)

    def remove_and_add(client: FakeClient, stream: str, token: str | None) -> None:
        world.bazaar.at_call = None
        world.store.commit([Put(STATE, {**state(world), "open": None, "lease": to_document(Lease(fence=2))})])
        pause.remove(world.services, "a", by=ME)
        add(world)

    world.bazaar.at_call = remove_and_add
    world.tick()
    world.deliver(world.queue.messages.pop(0))
    # A redelivered message claims before it looks.
    (task,) = world.queue.messages
    world.queue.messages[:] = [msgspec.structs.replace(task, redelivered=holds)]
    world.drain()
    # Whoever only looked decides again, and begins the second life with everything.
    assert (world.state("a").streams == {}) is holds
    next_run(world)

    assert len(world.records("a", "orders")) == 9


def test_records_that_stayed_are_adopted(world: World) -> None:
    """Without a purge the records of the first life stay, and the second one brings them up to date."""
    pause.remove(world.services, "a", by=ME)
    world.bazaar.shop("a").put("orders", "r1", START - timedelta(hours=1), "2")
    assert len(world.records("a", "orders")) == 5
    add(world)
    next_run(world)

    assert world.records("a", "orders") == {"r0": "1", "r1": "2", "r2": "1", "r3": "1", "r4": "1"}


def test_a_snapshot_s_records_vanish_in_the_second_life_as_in_the_first(world: World) -> None:
    """What the second life has listed once and no longer is gets `deleted_at`."""
    world.connect("a", streams=["products"])
    fill(world, "products", 3)
    next_run(world)
    pause.remove(world.services, "a", by=ME)
    world.connect("a", streams=["products"])
    next_run(world)
    world.bazaar.shop("a").rows["products"].pop("r1")
    next_run(world)

    assert set(world.records("a", "products")) == {"r0", "r2"}


def test_a_state_of_the_last_release_is_removed_and_added_as_ever(world: World) -> None:
    """Without the fields of a tombstone nothing is refused."""
    document = {name: value for name, value in state(world).items() if name in {"seq", "lease", "last_run"}}
    world.store.commit([Put(STATE, document), Delete("connections/a")])
    add(world)
    next_run(world)
    assert len(world.records("a", "orders")) == 5

    world.store.commit([Put(STATE, document)])
    pause.remove(world.services, "a", by=ME)
    assert world.state("a").marketplace == "shopify"


def test_a_removal_is_over_once(world: World) -> None:
    """A removed connection is unknown; its records can still be purged."""
    pause.remove(world.services, "a", by=ME)
    with pytest.raises(NotFound, match="was removed"):
        pause.remove(world.services, "a", by=ME)
    with pytest.raises(NotFound, match="was removed"):
        connections.show(world.services, "a")

    pause.remove(world.services, "a", by=ME, purge_records=True)
    assert world.records("a", "orders") == {}


def test_a_removal_is_kept_by_a_worker_that_closes_its_task_at_the_same_moment(world: World) -> None:
    """The worker's last commit meets the removal's first one, and writes on top of it."""
    world.clock.advance(900)
    world.bazaar.shop("a").put("orders", "new", world.clock.now() - timedelta(minutes=5))

    class Between(WrappedStore):
        """Has the removal begin just before the task's last commit."""

        begun = False

        def commit(self, writes: Sequence[Write]) -> list[Written]:
            if not self.begun and any("/tasks/" in write.path for write in writes):
                self.begun = True
                connections.edit(world.services, "a", pause.Removal(world.services, "a", by=ME).begin)
            return super().commit(writes)

    plain = world.services
    started = world.tick()
    world.services = through(world, Between(world.store))
    world.drain()
    world.services = plain

    assert world.run(started.run_id).status.is_final
    assert (world.state("a").open, world.state("a").removing) == (None, True)
    with pytest.raises(NotPossible, match="is being removed"):
        add(world)


def test_a_document_written_by_hand_over_a_tombstone_is_a_second_life_too(world: World) -> None:
    """Its state does not expire; while the removal is not finished, nothing is stored under its id."""
    interrupt(world)
    world.connect("a")
    next_run(world)
    assert len(world.records("a", "orders")) < 5
    pause.remove(world.services, "a", by=ME, purge_records=True)
    world.connect("a")
    next_run(world)

    assert len(world.records("a", "orders")) == 5
    assert (state(world)["expires_at"], state(world)["removed_at"]) == (None, None)


def test_a_marketplace_edited_by_hand_is_named(world: World) -> None:
    """A connection's marketplace never changes: an edited one is shown as such, and `add` keeps the first."""
    assert connections.show(world.services, "a").warning == ""
    world.connect("a", marketplace="takealot")

    assert "from shopify to takealot" in connections.show(world.services, "a").warning
    (listed,) = connections.list_page(world.services, limit=10)
    assert "from shopify to takealot" in listed.warning
    pause.remove(world.services, "a", by=ME)
    with pytest.raises(NotPossible, match="was one of shopify"):
        add(world, marketplace="takealot")


def test_states_of_the_last_release_decode() -> None:
    """The fields of a tombstone have defaults that mean a live connection."""
    read = SyncState()

    assert (read.marketplace, read.removing, read.removed_at, read.expires_at) == ("", False, None, None)


def test_a_task_between_slices_is_closed_for_the_removal_that_asked_for_it(world: World) -> None:
    """A worker claims it to close it; the removal is the same one afterwards, and ends."""
    world.clock.advance(900)
    for n in range(30):
        world.bazaar.shop("a").put("orders", f"n{n}", world.clock.now() - timedelta(minutes=10, seconds=-n))
    world.bazaar.at_call = lambda *_: world.clock.advance(300)
    world.tick()
    while world.state("a").open is None or world.state("a").lease.owner is not None:
        world.deliver(world.queue.messages.pop(0))
    world.bazaar.at_call = None

    def deliver() -> None:
        world.clock.meanwhile = None
        world.drain()

    world.clock.meanwhile = deliver
    pause.remove(world.services, "a", by=ME, purge_records=True)

    assert world.records("a", "orders") == {}
    assert (world.state("a").open, world.state("a").removing) == (None, False)
