"""Runs from ticks: once a tick, closed by themselves, and honest counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.errors import NotFound, NotPossible, QueueUnavailable, RequestError
from orchestrator.model import ids
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.runs.cancel import cancel_run
from orchestrator.runs.start import TriggerRequest, retry_run, start_manual
from tests.support.people import ME
from tests.support.world import START, World


def test_a_tick_syncs_every_due_connection_and_closes(world: World) -> None:
    """One tick: every active connection's records are stored, and the run's counts equal its tasks'."""
    for name in ("a", "b", "c"):
        world.connect(name, marketplace="takealot" if name == "c" else "shopify")
        for n in range(7):
            world.bazaar.shop(name).put("orders", f"{name}{n}", START - timedelta(hours=n + 1))

    run_id, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert (run.tasks.total, run.tasks.succeeded) == (3, 3)
    assert (run.records.seen, run.records.written) == (21, 21)
    assert sorted(run.by_marketplace) == ["shopify", "takealot"]
    assert len(world.records("a", "orders")) == 7
    assert sum(task.streams["orders"].written for task in world.tasks(run_id)) == 21
    assert run.finished_at is not None
    assert run.cost.document_writes == sum(task.cost.document_writes for task in world.tasks(run_id))


def test_a_tick_delivered_again_is_the_same_run(world: World) -> None:
    """Any number of deliveries make one run and one task a connection."""
    world.connect("a")
    answers = [world.tick(at=START) for _ in range(20)]
    world.drain()

    assert len({answer.run_id for answer in answers}) == 1
    assert [answer.duplicate for answer in answers] == [False] + [True] * 19
    assert world.run(answers[0].run_id).tasks.total == 1
    assert len(world.tasks(answers[0].run_id)) == 1


def test_a_repeated_tick_publishes_what_the_first_could_not(world: World) -> None:
    """When publishing fails the tick is refused, and its repetition finishes the fan-out."""
    world.connect("a")
    world.queue.error = QueueUnavailable("the queue is down")
    with pytest.raises(QueueUnavailable):
        world.tick(at=START)
    world.queue.error = None
    answer = world.tick(at=START)
    world.drain()

    assert answer.duplicate
    assert world.run(answer.run_id).status is RunStatus.SUCCEEDED


def test_a_forced_run_never_eats_the_real_tick(world: World) -> None:
    """A tick stamped ahead of time, or not at all, gets an id of its own."""
    world.connect("a")
    forced = world.tick(at=START + timedelta(minutes=15))
    world.drain()
    world.clock.advance(15 * 60)
    real = world.tick(at=START + timedelta(minutes=15))

    assert forced.run_id.startswith("f-")
    assert real.run_id.startswith("t-")
    assert not real.duplicate


def test_a_tick_without_connections_closes_at_once(world: World) -> None:
    """No connection: the run is recorded as succeeded with no tasks, and older runs are healed."""
    answer = world.tick()

    assert answer.status is RunStatus.SUCCEEDED
    assert [message.kind for message in world.queue.messages] == ["heal"]


def test_many_connections_are_dealt_into_shards(world: World) -> None:
    """2,100 connections in three pages: all planned once, at most 64 a shard, all closed."""
    for n in range(2100):
        world.connect(f"c{n:05d}")
    answer = world.tick()
    world.drain(limit=10_000)
    shards = world.shards(answer.run_id)

    planned = [name for shard in shards for name in shard.ids]
    assert len(planned) == len(set(planned)) == 2100
    assert max(len(shard.ids) for shard in shards) <= 64
    assert world.run(answer.run_id).tasks.succeeded == 2100


def test_a_paused_connection_is_not_due(world: World) -> None:
    """Runs do not cover paused and disconnected connections; one paused after planning is skipped."""
    world.connect("a")
    world.connect("b", status="paused")
    world.connect("c", status="disconnected")
    answer = world.tick()
    world.deliver(world.queue.messages.pop(0))
    world.connect("a", status="paused")
    world.drain()
    run = world.run(answer.run_id)

    assert (run.tasks.total, run.tasks.skipped) == (1, 1)
    assert world.task(answer.run_id, "a").reason == "paused"


def test_a_manual_run_covers_what_is_named(world: World) -> None:
    """Connection ids, streams and an idempotency key are honoured; unknown ids are named."""
    world.connect("a", streams=["orders", "products"])
    world.connect("b")
    for name in ("a", "b"):
        world.bazaar.shop(name).put("orders", "o", START - timedelta(days=1))
        world.bazaar.shop(name).put("products", "p", START - timedelta(days=1))
    request = TriggerRequest(connection_ids=["a"], streams=["products"])
    first = start_manual(world.services, request, by=ME, idempotency_key="k")
    again = start_manual(world.services, request, by=ME, idempotency_key="k")
    world.drain()

    assert first.run_id == again.run_id
    assert again.duplicate
    assert world.records("a", "products") == {"p": "1"}
    assert world.records("a", "orders") == {}
    assert world.records("b", "orders") == {}
    with pytest.raises(NotFound, match="x, y"):
        start_manual(
            world.services,
            TriggerRequest(connection_ids=["a", "y", "x"]),
            by=ME,
            idempotency_key=None,
        )
    with pytest.raises(RequestError, match="streams: nonsense"):
        start_manual(world.services, TriggerRequest(streams=["nonsense"]), by=ME, idempotency_key=None)


@pytest.mark.parametrize("named", [None, ["a", "b"]])
def test_a_run_of_one_organization_touches_no_other(world: World, named: list[str] | None) -> None:
    """Conditions narrow each other: another organization's connection stays out, even if it is named."""
    world.connect("a")
    world.connect("b", organization_id="org-2")
    for name in ("a", "b"):
        world.bazaar.shop(name).put("orders", "o", START - timedelta(days=1))
    request = TriggerRequest(connection_ids=named, organization_id="org-2")
    started = start_manual(world.services, request, by=ME, idempotency_key=None)
    world.drain()

    assert [task.connection_id for task in world.tasks(started.run_id)] == ["b"]
    assert world.records("a", "orders") == {}
    assert world.store.get(ids.state_path("a")) is None


def test_a_manual_run_over_busy_connections_is_refused(world: World) -> None:
    """If every selected connection is being synced, the answer says so."""
    world.connect("a")
    world.bazaar.shop("a").put("orders", "o", START - timedelta(days=1))

    def trigger_meanwhile(*_: object) -> None:
        world.bazaar.at_call = None
        with pytest.raises(NotPossible, match="being synced"):
            start_manual(world.services, TriggerRequest(connection_ids=["a"]), by=ME, idempotency_key=None)
        with pytest.raises(NotPossible, match="being synced"):
            start_manual(world.services, TriggerRequest(), by=ME, idempotency_key=None)

    world.bazaar.at_call = trigger_meanwhile
    _, run = world.run_once()

    assert run.tasks.succeeded == 1
    assert world.bazaar.at_call is None


def test_retry_covers_what_failed_and_leaves_the_old_run_alone(world: World) -> None:
    """A retry is a new run over the failed connections; the closed run keeps its record."""
    world.connect("a")
    world.connect("b", credential="missing")
    run_id, run = world.run_once()
    assert run.status is RunStatus.PARTIAL
    world.connect("b")
    retried = retry_run(world.services, run_id, by=ME)
    world.drain()
    new = world.run(retried.run_id)

    assert retried.run_id == f"{run_id}.r1"
    assert (new.retry_of, new.status, new.tasks.total) == (run_id, RunStatus.SUCCEEDED, 1)
    assert world.run(run_id).tasks == run.tasks
    assert world.run(run_id).retried_by == retried.run_id
    with pytest.raises(NotPossible, match="nothing"):
        retry_run(world.services, retried.run_id, by=ME)
    with pytest.raises(NotFound):
        retry_run(world.services, "t-none", by=ME)


def test_retry_takes_up_what_was_left_out(world: World) -> None:
    """A connection that was skipped is in the retry; one that succeeded is not even read."""
    for name in ("a", "b"):
        world.connect(name)
        world.bazaar.shop(name).put("orders", "o", START - timedelta(days=1))
    started = world.tick()
    world.deliver(world.queue.messages.pop(0))
    world.connect("b", status="paused")
    world.drain()
    assert world.task(started.run_id, "b").reason == "paused"
    world.connect("b")
    world.bazaar.calls.clear()
    retried = retry_run(world.services, started.run_id, by=ME)
    world.drain()

    assert world.run(retried.run_id).tasks.succeeded == retried.tasks == 1
    assert {call[0] for call in world.bazaar.calls} == {"b"}
    assert world.records("b", "orders") == {"o": "1"}


def test_cancel_stops_at_the_next_page_and_leaves_a_valid_cursor(world: World) -> None:
    """A cancelled run's worker stops at its next commit; the next run continues and loses nothing."""
    world.connect("a")
    world.connect("b")
    for n in range(10):
        world.bazaar.shop("a").put("orders", f"o{n}", START - timedelta(hours=20 - n))
    run_ids: list[str] = []

    def cancel_at_second_page(client: object, stream: str, token: str | None) -> None:
        if token == "6" and not run_ids:
            run_ids.append(world.tick(at=START).run_id)
            cancel_run(world.services, run_ids[0], by=ME)
            cancels = [message for message in world.queue.messages if message.kind == "cancel"]
            for message in cancels:
                world.deliver(message)

    world.bazaar.at_call = cancel_at_second_page
    answer = world.tick(at=START)
    world.drain()
    run = world.run(answer.run_id)

    assert run.status is RunStatus.CANCELLED
    assert world.task(answer.run_id, "a").reason == "cancelled"
    assert run.tasks.total == run.tasks.succeeded + run.tasks.failed + run.tasks.skipped == 2
    stored = len(world.records("a", "orders"))
    assert 0 < stored <= 6
    assert [call for call in world.bazaar.calls if call[0] == "b"] == []
    with pytest.raises(NotPossible):
        cancel_run(world.services, answer.run_id, by=ME)
    world.clock.advance(900)
    world.bazaar.calls.clear()
    world.run_once()

    assert len(world.records("a", "orders")) == 10
    # It continued behind the stored records: the cancelled run's cursor was good.
    assert world.bazaar.calls[0][3] == str(stored)


def test_what_vanishes_is_closed_after_the_deadline(world: World) -> None:
    """Every task message is lost: the run is closed by later ticks' heals, within two of them."""
    world.connect("a")
    world.connect("b")
    lost = world.tick()
    world.deliver(world.queue.messages.pop(0))
    world.queue.messages.clear()
    world.clock.advance(3600 + 1)
    world.run_once()
    world.clock.advance(900)
    world.run_once()
    run = world.run(lost.run_id)

    assert run.status is RunStatus.FAILED
    assert {task.reason for task in world.tasks(lost.run_id)} == {"no_answer"}
    assert {task.status for task in world.tasks(lost.run_id)} == {TaskStatus.FAILED}


def test_a_lost_dispatch_is_healed_by_the_next_tick(world: World) -> None:
    """The dispatch message vanishes: the next tick publishes it again and the run closes."""
    world.connect("a")
    lost = world.tick()
    world.queue.messages.clear()
    world.clock.advance(900)
    world.run_once()

    assert world.run(lost.run_id).status.is_final


def test_a_late_dispatch_closes_unexpanded(world: World) -> None:
    """A run whose dispatch comes after the deadline is closed as failed, not worked."""
    world.connect("a")
    answer = world.tick()
    world.clock.advance(3700)
    world.drain()
    run = world.run(answer.run_id)

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.kind == "dispatched_too_late"
    assert world.records("a", "orders") == {}
