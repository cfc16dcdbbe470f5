"""The change feed on Pub/Sub: a topic to which every consumer has a subscription of its own."""

from __future__ import annotations

from collections.abc import Sequence

from google.api_core import exceptions
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from orchestrator.adapters.google.calls import Client, Remedies, retry
from orchestrator.adapters.google.pubsub import topic_path
from orchestrator.errors import ChangesUnavailable
from orchestrator.model.change_event import CONTENT_TYPE, ChangeEvent

_TIMEOUT_S = 2.0
# In all a few seconds only: a task is closed whether or not its event was accepted.
_RETRY = retry(exceptions.DeadlineExceeded, exceptions.Aborted, total_s=4.0)

_REMEDIES: Remedies = {
    exceptions.NotFound: "create the topic (terraform apply), or correct SYNC_CHANGES",
    exceptions.PermissionDenied: "grant the caller's account roles/pubsub.publisher on the topic",
}
_PublishRequest = types.PublishRequest.pb()


class PubSubChanges:
    """The ChangeFeed port; safe for threads. The client is made on first use, so after a fork.

    Args:
        project: The topic's project, if `topic` does not name one.
        topic: `TOPIC` or `projects/PROJECT/topics/TOPIC`.
        emulator_host: `HOST:PORT` of Google's emulator; empty for the service itself.
    """

    def __init__(self, *, project: str, topic: str, emulator_host: str = "") -> None:
        self._topic = topic_path(project, topic)
        self._client = Client(
            PublisherClient,
            PublisherGrpcTransport,
            ChangesUnavailable,
            _REMEDIES,
            emulator_host=emulator_host,
        )

    def close(self) -> None:
        """Close the connection to Pub/Sub; publishing again opens it again."""
        self._client.close()

    def publish(self, events: Sequence[ChangeEvent]) -> None:
        """Publish each event as one message, in CloudEvents' structured mode."""
        request = _PublishRequest(topic=self._topic)
        for event in events:
            request.messages.add(data=event.encoded(), attributes={"content-type": CONTENT_TYPE})
        wrapped = types.PublishRequest.wrap(request)
        self._client.call(
            f"Pub/Sub {self._topic}",
            _RETRY,
            lambda client: client.publish(request=wrapped, retry=None, timeout=_TIMEOUT_S),
        )
