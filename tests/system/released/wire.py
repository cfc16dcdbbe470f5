"""A message as it is on the wire, in each form that the worker's edge takes."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import msgspec

from orchestrator.adapters.attributes import attributes
from orchestrator.adapters.embedded.delivery import Claim, push_envelope
from orchestrator.model.messages import Message, encode
from tests.system.released.scene import Frozen, Wire

_JSON = "application/json"
_SUBSCRIPTION = "projects/project-1/subscriptions/sync-tasks-worker"
_EVENT = {
    "specversion": "1.0",
    "id": "17",
    "source": "//pubsub.googleapis.com/projects/project-1/topics/sync-tasks",
    "type": "google.cloud.pubsub.topic.v1.messagePublished",
}


def frozen(message: Message, at: datetime) -> Frozen:
    """A message with all of its forms; `at` is when it was published."""
    event = {**_EVENT, "time": _instant(at)}
    inside = {"message": _pubsub_message(message, at), "subscription": _SUBSCRIPTION}
    binary = {f"ce-{name}": value for name, value in event.items()}
    structured = {**event, "datacontenttype": _JSON, "data": inside}
    return Frozen(
        body=encode(message).decode(),
        forms={
            "embedded": embedded(message, at),
            "push": _wire({**inside, "deliveryAttempt": 1}),
            "binary": _wire(inside, **binary),
            "structured": _wire(structured, **{"Content-Type": "application/cloudevents+json"}),
        },
    )


def embedded(message: Message, at: datetime) -> Wire:
    """How the embedded queue posts a message."""
    beside = msgspec.json.encode(attributes(message)).decode()
    envelope = push_envelope(Claim(17, encode(message), beside, at.timestamp(), 1))
    return Wire(headers={"Content-Type": _JSON}, body=envelope.decode())


def _pubsub_message(message: Message, at: datetime) -> dict[str, Any]:
    """Pub/Sub sends these names twice, in both spellings."""
    return {
        "attributes": attributes(message),
        "data": base64.b64encode(encode(message)).decode(),
        "messageId": "17",
        "message_id": "17",
        "publishTime": _instant(at),
        "publish_time": _instant(at),
    }


def _wire(body: object, **headers: str) -> Wire:
    return Wire(headers={"Content-Type": _JSON, **headers}, body=msgspec.json.encode(body).decode())


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
