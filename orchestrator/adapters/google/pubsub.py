"""The task queue on Pub/Sub: publishing only; a push subscription of our own delivers.

Publishing is one awaited request for many messages. The client library's batching publisher would add a
background thread, which a function loses between requests; all messages are known, so it would gain nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from google.api_core import exceptions
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from orchestrator.adapters.attributes import attributes, buried
from orchestrator.adapters.google.calls import Client, Remedies, retry
from orchestrator.errors import QueueUnavailable
from orchestrator.model.messages import Message, encode

#: The most messages in one request. Ours are far below 1 KB each; a request may have 10 MB.
_BATCH = 1000
_TIMEOUT_S = 5.0
# Publishing again after an unknown outcome only repeats messages, and their readers are idempotent.
_RETRY = retry(exceptions.DeadlineExceeded, exceptions.Aborted, total_s=8.0)

_REMEDIES: Remedies = {
    exceptions.NotFound: "create the topic (terraform apply), or correct SYNC_QUEUE",
    exceptions.PermissionDenied: "grant this identity (the function's account, or yours) "
    "roles/pubsub.publisher on the topic",
}
#: The permission to publish (cloud.google.com/pubsub/docs/access-control).
_PUBLISH = "pubsub.topics.publish"
_PublishRequest = types.PublishRequest.pb()


def topic_path(project: str, topic: str) -> str:
    """The topic's full name, from its full name or its id."""
    return topic if topic.startswith("projects/") else f"projects/{project}/topics/{topic}"


def dead_letters_of(name: str) -> str:
    """The topic of dead letters; its subscription has the same name (terraform/modules/queue)."""
    return f"{name}-dead"


def dead_subscription_of(project: str, topic: str) -> str:
    """The subscription of a queue's dead letters, `projects/PROJECT/subscriptions/ID`."""
    return dead_letters_of(topic_path(project, topic)).replace("/topics/", "/subscriptions/")


class PubSubQueue:
    """The TaskQueue port; safe for threads. The client is made on first use, so after a fork.

    Args:
        project: The topic's project, if `topic` does not name one.
        topic: `TOPIC` or `projects/PROJECT/topics/TOPIC`.
        emulator_host: `HOST:PORT` of Google's emulator; empty for the service itself.
    """

    def __init__(self, *, project: str, topic: str, emulator_host: str = "") -> None:
        self._topic = topic_path(project, topic)
        self._client = Client(
            PublisherClient, PublisherGrpcTransport, QueueUnavailable, _REMEDIES, emulator_host=emulator_host
        )

    def close(self) -> None:
        """Close the connection to Pub/Sub; publishing again opens it again."""
        self._client.close()

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Publish now, or not at all: Pub/Sub cannot hold a message back."""
        if not_before is not None:
            return
        for start in range(0, len(messages), _BATCH):
            request = _PublishRequest(topic=self._topic)
            for message in messages[start : start + _BATCH]:
                request.messages.add(data=encode(message), attributes=attributes(message))
            self._send(types.PublishRequest.wrap(request))

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Publish to the dead-letter topic."""
        request = _PublishRequest(topic=dead_letters_of(self._topic))
        request.messages.add(data=body, attributes=buried(attributes, reason))
        self._send(types.PublishRequest.wrap(request))

    def reach(self) -> str:
        """Find out whether this identity may publish, without publishing; a sentence about it.

        Raises:
            QueueUnavailable: It may not, there is no such topic, or Pub/Sub does not answer.
        """
        about = f"Pub/Sub {self._topic}"
        if self._client.emulator_host:
            # The emulator knows no permissions.
            topic = types.GetTopicRequest(topic=self._topic)
            self._client.call(
                about, _RETRY, lambda client: client.get_topic(request=topic, retry=None, timeout=_TIMEOUT_S)
            )
            return f"{about} is on the emulator {self._client.emulator_host}"
        asked = {"resource": self._topic, "permissions": [_PUBLISH]}
        answer = self._client.call(
            about,
            _RETRY,
            lambda client: client.test_iam_permissions(request=asked, retry=None, timeout=_TIMEOUT_S),
        )
        if _PUBLISH not in answer.permissions:
            raise QueueUnavailable(
                f"{about}: this identity lacks {_PUBLISH}", action=_REMEDIES[exceptions.PermissionDenied]
            )
        return f"{about} takes messages of this identity"

    def _send(self, request: types.PublishRequest) -> None:
        self._client.call(
            f"Pub/Sub {request.topic}",
            _RETRY,
            lambda client: client.publish(request=request, retry=None, timeout=_TIMEOUT_S),
        )
