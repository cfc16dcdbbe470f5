"""Dead letters on Pub/Sub: the subscription of the dead-letter topic, read by pulling.

Apart from the publisher, since only the command line pulls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from google.api_core import exceptions
from google.pubsub_v1 import types
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from orchestrator.adapters.google.calls import CallFailed, Lazy, emulator_channel, explain, retry
from orchestrator.adapters.google.pubsub import dead_letters_of, topic_path
from orchestrator.errors import QueueUnavailable
from orchestrator.ports import DeadMessage

T = TypeVar("T")

#: One request: far below the 1,000 messages a pull may ask for and the 512 KB of ids another may hold.
_BATCH = 500
#: The longest time that Pub/Sub keeps a message from others.
_HELD_S = 600
_TIMEOUT_S = 10.0
#: A pull waits on the server for a first message; where none comes for so long, there is none.
_EMPTY_S = 5.0
_RETRY = retry(exceptions.Aborted, total_s=20.0)
#: What Pub/Sub itself notes on a message it gives up (cloud.google.com/pubsub/docs/dead-letter-topics).
_PUBLISHED = "CloudPubSubDeadLetterSourceTopicPublishTime"
_DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"


class PubSubDeadLetters:
    """The DeadLetters port.

    Args:
        project: The topic's project, where `topic` does not name one.
        topic: The queue's topic, `TOPIC` or `projects/PROJECT/topics/TOPIC`.
        emulator_host: `HOST:PORT` of Google's emulator; empty for the service itself.
    """

    def __init__(self, *, project: str, topic: str, emulator_host: str = "") -> None:
        name = dead_letters_of(topic_path(project, topic))
        self._subscription = name.replace("/topics/", "/subscriptions/")
        self._emulator_host = emulator_host
        self._client = Lazy(self._make)

    def close(self) -> None:
        """Close the connection to Pub/Sub; the next call opens it again."""
        self._client.close()

    def take(self, limit: int) -> list[DeadMessage]:
        """Pull until nothing new comes, and hold what came for as long as may be."""
        self._greet()
        taken: dict[str, DeadMessage] = {}
        while len(taken) < limit:
            known = len(taken)
            found = self._pull(min(_BATCH, limit - known))
            self._set_deadline(found, _HELD_S)
            taken |= {message.id: message for message in found}
            if len(taken) == known:
                break
        return sorted(taken.values(), key=lambda message: (message.died_at, message.id))

    def give_back(self, messages: Sequence[DeadMessage]) -> None:
        """Let Pub/Sub deliver them again now."""
        self._set_deadline(messages, 0)

    def remove(self, messages: Sequence[DeadMessage]) -> None:
        """Acknowledge them."""
        for ids in _batches(messages):
            request = types.AcknowledgeRequest(subscription=self._subscription, ack_ids=ids)
            acknowledge = self._client.get().acknowledge
            self._call(partial(acknowledge, request=request, retry=None, timeout=_TIMEOUT_S))

    def _pull(self, limit: int) -> list[DeadMessage]:
        request = types.PullRequest(subscription=self._subscription, max_messages=limit)

        def pull() -> types.PullResponse:
            try:
                return self._client.get().pull(request=request, retry=None, timeout=_EMPTY_S)
            except exceptions.DeadlineExceeded:
                return types.PullResponse()

        return [_dead_message(found) for found in self._call(pull).received_messages]

    def _set_deadline(self, messages: Sequence[DeadMessage], seconds: int) -> None:
        for ids in _batches(messages):
            request = types.ModifyAckDeadlineRequest(
                subscription=self._subscription, ack_ids=ids, ack_deadline_seconds=seconds
            )
            modify = self._client.get().modify_ack_deadline
            self._call(partial(modify, request=request, retry=None, timeout=_TIMEOUT_S))

    def _greet(self) -> None:
        """Have Pub/Sub answer once: a pull that it never heard of ends like one without messages."""
        request = types.ModifyAckDeadlineRequest(subscription=self._subscription, ack_deadline_seconds=0)

        def greet() -> None:
            # It asks for nothing, which is refused; so is everything else that is wrong, and that is told.
            with suppress(exceptions.InvalidArgument):
                self._client.get().modify_ack_deadline(request=request, retry=None, timeout=_TIMEOUT_S)

        self._call(greet)

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return _RETRY(call)()
        except CallFailed as error:
            what, action = explain(
                error,
                {
                    exceptions.NotFound: "create the subscription (terraform apply), or correct SYNC_QUEUE",
                    exceptions.PermissionDenied: "have roles/pubsub.subscriber granted on the subscription "
                    "to the account of this command",
                },
            )
            raise QueueUnavailable(f"Pub/Sub {self._subscription}: {what}", action=action) from error

    def _make(self) -> SubscriberClient:
        if not self._emulator_host:
            return SubscriberClient()
        return SubscriberClient(
            transport=SubscriberGrpcTransport(channel=emulator_channel(self._emulator_host))
        )


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
