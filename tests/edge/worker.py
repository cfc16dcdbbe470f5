"""The served worker, and the requests that bring it messages."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient

from orchestrator.model.messages import Message, encode

CANCEL = Message(kind="cancel", run_id="t-1", shard="shopify-000000")
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
EVENT = {
    "specversion": "1.0",
    "id": "17",
    "source": "//pubsub.googleapis.com/projects/project-1/topics/work",
    "type": "google.cloud.pubsub.topic.v1.messagePublished",
    "time": "2026-11-23T12:00:00Z",
}
BINARY = {"Content-Type": "application/json", **{f"ce-{name}": value for name, value in EVENT.items()}}


@dataclass
class Worker:
    """The served worker with a use case that remembers, or raises `error`."""

    client: FlaskClient
    handled: list[Message] = field(default_factory=list)
    bound: list[dict[str, str]] = field(default_factory=list)
    error: Exception | None = None

    def post(self, body: object, headers: dict[str, str] | None = None) -> int:
        """Post a body, as JSON unless it is bytes; returns the status."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.client.post("/", data=data, headers=sent).status_code


def message_of(message: Message = CANCEL, **more: Any) -> dict[str, Any]:
    """A Pub/Sub message as JSON."""
    return {"data": base64.b64encode(encode(message)).decode(), "messageId": "17", **more}


def push(**more: Any) -> dict[str, Any]:
    """The body of a push subscription."""
    return {
        "subscription": "projects/project-1/subscriptions/work",
        "message": message_of(**more),
        "deliveryAttempt": 1,
    }
