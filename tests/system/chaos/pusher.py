"""Pushes a lane's messages to its workers as Pub/Sub does, and plays tricks on both.

The emulator itself pushes to an endpoint one or two messages at a time and waits for each, so that nine
connections never would be worked on at once. It keeps the messages, counts their deliveries and delivers
again what is not acknowledged in time; only the HTTP calls are made here, many at once.
"""

from __future__ import annotations

import base64
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec
import urllib3
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.pubsub_v1 import SubscriberClient

from local.google.topics import BACKFILL_LANE, Lane
from orchestrator.model.messages import decode
from tests.system.chaos.background import Background

#: Seconds until a worker that does not answer is given up; as the function's own time-out, it is
#: longer than a slice with its margin, and no longer than the acknowledgement deadline.
TIMEOUT_S = 38.0
#: Seconds after which a refused message's deadline ends; the subscription's own back-off follows.
_REFUSED_S = 1
#: Deliveries under way at most.
_SLOTS = 64
#: How often a message is handed to a second worker, at once or some seconds later.
_DUPLICATED = 0.15
_LATEST_S = 8.0
#: How often a worker's good answer does not reach Pub/Sub.
_DROPPED = 0.1
#: The emulator answers an empty pull after 30 s; one that is given up earlier may lose what it was given.
_PULL_S = 60.0
_CALL_S = 20.0


@dataclass
class Pusher:
    """Pulls messages, hands each to some living worker, and acknowledges those that are answered with 2xx.

    Args:
        project: Whose subscription it is.
        lane: Whose messages it pushes.
        living: The base URLs of the lane's workers that live now, stopped ones among them.
        seed: Chooses workers and tricks.
    """

    project: str
    lane: Lane
    living: Callable[[], list[str]]
    seed: int
    #: Whether it plays its tricks.
    is_wild: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    #: Deliveries under way, by worker.
    under_way: Counter[str] = field(default_factory=Counter)
    #: Messages that a worker took, and those of them that belong to the other lane.
    taken: int = 0
    astray: int = 0
    _seen: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    #: Deliveries, and answers to Pub/Sub.
    calls: Background = field(default_factory=Background)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"pusher {self.lane.topic} {self.seed}")
        self._http = urllib3.PoolManager(
            num_pools=16, maxsize=_SLOTS, retries=False, timeout=urllib3.Timeout(connect=2.0, read=TIMEOUT_S)
        )
        self._slots = threading.Semaphore(_SLOTS)
        self._client = SubscriberClient()
        self._subscription = self._client.subscription_path(self.project, self.lane.subscription)
        self._path = f"/projects/{self.project}/topics/{self.lane.topic}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._pull, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._client.close()

    def _pull(self) -> None:
        while not self._over.is_set():
            # As many as there are slots, and not more: what waits here would run out of its deadline.
            self._slots.acquire()
            free = 1
            while free < _SLOTS and self._slots.acquire(blocking=False):
                free += 1
            received = self._received(free)
            for _ in range(free - len(received)):
                self._slots.release()
            for message in received:
                self.calls.start(self._deliver, message)

    def _received(self, most: int) -> list[Any]:
        try:
            answer = self._client.pull(subscription=self._subscription, max_messages=most, timeout=_PULL_S)
        except (GoogleAPICallError, ValueError):
            # Interrupted, or closed at the end; what was on its way comes again.
            self._over.wait(0.2)
            return []
        return list(answer.received_messages)

    def _deliver(self, received: Any) -> None:
        """One delivery: a POST to a worker, perhaps to two of them, and an answer to Pub/Sub."""
        message = received.message
        with self._lock:
            self.counts["deliveries"] += 1
            self.counts["redeliveries"] += message.message_id in self._seen
            self._seen.add(message.message_id)
            doubled = self.is_wild and self._rng.random() < _DUPLICATED
            later_s = self._rng.choice((0.0, self._rng.uniform(0.0, _LATEST_S)))
            dropped = self.is_wild and self._rng.random() < _DROPPED
        body = _body(received, self._subscription)
        try:
            if doubled:
                with self._lock:
                    self.counts["duplicated"] += 1
                self.calls.start(self._again, later_s, body)
            is_good = self._post(body)
            if is_good:
                with self._lock:
                    self.counts["dropped_answers"] += dropped
                    self.taken += 1
                    self.astray += decode(message.data).is_continuation != (self.lane == BACKFILL_LANE)
            self._answer(received, is_good and not dropped)
        finally:
            self._slots.release()

    def _again(self, after_s: float, body: bytes) -> None:
        time.sleep(after_s)
        self._post(body)

    def _post(self, body: bytes) -> bool:
        """Whether a worker took it; another one is asked only where nobody listens (yet, or any more)."""
        urls = self.living()
        with self._lock:
            self._rng.shuffle(urls)
        headers = {"Content-Type": "application/json"}
        for url in urls:
            with self._lock:
                self.under_way[url] += 1
            try:
                answer = self._http.request("POST", f"{url}{self._path}", body=body, headers=headers)
                return 200 <= answer.status < 300
            except urllib3.exceptions.NewConnectionError:
                continue
            except urllib3.exceptions.HTTPError:
                return False
            finally:
                with self._lock:
                    self.under_way[url] -= 1
        return False

    def _answer(self, received: Any, is_good: bool) -> None:
        """Acknowledge it, or have it delivered again after the back-off; unanswered it comes again too."""
        call: dict[str, Any] = {"subscription": self._subscription, "ack_ids": [received.ack_id]}
        try:
            if is_good:
                self._client.acknowledge(**call, timeout=_CALL_S)
                return
            self._client.modify_ack_deadline(**call, ack_deadline_seconds=_REFUSED_S, timeout=_CALL_S)
        except GoogleAPICallError:
            with self._lock:
                self.counts["unanswered"] += 1


def _body(received: Any, subscription: str) -> bytes:
    """What Pub/Sub posts (cloud.google.com/pubsub/docs/push)."""
    message = received.message
    return msgspec.json.encode(
        {
            "message": {
                "data": base64.b64encode(message.data).decode(),
                "attributes": dict(message.attributes),
                "messageId": message.message_id,
                "publishTime": message.publish_time.rfc3339(),
            },
            "subscription": subscription,
            "deliveryAttempt": received.delivery_attempt,
        }
    )
