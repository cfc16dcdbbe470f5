"""The queued messages of the last release are worked, and its half-done work is finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message, decode
from orchestrator.model.records.document import SCHEMA
from orchestrator.model.run import Shard, Task, TaskStatus
from orchestrator.operators.pause import resume
from orchestrator.ports import Snapshot
from tests.marketplaces.conformance.case import every, told_by
from tests.marketplaces.conformance.market import Sandbox
from tests.support.people import ME
from tests.system.released.conftest import Left
from tests.system.released.replay import Release, Replay, delivering, replaying, versions
from tests.system.released.scene import TICK_S, YOUNGER, Scene, role_of

# The framework itself calls datetime.utcnow(), deprecated from Python 3.12 on.
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]

DAY_S = 86_400.0
FORMS = ("embedded", "push", "binary", "structured")


# One message of each kind


def dispatched(replay: Replay, message: Message) -> None:
    """Every active connection of the marketplace is in a shard, and has its task published."""
    run = replay.scene.run(message.run_id)
    planned = {each.connection_id for each in replay.scene.queue.messages if each.kind == "task"}

    assert run.dispatch["shopify"].done
    assert planned == {
        f"shopify-{role}" for role in ("dead", "deferred", "fresh", "half", "refused", "steady")
    }


def finished(replay: Replay, message: Message) -> None:
    """The task is over, and the store holds the seller's records."""
    task = replay.scene.task(message.run_id, message.connection_id)

    assert (task.status, task.incomplete, task.error) == (TaskStatus.SUCCEEDED, False, None)
    assert_holds_the_truth(replay, message.connection_id)


def continued(replay: Replay, message: Message) -> None:
    """The half-read window was completed from its page token, and the counts of both slices stand."""
    finished(replay, message)
    task = replay.scene.task(message.run_id, message.connection_id)

    assert (task.slices, task.attempts) == (2, 2)
    assert_read_once(replay, message.connection_id, task)


def healed(replay: Replay, message: Message) -> None:
    """The dead worker's task was taken over."""
    finished(replay, message)

    assert replay.scene.task(message.run_id, message.connection_id).attempts == 2


def swept(replay: Replay, message: Message) -> None:
    """Nothing of the shard is open past the deadline; the records that were read count."""
    shard, tasks = shard_of(replay, message)

    assert shard.open == 0
    assert tasks["shopify-fresh"].data["reason"] == "no_answer"
    assert tasks["shopify-half"].data["status"] in {"succeeded", "failed"}


def cancelled(replay: Replay, message: Message) -> None:
    """A task that no worker holds is closed at once; one with a holder, dead or not, is asked to stop."""
    shard, tasks = shard_of(replay, message)
    reasons = {role_of(name): task.data["reason"] for name, task in tasks.items()}
    held = replay.scene.state("shopify-dead").open

    assert shard.open == 1
    assert reasons["fresh"] == reasons["half"] == reasons["deferred"] == "cancelled"
    assert held is not None
    assert held.cancel == "cancelled"


def published(replay: Replay, message: Message) -> None:
    """Heal publishes the tasks of lost leases; the run that is dispatched moved a moment ago."""
    found = replay.scene.queue.messages

    assert {role_of(each.connection_id) for each in found if each.kind == "task"} == {"dead", "half"}
    assert all(each.heal for each in found if each.kind == "task")


EFFECTS: Mapping[str, Callable[[Replay, Message], None]] = {
    "dispatch": dispatched,
    "task-first": finished,
    "task-continuation": continued,
    "task-heal": healed,
    "sweep": swept,
    "cancel": cancelled,
    "heal": published,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", EFFECTS)
def test_each_message_is_worked(release: Release, tmp_path: Path, kind: str, form: str) -> None:
    """The worker's edge takes each form of each kind, and its work is done."""
    store, message = release.embedded_store(tmp_path), release.messages[kind]
    with replaying(release, store, ("shopify",)) as replay:
        decoded = decode(message.body.encode())
        if kind == "sweep":
            replay.scene.clock.advance(timedelta(hours=1).total_seconds())
        replay.post(message.forms[form])
        EFFECTS[kind](replay, decoded)
        replay.post(message.forms[form])  # once more, as any message may come
        EFFECTS[kind](replay, decoded)
    store.close()


# All that was left


def test_what_is_left_is_worked_off(left: Left, tmp_path: Path) -> None:
    """The queue's file is delivered, ticks go on: every run ends, and it holds all sellers' records."""
    names = left.release.contents.runs
    with replaying(left.release, left.store) as replay:
        closed = frozen_runs(replay)
        before = {each.id: versions(left.store, each.id) for each in every(left.store, "connections")}
        with delivering(tmp_path, replay) as idle:
            counts = idle()
            assert (counts.waiting, counts.held, counts.dead) == (0, 5, 0)
            replay.drain()
            replay.scene.clock.advance(TICK_S)
            assert idle().dead == 0
            replay.drain()
        check_half_read(replay)
        for marketplace in replay.sellers:
            resume(replay.scene.services, f"{marketplace}-paused", by=ME)
        # The last one, a day later, lists everything again.
        later = [replay.tick(after_s) for after_s in (*[TICK_S] * 5, DAY_S)]
        replay.release_held()

        check_runs(replay, closed)
        check_records(replay, before, later)
        for run_id in later:
            assert_ended(replay, run_id)
        assert unusual(replay, names["running"]) == {"refused": "needs_attention"}
        # Only the deferred tasks are left to a later run; the tasks that were never published are done too.
        assert unusual(replay, names["dispatching"]) == {"deferred": "waiting", "refused": "needs_attention"}


def test_ticks_alone_end_it(release: Release, tmp_path: Path) -> None:
    """With every queued message lost, ticks and their heals end the same runs, and nothing is lost."""
    store = release.embedded_store(tmp_path)
    with replaying(release, store) as replay:
        closed = frozen_runs(replay)
        before = {each.id: versions(store, each.id) for each in every(store, "connections")}
        for marketplace in replay.sellers:
            resume(replay.scene.services, f"{marketplace}-paused", by=ME)
        later = [replay.tick(after_s) for after_s in (*[TICK_S] * 8, DAY_S)]
        replay.release_held()

        check_runs(replay, closed)
        check_records(replay, before, later)
    store.close()


def frozen_runs(replay: Replay) -> dict[str, Snapshot]:
    """The runs that were over when the store was frozen, by name."""
    runs = replay.release.contents.runs
    return {name: replay.scene.get(ids.run_path(runs[name])) for name in runs if is_closed(name)}


def is_closed(name: str) -> bool:
    """Whether the run of a name was over when the store was frozen."""
    return name not in {"running", "dispatching"}


def check_half_read(replay: Replay) -> None:
    """Each half-read window was completed by the run that began it, from its page token: no row twice."""
    run_id = replay.release.contents.runs["running"]
    for marketplace in replay.sellers:
        task = replay.scene.task(run_id, f"{marketplace}-half")
        assert (task.status, task.incomplete) == (TaskStatus.SUCCEEDED, False), marketplace
        assert task.slices == 2
        assert_read_once(replay, f"{marketplace}-half", task)
        assert_holds_the_truth(replay, f"{marketplace}-half")


def assert_read_once(replay: Replay, connection_id: str, task: Task) -> None:
    """The task has seen each record of the seller once, in all of its slices together."""
    sandbox = replay.sellers[task.marketplace].of(connection_id)
    for stream, counts in task.streams.items():
        if replay.is_unchanged(connection_id, stream):
            assert counts.seen == len(sandbox.truth(stream)), f"{connection_id} {stream}"


def check_runs(replay: Replay, closed: Mapping[str, Snapshot]) -> None:
    """The open runs have ended, those that were over are as they were, and nobody holds a connection."""
    names = replay.release.contents.runs
    for name, before in closed.items():
        assert replay.scene.get(before.path).data == before.data, name
    assert_ended(replay, names["running"])
    assert_ended(replay, names["dispatching"])
    assert YOUNGER in reasons(replay, names["dispatching"])
    for found in every(replay.scene.store, "sync_state"):
        state = replay.scene.state(found.id)
        assert (state.open, state.lease.owner) == (None, None), found.id


def reasons(replay: Replay, run_id: str) -> dict[str, str | None]:
    """Why each task of a run ended as it did, by connection."""
    tasks = every(replay.scene.store, f"{ids.run_path(run_id)}/tasks")
    found: dict[str, str | None] = dict.fromkeys(replay.scene.quiet(run_id))
    return found | {task.id: task.data["reason"] for task in tasks}


def unusual(replay: Replay, run_id: str) -> dict[str, str]:
    """Why tasks of a run did not simply succeed, by role; it is the same on each marketplace."""
    found = {(role_of(name), why) for name, why in reasons(replay, run_id).items() if why is not None}
    assert len({role for role, _ in found}) == len(found), found
    return dict(found)


def assert_ended(replay: Replay, run_id: str) -> None:
    """The run is over, and its totals are those of its tasks."""
    run = replay.scene.run(run_id)
    tasks = list(every(replay.scene.store, f"{ids.run_path(run_id)}/tasks"))
    totals = run.tasks

    assert run.status.is_final
    shards = [
        from_document(Shard, found.data)
        for found in every(replay.scene.store, f"{ids.run_path(run_id)}/shards")
    ]
    quiet = sum(shard.quiet for shard in shards)
    assert totals.total == totals.succeeded + totals.failed + totals.skipped == len(tasks) + quiet
    assert all(shard.open == 0 for shard in shards)


def check_records(replay: Replay, before: Mapping[str, Mapping[str, object]], later: list[str]) -> None:
    """Nothing is lost, no unchanged record is written again, and a vanished one is marked."""
    store = replay.scene.store
    for connection_id, known in before.items():
        role, now = role_of(connection_id), versions(store, connection_id)
        if role == "refused":
            continue
        assert_holds_the_truth(replay, connection_id)
        assert known.keys() <= now.keys()
        vanished = {path for path in known if replay.scene.get(path).data["deleted_at"] is not None}
        for path in known.keys() - vanished:
            if replay.is_unchanged(connection_id, path.split("/")[2]):
                assert known[path] == now[path], f"{path} was written again"
        if role == "steady":
            check_steady(replay, connection_id, later)


def check_steady(replay: Replay, connection_id: str, later: list[str]) -> None:
    """An account in which nothing changed is recognized by the release's digests."""
    tasks = [replay.scene.task(run_id, connection_id) for run_id in later]
    counts = [
        counts
        for task in tasks
        for stream, counts in task.streams.items()
        if replay.is_unchanged(connection_id, stream)
    ]
    assert not any(each.written for each in counts), connection_id
    assert not counts or any(each.unchanged for each in counts), connection_id


# Checks


def shard_of(replay: Replay, message: Message) -> tuple[Shard, dict[str, Snapshot]]:
    """A message's shard, and the tasks of its run by connection."""
    snapshot = replay.scene.get(ids.shard_path(message.run_id, message.shard))
    tasks = every(replay.scene.store, f"{ids.run_path(message.run_id)}/tasks")
    return from_document(Shard, snapshot.data), {task.id: task for task in tasks}


def assert_holds_the_truth(replay: Replay, connection_id: str) -> None:
    """Each record of the seller is stored as it is there, and no other."""
    connection = replay.scene.get(ids.connection_path(connection_id)).data
    assert_holds(replay.scene, replay.sellers[connection["marketplace"]].of(connection_id), connection_id)


def assert_holds(scene: Scene, sandbox: Sandbox, connection_id: str) -> None:
    """The connection's records are those of the account, and no others."""
    connection = scene.get(ids.connection_path(connection_id)).data
    for stream in connection["streams"]:
        found = every(scene.store, f"connections/{connection_id}/{stream}")
        held: dict[str, Any] = {
            each.data["id"]: each.data for each in found if each.data["deleted_at"] is None
        }
        truth = sandbox.truth(stream)
        assert held.keys() == truth.keys(), f"{connection_id} {stream}"
        for record_id, fields in truth.items():
            told = told_by(held[record_id])
            known = known_to(held[record_id], fields)
            assert {name: told[name] for name in known} == known, f"{connection_id} {stream} {record_id}"


def known_to(document: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the truth that a document can hold; all if it has today's form.

    An older document lacks later fields, and the costs of its variants. Its amounts are of sales as the
    sandboxes had them then: without shipping, discounts and tips.
    """
    if document.get("schema") == SCHEMA:
        return dict(fields)
    known = told_by(document).keys() - {"total", "refunded", "costs"}
    return {name: value for name, value in fields.items() if name in known}
