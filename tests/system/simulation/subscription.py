"""One lane of the queue as Pub/Sub delivers it: a push subscription, its workers and its dead letters."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudevents.http import CloudEvent
from werkzeug.exceptions import ServiceUnavailable

from functions.events import handle_event
from orchestrator import handle
from orchestrator.model.messages import Message, encode
from tests.system.simulation.letters import SimLetters
from tests.system.simulation.process import Process

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: Of the messages, how many are pushed at once.
AT_ONCE = 0.3
#: Cloud Run holds a request that finds no free place for as long, then answers 429.
PENDING_S = 10.0


@dataclass(frozen=True)
class Delivery:
    """Terraform's defaults for each lane's subscription, in seconds (test_lanes.py compares them)."""

    ack_deadline_s: float = 600
    min_backoff_s: float = 10
    max_backoff_s: float = 60
    max_attempts: int = 100

    def backoff_s(self, attempt: int) -> float:
        """Seconds before the delivery that follows this one."""
        return min(self.max_backoff_s, self.min_backoff_s * 2.0 ** (attempt - 1))


#: As few deliveries as Terraform lets people choose.
FEWEST = Delivery(max_backoff_s=600, max_attempts=10)


class Subscription:
    """One lane.

    Args:
        history: The world.
        topic: The name of its topic.
        places: Messages that its workers handle at once, as Terraform has it.
    """

    def __init__(self, history: History, topic: str, places: int) -> None:
        self._history = history
        self.topic = topic
        self.places = places
        #: Messages that are still to be pushed for the first time.
        self.held = 0
        #: Nothing is pushed before then, because all its workers are away.
        self.away_until_s = 0.0
        #: Every push is refused before then, because its workers are not deployed yet.
        self.missing_until_s = 0.0
        self.delivery = Delivery()
        self.letters = SimLetters(history)
        self._working: list[Process] = []

    def enqueue(self, message: Message, *, after_s: float = 0.0) -> None:
        """A message on its way: late, twice, or never."""
        history = self._history
        faults, rng = history.faults, history.loop.rng
        history.leaks.search("a message", encode(message))
        history.lanes.published(self, message)
        if history.happens(faults.lost):
            history.seen["lost"] += 1
            history.say(f"lost: {message.kind} {message.run_id} {message.connection_id}")
            history.outbox.accepted(message, is_lost=True)
            return
        number = history.lanes.number(message)
        for _ in range(2 if history.happens(faults.duplicated) else 1):
            delay = after_s + rng.uniform(0, 2)
            if history.happens(faults.very_late):
                history.seen["very late"] += 1
                delay += rng.uniform(3600, 72 * 3600)
            elif history.happens(faults.delayed):
                delay += rng.uniform(30, 400)
            history.outbox.accepted(message, is_lost=False)
            self.held += 1
            delay = max(delay, self.away_until_s - history.loop.now_s)
            if delay < 2 and rng.random() < AT_ONCE:
                # Before whoever publishes it does anything more.
                self._first_push(message, number)
            else:
                history.loop.at(delay, lambda: self._first_push(message, number))

    def _first_push(self, message: Message, number: int) -> None:
        self.held -= 1
        self._push(message, number, 1)

    def _push(self, message: Message, number: int, attempt: int, *, has_waited: bool = False) -> None:
        """One push: 2xx acknowledges, anything else and no answer in time has it delivered again."""
        history, loop = self._history, self._history.loop
        if loop.now_s < self.away_until_s:
            loop.at(self.away_until_s - loop.now_s, lambda: self._push(message, number, attempt))
            return
        if not self._has_place():
            if has_waited:
                history.seen["refused without a place"] += 1
                self._again(message, number, attempt, self.delivery.backoff_s(attempt))
            else:
                loop.at(PENDING_S, lambda: self._push(message, number, attempt, has_waited=True))
            return
        history.deliveries += 1
        history.lanes.pushed(number)
        process = history.process(f"{self.topic} worker {history.deliveries}", is_function=True)
        process.connection_id = message.connection_id or None
        process.message = message
        self._working.append(process)
        settled: list[bool] = []

        def again(after_s: float) -> None:
            if not settled:
                settled.append(False)
                self._again(message, number, attempt, after_s)

        def nack() -> None:
            again(self.delivery.backoff_s(attempt))

        def run() -> None:
            history.say(f"takes {message.kind} {message.run_id} {message.connection_id} (attempt {attempt})")
            event = _event(message, attempt, self.topic)
            try:
                handle_event(event, lambda: history.services(process), handle.handle)
            except ServiceUnavailable:
                history.edges.ended(process)
                history.refused_delivery(process, message)
                nack()
                return
            history.edges.ended(process)
            history.lanes.worked(process)
            if not settled:
                settled.append(True)
                history.outbox.acknowledged(message, process)

        def late() -> None:
            if not settled:
                history.seen["acknowledged too late"] += 1
                again(0)

        process.when_dead.append(nack)
        loop.spawn(run, process)
        loop.at(self.delivery.ack_deadline_s, late)

    def _again(self, message: Message, number: int, attempt: int, after_s: float) -> None:
        """Deliver it again, or give it up."""
        history = self._history
        if attempt >= self.delivery.max_attempts:
            history.seen["dead letter"] += 1
            history.say(f"gives up {message}")
            self.letters.add(message, attempt)
            history.outbox.dead()
            history.lanes.died(self, message)
            return
        history.loop.at(after_s, lambda: self._push(message, number, attempt + 1))

    def _has_place(self) -> bool:
        """Whether a worker can take a message now; Cloud Run gives up requests that take too long."""
        now_s = self._history.loop.now_s
        if now_s < self.missing_until_s:
            return False
        since_s = now_s - self.delivery.ack_deadline_s
        self._working = [each for each in self._working if each.is_alive and each.began_s > since_s]
        return len(self._working) < self.places


def _event(message: Message, attempt: int, topic: str) -> CloudEvent:
    """The event that the framework makes of a push."""
    attributes = {
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": f"//pubsub.googleapis.com/projects/p/topics/{topic}",
        "id": "1",
        "time": "2026-11-23T06:00:00Z",
    }
    pushed = {"data": base64.b64encode(encode(message)).decode(), "messageId": "1", "attributes": {}}
    subscription = f"projects/p/subscriptions/{topic}-worker"
    data = {"message": pushed, "subscription": subscription, "deliveryAttempt": attempt}
    return CloudEvent(attributes, data)
