"""A push subscription and the instances behind it: first in first out, 429, back-off, slow start.

Modelled from Google's documentation: Pub/Sub keeps a window of pushes under way, which starts small, grows
with each acknowledged push and is halved by each refused one. Cloud Run holds a request that finds no slot
for ten seconds, then answers 429; the message waits for its back-off, which doubles, and joins the end.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from orchestrator.model.messages import Message
from tests.system.simulation.loop import Loop

T = TypeVar("T")


@dataclass(frozen=True)
class Delivery:
    """The subscription's settings."""

    #: Pushes under way at first, and at most.
    window: int = 1_000_000
    most_window: int = 1_000_000
    #: Cloud Run holds a request for as long before it answers 429.
    pending_s: float = float("inf")
    min_backoff_s: float = 10.0
    max_backoff_s: float = 600.0
    max_attempts: int = 20


#: One lane as it was deployed, and each of two lanes as they are; both start slowly.
ONE_LANE = Delivery(window=10, most_window=3_000, pending_s=10.0)
TWO_LANES = replace(ONE_LANE, max_backoff_s=60.0, max_attempts=100)


@dataclass
class Instance(Generic[T]):
    """An instance of the worker, and its free slots."""

    services: T
    free: int


@dataclass
class _Push:
    message: Message
    attempt: int = 1
    begun: bool = False


class Subscription(Generic[T]):
    """The TaskQueue port, pushing to some instances.

    Args:
        loop: The virtual time.
        instances: Each is given to `work` with the message.
        work: Works on a message, in an actor or with timers, and calls back with whether it succeeded.
        delivery: The settings.
    """

    def __init__(
        self,
        loop: Loop,
        instances: Sequence[Instance[T]],
        work: Callable[[T, Message, Callable[[bool], None]], None],
        delivery: Delivery,
    ) -> None:
        self._loop, self._work, self._delivery = loop, work, delivery
        self.instances = instances
        self._waiting: deque[_Push] = deque()
        #: Pushed, and waiting for a slot.
        self._pending: deque[_Push] = deque()
        self._outstanding = 0
        self._window = float(delivery.window)
        self.dead: list[Message] = []
        self.seen: Counter[str] = Counter()
        self.most_waiting = self.most_working = self._working = 0

    def close(self) -> None:
        """Nothing is open."""

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """See TaskQueue."""
        assert not_before is None
        self._waiting.extend(_Push(message) for message in messages)
        self.most_waiting = max(self.most_waiting, len(self._waiting) + len(self._pending))
        self._loop.at(0, self._deliver)

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Every message here can be read."""
        raise AssertionError(reason)

    def _deliver(self) -> None:
        while self._waiting and self._outstanding < self._window:
            push = self._waiting.popleft()
            self._outstanding += 1
            self._pending.append(push)
            if self._delivery.pending_s < float("inf"):
                self._loop.at(self._delivery.pending_s, partial(self._refuse, push, push.attempt))
        while self._pending:
            at = max(self.instances, key=lambda each: each.free)
            if not at.free:
                return
            self._begin(at, self._pending.popleft())

    def _begin(self, at: Instance[T], push: _Push) -> None:
        push.begun = True
        at.free -= 1
        self._working += 1
        self.most_working = max(self.most_working, self._working)

        def done(succeeded: bool) -> None:
            at.free += 1
            self._working -= 1
            self._outstanding -= 1
            if succeeded:
                self._window = min(self._delivery.most_window, self._window + 1)
            else:
                self._again(push)
            self._deliver()

        self._work(at.services, push.message, done)

    def _refuse(self, push: _Push, attempt: int) -> None:
        """429, if the push still waits for a slot."""
        if push.begun or push.attempt != attempt or push not in self._pending:
            return
        self._pending.remove(push)
        self._outstanding -= 1
        self.seen["429"] += 1
        self._window = max(1.0, self._window / 2)
        self._again(push)
        self._deliver()

    def _again(self, push: _Push) -> None:
        delivery = self._delivery
        if push.attempt >= delivery.max_attempts:
            self.dead.append(push.message)
            return
        wait_s = min(delivery.max_backoff_s, delivery.min_backoff_s * 2.0 ** (push.attempt - 1))
        push.attempt, push.begun = push.attempt + 1, False

        def back() -> None:
            self._waiting.append(push)
            self._deliver()

        self._loop.at(wait_s, back)
