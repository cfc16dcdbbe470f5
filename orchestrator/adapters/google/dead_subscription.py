"""Dead letters on Pub/Sub: the subscription of the dead-letter topic, read by pulling.

It is separate from the publisher because only the command line pulls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from google.api_core import exceptions
from google.pubsub_v1 import types
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from orchestrator.adapters.google.backlog import undelivered
from orchestrator.adapters.google.calls import Client, Remedies, retry
from orchestrator.adapters.google.pubsub import dead_subscription_of
from orchestrator.errors import QueueUnavailable
from orchestrator.ports import DeadMessage

T = TypeVar("T")

#: Messages in one request: a pull may ask for 1,000, and the others may hold 512 KB of ids.
_BATCH = 500
#: The longest time that Pub/Sub withholds a pulled message from others.
_HELD_S = 600
_TIMEOUT_S = 10.0
#: A pull waits on the server for a first message; if this time passes, the subscription is empty.
_EMPTY_S = 5.0
_RETRY = retry(exceptions.Aborted, total_s=20.0)
_REMEDIES: Remedies = {
    exceptions.NotFound: "create the subscription (terraform apply), or correct SYNC_QUEUE",
    exceptions.PermissionDenied: "have roles/pubsub.subscriber on the subscription granted to this account",
}
#: Attributes that Pub/Sub adds to a dead letter (cloud.google.com/pubsub/docs/dead-letter-topics).
_PUBLISHED = "CloudPubSubDeadLetterSourceTopicPublishTime"
_DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"


class PubSubDeadLetters:
    """The DeadLetters port.

    Args:
        project: The topic's project, if `topic` does not name one.
        topic: The queue's topic, `TOPIC` or `projects/PROJECT/topics/TOPIC`.
        emulator_host: `HOST:PORT` of Google's emulator; empty for the service itself.
    """

    def __init__(self, *, project: str, topic: str, emulator_host: str = "") -> None:
        self._subscription = dead_subscription_of(project, topic)
        self._is_emulated = bool(emulator_host)
        self._client = Client(
            SubscriberClient,
            SubscriberGrpcTransport,
            QueueUnavailable,
            _REMEDIES,
            emulator_host=emulator_host,
        )

    def close(self) -> None:
        """Close the connection to Pub/Sub; the next call opens it again."""
        self._client.close()

    def count(self) -> int | None:
        """By Pub/Sub's metric, some minutes late; None on the emulator, and without the right to read it."""
        return undelivered(self._subscription) if not self._is_emulated else None

    def take(self, limit: int) -> list[DeadMessage]:
        """Pull until nothing new comes, and hold the messages as long as Pub/Sub can."""
        # Have Pub/Sub answer once: a pull that never reached it ends like one without messages.
        self._set_deadline((), 0)
        taken: dict[str, DeadMessage] = {}
        while len(taken) < limit:
            known = len(taken)
            found = self._pull(min(_BATCH, limit - known))
            self._set_deadlines(found, _HELD_S)
            taken |= {message.id: message for message in found}
            if len(taken) == known:
                break
        return sorted(taken.values(), key=lambda message: (message.died_at, message.id))

    def give_back(self, messages: Sequence[DeadMessage]) -> None:
        """Let Pub/Sub deliver them again now."""
        self._set_deadlines(messages, 0)

    def remove(self, messages: Sequence[DeadMessage]) -> None:
        """Acknowledge them."""
        for ids in _batches(messages):
            request = types.AcknowledgeRequest(subscription=self._subscription, ack_ids=ids)
            self._call(lambda client: client.acknowledge(request=request, retry=None, timeout=_TIMEOUT_S))  # noqa: B023 - called at once

    def _pull(self, limit: int) -> list[DeadMessage]:
        request = types.PullRequest(subscription=self._subscription, max_messages=limit)

        def pull(client: SubscriberClient) -> types.PullResponse:
            try:
                return client.pull(request=request, retry=None, timeout=_EMPTY_S)
            except exceptions.DeadlineExceeded:
                return types.PullResponse()

        return [_dead_message(found) for found in self._call(pull).received_messages]

    def _set_deadlines(self, messages: Sequence[DeadMessage], seconds: int) -> None:
        for ids in _batches(messages):
            self._set_deadline(ids, seconds)

    def _set_deadline(self, ids: Sequence[str], seconds: int) -> None:
        request = types.ModifyAckDeadlineRequest(
            subscription=self._subscription, ack_ids=ids, ack_deadline_seconds=seconds
        )

        def modify(client: SubscriberClient) -> None:
            # Without ids it asks for nothing, which is refused; any other fault is told all the same.
            with suppress(*() if ids else (exceptions.InvalidArgument,)):
                client.modify_ack_deadline(request=request, retry=None, timeout=_TIMEOUT_S)

        self._call(modify)

    def _call(self, call: Callable[[SubscriberClient], T]) -> T:
        return self._client.call(f"Pub/Sub {self._subscription}", _RETRY, call)


def _batches(messages: Sequence[DeadMessage]) -> list[list[str]]:
    handles = [str(message.handle) for message in messages]
    return [handles[start : start + _BATCH] for start in range(0, len(handles), _BATCH)]


def _dead_message(received: types.ReceivedMessage) -> DeadMessage:
    message = received.message
    attributes = dict(message.attributes)
    died_at = datetime.fromtimestamp(message.publish_time.timestamp(), UTC)
    published = attributes.get(_PUBLISHED)
    return DeadMessage(
        id=message.message_id,
        body=message.data,
        attributes=attributes,
        published_at=datetime.fromisoformat(published) if published else died_at,
        died_at=died_at,
        deliveries=int(attributes.get(_DELIVERIES, 1)),
        handle=received.ack_id,
    )
