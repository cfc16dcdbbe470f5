"""The log of a made-up world, in Cloud Logging's form, with each message delivered as Pub/Sub pushes it."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudevents.http import CloudEvent

from functions.events import handle_event
from functions.logs import JsonFormatter
from orchestrator import handle
from orchestrator.model import messages
from orchestrator.ports import Clock
from tests.support.world import World

Line = dict[str, Any]


class Lines(logging.Handler):
    """The lines that the product writes, as they would be written."""

    def __init__(self, clock: Clock | None) -> None:
        super().__init__()
        self._clock = clock
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, with the context that is bound now."""
        line: Line = json.loads(JsonFormatter("").format(record))
        if self._clock is not None:
            line["time"] = self._clock.now().isoformat()
        self.lines.append(line)

    def of(self, action: str) -> list[Line]:
        """The lines of one event, the oldest first."""
        return [line for line in self.lines if line.get("action") == action]


@contextmanager
def kept(clock: Clock | None = None) -> Iterator[Lines]:
    """Keep all lines of the product until the block ends, at the time of a clock if one is given."""
    root, lines = logging.getLogger(), Lines(clock)
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(lines)
        root.setLevel(level)


def drain(world: World) -> None:
    """Deliver through the worker's edge until no message waits: it binds the fields of every line."""
    while world.queue.messages:
        data = b64encode(messages.encode(world.queue.messages.pop(0))).decode()
        event = CloudEvent(
            {"type": "google.cloud.pubsub.topic.v1.messagePublished", "source": "//pubsub"},
            {"message": {"data": data, "messageId": "1", "attributes": {}}},
        )
        handle_event(event, lambda: world.services, handle.handle)


def run_once(world: World) -> str:
    """A tick, and every message that follows from it; returns the run's id."""
    run_id = world.tick().run_id
    drain(world)
    return run_id
