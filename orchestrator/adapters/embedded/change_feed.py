"""The embedded change feed: events in a SQLite file, posted to a consumer as Pub/Sub's push does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.errors import ChangesUnavailable, QueueUnavailable
from orchestrator.model.change_event import CONTENT_TYPE, ChangeEvent


class LocalChanges:
    """The ChangeFeed port on a SQLite file; safe for threads, processes and forks.

    Args:
        path: The file; made with its directory on first use.
        consumer_url: The URL that events are posted to.
        delivery: How events are pushed; one that is never accepted becomes a dead letter of this file.
        delivers: Whether this process may become the deliverer, or only publishes.
    """

    def __init__(
        self, path: Path, consumer_url: str, *, delivery: Delivery | None = None, delivers: bool = True
    ) -> None:
        self._queue = LocalQueue(path, consumer_url, delivery=delivery, delivers=delivers)

    def start(self) -> None:
        """Begin to deliver, also events of earlier processes."""
        self._queue.start()

    def close(self) -> None:
        """Stop delivering."""
        self._queue.close()

    def publish(self, events: Sequence[ChangeEvent]) -> None:
        """Store the events in one commit; they are posted at once."""
        try:
            self._queue.post([(event.encoded(), {"content-type": CONTENT_TYPE}) for event in events])
        except QueueUnavailable as error:
            raise ChangesUnavailable(error.message, action=error.action) from error
