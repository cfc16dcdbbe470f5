"""Pausing, resuming and removing, even while a worker holds the connection."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.errors import Conflict, NotFound, NotPossible
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.state import Lease, Open, SyncState
from orchestrator.operators import pause
from orchestrator.ports import Put, Snapshot, Update
from orchestrator.services import Services
from tests.cli.conftest import START
from tests.support.clocks import VirtualClock
from tests.support.people import ME
from tests.support.queues import ListQueue

STATE = "sync_state/shop-1"


@pytest.fixture(autouse=True)
def connection(services: Services) -> None:
    """An active connection with two records, a reject and a digest."""
    paths = ["orders/1", "orders/2", "products/9", "rejects/5"]
    services.store.commit(
        [
            Put("connections/shop-1", {"marketplace": "takealot", "status": "active", "updated_at": START}),
            *(Put(f"connections/shop-1/{path}", {"id": path}) for path in paths),
            Put("connections/shop-10/orders/1", {"id": "of another connection"}),
        ]
    )


def put_state(services: Services, *, owner: str | None = "worker-1", is_open: bool = True) -> Snapshot:
    """A state in the middle of a task, or after it."""
    task = Open(
        run_id="t-1",
        order="2026|t-1",
        deadline_at=START + timedelta(hours=1),
        shard="takealot-000000",
        slice=2,
        started_at=START,
    )
    state = SyncState(
        seq=7,
        lease=Lease(owner=owner, fence=3, expires_at=START + timedelta(minutes=10)),
        open=task if is_open else None,
    )
    services.store.commit(
        [Put(STATE, to_document(state)), Put(f"{STATE}/digests/orders-0", {"packed": b"12"})]
    )
    snapshot = services.store.get(STATE)
    assert snapshot is not None
    return snapshot


def state(services: Services) -> SyncState:
    """The state now."""
    snapshot = services.store.get(STATE)
    assert snapshot is not None
    return from_document(SyncState, snapshot.data)


def assert_removed(services: Services) -> None:
    """The state is a tombstone: it keeps what later claims are held against, and nothing else."""
    left = state(services)
    assert (left.open, left.streams, left.removing) == (None, {}, False)
    assert left.lease in {Lease(fence=3), Lease()}
    assert left.marketplace == "takealot"
    assert left.expires_at == services.clock.now() + timedelta(days=services.settings.retention_days)


def status(services: Services) -> str:
    """The status in the connection's document."""
    snapshot = services.store.get("connections/shop-1")
    assert snapshot is not None
    return str(snapshot.data["status"])


def test_pause_stops_the_worker_at_its_next_commit(services: Services, queue: ListQueue) -> None:
    """A commit based on the state before the pause is refused, and the state has the reason."""
    before = put_state(services)
    pause.pause(services, "shop-1", by=ME)

    assert status(services) == "paused"
    task = state(services).open
    assert task is not None
    assert task.cancel == "paused"
    assert state(services).seq == 8
    with pytest.raises(Conflict):
        services.store.commit([Update(STATE, {"seq": 8}, version=before.version)])
    assert queue.messages == []


def test_pause_beats_a_claim_that_was_decided_before(services: Services) -> None:
    """A claim that was decided before is refused even if no task is open, or none ever was."""
    before = put_state(services, is_open=False)
    pause.pause(services, "shop-1", by=ME)

    with pytest.raises(Conflict):
        services.store.commit([Update(STATE, {"seq": 8}, version=before.version)])


def test_pause_of_a_new_connection_leaves_a_state(services: Services) -> None:
    """The first claim expects no state; it is refused and reads again."""
    pause.pause(services, "shop-1", by=ME)

    assert state(services).seq == 1


def test_pause_has_a_task_between_slices_closed_at_once(services: Services, queue: ListQueue) -> None:
    """A deferred task that no worker holds does not stay open until the next run."""
    put_state(services, owner=None)
    pause.pause(services, "shop-1", by=ME)

    (message,) = queue.messages
    assert (message.kind, message.run_id, message.connection_id) == ("task", "t-1", "shop-1")
    assert (message.shard, message.marketplace, message.heal) == ("takealot-000000", "takealot", True)


def test_pause_decides_again_after_a_conflict(
    services: Services, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page committed between reading and writing costs a retry, not the pause."""
    before = put_state(services)
    read = services.store.get_many
    stale = [read(["connections/shop-1", STATE])]
    services.store.commit([Update(STATE, {"seq": 8}, version=before.version)])
    monkeypatch.setattr(
        type(services.store), "get_many", lambda _, paths: stale.pop() if stale else read(paths)
    )
    pause.pause(services, "shop-1", by=ME)

    assert status(services) == "paused"
    assert state(services).seq == 9
    assert clock.monotonic() > 0


def test_resume_lets_it_take_part_again(services: Services) -> None:
    """The document is active again and the state is untouched."""
    before = put_state(services, is_open=False)
    pause.pause(services, "shop-1", by=ME)
    pause.resume(services, "shop-1", by=ME)

    assert status(services) == "active"
    assert state(services).lease == from_document(SyncState, before.data).lease


def test_remove_keeps_the_records(services: Services) -> None:
    """Document, cursors and digests are deleted; a tombstone and the synced records stay."""
    put_state(services, is_open=False)
    pause.remove(services, "shop-1", by=ME)

    gone = services.store.get_many(["connections/shop-1", f"{STATE}/digests/orders-0"])
    assert gone == [None, None]
    assert_removed(services)
    assert services.store.count("connections/shop-1/orders") == 2


def test_remove_purges_records_of_this_connection_alone(services: Services) -> None:
    """With the option, its records and rejects are deleted too, and no other connection's."""
    pause.remove(services, "shop-1", by=ME, purge_records=True)

    for collection in ("orders", "products", "rejects"):
        assert services.store.count(f"connections/shop-1/{collection}") == 0
    assert services.store.count("connections/shop-10/orders") == 1


def test_remove_waits_for_the_worker(services: Services, clock: VirtualClock) -> None:
    """The tombstone is left only after the worker has seen the cancellation and finished."""
    put_state(services)
    seen: list[str | None] = []

    def finish() -> None:
        task = state(services).open
        seen.append(task.cancel if task else None)
        services.store.commit([Update(STATE, {"open": None, "seq": 9})])

    clock.meanwhile = finish
    pause.remove(services, "shop-1", by=ME)

    assert seen == ["gone"]
    assert_removed(services)


def test_remove_may_be_repeated_if_the_worker_does_not_let_go(
    services: Services, clock: VirtualClock
) -> None:
    """After a bounded wait an error names the run; once it is over, a second remove finishes."""
    put_state(services)
    with pytest.raises(NotPossible, match="run t-1 still holds its state"):
        pause.remove(services, "shop-1", by=ME)
    assert clock.monotonic() <= pause.RELEASE_WAIT_S + 1
    assert services.store.get("connections/shop-1") is None

    services.store.commit([Update(STATE, {"open": None, "seq": 9})])
    pause.remove(services, "shop-1", by=ME)
    assert_removed(services)


@pytest.mark.parametrize("command", [pause.pause, pause.resume, pause.remove])
@pytest.mark.parametrize("connection_id", ["shop-9", "", "a/b"])
def test_unknown_connections_are_named(services: Services, command: object, connection_id: str) -> None:
    """An unknown id is refused, and nothing is written."""
    assert callable(command)
    with pytest.raises(NotFound, match="no connection"):
        command(services, connection_id, by=ME)
