"""The embedded queue's promises beyond the contract: it outlives processes and gives up in the end."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.errors import QueueUnavailable
from orchestrator.model.messages import Message
from tests.adapters.worker import Worker
from tests.support.project import ROOT
from tests.support.waiting import wait_until

FAST = Delivery(min_backoff_s=0.05, max_backoff_s=0.2)
#: Publishes for the run ids on its command line and delivers until it is ended.
HOLDER = """
import sys, time
from pathlib import Path
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.model.messages import Message
queue = LocalQueue(Path(sys.argv[1]), sys.argv[2], delivery=Delivery(min_backoff_s=0.05))
queue.publish([Message(kind="cancel", run_id=name) for name in sys.argv[3:]])
queue.start()
time.sleep(60)
"""
#: Forks while it delivers; the child ends last and must not keep its parent's lock.
LOCKED_FORKER = """
import os, sys, time
from pathlib import Path
from orchestrator.adapters.embedded.queue import LocalQueue
queue = LocalQueue(Path(sys.argv[1]), sys.argv[2])
queue.start()
lock = Path(sys.argv[1] + ".lock")
while not lock.exists():
    time.sleep(0.01)
time.sleep(0.2)
if os.fork():
    os._exit(0)
time.sleep(60)
"""
#: Forks after its first publish; the child publishes and delivers as well.
FORKER = """
import os, sys, time
from pathlib import Path
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.model.messages import Message
queue = LocalQueue(Path(sys.argv[1]), sys.argv[2], delivers=False)
queue.publish([Message(kind="cancel", run_id=sys.argv[3])])
if child := os.fork():
    sys.exit(os.waitpid(child, 0)[1])
queue = LocalQueue(Path(sys.argv[1]), sys.argv[2])
queue.publish([Message(kind="cancel", run_id=sys.argv[4])])
deadline = time.monotonic() + 20
while not queue.idle() and time.monotonic() < deadline:
    time.sleep(0.01)
os._exit(0 if queue.idle() else 1)
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The queue's file, in a folder that is not there yet."""
    return tmp_path / "data" / "queue.db"


@pytest.fixture
def start(path: Path, worker: Worker) -> Iterator[Start]:
    """Starts processes that hold the queue, and ends them."""
    started: list[subprocess.Popen[bytes]] = []

    def run(script: str, *run_ids: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", script, str(path), worker.url, *run_ids]
        started.append(subprocess.Popen(command, cwd=ROOT))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def _run_id(behaviour: str = "ok") -> str:
    return f"{behaviour}-{uuid.uuid4().hex}"


def test_undelivered_messages_survive_a_restart(path: Path, worker: Worker) -> None:
    """Messages that one process published and nobody delivered, the next process delivers when it starts."""
    run_id = _run_id()
    first = LocalQueue(path, worker.url, delivers=False)
    first.publish([Message(kind="cancel", run_id=run_id, shard=str(number)) for number in range(5)])
    assert first.counts() == (5, 0, 0, 0)
    assert not first.idle()
    first.close()

    second = LocalQueue(path, worker.url)
    second.start()
    wait_until(second.idle)
    second.close()

    assert len(worker.received(run_id)) == 5


@pytest.mark.processes
def test_a_message_whose_process_was_killed_is_delivered_again(
    path: Path, worker: Worker, start: Start
) -> None:
    """SIGKILL in the middle of a delivery loses nothing: another process delivers soon after."""
    run_id = _run_id("slow-1500")
    holder = start(HOLDER, run_id)
    wait_until(lambda: len(worker.received(run_id)) == 1)

    holder.send_signal(signal.SIGKILL)
    holder.wait()
    other = LocalQueue(path, worker.url, delivery=FAST)
    other.start()
    assert other.counts().delivering == 1
    wait_until(other.idle)
    other.close()

    assert len(worker.received(run_id)) == 2


@pytest.mark.processes
def test_one_process_delivers_for_all(path: Path, worker: Worker, start: Start) -> None:
    """Several processes publish into one file, and no message of theirs is delivered twice."""
    names = [_run_id() for _ in range(150)]
    processes = [start(HOLDER, *names[index::3]) for index in range(3)]
    watching = LocalQueue(path, worker.url, delivers=False)

    wait_until(lambda: all(worker.received(name) for name in (names[0], names[1], names[2], *names[-3:])))
    wait_until(watching.idle)
    watching.close()

    assert all(process.poll() is None for process in processes)
    assert [len(worker.received(name)) for name in names] == [1] * len(names)


@pytest.mark.processes
def test_the_next_process_takes_over_from_a_killed_deliverer(
    path: Path, worker: Worker, start: Start
) -> None:
    """A process that waited while another one delivered, delivers once that one is killed."""
    first = start(HOLDER, _run_id())
    wait_until(lambda: path.with_name("queue.db.lock").exists())
    other = LocalQueue(path, worker.url, delivery=FAST)
    other.start()
    wait_until(other.idle)

    first.send_signal(signal.SIGSTOP)
    run_id = _run_id()
    other.publish([Message(kind="cancel", run_id=run_id)])
    time.sleep(0.5)
    assert worker.received(run_id) == []
    first.send_signal(signal.SIGKILL)
    wait_until(other.idle)
    other.close()

    assert len(worker.received(run_id)) == 1


@pytest.mark.processes
def test_a_forked_child_publishes_and_delivers(worker: Worker, start: Start) -> None:
    """A file opened before a fork is opened anew in the child."""
    run_ids = _run_id(), _run_id()

    assert start(FORKER, *run_ids).wait(30) == 0

    assert [len(worker.received(run_id)) for run_id in run_ids] == [1, 1]


@pytest.mark.processes
def test_a_forked_child_does_not_keep_its_parents_lock(path: Path, worker: Worker, start: Start) -> None:
    """The lock goes with the process that took it, whatever it forked meanwhile."""
    run_id = _run_id()
    assert start(LOCKED_FORKER).wait(30) == 0

    queue = LocalQueue(path, worker.url)
    queue.publish([Message(kind="cancel", run_id=run_id)])
    wait_until(queue.idle)
    queue.close()

    assert len(worker.received(run_id)) == 1


def test_a_slow_worker_keeps_its_message(path: Path, worker: Worker) -> None:
    """A slow delivery is not repeated while its process is alive."""
    run_id = _run_id("slow-1500")
    queue = LocalQueue(path, worker.url, delivery=FAST)

    queue.publish([Message(kind="cancel", run_id=run_id)])
    wait_until(lambda: len(worker.received(run_id)) == 1)
    assert queue.counts() == (0, 1, 0, 0)
    wait_until(queue.idle)
    queue.close()

    assert len(worker.received(run_id)) == 1


def test_no_answer_within_the_ack_deadline_is_a_failure(path: Path, worker: Worker) -> None:
    """A worker that takes longer than the ack deadline gets the message again."""
    run_id = _run_id("slow-600")
    queue = LocalQueue(path, worker.url, delivery=Delivery(ack_deadline_s=0.2, min_backoff_s=0.05))

    queue.publish([Message(kind="cancel", run_id=run_id)])
    wait_until(lambda: len(worker.received(run_id)) >= 2)
    queue.close()


def test_a_message_is_given_up_after_its_attempts(path: Path, worker: Worker) -> None:
    """A message that always fails ends in the dead-letter table, whole, and never comes again."""
    run_id = _run_id("fail-99")
    delivery = Delivery(max_attempts=3, min_backoff_s=0.02, max_backoff_s=0.03)
    queue = LocalQueue(path, worker.url, delivery=delivery)

    queue.publish([Message(kind="cancel", run_id=run_id)])
    wait_until(lambda: queue.counts().dead == 1)

    assert queue.counts() == (0, 0, 0, 1)
    assert len(worker.received(run_id)) == 3
    queue.close()
    connection = sqlite3.connect(path)
    ((body, attributes, attempts),) = connection.execute(
        "SELECT body, attributes, attempts FROM dead_messages"
    )
    connection.close()
    assert json.loads(body)["run_id"] == run_id
    assert json.loads(attributes) == {"kind": "cancel", "run_id": run_id}
    assert attempts == 3


def test_giving_up_does_not_wait_for_another_redelivery(path: Path, worker: Worker) -> None:
    """The last failed attempt dead-letters at once, however long the back-off would be."""
    queue = LocalQueue(path, worker.url, delivery=Delivery(max_attempts=1, min_backoff_s=600.0))

    queue.publish([Message(kind="cancel", run_id=_run_id("fail-99"))])
    wait_until(lambda: queue.counts() == (0, 0, 0, 1))
    queue.close()


def test_a_message_that_kills_its_process_is_given_up(path: Path, worker: Worker) -> None:
    """A message whose last allowed delivery was never answered is dead-lettered, not delivered."""
    run_id = _run_id()
    queue = LocalQueue(path, worker.url, delivers=False)
    queue.publish([Message(kind="cancel", run_id=run_id)])
    queue.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE messages SET attempts = 3, claimed = 1")
    connection.commit()
    connection.close()

    queue = LocalQueue(path, worker.url, delivery=Delivery(max_attempts=3))
    queue.start()
    wait_until(lambda: queue.counts() == (0, 0, 0, 1))
    queue.close()

    assert worker.received(run_id) == []


def test_a_worker_that_is_away_is_waited_for(path: Path, worker: Worker) -> None:
    """A refused connection is a failed delivery: the message stays and is tried again."""
    queue = LocalQueue(path, "http://127.0.0.1:9/", delivery=FAST)

    queue.publish([Message(kind="heal")])
    wait_until(lambda: queue.counts() == (1, 0, 0, 0))
    queue.close()

    run_id = _run_id()
    queue = LocalQueue(path, worker.url, delivery=FAST)
    queue.publish([Message(kind="cancel", run_id=run_id)])
    wait_until(queue.idle)
    assert queue.counts() == (0, 0, 0, 0)
    queue.close()


def test_a_message_of_another_process_is_seen_soon(path: Path, worker: Worker) -> None:
    """A queue that only publishes leaves delivery to those that deliver, who look often enough."""
    run_id = _run_id()
    delivers = LocalQueue(path, worker.url)
    delivers.start()
    publishes = LocalQueue(path, worker.url, delivers=False)

    publishes.publish([Message(kind="cancel", run_id=run_id)])
    wait_until(lambda: len(worker.received(run_id)) == 1)

    publishes.close()
    delivers.close()


def test_a_held_message_is_held_over_a_restart(path: Path, worker: Worker) -> None:
    """`not_before` is kept in the file, and does not keep the queue from being idle."""
    run_id = _run_id()
    queue = LocalQueue(path, worker.url)
    queue.publish([Message(kind="cancel", run_id=run_id)], not_before=datetime.now(UTC) + timedelta(hours=1))
    queue.close()

    queue = LocalQueue(path, worker.url)
    queue.start()

    assert (queue.counts(), queue.idle()) == ((0, 0, 1, 0), True)
    queue.close()
    assert worker.received(run_id) == []


def test_many_threads_publish_at_once(path: Path, worker: Worker) -> None:
    """Publishing from many threads starts one dispatcher and loses no message."""
    run_id = _run_id()
    others = set(threading.enumerate())
    queue = LocalQueue(path, worker.url)

    with ThreadPoolExecutor(16) as pool:
        list(
            pool.map(
                lambda n: queue.publish([Message(kind="cancel", run_id=run_id, shard=str(n))]), range(64)
            )
        )
    wait_until(queue.idle)
    started = set(threading.enumerate()) - others
    queue.close()

    assert sum(thread.name == "queue-delivery-0" for thread in started) == 1
    assert len(worker.received(run_id)) == 64


@pytest.mark.parametrize(("attempt", "wait_s"), [(1, 10), (2, 20), (3, 40), (4, 60), (20, 60), (10_000, 60)])
def test_back_off_doubles_up_to_its_limit(attempt: int, wait_s: float) -> None:
    """Redelivery waits as the production subscription does: 10 s, doubling, at most 60 s."""
    assert Delivery().backoff_s(attempt) == wait_s


def test_a_place_that_cannot_be_is_named(tmp_path: Path) -> None:
    """A queue whose folder cannot be made says so in one line."""
    (tmp_path / "file").write_text("")
    queue = LocalQueue(tmp_path / "file" / "queue.db", "http://127.0.0.1:9/")

    with pytest.raises(QueueUnavailable, match="cannot be made"):
        queue.publish([Message(kind="heal")])


def test_idle_costs_little(path: Path, worker: Worker) -> None:
    """A queue with nothing to do uses a small part of one processor."""
    queue = LocalQueue(path, worker.url)
    queue.start()
    began, used = time.monotonic(), time.process_time()
    wait_until(lambda: time.monotonic() - began > 1.0)
    share = (time.process_time() - used) / (time.monotonic() - began)
    queue.close()

    assert share < 0.2
