"""The dead letters' contract, on the embedded queue and on Pub/Sub."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.google.emulators import Emulators
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.adapters.google import dead_subscription
from orchestrator.adapters.google.channels import emulator_channel
from orchestrator.adapters.google.dead_subscription import PubSubDeadLetters
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.errors import QueueUnavailable
from orchestrator.model.messages import Message, encode
from orchestrator.ports import DeadLetters, TaskQueue
from tests.adapters.worker import Worker
from tests.support.emulators import fresh_project
from tests.support.waiting import wait_until

#: The fewest that Pub/Sub takes.
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Dead:
    """A queue that delivers to the worker, and its dead letters."""

    queue: TaskQueue
    letters: DeadLetters

    def bury(self, *bodies: str) -> None:
        """Put messages among the dead letters, one after the other."""
        for body in bodies:
            self.queue.bury(body.encode(), reason="nobody reads this", attributes={})

    def bodies(self) -> list[str]:
        """The dead letters, which stay there."""
        taken = self.letters.take(1000)
        self.letters.give_back(taken)
        return [message.body.decode() for message in taken]


def subscribe(host: str, project: str, push_endpoint: str) -> None:
    """Topic, dead-letter topic and their subscriptions, as `local.google.topics` makes them, but quicker."""
    topics = [f"projects/{project}/topics/{name}" for name in ("work", "work-dead")]
    publisher = PublisherClient(transport=PublisherGrpcTransport(channel=emulator_channel(host)))
    for topic in topics:
        publisher.create_topic(name=topic)
    publisher.transport.close()
    subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=emulator_channel(host)))
    subscriber.create_subscription(
        request={
            "name": f"projects/{project}/subscriptions/work",
            "topic": topics[0],
            "push_config": {"push_endpoint": push_endpoint},
            "ack_deadline_seconds": 10,
            "retry_policy": {
                "minimum_backoff": timedelta(seconds=0.1),
                "maximum_backoff": timedelta(seconds=0.2),
            },
            "dead_letter_policy": {"dead_letter_topic": topics[1], "max_delivery_attempts": ATTEMPTS},
        }
    )
    subscriber.create_subscription(
        request={
            "name": f"projects/{project}/subscriptions/work-dead",
            "topic": topics[1],
            "ack_deadline_seconds": 60,
        }
    )
    subscriber.transport.close()


@pytest.fixture(params=["local", pytest.param("pubsub", marks=pytest.mark.emulator)])
def dead(
    request: pytest.FixtureRequest, tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dead]:
    """A queue of each kind with its dead letters."""
    queue: LocalQueue | PubSubQueue
    letters: LocalDeadLetters | PubSubDeadLetters
    if request.param == "local":
        delivery = Delivery(max_attempts=ATTEMPTS, min_backoff_s=0.02, max_backoff_s=0.05)
        queue = LocalQueue(tmp_path / "queue.db", worker.url, delivery=delivery)
        letters = LocalDeadLetters(tmp_path / "queue.db")
    else:
        # The emulator answers at once; a message is there when publishing returns.
        monkeypatch.setattr(dead_subscription, "_EMPTY_S", 1.0)
        emulators: Emulators = request.getfixturevalue("emulators")
        project, host = fresh_project(), emulators.pubsub_host
        subscribe(host, project, worker.url)
        queue = PubSubQueue(project=project, topic="work", emulator_host=host)
        letters = PubSubDeadLetters(project=project, topic="work", emulator_host=host)
    yield Dead(queue, letters)
    queue.close()
    letters.close()


def test_a_message_that_keeps_failing_becomes_a_dead_letter(dead: Dead, worker: Worker) -> None:
    """The message is whole, with its run, its attempts and its times."""
    run_id = f"fail-99-{uuid.uuid4().hex}"
    message = Message(kind="cancel", run_id=run_id, shard="shopify-000001")
    before = datetime.now(UTC) - timedelta(seconds=1)

    dead.queue.publish([message])
    wait_until(lambda: bool(dead.bodies()))

    (letter,) = dead.letters.take(10)
    assert letter.body == encode(message)
    assert (letter.attributes["kind"], letter.attributes["run_id"]) == ("cancel", run_id)
    assert letter.reason == ""
    assert letter.deliveries == ATTEMPTS == len(worker.received(run_id))
    assert before < letter.published_at <= letter.died_at <= datetime.now(UTC) + timedelta(seconds=1)


def test_a_buried_message_is_kept_with_the_reason(dead: Dead) -> None:
    """Any bytes and their attributes, and why nobody can work on them, however long the reason."""
    dead.queue.bury(b"\xff\x00 junk", reason="r" * 2000, attributes={"kind": "odd", "empty": ""})
    (letter,) = dead.letters.take(10)

    assert letter.body == b"\xff\x00 junk"
    assert letter.reason == "r" * 1024
    assert letter.attributes == {"kind": "odd", "reason": letter.reason}
    assert letter.deliveries == 1
    assert letter.published_at == letter.died_at


def test_looking_consumes_nothing(dead: Dead) -> None:
    """A message that was given back can be taken again."""
    dead.bury("one", "two")

    assert sorted(dead.bodies()) == ["one", "two"]
    assert sorted(dead.bodies()) == ["one", "two"]


def test_what_is_removed_is_gone_and_the_rest_stays(dead: Dead) -> None:
    """Removing them again, as a repeated command does, changes nothing."""
    dead.bury("one", "two", "three")
    taken = {message.body.decode(): message for message in dead.letters.take(10)}

    dead.letters.remove([taken["one"], taken["three"]])
    dead.letters.remove([taken["one"]])
    dead.letters.give_back([taken["two"]])

    assert dead.bodies() == ["two"]


def test_no_more_is_taken_than_asked_for(dead: Dead) -> None:
    """The limit holds, and the other messages are not lost."""
    dead.bury("one", "two", "three")
    taken = dead.letters.take(2)
    dead.letters.remove(taken)

    assert len(taken) == 2
    assert len(dead.bodies()) == 1


def test_many_are_taken_and_removed_in_one_go(dead: Dead) -> None:
    """More than one request holds."""
    names = [f"message {number}" for number in range(dead_subscription._BATCH + 20)]
    dead.bury(*names)
    taken = dead.letters.take(1000)

    assert sorted(message.body.decode() for message in taken) == sorted(names)
    assert taken == sorted(taken, key=lambda message: message.died_at)
    dead.letters.remove(taken)
    assert dead.bodies() == []


def test_a_buried_message_and_one_that_dies_have_ids_of_their_own(tmp_path: Path, worker: Worker) -> None:
    """Whichever of them comes first, none takes another's place in the embedded queue's file."""
    delivery = Delivery(max_attempts=1)
    queue = LocalQueue(tmp_path / "queue.db", worker.url, delivery=delivery)
    letters = LocalDeadLetters(tmp_path / "queue.db")
    for _ in range(2):
        queue.bury(b"buried", reason="reason", attributes={})
        queue.publish([Message(kind="cancel", run_id=f"fail-99-{uuid.uuid4().hex}", shard="s")])
        wait_until(queue.idle)

    assert len({message.id for message in letters.take(10)}) == 4
    queue.close()
    letters.close()


@pytest.mark.emulator
def test_what_one_reader_took_another_does_not_get(
    emulators: Emulators, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two operators at once on Pub/Sub do not replay the same messages."""
    monkeypatch.setattr(dead_subscription, "_EMPTY_S", 1.0)
    project, host = fresh_project(), emulators.pubsub_host
    subscribe(host, project, worker.url)
    queue = PubSubQueue(project=project, topic="work", emulator_host=host)
    one = PubSubDeadLetters(project=project, topic="work", emulator_host=host)
    other = PubSubDeadLetters(project=project, topic=f"projects/{project}/topics/work", emulator_host=host)
    queue.bury(b"body", reason="reason", attributes={})
    taken = one.take(10)

    assert len(taken) == 1
    assert other.take(10) == []
    one.give_back(taken)
    assert [message.body for message in other.take(10)] == [b"body"]
    for client in (queue, one, other):
        client.close()


@pytest.mark.emulator
def test_a_missing_subscription_is_named(emulators: Emulators) -> None:
    """The operator reads which subscription is missing, and the remedy."""
    letters = PubSubDeadLetters(project=fresh_project(), topic="nowhere", emulator_host=emulators.pubsub_host)

    with pytest.raises(QueueUnavailable, match=r"subscriptions/nowhere-dead") as caught:
        letters.take(1)
    assert "create the subscription" in caught.value.action
    letters.close()


@pytest.mark.emulator
def test_a_missing_dead_letter_topic_is_named(emulators: Emulators) -> None:
    """If a message cannot be buried it is redelivered, and the log says why."""
    queue = PubSubQueue(project=fresh_project(), topic="nowhere", emulator_host=emulators.pubsub_host)

    with pytest.raises(QueueUnavailable, match=r"topics/nowhere-dead"):
        queue.bury(b"body", reason="reason", attributes={})
    queue.close()


def test_no_answer_is_not_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable service is an error, not an empty list."""
    monkeypatch.setattr(dead_subscription, "_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        letters = PubSubDeadLetters(project="project-1", topic="work", emulator_host=host)

        with pytest.raises(QueueUnavailable, match=r"work-dead: DeadlineExceeded"):
            letters.take(1)
        letters.close()
