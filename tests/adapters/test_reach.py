"""The doctor's questions to Google: may this identity publish, and is it logged in?"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.iam.v1 import iam_policy_pb2
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from orchestrator.adapters.google.calls import Client, retry
from orchestrator.adapters.google.channels import emulator_channel
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.errors import QueueUnavailable, StoreUnavailable
from tests.adapters.grpc_server import Failure, Method, serving

PUBLISH = "pubsub.topics.publish"


def plain(kind: Any) -> SimpleNamespace:
    """A message type without proto-plus, as the small server takes it."""
    return SimpleNamespace(deserialize=kind.FromString, serialize=kind.SerializeToString)


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> Iterator[PubSubQueue]:
    """The queue of a topic on which this identity has the given permissions."""

    def answer(asked: Any) -> Any:
        assert asked.resource == "projects/my-project/topics/work"
        granted = [each for each in asked.permissions if each in request.param]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)

    method = Method(
        plain(iam_policy_pb2.TestIamPermissionsRequest),
        plain(iam_policy_pb2.TestIamPermissionsResponse),
        answer,
    )
    made = PubSubQueue(project="my-project", topic="work")
    with serving("google.iam.v1.IAMPolicy", {"TestIamPermissions": method}) as host:
        transport = PublisherGrpcTransport(channel=emulator_channel(host), credentials=AnonymousCredentials())
        made._client._channel.open = lambda: PublisherClient(transport=transport)
        yield made
        made.close()


@pytest.mark.parametrize("queue", [{PUBLISH}], indirect=True)
def test_an_identity_that_may_publish(queue: PubSubQueue) -> None:
    """Nothing is published for it."""
    assert "takes messages of this identity" in queue.reach()


@pytest.mark.parametrize("queue", [set()], indirect=True)
def test_an_identity_that_may_not_publish(queue: PubSubQueue) -> None:
    """The permission, and the role to grant, are named."""
    with pytest.raises(QueueUnavailable, match=PUBLISH) as raised:
        queue.reach()
    assert "roles/pubsub.publisher" in raised.value.action


def test_the_emulator_knows_topics_only() -> None:
    """A missing topic is found there too."""

    def answer(asked: Any) -> Any:
        if asked.topic == "projects/p/topics/work":
            return types.Topic(name=asked.topic)
        raise Failure(grpc.StatusCode.NOT_FOUND, "no such topic")

    method = Method(types.GetTopicRequest, types.Topic, answer)
    with serving("google.pubsub.v1.Publisher", {"GetTopic": method}) as host:
        there = PubSubQueue(project="p", topic="work", emulator_host=host)
        assert host in there.reach()
        there.close()
        away = PubSubQueue(project="p", topic="nowhere", emulator_host=host)
        with pytest.raises(QueueUnavailable) as raised:
            away.reach()
        assert "terraform apply" in raised.value.action
        away.close()


def test_an_expired_login_is_told_from_an_outage() -> None:
    """GRPC reports both as unavailable; only the first has a remedy."""
    client = Client(SimpleNamespace, PublisherGrpcTransport, StoreUnavailable, {})

    def fails(_client: object) -> None:
        error: type[Exception] = exceptions.ServiceUnavailable
        raise error("Getting metadata from plugin failed with error: invalid_grant")

    with pytest.raises(StoreUnavailable) as raised:
        client.call("Firestore", retry(total_s=0.05), fails)
    assert "gcloud auth application-default login" in raised.value.action
