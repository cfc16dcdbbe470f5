"""How the embedded queue's messages reach the worker.

One process delivers at a time: the one that holds the lock on the file beside the queue's. The lock goes
with its process, however that ends; another process then takes over and redelivers its messages.
"""

from __future__ import annotations

import base64
import fcntl
import logging
import random
import socket
import sqlite3
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

import msgspec
import urllib3

from orchestrator.adapters.embedded.database import Database
from orchestrator.errors import QueueUnavailable
from orchestrator.timed_http import TimedPoolManager

_SUBSCRIPTION = "projects/local/subscriptions/local"
#: Wait before the deliverer looks for messages of other processes, and before others look for a free lock.
_POLL_S = 0.05
_UNAVAILABLE_S = 1.0
_CLOSE_S = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How messages are pushed; the defaults are those of the production subscription.

    Args:
        concurrency: Messages that are delivered at once.
        ack_deadline_s: How long the worker may take to answer.
        min_backoff_s: Wait before the first redelivery; doubles with each one.
        max_backoff_s: The longest wait.
        max_attempts: A message becomes a dead letter after this many failed deliveries.
    """

    concurrency: int = 16
    ack_deadline_s: float = 600.0
    min_backoff_s: float = 10.0
    max_backoff_s: float = 60.0
    max_attempts: int = 100

    def backoff_s(self, attempt: int) -> float:
        """The wait after a failed attempt; the first is 1."""
        return min(self.max_backoff_s, self.min_backoff_s * 2.0 ** min(attempt - 1, 60))


def reach_worker(url: str) -> str:
    """Find out whether a process listens at the worker's URL; a sentence about it.

    Raises:
        QueueUnavailable: There is none.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=_UNAVAILABLE_S).close()
    except (OSError, ValueError) as error:
        raise QueueUnavailable(
            f"no worker listens at {url}: {error}",
            action="messages wait in the queue until one does: make dev, or README, by hand",
        ) from error
    return f"the worker listens at {url}"


class Claim(NamedTuple):
    """A message that is being delivered."""

    id: int
    body: bytes
    attributes: str
    published_at: float
    attempt: int


class Deliverer:
    """Threads that deliver one message each at a time, while this process holds the queue's lock."""

    def __init__(self, database: Database, worker_url: str, delivery: Delivery) -> None:
        self._database = database
        self._delivery = delivery
        self._url = worker_url
        self._pool = TimedPoolManager(
            maxsize=delivery.concurrency,
            timeout=urllib3.Timeout(connect=min(10.0, delivery.ack_deadline_s), read=delivery.ack_deadline_s),
            retries=False,
        )
        self._looking = threading.Lock()
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._lock: BinaryIO | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"queue-delivery-{number}", daemon=True)
            for number in range(delivery.concurrency)
        ]

    def start(self) -> None:
        """Begin to deliver, or to wait for the lock."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for messages now."""
        self._woken.set()

    def stop(self) -> None:
        """Claim nothing more, wait a little for the deliveries under way, and end."""
        self._stopping.set()
        self._woken.set()
        give_up_at = time.monotonic() + _CLOSE_S
        for thread in self._threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))
        self.unlock()
        self._pool.clear()

    def unlock(self) -> None:
        """Close the lock's file; a forked child does too, or it would hold its dead parent's lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _run(self) -> None:
        while (claim := self._next()) is not None:
            self._settle(claim, accepted=self._post(claim))

    def _next(self) -> Claim | None:
        """Wait for a message; None if the queue is closed. Only one thread looks, so idling costs little."""
        with self._looking:
            while not self._stopping.is_set():
                self._woken.clear()
                try:
                    claim = self._claim() if self._lock is not None or self._take_over() else None
                except (QueueUnavailable, OSError) as error:
                    logger.warning("embedded queue: %s", error)
                    self._woken.wait(_UNAVAILABLE_S)
                    continue
                if claim is not None:
                    return claim
                self._woken.wait(_POLL_S)
        return None

    def _take_over(self) -> bool:
        """Become the file's deliverer if there is none; whether that succeeded."""
        path = self._database.path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_name(f"{path.name}.lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._database.write() as connection:
                # The claims of a deliverer that ended before their answers came.
                connection.execute(
                    "UPDATE messages SET claimed = 0, due_at = ? WHERE claimed", (time.time(),)
                )
        except (OSError, QueueUnavailable) as error:
            self.unlock()
            if isinstance(error, BlockingIOError):
                return False
            raise
        return True

    def _claim(self) -> Claim | None:
        """The message that is due longest, marked as being delivered."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT id, body, attributes, published_at, attempts + 1 FROM messages"
                " WHERE due_at <= ? AND NOT claimed ORDER BY due_at, id LIMIT 1",
                (time.time(),),
            ).fetchone()
        if row is None:
            return None
        claim = Claim(*row)
        if claim.attempt > self._delivery.max_attempts:  # its deliverers died, again and again
            self._settle(claim._replace(attempt=claim.attempt - 1), accepted=False)
            return None
        with self._database.write() as connection:
            connection.execute(
                "UPDATE messages SET claimed = 1, attempts = ? WHERE id = ?", (claim.attempt, claim.id)
            )
        return claim

    def _settle(self, claim: Claim, *, accepted: bool) -> None:
        """Remove an accepted message, put back or give up another; repeated until the file takes it."""
        while self._lock is not None:
            try:
                with self._database.write() as connection:
                    self._write_outcome(connection, claim, accepted=accepted)
            except QueueUnavailable as error:
                logger.warning("embedded queue: %s", error)
                time.sleep(_UNAVAILABLE_S)
            else:
                return

    def _write_outcome(self, connection: sqlite3.Connection, claim: Claim, *, accepted: bool) -> None:
        # The attempt tells this claim from one of a later deliverer.
        now, mine = time.time(), (claim.id, claim.attempt)
        if not accepted and claim.attempt < self._delivery.max_attempts:
            due_at = now + self._delivery.backoff_s(claim.attempt) * random.uniform(1.0, 1.1)  # noqa: S311 - jitter
            connection.execute(
                "UPDATE messages SET claimed = 0, due_at = ? WHERE id = ? AND attempts = ?", (due_at, *mine)
            )
            return
        if not accepted:
            connection.execute(
                "INSERT INTO dead_messages SELECT id, body, attributes, published_at, attempts, ?"
                " FROM messages WHERE id = ? AND attempts = ?",
                (now, *mine),
            )
            logger.error("message %d: dead-lettered after %d deliveries", claim.id, claim.attempt)
        connection.execute("DELETE FROM messages WHERE id = ? AND attempts = ?", mine)

    def _post(self, claim: Claim) -> bool:
        """Give the worker one message; whether it accepted."""
        try:
            answer = self._pool.request(
                "POST", self._url, body=push_envelope(claim), headers={"Content-Type": "application/json"}
            )
        except urllib3.exceptions.HTTPError as error:
            logger.warning("message %d: %s: no answer: %s", claim.id, self._url, type(error).__name__)
            return False
        if not 200 <= answer.status < 300:
            logger.warning("message %d: %s answered %d", claim.id, self._url, answer.status)
            return False
        return True


def push_envelope(claim: Claim) -> bytes:
    """The body of a Pub/Sub push request, as a wrapping push subscription sends it."""
    published_at = datetime.fromtimestamp(claim.published_at, UTC).isoformat(timespec="milliseconds")
    published_at = published_at.replace("+00:00", "Z")
    return msgspec.json.encode(
        {
            "message": {
                "data": base64.b64encode(claim.body).decode(),
                "attributes": msgspec.Raw(claim.attributes.encode()),
                "messageId": str(claim.id),
                "message_id": str(claim.id),
                "publishTime": published_at,
                "publish_time": published_at,
            },
            "subscription": _SUBSCRIPTION,
            "deliveryAttempt": claim.attempt,
        }
    )
