"""Topics and subscriptions on the Pub/Sub emulator, configured like those that Terraform deploys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

TOPIC = "sync-tasks"
CHANGES_TOPIC = "sync-changes"
SUBSCRIPTION = "sync-tasks-worker"
ACK_DEADLINE_S = 600
MAX_DELIVERY_ATTEMPTS = 100
MIN_BACKOFF_S = 10
MAX_BACKOFF_S = 60
#: The maximum seconds of one call; the emulator's first one is slow.
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Lane:
    """The names of one lane of the queue."""

    topic: str

    @property
    def subscription(self) -> str:
        """The one that pushes to the lane's worker."""
        return f"{self.topic}-worker"

    @property
    def dead(self) -> str:
        """The topic of dead letters, and its subscription."""
        return f"{self.topic}-dead"


FIRST_LANE, BACKFILL_LANE = Lane(TOPIC), Lane("sync-tasks-backfill")


@dataclass(frozen=True, slots=True)
class Delivery:
    """The subscription's acknowledgement deadline and retry back-off, in seconds."""

    ack_deadline_s: int = ACK_DEADLINE_S
    min_backoff_s: int = MIN_BACKOFF_S
    max_backoff_s: int = MAX_BACKOFF_S


DEPLOYED = Delivery()


def create_changes(project: str, setting: str) -> None:
    """Create the topic of a SYNC_CHANGES setting, and a subscription of its name that keeps the events.

    Args:
        project: The project id, if the topic does not name one.
        setting: `pubsub:TOPIC`; nothing is created for another one.
    """
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient  # noqa: PLC0415 - slow to import

    scheme, _, name = setting.partition(":")
    if scheme != "pubsub":
        return
    topic = name if "/" in name else PublisherClient.topic_path(project, name)
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        publisher.create_topic(name=topic, timeout=_TIMEOUT_S)
        subscription = topic.replace("/topics/", "/subscriptions/")
        subscriber.create_subscription(name=subscription, topic=topic, timeout=_TIMEOUT_S)


def create(
    project: str, worker_url: str | None, delivery: Delivery = DEPLOYED, lane: Lane = FIRST_LANE
) -> None:
    """Create a lane's topics and subscriptions on a new emulator, at `PUBSUB_EMULATOR_HOST`.

    Args:
        project: The project id.
        worker_url: The worker's base URL; None creates a pull subscription instead of a push one.
        delivery: The subscription's delivery settings.
        lane: The names.
    """
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient  # noqa: PLC0415 - slow to import
    from google.pubsub_v1.types import (  # noqa: PLC0415 - the same
        DeadLetterPolicy,
        PushConfig,
        RetryPolicy,
        Subscription,
    )

    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        topic = publisher.topic_path(project, lane.topic)
        dead_letter_topic = publisher.topic_path(project, lane.dead)
        for name in (topic, dead_letter_topic):
            publisher.create_topic(name=name, timeout=_TIMEOUT_S)
        subscriber.create_subscription(
            Subscription(
                name=subscriber.subscription_path(project, lane.subscription),
                topic=topic,
                # functions-framework takes the topic from the path.
                push_config=PushConfig(push_endpoint=f"{worker_url}/{topic}" if worker_url else ""),
                ack_deadline_seconds=delivery.ack_deadline_s,
                retry_policy=RetryPolicy(
                    minimum_backoff=timedelta(seconds=delivery.min_backoff_s),
                    maximum_backoff=timedelta(seconds=delivery.max_backoff_s),
                ),
                dead_letter_policy=DeadLetterPolicy(
                    dead_letter_topic=dead_letter_topic, max_delivery_attempts=MAX_DELIVERY_ATTEMPTS
                ),
            ),
            timeout=_TIMEOUT_S,
        )
        subscriber.create_subscription(
            Subscription(name=subscriber.subscription_path(project, lane.dead), topic=dead_letter_topic),
            timeout=_TIMEOUT_S,
        )
