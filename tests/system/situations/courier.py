"""The embedded queue's own deliverer, in virtual time and in this thread."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import msgspec
from cloudevents.http import CloudEvent

from functions.events import handle_event
from orchestrator import handle
from orchestrator.adapters.embedded.delivery import Claim, Deliverer, Delivery
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.model.messages import Message
from orchestrator.services import Services
from tests.support.stores import Killed


class Courier(Deliverer):
    """Delivers what is due whenever it is told to.

    Args:
        queue: Its messages are delivered.
        services: Gives the worker's services.
    """

    def __init__(self, queue: LocalQueue, services: Callable[[], Services]) -> None:
        super().__init__(queue._database, "", Delivery())
        self._services = services
        #: The next message of this connection is poison, and stays it.
        self.poisoned: str | None = None
        self._poison: set[int] = set()

    def deliver(self) -> None:
        """Deliver until nothing is due."""
        if self._lock is None:
            assert self._take_over()
        while (claim := self._claim()) is not None:
            self._settle(claim, accepted=self._post(claim))

    def next_due(self) -> float | None:
        """When the next message is due, in seconds since 1970; None if none waits."""
        with self._database.read() as connection:
            (due,) = connection.execute("SELECT min(due_at) FROM messages WHERE NOT claimed").fetchone()
        return None if due is None else float(due)

    def _post(self, claim: Claim) -> bool:
        """Whether the worker returned; one that dies or raises has the message redelivered."""
        event = CloudEvent(
            {"type": "google.cloud.pubsub.topic.v1.messagePublished", "source": "//pubsub"},
            {
                "message": {
                    "data": b64encode(claim.body).decode(),
                    "messageId": str(claim.id),
                    "attributes": msgspec.json.decode(claim.attributes, type=dict[str, str]),
                }
            },
        )

        def work(services: Services, message: Message) -> None:
            if message.kind == "task" and message.connection_id == self.poisoned:
                self.poisoned = None
                self._poison.add(claim.id)
            if claim.id in self._poison:
                raise ZeroDivisionError("a defect")
            handle.handle(services, message)

        try:
            handle_event(event, self._services, work)
        except (Exception, Killed):  # noqa: BLE001 - a worker answers any fault with a redelivery
            return False
        return True
