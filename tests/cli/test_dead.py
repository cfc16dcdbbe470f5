"""`marketplace-sync dead …` and `runs retry|cancel`, from arguments to output and exit code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.google import topics
from local.google.emulators import Emulators
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google import dead_subscription
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.cli.app import FAILED, main
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import to_document
from orchestrator.model.messages import Message, decode, encode
from orchestrator.model.run import Dispatch, Run, RunStatus, Task, TaskStatus
from orchestrator.ports import Put
from tests.support.emulators import fresh_project
from tests.support.people import LOCAL

NOW = datetime.now(UTC)
QUEUE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded store and queue, named in the environment as by a developer's shell."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", f"local:{QUEUE}")
    monkeypatch.delenv("K_SERVICE", raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """The store that the commands use, with two connections."""
    made = SqliteStore(tmp_path / "store.db")
    for name in ("shop-1", "shop-2"):
        made.commit([Put(f"connections/{name}", {"marketplace": "shopify", "status": "active"})])
    yield made
    made.close()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[LocalQueue]:
    """The queue that the commands use."""
    made = LocalQueue(tmp_path / "store-queue.db", QUEUE, delivers=False)
    yield made
    made.close()


def put_run(store: SqliteStore, run_id: str, status: RunStatus, *failed: str) -> None:
    """A run of both connections, some of them with a failed task."""
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        order=f"2026|{run_id}",
        status=status,
        dispatch={"shopify": Dispatch(n=1, done=True)},
        dispatched_at=NOW,
        deadline_at=NOW + timedelta(hours=1),
        tasks=TaskTotals(total=2),
        started_at=NOW,
        expires_at=NOW + timedelta(days=30),
    )
    store.commit([Put(f"runs/{run_id}", to_document(run))])
    for connection_id in failed:
        task = Task(
            run_id=run_id,
            shard="shopify-000000",
            connection_id=connection_id,
            marketplace="shopify",
            status=TaskStatus.FAILED,
            reason="no_answer",
            finished_at=NOW,
            expires_at=NOW + timedelta(days=30),
        )
        store.commit([Put(f"runs/{run_id}/tasks/{connection_id}", to_document(task))])


def task_message(run_id: str, connection_id: str) -> Message:
    """A task's message."""
    return Message(
        kind="task",
        run_id=run_id,
        order=f"2026|{run_id}",
        deadline_at=NOW + timedelta(hours=1),
        marketplace="shopify",
        shard="shopify-000000",
        connection_id=connection_id,
    )


def bury(queue: LocalQueue, *messages: Message) -> None:
    """Make messages dead letters."""
    for message in messages:
        queue.bury(encode(message), reason="", attributes={})


@pytest.fixture
def three(store: SqliteStore, queue: LocalQueue) -> None:
    """A dead message of an open task, one of a closed task, and an unreadable one."""
    put_run(store, "t-1", RunStatus.PARTIAL, "shop-1")
    put_run(store, "t-2", RunStatus.RUNNING)
    bury(queue, task_message("t-1", "shop-1"), task_message("t-2", "shop-2"))
    queue.bury(b"\x1b[2J private", reason="not understood", attributes={})


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run a command that succeeds, and read its JSON."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def published(tmp_path: Path) -> list[Message]:
    """The messages in the queue's file."""
    connection = sqlite3.connect(tmp_path / "store-queue.db")
    bodies = [body for (body,) in connection.execute("SELECT body FROM messages ORDER BY id")]
    connection.close()
    return [decode(body) for body in bodies]


def test_dead_messages_are_listed_with_the_effect_of_a_replay(
    capsys: pytest.CaptureFixture[str], three: None, queue: LocalQueue
) -> None:
    """The list has kind, run, connection, times, deliveries and reason, but no body; no message moves."""
    assert main(["dead", "list"]) == 0
    text = capsys.readouterr().out

    for shown in ("3 dead messages", "t-1", "shop-1", "new run", "its task is failed (no_answer)", "publish"):
        assert shown in text
    assert "unreadable, 12 bytes" in text
    assert "not understood" in text
    assert "--discard-unreadable" in text
    assert "private" not in text
    assert "dead replay" in text
    assert queue.counts().dead == 3


def test_the_list_is_json_for_programs(capsys: pytest.CaptureFixture[str], three: None) -> None:
    """Each message is an object without its body."""
    listed = answer(capsys, "dead", "list", "--run", "t-2")

    (letter,) = listed["letters"]
    assert (letter["kind"], letter["connection_id"], letter["effect"]) == ("task", "shop-2", "publish again")
    assert listed["more"] is False
    assert "body" not in letter


def test_a_replay_is_a_dry_run_first(
    capsys: pytest.CaptureFixture[str], three: None, queue: LocalQueue, tmp_path: Path
) -> None:
    """Without --execute nothing is changed, and the output says so."""
    assert main(["dead", "replay"]) == 0
    text = capsys.readouterr().out

    assert "1 published again, 1 in new runs, 0 only removed, 1 kept" in text
    assert "Nothing was changed" in text
    assert "--execute" in text
    assert (queue.counts().dead, published(tmp_path)) == (3, [])


def test_a_replay_has_the_effect_that_was_shown(
    capsys: pytest.CaptureFixture[str], three: None, queue: LocalQueue, tmp_path: Path
) -> None:
    """Message and new run are published, the unreadable message is kept; a second replay has no effect."""
    assert main(["dead", "replay", "--execute"]) == 0
    text = capsys.readouterr().out
    again, dispatch = published(tmp_path)

    assert "Done: 1 published again, 1 in new runs, 0 only removed, 1 kept" in text
    assert f"runs watch {dispatch.run_id}" in text
    assert (again.kind, again.connection_id) == ("task", "shop-2")
    assert (dispatch.kind, dispatch.run_id[:2]) == ("dispatch", "m-")
    assert answer(capsys, "runs", "show", dispatch.run_id)["run"]["requested_by"] == LOCAL
    second = answer(capsys, "dead", "replay", "--execute")
    assert [letter["effect"] for letter in second["letters"]] == ["keep"]
    assert len(published(tmp_path)) == 2


def test_unreadable_messages_are_discarded_on_request(
    capsys: pytest.CaptureFixture[str], three: None, queue: LocalQueue
) -> None:
    """The dry run shows it too."""
    dry = answer(capsys, "dead", "replay", "--discard-unreadable")
    assert [letter["effect"] for letter in dry["letters"]] == ["new run", "publish again", "only remove"]
    answer(capsys, "dead", "replay", "--discard-unreadable", "--execute")

    assert queue.counts().dead == 0


@pytest.mark.emulator
def test_dead_letters_of_pubsub_are_listed_and_replayed(
    capsys: pytest.CaptureFixture[str],
    store: SqliteStore,
    emulators: Emulators,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same commands work on the topics that Terraform makes: a list removes nothing, a replay does."""
    project = fresh_project()
    monkeypatch.setattr(dead_subscription, "_EMPTY_S", 1.0)
    monkeypatch.setenv("SYNC_QUEUE", f"pubsub:{topics.TOPIC}")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", project)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators.pubsub_host)
    topics.create(project, QUEUE)
    queue = PubSubQueue(project=project, topic=topics.TOPIC, emulator_host=emulators.pubsub_host)
    put_run(store, "t-1", RunStatus.PARTIAL, "shop-1")
    queue.bury(encode(task_message("t-1", "shop-1")), reason="", attributes={"kind": "task"})
    queue.close()
    first, second = answer(capsys, "dead", "list"), answer(capsys, "dead", "list")
    done = answer(capsys, "dead", "replay", "--execute")

    assert first == second
    assert [letter["connection_id"] for letter in first["letters"]] == ["shop-1"]
    assert [letter["effect"] for letter in done["letters"]] == ["new run"]
    assert answer(capsys, "runs", "show", done["started"][0]["run_id"])["run"]["status"] == "dispatching"
    assert answer(capsys, "dead", "list")["letters"] == []


def test_an_empty_list_is_a_list(capsys: pytest.CaptureFixture[str], store: SqliteStore) -> None:
    """Without dead messages the list is empty, and no error."""
    assert main(["dead", "list"]) == 0
    assert "0 dead messages" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["dead", "list", "--limit", "0"], ["dead", "replay", "--execute", "--per-second", "0"]],
)
def test_numbers_out_of_range_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """They are refused like every other error."""
    assert main(arguments) == FAILED
    assert capsys.readouterr().err.startswith("error: ")


def test_retry_starts_a_new_run_and_says_how_to_watch_it(
    capsys: pytest.CaptureFixture[str], store: SqliteStore, tmp_path: Path
) -> None:
    """The new run covers the failed tasks; while it is open, a second retry returns it again."""
    put_run(store, "t-1", RunStatus.PARTIAL, "shop-1")
    assert main(["runs", "retry", "t-1"]) == 0
    text = capsys.readouterr().out
    again = answer(capsys, "runs", "retry", "t-1")

    assert "run t-1.r1 over 1 connection is started" in text
    assert "marketplace-sync runs watch t-1.r1" in text
    assert (again["run_id"], again["duplicate"]) == ("t-1.r1", True)
    run = answer(capsys, "runs", "show", "t-1.r1")["run"]
    assert (run["requested_by"], run["retry_of"]) == (LOCAL, "t-1")
    assert {message.run_id for message in published(tmp_path)} == {"t-1.r1"}


def test_cancel_asks_a_run_to_stop(capsys: pytest.CaptureFixture[str], store: SqliteStore) -> None:
    """The output says that the run ends with its last task; the run records the requester."""
    put_run(store, "t-1", RunStatus.RUNNING)
    assert main(["runs", "cancel", "t-1"]) == 0
    text = capsys.readouterr().out
    run = answer(capsys, "runs", "show", "t-1")["run"]

    assert "run t-1 is asked to stop; it is cancelled when its last task is over" in text
    assert "marketplace-sync runs watch t-1" in text
    assert run["cancel_requested_by"] == LOCAL
    assert run["cancel_requested_at"] is not None


@pytest.mark.parametrize(
    ("command", "run_id", "line"),
    [
        ("retry", "t-2", "run t-2 is not over"),
        ("retry", "t-3", "no task of run t-3 failed or was skipped"),
        ("retry", "t-9", "no such run: t-9"),
        ("cancel", "t-3", "run t-3 is over"),
        ("cancel", "t-9", "no such run: t-9"),
    ],
)
def test_an_impossible_retry_or_cancel_is_refused(
    capsys: pytest.CaptureFixture[str], store: SqliteStore, command: str, run_id: str, line: str
) -> None:
    """The error is one line on standard error, with exit code 1."""
    put_run(store, "t-2", RunStatus.RUNNING)
    put_run(store, "t-3", RunStatus.SUCCEEDED)

    assert main(["runs", command, run_id]) == FAILED
    assert capsys.readouterr().err.startswith(f"error: {line}")
