"""Dead letters: the effect of a replay, the same however often it is repeated, at a pace, without loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import pytest

from orchestrator.adapters.embedded.queue import LocalDeadLetters
from orchestrator.errors import QueueUnavailable, RequestError
from orchestrator.model import ids
from orchestrator.model.messages import Kind, Message
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.operators.dead_letters import Effect, Report
from orchestrator.ports import DeadMessage, Delete, Query
from orchestrator.runs.start import TriggerRequest, start_manual
from tests.core.grave import Grave
from tests.support.people import ME
from tests.support.stores import Killed


def dying(letters: LocalDeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed before its next removal."""

    def die(messages: Sequence[DeadMessage]) -> None:
        if messages:
            monkeypatch.undo()
            raise Killed

    monkeypatch.setattr(letters, "remove", die)


def test_the_message_of_an_open_task_is_published_again(grave: Grave) -> None:
    """The run continues as if the message had never died."""
    run_id = grave.dispatch()
    grave.bury(*grave.take("task", "a"))
    grave.world.drain()
    assert grave.world.run(run_id).status is RunStatus.RUNNING

    assert grave.effects() == [(Effect.PUBLISH, "its task is open")]
    done = grave.replay()
    grave.world.drain()

    assert (done.started, [letter.effect for letter in done.letters]) == ([], [Effect.PUBLISH])
    assert grave.world.run(run_id).status is RunStatus.SUCCEEDED
    assert len(grave.world.records("a", "orders")) == 8
    assert grave.look().letters == []


def test_looking_changes_nothing(grave: Grave) -> None:
    """However often it is repeated, no message moves and no document is written."""
    run_id, dead = grave.lose("a")
    grave.bury(*dead)
    before = grave.world.store.query(Query("runs", limit=10))
    first, second = grave.look(), grave.look()

    assert first == second
    (letter,) = first.letters
    assert (letter.kind, letter.run_id, letter.connection_id) == ("task", run_id, "a")
    assert (letter.effect, letter.why) == (Effect.NEW_RUN, "its task is failed (no_answer)")
    assert grave.world.store.query(Query("runs", limit=10)) == before
    assert grave.world.queue.messages == []


def test_messages_that_are_not_removed_are_given_back(grave: Grave, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them after a look or an error; after a replay those that are kept or not selected."""
    grave.dispatch()
    grave.bury(*grave.take("task"))
    grave.queue.bury(b"junk", reason="junk", attributes={})
    given: list[int] = []
    monkeypatch.setattr(grave.letters, "give_back", lambda messages: given.append(len(messages)))
    grave.look()
    grave.world.queue.error = QueueUnavailable("the queue is down")
    with pytest.raises(QueueUnavailable):
        grave.replay()
    grave.world.queue.error = None
    grave.replay(connection_id="a")

    assert given == [3, 3, 2]


def test_connections_of_closed_runs_share_one_new_run(grave: Grave) -> None:
    """One new run covers both connections, although two runs left messages of one of them."""
    _, first = grave.lose("a")
    latest, second = grave.lose("a", "b")
    grave.bury(*first, *second)
    done = grave.replay()
    grave.world.drain()

    (started,) = done.started
    assert started.run_id.startswith("m-")
    assert [letter.effect for letter in done.letters] == [Effect.NEW_RUN] * 3
    run = grave.world.run(started.run_id)
    assert run.selection.connection_ids == {"shopify": ("a", "b")}
    assert (run.status, run.tasks.succeeded) == (RunStatus.SUCCEEDED, 2)
    assert len(grave.world.records("a", "orders")) == len(grave.world.records("b", "orders")) == 8
    assert grave.world.run(latest).tasks.failed == 2
    assert grave.look().letters == []


def test_a_replay_that_was_killed_is_repeated_with_the_same_run(
    grave: Grave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill between start and removal, the remaining messages lead to the existing run."""
    _, dead = grave.lose("a", "b")
    grave.bury(*dead)
    dying(grave.letters, monkeypatch)
    with pytest.raises(Killed):
        grave.replay()
    runs = grave.run_ids()
    done = grave.replay()
    grave.world.drain()

    assert grave.run_ids() == runs
    assert [run.duplicate for run in done.started] == [True]
    assert grave.look().letters == []
    assert len(grave.world.records("a", "orders")) == 8


def test_a_new_run_of_other_connections_does_not_swallow_these(
    grave: Grave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a killed replay of one connection, a replay of all has each connection in exactly one run."""
    _, dead = grave.lose("a", "b")
    grave.bury(*dead)
    dying(grave.letters, monkeypatch)
    with pytest.raises(Killed):
        grave.replay(connection_id="a")
    done = grave.replay()
    grave.world.drain()

    covered = [grave.world.run(run.run_id).selection.connection_ids for run in done.started]
    assert covered == [{"shopify": ("a",)}, {"shopify": ("b",)}]
    assert len(grave.world.records("b", "orders")) == 8


def test_a_message_published_twice_does_nothing_twice(grave: Grave, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill between publishing and removal, the second replay finds a closed task and only removes."""
    run_id = grave.dispatch()
    grave.bury(*grave.take("task", "a"))
    dying(grave.letters, monkeypatch)
    with pytest.raises(Killed):
        grave.replay()
    grave.world.drain()
    task = grave.world.task(run_id, "a")

    assert grave.effects() == [(Effect.REMOVE, "its task is succeeded: nothing is left to do")]
    done = grave.replay()
    assert (done.started, grave.world.queue.messages) == ([], [])
    assert grave.world.task(run_id, "a") == task
    assert grave.look().letters == []


def test_messages_that_cannot_be_published_stay(grave: Grave) -> None:
    """If the queue is down, the error is raised and no message is lost."""
    grave.dispatch()
    grave.bury(*grave.take("task"))
    grave.world.queue.error = QueueUnavailable("the queue is down")
    with pytest.raises(QueueUnavailable):
        grave.replay()

    assert [letter.effect for letter in grave.look().letters] == [Effect.PUBLISH] * 2


def test_a_task_past_its_deadline_gets_a_new_run(grave: Grave) -> None:
    """The worker would close it unworked, so the message alone would have no effect."""
    grave.dispatch()
    grave.bury(*grave.take("task", "a"))
    grave.world.clock.advance(3601)

    assert grave.effects() == [(Effect.NEW_RUN, "its run is past its deadline")]


def test_a_run_that_is_no_longer_kept_gets_a_new_one(grave: Grave) -> None:
    """Run and task expired; the connection still has to be synced."""
    run_id, dead = grave.lose("a")
    grave.bury(*dead)
    grave.world.store.commit([Delete(ids.run_path(run_id)), Delete(ids.task_path(run_id, "a"))])
    shards = grave.world.store.query(Query(f"{ids.run_path(run_id)}/shards", limit=9))
    grave.world.store.commit([Delete(shard.path) for shard in shards])

    assert grave.effects() == [(Effect.NEW_RUN, "its run is no longer kept")]
    assert len(grave.replay().started) == 1


@pytest.mark.parametrize(
    ("status", "effect", "why"),
    [
        ("paused", Effect.KEEP, "the connection is paused: resume it first"),
        ("disconnected", Effect.REMOVE, "the connection is gone"),
        (None, Effect.REMOVE, "the connection is gone"),
    ],
)
def test_a_connection_that_is_not_synced_gets_no_new_run(
    grave: Grave, status: str | None, effect: Effect, why: str
) -> None:
    """The message of a paused connection waits for its resume; that of a deleted one is removed."""
    _, dead = grave.lose("a")
    grave.bury(*dead)
    if status is None:
        grave.world.store.commit([Delete(ids.connection_path("a"))])
    else:
        grave.world.connect("a", status=status)

    assert grave.effects() == [(effect, f"its task is failed (no_answer), and {why}")]
    assert grave.replay().started == []
    assert len(grave.look().letters) == (1 if effect is Effect.KEEP else 0)


@pytest.mark.parametrize("kind", ["dispatch", "sweep", "cancel"])
def test_other_messages_are_published_again_while_their_run_is_open(grave: Grave, kind: Kind) -> None:
    """Once the run is closed nothing is left to do, and they are only removed."""
    run_id = grave.dispatch()
    run = grave.world.run(run_id)
    message = Message(
        kind=kind,
        run_id=run_id,
        order=run.order,
        deadline_at=run.deadline_at,
        marketplace="shopify",
        shard="shopify-000000",
    )
    grave.bury(message)

    assert grave.effects() == [(Effect.PUBLISH, "its run is running")]
    grave.world.drain()
    assert grave.effects() == [(Effect.REMOVE, "its run is succeeded: nothing is left to do")]
    grave.replay()
    assert grave.world.queue.messages == []
    assert grave.look().letters == []


def test_a_heal_message_is_only_removed(grave: Grave) -> None:
    """Every tick heals by itself."""
    grave.bury(Message(kind="heal"))

    assert [letter.effect for letter in grave.replay().letters] == [Effect.REMOVE]
    assert (grave.look().letters, grave.world.queue.messages) == ([], [])


def test_an_unreadable_message_is_kept_until_it_is_discarded(grave: Grave) -> None:
    """The report has its size and the worker's reason, but nothing of its body."""
    body = b'{"v":"9","kind":"task","connection_id":"private"}'
    grave.queue.bury(body, reason="not understood", attributes={"kind": "task", "run_id": "t-1"})
    (letter,) = grave.replay().letters

    assert (letter.kind, letter.run_id, letter.size_bytes) == (None, "t-1", len(body))
    assert letter.effect is Effect.KEEP
    assert letter.why == "not understood"
    assert b"private" not in msgspec.json.encode(grave.look())
    assert [one.effect for one in grave.look(discard_unreadable=True).letters] == [Effect.REMOVE]
    grave.replay(discard_unreadable=True)
    assert grave.look().letters == []


def test_a_new_run_has_the_streams_and_options_of_the_old_one(grave: Grave) -> None:
    """A dead message of a full run over some streams is not replayed as an ordinary one."""
    request = TriggerRequest(connection_ids=["a"], streams=["orders"], full=True)
    start_manual(grave.world.services, request, by=ME, idempotency_key="k")
    for message in grave.take("dispatch"):
        grave.world.deliver(message)
    full = grave.take("task", "a")
    _, tick = grave.lose("a")
    grave.world.clock.advance(900)
    grave.world.deliver(Message(kind="heal"))
    grave.world.drain()
    grave.bury(*full, *tick)
    done = grave.replay()

    asked = [grave.world.run(run.run_id).selection for run in done.started]
    assert sorted((one.streams, one.full) for one in asked if one.full) == [(("orders",), True)]
    assert [one.streams for one in asked if not one.full] == [None]


def test_messages_of_busy_connections_are_kept(grave: Grave) -> None:
    """If all connections are busy, the message stays and the report has the reason."""
    _, dead = grave.lose("a")
    grave.bury(*dead)
    said: list[Report] = []

    def replay_meanwhile(*_: object) -> None:
        if not said:
            said.append(grave.replay())

    grave.world.bazaar.at_call = replay_meanwhile
    start_manual(grave.world.services, TriggerRequest(connection_ids=["a"]), by=ME, idempotency_key=None)
    grave.world.drain()

    (letter,) = said[0].letters
    assert (letter.effect, said[0].started) == (Effect.KEEP, [])
    assert "being synced now" in letter.why
    assert len(grave.look().letters) == 1


def test_only_selected_messages_are_replayed(grave: Grave) -> None:
    """They are selected by connection and by run."""
    first = grave.dispatch()
    grave.bury(*grave.take("task"))

    assert len(grave.look(run_id=first).letters) == 2
    assert grave.look(run_id="t-other").letters == []
    assert [letter.connection_id for letter in grave.replay(connection_id="b").letters] == ["b"]
    assert [letter.connection_id for letter in grave.look().letters] == ["a"]


def test_a_replay_is_paced(grave: Grave, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are published by fifty, with pauses for the rate, and no more than fit into ten minutes."""
    for n in range(120):
        grave.world.connect(f"c{n:03d}")
    grave.dispatch()
    grave.bury(*grave.take("task"))
    published: list[tuple[datetime, int]] = []
    publish: Callable[..., None] = grave.world.queue.publish

    def noting(messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        published.append((grave.world.clock.now(), len(messages)))
        publish(messages, not_before=not_before)

    monkeypatch.setattr(grave.world.queue, "publish", noting)
    done = grave.replay(per_second=0.2)

    assert (len(done.letters), done.more) == (96, True)
    assert [count for _, count in published] == [50, 46]
    assert (published[1][0] - published[0][0]).total_seconds() == 250
    rest = grave.replay(per_second=10)
    assert (len(rest.letters), rest.more) == (26, False)


@pytest.mark.parametrize(
    ("number", "wanted"),
    [({}, {"limit": 0}), ({}, {"limit": 5001}), ({"per_second": 0.0}, {}), ({"per_second": 1001.0}, {})],
)
def test_numbers_out_of_range_are_refused(
    grave: Grave, number: dict[str, float], wanted: dict[str, int]
) -> None:
    """They are refused before any message is taken."""
    with pytest.raises(RequestError, match="it takes a number"):
        grave.replay(per_second=number.get("per_second", 1.0), **wanted)


def test_a_task_that_never_reached_a_worker_is_failed_at_the_deadline(grave: Grave) -> None:
    """If its messages died, the run is closed with a failed task even without a replay."""
    run_id, _ = grave.lose("a")

    task = grave.world.task(run_id, "a")
    assert (task.status, task.reason) == (TaskStatus.FAILED, "no_answer")
    assert grave.world.run(run_id).status is RunStatus.PARTIAL
