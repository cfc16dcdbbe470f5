"""The task queue's contract, on the embedded queue and on Pub/Sub, with a real worker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.google.emulators import Emulators
from orchestrator import log_context
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.google.channels import emulator_channel
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.errors import QueueUnavailable
from orchestrator.model.messages import Message, decode, encode
from orchestrator.ports import TaskQueue
from tests.adapters.worker import TOPIC_PATH, Worker
from tests.support.emulators import fresh_project
from tests.support.waiting import wait_until

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def subscribe(host: str, project: str, push_endpoint: str) -> None:
    """Make a topic `work` and its push subscription on the emulator."""
    topic = f"projects/{project}/topics/work"
    publisher = PublisherClient(transport=PublisherGrpcTransport(channel=emulator_channel(host)))
    publisher.create_topic(name=topic)
    publisher.transport.close()
    subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=emulator_channel(host)))
    subscriber.create_subscription(
        request={
            "name": f"projects/{project}/subscriptions/work",
            "topic": topic,
            "push_config": {"push_endpoint": push_endpoint},
            "ack_deadline_seconds": 10,
            "retry_policy": {
                "minimum_backoff": timedelta(seconds=1),
                "maximum_backoff": timedelta(seconds=2),
            },
        }
    )
    subscriber.transport.close()


@pytest.fixture(params=["local", pytest.param("pubsub", marks=pytest.mark.emulator)])
def queue(request: pytest.FixtureRequest, tmp_path: Path, worker: Worker) -> Iterator[TaskQueue]:
    """A queue of each kind that delivers to the worker."""
    made: LocalQueue | PubSubQueue
    if request.param == "local":
        made = LocalQueue(tmp_path / "queue.db", worker.url, delivery=Delivery(min_backoff_s=0.05))
    else:
        emulators: Emulators = request.getfixturevalue("emulators")
        project = fresh_project()
        subscribe(emulators.pubsub_host, project, worker.url)
        made = PubSubQueue(project=project, topic="work", emulator_host=emulators.pubsub_host)
    yield made
    made.close()


def _run_id(behaviour: str = "ok") -> str:
    return f"{behaviour}-{uuid.uuid4().hex}"


def test_a_message_arrives_as_it_was(queue: TaskQueue, worker: Worker) -> None:
    """The worker's CloudEvent holds the very bytes, and beside them only kind, run and trace."""
    run_id = _run_id()
    message = Message(
        kind="task",
        run_id=run_id,
        order="2026-11-23T18:00:00Z t-1",
        deadline_at=datetime(2026, 11, 23, 19, 0, 0, 123456, tzinfo=UTC),
        marketplace="shopify",
        shard="shopify-000001",
        connection_id="c-é",
        slice=3,
        heal=True,
    )

    with log_context.bind(traceparent=TRACEPARENT, connection_id="not for the attributes"):
        queue.publish([message])
    wait_until(lambda: len(worker.received(run_id)) >= 1)

    (note,) = worker.received(run_id)
    assert note["body"].encode() == encode(message)
    assert decode(note["body"].encode()) == message
    assert note["attributes"] == {"kind": "task", "run_id": run_id, "traceparent": TRACEPARENT}
    assert note["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    assert note["source"] == f"//pubsub.googleapis.com/{TOPIC_PATH}"
    assert note["id"]


def test_a_message_without_run_or_trace_arrives(queue: TaskQueue, worker: Worker) -> None:
    """Empty attributes are dropped, since Pub/Sub has no empty ones."""
    run_id = _run_id()

    queue.publish([Message(kind="cancel", run_id=run_id)])
    wait_until(lambda: len(worker.received(run_id)) >= 1)

    assert worker.received(run_id)[0]["attributes"] == {"kind": "cancel", "run_id": run_id}


def test_a_failed_delivery_is_repeated(queue: TaskQueue, worker: Worker) -> None:
    """A message that the worker answers 500 to is redelivered under the same id."""
    run_id = _run_id("fail-1")

    queue.publish([Message(kind="cancel", run_id=run_id, shard="s")])
    wait_until(lambda: len(worker.received(run_id)) >= 2)

    first, second = worker.received(run_id)[:2]
    assert (first["id"], first["body"]) == (second["id"], second["body"])


def test_many_messages_all_arrive(queue: TaskQueue, worker: Worker) -> None:
    """One publish of more messages than a request takes loses none."""
    run_id = _run_id()
    names = {f"c-{number}" for number in range(1100)}

    queue.publish([Message(kind="task", run_id=run_id, connection_id=name) for name in sorted(names)])
    wait_until(lambda: len(worker.received(run_id)) >= len(names))

    bodies = [json.loads(note["body"]) for note in worker.received(run_id)]
    assert {body["connection_id"] for body in bodies} == names


def test_publishing_nothing_is_nothing(queue: TaskQueue, worker: Worker) -> None:
    """No messages, no delivery, no error."""
    before = worker.receipts.read_text() if worker.receipts.exists() else ""

    queue.publish([])
    queue.publish([], not_before=datetime.now(UTC))

    assert (worker.receipts.read_text() if worker.receipts.exists() else "") == before


def test_a_held_message_never_arrives_early(queue: TaskQueue, worker: Worker) -> None:
    """The embedded queue delivers at `not_before`; Pub/Sub, which cannot wait, publishes nothing."""
    run_id, marker = _run_id(), _run_id()
    not_before = datetime.now(UTC) + timedelta(seconds=0.4)

    queue.publish([Message(kind="cancel", run_id=run_id)], not_before=not_before)
    queue.publish([Message(kind="cancel", run_id=marker)])
    wait_until(lambda: len(worker.received(marker)) >= 1)
    if isinstance(queue, LocalQueue):
        assert queue.counts().held == 1
        wait_until(lambda: len(worker.received(run_id)) >= 1)
        late = worker.received(run_id)[0]["at"] - not_before.timestamp()
        assert 0.0 <= late < 2.0
    else:
        wait_until(lambda: datetime.now(UTC) > not_before + timedelta(seconds=0.5))
        assert worker.received(run_id) == []


@pytest.mark.emulator
def test_a_missing_topic_is_named(emulators: Emulators) -> None:
    """The operator reads which topic is missing, and the remedy."""
    queue = PubSubQueue(project=fresh_project(), topic="nowhere", emulator_host=emulators.pubsub_host)

    with pytest.raises(QueueUnavailable, match=r"topics/nowhere") as caught:
        queue.publish([Message(kind="heal")])

    assert "create the topic" in caught.value.action
    queue.close()
